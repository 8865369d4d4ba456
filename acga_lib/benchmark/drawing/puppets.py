"""The seven actors as articulated puppets.

Each drawing function paints one puppet that looks to the right, about one unit high, in the shape
that the pose asks for. The torso (coat, shirt, onesie, bodywork) carries the instance's colour and
pattern. Tilt, stretch, facing and position are applied later, by the camera.
"""

from collections.abc import Callable

import cv2
import numpy as np

from acga_lib.benchmark.drawing.animals import bird, quadruped
from acga_lib.benchmark.drawing.brush import Brush, ellipse, turn
from acga_lib.benchmark.drawing.look import INK, PAPER, Look
from acga_lib.benchmark.drawing.people import person
from acga_lib.benchmark.world.motion import Shape
from acga_lib.benchmark.world.palette import RGB, mix, shade

GLASS: RGB = (176, 208, 224)


def draw(look: Look, shape: Shape) -> np.ndarray:
    """Paint one puppet: uint8 [S, S, 4], premultiplied RGBA, its centre in the middle."""
    brush = Brush.blank(look.unit)
    _PAINTERS[look.actor](brush, look, shape)
    return brush.canvas


def _ball(brush: Brush, look: Look, shape: Shape) -> None:
    radius = 0.42
    middle = look.texture.shape[0] / 2 - 0.5
    spin = cv2.getRotationMatrix2D((middle, middle), -np.degrees(shape.spin), 1.0)
    coat = cv2.warpAffine(look.texture, spin, look.texture.shape[1::-1])
    brush.coat(ellipse(0, 0, radius, radius), coat, look.color)
    across = np.linspace(-1, 1, 15)
    for side in (-1, 1):
        # The ends lie on the rim (0.6² + 0.8² = 1), so that no turn shows them outside.
        seam = np.stack([0.6 * across, side * (0.34 + 0.46 * across**2)], 1)
        brush.stroke(turn(0.97 * radius * seam, shape.spin), look.second, 0.035)
    spot = ellipse(0.62 * radius, 0.0, 0.10, 0.10)
    brush.fill(turn(spot, shape.spin), look.second)
    brush.fill(turn(ellipse(-0.62 * radius, 0.0, 0.05, 0.05), shape.spin), look.second)
    brush.stroke(ellipse(0, 0, radius, radius), shade(look.color, 0.4), 0.022)
    shine = ellipse(-0.16, -0.2, 0.095, 0.05, -0.7)
    brush.fill(shine, mix(look.color, PAPER, 0.75), edge=1)


def _car(brush: Brush, look: Look, shape: Shape) -> None:
    limbs, girth, _, spare = look.build
    top, wheel = -0.31 * girth, 0.145 * limbs
    cabin = np.array([(-0.52, -0.06), (-0.40, top), (0.10 * spare, top), (0.36, -0.06)])
    brush.fill(cabin, shade(look.color, 0.86))
    sill = np.array([(-0.47, -0.06), (0.30, -0.06)])
    roof = cabin[1:3] + np.array([(0.03, 0.05), (0.0, 0.05)])
    for left, right in ((0.10, 0.47), (0.54, 0.88)):
        # A pane spans the same part of the roof's edge as of the sill.
        ends = ((sill, left), (roof, left), (roof, right), (sill, right))
        pane = [(1 - part) * edge[0] + part * edge[1] for edge, part in ends]
        brush.fill(np.array(pane), GLASS)
    body = np.array([(-0.80, 0.16), (-0.84, 0.0), (-0.76, -0.09), (0.38, -0.09), (0.76, -0.01),
                     (0.85, 0.08), (0.84, 0.18), (0.78, 0.21), (-0.74, 0.21)])  # fmt: skip
    brush.coat(body, look.texture, look.color)
    brush.stroke(np.array([(0.0, -0.06), (0.0, 0.17)]), shade(look.color, 0.5), 0.012)
    brush.fill(ellipse(0.79, 0.05, 0.05, 0.05), (255, 240, 170))
    brush.fill(ellipse(-0.80, 0.04, 0.035, 0.045), (170, 40, 40))
    for x in (-0.47, 0.48):
        brush.fill(ellipse(x, 0.20, wheel, wheel), (44, 44, 50))
        brush.fill(ellipse(x, 0.20, 0.62 * wheel, 0.62 * wheel), (196, 200, 206))
        for spoke in range(3):
            angle = shape.stride + spoke * 2 * np.pi / 3
            tip = np.array([(0, 0), (0.6 * wheel, 0)])
            tone = (214, 60, 44) if spoke == 0 else INK
            brush.stroke(turn(tip, angle) + np.array([x, 0.20]), tone, 0.038)


_PAINTERS: dict[str, Callable[[Brush, Look, Shape], None]] = {
    "adult": person,
    "baby": person,
    "ball": _ball,
    "bird": bird,
    "car": _car,
    "cat": quadruped,
    "dog": quadruped,
}
