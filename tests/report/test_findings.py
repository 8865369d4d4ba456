"""What the page says was found follows from the records, whichever way they turn out."""

import json
from pathlib import Path

import pytest
from helpers.records import BASE, changed, write_record

from acga_lib.errors import DataError
from acga_lib.report import findings


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with three seeds of the rows of Table 3."""
    for method in BASE:
        for seed in range(3):
            write_record(tmp_path / "runs", method=method, seed=seed)
    return tmp_path


def said(results: Path) -> str:
    return "\n".join(findings.sentences(results, data="toy", profile="toy"))


def set_scores(results: Path, method: str, *scores: float) -> None:
    for seed, score in enumerate(scores):
        changed(results / "runs" / f"toy-toy-{method}-s{seed}.json", "metrics/mean_iou", score)


def test_the_numbers_are_those_of_the_records(results):
    text = said(results)
    assert "by 46.7 ± 2.1 % on average" in text  # 45, 46, 49
    assert "17.0 ± 0.0 points above Gavrilyuk et al. 2018 (RGB) (3 seeds, 95 % interval" in text
    assert "1 of 1 pairs" not in text  # one pair is no order
    assert "(MRF) +5.0 ± 0.0 (3 seeds, 95 % interval +5.0 to +5.0), paper +1.4" in text
    assert "most where the place decides" in text and "(+7.0 points)" in text
    assert "least where the actor does (+3.5)" in text


def test_the_control_of_the_first_weights_stands_beside_both_rows(results):
    assert "first weights" not in said(results)
    path = write_record(results / "runs", method="acga", seed=1, variant="authors_init")
    changed(path, "metrics/mean_iou", 0.4)
    text = said(results)
    assert "in toy (seed 1) ACGA has 40.0 % if they are drawn as there, 46.0 % as here" in text
    assert "the same network without attention 39.0 %" in text  # of that seed, too


def test_a_method_below_is_called_below_and_a_loss_a_loss(results):
    set_scores(results, "gavrilyuk", 0.50, 0.52, 0.51)
    set_scores(results, "mrf", 0.20, 0.21, 0.22)
    text = said(results)
    assert "4.3 ± 2.1 points below Gavrilyuk" in text
    assert "Unlike in the paper (+2.0), the Baseline lies below Gavrilyuk" in text
    assert "(MRF) −10.7 ± 1.2 (3 seeds, 95 % interval −13.5 to −7.8), paper +1.4" in text


def test_what_the_seeds_leave_open_or_rests_on_one_seed_is_no_claim(results):
    set_scores(results, "gavrilyuk", 0.44, 0.43, 0.45)
    assert "2.7 ± 1.5 points above Gavrilyuk et al. 2018 (RGB) (3 seeds, 95 % interval" in (
        text := said(results)
    )
    assert "−1.1 to +6.5, so no claim)" in text
    for path in (results / "runs").glob("*-s[12].json"):
        path.unlink()
    assert "1.0 points above Gavrilyuk et al. 2018 (RGB) (one seed)" in said(results)


def test_what_was_not_measured_is_not_spoken_of(results):
    text = said(results)
    assert not any(word in text for word in ("Table 2", "noise words", "shuffled"))
    for path in (results / "runs").glob("*-acga-*"):
        path.unlink()
    assert said(results) == ""


def test_control_transfer_and_noise_words_are_told_where_they_were_measured(results):
    write_record(results / "runs", method="acga", seed=0, shuffled=True)
    moved = write_record(results / "transfer", method="acga", seed=0)
    changed(moved, "metrics/mean_iou", 0.321)
    (results / "robustness").mkdir()
    noisy = results / "robustness" / moved.name
    noisy.write_text(
        json.dumps(json.loads(moved.read_text()) | {"noise": {"0": 0.5, "2": 0.6, "16": 0.4}})
    )
    text = said(results)
    assert "shuffled sentences" in text and "reaches 20.0 % instead of 46.7 ± 2.1 %" in text
    assert "(Table 2), ACGA (RGB) reaches 32.1 % (paper: 58.4 and 54.2)." in text
    assert "With 16 noise words in the sentence, ACGA's mean IoU changes by −10.0 points." in text


def test_through_which_attention_a_sentence_is_heard_is_told_where_it_was_measured(results):
    (results / "robustness").mkdir()

    def keep(seed, paths):
        path = write_record(results / "elsewhere", method="acga", seed=seed)
        measured = {"noise": {"0": 0.5, "4": 0.4}, "every": 3, "paths": paths}
        kept = results / "robustness" / f"toy-toy-acga-s{seed}.json"
        kept.write_text(json.dumps(json.loads(path.read_text()) | measured))

    keep(0, None)
    assert "Eq. 4" not in said(results)
    keep(1, {"another in Eq. 4": {"change": -0.4}, "another in Eq. 5": {"change": -0.0004}})
    text = said(results)
    assert "changes by −40.0 points; where the gate" in text and "(Eq. 5) is, by +0.0." in text
    keep(0, {"another in Eq. 4": {"change": -0.2}, "another in Eq. 5": {"change": 0.01}})
    text = said(results)
    assert "by −30.0 ± 14.1 points; where" in text and "is, by +0.5 ± 0.7." in text


def test_noise_words_are_not_told_from_a_control_or_from_other_samples(results):
    (results / "robustness").mkdir()
    for name, shuffled, noise, every in (
        ("acga-s0", False, 0.4, 3), ("acga-shuffled-s0", True, 0.6, 3), ("acga-s1", False, 0.2, 1)
    ):  # fmt: skip
        path = write_record(results / "elsewhere", method="acga", seed=0, shuffled=shuffled)
        record = json.loads(path.read_text()) | {"noise": {"0": 0.5, "4": noise}, "every": every}
        (results / "robustness" / f"toy-toy-{name}.json").write_text(json.dumps(record))
    assert "noise" not in said(results)
    (results / "robustness" / "toy-toy-acga-s1.json").unlink()
    assert "ACGA's mean IoU changes by −10.0 points." in said(results)


def test_the_largest_profile_of_the_embedded_benchmark_stands_first_once_it_is_complete():
    def run(data, profile, method="acga"):
        run = {"profile": profile, "method": method, "shuffle_queries": False}
        return {"config": {"data": data, "run": run}}

    records = [run("a2d", "paper"), run("toy", "quick"), run("toy", "toy")]
    assert findings.headline(records) == ("toy", "toy")
    records += [run("toy", "toy", "hu"), run("toy", "night")]
    assert findings.headline(records) == ("toy", "toy")
    assert findings.headline([*records, run("toy", "night", "hu")]) == ("toy", "night")
    assert findings.headline(records[:2]) == ("a2d", "paper")
    assert findings.headline([]) is None


def test_how_often_the_right_one_is_marked_stands_beside_chance_and_training(results):
    for seed in range(3):
        part = {"right": 0.6 + 0.1 * seed, "chance": 0.4, "iou_when_right": 0.55}
        limits = {"test": part, "train": part | {"right": 0.9}}
        changed(results / "runs" / f"toy-toy-acga-s{seed}.json", "limits", limits)
    assert "70 % of the cases (chance 40 %; on training samples 90 %)" in said(results)
    assert "overlap by 55 %" in said(results)


def test_a_run_that_is_never_right_is_told_without_the_overlap_of_the_right_ones(results):
    part = {"right": 0.0, "chance": 0.4, "iou_when_right": None}
    for seed in range(3):
        path = results / "runs" / f"toy-toy-acga-s{seed}.json"
        changed(path, "limits", {"test": part, "train": part})
    assert "right one in 0 % of the cases (chance 40 %; on training samples 0 %)." in said(results)


@pytest.mark.parametrize("text", ["{}", "[]", '{"config": {"run": {}}}'])
def test_a_damaged_record_of_robustness_is_named(results, text):
    (results / "robustness").mkdir()
    (results / "robustness" / "toy-toy-acga-s0.json").write_text(text)
    with pytest.raises(DataError, match=r"robustness.toy-toy-acga-s0\.json: no record .* delete"):
        said(results)
