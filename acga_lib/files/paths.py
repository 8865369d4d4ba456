"""Paths that people give, and what an operating system says of a file, as named errors.

One wrapper for all formats: `named` takes what a format's library raises on a damaged file. Whether
a file is damaged, locked or forbidden decides what to do about it, and only a damaged one is to be
fetched again.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acga_lib.errors import ConfigError, DataError, KitError

#: What a system answers where a file is not there, may not be read, or is in use.
_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_IN_USE = (errno.EAGAIN, errno.EBUSY, errno.ETXTBSY, errno.EDEADLK)
#: HDF5 marks a file while a program writes it, also where locks do not work.
_MARKED = ("already open for write", "unable to lock file")
FETCH = "fetch it again, or complete the dataset's download"


def given_path(path: str | Path, what: str) -> Path:
    """A path as a person gives it; "~" is home where no shell has put it in.

    Raises:
        ConfigError: no path, an empty one, or a "~" of nobody known; `what` it is for is named.
    """
    if not isinstance(path, str | Path) or not str(path).strip() or "\0" in str(path):
        raise ConfigError(f"{path!r} is no path of {what}: give its path as text")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{str(path)!r}, {what}: it is not known whose home is meant ({error}): give the whole "
            "path"
        ) from error


@contextmanager
def named(path: Path, kind: str, *damage: type[Exception], fetch: str = FETCH) -> Iterator[None]:
    """While a file is read: what goes wrong becomes a DataError that names it and what to do.

    Args:
        path: the file, which must be there.
        kind: what the file is, "HDF5 file".
        damage: what the format's library raises on a damaged file, beside OSError.
        fetch: what to do where it is absent or damaged.
    """
    broken: tuple[type[Exception], ...] = (MemoryError, *damage)
    try:
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "no such file")
        yield
    except KitError:
        raise
    except OSError as error:
        raise refusal(path, kind, error, fetch=fetch) from error
    except broken as error:
        raise DataError(f"{path}: not a readable {kind} ({_told(error)}): {fetch}") from error


def refusal(path: Path, kind: str, error: OSError, *, fetch: str = FETCH) -> DataError:
    """What the system's answer means for the one who wanted to read."""
    told = _told(error)
    if error.errno in _ABSENT:
        return DataError(f"{path}: no such {kind}: {fetch}")
    if error.errno in _FORBIDDEN:
        return DataError(
            f"{path}: you may not read this {kind} ({told}): ask its owner, or `chmod` it; nothing "
            "says that it is damaged"
        )
    if error.errno in _IN_USE or any(mark in told for mark in _MARKED):
        return DataError(
            f"{path}: another program holds this {kind} open for writing, or was killed while it "
            f"did ({told}): end that program and try again; nothing says that it is damaged"
        )
    return DataError(f"{path}: not a readable {kind} ({told}): {fetch}")


def is_there(path: Path) -> bool:
    """Whether an optional file is there. Raises DataError where its folder may not be entered."""
    try:
        return path.is_file()
    except OSError as error:
        raise refusal(path, "file", error) from error


def entries(folder: Path, kind: str, *, fetch: str = FETCH) -> list[Path]:
    """What lies in a folder, by name, hidden files apart.

    Names that begin with "." are what some archivers and file browsers add next to each file.

    Raises:
        DataError: no such folder, or one that may not be listed.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.name[0] != ".")
    except OSError as error:
        raise refusal(folder, f"folder of {kind}", error, fetch=fetch) from error


def subfolders(folder: Path, kind: str) -> list[Path]:
    """The folders in a folder, by name. Raises DataError as `entries`."""
    found = entries(folder, kind)
    try:
        return [path for path in found if path.is_dir()]
    except OSError as error:
        raise refusal(folder, f"folder of {kind}", error) from error


def _told(error: BaseException) -> str:
    """An error in one line that does not flood the screen."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "…"
