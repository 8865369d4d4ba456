"""How the field scores masks (Sec. 4.1): P@K, the two mAPs, overall and mean IoU.

Two numbers are called mAP and are not comparable. The paper and its contemporaries mean the mean of
P@0.50, P@0.55, … P@0.95 (here "mAP"); MTTR and later papers mean COCO's average precision over all
queries ranked by score (here "coco_ap"). Both are reported, under different names.
"""

import contextlib
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acga_lib.errors import DataError

#: P@0.50:0.05:0.95 in percent. Integers, because 0.5 + 2 · 0.05 > 0.6 in floating point.
THRESHOLDS = tuple(range(50, 100, 5))
#: Those of `THRESHOLDS` that the tables print one by one.
PRINTED = (50, 60, 70, 80, 90)
_END = object()


def intersection_and_union(
    prediction: NDArray[np.bool_], target: NDArray[np.bool_]
) -> tuple[int, int]:
    """Pixels in both masks, and pixels in at least one.

    Args:
        prediction, target: bool [H, W].

    Raises:
        DataError: a mask is not boolean and two-dimensional, or the sizes differ.
    """
    for name, mask in (("prediction", prediction), ("target", target)):
        if mask.dtype != np.bool_ or mask.ndim != 2:
            raise DataError(
                f"the {name} is {mask.dtype} {list(mask.shape)}, not bool [H, W]: "
                "threshold the response first"
            )
    if prediction.shape != target.shape:
        raise DataError(
            f"the prediction is {list(prediction.shape)} and the target {list(target.shape)}: "
            "restore the prediction to the original frame first"
        )
    both = int(np.count_nonzero(prediction & target))
    return both, int(np.count_nonzero(prediction)) + int(np.count_nonzero(target)) - both


def iou(prediction: NDArray[np.bool_], target: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks bool [H, W]; 1 where both are empty.

    Two empty masks agree, as in MTTR's evaluator. The model itself never predicts an empty mask.
    Raises as `intersection_and_union`.
    """
    return _ratio(*intersection_and_union(prediction, target))


def is_right(
    prediction: NDArray[np.bool_], target: NDArray[np.bool_], others: Iterable[NDArray[np.bool_]]
) -> bool:
    """Whether a mask lies on the instance that was meant.

    It shares more pixels with the target than with any other annotated instance of the frame. An
    empty mask is wrong, and so is one that two instances share alike. Chance is one of as many
    instances as there are. Raises as `intersection_and_union`.

    Args:
        prediction, target: bool [H, W].
        others: bool [H, W] each, the frame's other instances.
    """
    shared, *elsewhere = (intersection_and_union(prediction, m)[0] for m in (target, *others))
    return shared > max(elsewhere, default=0)


def segmentation_metrics(
    predictions: Iterable[NDArray[np.bool_]],
    targets: Iterable[NDArray[np.bool_]],
    scores: Iterable[float] | None = None,
    *,
    strict: bool = False,
) -> dict[str, float]:
    """Score one prediction per query against its ground truth.

    All arguments may be generators: masks are looked at once and not kept. With scores, each
    sample's run-length encoding is kept, a few hundred bytes.

    Args:
        predictions, targets: bool [H, W] masks in the same order; sizes may differ between samples.
        scores: confidence of each prediction, needed for COCO's average precision.
        strict: count IoU > K for P@K and mAP (MTTR and later) instead of IoU ≥ K (the authors).

    Returns:
        "P@0.5" … "P@0.9", "mAP" (mean of P@0.50:0.05:0.95), "overall_iou" (ΣI / ΣU), "mean_iou";
        with scores also "coco_ap" (0.50:0.95), "coco_ap50" and "coco_ap75". All in [0, 1].

    Raises:
        DataError: no sample, sequences of different lengths, or an unusable mask or score; the
            message gives the sample's index.
    """
    pairs: list[tuple[int, int]] = []
    coco = None if scores is None else _CocoRecords()
    for index, (prediction, target, score) in enumerate(_samples(predictions, targets, scores)):
        try:
            pairs.append(intersection_and_union(prediction, target))
        except DataError as error:
            raise DataError(f"sample {index}: {error}") from error
        if coco is not None:
            coco.add(prediction, target, score)
    if not pairs:
        raise DataError("no sample to score: give at least one prediction and target")
    metrics = overlap_metrics(pairs, strict=strict)
    return metrics if coco is None else metrics | coco.average_precision()


def _samples(
    predictions: Iterable[Any], targets: Iterable[Any], scores: Iterable[float] | None
) -> Iterator[tuple[NDArray, NDArray, float]]:
    """Walk the sequences in step; masks become arrays, scores finite floats."""
    columns = {"prediction": predictions, "target": targets}
    if scores is not None:
        columns["score"] = scores
    for index, row in enumerate(zip_longest(*columns.values(), fillvalue=_END)):
        if missing := [name for name, cell in zip(columns, row, strict=True) if cell is _END]:
            raise DataError(
                f"sample {index} has no {' and no '.join(missing)}: predictions, targets and "
                "scores must be equally many"
            )
        try:
            prediction, target = np.asarray(row[0]), np.asarray(row[1])
            score = 0.0 if scores is None else float(row[2])
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(
                f"sample {index}: give masks [H, W] and a number as score ({error})"
            ) from error
        if not math.isfinite(score):
            raise DataError(f"sample {index}: the score is {score}: give a finite number")
        yield prediction, target, score


def precisions(pairs: Sequence[tuple[int, int]], *, strict: bool = False) -> dict[int, float]:
    """P@K of (intersection, union) pairs for each K of `THRESHOLDS`, by percent."""
    found = {}
    for percent in THRESHOLDS:
        # An empty union counts as IoU 1: 100 of 100.
        excess = [100 * i - percent * u if u else 100 - percent for i, u in pairs]
        found[percent] = sum(e > 0 if strict else e >= 0 for e in excess) / len(pairs)
    return found


def overlap_metrics(pairs: Sequence[tuple[int, int]], *, strict: bool = False) -> dict[str, float]:
    """P@K, mAP, overall and mean IoU of (intersection, union) pairs, in exact integer tests."""
    precision = precisions(pairs, strict=strict)
    metrics = {f"P@{percent / 100}": precision[percent] for percent in PRINTED}
    metrics["mAP"] = sum(precision.values()) / len(precision)
    metrics["overall_iou"] = _ratio(sum(i for i, _ in pairs), sum(u for _, u in pairs))
    metrics["mean_iou"] = math.fsum(_ratio(i, u) for i, u in pairs) / len(pairs)
    return metrics


def _ratio(intersection: int, union: int) -> float:
    return intersection / union if union else 1.0


def run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask [H, W] in COCO's run-length encoding."""
    from pycocotools import mask as coco_mask

    return dict(coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8)))


def mask_of(code: dict[str, Any]) -> NDArray[np.bool_]:
    """The mask [H, W] behind its run-length encoding."""
    from pycocotools import mask as coco_mask

    return np.asarray(coco_mask.decode(code), dtype=np.bool_)


class _CocoRecords:
    """Run-length encoded samples, one image and one prediction per query, all of one category."""

    def __init__(self) -> None:
        self.images: list[dict[str, Any]] = []
        self.truths: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []

    def add(self, prediction: NDArray[np.bool_], target: NDArray[np.bool_], score: float) -> None:
        # COCO's ids count from 1: its matcher takes annotation id 0 for "unmatched".
        number, (height, width) = len(self.images) + 1, target.shape
        self.images.append({"id": number, "height": height, "width": width})
        common = {"image_id": number, "category_id": 1, "id": number, "iscrowd": 0}
        for masks, mask, extra in (
            (self.truths, target, {}),
            (self.results, prediction, {"score": score}),
        ):
            area = int(np.count_nonzero(mask))
            masks.append(common | extra | {"segmentation": run_lengths(mask), "area": area})

    def average_precision(self) -> dict[str, float]:
        """COCO's AP over all areas, one detection per image (pycocotools, useCats=0)."""
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        # pycocotools reports its progress on standard output.
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            truth.dataset = {
                "info": {},  # 2.0.9 and 2.0.10 look for it
                "images": self.images,
                "annotations": self.truths,
                "categories": [{"id": 1}],
            }
            truth.createIndex()
            evaluation = COCOeval(truth, truth.loadRes(self.results), iouType="segm")
            evaluation.params.useCats = 0
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        names = ("coco_ap", "coco_ap50", "coco_ap75")
        return {name: float(value) for name, value in zip(names, evaluation.stats, strict=False)}
