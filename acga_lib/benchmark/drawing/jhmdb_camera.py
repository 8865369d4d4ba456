"""How a hand-held camera sees a J-HMDB-like film: muted colours, dark corners, pan and zoom."""

import numpy as np

from acga_lib.benchmark.drawing.brush import Brush
from acga_lib.benchmark.drawing.jhmdb_people import (
    Wardrobe,
    draw_person,
    draw_prop,
    skeleton,
    wardrobe,
)
from acga_lib.benchmark.drawing.jhmdb_stages import stage
from acga_lib.benchmark.drawing.renderer import (
    SUPERSAMPLING,
    Hand,
    Layer,
    camera_path,
    compose,
    place,
    visible,
)
from acga_lib.benchmark.drawing.scenery import MARGIN
from acga_lib.benchmark.world.jhmdb_films import SPLIT, Film, Person
from acga_lib.benchmark.world.jhmdb_moves import MOVES, stance
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.scene import Scene

FREE_HAND = Hand(zoom=0.006, pan=0.0035, shake=1.6)
#: A centre keeps this distance from the frame's sides, in frame widths.
SIDE = 0.13
#: How much colour the film keeps, and how dark its corners are.
SATURATION, VIGNETTE = 0.78, 0.3


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
