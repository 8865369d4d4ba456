"""Which instances a description is true of, decided from a scene and its measured tracks.

Every question has two answers. *Strict*: a careful observer would say so in every frame. *Lenient*:
somebody might say so in some frame. A sentence is unambiguous when it is strictly true of one
instance and not even leniently true of another.
"""

from dataclasses import dataclass, replace

import numpy as np

from acga_lib.benchmark.world.scene import Scene

#: An instance with fewer visible pixels in a frame counts as hidden there.
MIN_PIXELS = 40

#: Colours that lighting or taste could confuse.
CLOSE_COLORS = frozenset(
    frozenset(pair.split())
    for pair in (
        "red orange", "red pink", "red brown", "orange yellow", "orange brown", "yellow brown",
        "green blue", "blue purple", "purple pink", "white gray", "gray black", "brown black",
    )
)  # fmt: skip

PLACES = (
    "left", "right", "middle", "top", "bottom",
    "top left", "top right", "bottom left", "bottom right",
)  # fmt: skip
RELATIONS = ("left of", "right of", "above", "below", "near", "beside", "far", "following", "ahead")


@dataclass(frozen=True, eq=False)
class Track:
    """Where one instance is, in frames [T] spread over the clip.

    `x`, `y` [T] are the mask's centroid as fractions of frame width and height; `box` [4,T] is
    left, top, right, bottom in units of the frame's height.
    """

    x: np.ndarray
    y: np.ndarray
    box: np.ndarray


@dataclass(frozen=True)
class Relation:
    """`kind` is one of RELATIONS; `actors` is what the landmark's noun may denote."""

    kind: str
    actors: tuple[str, ...]


@dataclass(frozen=True)
class Description:
    """What a sentence claims. None means that it claims nothing of the sort."""

    actors: tuple[str, ...] | None = None
    color: str | None = None
    pattern: str | None = None
    action: str | None = None
    place: str | None = None
    relation: Relation | None = None


def measure(masks: np.ndarray, frames: list[int]) -> tuple[Track, ...] | None:
    """The tracks of K instances in the given frames, or None if one is hidden in one of them.

    Args:
        masks: bool [K,T,H,W], visible pixels.
        frames: indices into T, increasing.
    """
    tracks = []
    height, width = masks.shape[2:]
    for instance in masks[:, frames]:
        xs, ys, boxes = [], [], []
        for mask in instance:
            rows, columns = np.nonzero(mask)
            if len(rows) < MIN_PIXELS:
                return None
            xs.append((columns.mean() + 0.5) / width)
            ys.append((rows.mean() + 0.5) / height)
            boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        tracks.append(Track(np.array(xs), np.array(ys), np.array(boxes, float).T / height))
    return tuple(tracks)


def holds_place(place: str, track: Track, *, lenient: bool) -> bool:
    """Whether the instance is at `place` in all frames (strict) or in any frame (lenient)."""
    edge, middle = (0.48, 0.2) if lenient else (0.37, 0.1)
    tests = {
        "left": track.x < edge,
        "right": track.x > 1 - edge,
        "top": track.y < edge,
        "bottom": track.y > 1 - edge,
        "middle": abs(track.x - 0.5) < middle,
    }
    inside = np.logical_and.reduce([tests[word] for word in place.split()])
    return bool(inside.any() if lenient else inside.all())


def holds_relation(kind: str, index: int, other: int, scene: Scene, tracks: tuple[Track, ...], *,
                   lenient: bool) -> bool:  # fmt: skip
    """Whether instance `index` stands in the relation `kind` to instance `other`."""
    one, two = tracks[index], tracks[other]
    dx, dy = one.x - two.x, one.y - two.y
    margin = -0.04 if lenient else 0.12
    if kind in ("following", "ahead"):
        facing = scene.instances[other].facing
        along = dx * facing * (1 if kind == "ahead" else -1)
        together = _moves(one, facing) and _moves(two, facing)
        level = lenient or bool((abs(dy) < 0.3).all())
        if not (together and level):
            return False
        truth = along > margin
    else:
        # Most sentences are rejected: only what a relation is about is computed.
        truth = {
            "left of": lambda: dx < -margin,
            "right of": lambda: dx > margin,
            "above": lambda: (dy < 0.0) if lenient else (dy < -0.2) & _in_column(one, two),
            "below": lambda: (dy > 0.0) if lenient else (dy > 0.2) & _in_column(one, two),
            "near": lambda: _gap(one, two) < (0.3 if lenient else 0.13),
            "beside": lambda: (
                _gap(one, two) < 0.3 if lenient else (_gap(one, two) < 0.13) & (abs(dy) < 0.2)
            ),
            "far": lambda: _gap(one, two) > (0.2 if lenient else 0.4),
        }[kind]()
    return bool(truth.any() if lenient else truth.all())


def _in_column(one: Track, two: Track) -> np.ndarray:
    """Whether the boxes' centres are less than half a height apart sideways, bool [T]."""
    return abs((one.box[0] + one.box[2] - two.box[0] - two.box[2]) / 2) < 0.5


def _gap(one: Track, two: Track) -> np.ndarray:
    """Distance between the boxes in heights, 0 where they overlap [T]."""
    apart = np.maximum(one.box[:2] - two.box[2:], two.box[:2] - one.box[2:])
    return np.hypot(*np.maximum(apart, 0.0))


def _moves(track: Track, facing: int) -> bool:
    return bool((track.x[-1] - track.x[0]) * facing > 0.05)


def matches(description: Description, index: int, scene: Scene, tracks: tuple[Track, ...], *,
            lenient: bool = False) -> bool:  # fmt: skip
    """Whether `description` is true of instance `index`, strictly or leniently (see module)."""
    one = scene.instances[index]
    if description.actors is not None and one.actor not in description.actors:
        return False
    if description.color is not None and not _same_color(description.color, one.color, lenient):
        return False
    if description.pattern is not None and one.pattern != description.pattern:
        return False
    if description.action is not None and one.action != description.action:
        return False
    if description.place is not None and not holds_place(
        description.place, tracks[index], lenient=lenient
    ):
        return False
    if description.relation is None:
        return True
    landmarks = [
        other
        for other, instance in enumerate(scene.instances)
        if instance.actor in description.relation.actors
    ]
    return len(landmarks) == 1 and index not in landmarks and holds_relation(
        description.relation.kind, index, landmarks[0], scene, tracks, lenient=lenient
    )  # fmt: skip


def _same_color(said: str, actual: str, lenient: bool) -> bool:
    return said == actual or (lenient and frozenset((said, actual)) in CLOSE_COLORS)


def singles_out(description: Description, index: int, scene: Scene,
                tracks: tuple[Track, ...]) -> bool:  # fmt: skip
    """Whether the description is true of instance `index` and could be said of no other."""
    return matches(description, index, scene, tracks) and not any(
        matches(description, other, scene, tracks, lenient=True)
        for other in range(len(scene.instances))
        if other != index
    )


def needs(description: Description, cue: str, index: int, scene: Scene,
          tracks: tuple[Track, ...]) -> bool:  # fmt: skip
    """Whether the description would strictly match a second instance without this cue."""
    fields = {"attribute": ("color", "pattern"), "actor": ("actors",)}.get(cue, (cue,))
    bare = replace(description, **dict.fromkeys(fields))
    return any(
        matches(bare, other, scene, tracks)
        for other in range(len(scene.instances))
        if other != index
    )
