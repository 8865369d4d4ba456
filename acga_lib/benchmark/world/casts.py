"""Who takes part in a scene: groups that share everything but one cue, and their bystanders."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from acga_lib.benchmark.world.scene import ACTIONS, ACTIONS_OF, ACTORS, COLORS, Instance
from acga_lib.benchmark.world.truth import CLOSE_COLORS

T = TypeVar("T")
Cast = tuple[list[Instance], tuple[str, ...]]

PATTERN_SHARES = {"plain": 0.7, "striped": 0.15, "spotted": 0.15}
#: How often a group that one cue tells apart has two members, and not three.
MOSTLY_TWO = 0.7
#: How often a group is accompanied by somebody of another kind.
BYSTANDER = 0.3
#: How often the twins of a relation scene and their landmark travel together.
CONVOY = 0.35


def pick(options: Sequence[T], random: np.random.Generator) -> T:
    """One of `options`, all equally likely."""
    return options[int(random.integers(len(options)))]


def draw_seed(random: np.random.Generator) -> int:
    """A seed for something inside a scene."""
    return int(random.integers(2**31))


def draw_pattern(random: np.random.Generator, *actors: str) -> str:
    """A pattern by its share, for these actors; balls have markings anyway and stay plain."""
    pattern = str(random.choice(list(PATTERN_SHARES), p=list(PATTERN_SHARES.values())))
    return "plain" if "ball" in actors else pattern


def instance(
    actor: str, action: str, color: str, pattern: str, random: np.random.Generator
) -> Instance:
    """A puppet that has no place yet (it stands in the middle)."""
    return Instance(
        actor=actor, action=action, color=color, pattern=pattern, x=0.5, y=0.5, size=0.4,
        facing=int(random.choice((-1, 1))), depth=float(random.random()), seed=draw_seed(random),
    )  # fmt: skip


def actor_cast(random: np.random.Generator) -> Cast:
    """Different actors of one colour, all doing the same."""
    action = pick(ACTIONS, random)
    able = [actor for actor in ACTORS if action in ACTIONS_OF[actor]]
    count = min(len(able), 2 if random.random() < MOSTLY_TWO else 3)
    chosen = [able[i] for i in random.permutation(len(able))[:count]]
    color, pattern = pick(COLORS, random), draw_pattern(random, *chosen)
    return [instance(one, action, color, pattern, random) for one in chosen], ("actor",) * count


def attribute_cast(random: np.random.Generator) -> Cast:
    """The same actor and action in different colours, or in one colour with other patterns."""
    actor = pick(ACTORS, random)
    action = pick(ACTIONS_OF[actor], random)
    if actor != "ball" and random.random() < 0.25:
        color = pick(COLORS, random)
        looks = [(color, "striped"), (color, "spotted")]
    else:
        pattern = draw_pattern(random, actor)
        colors = distinct_colors(2 if random.random() < MOSTLY_TWO else 3, random)
        looks = [(color, pattern) for color in colors]
    group = [instance(actor, action, color, pattern, random) for color, pattern in looks]
    return _with_bystander(group, "attribute", random)


def action_cast(random: np.random.Generator) -> Cast:
    """The same actor in the same colour, doing different things."""
    actor, color = pick(ACTORS, random), pick(COLORS, random)
    pattern = draw_pattern(random, actor)
    actions = ACTIONS_OF[actor]
    count = 2 if random.random() < MOSTLY_TWO else 3
    chosen = random.permutation(len(actions))[:count]
    group = [instance(actor, actions[i], color, pattern, random) for i in chosen]
    return _with_bystander(group, "action", random)


def place_cast(random: np.random.Generator) -> Cast:
    """Twins to quadruplets that differ in nothing but where they are."""
    count = int(random.choice((2, 3, 4), p=(0.7, 0.25, 0.05)))
    return _twins(count, random), ("place",) * count


def relation_cast(random: np.random.Generator) -> Cast:
    """Twins and one or two landmarks of other kinds, which the twins' sentences refer to."""
    if random.random() < CONVOY:
        return _convoy(random)
    twins = _twins(2, random)
    others = [actor for actor in ACTORS if actor != twins[0].actor]
    chosen = random.permutation(len(others))[: 1 if random.random() < 0.75 else 2]
    landmarks = [_alike(others[number], twins[0], random) for number in chosen]
    return [*twins, *landmarks], ("relation", "relation", *("actor",) * len(landmarks))


def _convoy(random: np.random.Generator) -> Cast:
    """Twins and a landmark that all go the same way, so that one can follow another."""
    action = pick(("walking", "walking", "walking", "crawling", "running", "running"), random)
    able = [actor for actor in ACTORS if action in ACTIONS_OF[actor]]
    twin, leader = (able[i] for i in random.permutation(len(able))[:2])
    color, pattern = pick(COLORS, random), draw_pattern(random, twin)
    first, second = (instance(twin, action, color, pattern, random) for _ in range(2))
    landmark = instance(leader, action, color, draw_pattern(random, leader), random)
    cast = [replace(one, facing=landmark.facing) for one in (first, second, landmark)]
    return cast, ("relation", "relation", "actor")


CASTS: dict[str, Callable[[np.random.Generator], Cast]] = {
    "actor": actor_cast,
    "attribute": attribute_cast,
    "action": action_cast,
    "place": place_cast,
    "relation": relation_cast,
}


def _twins(count: int, random: np.random.Generator) -> list[Instance]:
    actor = pick(ACTORS, random)
    action = pick(ACTIONS_OF[actor], random)
    color, pattern = pick(COLORS, random), draw_pattern(random, actor)
    return [instance(actor, action, color, pattern, random) for _ in range(count)]


def _with_bystander(group: list[Instance], cue: str, random: np.random.Generator) -> Cast:
    cues = (cue,) * len(group)
    if random.random() >= BYSTANDER:
        return group, cues
    other = pick([actor for actor in ACTORS if actor != group[0].actor], random)
    return [*group, _alike(other, pick(group, random), random)], (*cues, "actor")


def _alike(actor: str, model: Instance, random: np.random.Generator) -> Instance:
    """Another kind of actor that does what `model` does, or at least wears its colour."""
    can = model.action in ACTIONS_OF[actor]
    action = model.action if can else pick(ACTIONS_OF[actor], random)
    color = pick(COLORS, random) if can and random.random() < 0.5 else model.color
    return instance(actor, action, color, draw_pattern(random, actor), random)


def distinct_colors(count: int, random: np.random.Generator) -> list[str]:
    """Colours of which no two could be confused."""
    chosen: list[str] = []
    while len(chosen) < count:
        color = pick(COLORS, random)
        if color not in chosen and not any(
            frozenset((color, other)) in CLOSE_COLORS for other in chosen
        ):
            chosen.append(color)
    return chosen
