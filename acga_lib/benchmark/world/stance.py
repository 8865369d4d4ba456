"""How a person holds limbs, trunk and head: joint angles, whatever they come from."""

from dataclasses import dataclass

import numpy as np

from acga_lib.benchmark.world.motion import Shape


@dataclass(frozen=True)
class Stance:
    """Joint angles (radians) of a person who looks to the right.

    A limb at angle 0 hangs down; positive swings forwards. `elbow` and `knee` are added to the
    upper limb's angle. Near and far are the sides towards and away from the camera. `lean` bends
    the trunk forwards, `nod` the head besides; `rise` lifts the whole person, in units of the
    body's height.
    """

    lean: float = 0.05
    near_arm: float = 0.05
    near_elbow: float = 0.15
    far_arm: float = -0.05
    far_elbow: float = 0.15
    near_leg: float = -0.06
    near_knee: float = 0.0
    far_leg: float = 0.1
    far_knee: float = -0.05
    rise: float = 0.0
    nod: float = 0.0

    def arm(self, side: int) -> tuple[float, float]:
        """Angles of the arm and of its elbow on the far (-1) or near (+1) side."""
        return (self.near_arm, self.near_elbow) if side > 0 else (self.far_arm, self.far_elbow)

    def leg(self, side: int) -> tuple[float, float]:
        """Angles of the leg and of its knee on the far (-1) or near (+1) side."""
        return (self.near_leg, self.near_knee) if side > 0 else (self.far_leg, self.far_knee)


def stance_of(shape: Shape) -> Stance:
    """The stance of an adult or a baby in the shape that an action gives them."""

    def arm(side: int) -> float:
        raised = 1.15 * (1 + np.sin(shape.reach) * side)
        return float(raised - 0.5 * np.sin(shape.stride) * side - 0.15)

    def leg(side: int) -> float:
        return float(0.62 * np.sin(shape.stride) * side + 0.5 * shape.lift)

    def knee(side: int) -> float:
        return float(-(0.35 * (1 + np.cos(shape.stride) * side) + 1.0 * shape.lift))

    return Stance(
        lean=0.0, nod=shape.nod,
        near_arm=arm(+1), near_elbow=0.6, far_arm=arm(-1), far_elbow=0.6,
        near_leg=leg(+1), near_knee=knee(+1), far_leg=leg(-1), far_knee=knee(-1),
    )  # fmt: skip
