"""Actions as motion: pose over time.

A pose is a handful of angles. An action advances some of them at its own tempo and moves the puppet
along its own path; all other angles stand still. Each angle is drawn uniformly from the circle at
the middle frame, and uniform it stays at any tempo. So every action shows the same poses equally
often, and one frame tells nothing about the action; only the change between frames does.
"""

from dataclasses import dataclass

import numpy as np

from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.scene import ACTIONS_OF, Instance

ANGLES = ("tilt", "stride", "lift", "stretch", "nod", "reach")

#: Frames per turn of the angles that an action drives.
PERIODS: dict[str, dict[str, float]] = {
    "climbing": {"stride": 10.0, "reach": 10.0},
    "crawling": {"stretch": 9.0},
    "eating": {"nod": 7.0},
    "flying": {"reach": 6.0},
    "jumping": {"lift": 9.0},
    "rolling": {"tilt": 12.0},
    "running": {"stride": 6.0},
    "walking": {"stride": 12.0},
    "none": {},
}

#: Drift per frame: forwards in frame widths, upwards in frame heights.
SPEEDS = {
    "climbing": (0.0, 0.0080),
    "crawling": (0.0055, 0.0),
    "flying": (0.0100, 0.0),
    "running": (0.0125, 0.0),
    "walking": (0.0060, 0.0),
}
BALL_ROLL = (0.0075, 0.0)
ARC_PERIOD, ARC_HEIGHT = 24.0, 0.11
TEMPO_JITTER = 0.12
#: The centre keeps this distance (fraction of the frame) from the border if half speed allows it.
BORDER = 0.12


@dataclass(frozen=True)
class Pose:
    """The angles of `ANGLES` (radians) and the path (fractions of frame width and height).

    `dx`, `dy` are measured from the centre at the middle frame, y pointing down; the lift of a jump
    is not part of them. `shape` turns the angles into what is drawn.
    """

    tilt: float
    stride: float
    lift: float
    stretch: float
    nod: float
    reach: float
    dx: float
    dy: float


@dataclass(frozen=True)
class Shape:
    """What the angles look like: everything a puppet needs.

    `tilt` and `nod` in radians; `lift` in [0, 1]; `stretch` the width factor; `stride`, `reach` and
    `spin` are phases in radians.
    """

    tilt: float
    stride: float
    lift: float
    stretch: float
    nod: float
    reach: float
    spin: float


def driven(actor: str) -> frozenset[str]:
    """The angles that at least one of the actor's actions drives; the others stay neutral."""
    return frozenset(angle for action in ACTIONS_OF[actor] for angle in PERIODS[action])


def poses(instance: Instance, *, frames: int, split: str) -> list[Pose]:
    """The pose of `instance` in each of `frames` frames; the middle frame is `frames // 2`.

    The draws depend on the seed and the split but not on the action, so at the middle frame the
    same instance has the same pose whatever it does.
    """
    random = generator(split, instance.seed, "motion")
    middle = dict(zip(ANGLES, random.uniform(0, 2 * np.pi, len(ANGLES)), strict=True))
    tempo = random.uniform(1 - TEMPO_JITTER, 1 + TEMPO_JITTER)
    arc = random.uniform(0, 2 * np.pi)
    periods = PERIODS[instance.action]
    rates = {name: 2 * np.pi * tempo / periods[name] if name in periods else 0.0 for name in ANGLES}
    result = []
    for frame in range(frames):
        time = frame - frames // 2
        angles = {name: float(middle[name] + rates[name] * time) for name in ANGLES}
        dx, dy = _path(instance, time=time, frames=frames, tempo=tempo, arc=arc)
        if instance.action == "crawling":
            # An inchworm advances while it stretches and rests while it gathers.
            surge = np.sin(angles["stretch"]) - np.sin(middle["stretch"])
            dx += 0.7 * instance.facing * SPEEDS["crawling"][0] * surge / rates["stretch"]
        result.append(Pose(**angles, dx=float(dx), dy=float(dy)))
    return result


def _path(
    instance: Instance, *, time: int, frames: int, tempo: float, arc: float
) -> tuple[float, float]:
    """Offset from the centre at the middle frame after `time` frames."""
    ahead, up = SPEEDS.get(instance.action, (0.0, 0.0))
    if instance.actor == "ball" and instance.action == "rolling":
        ahead, up = BALL_ROLL
    half = max(1, frames // 2)
    dx = instance.facing * _slowed(ahead * tempo, at=instance.x, steps=half) * time
    dy = -_slowed(up * tempo, at=instance.y, steps=half) * time
    if instance.action == "flying":
        rate = 2 * np.pi * tempo / ARC_PERIOD
        dy += ARC_HEIGHT * (np.sin(arc + rate * time) - np.sin(arc))
    return float(dx), float(dy)


def _slowed(speed: float, *, at: float, steps: int) -> float:
    """`speed`, reduced to no less than half so that the clip ends before the border."""
    room = min(at, 1 - at) - BORDER
    return min(speed, max(speed / 2, room / steps))


def shape(pose: Pose, actor: str) -> Shape:
    """The visible form of `pose`; angles that no action of the actor drives are neutral."""
    free = driven(actor)
    # The odd power keeps a rocking puppet near upright most of the time, in every action alike.
    tilt = 1.3 * np.sin(pose.tilt) ** 5 if "tilt" in free else 0.0
    return Shape(
        tilt=0.0 if actor == "ball" else float(tilt),
        stride=pose.stride if "stride" in free else 0.6,
        lift=float(0.5 - 0.5 * np.cos(pose.lift)),
        stretch=float(1 + 0.21 * np.sin(pose.stretch)) if "stretch" in free else 1.0,
        nod=float(0.72 * np.sin(pose.nod)) if "nod" in free else 0.0,
        reach=pose.reach if "reach" in free else -np.pi / 2,
        spin=pose.tilt,
    )
