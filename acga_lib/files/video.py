"""Video files: whole videos, single clips, the surroundings of one frame, all frame after frame.

No more frames are held than are asked for, however long the video is. The container is asked what
it can say: which stream is the video, how its pictures are to be turned and stretched, how many
bytes there should be. A decoder that has to guess pixels raises.
"""

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from acga_lib.errors import DataError
from acga_lib.files import stills, upright
from acga_lib.files.whole import hold_whole

#: Only this file is read: no address, no playlist's entries, no numbered neighbours ("%03d.png").
#: Titles in Latin-1 are no reason to refuse a video.
OPENING: dict[str, Any] = {
    "options": {"protocol_whitelist": "file", "pattern_type": "none"},
    "metadata_errors": "replace",
}
#: A decoder holds checksums against the data where there are any, raises rather than going on with
#: what it could make out of damaged data, and allocates no frame that is a decompression bomb.
DECODING = {"err_detect": "crccheck+explode", "max_pixels": str(stills.MAX_PIXELS)}
#: Streams of pictures that are no video: a cover, thumbnails, the tiles of an HEIC photograph.
NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
#: Curves of high dynamic range by FFmpeg's numbers; its conversion to RGB leaves them as they are.
HIGH_RANGE = {16: "PQ", 18: "HLG"}
#: "Formats" that name other files.
PLAYLISTS = frozenset({"concat", "hls", "dash", "imf"})


@dataclass(frozen=True, eq=False)
class Excerpt:
    """One frame of a video with its neighbours."""

    frames: NDArray[np.uint8]  #: [T, H, W, 3] RGB
    position: int  #: 0-based, of the frame among them


def read_frames(
    path: str | Path, *, expected: int | None = None, size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Decode a whole video, frame after frame.

    Args:
        path: a video file.
        expected: number of frames that the dataset's manifest promises; unchecked where None.
        size: as in `read_clip`.

    Returns:
        uint8 [T, H, W, 3], RGB.

    Raises:
        DataError: the file is missing or damaged, holds fewer frames than expected, or frames of
            several sizes.
    """
    frames = list(each_frame(path, size=size))
    _hold_count(path, len(frames), expected)
    return np.stack(frames)


def each_frame(
    path: str | Path, *, size: tuple[int, int] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Decode a whole video, one frame in memory at a time: uint8 [H, W, 3] each.

    Arguments and errors as of `read_frames`; what is wrong with a frame is raised at that frame.
    """
    with _open(path) as video:
        for frame in video.frames():
            yield video.pixels(frame, size)


def frame_rate(path: str | Path) -> Fraction | None:
    """Frames per second, on average; None where the file does not tell. Raises DataError."""
    with _open(path) as video:
        return video.stream.average_rate


def read_clip(
    path: str | Path,
    indices: Sequence[int],
    *,
    expected: int | None = None,
    size: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """Decode the frames of one clip, or of several at once, and no frame beyond the last one.

    The rest of the file is only counted, undecoded, so that a truncated file raises wherever the
    clip lies. `read_frames` is the thorough check.

    Args:
        path: a video file.
        indices: 0-based frames in ascending order, repeats allowed, as from `clip_indices`.
        expected: number of frames that the dataset's manifest promises; unchecked where None.
        size: (height, width) of the masks that belong to the video. They were drawn on the stored
            pixels where those have this size: such pixels are left as they lie. All others are
            turned upright.

    Returns:
        uint8 [T=len(indices), H, W, 3], RGB.

    Raises:
        DataError: missing or damaged file, fewer frames than expected, or than the clip needs.
    """
    if expected is not None:
        _hold_count(path, count_packets(path), expected)
    wanted, last = set(indices), max(indices)
    found: dict[int, NDArray[np.uint8]] = {}
    with _open(path) as video:
        for index, frame in enumerate(video.frames()):
            if index in wanted:
                found[index] = video.pixels(frame, size)
            if index == last:
                video.hold_pending()
                break
        else:
            raise DataError(
                f"{path}: ends before frame {last + 1}, which the clip needs: fetch it again"
            )
    return np.stack([found[index] for index in indices])


def read_around(path: str | Path, frame: int | None, *, before: int, after: int) -> Excerpt:
    """Decode one frame with so many neighbours on either side, fewer at the edges of the video.

    Args:
        path: a video file.
        frame: counted from 1; the middle one where None, for which the video is decoded once more
            to count its frames (headers do not tell the number reliably).
        before, after: numbers of neighbours.

    Raises:
        DataError: missing or damaged file, or no such frame.
    """
    if frame is None or frame < 1:
        with _open(path) as video:
            count = sum(1 for _ in video.frames())
        frame = count // 2 + 1 if frame is None else frame
        hold_frame_number(path, frame, count)
    kept: deque[VideoFrame] = deque(maxlen=before + 1 + after)
    with _open(path) as video:
        for count, found in enumerate(video.frames(), start=1):
            if count >= frame - before:
                kept.append(found)
            if count == frame + after:
                video.hold_pending()
                break
        hold_frame_number(path, frame, count)
        pixels = np.stack([video.pixels(found) for found in kept])
    return Excerpt(pixels, position=min(before, frame - 1))


def hold_frame_number(name: str | Path, frame: int, count: int) -> None:
    """Raise DataError unless `frame`, counted from 1, is among `count` frames."""
    if not 1 <= frame <= count:
        raise DataError(
            f"{name}: frame {frame} is outside the video's frames 1 to {count}; "
            "frames are counted from 1"
        )


class _Video:
    """The video stream of an open file."""

    def __init__(self, path: Path, container: InputContainer, stream: VideoStream) -> None:
        self.path, self.container, self.stream = path, container, stream
        stream.codec_context.options = DECODING
        #: A photograph. What looks like the shape of its pixels is the resolution of a print.
        self.is_still = container.format.name == "image2" or container.format.name.endswith("_pipe")

    def frames(self) -> Iterator[VideoFrame]:
        """Frames in display order, at least one, all of one size and none patched up.

        Warns of high dynamic range, as phones record it.
        """
        if curve := HIGH_RANGE.get(int(self.stream.codec_context.color_trc)):
            warnings.warn(
                f"{self.path}: is of high dynamic range ({curve}); its colours are read as "
                "stored, paler than they are to be seen: convert it, for example with `ffmpeg "
                "-vf zscale=t=linear:npl=100,tonemap=hable,zscale=t=bt709:m=bt709:p=bt709`",
                stacklevel=2,
            )
        size = None
        for packet in self.container.demux(self.stream):
            # All frames of a packet first: the reader may stop at any of them.
            for frame in (decoded := packet.decode()):
                self._hold_sound(frame)
                size = size or (frame.height, frame.width)
                if (frame.height, frame.width) != size:
                    raise DataError(
                        f"{self.path}: its frames change from {size[0]} × {size[1]} to "
                        f"{frame.height} × {frame.width} pixels (height × width): cut it there, or "
                        "convert it to one size"
                    )
            yield from decoded
        if size is None:
            raise DataError(f"{self.path}: holds no video frame: fetch the file again")

    def hold_pending(self) -> None:
        """Check the frames that are decoded but not shown yet: shown ones may be built from them.

        The decoder is at its end afterwards.
        """
        with suppress(av.error.EOFError):  # nothing is pending once the file is at its end
            for frame in self.stream.codec_context.decode(None):
                self._hold_sound(frame)

    def _hold_sound(self, frame: VideoFrame) -> None:
        if frame.is_corrupt:
            raise DataError(f"{self.path}: a frame is damaged: fetch the file again")

    def pixels(self, frame: VideoFrame, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """A frame as it is to be seen, uint8 [H, W, 3]; as stored where that has `size`."""
        stored = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
        if stored.shape[:2] == size:
            return stored
        if not self.is_still:
            aspect = self.stream.sample_aspect_ratio or Fraction(1)
            stored = upright.with_square_pixels(stored, aspect)
        return upright.turned(stored, self._orientation(frame))

    def _orientation(self, frame: VideoFrame) -> int:
        """What file and frame say about turning, as EXIF's number."""
        if self.is_still and self.stream.codec_context.name in ("mjpeg", "png"):
            return stills.orientation(self.path)
        try:
            matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        except ValueError:  # a kind of side data unknown to this PyAV lies beside it
            return {0: 1, 90: 8, 180: 3, -180: 3, -90: 6}.get(frame.rotation, 1)
        try:
            return 1 if matrix is None else upright.orientation_of(
                np.frombuffer(bytes(matrix)[:36], dtype=np.int32).tolist()
            )  # fmt: skip
        except ValueError as error:
            raise DataError(
                f"{self.path}: its header wants it turned {error}: turn it first, for example with "
                "`ffmpeg -i`, which does so"
            ) from error


@contextmanager
def _open(path: str | Path) -> Iterator[_Video]:
    """A video file, open; what goes wrong with it meanwhile becomes a DataError that names it."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such video: complete the dataset's download")
    try:
        hold_whole(path)
        # Without the prefix, a colon in a name would be taken for a protocol's.
        with av.open(f"file:{path.absolute()}", **OPENING) as container:
            yield _Video(path, container, _video_stream(container, path))
    except PermissionError as error:
        raise DataError(f"{path}: you may not read it: ask its owner, or `chmod` it") from error
    except (av.FFmpegError, OSError) as error:
        raise DataError(f"{path}: not a readable video ({error}): fetch it again") from error


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream to decode: the first that is a video, or the first that the file marks as such."""
    if container.format.name in PLAYLISTS:
        raise DataError(f"{path}: is a list of other files: give the video itself")
    streams = [one for one in container.streams.video if not one.disposition & NO_VIDEO]
    if not streams:
        held = "only a cover or a photograph in tiles" if container.streams.video else "no video"
        raise DataError(f"{path}: holds {held}, no video stream: give a video, or a JPEG or PNG")
    marked = [one for one in streams if one.disposition & Disposition.default]
    stream = (marked or streams)[0]
    if stream.codec_context is None:
        raise DataError(
            f"{path}: is coded in a way that this FFmpeg does not know: convert it to H.264"
        )
    return stream


def count_packets(path: str | Path) -> int:
    """Number of undamaged coded pictures, an upper bound of the frames, without decoding any.

    Raises DataError where the file cannot be opened.
    """
    with _open(path) as video:
        packets = video.container.demux(video.stream)
        return sum(packet.size > 0 and not packet.is_corrupt for packet in packets)


def _hold_count(path: str | Path, count: int, expected: int | None) -> None:
    if expected is not None and count < expected:
        raise DataError(
            f"{path}: holds {count} frames where {expected} are expected: "
            "fetch the file again, correct its row in the manifest, or leave the video out (of A2D "
            "Sentences, by a line in a2d_missed_videos.txt)"
        )
