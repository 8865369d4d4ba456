"""What limits a run: data, steps, or the grid of its features.

Two numbers say more than mean IoU: how often the mask lies on the right instance, beside its chance
level, and the IoU where it does. On training samples beside test samples they tell a lack of data
(much better on what was trained on) from a lack of steps (as bad there); by the object's size in
feature cells, too coarse a grid; on held-out training videos while a run trains, whether more steps
still help.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from acga_lib.datasets import Sample
from acga_lib.i3d import STRIDE

#: Training samples that a finished run is scored on, at most; never more than it has test samples.
TRAIN_SAMPLES = 300
#: Held-out videos, at most, whatever a profile's share of them; samples of them that a point of
#: the learning curve is measured on, at most; and points of a run's curve, the last at its end.
HELD_OUT_VIDEOS, CURVE_SAMPLES, CURVE_POINTS = 100, 150, 6
#: Bounds of the sizes by which results are told apart, in cells of I3D's features.
CELLS = (4, 8, 16, 32)


def held_out(samples: Sequence[Sample], share: float) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """Training samples without those of the last `share` of the videos, and those.

    The videos stand in the order of the samples; of a share above 0 at least one is held out, at
    most `HELD_OUT_VIDEOS`, and never the only one.
    """
    videos = list(dict.fromkeys(sample.video_id for sample in samples))
    count = min(max(round(share * len(videos)), 1), HELD_OUT_VIDEOS, len(videos) - 1)
    kept = set(videos[: len(videos) - count] if share else videos)
    return (
        [sample for sample in samples if sample.video_id in kept],
        [sample for sample in samples if sample.video_id not in kept],
    )


def spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` indices, always the same ones, as far apart as can be."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()


def curve_steps(steps: int) -> set[int]:
    """After how many of a training's steps its learning curve is measured."""
    return {round(steps * point / CURVE_POINTS) for point in range(1, CURVE_POINTS + 1)} - {0}


def learning(samples: Sequence[Sample], curve: Sequence[dict[str, float]]) -> dict[str, Any]:
    """What a record says of the held-out samples: how many there are, and the learning curve."""
    return {
        "videos": len({sample.video_id for sample in samples}),
        "samples": len(samples),
        "measured": len(spread(len(samples), CURVE_SAMPLES)),
        "curve": list(curve),
    }


def shares(samples: pd.DataFrame) -> dict[str, Any]:
    """What limits a run on scored samples (`results.measured`).

    -> `right`: share of masks on the right instance; `chance`: the same of a guess among the
    annotated instances of each frame; `iou_when_right`: mean IoU of those masks, None where there
    are none; `samples`: how many there are.
    """
    right = samples["right"]
    return {
        "right": float(right.mean()),
        "chance": float((1 / samples["instances"]).mean()),
        "iou_when_right": float(samples["iou"][right].mean()) if right.any() else None,
        "samples": len(samples),
    }


def by_cue(samples: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """`shares` for each deciding cue; empty where the data do not say."""
    return {str(cue): shares(part) for cue, part in samples.groupby("cue")}


def by_size(samples: pd.DataFrame, *, side: int) -> dict[str, dict[str, Any]]:
    """`shares` for each size of the target, in cells of I3D's features of a square of `side`.

    A method of still images, whose own cells are others, is told apart by the same sizes.
    """
    cells = samples["area"] * (side / STRIDE) ** 2
    names = [f"under {CELLS[0]}", *(f"{a} to {b}" for a, b in pairwise(CELLS)), f"from {CELLS[-1]}"]
    sizes = pd.cut(cells, [0, *CELLS, np.inf], right=False, labels=names)
    return {str(size): shares(part) for size, part in samples.groupby(sizes, observed=True)}
