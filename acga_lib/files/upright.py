"""Pictures as they are to be seen: the one place where stored pixels are turned.

Cameras store pixels as the sensor lies and say beside them how to turn them: phones in an mp4's
display matrix or in EXIF, older video in the shape of a pixel. Both say one of eight things, for
which EXIF's numbers 1 to 8 stand here.
"""

from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

#: EXIF's orientation -> whether to swap rows and columns, then to flip up-down, then left-right.
STEPS = {
    1: (False, False, False), 2: (False, False, True), 3: (False, True, True),
    4: (False, True, False), 5: (True, False, False), 6: (True, False, True),
    7: (True, True, True), 8: (True, True, False),
}  # fmt: skip
#: Pixels this far from square are shown stretched; nearer to it, an encoder has rounded a size.
SQUARE_ENOUGH = 0.05
#: Pixels narrower or wider than this are a slip of the header.
LONGEST = 4


def turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Stored pixels [H, W, 3] turned upright: [H, W, 3], or [W, H, 3] after a quarter turn."""
    swap, vertical, horizontal = STEPS[orientation]
    pixels = pixels.swapaxes(0, 1) if swap else pixels
    return np.ascontiguousarray(pixels[:: -1 if vertical else 1, :: -1 if horizontal else 1])


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(height, width) of the pixels after `turned`."""
    return size[::-1] if STEPS[orientation][0] else size


def orientation_of(matrix: Sequence[int]) -> int:
    """A display matrix (nine numbers, row after row) as EXIF's orientation.

    Raises:
        ValueError: it turns by something else than quarters, which would need new pixels.
    """
    a, b, _, c, d, *_ = (float(number) for number in matrix)
    straight, swapped = max(abs(a), abs(d)), max(abs(b), abs(c))
    if min(straight, swapped) > 0.01 * max(straight, swapped):
        raise ValueError("by less than a quarter turn")
    swap = swapped > straight
    steps = (swap, (b if swap else d) < 0, (c if swap else a) < 0)
    return next(number for number, known in STEPS.items() if known == steps)


def with_square_pixels(pixels: NDArray[np.uint8], aspect: Fraction) -> NDArray[np.uint8]:
    """Stored pixels [H, W, 3] of another shape than square, stretched to what they show.

    aspect: width of a pixel over its height. The longer side of a pixel is stretched, so that
    nothing is lost.
    """
    if not 1 / LONGEST <= aspect <= LONGEST or abs(aspect - 1) < SQUARE_ENOUGH:
        return pixels
    height, width = pixels.shape[:2]
    size = (round(width * max(aspect, 1)), round(height / min(aspect, 1)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
