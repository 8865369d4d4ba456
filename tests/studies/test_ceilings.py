"""The ceilings against slow counterparts, the committed record, and the real masks behind it."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from acga_lib.errors import DataError
from acga_lib.hashes import file_hash
from acga_lib.metrics import intersection_and_union, segmentation_metrics
from acga_lib.published import METRICS
from acga_lib.studies import ceilings


def blob(seed, size=(60, 90)):
    """A random ellipse on a frame."""
    random = np.random.Generator(np.random.PCG64(seed))
    rows, columns = np.ogrid[: size[0], : size[1]]
    y, x = random.uniform(10, 50), random.uniform(10, 80)
    return ((rows - y) / random.uniform(4, 20)) ** 2 + (
        (columns - x) / random.uniform(4, 20)
    ) ** 2 < 1


def encode(mask):
    return coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))


def test_coco_ap_under_the_best_ranking_is_what_pycocotools_says():
    targets = [blob(seed) for seed in range(40)]
    predictions = [np.roll(target, seed % 9, axis=1) for seed, target in enumerate(targets)]
    pairs = [intersection_and_union(*pair) for pair in zip(predictions, targets, strict=True)]
    theirs = segmentation_metrics(predictions, targets, [i / u for i, u in pairs])
    ours = ceilings.score(pairs)
    assert {name: theirs[name] for name in ours} == pytest.approx(ours, abs=1e-4)
    assert 0.3 < ours["coco_ap"] < 0.9


def test_a_response_as_fine_as_the_frame_loses_nothing_and_a_coarser_one_more_and_more():
    masks = [encode(blob(seed)) for seed in range(12)]
    rows = ceilings.measure(masks, sides=(8, 32, 90), progress=False)
    eight, middle, whole = (ceilings.row_of(rows, side=s)["mean_iou"] for s in (8, 32, 90))
    assert eight < middle < whole == 1
    hard = ceilings.row_of(rows, side=32, kind="mask")["mean_iou"]
    assert hard < middle, "what a cell is covered by says more than whether it is"
    perfect = ceilings.row_of(rows, side=512, kind="mask", scoring="authors")
    assert perfect["mean_iou"] == 1, "the authors' target is this very mask"


def test_average_precision_lies_between_the_precision_and_its_square():
    target = blob(3)
    truths = {str(n): encode(target) for n in range(200)}
    wrong = encode(~target)
    random = np.random.Generator(np.random.PCG64(1))
    found = {
        name: (truths[name] if int(name) % 2 else wrong, float(random.uniform())) for name in truths
    }
    result = ceilings.two_maps(found, truths)
    assert result["metrics"]["mAP"] == 0.5 and "coco_ap" not in result["metrics"]
    ap = {name: one["coco_ap"] for name, one in result["rankings"].items()}
    assert ap["perfect"] == pytest.approx(0.5, abs=0.006)
    # COCO takes the best precision at this recall or beyond, and at the end of the list it is P.
    assert ap["reversed"] == pytest.approx(0.25, abs=0.006)
    assert ap["reversed"] <= ap["without information"] < 0.35


def test_the_committed_record_is_of_the_real_masks(shared):
    record = ceilings.read_record()
    masks = shared / "a2d_sentences/a2d_sentences_test_annotations_in_coco_format.json"
    predictions = shared / "reference_outputs/metrics_on_real_masks.json"
    assert record["masks"] == {"count": 3800, "sha256": file_hash(masks)}
    assert record["predictions"]["sha256"] == file_hash(predictions)
    expected = json.loads(predictions.read_text())["expected"]["mttr"]
    given = record["two_maps"]["rankings"]["as given"]["coco_ap"]
    assert given == pytest.approx(expected["coco_mAP_50_95"], abs=1e-4)
    truths = list(ceilings.read_truths(masks).values())[:: 4 * ceilings.EVERY]
    again = ceilings.measure(truths, progress=False)
    assert [{**row, "metrics": None} for row in again] == [
        {**row, "metrics": None} for row in record["rows"]
    ]
    for row in record["rows"]:
        assert set(METRICS) | {"coco_ap"} == set(row["metrics"])


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "masks.json"
    for text in ("{", "{}", '{"annotations": [{"image_id": 1}]}', '{"annotations": []}'):
        path.write_text(text)
        with pytest.raises(DataError, match=r"masks\.json: no COCO masks"):
            ceilings.read_truths(path)
    path.write_text('{"predictions": [{"image_id": 1, "segmentation": {}}]}')
    with pytest.raises(DataError, match="lacks one of image_id, segmentation, score"):
        ceilings.read_predictions(path)
    with pytest.raises(DataError, match="not a record of ceilings"):
        ceilings.read_record(path)
    with pytest.raises(DataError, match="1 predictions have no ground truth, first: b"):
        ceilings.two_maps({"b": ({}, 0.5)}, {})
