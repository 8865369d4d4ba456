"""Drawing: polygons on a premultiplied RGBA canvas, coat textures, and compositing.

Lengths are in units (of the puppet's height, or pixels for scenery), x to the right and y down.
Colours are RGB.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from acga_lib.benchmark.world.palette import RGB, partner, shade

#: Half the side of the canvas in units: room for raised arms and spread wings.
REACH = 0.95
_SHIFT = 4
#: Angles of the points of an ellipse, and of one end of a limb.
_AROUND, _HALF = np.linspace(0, 2 * np.pi, 28, endpoint=False), np.linspace(0, np.pi, 9)
_CIRCLE = np.stack([np.cos(_AROUND), np.sin(_AROUND)], 1)


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> np.ndarray:
    """Outline [28, 2] of an ellipse around (x, y)."""
    return turn(_CIRCLE * (rx, ry), angle) + np.array([x, y])


def capsule(p: np.ndarray, q: np.ndarray, start: float, end: float) -> np.ndarray:
    """Outline [18, 2] of a limb from `p` to `q` with radii `start` and `end`."""
    across = np.arctan2(q[1] - p[1], q[0] - p[0]) + np.pi / 2
    back, front = across + _HALF, across + np.pi + _HALF
    return np.concatenate(
        [
            np.asarray(p) + start * np.stack([np.cos(back), np.sin(back)], 1),
            np.asarray(q) + end * np.stack([np.cos(front), np.sin(front)], 1),
        ]
    )


def turn(points: np.ndarray, angle: float, pivot: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """`points` [N, 2] rotated around `pivot`; positive turns from x towards y (clockwise)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return (np.asarray(points, float) - pivot) @ np.array([[cos, sin], [-sin, cos]]) + pivot


def ahead(p: np.ndarray, angle: float, length: float) -> np.ndarray:
    """The end of a limb that hangs from `p`; angle 0 points down, positive swings forwards."""
    return np.asarray(p) + length * np.array([np.sin(angle), np.cos(angle)])


def curve(points: list[tuple[float, float]], samples: int = 12) -> np.ndarray:
    """A smooth line [samples, 2] through three control points (a quadratic Bézier curve)."""
    t = np.linspace(0, 1, samples)[:, None]
    a, b, c = (np.asarray(point) for point in points)
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c


@dataclass(frozen=True)
class Brush:
    """A canvas, uint8 [H, W, 4] premultiplied RGBA, with `unit` pixels per unit of length.

    `origin` is the pixel (x, y) of the point (0, 0).
    """

    canvas: np.ndarray
    unit: int
    origin: tuple[float, float]

    @classmethod
    def blank(cls, unit: int) -> "Brush":
        """An empty square canvas that reaches `REACH` units to each side of its origin."""
        side = 2 * round(REACH * unit)
        return cls(np.zeros((side, side, 4), np.uint8), unit, (side / 2, side / 2))

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """`points` [N, 2] in units to OpenCV's fixed point, int32 [N, 2]."""
        scaled = np.asarray(points, float) * self.unit + self.origin
        return np.round(scaled * 2**_SHIFT).astype(np.int32)

    def fill(self, points: np.ndarray, color: RGB, *, edge: float = 0.45) -> None:
        """Fill a polygon; `edge` is the brightness of its outline, 1 for none."""
        pixels = self.pixels(points)
        cv2.fillPoly(self.canvas, [pixels], (*color, 255), cv2.LINE_AA, _SHIFT)
        self._outline(pixels, color, edge)

    def coat(self, points: np.ndarray, texture: np.ndarray, color: RGB) -> None:
        """Fill a polygon with `texture`, uint8 [S, S, 3] in canvas coordinates."""
        pixels = self.pixels(points)
        sides = self.canvas.shape[1::-1]
        low = np.clip(pixels.min(0) // 2**_SHIFT - 1, 0, np.subtract(sides, 1))
        high = np.clip(pixels.max(0) // 2**_SHIFT + 2, 1, sides)
        window = np.s_[low[1] : high[1], low[0] : high[0]]
        stencil = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        cv2.fillPoly(stencil, [pixels - low * 2**_SHIFT], 255, cv2.LINE_AA, _SHIFT)
        layer = cv2.merge([*cv2.split(texture[window]), np.full_like(stencil, 255)])
        layer = cv2.multiply(layer, cv2.merge([stencil] * 4), scale=1 / 255)
        self.canvas[window] = over(self.canvas[window], layer)
        self._outline(pixels, color, 0.45)

    def stroke(self, points: np.ndarray, color: RGB, width: float) -> None:
        """Draw an open line of `width` units."""
        thickness = max(1, round(width * self.unit))
        cv2.polylines(
            self.canvas, [self.pixels(points)], False, (*color, 255), thickness, cv2.LINE_AA, _SHIFT
        )

    def _outline(self, pixels: np.ndarray, color: RGB, edge: float) -> None:
        if edge < 1:
            dark = (*shade(color, edge), 255)
            thickness = max(1, round(0.016 * self.unit))
            cv2.polylines(self.canvas, [pixels], True, dark, thickness, cv2.LINE_AA, _SHIFT)


def over(below: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """`layer` [H, W, 4] (premultiplied) over `below` [H, W, 3 or 4], uint8 as `below`."""
    channels = below.shape[2]
    veil = cv2.merge([255 - layer[:, :, 3]] * channels)
    top = np.ascontiguousarray(layer[:, :, :channels])
    return cv2.add(cv2.multiply(np.ascontiguousarray(below), veil, scale=1 / 255), top)


def coat_texture(
    color: RGB, pattern: str, *, unit: int, slant: float, random: np.random.Generator
) -> np.ndarray:
    """The coat of a puppet, uint8 [S, S, 3]: plain, striped or spotted, lit from above.

    `slant` is the direction across the stripes in radians. Every pattern makes the same draws, so
    that the pattern changes nothing else about the instance.
    """
    side = 2 * round(REACH * unit)
    axis = (np.arange(side, dtype=np.float32) + 0.5 - side / 2) / unit
    x, y = np.meshgrid(axis, axis)
    phase, period = random.uniform(0, 2 * np.pi), random.uniform(0.135, 0.165)
    offsets = random.uniform(-0.22, 0.22, (15, 15, 2))
    if pattern == "striped":
        across = x * np.cos(slant) + y * np.sin(slant) + 0.008 * np.sin(9 * (x - y) + phase)
        second = np.clip(3 * np.sin(2 * np.pi * across / period + phase) - 0.3, 0, 1)
    elif pattern == "spotted":
        second = _spots(offsets, unit=unit, spacing=1.05 * period)
    else:
        second = 0.05 * (1 + np.sin(23 * x + phase) * np.sin(19 * y + 2 * phase))
    base, other = np.array(color, np.float32), np.array(partner(color), np.float32)
    light = np.clip(1.06 - 0.42 * (y + 0.12), 0.8, 1.14)[:, :, None]
    blend = base + second[:, :, None].astype(np.float32) * (other - base)
    return np.clip(blend * light, 0, 255).astype(np.uint8)


def _spots(offsets: np.ndarray, *, unit: int, spacing: float) -> np.ndarray:
    """Spots on a jittered lattice, float [S, S] in [0, 1]."""
    brush = Brush.blank(unit)
    count = offsets.shape[0]
    for row in range(count):
        for column in range(count):
            shift = offsets[row, column]
            x = (column - count // 2 + 0.5 * (row % 2) + shift[0]) * spacing
            y = (row - count // 2 + shift[1]) * spacing * 0.9
            radius = spacing * (0.30 + 0.2 * shift[0])
            brush.fill(ellipse(x, y, radius, radius), (255, 255, 255), edge=1)
    return brush.canvas[:, :, 3].astype(np.float32) / 255
