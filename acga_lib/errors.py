"""The kit's named errors: each message says which file or value is wrong, and what to do."""


class KitError(Exception):
    """Base class of every error that the kit raises on bad input."""


class DataError(KitError):
    """A dataset file is missing, corrupt, or contradicts its annotation."""


class QueryError(KitError):
    """A sentence that cannot be turned into word vectors (empty, too long, no known word)."""


class ConfigError(KitError):
    """An unknown method, profile, dataset or parameter, or a value out of range."""


class CheckpointError(KitError):
    """A weight file or checkpoint that is damaged or belongs to another configuration."""


class TrainingError(KitError):
    """Training cannot go on, for example because the loss is not a number."""


class DownloadError(KitError):
    """A public file cannot be fetched, or is not the published one."""


class StorageError(KitError):
    """The disk is full, or too small for what is about to be written."""
