"""The HDF5 files of A2D Sentences: who is annotated on a frame, and where.

MATLAB wrote the arrays: axes are reversed, [K, W, H], a single mask has lost its first one, and an
empty array is stored as its own shape, [0, 0], under the mark MATLAB_empty.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from acga_lib.datasets.sample import hold_size
from acga_lib.errors import DataError
from acga_lib.files.arrays import as_mask, is_empty, numbers, open_hdf5
from acga_lib.files.lists import whole_number
from acga_lib.files.paths import FETCH, entries

MANIFEST = "videoset.csv"
#: Actors on one frame at most; the published annotation counts to 17.
MAX_ACTORS = 1000


def annotated_frames(folder: Path, *, expected: int = 0) -> list[Path]:
    """The `<frame>.h5` files of one video in frame order.

    Raises:
        DataError: no such folder, no file in it, one not named after its frame, or two for one.

    Warns where there are fewer than expected: peers do not hold the two against each other.
    """
    frames: dict[int, Path] = {}
    fetch = "complete the dataset's download, or add the video to a2d_missed_videos.txt"
    for path in entries(folder, "masks", fetch=fetch):
        if path.suffix != ".h5":
            continue
        try:
            number = whole_number(path.stem)
        except ValueError as error:
            raise DataError(
                f"{folder}: {path.name} is not named after its frame ({error}): rename or delete it"
            ) from error
        if (first := frames.setdefault(number, path)) != path:
            raise DataError(
                f"{folder}: {first.name} and {path.name} both annotate frame {number}: delete one"
            )
    if not frames:
        raise DataError(f"{folder}: holds no mask file: complete the dataset's download")
    if len(frames) < expected:
        warnings.warn(
            f"{folder}: holds {len(frames)} annotated frames where videoset.csv says {expected}; "
            "`make check-data` tells whether the dataset is complete",
            stacklevel=2,
        )
    return [frames[number] for number in sorted(frames)]


def read_instances(path: Path) -> list[int]:
    """Ids of the actors annotated on a frame, in the order of its masks; none where it is empty.

    Raises:
        DataError: the file is missing, forbidden or damaged, or does not hold one mask for each id.
    """
    with _open_masks(path) as (ids, _):
        return ids


def read_mask(path: Path, instance: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of one actor on a frame: bool [H, W] of `size`, which the manifest promises.

    Raises:
        DataError: the file is missing, forbidden or damaged, lacks the actor, holds two different
            masks of it, one of another size, or one that is not of two numbers.
    """
    with _open_masks(path) as (ids, masks):
        if instance not in ids:
            raise DataError(f"{path}: holds instances {ids}, not {instance}: fetch it again")
        hold_size(path, masks.shape[:-3:-1], size, said_by=MANIFEST)
        return _mask_of(masks, ids, instance, path)


def check_masks(path: Path, size: tuple[int, int]) -> None:
    """Read every mask of a frame, one at a time.

    Raises:
        DataError: as `read_mask`, or nobody is annotated, or all masks are empty.
    """
    with _open_masks(path) as (ids, masks):
        if not ids:
            raise DataError(f"{path}: annotates no actor: delete the file, or {FETCH}")
        hold_size(path, masks.shape[:-3:-1], size, said_by=MANIFEST)
        found = [_mask_of(masks, ids, instance, path).any() for instance in dict.fromkeys(ids)]
    if not any(found):
        raise DataError(f"{path}: all its masks are empty: fetch it again")


@contextmanager
def _open_masks(path: Path) -> Iterator[tuple[list[int], h5py.Dataset]]:
    """The ids of a frame's actors, and their masks as stored, read when indexed."""
    with open_hdf5(path) as file:
        ids, masks = _instances(file, path), numbers(file, "reMask", path)
        shape = () if is_empty(masks) else masks.shape
        count = {0: 0, 2: 1, 3: shape[0] if shape else 0}.get(len(shape), -1)
        if count != len(ids):
            raise DataError(
                f"{path}: reMask {shape} does not hold one mask for each of the instances {ids}: "
                "fetch it again"
            )
        yield ids, masks


def _mask_of(masks: h5py.Dataset, ids: list[int], instance: int, path: Path) -> NDArray[np.bool_]:
    """An actor's mask [H, W]; one that is stored twice must be the same both times."""
    places = [place for place, known in enumerate(ids) if known == instance]
    stored = [masks[()] if masks.ndim == 2 else masks[place] for place in places]
    if any(not np.array_equal(stored[0], other) for other in stored[1:]):
        raise DataError(
            f"{path}: holds {len(places)} different masks of instance {instance}: correct its "
            "instance ids, or fetch it again"
        )
    return np.ascontiguousarray(as_mask(stored[0], path, f"instance {instance}").T)


def _instances(file: h5py.File, path: Path) -> list[int]:
    """Ids of the actors annotated on the frame, in the order of its masks."""
    found = numbers(file, "instance", path)
    if is_empty(found):
        return []
    if found.size > MAX_ACTORS or found.size != max(found.shape, default=1):
        raise DataError(
            f"{path}: instance {found.shape} is no list of at most {MAX_ACTORS} ids: {FETCH}"
        )
    ids = np.ravel(found[()])
    if not (np.isfinite(ids) & (ids >= 0) & (ids == np.rint(ids))).all():
        raise DataError(f"{path}: the instance ids {ids.tolist()} must be whole numbers: {FETCH}")
    return [int(number) for number in ids]
