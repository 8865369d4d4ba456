"""Things that stand around: trees, stones, fences, and the posts and bushes in the foreground.

All functions draw with a brush whose unit is one pixel of the world.
"""

import numpy as np

from acga_lib.benchmark.drawing.brush import Brush, capsule, curve, ellipse
from acga_lib.benchmark.world.palette import RGB, mix, shade

BARK: RGB = (104, 80, 62)
LEAF: RGB = (84, 128, 70)
ROCK: RGB = (142, 138, 134)


def tree(brush: Brush, x: float, y: float, height: float, random: np.random.Generator) -> None:
    """A leafy tree that stands on (x, y)."""
    leaf = mix(LEAF, (128, 140, 60), random.uniform(0, 0.6))
    trunk = capsule(np.array([x, y]), np.array([x, y - 0.6 * height]), 0.07 * height, 0.04 * height)
    brush.fill(trunk, BARK)
    for k, shift in enumerate(random.uniform(-0.05, 0.05, (6, 2)) * height):
        around = 2 * np.pi * k / 5
        away = 0.17 * height * (k < 5)
        centre = (x + away * np.cos(around) + shift[0], y - 0.7 * height - away * np.sin(around))
        tone = shade(leaf, 0.86 + 0.06 * k)
        brush.fill(ellipse(*centre, 0.19 * height, 0.17 * height), tone, edge=0.8)


def pine(brush: Brush, x: float, y: float, height: float, random: np.random.Generator) -> None:
    """A pine with snow on its branches."""
    leaf = mix((58, 96, 84), (76, 110, 80), random.uniform())
    brush.fill(capsule(np.array([x, y]), np.array([x, y - 0.3 * height]), 2.0, 2.0), BARK)
    for k in range(3):
        low, wide = y - (0.12 + 0.26 * k) * height, (0.26 - 0.06 * k) * height
        tip = low - 0.38 * height
        tier = np.array([(x - wide, low), (x, tip), (x + wide, low)])
        brush.fill(tier, leaf, edge=0.7)
        brush.fill((tier - (x, tip)) * 0.4 + (x, tip), (240, 244, 250), edge=1)


def stone(brush: Brush, x: float, y: float, height: float, random: np.random.Generator) -> None:
    """A rounded stone."""
    bumps = random.uniform(0.8, 1.15, 9)
    around = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    outline = np.stack([np.cos(around) * bumps, 0.62 * np.sin(around) * bumps], 1)
    tone = shade(ROCK, random.uniform(0.85, 1.15))
    brush.fill(outline * 0.5 * height + (x, y - 0.25 * height), tone, edge=0.7)
    glint = outline * (0.22, 0.16) * height + (x - 0.1 * height, y - 0.36 * height)
    brush.fill(glint, shade(tone, 1.13), edge=1)


def fence(brush: Brush, x: float, y: float, height: float, random: np.random.Generator) -> None:
    """A wooden fence that runs to the right from (x, y)."""
    wood = mix((186, 166, 136), (152, 140, 126), random.uniform())
    count = int(random.integers(4, 9))
    step = 0.55 * height
    for rail in (0.3, 0.65):
        line = np.array([(x, y - rail * height), (x + step * (count - 1), y - rail * height)])
        brush.stroke(line, shade(wood, 0.85), 0.1 * height)
    for k in range(count):
        left, right = x + step * k - 0.1 * height, x + step * k + 0.1 * height
        top = y - height
        slat = np.array([(left, y), (left, top), ((left + right) / 2, top - 0.15 * height),
                         (right, top), (right, y)])  # fmt: skip
        brush.fill(slat, wood, edge=0.7)


def plant(brush: Brush, x: float, y: float, height: float, random: np.random.Generator) -> None:
    """A pot plant."""
    for lean in random.uniform(-0.5, 0.5, 7):
        tip = (x + lean * height, y - (1.0 - 0.5 * abs(lean)) * height)
        stem = curve([(x, y - 0.3 * height), (x + 0.2 * lean * height, y - 0.8 * height), tip])
        brush.stroke(stem, shade(LEAF, 1 + 0.4 * lean), 0.09 * height)
    pot = np.array([(-0.2, -0.36), (0.2, -0.36), (0.14, 0.0), (-0.14, 0.0)]) * height + (x, y)
    brush.fill(pot, (176, 120, 92), edge=0.7)


def picture(brush: Brush, x: float, y: float, height: float, random: np.random.Generator) -> None:
    """A framed landscape on the wall, its lower edge above (x, y)."""
    wide, foot = 0.36 * height, np.array([x, y - 0.35 * height])
    frame = np.array([(-wide, -0.5 * height), (wide, -0.5 * height), (wide, 0.0), (-wide, 0.0)])
    brush.fill(frame + foot, (150, 124, 92), edge=0.7)
    brush.fill(frame * 0.8 + foot - np.array([0.0, 0.05 * height]), (214, 224, 226), edge=0.8)
    peak = random.uniform(-0.15, 0.15) * height
    hill = np.array(
        [(-0.8 * wide, -0.06 * height), (peak, -0.34 * height), (0.8 * wide, -0.06 * height)]
    )
    brush.fill(hill + foot, mix(LEAF, ROCK, random.uniform()), edge=1)


def reeds(brush: Brush, x: float, y: float, height: float, random: np.random.Generator) -> None:
    """A tuft of reeds."""
    for shift, lean in random.uniform(-0.25, 0.25, (8, 2)):
        foot, tip = (x + shift * height, y), (x + (shift + lean) * height, y - 0.8 * height)
        brush.stroke(curve([foot, (foot[0], y - 0.5 * height), tip]), shade(LEAF, 1.1 + lean), 1)


PROPS = {
    "grass": (tree, stone, fence),
    "road": (tree, fence, tree),
    "floor": (plant, picture, picture),
    "beach": (stone, reeds, stone),
    "snow": (pine, stone, pine),
    "water": (stone, reeds, reeds),
    "hill": (tree, stone, tree),
}


def post(brush: Brush, x: float, width: float, bottom: float) -> None:
    """A foreground post from above the frame down to `bottom`."""
    pole = np.array([(x - width / 2, -60.0), (x + width / 2, -60.0), (x + width / 2, bottom),
                     (x - width / 2, bottom)])  # fmt: skip
    brush.fill(pole, (122, 116, 112), edge=0.5)
    light = pole.copy()
    light[1:3, 0] = x - width / 6
    brush.fill(light, (146, 140, 134), edge=1)


def bush(brush: Brush, x: float, y: float, width: float, random: np.random.Generator) -> None:
    """A foreground bush of about `width` pixels that stands on (x, y)."""
    leaf = mix(LEAF, (70, 104, 66), random.uniform())
    brush.fill(ellipse(x, y - 0.13 * width, 0.48 * width, 0.18 * width), shade(leaf, 0.8), edge=0.7)
    for k, (shift, rise) in enumerate(random.uniform(-1, 1, (13, 2))):
        side = (k % 7 - 3) / 3
        lift = 0.24 * (1 - side**2) + 0.06 if k < 7 else 0.1 + 0.04 * rise
        size = (0.13 + 0.02 * shift) * width
        tone = shade(leaf, 0.94 + 0.1 * rise + 0.1 * (k >= 7))
        centre = (x + 0.36 * side * width, y - lift * width)
        brush.fill(ellipse(*centre, size, 0.9 * size), tone, edge=0.75)
