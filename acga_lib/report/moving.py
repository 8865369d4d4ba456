"""Clips that move inside a lesson: frames with masks as an animated WebP.

A page shows it as it shows a picture, in JupyterLab, Colab, GitHub and exported HTML: no player,
no script, no network. WebP, because GIF needs eight times the bytes for the same clip.
"""

import html
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from acga_lib.report.figures import overlays
from acga_lib.segmenter import Segmenter

STILL = 1.5  #: seconds for which a clip stops on its `still` frame
_QUALITY = 55  #: of WebP, 0 to 100: a clip of 24 frames at 224 × 160 pixels has about 80 kB
_NAME = 16  #: pixels for the name above a clip


@dataclass(frozen=True)
class MovingPicture:
    """An animated WebP that a notebook shows by naming it."""

    webp: bytes = field(repr=False)
    description: str  #: for readers who cannot see it
    width: int  #: on the page, pixels

    def _repr_html_(self) -> str:
        data = b64encode(self.webp).decode()
        alt = html.escape(self.description)
        return (
            f'<img alt="{alt}" style="width:{self.width}px; max-width:100%" '
            f'src="data:image/webp;base64,{data}">'
        )


def moving(
    frames: NDArray[np.uint8],
    masks: Sequence[NDArray[np.bool_]] = (),
    *,
    description: str,
    still: int | None = None,
    rate: float = 12.0,
    zoom: float = 1.0,
    opacity: float = 0.4,
) -> MovingPicture:
    """A clip that plays for ever: uint8 [T, H, W, 3], bool [T, H, W] for each mask.

    Masks are drawn as `overlays` does. description: what moves, for readers who cannot see it.
    still: index of a frame on which the clip stops for `STILL` seconds. rate: frames per second;
    the default shows the clips of the embedded benchmark at half their speed. zoom: pixels on the
    page per pixel of a frame. Raises ValueError where a mask has another shape than the clip, and
    for a still frame outside the clip.
    """
    for mask in masks:
        if mask.shape != frames.shape[:3]:
            raise ValueError(f"a mask {mask.shape} does not fit a clip {frames.shape[:3]}")
    if still is not None and not 0 <= still < len(frames):
        raise ValueError(f"still frame {still} is outside a clip of {len(frames)} frames")
    shown = [
        Image.fromarray(overlays(frame, [mask[t] for mask in masks], opacity=opacity))
        for t, frame in enumerate(frames)
    ]
    milliseconds = [round(1000 / rate)] * len(frames)
    if still is not None:
        milliseconds[still] = round(1000 * STILL)
    packed = BytesIO()
    shown[0].save(
        packed, "WEBP", save_all=True, append_images=shown[1:], duration=milliseconds, loop=0,
        quality=_QUALITY, method=4,
    )  # fmt: skip
    return MovingPicture(packed.getvalue(), description, round(zoom * frames.shape[2]))


def side_by_side(clips: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Clips of one size under their names: name -> uint8 [T, H, W, 3], all as one such clip."""
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    font = ImageFont.truetype(str(fonts / "DejaVuSans.ttf"), 11)
    named = []
    for name, clip in clips.items():
        head = Image.new("RGB", (clip.shape[2], _NAME), "white")
        ImageDraw.Draw(head).text((head.width // 2, 1), name, "black", font, anchor="ma")
        heads = np.repeat(np.asarray(head)[None], len(clip), axis=0)
        named.append(np.concatenate([heads, clip], axis=1))
    return np.concatenate(named, axis=2)


def masks_over_time(
    segmenter: Segmenter,
    video: Any,
    queries: Sequence[str],
    numbers: Sequence[int],
    *,
    every: int = 1,
) -> NDArray[np.bool_]:
    """The masks of K sentences on T frames of a video, counted from 1: bool [K, T, H, W].

    As `python -m acga_lib segment` does, the first of the frames and every `every`-th after it are
    segmented; those in between keep the masks. Arguments and errors otherwise as of
    `Segmenter.segment`.
    """
    found: list[list[NDArray[np.bool_]]] = []
    for place, number in enumerate(numbers):
        if place % every == 0:
            seen = segmenter.clip(video, number).segment_each(queries)
        found.append([one.mask for one in seen])
    return np.array(found).swapaxes(0, 1)
