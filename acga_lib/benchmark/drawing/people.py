"""Adult and baby: one articulated figure with two sets of proportions."""

from dataclasses import dataclass

import numpy as np

from acga_lib.benchmark.drawing.brush import Brush, ahead, capsule, ellipse, turn
from acga_lib.benchmark.drawing.look import INK, PAPER, Look
from acga_lib.benchmark.world.motion import Shape
from acga_lib.benchmark.world.palette import RGB, mix, shade


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
    """Paint an adult or a baby; the shirt or the onesie carries the colour."""
    body = BODIES[look.actor]
    limbs, girth, head, _ = look.build
    leg, arm = body.leg * limbs, body.arm * limbs
    sleeve = look.color if body.onesie else look.skin
    trouser = look.color if body.onesie else look.cloth
    hip, wide = np.array([0.0, body.hip]), body.girth * girth
    shoulder = np.array([0.0, body.shoulder + 0.03])

    def draw_leg(side: int) -> None:
        swing = 0.62 * np.sin(shape.stride) * side + 0.5 * shape.lift
        bend = 0.35 * (1 + np.cos(shape.stride) * side) + 1.0 * shape.lift
        tone = shade(trouser, 0.72 if side < 0 else 1.0)
        knee = ahead(hip + np.array([0.2 * wide * side, 0]), swing, leg / 2)
        foot = ahead(knee, swing - bend, leg / 2)
        shoe = ellipse(foot[0] + 0.035, foot[1] + 0.005, 0.07, 0.04, -0.6 * bend + 0.3)
        brush.fill(shoe, look.skin if body.onesie else INK)
        brush.fill(capsule(knee, foot, body.limb, body.limb * 0.8), tone)
        brush.fill(capsule(hip, knee, body.limb * 1.25, body.limb), tone)

    def draw_arm(side: int) -> None:
        raised = 1.15 * (1 + np.sin(shape.reach) * side)
        angle = raised - 0.5 * np.sin(shape.stride) * side
        tone = shade(sleeve, 0.76 if side < 0 else 1.0)
        root = shoulder - np.array([0.25 * wide * side, 0])
        elbow = ahead(root, angle - 0.15, arm / 2)
        hand = ahead(elbow, angle + 0.45, arm / 2)
        brush.fill(capsule(elbow, hand, body.limb * 0.85, body.limb * 0.7), tone)
        brush.fill(ellipse(hand[0], hand[1], body.limb * 0.85, body.limb * 0.85), look.skin)
        cuff = shade(look.color, 0.76 if side < 0 else 1.0)
        brush.fill(capsule(root, elbow, body.limb * 1.15, body.limb * 0.95), cuff)

    draw_arm(-1)
    draw_leg(-1)
    draw_leg(+1)
    brush.coat(capsule(shoulder, hip, wide, wide * (1.05 if body.onesie else 0.85)), look.texture,
               look.color)  # fmt: skip
    _face(brush, look, shape, body, head)
    draw_arm(+1)


def _face(brush: Brush, look: Look, shape: Shape, body: Body, scale: float) -> None:
    y, radius = body.head[0], body.head[1] * scale
    pivot = (0.0, body.shoulder)

    def part(points: np.ndarray, color: RGB, edge: float = 0.45) -> None:
        brush.fill(turn(points, shape.nod, pivot), color, edge=edge)

    if not body.onesie:
        part(ellipse(-0.18 * radius, y - 0.12 * radius, 1.08 * radius, 1.08 * radius), look.hair)
    part(ellipse(0.0, y, radius, 1.05 * radius), look.skin)
    part(ellipse(-0.28 * radius, y + 0.1 * radius, 0.2 * radius, 0.26 * radius), look.skin)
    if body.onesie:
        tuft = np.array([(0, 0.0), (0.3, -0.6), (0.5, 0.1)]) * radius + (0, y - radius)
        brush.stroke(turn(tuft, shape.nod, pivot), look.hair, 0.03)
        part(ellipse(0.72 * radius, y + 0.42 * radius, 0.2 * radius, 0.26 * radius), PAPER)
    else:
        fringe = ellipse(-0.05 * radius, y - 0.76 * radius, 0.9 * radius, 0.4 * radius, 0.06)
        part(fringe, look.hair)
        part(ellipse(1.0 * radius, y + 0.16 * radius, 0.2 * radius, 0.16 * radius), look.skin)
        mouth = np.array([(0.4, 0.5), (0.65, 0.57), (0.85, 0.48)]) * radius + (0, y)
        brush.stroke(turn(mouth, shape.nod, pivot), shade(look.skin, 0.45), 0.014)
    part(ellipse(0.5 * radius, y - 0.02 * radius, 0.17 * radius, 0.22 * radius), PAPER, 0.7)
    part(ellipse(0.56 * radius, y - 0.01 * radius, 0.1 * radius, 0.15 * radius), INK, 1)
    part(ellipse(0.3 * radius, y + 0.36 * radius, 0.18 * radius, 0.11 * radius),
         mix(look.skin, (232, 104, 104), 0.4), 1)  # fmt: skip
