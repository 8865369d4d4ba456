"""Overlays, attention maps and comparison grids (Figures 1, 4, 5)."""

import numpy as np
from numpy.typing import NDArray

#: Colours of the masks of a figure, RGB, in order of use.
COLORS = ((230, 60, 60), (60, 110, 235), (50, 180, 90), (240, 180, 40))


def overlay(
    frame: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    *,
    color: tuple[int, int, int] = COLORS[0],
    opacity: float = 0.5,
) -> NDArray[np.uint8]:
    """A frame with a mask in colour: uint8 [H, W, 3], bool [H, W] -> uint8 [H, W, 3]."""
    out = frame.astype(np.float32)
    out[mask] = (1 - opacity) * out[mask] + opacity * np.asarray(color, dtype=np.float32)
    return out.round().astype(np.uint8)
