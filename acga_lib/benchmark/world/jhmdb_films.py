"""The films of the J-HMDB-like benchmark: who does what, where.

People only, as the A2D-like videos have them, in actions of which half are known from there. The
first person is the one that the sentence means; a bystander, where there is one, shares everything
with that person but the cue.
"""

from dataclasses import dataclass, replace

import numpy as np

from acga_lib.benchmark.world.casts import distinct_colors, draw_seed, pick
from acga_lib.benchmark.world.jhmdb_moves import MOVES
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.scene import COLORS, Instance, Scene
from acga_lib.datasets.jhmdb import AS_IN_A2D

SPLIT = "jhmdb"
HEIGHT, WIDTH, FRAMES = 168, 224, (15, 32)
#: Actions that the A2D-like videos have too, and those that they lack; each kind has every second
#: film.
KNOWN, NEW = tuple(one for one in AS_IN_A2D if one != "stand"), tuple(MOVES)
#: Height of somebody alone, alone with something to handle, and of one of two, in frame heights;
#: above 1 the legs are cut off.
ALONE, HANDLING, ONE_OF_TWO = (0.68, 1.3), (0.68, 1.0), (0.55, 0.85)
#: What decides the sentence, and how often; "actor" is somebody alone.
CUE_SHARES = {"actor": 0.3, "action": 0.38, "attribute": 0.2, "place": 0.12}
#: Where a film plays.
STAGES = ("hall", "street", "pitch", "yard", "park")
LOWER = ("blue", "black", "gray", "brown", "white")


@dataclass(frozen=True)
class Person(Instance):
    """An adult in two garments: `color` is the upper one's; `actor` is "man" or "woman"."""

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
    kind, turn = (KNOWN, NEW)[index % 2], index // 2
    order = generator(SPLIT, seed, "order", index % 2, turn // len(kind)).permutation(len(kind))
    return list(CUE_SHARES)[int(cue)], kind[order[turn % len(kind)]]


def _cast(cue: str, action: str, random: np.random.Generator) -> tuple[Person, ...]:
    """The person that the sentence means and, unless that person is alone, a bystander."""
    handles = action in MOVES and MOVES[action].prop
    alone = HANDLING if handles else ALONE
    size = float(random.uniform(*(alone if cue == "actor" else ONE_OF_TWO)))
    head, feet = random.uniform((0.03, 0.9), (0.1, 0.96))
    first = Person(
        actor=pick(("man", "woman"), random), action=action,
        color=pick(COLORS, random), pattern="plain", lower=pick(LOWER, random),
        x=float(random.uniform(0.38, 0.62)), y=float(max(head + size / 2, feet - size / 2)),
        size=size, facing=int(random.choice((-1, 1))), depth=0.5, seed=draw_seed(random),
    )  # fmt: skip
    if cue == "actor":
        return (first,)
    sides = random.uniform((0.22, 0.68), (0.32, 0.78))[random.permutation(2)]
    color = first.color
    if cue == "action":
        others = (*KNOWN, *NEW) if action in KNOWN else KNOWN  # one of the two is always known
        action = pick([name for name in others if name != first.action], random)
    elif cue == "attribute":
        first_color, color = distinct_colors(2, random)
        first = replace(first, color=first_color)
    other = replace(
        first, action=action, color=color, x=float(sides[1]), y=first.y - 0.03,
        facing=int(random.choice((-1, 1))), depth=float(random.random()), seed=draw_seed(random),
    )  # fmt: skip
    return replace(first, x=float(sides[0])), other
