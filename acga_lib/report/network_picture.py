"""The network as a picture with its true shapes: Figure 2, and Figure 3 as `attention_picture`.

Shapes are read off a forward pass, so a picture is of the model that is given, at any size; on
torch's device `meta` even the paper's size costs nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from acga_lib.model import ACGA
from acga_lib.report.svg import (
    BOTH,
    FROZEN,
    LANGUAGE,
    VISION,
    Diagram,
    Point,
    arrow,
    box,
    dimmed,
    document,
    join,
    text,
)

#: What `network_picture` can light.
BLOCKS = (
    "i3d", "vision", "words", "word_attention", "context_attention", "concat", "decoder", "fusion",
)  # fmt: skip
_SEEN, _SAID = 95.0, 385.0  #: the heights of the two streams
_ROWS = {"S": _SEEN, "M": 210.0, "L": 325.0}  #: of the three resolutions


def network_picture(
    model: ACGA,
    features: Tensor,
    words: Tensor,
    *,
    clip: Sequence[int],
    lit: str | tuple[str, ...] = "",
) -> Diagram:
    """Figure 2 of the paper for `model`, with the shapes that one forward pass has.

    features: Mixed_4e [1, C, T/4, h, w]; words: word vectors [1, N, D_T]; clip: the shape
    [3, T, S, S] of what I3D is shown. lit: one or several of `BLOCKS`, drawn in full colour while
    the others are pale. Raises ValueError for another name, and for a model without attention.
    """
    lit = (lit,) if isinstance(lit, str) and lit else tuple(lit)
    for name in lit:
        if name not in BLOCKS:
            raise ValueError(f"no block '{name}': light one of {', '.join(BLOCKS)}")
    shape = _shapes(model, features, words) | {"clip": _times(clip)}
    parts: dict[str, list[str]] = {
        "i3d": _trunk(shape, "i3d" in lit),
        "vision": _vision(shape, "vision" in lit),
        "words": _words(shape, "words" in lit),
        "word_attention": _word_attention(shape, "word_attention" in lit),
        "context_attention": _context_attention(shape, "context_attention" in lit),
        "concat": _concatenations("concat" in lit),
        "decoder": _decoder(shape, "decoder" in lit),
        "fusion": _fusion(shape, "fusion" in lit),
    }
    drawn = [dimmed(elements, bool(lit) and name not in lit) for name, elements in parts.items()]
    return document(
        1280, 480, [*_legend(), *drawn],
        description="The network of Figure 2 with the shapes of this model"
        + (f"; lit: {', '.join(lit).replace('_', ' ')}" if lit else ""),
    )  # fmt: skip


def _times(shape: Sequence[int]) -> str:
    return "×".join(f"{size}" for size in shape)


def _shapes(model: ACGA, features: Tensor, words: Tensor) -> dict[str, str]:
    """One forward pass -> the shape, without the batch, of everything that an arrow carries."""
    if model.attention is None:
        raise ValueError("a model without attention has another picture: give the row 'acga'")
    found: dict[str, Tensor] = {"S": words, "Mixed_4e": features}

    def keep(module: nn.Module, read: Callable[[Any, Any], dict[str, Tensor]]) -> Any:
        return module.register_forward_hook(
            lambda _, given, result: found.update(read(given, result))
        )

    decoder = model.decoder
    hooks = [
        keep(model.text_encoder, lambda given, out: {"F_T": out}),
        keep(model.visual_encoder, lambda given, out: {"F_V": out}),
        keep(model.attention, lambda given, out: {"F_VC": given[0]}),
        keep(decoder, lambda given, out: {"F_VA": given[0], "F_TA": given[1]}),
        keep(decoder.deconv_medium, lambda given, out: {"F_V^M": out}),
    ]
    try:
        with torch.inference_mode():
            responses = model(features, words)
    finally:
        for hook in hooks:
            hook.remove()
    shapes = {name: _times(one.shape[1:]) for name, one in found.items()}
    # The library never builds F_V at the finest resolution (`fast.upsample_and_convolve`).
    channels = decoder.deconv_large.get_parameter("1.weight").shape[0]
    shapes["F_V^L"] = _times([channels, *responses.large.shape[1:]])
    for name, response in zip("SML", responses[:3], strict=True):
        shapes[f"R^{name}"] = _times(response.shape[1:])
    return shapes


def _trunk(shape: Mapping[str, str], lit: bool) -> list[str]:
    """The clip, I3D up to Mixed_4e, and what it hands on."""
    frames = [
        f'<rect x="{18 + 5 * n}" y="{_SEEN - 33 + 5 * n}" width="64" height="50" rx="3" '
        f'fill="#E8EDF0" stroke="{FROZEN}"/>'
        for n in range(4)
    ]
    actors = [
        f'<ellipse cx="{x}" cy="{_SEEN + 12}" rx="10" ry="8" fill="{color}"/>'
        for x, color in ((50, VISION), (78, "#A9B4BA"))
    ]
    return [
        *frames, *actors,
        text((58, _SEEN + 50), "clip V", bold=True),
        text((58, _SEEN + 66), shape["clip"], size=11.5),
        arrow([(101, _SEEN), (116, _SEEN)], color=VISION),
        box((161, _SEEN), (88, 74), ["I3D", "frozen up to", "Mixed_4e"], color=FROZEN, lit=lit),
        arrow([(206, _SEEN), (294, _SEEN)], color=VISION, under=shape["Mixed_4e"]),
    ]  # fmt: skip


def _vision(shape: Mapping[str, str], lit: bool) -> list[str]:
    """Eq. 2, and the coordinates."""
    return [
        box((353, _SEEN), (116, 74), ["Mixed_4f", "mean over time", "L2 · Eq. 2"], color=VISION,
            lit=lit),
        arrow([(412, _SEEN), (484, _SEEN)], color=VISION, over="F_V", under=shape["F_V"]),
        join((497, _SEEN), "+", color=VISION, lit=lit),
        text((497, _SEEN - 50), "C"), text((497, _SEEN - 66), "coordinates", size=11.5),
        arrow([(497, _SEEN - 41), (497, _SEEN - 13)]),
    ]  # fmt: skip


def _words(shape: Mapping[str, str], lit: bool) -> list[str]:
    """The sentence, its word vectors, Eq. 1."""
    lines = [
        f'<rect x="{24 + x}" y="{_SAID - 18 + y}" width="{width}" height="7" rx="3.5" '
        f'fill="{LANGUAGE}"/>'
        for x, y, width in ((0, 0, 18), (23, 0, 32), (60, 0, 12), (0, 15, 40), (45, 15, 22))
    ]
    return [
        f'<rect x="14" y="{_SAID - 32}" width="90" height="52" rx="9" fill="white" '
        f'stroke="{LANGUAGE}" stroke-width="1.5"/>',
        *lines, text((58, _SAID + 38), "sentence", bold=True),
        arrow([(104, _SAID), (116, _SAID)], color=LANGUAGE),
        box((161, _SAID), (88, 74), ["Vectors", "of words,", "fixed"], color=FROZEN),
        arrow([(206, _SAID), (294, _SAID)], color=LANGUAGE, over="S", under=shape["S"]),
        box((353, _SAID), (116, 74), ["Conv1d", "3 words, tanh", "Eq. 1"], color=LANGUAGE, lit=lit),
    ]  # fmt: skip


def _context_attention(shape: Mapping[str, str], lit: bool) -> list[str]:
    """Eq. 5-8, with what goes in; F_T crosses over."""
    return [
        arrow([(509, _SEEN), (583, _SEEN)], color=VISION, over="F_{VC}", under=shape["F_VC"]),
        arrow([(508, _SAID), (583, _SEEN + 32)], color=LANGUAGE, curved=True),
        box((661, _SEEN), (154, 92),
            ["Context attention", "language guided", "vision attention", "Eq. 5–8"],
            color=VISION, lit=lit),
    ]  # fmt: skip


def _word_attention(shape: Mapping[str, str], lit: bool) -> list[str]:
    """Eq. 3-4, with what goes in; F_VC crosses over."""
    return [
        arrow([(412, _SAID), (508, _SAID)], color=LANGUAGE, over="F_T", under=shape["F_T"],
              head=False),
        arrow([(508, _SAID), (583, _SAID)], color=LANGUAGE),
        arrow([(510, _SEEN), (583, _SAID - 32)], color=VISION, curved=True),
        box((661, _SAID), (154, 92),
            ["Word attention", "vision guided", "language attention", "Eq. 3–4"],
            color=LANGUAGE, lit=lit),
    ]  # fmt: skip


def _concatenations(lit: bool) -> list[str]:
    """The three places where vision, words and coordinates are joined."""
    return [
        part
        for y in _ROWS.values()
        for part in (
            text((905, y - 45), "C"), arrow([(905, y - 37), (905, y - 13)]),
            join((905, y), "+", color=BOTH, lit=lit),
        )
    ]  # fmt: skip


def _decoder(shape: Mapping[str, str], lit: bool) -> list[str]:
    """Eq. 10 down the left side, Eq. 11 to the right, a row for each resolution."""
    small, medium, large = _ROWS.values()
    said = [arrow([(739, _SAID), (868, _SAID), (868, small + 32)], color=LANGUAGE, head=False)]
    said += [
        arrow([(868, y + 32), (905, y + 32), (905, y + 13)], color=LANGUAGE) for y in _ROWS.values()
    ]
    seen = [arrow([(739, small), (892, small)], color=VISION)]
    for above, below, name in ((small, medium, "F_V^M"), (medium, large, "F_V^L")):
        middle = (above + below) / 2
        seen += [
            arrow([(812, above), (812, middle - 19)], color=VISION),
            box((812, middle), (84, 36), ["Deconv ×4", "Eq. 10"], color=VISION, lit=lit),
            arrow([(812, middle + 18), (812, below), (892, below)], color=VISION),
            text((806, below - 12), name, size=15, color=VISION, anchor="end"),
            text((806, below + 6), shape[name], size=11.5, anchor="end"),
        ]
    answers = [
        part
        for name, y in _ROWS.items()
        for part in (
            arrow([(917, y), (934, y)], color=BOTH),
            box((970, y), (70, 44), ["FCN", "Eq. 11"], color=BOTH, lit=lit),
            arrow([(1006, y), (1032, y)], color=BOTH),
            *_response((1060, y), name, shape[f"R^{name}"]),
        )
    ]
    labels = [
        text((773, small - 12), "F_{VA}", size=15, color=VISION),
        text((773, small + 12), shape["F_VA"], size=11.5),
        text((790, _SAID - 12), "F_{TA}", size=15, color=LANGUAGE),
        text((790, _SAID + 12), shape["F_TA"], size=11.5),
    ]
    return [*said, *seen, *answers, *labels]


def _fusion(shape: Mapping[str, str], lit: bool) -> list[str]:
    """Eq. 12 and what comes out."""
    middle = _ROWS["M"]
    return [
        *(arrow([(1087, y), (1120, middle + shift)], color=BOTH, curved=True)
          for y, shift in zip(_ROWS.values(), (-18, 0, 18), strict=True)),
        box((1155, middle), (68, 74), ["Fusion", "3×3", "Eq. 12"], color=BOTH, lit=lit),
        arrow([(1190, middle), (1212, middle)], color=BOTH),
        *_response((1240, middle), "L", shape["R^L"]),
        text((1272, middle + 62), "mask: above half", size=11.5, anchor="end"),
        text((1272, middle + 77), "of its maximum", size=11.5, anchor="end"),
    ]  # fmt: skip


def _response(center: Point, name: str, shape: str) -> list[str]:
    """A response as a small picture, as coarse as its name says, between its name and its shape."""
    (x, y), half = center, 26.0
    cells = {"S": 7, "M": 14, "L": 40}[name]
    places, side = (np.arange(cells) + 0.5) / cells, 2 * half / cells
    inside = ((places - 0.43) / 0.2)[None] ** 2 + ((places - 0.5) / 0.27)[:, None] ** 2 < 1
    spots = "".join(
        f"M{x - half + side * row.argmax():.1f},{y - half + side * n:.1f}"
        f"h{side * row.sum():.1f}v{side:.2f}h{-side * row.sum():.1f}z"
        for n, row in enumerate(inside)
        if row.any()
    )
    return [
        f'<rect x="{x - half:g}" y="{y - half:g}" width="{2 * half:g}" height="{2 * half:g}" '
        f'rx="3" fill="#10202A" stroke="{BOTH}" stroke-width="1.5"/>',
        f'<path d="{spots}" fill="#F0E442"/>',
        text((x, y - half - 11), f"R^{name}", size=15, color=BOTH),
        text((x, y + half + 11), shape, size=11.5),
    ]


def _legend() -> list[str]:
    """What the colours say."""
    kinds = {"vision": VISION, "language": LANGUAGE, "both": BOTH, "trained before, kept": FROZEN}
    return [
        part
        for n, (name, color) in enumerate(kinds.items())
        for part in (
            f'<circle cx="{140 + 88 * n}" cy="464" r="5" fill="{color}"/>',
            text((150 + 88 * n, 464), name, size=11.5, anchor="start"),
        )
    ]
