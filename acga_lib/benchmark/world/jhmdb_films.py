"""The films of the J-HMDB-like benchmark: who does what, where.

People only, in moves that A2D mostly lacks. The first person is the one that the sentence means; a
bystander, where there is one, shares everything with that person but the cue.
"""

from dataclasses import dataclass, replace

import numpy as np

from acga_lib.benchmark.world.casts import distinct_colors, draw_seed, pick
from acga_lib.benchmark.world.jhmdb_moves import MOVES
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.scene import COLORS, Instance, Scene

SPLIT = "jhmdb"
HEIGHT, WIDTH, FRAMES = 150, 200, (15, 32)
#: What decides the sentence, and how often; "actor" is somebody alone.
CUE_SHARES = {"actor": 0.3, "action": 0.38, "attribute": 0.2, "place": 0.12}
#: Where a film plays.
STAGES = ("hall", "street", "pitch", "yard", "park")
LOWER = ("blue", "black", "gray", "brown", "white")


@dataclass(frozen=True)
class Person(Instance):
    """A puppet in two garments: `color` is the upper one's; `actor` is "man" or "woman"."""

    lower: str


@dataclass(frozen=True)
class Film:
    """A scene of one or two people and the cue that is to decide the sentence on the first."""

    scene: Scene
    people: tuple[Person, ...]
    cue: str


def sample_film(*, seed: int, index: int, attempt: int = 0) -> Film:
    """Film number `index`; a higher `attempt` is another draw for the same number."""
    random = generator(SPLIT, seed, "film", index, attempt)
    cue, action = _scheduled(seed, index)
    people = _cast(cue, action, random)
    scene = Scene(
        instances=people, background=pick(STAGES, random), height=HEIGHT, width=WIDTH,
        frames=int(random.integers(FRAMES[0], FRAMES[1] + 1)), seed=draw_seed(random), split=SPLIT,
    )  # fmt: skip
    return Film(scene, people, cue)


def _scheduled(seed: int, index: int) -> tuple[str, str]:
    """Cue and action of film number `index`, both spread evenly over any run of films."""
    random = generator(SPLIT, seed, "schedule")
    point = (random.random() + 0.6180339887 * index) % 1.0  # golden-ratio steps
    cue = np.searchsorted(np.cumsum(list(CUE_SHARES.values()))[:-1], point, side="right")
    action = random.permutation(len(MOVES))[index % len(MOVES)]
    return list(CUE_SHARES)[int(cue)], list(MOVES)[int(action)]


def _cast(cue: str, action: str, random: np.random.Generator) -> tuple[Person, ...]:
    """The person that the sentence means and, unless that person is alone, a bystander."""
    near, far = (0.56, 0.74), (0.46, 0.6)
    size = float(random.uniform(*(near if cue == "actor" else far)))
    first = Person(
        actor=pick(("man", "woman"), random), action=action,
        color=pick(COLORS, random), pattern="plain", lower=pick(LOWER, random),
        x=float(random.uniform(0.38, 0.62)), y=float(random.uniform(0.88, 0.94)) - size / 2,
        size=size, facing=int(random.choice((-1, 1))), depth=0.5, seed=draw_seed(random),
    )  # fmt: skip
    if cue == "actor":
        return (first,)
    sides = random.uniform((0.22, 0.68), (0.32, 0.78))[random.permutation(2)]
    color = first.color
    if cue == "action":
        action = pick([name for name in MOVES if name != first.action], random)
    elif cue == "attribute":
        first_color, color = distinct_colors(2, random)
        first = replace(first, color=first_color)
    other = replace(
        first, action=action, color=color, x=float(sides[1]), y=first.y - 0.03,
        facing=int(random.choice((-1, 1))), depth=float(random.random()), seed=draw_seed(random),
    )  # fmt: skip
    return replace(first, x=float(sides[0])), other
