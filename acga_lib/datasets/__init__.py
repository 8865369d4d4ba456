"""Datasets: files on disk → `Sample`. `open_dataset` is the one way in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType

from acga_lib.datasets.a2d import A2DSentences
from acga_lib.datasets.jhmdb import UNIFORM, JHMDBSentences
from acga_lib.datasets.referit import ReferIt
from acga_lib.datasets.sample import Sample
from acga_lib.errors import ConfigError

#: Reader of each benchmark; a new one needs a line here, and to be trained on, one in
#: `config.DATASETS`.
READERS: MappingProxyType[str, Callable[..., Sequence[Sample]]] = MappingProxyType(
    {"a2d": A2DSentences, "jhmdb": JHMDBSentences, "referit": ReferIt}
)

__all__ = ["READERS", "A2DSentences", "JHMDBSentences", "ReferIt", "Sample", "open_dataset"]


def open_dataset(
    name: str, *, root: str | Path, split: str, frames: str | Path = UNIFORM
) -> Sequence[Sample]:
    """Open a benchmark that lies on disk in its published layout.

    Args:
        name: "a2d", "jhmdb" or "referit".
        root: its folder ("~" is home), which holds for "a2d" `Release` and `text_annotations`, for
            "jhmdb" `jhmdb_annotation.txt`, `Rename_Images` and `puppet_mask`, and for "referit"
            `referit-dataset` and `data`.
        split: "train" or "test"; J-HMDB Sentences has the latter only.
        frames: which three frames of each video of "jhmdb" are scored: "uniform" as in the paper,
            or the path of the frozen choice that MTTR and later papers score.

    Returns:
        the split's samples in a fixed order; one sample is one sentence on one annotated frame.

    Raises:
        ConfigError: unknown name or split, a root that is no path, or a choice of frames for
            another set than "jhmdb".
        DataError, QueryError: a file is missing or damaged, or contradicts another.
    """
    if name not in READERS:
        raise ConfigError(f"unknown dataset {name!r}: choose one of {', '.join(sorted(READERS))}")
    if name == "jhmdb":
        return JHMDBSentences(root=root, split=split, frames=frames)
    if frames != UNIFORM:
        raise ConfigError(f"frames={str(frames)!r} is a choice for jhmdb: leave it out for {name}")
    return READERS[name](root=root, split=split)
