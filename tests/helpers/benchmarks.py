"""The benchmarks in their embedded form, for tests that treat all of them alike."""

from pathlib import Path

from acga_lib.datasets import Sample, open_dataset
from acga_lib.datasets.check_data import check

SPLITS = {"a2d": ("train", "test"), "jhmdb": ("test",), "referit": ("train", "test")}
SENTENCES, MANIFEST = "text_annotations/a2d_annotation.txt", "Release/videoset.csv"
MASKS = "text_annotations/a2d_annotation_with_instances"
EXPRESSIONS = "data/referit_query_trainval.json"


def first_masks(root: Path) -> Path:
    """A mask file of any of the three benchmarks."""
    return min([*root.glob(f"{MASKS}/*/*.h5"), *root.glob("**/mask/*.mat"),
                *root.glob("puppet_mask/**/*.mat")])  # fmt: skip


def everything(name: str, root: Path | str) -> list[Sample]:
    """All samples of a benchmark."""
    return [s for split in SPLITS[name] for s in open_dataset(name, root=root, split=split)]


def problems(name: str, root: Path) -> dict[str, list[str]]:
    """What `make check-data` finds."""
    return check(name, root, decode=False, progress=False).problems
