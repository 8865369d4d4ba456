"""Adult and baby: one articulated figure with two sets of proportions."""

from dataclasses import dataclass

import numpy as np

from acga_lib.benchmark.drawing.brush import Brush, ahead, capsule, ellipse, turn
from acga_lib.benchmark.drawing.look import INK, PAPER, Look
from acga_lib.benchmark.world.motion import Shape
from acga_lib.benchmark.world.palette import RGB, mix, shade
from acga_lib.benchmark.world.stance import Stance, stance_of


@dataclass(frozen=True)
class Body:
    """Proportions of a standing person, in units; y points down from the centre."""

    hip: float
    shoulder: float
    head: tuple[float, float]
    leg: float
    arm: float
    girth: float
    limb: float
    onesie: bool


BODIES = {
    "adult": Body(0.09, -0.17, (-0.345, 0.145), 0.38, 0.33, 0.165, 0.060, False),
    "baby": Body(0.21, -0.02, (-0.255, 0.225), 0.26, 0.25, 0.165, 0.066, True),
}


def person(brush: Brush, look: Look, shape: Shape) -> None:
    """Paint an adult or a baby in a shape."""
    hold(brush, look, stance_of(shape))


def hold(brush: Brush, look: Look, stance: Stance) -> None:
    """Paint an adult or a baby in a stance; the shirt or the onesie carries the colour."""
    body = BODIES[look.actor]
    sleeve = look.color if body.onesie else look.skin
    trouser = look.color if body.onesie else look.cloth
    wide = body.girth * look.build[1]
    hip, shoulder = _spine(body, stance)

    def draw_leg(side: int) -> None:
        _, knee, foot = leg(look, stance, side)
        tone = shade(trouser, 0.72 if side < 0 else 1.0)
        sole = 0.6 * stance.leg(side)[1] + 0.3
        shoe = ellipse(foot[0] + 0.035, foot[1] + 0.005, 0.07, 0.04, sole)
        brush.fill(shoe, look.skin if body.onesie else INK)
        brush.fill(capsule(knee, foot, body.limb, body.limb * 0.8), tone)
        brush.fill(capsule(hip, knee, body.limb * 1.25, body.limb), tone)

    def draw_arm(side: int) -> None:
        root, elbow, hand = arm(look, stance, side)
        tone = shade(sleeve, 0.76 if side < 0 else 1.0)
        brush.fill(capsule(elbow, hand, body.limb * 0.85, body.limb * 0.7), tone)
        brush.fill(ellipse(hand[0], hand[1], body.limb * 0.85, body.limb * 0.85), look.skin)
        cuff = shade(look.color, 0.76 if side < 0 else 1.0)
        brush.fill(capsule(root, elbow, body.limb * 1.15, body.limb * 0.95), cuff)

    draw_arm(-1)
    draw_leg(-1)
    draw_leg(+1)
    brush.coat(capsule(shoulder, hip, wide, wide * (1.05 if body.onesie else 0.85)), look.texture,
               look.color)  # fmt: skip
    _face(brush, look, stance)
    draw_arm(+1)


def arm(look: Look, stance: Stance, side: int) -> np.ndarray:
    """Shoulder, elbow and hand [3, 2] on the far (-1) or near (+1) side, in units."""
    body = BODIES[look.actor]
    angle, bend = stance.arm(side)
    _, shoulder = _spine(body, stance)
    root = shoulder - np.array([0.25 * body.girth * look.build[1] * side, 0])
    return _limb(root, angle, bend, body.arm * look.build[0])


def leg(look: Look, stance: Stance, side: int) -> np.ndarray:
    """Hip, knee and foot [3, 2] on the far (-1) or near (+1) side, in units."""
    body = BODIES[look.actor]
    angle, bend = stance.leg(side)
    hip, _ = _spine(body, stance)
    root = hip + np.array([0.2 * body.girth * look.build[1] * side, 0])
    return _limb(root, angle, bend, body.leg * look.build[0])


def _limb(root: np.ndarray, angle: float, bend: float, length: float) -> np.ndarray:
    joint = ahead(root, angle, length / 2)
    return np.stack([root, joint, ahead(joint, angle + bend, length / 2)])


def _spine(body: Body, stance: Stance) -> np.ndarray:
    """Hip and shoulder [2, 2]."""
    return _leaning(np.array([(0.0, body.hip), (0.0, body.shoulder + 0.03)]), body, stance)


def _leaning(points: np.ndarray, body: Body, stance: Stance) -> np.ndarray:
    """Points of the upright trunk or head where the stance has them."""
    return turn(points, stance.lean, (0.0, body.hip)) - (0.0, stance.rise)


def _face(brush: Brush, look: Look, stance: Stance) -> None:
    body = BODIES[look.actor]
    y, radius = body.head[0], body.head[1] * look.build[2]
    pivot = (0.0, body.shoulder)

    def placed(points: np.ndarray) -> np.ndarray:
        return _leaning(turn(points, stance.nod, pivot), body, stance)

    def part(points: np.ndarray, color: RGB, edge: float = 0.45) -> None:
        brush.fill(placed(points), color, edge=edge)

    if not body.onesie:
        part(ellipse(-0.18 * radius, y - 0.12 * radius, 1.08 * radius, 1.08 * radius), look.hair)
    part(ellipse(0.0, y, radius, 1.05 * radius), look.skin)
    part(ellipse(-0.28 * radius, y + 0.1 * radius, 0.2 * radius, 0.26 * radius), look.skin)
    if body.onesie:
        tuft = np.array([(0, 0.0), (0.3, -0.6), (0.5, 0.1)]) * radius + (0, y - radius)
        brush.stroke(placed(tuft), look.hair, 0.03)
        part(ellipse(0.72 * radius, y + 0.42 * radius, 0.2 * radius, 0.26 * radius), PAPER)
    else:
        fringe = ellipse(-0.05 * radius, y - 0.76 * radius, 0.9 * radius, 0.4 * radius, 0.06)
        part(fringe, look.hair)
        part(ellipse(1.0 * radius, y + 0.16 * radius, 0.2 * radius, 0.16 * radius), look.skin)
        mouth = np.array([(0.4, 0.5), (0.65, 0.57), (0.85, 0.48)]) * radius + (0, y)
        brush.stroke(placed(mouth), shade(look.skin, 0.45), 0.014)
    part(ellipse(0.5 * radius, y - 0.02 * radius, 0.17 * radius, 0.22 * radius), PAPER, 0.7)
    part(ellipse(0.56 * radius, y - 0.01 * radius, 0.1 * radius, 0.15 * radius), INK, 1)
    part(ellipse(0.3 * radius, y + 0.36 * radius, 0.18 * radius, 0.11 * radius),
         mix(look.skin, (232, 104, 104), 0.4), 1)  # fmt: skip
