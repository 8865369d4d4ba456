"""Cat, dog and bird."""

import numpy as np

from acga_lib.benchmark.drawing.brush import Brush, ahead, capsule, curve, ellipse, turn
from acga_lib.benchmark.drawing.look import INK, PAPER, Look
from acga_lib.benchmark.world.motion import Shape
from acga_lib.benchmark.world.palette import RGB, mix, shade


def quadruped(brush: Brush, look: Look, shape: Shape) -> None:
    """Paint a cat or a dog."""
    limbs, girth, head, spare = look.build
    cat = look.actor == "cat"
    back, front, belly = -0.33, 0.25, 0.10
    length, thick = (0.30 if cat else 0.33) * limbs, 0.048 if cat else 0.056

    def draw_leg(x: float, side: int, fore: bool) -> None:
        phase = shape.stride + (0.0 if fore else 0.9)
        swing = 0.6 * np.sin(phase) * side + (0.55 if fore else -0.55) * shape.lift
        if fore and cat:
            swing += 0.75 * (1 + np.sin(shape.reach) * side)
        bend = 0.3 * (1 + np.cos(phase) * side)
        tone = shade(look.color, 0.68 if side < 0 else 0.94)
        root = np.array([x + 0.03 * side, belly])
        knee = ahead(root, swing, length * 0.55)
        paw = ahead(knee, swing - bend, length * 0.5)
        brush.fill(ellipse(paw[0] + 0.025, paw[1] + 0.01, 0.065, 0.042), mix(tone, PAPER, 0.35))
        brush.fill(capsule(knee, paw, thick, thick * 0.85), tone)
        brush.fill(capsule(root, knee, thick * 1.4, thick), tone)

    tail = ([(-0.42, -0.05), (-0.78, 0.05), (-0.70, -0.45 * spare)] if cat
            else [(-0.42, -0.06), (-0.60, -0.12), (-0.66, -0.36 * spare)])  # fmt: skip
    for width, tone in ((0.085, shade(look.color, 0.45)), (0.06, look.color)):
        brush.stroke(curve(tail), tone, width if cat else 1.35 * width)
    draw_leg(back, -1, False)
    draw_leg(front, -1, True)
    trunk = capsule(np.array([-0.30, 0.0]), np.array([0.24, -0.03]), 0.165 * girth, 0.175 * girth)
    brush.coat(trunk, look.texture, look.color)
    draw_leg(back, +1, False)
    draw_leg(front, +1, True)
    (_cat_head if cat else _dog_head)(brush, look, shape, head)


def _cat_head(brush: Brush, look: Look, shape: Shape, scale: float) -> None:
    x, y, r = 0.43, -0.22, 0.185 * scale

    def part(points: np.ndarray, color: RGB, edge: float = 0.45) -> None:
        brush.fill(turn(points, shape.nod, (0.26, -0.1)), color, edge=edge)

    for left, right in ((-0.95, -0.15), (0.15, 0.95)):
        tip = ((left + right) / 2 * 1.25, -1.62)
        ear = np.array([(left, -0.45), tip, (right, -0.6)]) * r + (x, y)
        part(ear, look.color)
        part((ear - ear.mean(0)) * 0.5 + ear.mean(0) + (0, 0.015), (238, 160, 164), 1)
    part(ellipse(x, y, 1.1 * r, r), look.color)
    part(ellipse(x + 0.3 * r, y + 0.42 * r, 0.55 * r, 0.4 * r), PAPER, 0.8)
    for side in (-0.28, 0.62):
        part(ellipse(x + side * r, y - 0.12 * r, 0.24 * r, 0.29 * r), (206, 226, 110), 0.4)
        part(ellipse(x + (side + 0.05) * r, y - 0.12 * r, 0.09 * r, 0.25 * r), INK, 1)
    nose = np.array([(0.14, 0.2), (0.5, 0.2), (0.32, 0.42)]) * r + (x, y)
    part(nose, (226, 120, 130), 1)
    for rise in (-0.12, 0.1):
        for side in (-1, 1):
            ends = np.array([(0.32 + 0.5 * side, 0.42), (0.32 + 1.35 * side, 0.42 + rise)])
            whisker = turn(ends * r + (x, y), shape.nod, (0.26, -0.1))
            brush.stroke(whisker, mix(look.second, PAPER, 0.5), 0.008)


def _dog_head(brush: Brush, look: Look, shape: Shape, scale: float) -> None:
    x, y, r = 0.40, -0.23, 0.165 * scale
    pivot = (0.24, -0.08)

    def part(points: np.ndarray, color: RGB, edge: float = 0.45) -> None:
        brush.fill(turn(points, shape.nod, pivot), color, edge=edge)

    part(capsule(np.array([0.24, -0.06]), np.array([x - 0.02, y]), 0.13, 0.11), look.color)
    part(ellipse(x, y, 1.05 * r, r), look.color)
    muzzle = capsule(np.array([x + 0.06, y + 0.045]), np.array([x + 0.25, y + 0.06]), 0.095, 0.07)
    part(muzzle, mix(look.color, PAPER, 0.45))
    part(ellipse(x + 0.31, y + 0.025, 0.042, 0.036), INK, 1)
    mouth = curve([(x + 0.30, y + 0.09), (x + 0.2, y + 0.125), (x + 0.12, y + 0.09)])
    brush.stroke(turn(mouth, shape.nod, pivot), INK, 0.014)
    part(ellipse(x + 0.075, y - 0.05, 0.036, 0.044), PAPER, 0.7)
    part(ellipse(x + 0.085, y - 0.048, 0.023, 0.032), INK, 1)
    part(ellipse(x - 0.095, y + 0.03, 0.075, 0.165 * scale, 0.18), shade(look.color, 0.66))
    collar = np.array([(0.24, -0.19), (0.36, -0.04)])
    brush.stroke(turn(collar, 0.4 * shape.nod, pivot), (206, 178, 92), 0.035)


def bird(brush: Brush, look: Look, shape: Shape) -> None:
    """Paint a bird."""
    limbs, girth, head, spare = look.build
    for side in (-1, 1):
        root = np.array([0.02 + 0.05 * side, 0.15])
        swing = 0.65 * np.sin(shape.stride) * side - 0.5 * shape.lift
        foot = ahead(root, swing, 0.27 * limbs)
        tone = shade((236, 150, 50), 0.75 if side < 0 else 1.0)
        brush.stroke(np.array([root, foot]), tone, 0.034)
        brush.stroke(foot + np.array([(-0.03, 0.0), (0.09, 0.01)]), tone, 0.034)
    for spread in (0.0, 0.16, 0.32):
        feather = ellipse(-0.50, 0.03, 0.22 * spare, 0.055, 0.15)
        brush.fill(turn(feather, spread - 0.1, (-0.28, 0.04)), shade(look.color, 0.66))
    beat = -1.0 * np.sin(shape.reach)
    _wing(brush, shade(look.color, 0.6), 0.85 * beat - 0.15, spare)
    brush.coat(turn(ellipse(-0.04, 0.03, 0.34, 0.215 * girth), -0.18), look.texture, look.color)
    brush.fill(ellipse(0.12, 0.10, 0.13, 0.1, -0.5), mix(look.color, PAPER, 0.4), edge=1)

    def part(points: np.ndarray, color: RGB, edge: float = 0.45) -> None:
        brush.fill(turn(points, shape.nod, (0.2, -0.04)), color, edge=edge)

    r = 0.15 * head
    part(np.array([(0.36, -0.23), (0.55, -0.15), (0.36, -0.10)]), (245, 168, 44))
    part(ellipse(0.28, -0.17, r, r), look.color)
    part(ellipse(0.315, -0.20, 0.045, 0.05), PAPER, 0.7)
    part(ellipse(0.325, -0.20, 0.027, 0.034), INK, 1)
    _wing(brush, shade(look.color, 0.8), beat, spare)


def _wing(brush: Brush, color: RGB, beat: float, span: float) -> None:
    """A wing that points backwards and swings up (beat < 0) or down (beat > 0)."""
    root = (0.08, -0.04)
    outline = np.array([(0.14, -0.03), (-0.02, -0.13), (-0.32, -0.14), (-0.56, -0.04),
                        (-0.42, -0.02), (-0.40, 0.03), (-0.26, 0.03), (-0.22, 0.09),
                        (0.02, 0.10)])  # fmt: skip
    wing = (outline - root) * (0.95 * span, 1.0) + root
    brush.fill(turn(wing, -1.05 * beat + 0.1, root), color)
