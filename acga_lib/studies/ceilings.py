"""How well a faultless response of a given size scores, and what the two mAPs make of one result.

A response of 32² cells cannot follow a finger. `python -m acga_lib.studies.ceilings <masks>
<predictions>` puts numbers on that with the real test masks of A2D Sentences, which may not be
redistributed; what it measures goes into a small record, `results/ceilings.json`, which notebook 11
reads.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from acga_lib.clip import Letterbox, threshold
from acga_lib.config import ROOT
from acga_lib.errors import DataError
from acga_lib.experiment.inference import SCORINGS
from acga_lib.files.storage import write_text
from acga_lib.files.terminal import run_command
from acga_lib.hashes import file_hash
from acga_lib.metrics import (
    intersection_and_union,
    iou,
    mask_of,
    overlap_metrics,
    precisions,
    segmentation_metrics,
)

RECORD = ROOT / "results" / "ceilings.json"
#: Sides of the responses that are measured, and the paper's.
SIDES = (8, 16, 32, 64, 128, 256, 512)
PAPER_SIDES = (32, 128, 512)
#: What an ideal response holds. "coverage": how much of each cell the actor fills, the most that a
#: response of this size can say. "mask": whether it fills half of the cell or more.
KINDS = ("coverage", "mask")
#: The square on which the authors threshold and through which they send the ground truth.
SQUARE = 512
#: The record repeats its measurement on every so-many-th mask: what a notebook can check quickly.
EVERY = 20
_SHUFFLES = 5

Encoded = dict[str, Any]  #: a mask in COCO's run-length encoding
Setting = tuple[int, str, str]  #: side, kind, scoring
#: The authors' ground truth as if it were a prediction, held against the untouched one.
ROUND_TRIP: Setting = (SQUARE, "round trip", "original")


def read_truths(path: Path) -> dict[str, Encoded]:
    """Ground truth in COCO's format: image id → its one mask, in the file's order.

    Raises:
        DataError: missing file, or not such a list.
    """
    return {row["image_id"]: row["segmentation"] for row in _rows(path, "annotations", _MASK)}


def read_predictions(path: Path) -> dict[str, tuple[Encoded, float]]:
    """Scored predictions: image id → mask and score. Raises as `read_truths`."""
    rows = _rows(path, "predictions", (*_MASK, "score"))
    return {row["image_id"]: (row["segmentation"], row["score"]) for row in rows}


_MASK = ("image_id", "segmentation")


def _rows(path: Path, key: str, wanted: Sequence[str]) -> list[dict[str, Any]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))[key]
        if not all(set(wanted) <= set(row) for row in rows) or not rows:
            raise ValueError(f"a row lacks one of {', '.join(wanted)}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: no COCO masks under {key!r} ({error!r}): fetch it again"
        ) from error
    return rows


def settings(sides: Sequence[int] = SIDES) -> list[Setting]:
    """What is measured: our scoring of the best response at every side; the rest at the paper's."""
    ours = [(side, "coverage", "original") for side in sides]
    rest = [(side, kind, scoring) for kind in KINDS for scoring in SCORINGS for side in PAPER_SIDES]
    return [*dict.fromkeys([*ours, *rest]), ROUND_TRIP]


def overlaps(truth: NDArray[np.bool_], wanted: Sequence[Setting]) -> list[tuple[int, int]]:
    """Intersection and union of what each setting makes of one mask, bool [H, W], with its target.

    For the scoring "authors" the response is first brought to 512², as the network's last step
    does, thresholded there, and held against the ground truth that made the round trip.
    """
    height, width = truth.shape
    large = Letterbox(height=height, width=width, side=SQUARE)
    tripped = large.authors_round_trip(truth)
    boxes = {side: Letterbox(height=height, width=width, side=side) for side, _, _ in wanted}
    covered = {side: box.coverage(truth) for side, box in boxes.items()}
    found = []
    for side, kind, scoring in wanted:
        if (side, kind, scoring) == ROUND_TRIP:
            found.append(intersection_and_union(tripped, truth))
            continue
        response = covered[side]
        if kind == "mask":
            response = (response >= 0.5).astype(np.float32)
        if scoring == "original":
            mask = threshold(boxes[side].restore_response(response))
            found.append(intersection_and_union(mask, truth))
        else:
            enlarged = cv2.resize(response, (SQUARE, SQUARE), interpolation=cv2.INTER_LINEAR)
            mask = large.authors_restore(threshold(np.asarray(enlarged, np.float32)))
            found.append(intersection_and_union(mask, tripped))
    return found


def score(pairs: Sequence[tuple[int, int]]) -> dict[str, float]:
    """All metrics of (intersection, union) pairs; COCO AP under the best possible ranking.

    Ranked by IoU, the predictions that count at a threshold come first: precision is 1 up to a
    recall of P@K and 0 beyond, so that AP is the share of COCO's 101 recall points up to P@K.
    """
    points = np.linspace(0, 1, 101)
    perfect = [float(np.mean(points <= found)) for found in precisions(pairs).values()]
    return _rounded(overlap_metrics(pairs) | {"coco_ap": float(np.mean(perfect))})


def _rounded(metrics: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in metrics.items()}


def measure(
    truths: Sequence[Encoded], *, sides: Sequence[int] = SIDES, progress: bool = True
) -> list[dict[str, Any]]:
    """What a faultless response scores: rows of "side", "kind", "scoring", "metrics" (0 to 1)."""
    wanted = settings(sides)
    found = [
        overlaps(mask_of(mask), wanted) for mask in tqdm(truths, desc="masks", disable=not progress)
    ]
    return [
        {"side": side, "kind": kind, "scoring": scoring, "metrics": score(pairs)}
        for (side, kind, scoring), pairs in zip(wanted, zip(*found, strict=True), strict=True)
    ]


def two_maps(
    predictions: dict[str, tuple[Encoded, float]], truths: dict[str, Encoded]
) -> dict[str, Any]:
    """The same predictions under both meanings of mAP and several rankings.

    Returns:
        "predictions" (how many), "metrics" (those that no ranking changes), and "rankings": ranking
        → "coco_ap", "coco_ap50", "coco_ap75". "without information" is the mean over 5 shuffles
        of the scores; "reversed" trusts the worst mask most, and gives the lowest AP there is: at
        each threshold K, P_K squared, where "perfect" gives P_K.

    Raises:
        DataError: a prediction has no ground truth.
    """
    if missing := sorted(predictions.keys() - truths.keys()):
        raise DataError(f"{len(missing)} predictions have no ground truth, first: {missing[0]}")
    masks = [mask_of(mask) for mask, _ in predictions.values()]
    targets = [mask_of(truths[name]) for name in predictions]
    given = np.array([confidence for _, confidence in predictions.values()])
    perfect = np.array([iou(mask, target) for mask, target in zip(masks, targets, strict=True)])
    random = np.random.Generator(np.random.PCG64(0))
    orders = {
        "as given": [given],
        "perfect": [perfect],
        "without information": [random.permutation(given) for _ in range(_SHUFFLES)],
        "reversed": [-perfect],
    }
    scored = {
        name: [segmentation_metrics(masks, targets, one) for one in scores]
        for name, scores in orders.items()
    }
    coco = ("coco_ap", "coco_ap50", "coco_ap75")
    return {
        "predictions": len(masks),
        "metrics": _rounded({k: v for k, v in scored["as given"][0].items() if k not in coco}),
        "rankings": {
            name: _rounded({key: float(np.mean([one[key] for one in found])) for key in coco})
            for name, found in scored.items()
        },
    }


def share_of_gap(ceiling: float, published: float) -> float:
    """The part of the way from a published score to 1 that a faultless response leaves open."""
    return (1 - ceiling) / (1 - published)


def read_record(path: Path = RECORD) -> dict[str, Any]:
    """The committed record. Raises DataError when it is missing or damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not {"rows", "sample", "two_maps", "masks"} <= set(record):
            raise ValueError("a part is missing")
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: not a record of ceilings ({error}): restore it with git, or make it with "
            "python -m acga_lib.studies.ceilings <masks> <predictions>"
        ) from error
    return record


def row_of(
    rows: Sequence[dict[str, Any]], *, side: int, kind: str = "coverage", scoring: str = "original"
) -> dict[str, float]:
    """The metrics of one row of `measure`. Raises DataError when there is no such row."""
    wanted = {"side": side, "kind": kind, "scoring": scoring}
    for row in rows:
        if wanted.items() <= row.items():
            return row["metrics"]
    raise DataError(f"the record of ceilings has no row {wanted}: make it anew")


def make_record(masks: Path, predictions: Path, *, progress: bool = True) -> dict[str, Any]:
    """Everything that notebook 11 shows, as plain JSON."""
    truths = read_truths(masks)
    every = list(truths.values())
    return {
        "masks": {"count": len(every), "sha256": file_hash(masks)},
        "predictions": {"sha256": file_hash(predictions)},
        "rows": measure(every, progress=progress),
        "sample": {"every": EVERY, "rows": measure(every[::EVERY], progress=progress)},
        "two_maps": two_maps(read_predictions(predictions), truths),
        "versions": {
            name: version(name)
            for name in ("numpy", "opencv-contrib-python-headless", "pycocotools")
        },
    }


def main(arguments: list[str] | None = None) -> int:
    """Command line -> exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m acga_lib.studies.ceilings", description=__doc__
    )
    parser.add_argument("masks", type=Path, help="the test masks of A2D Sentences, COCO format")
    parser.add_argument("predictions", type=Path, help='JSON with scored masks in "predictions"')
    given = parser.parse_args(arguments)
    cv2.setNumThreads(0)  # on images this small, threads mostly wait for each other

    def work() -> str:
        write_text(RECORD, json.dumps(make_record(given.masks, given.predictions), indent=1) + "\n")
        return f"done    {RECORD.relative_to(ROOT)}"

    return run_command("ceilings", work)


if __name__ == "__main__":
    sys.exit(main())
