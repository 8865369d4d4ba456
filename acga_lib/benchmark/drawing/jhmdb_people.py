"""The people of the J-HMDB-like films: slimmer than the other puppets, jointed, in two garments."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from acga_lib.benchmark.drawing.brush import Brush, ahead, capsule, ellipse, turn
from acga_lib.benchmark.world.jhmdb_films import Person
from acga_lib.benchmark.world.jhmdb_moves import Stance
from acga_lib.benchmark.world.palette import RGB, generator, mix, pick, shade

HIP, SHOULDER, HEAD = 0.05, -0.235, 0.078
LEG, ARM = 0.42, 0.345
LEATHER: RGB = (46, 40, 38)
#: Outlines are faint: film has none.
EDGE = 0.72


@dataclass(frozen=True)
class Wardrobe:
    """What stays the same about a person: exact colours and build (limbs, girth around 1)."""

    upper: RGB
    lower: RGB
    skin: RGB
    hair: RGB
    limbs: float
    girth: float
    long_hair: bool
    sleeves: bool


@dataclass(frozen=True)
class Skeleton:
    """Where the joints are, [2] each, in units from the middle of the standing person."""

    hip: np.ndarray
    shoulder: np.ndarray
    head: np.ndarray
    near_elbow: np.ndarray
    near_hand: np.ndarray
    far_elbow: np.ndarray
    far_hand: np.ndarray
    near_knee: np.ndarray
    near_foot: np.ndarray
    far_knee: np.ndarray
    far_foot: np.ndarray


def wardrobe(person: Person, *, split: str) -> Wardrobe:
    """Draw what `person` wears and looks like from its seed and the pools of `split`."""
    random = generator(split, person.seed, "wardrobe")
    tone, dark, limbs, girth = random.uniform((0, 0, 0.94, 0.88), (1, 1, 1.05, 1.1))
    return Wardrobe(
        upper=pick(person.color, split, random),
        lower=shade(pick(person.lower, split, random), 0.85),
        skin=mix((236, 196, 168), (108, 70, 50), float(tone)),
        hair=mix((34, 26, 22), (142, 104, 62), float(dark) ** 2),
        limbs=float(limbs),
        girth=float(girth) * (0.9 if person.actor == "woman" else 1.0),
        long_hair=person.actor == "woman",
        sleeves=bool(random.random() < 0.5),
    )


def skeleton(look: Wardrobe, pose: Stance) -> Skeleton:
    """The joints of a stance."""
    leg, arm = LEG * look.limbs / 2, ARM * look.limbs / 2
    hip = np.array([0.0, HIP - pose.rise])
    trunk = np.array([(0.0, SHOULDER - HIP), (0.035, SHOULDER - HIP - 0.03 - 1.35 * HEAD)])
    shoulder, head = turn(trunk, pose.lean) + hip

    def limb(root: np.ndarray, angle: float, bend: float, length: float) -> list[np.ndarray]:
        joint = ahead(root, angle, length)
        return [joint, ahead(joint, angle + bend, length)]

    return Skeleton(
        hip, shoulder, head,
        *limb(shoulder, pose.near_arm, pose.near_elbow, arm),
        *limb(shoulder, pose.far_arm, pose.far_elbow, arm),
        *limb(hip, pose.near_leg, pose.near_knee, leg),
        *limb(hip, pose.far_leg, pose.far_knee, leg),
    )  # fmt: skip


def draw_person(brush: Brush, look: Wardrobe, pose: Stance) -> None:
    """Paint a person in a stance."""
    bones = skeleton(look, pose)
    _arm(brush, look, bones.shoulder, bones.far_elbow, bones.far_hand, 0.72)
    _leg(brush, look, bones.hip, bones.far_knee, bones.far_foot, 0.75)
    _leg(brush, look, bones.hip, bones.near_knee, bones.near_foot, 1.0)
    wide = 0.072 * look.girth
    brush.fill(capsule(bones.shoulder, bones.hip, 1.05 * wide, 0.95 * wide), look.upper, edge=EDGE)
    fold = bones.hip + 0.55 * (bones.shoulder - bones.hip)
    brush.stroke(np.array([bones.hip, fold]), shade(look.upper, 0.86), 0.02)
    belt = bones.hip + np.array([(-0.9 * wide, -0.012), (0.9 * wide, -0.012)])
    brush.stroke(turn(belt, 0.6 * pose.lean, (bones.hip[0], bones.hip[1])), LEATHER, 0.02)
    _head(brush, look, bones.shoulder, bones.head, pose.lean)
    _arm(brush, look, bones.shoulder, bones.near_elbow, bones.near_hand, 1.0)


def _arm(brush: Brush, look: Wardrobe, root: np.ndarray, elbow: np.ndarray, hand: np.ndarray,
         light: float) -> None:  # fmt: skip
    thick = 0.034 * look.girth
    skin, sleeve = shade(look.skin, light), shade(look.upper, light)
    brush.fill(capsule(elbow, hand, 0.85 * thick, 0.65 * thick),
               sleeve if look.sleeves else skin, edge=EDGE)  # fmt: skip
    brush.fill(ellipse(hand[0], hand[1], 0.85 * thick, 0.85 * thick), skin, edge=EDGE)
    brush.fill(capsule(root, elbow, 1.15 * thick, 0.95 * thick), sleeve, edge=EDGE)


def _leg(brush: Brush, look: Wardrobe, hip: np.ndarray, knee: np.ndarray, foot: np.ndarray,
         light: float) -> None:  # fmt: skip
    thick, tone = 0.046 * look.girth, shade(look.lower, light)
    brush.fill(ellipse(foot[0] + 0.028, foot[1] + 0.012, 0.052, 0.024), LEATHER, edge=EDGE)
    brush.fill(capsule(knee, foot, 0.85 * thick, 0.62 * thick), tone, edge=EDGE)
    brush.fill(capsule(hip, knee, 1.3 * thick, 0.92 * thick), tone, edge=EDGE)


def _head(brush: Brush, look: Wardrobe, shoulder: np.ndarray, head: np.ndarray, lean: float
          ) -> None:  # fmt: skip
    x, y = head
    pivot = (float(x), float(y))

    def part(points: np.ndarray, color: RGB, edge: float = EDGE) -> None:
        brush.fill(turn(points, 0.6 * lean, pivot), color, edge=edge)

    if look.long_hair:
        part(capsule(np.array([x - 0.5 * HEAD, y]), np.array([x - 0.85 * HEAD, y + 2.1 * HEAD]),
                     0.62 * HEAD, 0.3 * HEAD), look.hair)  # fmt: skip
    brush.fill(capsule(shoulder, head, 0.034, 0.03), shade(look.skin, 0.9), edge=EDGE)
    part(ellipse(x - 0.16 * HEAD, y - 0.14 * HEAD, HEAD, 1.06 * HEAD), look.hair)
    part(ellipse(x + 0.16 * HEAD, y + 0.1 * HEAD, 0.84 * HEAD, 0.98 * HEAD), look.skin, 0.85)
    part(ellipse(x - 0.02 * HEAD, y - 0.72 * HEAD, 0.8 * HEAD, 0.4 * HEAD, 0.15), look.hair, 1)
    part(ellipse(x - 0.3 * HEAD, y + 0.12 * HEAD, 0.16 * HEAD, 0.22 * HEAD), look.skin)
    part(ellipse(x + 0.62 * HEAD, y - 0.02 * HEAD, 0.1 * HEAD, 0.13 * HEAD), LEATHER, 1)
    part(ellipse(x + 1.0 * HEAD, y + 0.2 * HEAD, 0.14 * HEAD, 0.12 * HEAD), look.skin, 1)


def draw_prop(name: str, brush: Brush, bones: Skeleton, turned: float) -> None:
    """Paint what a person handles; `turned` in [0, 1) is how far the move has come."""
    _PROPS[name](brush, bones, turned)


def _ball(brush: Brush, at: np.ndarray, radius: float, color: RGB) -> None:
    brush.fill(ellipse(at[0], at[1], radius, radius), color, edge=0.5)
    brush.fill(ellipse(at[0] - 0.3 * radius, at[1] - 0.3 * radius, 0.35 * radius, 0.3 * radius),
               mix(color, (255, 255, 255), 0.5), edge=1)  # fmt: skip


def _football(brush: Brush, bones: Skeleton, turned: float) -> None:
    # The foot meets the ball a third of the way through; then it rolls off and comes back.
    away = abs(((turned - 1 / 3 + 0.5) % 1.0) - 0.5) * 2
    _ball(brush, np.array([0.38 + 0.4 * away, 0.43 - 0.1 * away * (1 - away)]), 0.06,
          (226, 222, 210))  # fmt: skip


def _thrown(brush: Brush, bones: Skeleton, turned: float) -> None:
    flown = (turned - 0.5) / 0.3
    if 0.0 <= flown < 1.0:
        release = np.array([0.3, -0.4])
        _ball(brush, release + flown * np.array([0.55, -0.25 + 0.2 * flown]), 0.036, (206, 190, 96))
    elif flown < 0.0:
        _ball(brush, bones.near_hand, 0.036, (206, 190, 96))


def _bag(brush: Brush, bones: Skeleton, turned: float) -> None:
    outline = np.array([(0.24, 0.34), (0.40, 0.34), (0.43, 0.48), (0.21, 0.48)])
    brush.stroke(np.array([(0.27, 0.34), (0.32, 0.28), (0.37, 0.34)]), (92, 74, 58), 0.02)
    brush.fill(outline, (128, 100, 74), edge=0.6)


def _bar(brush: Brush, bones: Skeleton, turned: float) -> None:
    brush.stroke(np.array([(-0.32, -0.585), (0.32, -0.585)]), (92, 94, 98), 0.03)
    for x in (-0.32, 0.32):
        brush.stroke(np.array([(x, -0.6), (x, 0.5)]), (104, 106, 110), 0.028)


def _box(brush: Brush, bones: Skeleton, turned: float) -> None:
    left = 0.5
    outline = np.array([(left, 0.02), (left + 0.4, 0.02), (left + 0.4, 0.46), (left, 0.46)])
    brush.fill(outline, (168, 136, 98), edge=0.6)
    brush.stroke(np.array([(left, 0.2), (left + 0.4, 0.2)]), (140, 110, 78), 0.03)


def _bat(brush: Brush, bones: Skeleton, turned: float) -> None:
    along = bones.near_hand - bones.near_elbow
    # Upright behind the shoulder while the arms are drawn in, in line with them in the swing.
    reach = np.linalg.norm(bones.near_hand - bones.shoulder) / ARM
    direction = along / np.linalg.norm(along)
    upright = np.array([-0.35, -0.94])
    blend = np.clip((reach - 0.55) / 0.35, 0, 1)
    axis = (1 - blend) * upright + blend * direction
    tip = bones.near_hand + 0.36 * axis / np.linalg.norm(axis)
    brush.fill(capsule(bones.near_hand, tip, 0.014, 0.03), (186, 150, 104), edge=0.6)


_PROPS: dict[str, Callable[[Brush, Skeleton, float], None]] = {
    "football": _football,
    "ball": _thrown,
    "bag": _bag,
    "bar": _bar,
    "box": _box,
    "bat": _bat,
}
