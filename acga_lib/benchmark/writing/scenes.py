"""Random scenes in which one cue decides.

A scene starts from a cue. Its group shares everything but that cue (two brown dogs, one walking
and one eating), so a method that ignores the cue must guess; bystanders share an action or a colour
with the group and are told apart by what they are. The draws depend on (seed, split, index,
attempt) only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from acga_lib.benchmark.language.sentences import describe
from acga_lib.benchmark.world.casts import CASTS, draw_pattern, draw_seed, instance, pick
from acga_lib.benchmark.world.motion import poses
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.scene import ACTIONS_OF, ACTORS, BACKGROUNDS, COLORS, Instance, Scene
from acga_lib.benchmark.world.sizes import draw_sizes
from acga_lib.benchmark.world.truth import Track
from acga_lib.errors import DataError

#: Centres, as fractions of the frame's width and height.
Layout = tuple[tuple[float, float], ...]

#: Frames are as wide as the small profiles' square: what is drawn is what the networks see.
WIDTH, HEIGHTS = 224, (152, 168, 184)
TRUNK_FRAMES = 16


@dataclass(frozen=True)
class Plan:
    """How the scenes of a split are drawn.

    `weights` is the share of scenes that start from each cue, chosen so that the cues of the
    sentences balance; `frames` are the fewest and the most frames.
    """

    weights: Mapping[str, float]
    frames: tuple[int, int]


VIDEOS = Plan(
    {"actor": 0.04, "attribute": 0.24, "action": 0.225, "place": 0.22, "relation": 0.275}, (18, 22)
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
#: How often the centres of a group are anywhere, not where a layout has them.
ANYWHERE = 0.5
CASTINGS, LAYOUT_TRIES = 100, 60
#: Largest part of the smaller planned box that another may cover.
OVERLAP = 0.4


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
        frame = pick(BACKGROUNDS, random), pick(HEIGHTS, random)
        sizes = draw_sizes([one.actor for one in cast], frame[1], random)
        # A cast and its sizes get many chances, so that fast and large ones are not crowded out.
        for _ in range(LAYOUT_TRIES):
            scene = _compose(cast, cue, frame, sizes, split, random)
            if _hidden(scene) or (tracks := _fitting(scene)) is None:
                continue
            if describe(scene, tracks, cues=cues, seed=scene.seed) is not None:
                return Draft(scene, cues)
    raise DataError(
        f"no describable {cue} scene for seed {seed}, {split} video {index}: try another seed"
    )


def trunk_scene(*, seed: int, index: int) -> Scene:
    """A clip for training the trunks: any pair, any colour, any size, nothing to tell apart."""
    random = generator("trunk", seed, "scene", index)
    pairs = [(actor, action) for actor in ACTORS for action in ACTIONS_OF[actor]]
    cast = []
    for _ in range(int(random.integers(1, 4))):
        actor, action = pairs[int(random.integers(len(pairs)))]
        cast.append(instance(actor, action, pick(COLORS, random), draw_pattern(random), random))
    background, height = pick(BACKGROUNDS, random), pick(HEIGHTS, random)
    while True:
        sizes = draw_sizes([one.actor for one in cast], height, random)
        for _ in range(60):
            spots = random.uniform(0.15, 0.85, (len(cast), 2))
            placed = [
                _place(one, spot, size, random)
                for one, spot, size in zip(cast, spots, sizes, strict=True)
            ]
            scene = Scene(
                instances=tuple(placed), background=background, frames=TRUNK_FRAMES,
                height=height, width=WIDTH, seed=draw_seed(random), split="trunk",
            )  # fmt: skip
            if len(cast) == 1 or _fitting(scene):
                return scene
        if len(cast) > 1:
            cast.pop()


def planned_tracks(scene: Scene) -> tuple[Track, ...]:
    """Where the instances will be, from their motion and rough shape, before rendering."""
    tracks = []
    for one in scene.instances:
        path = poses(one, frames=scene.frames, split=scene.split)
        x = np.array([one.x + pose.dx for pose in path])
        y = np.array([one.y + pose.dy for pose in path])
        tracks.append(_track(one, x, y, scene))
    return tuple(tracks)


def _track(one: Instance, x: np.ndarray, y: np.ndarray, scene: Scene) -> Track:
    across, half = x * scene.width / scene.height, one.size / 2
    wide = half * ASPECT[one.actor]
    return Track(x, y, np.stack([across - wide, y - half, across + wide, y + half]))


def _scheduled(seed: int, split: str, index: int) -> str:
    """The cue of scene number `index`, spread evenly (golden-ratio steps) over any run of them."""
    point = (generator(split, seed, "cue").random() + 0.6180339887 * index) % 1.0
    weights = PLANS[split].weights
    bounds = np.cumsum(list(weights.values()))
    return list(weights)[int(np.searchsorted(bounds[:-1], point, side="right"))]


def _compose(
    cast: list[Instance], cue: str, frame: tuple[str, int], sizes: Sequence[float], split: str,
    random: np.random.Generator,
) -> Scene:  # fmt: skip
    """The cast in a random layout, not yet checked for anything."""
    low, high = PLANS[split].frames
    spots: Sequence[Sequence[float]]
    if cue == "relation":
        spots = pick([one for one in RELATION_LAYOUTS if len(one) == len(cast)], random)
    elif random.random() < ANYWHERE:
        spots = random.uniform(0.15, 0.85, (len(cast), 2)).tolist()
    else:
        layout = pick(LAYOUTS[len(cast)], random)
        spots = tuple(layout[i] for i in random.permutation(len(layout)))
    placed = tuple(
        _place(one, spot, size, random) for one, spot, size in zip(cast, spots, sizes, strict=True)
    )
    background, height = frame
    return Scene(
        instances=placed, background=background, height=height,
        frames=int(random.integers(low, high + 1)), width=WIDTH,
        seed=draw_seed(random), split=split,
    )  # fmt: skip


def _place(
    one: Instance, spot: Sequence[float], size: float, random: np.random.Generator
) -> Instance:
    x, y = (c + random.uniform(-JITTER, JITTER) for c in spot)
    # Of a large one, the frame keeps most: its centre is further from the upper and lower edge.
    edge = min(max(0.12, 0.36 * size), 0.42)
    x, y = float(np.clip(x, 0.12, 0.88)), float(np.clip(y, edge, 1 - edge))
    return replace(one, x=x, y=y, size=size)


def _fitting(scene: Scene) -> tuple[Track, ...] | None:
    """The planned tracks, None where they do not fit.

    Most layouts fail in the middle frame already, where everyone is at their `x`, `y`; looking
    there first spares them the poses.
    """
    middle = [_track(one, np.array([one.x]), np.array([one.y]), scene) for one in scene.instances]
    if not _fits(middle):
        return None
    tracks = planned_tracks(scene)
    return tracks if _fits(tracks) else None


def _fits(tracks: Sequence[Track]) -> bool:
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
