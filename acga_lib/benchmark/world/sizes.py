"""How large instances are: spread as A2D's referred objects are, on the small profiles' grid.

On the 3,800 test masks of A2D Sentences the median object covers 25 of the paper's 32 x 32 cells,
from 1.6 to 190 between the 5th and the 95th percentile: near a log-normal distribution. Its middle
part is kept here, on a grid of 14 x 14 cells on which several instances of a scene find room.
"""

from collections.abc import Sequence

import numpy as np

#: Pixels on a side of a cell: the stride of Mixed_4e.
CELL = 16
#: The median in cells; the deviations of the logarithm that a scene shares and that are each one's.
MEDIAN, SHARED, OWN = 27.0, 0.95, 0.85
SMALLEST, LARGEST = 1.2, 110.0
#: Area of a puppet over its height squared; the greatest height, in frame heights. Beyond one, the
#: frame shows a part of it, as a close-up does.
FILL = {
    "adult": 0.34, "baby": 0.38, "ball": 0.57, "bird": 0.45, "car": 0.46, "cat": 0.63, "dog": 0.63,
}  # fmt: skip
TALLEST = 1.25


def draw_sizes(
    actors: Sequence[str], height: int, random: np.random.Generator
) -> tuple[float, ...]:
    """A size for each actor of a scene, as a fraction of the frame's `height` in pixels."""
    scale = random.normal(0.0, SHARED)
    found = []
    for actor in actors:
        cells = MEDIAN * np.exp(scale + random.normal(0.0, OWN))
        area = float(np.clip(cells, SMALLEST, LARGEST)) * CELL**2
        found.append(min((area / FILL[actor]) ** 0.5 / height, TALLEST))
    return tuple(found)
