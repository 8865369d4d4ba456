"""One sentence on one annotated frame, whatever the benchmark, and the sequence of a split's."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from acga_lib.clip import clip_indices
from acga_lib.errors import DataError

#: Pixels of one frame at most: twice those of 8K.
MAX_PIXELS = 2**26


@dataclass(frozen=True, kw_only=True)
class Sample(ABC):
    """One sentence on one annotated frame; each benchmark's subclass reads its own files.

    Attributes:
        video_id: the video's name; may begin with "-".
        frame: the annotated frame, counted from 1.
        instance: id of the actor that the sentence means.
        query: the sentence, lowercase, stripped.
        height, width: the frame size, pixels, as the masks have it. Where a file says that its
            pixels are to be turned or stretched, this decides: frames are left as stored where that
            is their size (published masks are drawn so), and are upright otherwise.
        frame_count: the video's number of frames.
        video_path, mask_path: where the video (a file or a folder of frames) and the annotated
            frame's mask lie.
        cue, actor, action, color: what tells the actor apart, where the dataset says so.
        novelty: "known" or "new", for an action that training has or lacks; None where all are
            known.
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
    novelty: str | None = None

    @property
    @abstractmethod
    def video_files(self) -> tuple[Path, ...]:
        """The files whose bytes are the video, in the order of its frames."""

    @abstractmethod
    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Frames by their 0-based indices, ascending, repeats allowed: uint8 [T, H, W, 3], RGB.

        Raises:
            DataError: a file is missing, damaged, or has another frame size.
        """

    @abstractmethod
    def mask(self) -> NDArray[np.bool_]:
        """The actor's ground truth on the annotated frame: bool [H, W].

        Raises:
            DataError: the mask file is missing, damaged, or contradicts the video.
        """

    def clip(self, frames: int = 16) -> NDArray[np.uint8]:
        """The frames around the annotated one, which stands at index `frames // 2`.

        Beyond the video's edges the first or last frame repeats.

        Args:
            frames: T, the clip's length.

        Returns:
            uint8 [T, H, W, 3], RGB.

        Raises:
            DataError: a file is missing, damaged, shorter than the annotation says, or has another
                frame size.
        """
        return self.read(self.window(frames))

    def video(self) -> NDArray[np.uint8]:
        """All frames of the video: uint8 [T, H, W, 3], RGB. Raises as `clip`."""
        return self.read(range(self.frame_count))

    def window(self, frames: int = 16) -> list[int]:
        """The 0-based indices of the frames of `clip`. Raises DataError as `clip_indices`."""
        try:
            return clip_indices(frame=self.frame, count=self.frame_count, length=frames)
        except DataError as error:
            raise DataError(
                f"{self.video_path}: {error}: correct its row in the manifest"
            ) from error


class Samples(Sequence[Sample]):
    """The samples of one split in a fixed order.

    Args:
        samples: what the reader found.
        root, split: where it looked, for messages.

    Raises:
        DataError: there is no sample.
    """

    def __init__(self, samples: tuple[Sample, ...], *, root: Path, split: str) -> None:
        if not samples:
            raise DataError(f"{root}: has no {split} sample: complete the dataset's download")
        self._samples = samples

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
        for sample in {sample.video_path: sample for sample in self}.values():
            sample.video()
        for sample in self:
            sample.mask()


def hold_size(path: Path, size: tuple[int, ...], wanted: tuple[int, int], *, said_by: str) -> None:
    """Raise DataError unless the file's (height, width) is what `said_by` promises."""
    if tuple(size) != wanted:
        found = " × ".join(map(str, size))
        raise DataError(
            f"{path}: is {found} pixels (height × width) where {said_by} says "
            f"{wanted[0]} × {wanted[1]}: fetch the file again, or correct {said_by}"
        )


def hold_frame_size(height: int, width: int, where: str) -> None:
    """Raise DataError unless a frame has 1 to `MAX_PIXELS` pixels; nothing is allocated before."""
    if min(height, width) < 1 or height * width > MAX_PIXELS:
        raise DataError(
            f"{where}: a frame of {height:,} × {width:,} pixels (height × width) is none: a frame "
            f"has 1 to {MAX_PIXELS:,} pixels; correct it, or fetch the file again"
        )
