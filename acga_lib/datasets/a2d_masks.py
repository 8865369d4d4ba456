"""The HDF5 files of A2D Sentences: who is annotated on a frame, and where.

MATLAB wrote the arrays: axes are reversed, [K, W, H], a single mask has lost its first one, and an
empty array is stored as its own shape, [0, 0], under the mark MATLAB_empty.

Four files of the published annotation contradict themselves: three training frames have one or two
masks more than ids (95Nq6fQoP2o 32, I0MlLHTWCro 20, IRrbHQjE4LQ 16), and on a test frame
(EadxBPmQvtg 25) id 1 stands twice. They are read as all peers read them, who look an id's place up
in the list: the first mask of an id counts, and masks beyond the ids are nobody's.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from acga_lib.datasets.sample import hold_frame_size, hold_size
from acga_lib.errors import DataError
from acga_lib.files.arrays import as_mask, is_empty, numbers, open_hdf5
from acga_lib.files.lists import whole_number
from acga_lib.files.paths import FETCH, entries

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


def read_frame(path: Path) -> tuple[list[int], tuple[int, int]]:
    """What is annotated on a frame: actors' ids, in the order of their masks, and (height, width).

    The size is the masks', to which the footage is held: peers read no other (the manifest has
    one, too). Where nobody is annotated, no id and a size without meaning.

    Raises:
        DataError: the file is missing, forbidden or damaged, or holds fewer masks than ids, masks
            and no id, or masks of a size that no frame has.

    Warns of masks beyond the ids, and of an id that stands twice.
    """
    with _open_masks(path) as (ids, masks):
        if ids and _count(masks) > len(ids):
            _warn(f"{path}: {_count(masks)} masks for the ids {ids}: those beyond are left out")
        if len(set(ids)) < len(ids):
            _warn(f"{path}: an id stands twice in {ids}: its first mask is taken")
        return ids, (masks.shape[-1], masks.shape[-2]) if ids else (0, 0)


def _warn(told: str) -> None:
    warnings.warn(f"{told}, as by other readers of A2D Sentences", stacklevel=3)


def read_mask(path: Path, instance: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of one actor on a frame: bool [H, W] of `size`, which `read_frame` told.

    Raises:
        DataError: the file is missing, forbidden or damaged, lacks the actor, holds masks of
            another size, or one of it that is not of two numbers.
    """
    with _open_masks(path) as (ids, masks):
        if instance not in ids:
            raise DataError(f"{path}: holds instances {ids}, not {instance}: fetch it again")
        hold_size(path, masks.shape[:-3:-1], size, said_by="the sample")
        return _mask_of(masks, ids, instance, path)


def check_masks(path: Path) -> None:
    """Read every mask of a frame, one at a time.

    Raises:
        DataError: as `read_mask`, or nobody is annotated, or all masks are empty.
    """
    with _open_masks(path) as (ids, masks):
        if not ids:
            raise DataError(f"{path}: annotates no actor: delete the file, or {FETCH}")
        found = [_mask_of(masks, ids, instance, path).any() for instance in dict.fromkeys(ids)]
    if not any(found):
        raise DataError(f"{path}: all its masks are empty: fetch it again")


@contextmanager
def _open_masks(path: Path) -> Iterator[tuple[list[int], h5py.Dataset]]:
    """The ids of a frame's actors, and their masks as stored, read when indexed."""
    with open_hdf5(path) as file:
        ids, masks = _instances(file, path), numbers(file, "reMask", path)
        count = _count(masks)
        if count < len(ids) or (count and not ids):
            raise DataError(
                f"{path}: reMask {masks.shape} does not hold a mask for each of the instances "
                f"{ids}: fetch it again"
            )
        if ids:
            hold_frame_size(masks.shape[-1], masks.shape[-2], str(path))
        yield ids, masks


def _count(masks: h5py.Dataset) -> int:
    """How many masks a file holds; -1 where the array has another shape than masks have."""
    if is_empty(masks):
        return 0
    if masks.ndim == 2:
        return 1
    return masks.shape[0] if masks.ndim == 3 else -1


def _mask_of(masks: h5py.Dataset, ids: list[int], instance: int, path: Path) -> NDArray[np.bool_]:
    """An actor's mask [H, W], the first of its id."""
    stored = masks[()] if masks.ndim == 2 else masks[ids.index(instance)]
    return np.ascontiguousarray(as_mask(stored, path, f"instance {instance}").T)


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
