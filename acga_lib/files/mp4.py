"""Writing H.264 videos, so that equal frames give equal bytes."""

import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from acga_lib.errors import DataError

#: x264's constant rate factor: visible but moderate compression, like the clips on the web.
QUALITY = 23
#: One thread is not enough for equal output: with AVX-512, x264's macroblock tree ("mbtree", a
#: float computation in the rate control) differs from run to run.
STEADY = "threads=1:sync-lookahead=0:mbtree=0"
#: No encoder signature in the container; the header before the pictures, for browsers.
CONTAINER = {"fflags": "+bitexact", "movflags": "+faststart"}


def write_mp4(path: Path, frames: Iterable[NDArray[np.uint8]], *, rate: Fraction | int) -> int:
    """Encode RGB frames, uint8 [H, W, 3] each, as H.264 in MP4 -> how many there were.

    No two frames are held at once. An odd height or width, which 4:2:0 does not have, is made even
    by repeating the last row or column. rate: frames per second. Raises DataError where there is no
    frame, or one that H.264 cannot hold.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise DataError(f"{path}: a video without a frame cannot be written")
    height, width = first.shape[:2]
    odd = ((0, height % 2), (0, width % 2), (0, 0))
    number = -1
    try:
        with av.open(f"file:{path.absolute()}", "w", format="mp4", options=CONTAINER) as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.height, stream.width = height + height % 2, width + width % 2
            stream.pix_fmt, stream.time_base = "yuv420p", 1 / Fraction(rate)
            stream.codec_context.thread_count = 1
            stream.codec_context.options = {
                "crf": str(QUALITY), "preset": "medium", "x264-params": STEADY,
            }  # fmt: skip
            for number, image in enumerate(itertools.chain([first], frames)):
                even = np.ascontiguousarray(np.pad(image, odd, mode="edge"))
                frame = av.VideoFrame.from_ndarray(even, format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.error.ExternalError as error:
        raise DataError(
            f"{path}: frames of {height} × {width} pixels cannot be coded as H.264 ({error})"
        ) from error
    return number + 1
