"""Diagrams as SVG text: boxes, arrows, formulas; nothing but strings, no drawing library.

A diagram is shown as an image of its own, so its fonts and names meet nothing of the page around
it, and every viewer of notebooks draws it: JupyterLab, Colab, GitHub, exported HTML.
"""

import html
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

#: Okabe and Ito's colours by what flows: vision, language, both, and what is kept.
VISION, LANGUAGE, BOTH, FROZEN = "#0072B2", "#C65A00", "#00795A", "#6B6B6B"
INK = "#222222"
#: How much of its colour an element keeps while another is lit.
DIMMED = 0.28
Point = tuple[float, float]


@dataclass(frozen=True)
class Diagram:
    """An SVG document that a notebook shows by naming it."""

    svg: str
    description: str  #: for readers who cannot see it

    def _repr_html_(self) -> str:
        data = b64encode(self.svg.encode()).decode()
        alt = html.escape(self.description)
        return f'<img alt="{alt}" style="width:100%" src="data:image/svg+xml;base64,{data}">'


def document(width: float, height: float, elements: Sequence[str], *, description: str) -> Diagram:
    """Elements -> a diagram on white."""
    heads = "".join(
        f'<marker id="{_head(color)}" viewBox="0 0 8 8" refX="6.5" refY="4" markerWidth="8" '
        f'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0,0.6 L7,4 L0,7.4 z" fill="{color}"/></marker>'
        for color in (VISION, LANGUAGE, BOTH, FROZEN, INK)
    )
    return Diagram(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="{INK}">'
        f"<title>{html.escape(description)}</title><defs>{heads}</defs>"
        f'<rect width="{width:g}" height="{height:g}" rx="10" fill="white"/>'
        f"{''.join(elements)}</svg>",
        description,
    )


def text(at: Point, content: str, *, size: float = 13, color: str = INK, anchor: str = "middle",
         bold: bool = False) -> str:  # fmt: skip
    """A line of text whose vertical middle is at `at`; `F_V`, `R^S` and `F_{VC}` are formulas."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{at[0]:g}" y="{at[1] + 0.34 * size:g}" font-size="{size:g}" fill="{color}" '
        f'text-anchor="{anchor}"{weight}>{_formulas(content, size)}</text>'
    )


def box(center: Point, size: Point, lines: Sequence[str], *, color: str, lit: bool = False,
        font: float = 13) -> str:  # fmt: skip
    """A rounded box with lines of text, the first of them bold; filled with its colour when lit."""
    (x, y), (width, height) = center, size
    ink = "white" if lit else INK
    fill = color if lit else _tint(color)
    step = 1.28 * font
    top = y - step * (len(lines) - 1) / 2
    words = "".join(
        text((x, top + step * n), line, size=font if n == 0 else font - 1, color=ink, bold=n == 0)
        for n, line in enumerate(lines)
    )
    return (
        f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" '
        f'height="{height:g}" rx="7" fill="{fill}" stroke="{color}" '
        f'stroke-width="{3 if lit else 1.5}"/>{words}'
    )


def join(center: Point, sign: str, *, color: str, lit: bool = False) -> str:
    """A small circle where two streams meet: `+` in it for a concatenation, `×` for a product."""
    x, y = center
    fill, ink = (color, "white") if lit else ("white", color)
    return (
        f'<circle cx="{x:g}" cy="{y:g}" r="11" fill="{fill}" stroke="{color}" stroke-width="1.5"/>'
        + text((x, y), sign, size=16, color=ink, bold=True)
    )


def arrow(path: Sequence[Point], *, color: str = INK, over: str = "", under: str = "",
          curved: bool = False, head: bool = True) -> str:  # fmt: skip
    """An arrow through points, with text over and under the middle of its first straight piece.

    curved: two points, left and right, joined by an S.
    """
    (x0, y0), (x1, y1) = path[0], path[1]
    if curved:
        half = (x0 + x1) / 2
        line = f"M{x0:g},{y0:g} C{half:g},{y0:g} {half:g},{y1:g} {x1:g},{y1:g}"
    else:
        line = "M" + " L".join(f"{x:g},{y:g}" for x, y in path)
    end = f' marker-end="url(#{_head(color)})"' if head else ""
    middle = ((x0 + x1) / 2 - 2, (y0 + y1) / 2)
    labels = text((middle[0], middle[1] - 12), over, size=15, color=color) if over else ""
    if under:
        labels += text((middle[0], middle[1] + 12), under, size=11.5, color=INK)
    return f'<path d="{line}" fill="none" stroke="{color}" stroke-width="1.8"{end}/>{labels}'


def dimmed(elements: Sequence[str], dim: bool) -> str:
    """Elements as a group, pale where `dim`."""
    opacity = f' opacity="{DIMMED}"' if dim else ""
    return f"<g{opacity}>{''.join(elements)}</g>"


def _head(color: str) -> str:
    return f"head{color[1:]}"


def _tint(color: str) -> str:
    """A colour mixed with much white."""
    parts = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - 0.13 * (255 - part)):02x}" for part in parts)


def _formulas(content: str, size: float) -> str:
    """Text as SVG, with `X_a`, `X^a`, `X_{abc}` set as formulas."""

    def formula(found: re.Match[str]) -> str:
        letter, parts = found[1], re.findall(r"([_^])(?:\{([^}]*)\}|(\w))", found[2])
        small, moved, result = 0.7 * size, 0.0, f'<tspan font-style="italic">{letter}</tspan>'
        for kind, long, short in parts:
            to = (0.28 if kind == "_" else -0.38) * size
            result += (
                f'<tspan dy="{to - moved:.1f}" font-size="{small:.1f}">{long or short}</tspan>'
            )
            moved = to
        return result + f'<tspan dy="{-moved:.1f}" font-size="{size:g}">&#8203;</tspan>'

    return re.sub(r"\b([A-Z])((?:[_^](?:\{[^}]*\}|\w))+)", formula, html.escape(content))
