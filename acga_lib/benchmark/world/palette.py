"""Random draws of the renderer: seeded generators and the exact colours behind a colour name.

Each split owns its own generators and its own third of the exact RGB variants of a name, so train,
test and trunk share the name "red" but never one red.
"""

import colorsys
import zlib
from functools import cache

import numpy as np

from acga_lib.benchmark.world.scene import COLORS

RGB = tuple[int, int, int]

#: The splits of the A2D-like benchmark and its trunk; they divide one lattice of colours.
SPLITS = ("train", "test", "trunk")
#: The pools of the other two benchmarks; they divide what a finer lattice has besides.
OTHER_SPLITS = ("jhmdb", "referit-train", "referit-test")

#: Ranges of hue (degrees), saturation and value within which a person still uses the name.
RANGES = {
    "red": ((-4, 4), (0.84, 0.95), (0.72, 0.88)),
    "orange": ((23, 30), (0.90, 1.00), (0.93, 1.00)),
    "yellow": ((50, 56), (0.76, 0.92), (0.93, 1.00)),
    "green": ((110, 138), (0.66, 0.85), (0.50, 0.66)),
    "blue": ((212, 226), (0.74, 0.90), (0.70, 0.90)),
    "purple": ((274, 287), (0.58, 0.74), (0.52, 0.66)),
    "pink": ((326, 338), (0.40, 0.52), (0.95, 1.00)),
    "brown": ((21, 27), (0.60, 0.72), (0.36, 0.46)),
    "white": ((20, 60), (0.01, 0.04), (0.95, 1.00)),
    "gray": ((200, 240), (0.02, 0.06), (0.50, 0.58)),
    "black": ((220, 260), (0.05, 0.20), (0.08, 0.14)),
}
STEPS, FINER_STEPS = (4, 4, 6), (6, 5, 9)


def generator(*keys: str | int) -> np.random.Generator:
    """A generator that depends on `keys` only; strings (a split, a purpose) are hashed."""
    words = [zlib.crc32(key.encode()) if isinstance(key, str) else int(key) for key in keys]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


@cache
def variants(name: str, split: str) -> tuple[RGB, ...]:
    """The exact colours that `split` may use for `name`; no other split has any of them.

    Raises:
        ValueError: `name` or `split` is unknown.
    """
    known = (*SPLITS, *OTHER_SPLITS)
    if name not in COLORS or split not in known:
        raise ValueError(f"no palette for {name!r} in {split!r}; names {COLORS}, splits {known}")
    main = _lattice(name, STEPS)
    if split in SPLITS:
        return _share(name, main, SPLITS.index(split), len(SPLITS))
    rest = [one for one in _lattice(name, FINER_STEPS) if one not in main]
    return _share(name, rest, OTHER_SPLITS.index(split), len(OTHER_SPLITS))


def _lattice(name: str, steps: tuple[int, int, int]) -> list[RGB]:
    """The exact colours of a name on a grid of hues, saturations and values."""
    hues, saturations, values = (
        np.linspace(low, high, count)
        for (low, high), count in zip(RANGES[name], steps, strict=True)
    )
    return list(dict.fromkeys(rgb(h, s, v) for h in hues for s in saturations for v in values))


def _share(name: str, colors: list[RGB], part: int, parts: int) -> tuple[RGB, ...]:
    """Every `parts`-th colour in a drawn order: each share has the whole width of the name."""
    shuffled = [colors[i] for i in generator("palette", name).permutation(len(colors))]
    return tuple(shuffled[part::parts])


def pick(name: str, split: str, random: np.random.Generator) -> RGB:
    """One exact colour of `name` from the pool of `split`."""
    pool = variants(name, split)
    return pool[int(random.integers(len(pool)))]


def rgb(hue: float, saturation: float, value: float) -> RGB:
    """Hue in degrees, saturation and value in [0, 1] to RGB in 0..255."""
    red, green, blue = colorsys.hsv_to_rgb((hue % 360) / 360, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def mix(a: RGB, b: RGB, amount: float) -> RGB:
    """`a` for amount 0, `b` for amount 1."""
    red, green, blue = (round((1 - amount) * p + amount * q) for p, q in zip(a, b, strict=True))
    return red, green, blue


def shade(color: RGB, factor: float) -> RGB:
    """`color` made darker (factor < 1) or lighter (factor > 1)."""
    red, green, blue = (min(255, round(channel * factor)) for channel in color)
    return red, green, blue


def partner(color: RGB) -> RGB:
    """The second tone of a striped or spotted coat: light on dark, dark on light."""
    light = 0.3 * color[0] + 0.59 * color[1] + 0.11 * color[2]
    return mix(color, (250, 246, 232), 0.78) if light < 140 else mix(color, (40, 32, 36), 0.68)
