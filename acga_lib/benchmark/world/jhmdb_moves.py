"""The actions that training lacks: key stances that a move runs through in turn.

The known ones are moved by `motion`, as in training.
"""

from dataclasses import astuple, dataclass, replace

import numpy as np

from acga_lib.benchmark.world.stance import Stance


@dataclass(frozen=True)
class Move:
    """An action: `keys` follow one another evenly within `period` frames, then start again.

    `speed` is the way forwards per frame in frame widths; `prop` what the person handles ("" for
    nothing).
    """

    period: float
    keys: tuple[Stance, ...]
    speed: float = 0.0
    prop: str = ""


REST = Stance()
_HANG = Stance(
    lean=0.0, near_arm=3.05, near_elbow=0.0, far_arm=3.2, far_elbow=0.0, near_leg=0.1,
    near_knee=-0.5, far_leg=0.0, far_knee=-0.6, rise=-0.03,
)  # fmt: skip
_PUSH = Stance(lean=0.5, near_arm=1.3, near_elbow=0.1, far_arm=1.4, far_elbow=0.1)


def _mirrored(one: Stance) -> Stance:
    """The same stance with the two sides of the body exchanged."""
    return replace(
        one, near_arm=one.far_arm, near_elbow=one.far_elbow, far_arm=one.near_arm,
        far_elbow=one.near_elbow, near_leg=one.far_leg, near_knee=one.far_knee,
        far_leg=one.near_leg, far_knee=one.near_knee,
    )  # fmt: skip


def _gait(*half: Stance) -> tuple[Stance, ...]:
    """A gait from its first half: the other half is the same with the other leg."""
    return (*half, *(_mirrored(one) for one in half))


MOVES: dict[str, Move] = {
    "clap": Move(7, (
        Stance(near_arm=0.75, near_elbow=0.55, far_arm=1.25, far_elbow=0.95),
        Stance(near_arm=1.0, near_elbow=0.75, far_arm=1.0, far_elbow=0.75),
    )),
    "kick_ball": Move(16, (
        Stance(near_arm=0.6, far_arm=-0.5, near_leg=-0.9, near_knee=-1.1),
        Stance(lean=-0.12, near_arm=-0.8, far_arm=0.9, near_leg=1.15, near_knee=-0.05),
        Stance(near_arm=-0.3, far_arm=0.3, near_leg=0.4, near_knee=-0.3),
    ), prop="football"),
    "pick": Move(20, (
        REST,
        Stance(lean=1.0, near_arm=0.5, far_arm=0.6, near_leg=0.5, near_knee=-0.8, far_leg=0.6,
               far_knee=-0.9, rise=-0.03),
        Stance(lean=1.35, near_arm=0.1, far_arm=0.2, near_leg=0.7, near_knee=-1.1, far_leg=0.8,
               far_knee=-1.2, rise=-0.06),
    ), prop="bag"),
    "pullup": Move(18, (
        _HANG,
        replace(_HANG, near_arm=2.2, near_elbow=1.2, far_arm=2.3, far_elbow=1.2, rise=0.11),
    ), prop="bar"),
    "push": Move(14, _gait(
        replace(_PUSH, near_leg=0.6, near_knee=-0.3, far_leg=-0.7),
        replace(_PUSH, near_leg=0.1, far_leg=0.0, far_knee=-0.7),
    ), 0.005, "box"),
    "swing_baseball": Move(15, (
        Stance(lean=-0.05, near_arm=0.9, near_elbow=1.2, far_arm=0.7, far_elbow=1.4,
               near_leg=-0.35, far_leg=0.4),
        Stance(lean=0.1, near_arm=-0.3, near_elbow=1.9, far_arm=-0.2, far_elbow=1.9,
               near_leg=-0.4, far_leg=0.45),
        Stance(lean=0.2, near_arm=1.25, near_elbow=0.1, far_arm=1.3, far_elbow=0.1,
               near_leg=-0.45, far_leg=0.5),
    ), prop="bat"),
    "throw": Move(17, (
        Stance(lean=-0.2, near_arm=-1.9, near_elbow=-0.6, far_arm=1.1, near_leg=-0.4, far_leg=0.4),
        Stance(lean=-0.1, near_arm=-2.7, near_elbow=-0.5, far_arm=0.9, near_leg=-0.4, far_leg=0.5),
        Stance(lean=0.35, near_arm=-4.7, near_elbow=0.2, far_arm=-0.4, near_leg=-0.5, far_leg=0.5),
        Stance(lean=0.3, near_arm=-5.8, near_elbow=0.3, far_arm=-0.3, near_leg=-0.4, far_leg=0.4),
    ), prop="ball"),
    "wave": Move(9, (
        Stance(near_arm=2.5, near_elbow=-0.25),
        Stance(near_arm=2.6, near_elbow=1.0),
    )),
}  # fmt: skip


def stance(action: str, turn: float) -> Stance:
    """The stance at `turn` (1 is once through the keys), between two keys smoothly."""
    keys = MOVES[action].keys
    place = (turn % 1.0) * len(keys)
    first = int(place) % len(keys)
    blend = 0.5 - 0.5 * np.cos(np.pi * (place - int(place)))
    start, end = (np.array(astuple(keys[(first + step) % len(keys)])) for step in (0, 1))
    # Limbs take the shorter way round; the one length, `rise`, never comes near half a turn.
    change = (end - start + np.pi) % (2 * np.pi) - np.pi
    return Stance(*(start + blend * change).tolist())
