"""Where the J-HMDB-like films are shot: an indoor hall, a street, a pitch, a yard and a park."""

from collections.abc import Callable

import cv2
import numpy as np

from acga_lib.benchmark.drawing import props
from acga_lib.benchmark.drawing.brush import Brush
from acga_lib.benchmark.drawing.scenery import MARGIN, Backdrop, blend, noise
from acga_lib.benchmark.world.palette import RGB, generator, mix, shade
from acga_lib.benchmark.world.scene import Scene

#: Spread of the lens's blur of the background, pixels.
DEFOCUS = 0.9
#: A flight of stairs: steps, and the rise of one in pixels.
STEPS, RISE = 7, 7

Paint = Callable[[np.ndarray, int, np.random.Generator], None]


def stage(scene: Scene) -> Backdrop:
    """Paint the place of `scene`, one of `STAGES`, as scenery that does not move."""
    random = generator(scene.split, scene.seed, "stage", scene.background)
    shape = (scene.height + 2 * MARGIN, scene.width + 2 * MARGIN)
    horizon = round(MARGIN + random.uniform(*HORIZONS[scene.background]) * scene.height)
    image = np.zeros((*shape, 3), np.float32)
    STAGES[scene.background](image, horizon, random)
    image += 3 * noise(shape, (1.5, 1.5), random) + 4 * noise(shape, (40, 40), random)
    world = np.clip(image, 0, 255).astype(np.uint8)
    _stairs(world, horizon, random)
    return Backdrop(
        sky=np.asarray(cv2.GaussianBlur(world, (0, 0), DEFOCUS), np.uint8),
        ground=np.zeros((*shape, 4), np.uint8),
        sway=np.zeros(shape, np.float32),
        wind=0.0,
        wave=(0.0, 0.0, 0.0),
        flakes=np.zeros((0, 4)),
    )


def _stairs(world: np.ndarray, horizon: int, random: np.random.Generator) -> None:
    """A flight of stairs up to a landing, in place: in every film, so that it betrays nobody."""
    stone = mix((166, 160, 150), (128, 132, 136), random.uniform())
    left, wide = random.uniform((MARGIN, 70), (world.shape[1] - MARGIN - 70, 110))
    for number in range(STEPS):
        top = horizon + RISE * (number - STEPS // 2)
        start, end = round(left - 3 * number), round(left + wide + 3 * number)
        cv2.rectangle(world, (start, top), (end, top + RISE), shade(stone, 0.75), -1)
        cv2.rectangle(world, (start, top), (end, top + 2), shade(stone, 1.15), -1)


def _fill(image: np.ndarray, horizon: int, far: RGB, near: RGB, random: np.random.Generator
          ) -> None:  # fmt: skip
    image[horizon:] = blend(image.shape[:2], horizon, far, near, random)[horizon:]


def _scatter(image: np.ndarray, things: tuple[Callable, ...], foot: int, height: float,
             random: np.random.Generator) -> None:  # fmt: skip
    """Three to five things along a line, drawn over the image in place."""
    canvas = np.zeros((*image.shape[:2], 4), np.uint8)
    brush = Brush(canvas, 1, (0.0, 0.0))
    for x in np.sort(random.uniform(0, image.shape[1], int(random.integers(3, 6)))):
        thing = things[int(random.integers(len(things)))]
        thing(brush, float(x), float(foot), height * float(random.uniform(0.8, 1.2)), random)
    veil = canvas[:, :, 3:].astype(np.float32) / 255
    image[:] = image * (1 - veil) + canvas[:, :, :3]


def _hall(image: np.ndarray, horizon: int, random: np.random.Generator) -> None:
    wall = mix((176, 174, 160), (122, 132, 140), random.uniform())
    image[:horizon] = wall
    image[horizon - 26 : horizon] = shade(wall, 0.7)
    for left in range(int(random.integers(0, 30)), image.shape[1], 62):
        image[MARGIN // 2 : horizon - 42, left : left + 34] = (208, 214, 210)
        image[MARGIN // 2 : horizon - 42, left + 16 : left + 18] = shade(wall, 0.6)
    _fill(image, horizon, (156, 124, 88), (128, 98, 66), random)
    for row in (horizon + 22, horizon + 50):
        image[row : row + 2] = (196, 188, 170)


def _street(image: np.ndarray, horizon: int, random: np.random.Generator) -> None:
    brick = mix((140, 92, 76), (150, 138, 122), random.uniform())
    image[:horizon] = brick
    for row in range(0, horizon, 6):
        image[row] = shade(brick, 0.86)
    for left in range(int(random.integers(0, 40)), image.shape[1], int(random.integers(48, 66))):
        for top in (MARGIN - 14, MARGIN + 24):
            image[top : top + 26, left : left + 20] = (72, 84, 94)
            image[top + 26 : top + 29, left - 2 : left + 22] = (186, 182, 172)
    image[horizon : horizon + 4] = (96, 94, 92)
    _fill(image, horizon + 4, (150, 148, 144), (124, 122, 120), random)
    image[horizon + 44 : horizon + 49] = (172, 170, 164)
    image[horizon + 49 :] *= 0.72


def _pitch(image: np.ndarray, horizon: int, random: np.random.Generator) -> None:
    image[:horizon] = np.linspace((168, 182, 190), (204, 208, 204), horizon)[:, None]
    _scatter(image, (props.tree,), horizon, 54, random)
    image[horizon - 12 : horizon] = (92, 98, 104)
    _fill(image, horizon, (116, 134, 84), (90, 112, 62), random)
    for row in range(horizon, image.shape[0], 30):
        image[row : row + 15] *= 1.08
    image[horizon + 10 : horizon + 12] = (206, 210, 198)


def _yard(image: np.ndarray, horizon: int, random: np.random.Generator) -> None:
    plaster = mix((186, 172, 146), (160, 156, 150), random.uniform())
    image[:horizon] = plaster
    door = int(random.integers(MARGIN, image.shape[1] - 70))
    image[horizon - 62 : horizon, door : door + 34] = (94, 70, 54)
    image[horizon - 58 : horizon - 32, door + 5 : door + 29] = (80, 60, 46)
    _scatter(image, (props.plant,), horizon + 4, 30, random)
    _fill(image, horizon, (148, 124, 102), (122, 100, 82), random)
    for left in range(0, image.shape[1], 24):
        image[horizon:, left] *= 0.85


def _park(image: np.ndarray, horizon: int, random: np.random.Generator) -> None:
    image[:horizon] = np.linspace((176, 186, 194), (214, 212, 202), horizon)[:, None]
    _scatter(image, (props.tree,), horizon + 2, 62, random)
    _fill(image, horizon, (138, 142, 88), (112, 120, 70), random)
    top = horizon + int(random.integers(24, 34))
    image[top : top + 46] = blend(image.shape[:2], top, (176, 160, 134), (158, 142, 116), random)[
        top : top + 46
    ]


#: How each place is painted, and where its ground begins (fraction of the frame's height).
STAGES: dict[str, Paint] = {
    "hall": _hall, "street": _street, "pitch": _pitch, "yard": _yard, "park": _park,
}  # fmt: skip
HORIZONS = {
    "hall": (0.5, 0.6), "street": (0.48, 0.56), "pitch": (0.34, 0.46), "yard": (0.5, 0.6),
    "park": (0.36, 0.46),
}  # fmt: skip
