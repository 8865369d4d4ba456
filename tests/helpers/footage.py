"""Made-up videos whose frames are told by their brightness, and what cameras write beside them."""

from pathlib import Path

import av
import numpy as np

#: Rows of a display matrix by how far the picture is to be turned clockwise, in degrees.
ONE = 1 << 16
MATRICES = {
    0: (ONE, 0, 0, 0, ONE, 0), 90: (0, ONE, 0, -ONE, 0, 0), 180: (-ONE, 0, 0, 0, -ONE, 0),
    270: (0, -ONE, 0, ONE, 0, 0), 30: (56755, 32768, 0, -32768, 56755, 0),
}  # fmt: skip


def picture(index: int, height: int = 48, width: int = 80) -> np.ndarray:
    """Frame `index`: brightness 8 · index, white in the stored top left corner."""
    pixels = np.full((height, width, 3), 8 * index, dtype=np.uint8)
    pixels[: height // 4, : width // 4] = 255
    return pixels


def write_video(
    path: Path, frames=range(12), *, codec: str = "mpeg4", size: tuple[int, int] = (48, 80),
    options: dict[str, str] | None = None, format: str | None = None, aspect=None,
    curve: int | None = None, **title: str,
) -> Path:  # fmt: skip
    """Code the `picture`s of these indices (an index: a `picture`), -> the path."""
    with av.open(str(path), "w", format=format, options={"movflags": "faststart"}) as container:
        container.metadata.update(title)
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if curve is not None:
            stream.codec_context.color_trc = curve
        for index in frames:
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def told(frames: np.ndarray) -> list[int]:
    """The indices of `picture`s, whichever way they are turned."""
    inner = frames[:, frames.shape[1] * 2 // 5 : frames.shape[1] * 3 // 5]
    inner = inner[:, :, frames.shape[2] * 2 // 5 : frames.shape[2] * 3 // 5]
    return [round(float(frame.mean()) / 8) for frame in inner]


def corner(frame: np.ndarray) -> str:
    """Which corner of a frame is white."""
    rows, columns = frame.shape[0] // 8, frame.shape[1] // 8
    corners = {
        "top left": frame[rows, columns], "top right": frame[rows, -1 - columns],
        "bottom left": frame[-1 - rows, columns], "bottom right": frame[-1 - rows, -1 - columns],
    }  # fmt: skip
    return max(corners, key=lambda name: int(corners[name].sum()))


def turn(path: Path, degrees: int) -> Path:
    """Patch the display matrix of an mp4 as a phone writes it."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44
    matrix = np.array([*MATRICES[degrees], 0, 0, 1 << 30], dtype=">i4").tobytes()
    content[start : start + 36] = matrix
    path.write_bytes(content)
    return path
