"""Pictures of what limits the runs: they show the records' numbers, and say what is not known."""

import numpy as np
import pytest

from acga_lib.report import limits_charts


def record(method: str, seed: int, *, held_out: bool = True) -> dict:
    """The parts of a run record that the charts read, with numbers that depend on the seed."""

    def part(right: float, iou: float | None) -> dict:
        return {"right": right, "chance": 0.25, "iou_when_right": iou, "samples": 8}

    curve = [{"step": 10 * k, "mean_iou": 0.1 * k, "right": 0.2 * k} for k in (1, 2, 3)]
    told = {"videos": 2, "samples": 9, "measured": 9, "curve": curve}
    sizes = {"under 4": part(0.2, None), "4 to 8": part(0.4 + 0.2 * seed, 0.5)}
    return {
        "run_id": f"{method}-{seed}", "config": {"run": {"method": method, "seed": seed}},
        "steps": 30, "losses": [3.0, 2.0, 1.5],
        "limits": {
            "test": part(0.5 + 0.1 * seed, 0.4) | {"cue": {}, "size": sizes},
            "train": part(0.9, 0.6), "held_out": told if held_out else None,
        },
    }  # fmt: skip


@pytest.fixture
def records():
    return [record(method, seed) for method in ("baseline", "acga") for seed in (0, 1)]


def test_a_gap_is_what_training_samples_have_more_than_test_samples(records):
    table = limits_charts.against_training(records)
    row = table.loc["Baseline"]
    assert row["right", "test"] == pytest.approx(55) and row["right", "gap"] == pytest.approx(35)
    assert row["iou_when_right", "gap"] == pytest.approx(20) and row["right", "chance"] == 25
    assert len(limits_charts.training_chart(records).axes) == 2


def test_a_group_without_a_right_mask_leaves_a_hole_and_a_missing_group_no_picture(records):
    assert limits_charts.group_chart(records, "cue") is None
    right, iou = limits_charts.group_chart(records, "size").axes
    np.testing.assert_allclose(right.lines[0].get_ydata(), [20, 50])
    np.testing.assert_allclose(iou.lines[0].get_ydata(), [np.nan, 50])
    assert [text.get_text() for text in right.get_xticklabels()] == ["under 4\n(8)", "4 to 8\n(8)"]


def test_the_curve_is_drawn_or_said_to_be_missing(records):
    _, score = limits_charts.learning_chart(records[0]).axes
    np.testing.assert_allclose(score.lines[0].get_ydata(), [20, 40, 60])
    _, score = limits_charts.learning_chart(record("acga", 0, held_out=False)).axes
    assert [text.get_text() for text in score.texts] == ["no video was held out"]
