"""The films of the J-HMDB-like benchmark: who does what where, and how a camera sees it.

People only, in moves that A2D mostly lacks, before other places, in muted colours and through a
camera that pans and zooms. The first person is the one that the sentence means; a bystander, where
there is one, shares everything with that person but the cue.
"""

from dataclasses import dataclass, replace

import numpy as np

from acga_lib.datasets.athletes import (
    Person,
    Wardrobe,
    draw_person,
    draw_prop,
    skeleton,
    wardrobe,
)
from acga_lib.datasets.brush import Brush
from acga_lib.datasets.casts import distinct_colors, draw_seed, pick
from acga_lib.datasets.moves import MOVES, stance
from acga_lib.datasets.palette import generator
from acga_lib.datasets.renderer import (
    SUPERSAMPLING,
    Hand,
    Layer,
    camera_path,
    compose,
    place,
    visible,
)
from acga_lib.datasets.scene import COLORS, Scene
from acga_lib.datasets.scenery import MARGIN
from acga_lib.datasets.stages import STAGES, stage

SPLIT = "jhmdb"
HEIGHT, WIDTH, FRAMES = 150, 200, (15, 32)
#: What decides the sentence, and how often; "actor" is somebody alone.
CUE_SHARES = {"actor": 0.3, "action": 0.38, "attribute": 0.2, "place": 0.12}
LOWER = ("blue", "black", "gray", "brown", "white")
FREE_HAND = Hand(zoom=0.006, pan=0.0035, shake=1.6)
#: A centre keeps this distance from the frame's sides, in frame widths.
SIDE = 0.13
#: How much colour the film keeps, and how dark its corners are.
SATURATION, VIGNETTE = 0.78, 0.3


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
        instances=people, background=pick(tuple(STAGES), random), height=HEIGHT, width=WIDTH,
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


def shoot(film: Film) -> tuple[np.ndarray, np.ndarray]:
    """Render a film.

    Returns:
        frames, uint8 [T, H, W, 3] RGB, and masks, bool [K, T, H, W], of the people's visible
        pixels, without what they handle.
    """
    scene = film.scene
    camera = camera_path(scene, FREE_HAND)
    tracks: list[list[Layer | None]] = []
    for person in film.people:
        tracks += _layers(person, scene, camera)
    people = sorted(range(len(film.people)), key=lambda k: film.people[k].depth)
    order = [track for k in people for track in (2 * k, 2 * k + 1)]
    masks = visible(scene, tracks, order)[::2]
    frames = compose(scene, stage(scene), camera, tracks, order=order)
    return _develop(frames, generator(SPLIT, scene.seed, "film stock")), masks


def _layers(
    person: Person, scene: Scene, camera: list[np.ndarray]
) -> tuple[list[Layer | None], list[Layer | None]]:
    """The person, and what the person handles, in every frame."""
    random = generator(SPLIT, person.seed, "timing")
    start, tempo = random.uniform((0, 0.88), (1, 1.12))
    look, move = wardrobe(person, split=SPLIT), MOVES[person.action]
    pixels = person.size * scene.height
    unit = max(24, round(SUPERSAMPLING * pixels))
    bodies: list[Layer | None] = []
    things: list[Layer | None] = []
    for frame, matrix in enumerate(camera):
        time = frame - scene.frames // 2
        turned = (start + tempo * time / move.period) % 1.0
        linear = matrix[:, :2] @ np.diag([person.facing * pixels / unit, pixels / unit])
        centre = matrix[:, :2] @ (_spot(person, scene, tempo * time) + MARGIN) + matrix[:, 2]
        for layers, canvas in zip(
            (bodies, things), _paint(look, person.action, float(turned), unit), strict=True
        ):
            layers.append(place(canvas, linear, centre, (scene.height, scene.width)))
    return bodies, things


def _paint(look: Wardrobe, action: str, turned: float, unit: int) -> tuple[np.ndarray, np.ndarray]:
    """Canvases of the person and of what the person handles, premultiplied RGBA."""
    body, thing = Brush.blank(unit), Brush.blank(unit)
    pose = stance(action, turned)
    draw_person(body, look, pose)
    if MOVES[action].prop:
        draw_prop(MOVES[action].prop, thing, skeleton(look, pose), turned)
    return body.canvas, thing.canvas


def _spot(person: Person, scene: Scene, time: float) -> np.ndarray:
    """The middle of the person after `time` frames, pixels (x, y) of the frame at rest.

    Who would come too near to the frame's side goes more slowly, and climbs less accordingly.
    """
    ahead, up = MOVES[person.action].speed
    room = min(person.x, 1 - person.x) - SIDE
    slowed = min(1.0, max(0.3, room / max(ahead * scene.frames / 2, 1e-6)))
    way = np.array([person.facing * ahead, -up]) * slowed * time
    return (np.array([person.x, person.y]) + way) * (scene.width, scene.height)


def _develop(frames: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Muted colours, a tint and dark corners, as of film: uint8 [T, H, W, 3] to the same."""
    height, width = frames.shape[1:3]
    tint = random.uniform((0.96, 0.95, 0.88), (1.06, 1.0, 1.04)).astype(np.float32)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    corners = 1 - VIGNETTE * np.clip((x**2 + y**2) / 2, 0, 1) ** 1.5
    values = frames.astype(np.float32)
    gray = values.mean(axis=3, keepdims=True)
    toned = (gray + SATURATION * (values - gray)) * tint * corners[None, :, :, None]
    return np.clip(toned + 0.5, 0, 255).astype(np.uint8)
