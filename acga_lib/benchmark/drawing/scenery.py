"""Backgrounds: a textured ground that sways or ripples, a drifting sky, and things in it.

The world is the frame at the middle of the clip plus `MARGIN` pixels on every side, so that a
moving camera always sees painted ground.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from acga_lib.benchmark.drawing import props
from acga_lib.benchmark.drawing.brush import Brush, ellipse, over
from acga_lib.benchmark.world.palette import RGB, generator, shade
from acga_lib.benchmark.world.scene import Scene

MARGIN = 28


@dataclass(frozen=True)
class Backdrop:
    """Everything behind the puppets, in world pixels.

    `sky` is uint8 [H, W, 3] and drifts sideways by `wind` pixels per frame; `ground` is
    premultiplied RGBA, uint8 [H, W, 4]; `sway` [H, W] is how many pixels each point of it swings
    sideways; `wave` is (x, y, time) radians per pixel, pixel and frame; `flakes` [N, 4] are
    snowflakes: position, fall per frame, radius.
    """

    sky: np.ndarray
    ground: np.ndarray
    sway: np.ndarray
    wind: float
    wave: tuple[float, float, float]
    flakes: np.ndarray


@dataclass(frozen=True)
class Ground:
    """A painted ground, its sway, and where the sky ends: `skyline` [W] in rows."""

    paint: np.ndarray
    sway: np.ndarray
    skyline: np.ndarray


def backdrop(scene: Scene) -> Backdrop:
    """Paint the background of `scene`."""
    random = generator(scene.split, scene.seed, "backdrop", scene.background)
    shape = (scene.height + 2 * MARGIN, scene.width + 2 * MARGIN)
    ground = _GROUNDS[scene.background](shape, random)
    tint = random.uniform(0.95, 1.05, 3) * random.uniform(0.94, 1.04)
    paint = np.clip(ground.paint * tint, 0, 255).astype(np.uint8)
    solid = (np.arange(shape[0])[:, None] >= ground.skyline[None, :]).astype(np.uint8) * 255
    canvas = cv2.merge([*cv2.split(cv2.bitwise_and(paint, cv2.merge([solid] * 3))), solid])
    still = np.zeros((*shape, 4), np.uint8)
    _scatter(Brush(still, 1, (0.0, 0.0)), scene.background, ground.skyline, random)
    indoors = scene.background == "floor"
    count = 36 if scene.background == "snow" else 0
    low, high = (0, 0, 0.8, 0.7), (shape[1], shape[0], 2.2, 1.7)
    return Backdrop(
        sky=_wall(shape, random) if indoors else _sky(shape, ground.skyline, random),
        ground=over(canvas, still),
        sway=(ground.sway * (still[:, :, 3] < 128)).astype(np.float32),
        wind=0.0 if indoors else float(random.uniform(0.1, 0.35) * random.choice((-1, 1))),
        wave=_wave(scene.background, random),
        flakes=random.uniform(low, high, (count, 4)),
    )


def behind(stage: Backdrop, *, time: int, camera: np.ndarray, size: tuple[int, int]
           ) -> np.ndarray:  # fmt: skip
    """The background at `time` through `camera` [2, 3] (world to frame): uint8 [H, W, 3]."""
    height, width = size
    drift = camera.copy()
    drift[:, 2] += camera[:, 0] * stage.wind * time
    frame = cv2.warpAffine(stage.sky, drift, (width, height), borderMode=cv2.BORDER_REFLECT)
    x = ((np.arange(width) - camera[0, 2]) / camera[0, 0]).astype(np.float32)[None, :]
    y = ((np.arange(height) - camera[1, 2]) / camera[1, 1]).astype(np.float32)[:, None]
    kx, ky, rate = stage.wave
    sway = cv2.warpAffine(stage.sway, camera, (width, height))
    swing = sway * np.sin(np.float32(kx) * x + np.float32(ky) * y + np.float32(rate * time))
    columns, rows = x + swing, np.broadcast_to(y, (height, width)) + 0.35 * swing
    ground = cv2.remap(stage.ground, columns, rows, cv2.INTER_LINEAR,
                       borderMode=cv2.BORDER_REFLECT)  # fmt: skip
    frame = over(frame, ground)
    world_height = stage.sky.shape[0]
    for left, top, fall, radius in stage.flakes:
        spot = (left + 2 * np.sin(0.3 * time + top), (top + fall * time) % world_height)
        centre = np.round((camera[:, :2] @ spot + camera[:, 2]) * 8).astype(int)
        cv2.circle(frame, tuple(centre.tolist()), int(8 * radius), (250, 252, 255), -1,
                   cv2.LINE_AA, 3)  # fmt: skip
    return frame


def _wave(background: str, random: np.random.Generator) -> tuple[float, float, float]:
    if background in ("water", "beach"):
        return 0.05, float(random.uniform(0.35, 0.5)), float(random.uniform(0.3, 0.45))
    return float(random.uniform(0.06, 0.12)), 0.05, float(random.uniform(0.25, 0.4))


def noise(
    shape: tuple[int, int], cell: tuple[float, float], random: np.random.Generator
) -> np.ndarray:
    """Smooth noise [H, W, 1] with standard deviation about 1 and `cell` rows x columns grain."""
    coarse = (max(2, round(shape[1] / cell[1])), max(2, round(shape[0] / cell[0])))
    grain = random.standard_normal((coarse[1], coarse[0])).astype(np.float32)
    return cv2.resize(grain, shape[::-1], interpolation=cv2.INTER_CUBIC)[:, :, None]


def blend(
    shape: tuple[int, int], top: float, far: RGB, near: RGB, random: np.random.Generator
) -> np.ndarray:
    """Ground colour [H, W, 3] from `far` at row `top` to `near` at the bottom, gently mottled."""
    depth = np.clip((np.arange(shape[0]) - top) / (shape[0] - top), 0, 1)[:, None, None]
    mottle = noise(shape, (14, 26), random) * 5 + noise(shape, (5, 7), random) * 3
    return (1 - depth) * np.array(far) + depth * np.array(near) + mottle


def _flat(shape: tuple[int, int], low: float, high: float, random: np.random.Generator
          ) -> np.ndarray:  # fmt: skip
    """A straight skyline [W] between the fractions `low` and `high` of the frame's height."""
    row = MARGIN + random.uniform(low, high) * (shape[0] - 2 * MARGIN)
    return np.full(shape[1], row)


def _grass(shape: tuple[int, int], random: np.random.Generator) -> Ground:
    skyline = _flat(shape, 0.18, 0.34, random) + 2 * noise((1, shape[1]), (1, 9), random)[0, :, 0]
    paint = blend(shape, skyline.mean(), (176, 202, 118), (122, 164, 72), random)
    paint += 9 * noise(shape, (5, 1.4), random)
    _sprinkle(paint, skyline, ((250, 240, 150), (250, 250, 250)), 26, random)
    return Ground(paint, np.full(shape, 1.5), skyline)


def _hill(shape: tuple[int, int], random: np.random.Generator) -> Ground:
    across = np.linspace(0, 1, shape[1])
    swell = np.sin(np.pi * (across * random.uniform(0.8, 1.4) + random.uniform(-0.3, 0.6)))
    skyline = _flat(shape, 0.36, 0.46, random) - 0.2 * shape[0] * swell
    paint = blend(shape, skyline.mean(), (168, 184, 92), (134, 150, 66), random)
    level = np.arange(shape[0])[:, None] - skyline[None, :]
    paint += (7 * np.sign(np.sin(level / 9.0)))[:, :, None] + 6 * noise(shape, (3, 2), random)
    return Ground(paint, np.full(shape, 1.2), skyline)


def _road(shape: tuple[int, int], random: np.random.Generator) -> Ground:
    skyline = _flat(shape, 0.16, 0.26, random)
    paint = blend(shape, skyline[0], (172, 190, 118), (140, 160, 88), random)
    top, bottom = int(skyline[0] + 0.12 * shape[0]), int(0.88 * shape[0])
    asphalt = blend(shape, top, (136, 138, 148), (112, 114, 126), random)
    paint[top:bottom] = (asphalt + 5 * noise(shape, (1, 1), random))[top:bottom]
    for edge in (top, bottom - 3):
        paint[edge : edge + 3] = (226, 224, 214)
    lane, phase = (top + bottom) // 2, int(random.integers(0, 36))
    for left in range(phase - 36, shape[1], 36):
        paint[lane : lane + 3, max(0, left) : max(0, left + 20)] = (236, 232, 214)
    sway = np.ones(shape)
    sway[top - 3 : bottom + 3] = 0.0
    return Ground(paint, sway, skyline)


def _floor(shape: tuple[int, int], random: np.random.Generator) -> Ground:
    skyline = _flat(shape, 0.34, 0.46, random)
    paint = blend(shape, skyline[0], (214, 184, 144), (196, 160, 118), random)
    paint += 5 * noise(shape, (1.5, 24), random)
    for row in range(int(skyline[0]), shape[0], 15):
        paint[row : row + 15] += random.uniform(-9, 9)
        paint[row] *= 0.72
        for joint in random.integers(0, shape[1], 3):
            paint[row : row + 15, joint] *= 0.78
    paint[int(skyline[0]) : int(skyline[0]) + 5] = (240, 236, 226)
    return Ground(paint, np.zeros(shape), skyline)


def _beach(shape: tuple[int, int], random: np.random.Generator) -> Ground:
    skyline = _flat(shape, 0.14, 0.22, random)
    shore = int(skyline[0] + random.uniform(0.12, 0.2) * shape[0])
    paint = blend(shape, shore, (236, 216, 170), (222, 196, 142), random)
    paint += 5 * noise(shape, (1, 1), random)
    sea = blend(shape, skyline[0], (92, 166, 190), (120, 196, 202), random)
    paint[:shore] = (sea + 8 * noise(shape, (2, 16), random))[:shore]
    paint[shore - 4 : shore] = (248, 250, 248)
    sway = np.zeros(shape)
    sway[: shore + 6] = 3.5
    return Ground(paint, sway, skyline)


def _snow(shape: tuple[int, int], random: np.random.Generator) -> Ground:
    skyline = _flat(shape, 0.2, 0.36, random) + 4 * noise((1, shape[1]), (1, 50), random)[0, :, 0]
    paint = blend(shape, skyline.mean(), (222, 230, 242), (208, 218, 234), random)
    paint += 5 * noise(shape, (9, 40), random) + 3 * noise(shape, (1, 1), random)
    return Ground(paint, np.zeros(shape), skyline)


def _water(shape: tuple[int, int], random: np.random.Generator) -> Ground:
    skyline = _flat(shape, 0.14, 0.28, random)
    paint = blend(shape, skyline[0], (126, 178, 200), (72, 134, 166), random)
    streaks = noise(shape, (2.5, 20), random)
    paint += 7 * streaks + 45 * np.clip(streaks - 1.1, 0, 1)
    return Ground(paint, np.full(shape, 3.0), skyline)


_GROUNDS: dict[str, Callable[[tuple[int, int], np.random.Generator], Ground]] = {
    "grass": _grass,
    "road": _road,
    "floor": _floor,
    "beach": _beach,
    "snow": _snow,
    "water": _water,
    "hill": _hill,
}


def _sprinkle(
    paint: np.ndarray,
    skyline: np.ndarray,
    colors: tuple[RGB, ...],
    count: int,
    random: np.random.Generator,
) -> None:
    """Dot `count` small flowers over the ground, in place."""
    for across, down in random.uniform(0, 1, (count, 2)):
        x = int(across * (paint.shape[1] - 2))
        y = int(skyline[x] + 4 + down * (paint.shape[0] - skyline[x] - 8))
        paint[y : y + 2, x : x + 2] = colors[int(random.integers(len(colors)))]


def _sky(shape: tuple[int, int], skyline: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A sky with clouds, uint8 [H, W, 3]."""
    fade = np.linspace(0, 1, shape[0])[:, None, None] * np.ones((1, shape[1], 1))
    deep, pale = np.array((126, 180, 226)), np.array((226, 236, 240))
    image = np.clip(deep + (pale - deep) * np.minimum(1, 2.2 * fade), 0, 255).astype(np.uint8)
    layer = np.zeros((*shape, 4), np.uint8)
    brush = Brush(layer, 1, (0.0, 0.0))
    for _ in range(int(random.integers(2, 6))):
        x = random.uniform(0, shape[1])
        y = random.uniform(0.4 * MARGIN, max(MARGIN, float(skyline.mean()) - 8))
        scale = random.uniform(5, 10)
        for shift in (-1.3, -0.5, 0.4, 1.2):
            puff = ellipse(x + shift * scale, y - 0.3 * scale * np.cos(shift), scale, 0.62 * scale)
            brush.fill(puff, (246, 248, 250), edge=1)
    return over(image, layer)


def _wall(shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """A papered wall, uint8 [H, W, 3]."""
    base = np.array(shade((214, 212, 204), random.uniform(0.9, 1.08)))
    stripes = 4 * np.sign(np.sin(np.arange(shape[1]) * 2 * np.pi / 17))[None, :, None]
    image = base + stripes + 2 * noise(shape, (8, 8), random)
    return np.clip(image, 0, 255).astype(np.uint8)


def _scatter(
    brush: Brush, background: str, skyline: np.ndarray, random: np.random.Generator
) -> None:
    """Stand two to five things along the skyline."""
    height, width = brush.canvas.shape[:2]
    for x in np.sort(random.uniform(0, width - 1, int(random.integers(2, 6)))):
        thing = props.PROPS[background][int(random.integers(3))]
        low = thing in (props.stone, props.fence)
        size = height * (random.uniform(0.06, 0.11) if low else random.uniform(0.16, 0.30))
        foot = skyline[int(x)] + random.uniform(0.0, 0.06) * height
        thing(brush, float(x), float(foot), float(size), random)
