"""Datasets: files on disk → `Sample`. `open_dataset` is the one way in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType

from acga_lib.datasets.a2d import A2DSentences
from acga_lib.datasets.sample import Sample
from acga_lib.errors import ConfigError

#: Reader of each benchmark; a new one needs a line here and nothing else.
READERS: MappingProxyType[str, Callable[..., Sequence[Sample]]] = MappingProxyType(
    {"a2d": A2DSentences}
)

__all__ = ["READERS", "A2DSentences", "Sample", "open_dataset"]


def open_dataset(name: str, *, root: str | Path, split: str) -> Sequence[Sample]:
    """Open a benchmark that lies on disk in its published layout.

    Args:
        name: "a2d".
        root: its folder; for "a2d" the one that holds `Release` and `text_annotations`.
        split: "train" or "test".

    Returns:
        the split's samples in a fixed order; one sample is one sentence on one annotated frame.

    Raises:
        ConfigError: unknown name or split.
        DataError, QueryError: a file is missing or damaged, or contradicts another.
    """
    if name not in READERS:
        raise ConfigError(f"unknown dataset {name!r}: choose one of {', '.join(sorted(READERS))}")
    return READERS[name](root=root, split=split)
