"""Random scenes in which one cue decides.

A scene starts from a cue. Its group shares everything but that cue (two brown dogs, one walking
and one eating), so a method that ignores the cue must guess; bystanders share an action or a colour
with the group and are told apart by what they are. The draws depend on (seed, split, index,
attempt) only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from acga_lib.benchmark.language.sentences import describe
from acga_lib.benchmark.world.casts import CASTS, draw_pattern, draw_seed, instance, pick
from acga_lib.benchmark.world.motion import poses
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.scene import ACTIONS_OF, ACTORS, BACKGROUNDS, COLORS, Instance, Scene
from acga_lib.benchmark.world.truth import Track
from acga_lib.errors import DataError

#: Centres, as fractions of the frame's width and height.
Layout = tuple[tuple[float, float], ...]

HEIGHT, WIDTHS = 160, (176, 200, 224)
TRUNK_SIDE, TRUNK_HEIGHTS, TRUNK_FRAMES = 112, (80, 90, 102), 16


@dataclass(frozen=True)
class Plan:
    """How the scenes of a split are drawn.

    `weights` is the share of scenes that start from each cue, chosen so that the cues of the
    sentences balance; `frames` are the fewest and the most frames.
    """

    weights: Mapping[str, float]
    frames: tuple[int, int]


VIDEOS = Plan(
    {"actor": 0.04, "attribute": 0.24, "action": 0.225, "place": 0.22, "relation": 0.275}, (20, 26)
)
STILLS = Plan({"actor": 0.12, "attribute": 0.3, "place": 0.14, "relation": 0.44}, (1, 1))
PLANS = {"train": VIDEOS, "test": VIDEOS, "referit-train": STILLS, "referit-test": STILLS}

#: Rough width of a puppet over its height, for planning a layout before anything is painted.
ASPECT = {
    "adult": 0.55, "baby": 0.75, "ball": 1.0, "bird": 1.2, "car": 1.7, "cat": 1.3, "dog": 1.3,
}  # fmt: skip
#: Colours that would vanish on a background.
CAMOUFLAGE = {
    "grass": "green", "road": "gray", "floor": "brown", "beach": "yellow", "snow": "white",
    "water": "blue", "hill": "green",
}  # fmt: skip

#: Where the centres go, before jitter, for a number of instances.
LAYOUTS: dict[int, tuple[Layout, ...]] = {
    2: (((0.24, 0.5), (0.76, 0.5)), ((0.45, 0.26), (0.55, 0.76)), ((0.26, 0.3), (0.74, 0.7)),
        ((0.26, 0.7), (0.74, 0.3)), ((0.22, 0.5), (0.5, 0.5)), ((0.5, 0.5), (0.78, 0.5))),
    3: (((0.2, 0.5), (0.5, 0.5), (0.8, 0.5)), ((0.25, 0.28), (0.75, 0.28), (0.5, 0.74)),
        ((0.25, 0.74), (0.75, 0.74), (0.5, 0.28)), ((0.2, 0.3), (0.5, 0.7), (0.8, 0.3))),
    4: (((0.25, 0.27), (0.75, 0.27), (0.25, 0.75), (0.75, 0.75)),),
}  # fmt: skip
#: The same for two twins followed by their landmark or landmarks.
RELATION_LAYOUTS: tuple[Layout, ...] = (
    ((0.18, 0.5), (0.82, 0.5), (0.5, 0.5)),
    ((0.45, 0.19), (0.5, 0.81), (0.55, 0.5)),
    ((0.45, 0.45), (0.85, 0.5), (0.17, 0.5)),
    ((0.55, 0.45), (0.15, 0.5), (0.83, 0.5)),
    ((0.3, 0.27), (0.8, 0.3), (0.28, 0.74)),
    ((0.7, 0.73), (0.25, 0.7), (0.72, 0.26)),
    ((0.25, 0.27), (0.75, 0.27), (0.25, 0.75), (0.75, 0.75)),
    ((0.25, 0.75), (0.75, 0.27), (0.25, 0.27), (0.75, 0.75)),
)
JITTER = 0.06
CASTINGS, LAYOUT_TRIES = 100, 60
#: Largest part of the smaller planned box that another may cover.
OVERLAP = 0.3


@dataclass(frozen=True)
class Draft:
    """A scene and, for each of its instances, the cue that is to decide its sentence."""

    scene: Scene
    cues: tuple[str, ...]


def sample_scene(*, seed: int, split: str, index: int, attempt: int = 0) -> Draft:
    """Scene number `index` of a split; a higher `attempt` is another draw for the same number.

    Raises:
        DataError: no describable scene came up, which no seed is known to do.
    """
    random = generator(split, seed, "scene", index, attempt)
    cue = _scheduled(seed, split, index)
    for _ in range(CASTINGS):
        cast, cues = CASTS[cue](random)
        # A cast gets many chances, so that fast actors are not crowded out by still ones.
        for _ in range(LAYOUT_TRIES):
            scene = _compose(cast, cue, split, random)
            tracks = planned_tracks(scene)
            if not _fits(tracks) or _hidden(scene):
                continue
            if describe(scene, tracks, cues=cues, seed=scene.seed) is not None:
                return Draft(scene, cues)
    raise DataError(
        f"no describable {cue} scene for seed {seed}, {split} video {index}: try another seed"
    )


def trunk_scene(*, seed: int, index: int) -> Scene:
    """A clip for training the backbone: any pair, any colour, nothing to tell apart.

    It has the size that a video of the benchmark has in the small profiles' letterbox.
    """
    random = generator("trunk", seed, "scene", index)
    pairs = [(actor, action) for actor in ACTORS for action in ACTIONS_OF[actor]]
    cast = []
    for _ in range(int(random.integers(1, 4))):
        actor, action = pairs[int(random.integers(len(pairs)))]
        cast.append(instance(actor, action, pick(COLORS, random), draw_pattern(random), random))
    background, height = pick(BACKGROUNDS, random), pick(TRUNK_HEIGHTS, random)
    while True:
        for _ in range(60):
            top = 0.5 if len(cast) == 1 else 0.42
            placed = [
                _place(one, tuple(random.uniform(0.2, 0.8, 2)), (0.22, top), random) for one in cast
            ]
            scene = Scene(
                instances=tuple(placed), background=background, frames=TRUNK_FRAMES,
                height=height, width=TRUNK_SIDE, seed=draw_seed(random), split="trunk",
            )  # fmt: skip
            if len(cast) == 1 or _fits(planned_tracks(scene)):
                return scene
        cast.pop()


def planned_tracks(scene: Scene) -> tuple[Track, ...]:
    """Where the instances will be, from their motion and rough shape, before rendering."""
    tracks = []
    for one in scene.instances:
        path = poses(one, frames=scene.frames, split=scene.split)
        x = np.array([one.x + pose.dx for pose in path])
        y = np.array([one.y + pose.dy for pose in path])
        across, half = x * scene.width / scene.height, one.size / 2
        wide = half * ASPECT[one.actor]
        tracks.append(Track(x, y, np.stack([across - wide, y - half, across + wide, y + half])))
    return tuple(tracks)


def _scheduled(seed: int, split: str, index: int) -> str:
    """The cue of scene number `index`, spread evenly (golden-ratio steps) over any run of them."""
    point = (generator(split, seed, "cue").random() + 0.6180339887 * index) % 1.0
    weights = PLANS[split].weights
    bounds = np.cumsum(list(weights.values()))
    return list(weights)[int(np.searchsorted(bounds[:-1], point, side="right"))]


def _compose(cast: list[Instance], cue: str, split: str, random: np.random.Generator) -> Scene:
    """The cast in a random layout, not yet checked for anything."""
    low, high = PLANS[split].frames
    if cue == "relation":
        layout = pick([one for one in RELATION_LAYOUTS if len(one) == len(cast)], random)
    else:
        layout = pick(LAYOUTS[len(cast)], random)
        layout = tuple(layout[i] for i in random.permutation(len(layout)))
    top = {2: 0.5, 3: 0.4, 4: 0.34}[len(cast)]
    placed = tuple(
        _place(one, spot, (0.28, top), random) for one, spot in zip(cast, layout, strict=True)
    )
    return Scene(
        instances=placed, background=pick(BACKGROUNDS, random), height=HEIGHT,
        frames=int(random.integers(low, high + 1)), width=pick(WIDTHS, random),
        seed=draw_seed(random), split=split,
    )  # fmt: skip


def _place(
    one: Instance, spot: tuple[float, ...], sizes: tuple[float, float], random: np.random.Generator
) -> Instance:
    x, y = (float(np.clip(c + random.uniform(-JITTER, JITTER), 0.12, 0.88)) for c in spot)
    return replace(one, x=x, y=y, size=float(random.uniform(*sizes)))


def _fits(tracks: tuple[Track, ...]) -> bool:
    """Whether all planned boxes stay mostly in the frame and mostly clear of one another."""
    for number, one in enumerate(tracks):
        if min(one.x.min(), one.y.min(), 1 - one.x.max(), 1 - one.y.max()) < 0.08:
            return False
        for two in tracks[:number]:
            sides = np.minimum(one.box[2:], two.box[2:]) - np.maximum(one.box[:2], two.box[:2])
            shared = np.prod(np.maximum(sides, 0), axis=0)
            areas = [np.prod(track.box[2:] - track.box[:2], axis=0) for track in (one, two)]
            if (shared / np.minimum(*areas) > OVERLAP).any():
                return False
    return True


def _hidden(scene: Scene) -> bool:
    return any(one.color == CAMOUFLAGE[scene.background] for one in scene.instances)
