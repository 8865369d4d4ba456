"""How a hand-held camera sees a J-HMDB-like film: muted colours, dark corners, pan and zoom."""

from dataclasses import replace

import numpy as np

from acga_lib.benchmark.drawing.brush import Brush
from acga_lib.benchmark.drawing.jhmdb_props import PROPS
from acga_lib.benchmark.drawing.jhmdb_stages import stage
from acga_lib.benchmark.drawing.look import Look, appearance
from acga_lib.benchmark.drawing.people import arm, hold
from acga_lib.benchmark.drawing.renderer import (
    Hand,
    Layer,
    camera_path,
    compose,
    height_of,
    layers,
    place,
    unit_of,
    visible,
)
from acga_lib.benchmark.drawing.scenery import MARGIN
from acga_lib.benchmark.world.jhmdb_films import KNOWN, SPLIT, Film, Person
from acga_lib.benchmark.world.jhmdb_moves import MOVES, stance
from acga_lib.benchmark.world.palette import generator, pick, shade
from acga_lib.benchmark.world.scene import Scene
from acga_lib.datasets.jhmdb import AS_IN_A2D

#: Unsteady, but slow beside the slowest walk.
FREE_HAND = Hand(zoom=0.004, pan=0.0015, shake=1.4)
#: A centre keeps this distance from the frame's sides, in frame widths.
SIDE = 0.13
#: How much further than an adult's of the A2D-like videos a build may differ.
BUILD = 0.06
#: How much colour the film keeps, and how dark its corners are.
SATURATION, VIGNETTE = 0.85, 0.25


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
    adult = replace(person, actor="adult")
    look = _dressed(adult, unit_of(adult, scene))
    if person.action in KNOWN:
        moved = replace(adult, action=AS_IN_A2D[person.action])
        return layers(moved, look, scene, camera), [None] * scene.frames
    return _new_layers(adult, look, scene, camera)


def _dressed(adult: Person, unit: int) -> Look:
    """The looks of an adult of the A2D-like videos, in other proportions and trousers."""
    look = appearance(adult, split=SPLIT, unit=unit)
    random = generator(SPLIT, adult.seed, "dress")
    limbs, girth, head, spare = look.build * random.uniform(1 - BUILD, 1 + BUILD, 4)
    cloth = shade(pick(adult.lower, SPLIT, random), 0.85)
    return replace(look, build=(limbs, girth, head, spare), cloth=cloth)


def _new_layers(
    adult: Person, look: Look, scene: Scene, camera: list[np.ndarray]
) -> tuple[list[Layer | None], list[Layer | None]]:
    """The same of an action that the A2D-like videos lack."""
    random = generator(SPLIT, adult.seed, "timing")
    start, tempo = random.uniform((0, 0.88), (1, 1.12))
    move, scale = MOVES[adult.action], height_of(adult, scene) / look.unit
    tracks: tuple[list[Layer | None], list[Layer | None]] = ([], [])
    for frame, matrix in enumerate(camera):
        time = tempo * (frame - scene.frames // 2)
        linear = matrix[:, :2] @ np.diag([adult.facing * scale, scale])
        centre = matrix[:, :2] @ (_spot(adult, scene, time) + MARGIN) + matrix[:, 2]
        painted = _paint(look, adult.action, float((start + time / move.period) % 1.0))
        for track, canvas in zip(tracks, painted, strict=True):
            track.append(place(canvas, linear, centre, (scene.height, scene.width)))
    return tracks


def _paint(look: Look, action: str, turned: float) -> tuple[np.ndarray, np.ndarray]:
    """Canvases of the person and of what the person handles, premultiplied RGBA."""
    body, thing = Brush.blank(look.unit), Brush.blank(look.unit)
    pose = stance(action, turned)
    hold(body, look, pose)
    if prop := MOVES[action].prop:
        PROPS[prop](thing, arm(look, pose, +1), turned)
    return body.canvas, thing.canvas


def _spot(person: Person, scene: Scene, time: float) -> np.ndarray:
    """The middle of the person after `time` frames, pixels (x, y) of the frame at rest.

    Who would come too near to the frame's side goes more slowly.
    """
    room = min(person.x, 1 - person.x) - SIDE
    speed = min(MOVES[person.action].speed, room / (scene.frames / 2))
    return np.array([person.x + person.facing * speed * time, person.y]) * (
        scene.width, scene.height
    )  # fmt: skip


def _develop(frames: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Muted colours, a tint and dark corners, as of film: uint8 [T, H, W, 3] to the same."""
    height, width = frames.shape[1:3]
    tint = random.uniform((0.96, 0.95, 0.88), (1.06, 1.0, 1.04)).astype(np.float32)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    # To the power of 1.5 in a way that has the same bits on every processor.
    away = np.clip((x**2 + y**2) / 2, 0, 1).astype(np.float64)
    corners = 1 - VIGNETTE * (away * np.sqrt(away)).astype(np.float32)
    values = frames.astype(np.float32)
    gray = values.mean(axis=3, keepdims=True)
    toned = (gray + SATURATION * (values - gray)) * tint * corners[None, :, :, None]
    return np.clip(toned + 0.5, 0, 255).astype(np.uint8)
