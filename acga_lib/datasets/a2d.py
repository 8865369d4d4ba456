"""A2D Sentences: videos by Xu et al. 2015 (`Release`), text and masks by Gavrilyuk et al. 2018.

One sample is one sentence on one annotated frame. Which samples there are follows the rules that
every peer's reader shares; on the real files they give 15,747 training and 3,800 test samples.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import h5py
import numpy as np
from numpy.typing import NDArray

from acga_lib.datasets.a2d_lists import (
    SPLITS,
    read_cues,
    read_manifest,
    read_missed,
    read_sentences,
)
from acga_lib.errors import ConfigError, DataError
from acga_lib.video import clip_indices, read_clip, read_frames


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sentence on one annotated frame.

    Attributes:
        video_id: the video's name; may begin with "-".
        frame: the annotated frame, counted from 1.
        instance: id of the actor that the sentence means.
        query: the sentence, lowercase, stripped.
        height, width: the video's frame size, pixels.
        frame_count: the video's number of frames according to the manifest.
        video_path, mask_path: the mp4 and the HDF5 file of the annotated frame.
        cue, actor, action, color: what tells the actor apart, where `cues.csv` says so.
    """

    video_id: str
    frame: int
    instance: int
    query: str
    height: int
    width: int
    frame_count: int
    video_path: Path
    mask_path: Path
    cue: str | None = None
    actor: str | None = None
    action: str | None = None
    color: str | None = None

    def clip(self, frames: int = 16) -> NDArray[np.uint8]:
        """The frames around the annotated one, which stands at index `frames // 2`.

        Beyond the video's edges the first or last frame repeats.

        Args:
            frames: T, the clip's length.

        Returns:
            uint8 [T, H, W, 3], RGB.

        Raises:
            DataError: the mp4 is missing, damaged, shorter than the manifest says, or has another
                frame size.
        """
        try:
            window = clip_indices(frame=self.frame, count=self.frame_count, length=frames)
        except DataError as error:
            raise DataError(
                f"{self.video_path}: {error}: correct its row in the manifest"
            ) from error
        clip = read_clip(self.video_path, window, expected=self.frame_count)
        _hold_size(self.video_path, clip.shape[1:3], (self.height, self.width))
        return clip

    def video(self) -> NDArray[np.uint8]:
        """All frames of the video: uint8 [T, H, W, 3], RGB. Raises as `clip`."""
        frames = read_frames(self.video_path, expected=self.frame_count)
        _hold_size(self.video_path, frames.shape[1:3], (self.height, self.width))
        return frames

    def window(self, frames: int = 16) -> list[int]:
        """The 0-based indices of the frames of `clip`. Raises DataError as `clip_indices`."""
        try:
            return clip_indices(frame=self.frame, count=self.frame_count, length=frames)
        except DataError as error:
            raise DataError(
                f"{self.video_path}: {error}: correct its row in the manifest"
            ) from error

    def mask(self) -> NDArray[np.bool_]:
        """The actor's ground truth on the annotated frame: bool [H, W].

        Raises:
            DataError: the HDF5 file is missing or damaged, lacks the instance, or holds a mask of
                another size than the video.
        """
        with _open_h5(self.mask_path) as file:
            ids, masks = _instances(file, self.mask_path), _dataset(file, "reMask", self.mask_path)
            if self.instance not in ids:
                raise DataError(
                    f"{self.mask_path}: holds instances {ids}, not {self.instance}: fetch it again"
                )
            # MATLAB wrote the arrays: axes are reversed, and a single mask has lost its first one.
            count = 1 if masks.ndim == 2 else masks.shape[0]
            if masks.ndim not in (2, 3) or count != len(ids):
                raise DataError(
                    f"{self.mask_path}: reMask {masks.shape} does not hold one mask for each of "
                    f"the instances {ids}: fetch it again"
                )
            raw = masks[()] if masks.ndim == 2 else masks[ids.index(self.instance)]
        mask = np.ascontiguousarray(raw.T != 0)
        _hold_size(self.mask_path, mask.shape, (self.height, self.width))
        return mask


class A2DSentences(Sequence[Sample]):
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
        self.root = Path(root)
        self.split = split
        self._samples = tuple(_read_samples(self.root, split))
        if not self._samples:
            raise DataError(f"{self.root}: has no {split} sample: complete the dataset's download")

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        return self._samples[index]

    def check(self) -> None:
        """Decode every video in full and read every mask, before a long job relies on them.

        Raises:
            DataError: at the first file that is missing, damaged or contradicts its annotation.
        """
        for path, count in {s.video_path: s.frame_count for s in self}.items():
            read_frames(path, expected=count)
        for sample in self:
            sample.mask()


def _read_samples(root: Path, split: str) -> Iterator[Sample]:
    texts = root / "text_annotations"
    videos = read_manifest(root / "Release" / "videoset.csv")
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
        folder = texts / "a2d_annotation_with_instances" / video_id
        for path in _annotated_frames(folder, video.annotated):
            with _open_h5(path) as file:
                present = sorted(queries.keys() & set(_instances(file, path)))
            for instance in present:
                yield Sample(
                    video_id=video_id,
                    frame=int(path.stem),
                    instance=instance,
                    query=queries[instance],
                    height=video.height,
                    width=video.width,
                    frame_count=video.frame_count,
                    video_path=root / "Release" / "clips320H" / f"{video_id}.mp4",
                    mask_path=path,
                    **cues.get((video_id, instance), {}),
                )


def _annotated_frames(folder: Path, expected: int) -> list[Path]:
    """The `<frame>.h5` files of one video in frame order, at least as many as the manifest says."""
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder of masks: complete the dataset's download, or add the video "
            "to a2d_missed_videos.txt"
        )
    # Names that begin with "." are what some archivers add next to each file.
    files = [path for path in folder.iterdir() if path.suffix == ".h5" and path.name[0] != "."]
    if strays := [path.name for path in files if not path.stem.isdecimal()]:
        raise DataError(f"{folder}: {strays[0]} is not named after its frame: rename or delete it")
    if len(files) < expected:
        raise DataError(
            f"{folder}: holds {len(files)} annotated frames where videoset.csv says {expected}: "
            "complete the dataset's download, or correct the video's row"
        )
    return sorted(files, key=lambda path: int(path.stem))


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


def _hold_size(path: Path, size: tuple[int, ...], wanted: tuple[int, int]) -> None:
    if tuple(size) != wanted:
        raise DataError(
            f"{path}: is {size[0]} × {size[1]} pixels (height × width) where videoset.csv says "
            f"{wanted[0]} × {wanted[1]}: fetch the file again, or correct the video's row"
        )
