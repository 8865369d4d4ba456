"""What a puppet looks like: its exact colour, coat, build and the tones of its other parts."""

from dataclasses import dataclass

import numpy as np

from acga_lib.benchmark.drawing.brush import coat_texture
from acga_lib.benchmark.world.palette import RGB, generator, mix, partner, pick, rgb
from acga_lib.benchmark.world.scene import Instance

INK: RGB = (24, 22, 28)
PAPER: RGB = (252, 250, 244)


@dataclass(frozen=True)
class Look:
    """What stays the same about an instance throughout its video.

    `build` holds four proportions around 1: limb length, girth, head, and a spare one for tails,
    wings and the like. `texture` is the coat, uint8 [S, S, 3] at `unit` pixels per unit.
    """

    actor: str
    color: RGB
    second: RGB
    skin: RGB
    hair: RGB
    cloth: RGB
    build: tuple[float, float, float, float]
    texture: np.ndarray
    unit: int


def appearance(instance: Instance, *, split: str, unit: int) -> Look:
    """Draw the appearance of `instance` from its seed and the pools of `split`."""
    random = generator(split, instance.seed, "look")
    color = pick(instance.color, split, generator(split, instance.seed, "color"))
    build = tuple(float(b) for b in random.uniform((0.9, 0.9, 0.92, 0.9), (1.1, 1.12, 1.1, 1.15)))
    tone = random.uniform()
    hues = random.uniform(0, 1, 4)
    upright = instance.actor in ("adult", "baby")
    slant = (np.pi / 2 if upright else 0.0) + random.uniform(-0.25, 0.25)
    return Look(
        actor=instance.actor,
        color=color,
        second=partner(color),
        skin=mix((250, 214, 184), (120, 78, 54), tone),
        hair=mix(rgb(20 + 18 * hues[0], 0.6, 0.16), rgb(34, 0.5, 0.5), hues[1] ** 2),
        cloth=rgb(214 + 20 * hues[2], 0.12 + 0.2 * hues[2], 0.24 + 0.14 * hues[3]),
        build=(build[0], build[1], build[2], build[3]),
        texture=coat_texture(
            color,
            instance.pattern,
            unit=unit,
            slant=slant,
            random=generator(split, instance.seed, "coat"),
        ),
        unit=unit,
    )
