"""A2D Sentences: videos by Xu et al. 2015 (`Release`), text and masks by Gavrilyuk et al. 2018.

One sample is one sentence on one annotated frame. Which samples there are follows the rules that
every peer's reader shares; on the real files they give 15,747 training and 3,800 test samples.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from acga_lib.datasets.a2d_lists import (
    SPLITS,
    read_manifest,
    read_missed,
    read_sentences,
)
from acga_lib.datasets.sample import Sample, Samples, hold_size
from acga_lib.errors import ConfigError, DataError
from acga_lib.files.lists import read_cues
from acga_lib.files.video import read_clip, read_frames

MANIFEST = "videoset.csv"
#: Folders of the footage and of the masks, in the root and in `text_annotations`.
CLIPS, MASKS = "Release/clips320H", "a2d_annotation_with_instances"


@dataclass(frozen=True, kw_only=True)
class A2DSample(Sample):
    """A sample whose video is an mp4 and whose mask lies in its frame's HDF5 file."""

    @property
    def video_files(self) -> tuple[Path, ...]:
        """The mp4."""
        return (self.video_path,)

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode frames of the mp4: uint8 [T, H, W, 3]. Raises as `Sample.read`."""
        clip = read_clip(
            self.video_path, indices, expected=self.frame_count, size=(self.height, self.width)
        )
        self._hold_size(self.video_path, clip.shape[1:3])
        return clip

    def video(self) -> NDArray[np.uint8]:
        """All frames of the mp4, also beyond those that the manifest counts: [T, H, W, 3]."""
        frames = read_frames(
            self.video_path, expected=self.frame_count, size=(self.height, self.width)
        )
        self._hold_size(self.video_path, frames.shape[1:3])
        return frames

    def mask(self) -> NDArray[np.bool_]:
        """The actor's ground truth on the annotated frame: bool [H, W].

        Raises:
            DataError: the HDF5 file is missing or damaged, lacks the instance, or holds a mask of
                another size than the video.
        """
        with open_masks(self.mask_path) as (ids, masks):
            if self.instance not in ids:
                raise DataError(
                    f"{self.mask_path}: holds instances {ids}, not {self.instance}: fetch it again"
                )
            raw = masks[()] if masks.ndim == 2 else masks[ids.index(self.instance)]
        mask = np.ascontiguousarray(raw.T != 0)
        self._hold_size(self.mask_path, mask.shape)
        return mask

    def _hold_size(self, path: Path, size: tuple[int, ...]) -> None:
        hold_size(path, size, (self.height, self.width), said_by=MANIFEST)


class A2DSentences(Samples):
    """The samples of one split, ordered by video (as annotated), frame and instance.

    Opening reads the lists and each annotated frame's instance ids; videos and masks are read when
    a sample is asked for them (`check` reads everything).

    Args:
        root: folder that holds `Release` and `text_annotations`.
        split: "train" or "test".

    Raises:
        ConfigError: unknown split.
        DataError: a list or HDF5 file is missing, damaged, or contradicts another.
        QueryError: an empty sentence.
    """

    def __init__(self, *, root: str | Path, split: str) -> None:
        if split not in SPLITS:
            raise ConfigError(f"unknown split {split!r} of A2D Sentences: choose train or test")
        root = Path(root)
        super().__init__(tuple(_read_samples(root, split)), root=root, split=split)


def _read_samples(root: Path, split: str) -> Iterator[Sample]:
    texts = root / "text_annotations"
    videos = read_manifest(root / "Release" / MANIFEST)
    missed = read_missed(texts / "a2d_missed_videos.txt")
    sentences = read_sentences(texts / "a2d_annotation.txt")
    cues = read_cues(texts / "cues.csv")
    for video_id, queries in sentences.items():
        if video_id in missed:
            continue
        if video_id not in videos:
            raise DataError(
                f"{texts / 'a2d_annotation.txt'}: video {video_id!r} is not in videoset.csv: "
                "add its row there, or its id to a2d_missed_videos.txt"
            )
        video = videos[video_id]
        if video.split != split:
            continue
        folder = texts / MASKS / video_id
        for path in annotated_frames(folder, expected=video.annotated):
            with _open_h5(path) as file:
                present = sorted(queries.keys() & set(_instances(file, path)))
            for instance in present:
                yield A2DSample(
                    video_id=video_id,
                    frame=int(path.stem),
                    instance=instance,
                    query=queries[instance],
                    height=video.height,
                    width=video.width,
                    frame_count=video.frame_count,
                    video_path=root / CLIPS / f"{video_id}.mp4",
                    mask_path=path,
                    **cues.get((video_id, instance), {}),
                )


def annotated_frames(folder: Path, *, expected: int = 0) -> list[Path]:
    """The `<frame>.h5` files of one video in frame order.

    Raises:
        DataError: no such folder, no file in it, or one not named after its frame.

    Warns where there are fewer than expected: peers do not hold the two against each other.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder of masks: complete the dataset's download, or add the video "
            "to a2d_missed_videos.txt"
        )
    # Names that begin with "." are what some archivers add next to each file.
    files = [path for path in folder.iterdir() if path.suffix == ".h5" and path.name[0] != "."]
    if strays := [path.name for path in files if not path.stem.isdecimal()]:
        raise DataError(f"{folder}: {strays[0]} is not named after its frame: rename or delete it")
    if not files:
        raise DataError(f"{folder}: holds no mask file: complete the dataset's download")
    if len(files) < expected:
        warnings.warn(
            f"{folder}: holds {len(files)} annotated frames where videoset.csv says {expected}; "
            "`make check-data` tells whether the dataset is complete",
            stacklevel=2,
        )
    return sorted(files, key=lambda path: int(path.stem))


@contextmanager
def open_masks(path: Path) -> Iterator[tuple[list[int], h5py.Dataset]]:
    """The ids of the actors annotated on a frame, and their masks as stored, read when indexed.

    MATLAB wrote the arrays: axes are reversed, [K, W, H], and a single mask has lost its first one.

    Raises:
        DataError: the file is missing or damaged, or does not hold one mask for each id.
    """
    with _open_h5(path) as file:
        ids, masks = _instances(file, path), _dataset(file, "reMask", path)
        count = 1 if masks.ndim == 2 else masks.shape[0]
        if masks.ndim not in (2, 3) or count != len(ids):
            raise DataError(
                f"{path}: reMask {masks.shape} does not hold one mask for each of the instances "
                f"{ids}: fetch it again"
            )
        yield ids, masks


@contextmanager
def _open_h5(path: Path) -> Iterator[h5py.File]:
    if not path.is_file():
        raise DataError(f"{path}: no such mask file: complete the dataset's download")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        raise DataError(f"{path}: not a readable HDF5 file ({error}): fetch it again") from error


def _dataset(file: h5py.File, key: str, path: Path) -> h5py.Dataset:
    if not isinstance(file.get(key), h5py.Dataset):
        raise DataError(f"{path}: holds no {key}, only {sorted(file)}: fetch it again")
    return file[key]


def _instances(file: h5py.File, path: Path) -> list[int]:
    """Ids of the actors annotated on the frame, in the order of its masks."""
    return [int(number) for number in np.ravel(_dataset(file, "instance", path)[()])]
