"""What the people of the J-HMDB-like films handle: balls, a bag, a bar, a box, a bat."""

from collections.abc import Callable

import numpy as np

from acga_lib.benchmark.drawing.brush import Brush, capsule, ellipse
from acga_lib.benchmark.world.palette import RGB, mix


def _ball(brush: Brush, at: np.ndarray, radius: float, color: RGB) -> None:
    brush.fill(ellipse(at[0], at[1], radius, radius), color, edge=0.5)
    brush.fill(ellipse(at[0] - 0.3 * radius, at[1] - 0.3 * radius, 0.35 * radius, 0.3 * radius),
               mix(color, (255, 255, 255), 0.5), edge=1)  # fmt: skip


def _football(brush: Brush, arm: np.ndarray, turned: float) -> None:
    # The foot meets the ball a third of the way through; then it rolls off and comes back.
    away = abs(((turned - 1 / 3 + 0.5) % 1.0) - 0.5) * 2
    _ball(brush, np.array([0.4 + 0.25 * away, 0.43 - 0.1 * away * (1 - away)]), 0.06,
          (226, 222, 210))  # fmt: skip


def _thrown(brush: Brush, arm: np.ndarray, turned: float) -> None:
    flown = (turned - 0.5) / 0.3
    if 0.0 <= flown < 1.0:
        release = np.array([0.3, -0.4])
        _ball(brush, release + flown * np.array([0.55, -0.25 + 0.2 * flown]), 0.04, (206, 190, 96))
    elif flown < 0.0:
        _ball(brush, arm[2], 0.04, (206, 190, 96))


def _bag(brush: Brush, arm: np.ndarray, turned: float) -> None:
    outline = np.array([(0.32, 0.34), (0.48, 0.34), (0.51, 0.48), (0.29, 0.48)])
    brush.stroke(np.array([(0.35, 0.34), (0.40, 0.28), (0.45, 0.34)]), (92, 74, 58), 0.02)
    brush.fill(outline, (128, 100, 74), edge=0.6)


def _bar(brush: Brush, arm: np.ndarray, turned: float) -> None:
    brush.stroke(np.array([(-0.4, -0.5), (0.4, -0.5)]), (92, 94, 98), 0.03)
    for x in (-0.4, 0.4):
        brush.stroke(np.array([(x, -0.52), (x, 0.5)]), (104, 106, 110), 0.028)


def _box(brush: Brush, arm: np.ndarray, turned: float) -> None:
    left = 0.5
    outline = np.array([(left, 0.02), (left + 0.4, 0.02), (left + 0.4, 0.46), (left, 0.46)])
    brush.fill(outline, (168, 136, 98), edge=0.6)
    brush.stroke(np.array([(left, 0.2), (left + 0.4, 0.2)]), (140, 110, 78), 0.03)


def _bat(brush: Brush, arm: np.ndarray, turned: float) -> None:
    shoulder, elbow, hand = arm
    half = np.linalg.norm(elbow - shoulder)
    # Upright behind the shoulder while the arms are drawn in, in line with them in the swing.
    reach = np.linalg.norm(hand - shoulder) / (2 * half)
    blend = np.clip((reach - 0.55) / 0.35, 0, 1)
    axis = (1 - blend) * np.array([-0.35, -0.94]) + blend * (hand - elbow) / half
    tip = hand + 0.36 * axis / np.linalg.norm(axis)
    brush.fill(capsule(hand, tip, 0.016, 0.034), (186, 150, 104), edge=0.6)


#: Each is painted with shoulder, elbow and hand [3, 2] of the near side, in units, and how far the
#: move has come, in [0, 1).
PROPS: dict[str, Callable[[Brush, np.ndarray, float], None]] = {
    "football": _football,
    "ball": _thrown,
    "bag": _bag,
    "bar": _bar,
    "box": _box,
    "bat": _bat,
}
