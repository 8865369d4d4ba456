"""Video files: whole videos and single clips, decoded frame after frame."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from acga_lib.errors import DataError


def read_frames(path: str | Path, *, expected: int | None = None) -> NDArray[np.uint8]:
    """Decode a whole video, frame after frame.

    Args:
        path: a video file with one video stream.
        expected: number of frames that the dataset's manifest promises; unchecked where None.

    Returns:
        uint8 [T, H, W, 3], RGB.

    Raises:
        DataError: the file is missing or damaged, or holds fewer frames than expected.
    """
    with _open(path) as container:
        frames = [_pixels(frame) for frame in _decoded(container, path)]
    if not frames:
        raise DataError(f"{path}: holds no video frame: fetch the file again")
    _hold_count(path, len(frames), expected)
    return np.stack(frames)


def read_clip(
    path: str | Path, indices: Sequence[int], *, expected: int | None = None
) -> NDArray[np.uint8]:
    """Decode the frames of one clip, and no frame beyond its last one.

    The rest of the file is only counted, undecoded, so that a truncated file raises wherever the
    clip lies. `read_frames` is the thorough check.

    Args:
        path: a video file.
        indices: 0-based frames in ascending order, repeats allowed, as from `clip_indices`.
        expected: number of frames that the dataset's manifest promises; unchecked where None.

    Returns:
        uint8 [T=len(indices), H, W, 3], RGB.

    Raises:
        DataError: missing or damaged file, fewer frames than expected, or than the clip needs.
    """
    if expected is not None:
        _hold_count(path, _count_packets(path), expected)
    wanted, last = set(indices), max(indices)
    found: dict[int, NDArray[np.uint8]] = {}
    with _open(path) as container:
        for index, frame in enumerate(_decoded(container, path)):
            if index in wanted:
                found[index] = _pixels(frame)
            if index == last:
                break
        else:
            raise DataError(
                f"{path}: ends before frame {last + 1}, which the clip needs: fetch it again"
            )
    return np.stack([found[index] for index in indices])


def _open(path: str | Path) -> InputContainer:
    if not Path(path).is_file():
        raise DataError(f"{path}: no such video: complete the dataset's download")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise DataError(f"{path}: not a readable video ({error}): fetch it again") from error
    if not container.streams.video:
        container.close()
        raise DataError(f"{path}: holds no video stream: fetch the file again")
    return container


def _decoded(container: InputContainer, path: str | Path) -> Iterator[VideoFrame]:
    """Frames in display order; a frame that the decoder had to patch up raises."""
    try:
        for frame in container.decode(video=0):
            if frame.is_corrupt:
                raise DataError(f"{path}: a frame is damaged: fetch the file again")
            yield frame
    except (av.FFmpegError, OSError) as error:
        raise DataError(f"{path}: cannot be decoded ({error}): fetch it again") from error


def _pixels(frame: VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def _count_packets(path: str | Path) -> int:
    """Number of undamaged coded pictures, an upper bound of the frames, without decoding any."""
    with _open(path) as container:
        try:
            packets = container.demux(video=0)
            return sum(packet.size > 0 and not packet.is_corrupt for packet in packets)
        except (av.FFmpegError, OSError) as error:
            raise DataError(f"{path}: cannot be read to its end ({error})") from error


def _hold_count(path: str | Path, count: int, expected: int | None) -> None:
    if expected is not None and count < expected:
        raise DataError(
            f"{path}: holds {count} frames where {expected} are expected: "
            "fetch the file again, or correct its row in the manifest"
        )
