"""The metrics against the peers' evaluators on real masks, and the edges of their definitions."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from acga_lib.errors import DataError
from acga_lib.metrics import intersection_and_union, iou, is_right, segmentation_metrics

OUR_NAMES = {
    "mAP_mean_precision": "mAP",
    "coco_mAP_50_95": "coco_ap",
    "coco_AP50": "coco_ap50",
    "coco_AP75": "coco_ap75",
}


def strip(start, stop, length=20):
    """A mask [2, length] whose columns start…stop are foreground."""
    mask = np.zeros((2, length), dtype=bool)
    mask[:, start:stop] = True
    return mask


def decode(segmentation):
    return coco_mask.decode(segmentation).astype(bool)


def test_real_masks_score_as_both_evaluators_of_the_field_say(shared):
    reference = json.loads((shared / "reference_outputs/metrics_on_real_masks.json").read_text())
    masks = shared / "a2d_sentences/a2d_sentences_test_annotations_in_coco_format.json"
    truth = {a["image_id"]: a for a in json.loads(masks.read_text())["annotations"]}
    predictions = reference["predictions"]
    ours = segmentation_metrics(
        (decode(p["segmentation"]) for p in predictions),
        (decode(truth[p["image_id"]]["segmentation"]) for p in predictions),
        (p["score"] for p in predictions),
    )
    for evaluator in ("acga_tool", "mttr"):
        theirs = {OUR_NAMES.get(k, k): v for k, v in reference["expected"][evaluator].items()}
        assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=1e-6)


def test_an_iou_on_the_threshold_counts_unless_strict():
    # 3 of 5 columns: 0.6, which 0.5 + 2 * 0.05 exceeds in floating point.
    target, prediction = strip(0, 5), strip(0, 3)
    assert iou(prediction, target) == 0.6
    assert segmentation_metrics([prediction], [target])["P@0.6"] == 1
    assert segmentation_metrics([prediction], [target])["mAP"] == pytest.approx(0.3)
    assert segmentation_metrics([prediction], [target], strict=True)["P@0.6"] == 0
    assert segmentation_metrics([prediction], [target], strict=True)["mAP"] == pytest.approx(0.2)


def test_overall_iou_weighs_pixels_and_mean_iou_weighs_samples_of_any_size():
    predictions = [strip(0, 10), np.ones((30, 40), dtype=bool)]
    targets = [strip(5, 10), np.ones((30, 40), dtype=bool)]
    metrics = segmentation_metrics(predictions, targets)
    assert metrics["mean_iou"] == pytest.approx(0.75)
    assert metrics["overall_iou"] == pytest.approx((10 + 1200) / (20 + 1200))
    assert "coco_ap" not in metrics


def test_two_empty_masks_agree_and_one_empty_mask_misses():
    empty = strip(0, 0)
    assert intersection_and_union(empty, empty) == (0, 0)
    assert iou(empty, empty) == 1
    assert segmentation_metrics([empty], [empty], strict=True)["P@0.9"] == 1
    assert segmentation_metrics([empty], [strip(0, 3)])["mean_iou"] == 0


def test_the_right_instance_is_the_one_that_most_pixels_fall_on():
    """Against a count pixel by pixel, on random instances and masks."""
    random, found = np.random.default_rng(0), []
    for _ in range(200):
        owner = random.integers(0, 4, (5, 6))  # 0: background
        mask = random.random((5, 6)) < random.choice([0.0, 0.1, 0.5])
        pixels = [int(owner[y, x]) for y in range(5) for x in range(6) if mask[y, x]]
        counts = [sum(pixel == instance for pixel in pixels) for instance in (1, 2, 3)]
        expected = counts[0] > counts[1] and counts[0] > counts[2] and counts[0] > 0
        assert is_right(mask, owner == 1, [owner == 2, owner == 3]) == expected
        assert is_right(mask, owner == 1, []) == (counts[0] > 0)  # alone in the frame
        found.append(expected)
    assert 30 < sum(found) < 170


def test_coco_ap_rewards_ranking_the_right_mask_first():
    right, wrong = (strip(0, 5), strip(0, 5)), (strip(10, 15), strip(0, 5))
    predictions, targets = zip(right, wrong, strict=True)
    good = segmentation_metrics(predictions, targets, [0.9, 0.1])
    bad = segmentation_metrics(predictions, targets, [0.1, 0.9])
    # Half the queries are found at precision 1 or 1/2, on COCO's 101 recall points (51 up to 0.5).
    assert good["coco_ap"] == pytest.approx(51 / 101)
    assert bad["coco_ap"] == pytest.approx(51 / 101 / 2)
    assert good["mAP"] == bad["mAP"] == 0.5


@pytest.mark.parametrize(
    ("predictions", "targets", "scores", "message"),
    [
        ([], [], None, "no sample"),
        ([strip(0, 1)] * 2, [strip(0, 1)], None, "sample 1 has no target"),
        ([strip(0, 1)] * 2, [strip(0, 1)] * 2, [0.5], "sample 1 has no score"),
        ([strip(0, 1)], [strip(0, 1, 30)], None, r"sample 0: .*\[2, 20\].*\[2, 30\]"),
        ([strip(0, 1).astype(float)], [strip(0, 1)], None, "sample 0: the prediction is float64"),
        ([strip(0, 1)[None]], [strip(0, 1)], None, r"sample 0: .*\[1, 2, 20\]"),
        ([strip(0, 1)] * 2, [strip(0, 1)] * 2, [0.5, np.nan], "sample 1: the score is nan"),
        ([strip(0, 1)] * 2, [strip(0, 1)] * 2, [0.5, None], "sample 1: give .* a number as score"),
        ([[[True], [True, False]]], [strip(0, 1)], None, r"sample 0: give masks \[H, W\]"),
    ],
)
def test_unusable_input_raises_and_names_the_sample(predictions, targets, scores, message):
    with pytest.raises(DataError, match=message):
        segmentation_metrics(predictions, targets, scores)
