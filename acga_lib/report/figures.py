"""Overlays, attention maps and comparison grids (Figures 1, 4, 5).

Everything here takes arrays or `Segmentation` objects and returns images or matplotlib Figures that
belong to no window system: a notebook shows one by naming it, `save` writes it. A sentence is
drawn as it is: between two `$`, matplotlib would set a formula (`parse_math`).
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from acga_lib.files.storage import replacing

if TYPE_CHECKING:
    from acga_lib.segmenter import Segmentation

Color = tuple[int, int, int]
#: Colours of the masks of a figure, RGB, in order of use: those of Okabe and Ito (2008), which
#: readers of every kind of colour vision tell apart.
COLORS: tuple[Color, ...] = ((213, 94, 0), (0, 114, 178), (240, 228, 66), (204, 121, 167))
#: Words that carry no picture: Figure 5 leaves them out unless the sentence has nothing else.
FUNCTION_WORDS = frozenset(
    (
        "a", "an", "the", "is", "are", "was", "be", "being", "it", "its", "that", "which", "who",
        "and", "or", "of", "in", "on", "at", "to", "by", "with", "from", "into", "along", "up",
        "down", "around", "something", "some", "this", "there", "than",
        "colored",
    )
)  # fmt: skip
_LINE, _PATCH = 0.14, 0.11  #: inches per line of text, and between two sentences
_WIDE = 2.7  #: inches per column of frames


def film_strip(frames: NDArray[np.uint8], *, count: int = 8, gap: int = 2) -> NDArray[np.uint8]:
    """`count` frames, evenly spread from first to last, side by side with white gaps of `gap`
    pixels: uint8 [T, H, W, 3] -> uint8 [H, count * (W + gap) - gap, 3].
    """
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    padded = np.pad(frames[chosen], ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=255)
    strip = np.concatenate(list(padded), axis=1)
    return strip[:, : strip.shape[1] - gap]


def overlays(
    frame: NDArray[np.uint8],
    masks: Sequence[NDArray[np.bool_]],
    *,
    colors: Sequence[Color] = COLORS,
    opacity: float = 0.55,
) -> NDArray[np.uint8]:
    """A frame with several masks: uint8 [H, W, 3], bool [H, W] each -> uint8 [H, W, 3].

    Each mask has its colour and a solid rim of one pixel; where masks overlap, colours mix.
    """
    layers = np.stack([np.zeros(frame.shape[:2], dtype=bool), *masks])
    palette = np.array([(0, 0, 0), *(colors[i % len(colors)] for i in range(len(masks)))])
    count = layers.sum(axis=0)[..., None]
    mixed = np.einsum("khw,kc->hwc", layers.astype(float), palette) / np.maximum(count, 1)
    rims = np.any([_rim(mask) for mask in layers], axis=0)
    strength = np.where(rims, 1.0, opacity)[..., None] * (count > 0)
    return ((1 - strength) * frame + strength * mixed).round().astype(np.uint8)


def _rim(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask that have a neighbour outside it: bool [H, W] -> bool [H, W]."""
    return mask & ~binary_erosion(mask)


def heat_map(
    frame: NDArray[np.uint8], values: NDArray[np.floating], *, colormap: str = "inferno"
) -> NDArray[np.uint8]:
    """A map over its frame: uint8 [H, W, 3], float [H, W] -> uint8 [H, W, 3].

    For display, the map is stretched from its own minimum (dark, over the frame in gray) to its own
    maximum (bright), so two maps cannot be compared in size. A constant map is dark everywhere.
    """
    low, high = float(values.min()), float(values.max())
    level = (values - low) / (high - low) if high > low else np.zeros_like(values)
    colors = matplotlib.colormaps[colormap](level)[..., :3] * 255
    strength = (0.25 + 0.55 * level)[..., None]
    return ((1 - strength) * _gray(frame) + strength * colors).round().astype(np.uint8)


def _gray(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A frame without its colours: uint8 [H, W, 3] -> float [H, W, 3], 0 to 255."""
    return np.repeat(frame.mean(axis=2, keepdims=True), 3, axis=2)


@dataclass(frozen=True, eq=False)
class Column:
    """One frame of a comparison: its sentences and, for each row, one mask per sentence."""

    title: str
    frame: NDArray[np.uint8]  #: [H, W, 3] RGB
    queries: tuple[str, ...]
    masks: Mapping[str, Sequence[NDArray[np.bool_]]]  #: row title -> bool [H, W] per sentence


def comparison(columns: Sequence[Column], *, title: str) -> Figure:
    """Frames as columns under their sentences; rows: the input, then the rows of `masks`.

    Masks lie on the frame in gray, so that each colour there is a sentence's.
    """
    texts = [_boxed(column.queries, width=34) for column in columns]
    rows = ["Input", *columns[0].masks]
    figure, header, axes = _canvas(
        [column.frame for column in columns], rows=len(rows), title=title,
        text=max(map(_height, texts)),
    )  # fmt: skip
    for index, column in enumerate(columns):
        _sentences(header[index], texts[index], title=column.title)
        axes[0, index].imshow(column.frame)
        for row, masks in enumerate(column.masks.values(), start=1):
            axes[row, index].imshow(overlays(_gray(column.frame).astype(np.uint8), masks))
    for row, name in enumerate(rows):
        axes[row, 0].set_ylabel(name, fontsize=10, parse_math=False)
    return figure


def figure_1(
    frames: Sequence[NDArray[np.uint8]],
    titles: Sequence[str],
    queries: Sequence[str],
    rows: Mapping[str, Sequence[Sequence[NDArray[np.bool_]]]],
) -> Figure:
    """Figure 1, the task: frames [H, W, 3] of one video over time under its sentences.

    titles: one per frame. rows: row title -> for each frame one mask bool [H, W] per sentence.
    """
    texts = _boxed(queries, width=40 * len(frames))
    figure, header, axes = _canvas(
        frames, rows=len(rows), title="Figure 1. The task: one mask for each sentence",
        text=_height(texts), spanning=True,
    )  # fmt: skip
    _sentences(header[0], texts)
    for row, (name, masks) in enumerate(rows.items()):
        axes[row, 0].set_ylabel(name, fontsize=10, parse_math=False)
        for index, frame in enumerate(frames):
            axes[row, index].imshow(overlays(frame, masks[index]))
            if row == 0:
                axes[row, index].set_title(titles[index], fontsize=9, parse_math=False)
    return figure


def content_words(tokens: Sequence[str], *, limit: int) -> list[int]:
    """Indices of at most `limit` words of a sentence that may have a picture, in their order."""
    chosen = [i for i, word in enumerate(tokens) if word not in FUNCTION_WORDS]
    return (chosen or list(range(len(tokens))))[:limit]


def figure_5(segmentations: Sequence["Segmentation"], *, words: int = 4) -> Figure:
    """Figure 5: for each frame, the mask of its sentence and the attention that its words receive.

    Maps are Eq. 4 read word by word, each stretched to its own range (`heat_map`); the range stands
    beneath. Raises ValueError for a method without attention.
    """
    figure, header, axes = _canvas(
        [s.frame for s in segmentations[:1]] * (words + 1), rows=len(segmentations), text=0.45,
        title="Figure 5. Where does each word receive attention? (bright: most)", gap=0.74,
        ratio=max(s.frame.shape[0] / s.frame.shape[1] for s in segmentations), wide=2.1,
    )  # fmt: skip
    del header
    for row, one in enumerate(segmentations):
        if one.word_attention is None:
            raise ValueError("this method has no attention: show a run of method 'acga'")
        axes[row, 0].imshow(overlays(one.frame, [one.mask]))
        axes[row, 0].set_title(textwrap.fill(one.query, 30), fontsize=9, parse_math=False)
        shown = content_words(one.tokens, limit=words)
        for axis, index in zip(axes[row, 1:], shown, strict=False):
            values = one.word_attention[index]
            axis.imshow(heat_map(one.frame, values))
            axis.set_title(one.tokens[index], fontsize=11, fontweight="bold", parse_math=False)
            axis.set_xlabel(f"{values.min():.2f} to {values.max():.2f}", fontsize=9)
        for axis in axes[row, 1 + len(shown) :]:
            axis.set_axis_off()
    return figure


def save(figure: Figure, path: Path, *, dpi: int = 85) -> None:
    """Write a figure as PNG, whole or not at all; equal figures give equal files.

    Raises StorageError where the disk is full or closed.
    """
    with replacing(path, "a figure") as temporary:
        figure.savefig(
            temporary, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.08,
            facecolor="white", metadata={"Software": None}, pil_kwargs={"optimize": True},
        )  # fmt: skip


def _canvas(
    frames: Sequence[NDArray[Any]],
    *,
    rows: int,
    title: str,
    text: float,
    spanning: bool = False,
    gap: float = 0.06,
    ratio: float | None = None,
    wide: float = _WIDE,
) -> tuple[Figure, list[Axes], NDArray[Any]]:
    """`text` inches of text over `rows` of images -> figure, text axes, image axes [rows, n].

    spanning: one text over all columns instead of one each. gap: inches between rows.
    """
    ratio = ratio or max(frame.shape[0] / frame.shape[1] for frame in frames)
    cell = wide * ratio + gap
    titles = 0.22 if spanning or not text else 0.06  # inches for the titles of the first row
    width, height = wide * len(frames) + 0.3, text + titles + rows * cell + 0.5
    figure = Figure(figsize=(width, height))
    figure.suptitle(title, x=0.3 / width, y=1 - 0.08 / height, ha="left", va="top", fontsize=12,
                    fontweight="bold", parse_math=False)  # fmt: skip
    top = 1 - (0.44 + text + titles) / height
    grid = figure.add_gridspec(
        rows, len(frames), left=0.3 / width, right=1, bottom=0, top=top, wspace=0.03,
        hspace=gap / (wide * ratio),
    )  # fmt: skip
    axes = np.array([[figure.add_subplot(grid[r, c]) for c in range(len(frames))]
                     for r in range(rows)])  # fmt: skip
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[], anchor="N")
        axis.spines[:].set_visible(False)
    band = figure.add_gridspec(
        1, 1 if spanning else len(frames), left=0.3 / width, right=1, wspace=0.03,
        bottom=top + titles / height, top=1 - 0.42 / height,
    )  # fmt: skip
    header = [figure.add_subplot(band[0, c]) for c in range(band.ncols)] if text else []
    for axis in header:
        axis.set_axis_off()
    return figure, header, axes


def _boxed(queries: Sequence[str], *, width: int) -> list[str]:
    return [textwrap.fill(query, width) for query in queries]


def _height(texts: Sequence[str]) -> float:
    """Inches that sentences take under each other."""
    return sum(_LINE * (text.count("\n") + 1) + _PATCH for text in texts)


def _sentences(axis: Axes, texts: Sequence[str], *, title: str = "") -> None:
    """Sentences under each other, each on a patch of the colour of its mask."""
    height = axis.get_window_extent().height / axis.figure.dpi
    place = height - 0.04
    for text, color in zip(texts, COLORS * len(texts), strict=False):
        light = np.dot(color, (0.299, 0.587, 0.114)) > 150
        axis.text(
            0.02, place / height, text, transform=axis.transAxes, fontsize=8.5, va="top",
            color="black" if light else "white", linespacing=1.1, parse_math=False,
            bbox={"boxstyle": "round,pad=0.25", "fc": np.array(color) / 255, "ec": "none"},
        )  # fmt: skip
        place -= _height([text])
    axis.set_title(title, fontsize=9, pad=2, loc="left", parse_math=False)
