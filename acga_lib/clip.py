"""A clip as the networks see it: frames around the annotated one, square, in [-1, 1].

The paper feeds 16 frames at 512² (Sec. 3.3) and does not say how a frame becomes square; the kit
letterboxes as Hu et al. 2016 do (`resize_and_pad`): keep the aspect, pad with zeros around the
centre. `Letterbox` also takes responses and masks back to the original frame.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from acga_lib.errors import ConfigError, DataError


def clip_indices(*, frame: int, count: int, length: int) -> list[int]:
    """Frames of the clip around an annotated frame; the annotated one stands at `length // 2`.

    Indices beyond the video's edges are clamped, which repeats the first or last frame (what every
    peer's reader does; the paper says only that the annotated frame is in the middle).

    Args:
        frame: the annotated frame, counted from 1 as in the datasets.
        count: number of frames of the video.
        length: number of frames of the clip, 16 in the paper.

    Returns:
        `length` 0-based indices in ascending order.

    Raises:
        ConfigError: `length` is below 1.
        DataError: `frame` is not one of the video's 1…count.
    """
    if length < 1:
        raise ConfigError(f"a clip of {length} frames is impossible: ask for 1 or more")
    if not 1 <= frame <= count:
        raise DataError(f"frame {frame} is outside the video's frames 1 to {count}")
    first = frame - 1 - length // 2
    return [min(max(index, 0), count - 1) for index in range(first, first + length)]


def to_input(frames: NDArray[np.uint8]) -> torch.Tensor:
    """Letterboxed frames as I3D reads them.

    Args:
        frames: uint8 [T, S, S, 3], RGB.

    Returns:
        float32 [3, T, S, S] in [−1, 1] (no ImageNet mean: the I3D ports' convention).
    """
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(3, 0, 1, 2)
    return pixels.to(torch.float32).div_(127.5).sub_(1.0).contiguous()


def threshold(response: NDArray[np.float32], share: float = 0.5) -> NDArray[np.bool_]:
    """Sec. 3.4: foreground where the response (a probability) exceeds half of its maximum.

    Never empty, since the maximum exceeds half of itself. share: another part of the maximum than
    one half, below 1.
    """
    return response > share * response.max()


@dataclass(frozen=True, kw_only=True)
class Letterbox:
    """A frame of `height` × `width` pixels inside a square of `side`, and the way back.

    The frame is scaled by `side / max(height, width)` and centred between two zero margins.

    Attributes:
        height, width: the original frame, pixels.
        side: S, the square's side, pixels (512 in the paper).

    Raises:
        ConfigError: a size below 1.
    """

    height: int
    width: int
    side: int

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.side) < 1:
            raise ConfigError(f"{self}: sizes must be 1 pixel or more")

    @property
    def content(self) -> tuple[slice, slice]:
        """Rows and columns of the square that show the frame."""
        scale = self.side / max(self.height, self.width)
        spans = []
        for size in (self.height, self.width):
            length = max(round(size * scale), 1)
            start = (self.side - length) // 2
            spans.append(slice(start, start + length))
        return spans[0], spans[1]

    def frames(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Letterbox a clip: uint8 [T, H, W, 3] → uint8 [T, S, S, 3].

        Raises:
            ConfigError: the frames are not `height` × `width`.
        """
        self._hold_size("frames", frames.shape[1:3], (self.height, self.width))
        out = np.zeros((len(frames), self.side, self.side, frames.shape[3]), dtype=np.uint8)
        rows, columns = self.content
        for square, frame in zip(out, frames, strict=True):
            square[rows, columns] = self._fit(frame)
        return out

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Letterbox a mask: bool [H, W] → bool [S, S]; a pixel is foreground from one half on.

        Raises:
            ConfigError: the mask is not `height` × `width`.
        """
        return self.coverage(mask) >= 0.5

    def coverage(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """How much of each cell of the square a mask covers: bool [H, W] → float32 [S, S].

        Raises:
            ConfigError: the mask is not `height` × `width`.
        """
        self._hold_size("mask", mask.shape, (self.height, self.width))
        out = np.zeros((self.side, self.side), dtype=np.float32)
        out[self.content] = self._fit(mask.astype(np.float32))
        return out

    def restore_response(self, response: NDArray[np.floating]) -> NDArray[np.float32]:
        """Bring a response back to the frame: drop the margins, resize bilinearly.

        The kit's way to a mask is to threshold *after* this step, on the original pixels; for the
        authors' order see `authors_restore`.

        Args:
            response: float [S, S], logits or probabilities.

        Returns:
            float32 [H, W].

        Raises:
            ConfigError: the response is not `side` × `side`.
        """
        self._hold_size("response", response.shape, (self.side, self.side))
        content = np.ascontiguousarray(response[self.content], dtype=np.float32)
        return _resize(content, self.height, self.width)

    def authors_restore(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The authors' way back (their `util/tool.py`, `resize_and_crop`).

        The response is thresholded *before*, on the square; the whole square, as 8-bit zeros and
        ones, is then resized bilinearly to the frame's longer side and its centre cropped. OpenCV's
        8-bit arithmetic decides which interpolated pixels count, so this calls it just as they do.
        bool [S, S] → bool [H, W]; ConfigError where the mask is not `side` × `side`.
        """
        self._hold_size("mask", mask.shape, (self.side, self.side))
        longer = max(self.height, self.width)
        whole = cv2.resize(mask.astype(np.uint8), (longer, longer), interpolation=cv2.INTER_LINEAR)
        top, left = (longer - self.height) // 2, (longer - self.width) // 2
        return whole[top : top + self.height, left : left + self.width] == 1

    def authors_round_trip(self, truth: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What the authors score against: the ground truth sent to the square and back.

        bool [H, W] → bool [H, W]. Their way to the square is not published; taken is the resizing
        of their way back, which gives the 0.978 mean IoU that the field reports for the round trip
        of the real test masks. Scores against it and against the untouched mask must not be mixed.
        """
        self._hold_size("mask", truth.shape, (self.height, self.width))
        square = np.zeros((self.side, self.side), dtype=np.uint8)
        rows, columns = self.content
        size = (columns.stop - columns.start, rows.stop - rows.start)
        square[rows, columns] = cv2.resize(
            truth.astype(np.uint8), size, interpolation=cv2.INTER_LINEAR
        )
        return self.authors_restore(square == 1)

    def _fit(self, image: NDArray) -> NDArray:
        rows, columns = self.content
        return _resize(image, rows.stop - rows.start, columns.stop - columns.start)

    def _hold_size(self, what: str, size: tuple[int, ...], wanted: tuple[int, int]) -> None:
        if tuple(size) != wanted:
            raise ConfigError(
                f"{what} of {size} pixels given to a letterbox that expects {wanted}: "
                "build the Letterbox from the video's own height and width"
            )


def _resize(image: NDArray, height: int, width: int) -> NDArray:
    """Resize [H, W] or [H, W, 3]; averaging where the image shrinks avoids aliasing.

    Raises ConfigError for a type of number that OpenCV does not resize.
    """
    shrinking = height < image.shape[0] or width < image.shape[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    try:
        return cv2.resize(image, (width, height), interpolation=method)
    except (cv2.error, TypeError) as error:
        raise ConfigError(
            f"an array of type {image.dtype} and shape {image.shape} cannot be resized: give "
            "frames as uint8, masks as bool"
        ) from error
