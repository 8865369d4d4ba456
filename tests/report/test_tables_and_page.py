"""Run records, tables and the results page: every number can be followed to where it comes from."""

import json
import re
import statistics
from pathlib import Path

import numpy as np
import pytest

from acga_lib.config import run_config
from acga_lib.datasets.a2d import A2DSample
from acga_lib.errors import DataError
from acga_lib.experiment import pipeline
from acga_lib.experiment.inference import Prediction, threshold
from acga_lib.experiment.results import evaluate, points_at_the_right_half
from acga_lib.files.records import read_run, read_runs
from acga_lib.metrics import segmentation_metrics
from acga_lib.published import (
    A2D_SENTENCES,
    ABLATION,
    METRICS,
    TABLE_3,
    TABLES,
    PublishedTable,
)
from acga_lib.report import page, tables
from acga_lib.report.figures import COLORS, overlays

BASE = {"baseline": 0.30, "mrf": 0.35, "mrf_wbce": 0.38, "acga": 0.45, "gavrilyuk": 0.28}


def write_record(runs: Path, *, method: str, seed: int, shuffled: bool = False) -> Path:
    """A record as `finish_run` writes it, with invented scores that depend on method and seed."""
    config = run_config(method=method, seed=seed, profile="toy", shuffle_queries=shuffled)
    level = (0.2 if shuffled else BASE[method]) + 0.01 * seed**2
    record = {
        "run_id": config.run_id,
        "config": config.describe(),
        "metrics": dict.fromkeys(METRICS, level) | {"coco_ap": level, "right_half": 0.5 + seed / 9},
        "breakdown": {
            "cue": {
                "place": {"mean_iou": level, "P@0.5": level, "samples": 4},
                "actor": {"mean_iou": level / 2, "P@0.5": level, "samples": 9},
            },
            "actor": {},
            "action": {},
        },
        "samples": {"train": 20, "test": 13},
        "seconds": 90.0,
        "environment": {"device": "cpu", "revision": "abc1234"},
    }
    path = runs / f"{config.run_id}.json"
    runs.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Records of all methods with three seeds each, in `<tmp_path>/runs`."""
    for method in BASE:
        for seed in range(3):
            write_record(tmp_path / "runs", method=method, seed=seed)
    return tmp_path / "runs"


def rectangle(rows: slice, columns: slice) -> np.ndarray:
    """A mask bool [8, 12] that is true in one rectangle."""
    mask = np.zeros((8, 12), dtype=bool)
    mask[rows, columns] = True
    return mask


def prediction(mask: np.ndarray, target: np.ndarray, *, cue: str | None = None) -> Prediction:
    """A prediction on a sample that lies in no file."""
    sample = A2DSample(
        video_id="v", frame=1, instance=0, query="a dog", height=8, width=12, frame_count=1,
        video_path=Path("v.mp4"), mask_path=Path("1.h5"), cue=cue,
    )  # fmt: skip
    return Prediction(sample, mask, target, 0.5, mask.astype(np.float32))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_published_table_is_the_papers(table: PublishedTable, shared: Path) -> None:
    papers = list((shared.parent / "paper").glob("*.txt"))
    if not papers:
        pytest.skip("the paper's text is not here")
    text = papers[0].read_text()
    text = text[text.index(f"Table {table.name[-1]}. ") :]
    rows = re.findall(
        r"^(?:Hu|Li|Gavrilyuk|Ours|Baseline).*?((?:\t[\d.]+){8})$", text, re.MULTILINE
    )
    numbers = [tuple(map(float, row.split())) for row in rows[: len(table.rows)]]
    assert numbers == list(table.rows.values())


def test_mean_and_deviation_over_seeds_agree_with_a_computation_by_hand(runs: Path) -> None:
    found = tables.summary(read_runs(runs, data="toy", profile="toy"))
    by_hand = [45.0, 46.0, 49.0]
    assert found.loc["acga", ("mean_iou", "mean")] == pytest.approx(statistics.mean(by_hand))
    assert found.loc["acga", ("mean_iou", "std")] == pytest.approx(statistics.stdev(by_hand))
    assert found.loc["acga", ("seeds", "")] == 3


def test_our_row_stands_under_the_papers_and_says_where_it_was_measured(runs: Path) -> None:
    records = read_runs(runs, data="toy", profile="toy")
    table = tables.beside_the_paper(records, TABLE_3, data="toy")
    here = ["gavrilyuk", *ABLATION]
    expected = []
    for row in TABLE_3.rows:
        expected += [A2D_SENTENCES, "toy (here)"] if row in here else [A2D_SENTENCES]
    assert list(table["Measured on"]) == expected
    assert list(table["Mean IoU"][-2:]) == ["49.0", "46.7 ± 2.1"]


def test_a_single_seed_has_no_deviation_and_allows_no_claim(tmp_path: Path) -> None:
    for method in BASE:
        write_record(tmp_path, method=method, seed=0)
    records = read_runs(tmp_path, data="toy", profile="toy")
    assert "±" not in tables.beside_the_paper(records, TABLE_3, data="toy").to_string()
    steps = tables.components(records)
    assert steps["within"].all()
    assert "single seed" in tables.judged(next(steps.itertuples()))


def test_steps_are_paired_by_seed(runs: Path) -> None:
    (runs / "toy-toy-mrf-s1.json").unlink()
    steps = tables.components(read_runs(runs, data="toy", profile="toy"))
    first = steps[(steps["component"] == "+ MRF") & (steps["metric"] == "mean_iou")].iloc[0]
    assert (first["seeds"], first["paper"]) == (2, 1.4)
    assert first["mean"] == pytest.approx(5.0)  # unpaired means would differ by 5.3
    assert first["std"] == pytest.approx(0.0, abs=1e-9)


def test_groups_are_ordered_by_size_and_absent_groups_give_an_empty_table(runs: Path) -> None:
    records = read_runs(runs, data="toy", profile="toy")
    cues = tables.by_group(records, "cue")
    assert list(cues.columns) == ["actor (9)", "place (4)"]
    assert cues.loc["Baseline", "place (4)"] == pytest.approx(100 * (0.30 + 0.31 + 0.34) / 3)
    assert tables.by_group(records, "actor").empty


def test_controls_stand_beside_the_proper_runs_and_never_among_them(runs: Path) -> None:
    write_record(runs, method="acga", seed=0, shuffled=True)
    proper = read_runs(runs, data="toy", profile="toy")
    controls = read_runs(runs, data="toy", profile="toy", controls=True)
    assert (len(proper), len(controls)) == (15, 1)
    beside = tables.beside_the_control(proper, controls)
    assert list(beside["Trained with"]) == ["true sentences", "shuffled sentences"]
    assert list(beside["Mean IoU"]) == ["46.7 ± 2.1", "20.0"]


def test_a_broken_record_is_named(runs: Path) -> None:
    broken = runs / "toy-toy-acga-s1.json"
    broken.write_text(broken.read_text()[:-20])
    with pytest.raises(DataError, match=re.escape(broken.name)):
        read_runs(runs, data="toy", profile="toy")


@pytest.mark.parametrize("damage", ["a metric is missing", "a metric is NaN", "unknown method"])
def test_a_record_that_is_json_but_no_run_is_named(runs: Path, damage: str) -> None:
    path = runs / "toy-toy-acga-s1.json"
    record = json.loads(path.read_text())
    if damage == "unknown method":
        record["config"]["run"]["method"] = "nobody"
    elif damage == "a metric is NaN":
        record["metrics"]["mAP"] = float("nan")
    else:
        del record["metrics"]["mAP"]
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=path.name):
        read_run(path)


@pytest.mark.parametrize("differs", ["epochs", "test data"])
def test_runs_made_with_different_settings_or_data_never_share_a_table(
    runs: Path, differs: str
) -> None:
    path = runs / "toy-toy-acga-s1.json"
    record = json.loads(path.read_text())
    record["data"] = {"test": "a hash"}
    if differs == "epochs":
        record["config"]["profile"]["epochs"] = 5
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=f"acga-s1.json differ in .*{differs}"):
        read_runs(runs, data="toy", profile="toy")


def test_no_runs_at_all_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="04_train"):
        read_runs(tmp_path, data="toy", profile="toy")


def test_exactly_half_of_the_maximum_is_background() -> None:
    response = np.array([[0.25, 0.5, 0.5000001, 1.0]], dtype=np.float32)
    assert threshold(response).tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("level", [1e-30, 1e-3, 0.5, 1.0])
def test_a_thresholded_mask_is_never_empty(level: float) -> None:
    response = np.random.default_rng(0).random((5, 7)).astype(np.float32) * np.float32(level)
    assert threshold(response).any()
    assert threshold(np.full((3, 3), level, dtype=np.float32)).all()


def test_a_mask_points_at_the_half_where_most_of_it_lies() -> None:
    left, right = rectangle(slice(2, 5), slice(0, 4)), rectangle(slice(2, 5), slice(8, 12))
    mostly_left = rectangle(slice(0, 8), slice(0, 8))
    nothing = np.zeros_like(left)
    assert points_at_the_right_half(prediction(left, left))
    assert points_at_the_right_half(prediction(mostly_left, left))
    assert not points_at_the_right_half(prediction(right, left))
    assert not points_at_the_right_half(prediction(mostly_left, right))
    assert not points_at_the_right_half(prediction(nothing, right))


def test_evaluate_agrees_with_the_metrics_of_the_same_masks() -> None:
    masks = [rectangle(slice(0, r), slice(c, c + 5)) for r, c in ((3, 0), (6, 2), (8, 5), (2, 7))]
    targets = [rectangle(slice(0, 4), slice(2, 8))] * 4
    pairs = [prediction(m, t, cue="place") for m, t in zip(masks, targets, strict=True)]
    metrics, samples = evaluate(iter(pairs))
    assert metrics.pop("right_half") == samples["right_half"].mean()
    assert metrics == segmentation_metrics(masks, targets, [0.5] * 4)
    assert samples["iou"].mean() == pytest.approx(metrics["mean_iou"])


def test_overlapping_masks_mix_their_colours() -> None:
    frame = np.zeros((8, 12, 3), dtype=np.uint8)
    whole, half = rectangle(slice(0, 8), slice(0, 12)), rectangle(slice(0, 8), slice(6, 12))
    drawn = overlays(frame, [whole, half], opacity=1.0).astype(float)
    assert (drawn[4, 2] == COLORS[0]).all()
    np.testing.assert_allclose(drawn[4, 9], np.mean(COLORS[:2], axis=0), atol=0.5)
    assert (overlays(frame + 9, [], opacity=1.0) == 9).all()


def make_results(runs: Path) -> Path:
    """Table and figure beside the records -> the folder of results."""
    records = read_runs(runs, data="toy", profile="toy")
    table = tables.beside_the_paper(records, TABLE_3, data="toy")
    tables.write_table(
        table, runs.parent / "tables" / "table3-toy-toy", note=tables.note(records, TABLE_3)
    )  # fmt: skip
    (runs.parent / "figures").mkdir()
    (runs.parent / "figures" / "figure4-toy-toy.png").write_bytes(b"")
    return runs.parent


def test_every_seed_that_has_a_record_takes_part_in_every_table(runs: Path, monkeypatch) -> None:
    monkeypatch.setattr(pipeline, "RUNS", runs)
    (runs / "toy-toy-mrf-s1.json").unlink()
    found = pipeline.runs_of(["acga", "mrf"], dataset="toy", profile="toy")  # Table 2, robustness
    assert [(run.method, run.seed) for run in found] == [
        ("acga", 0), ("acga", 1), ("acga", 2), ("mrf", 0), ("mrf", 2),
    ]  # fmt: skip
    records = read_runs(runs, data="toy", profile="toy")  # Tables 1 and 3
    assert {run.run_id for run in found} <= {record["run_id"] for record in records}
    assert tables.EVERY_RUN in tables.note(records, TABLE_3)


def test_the_page_names_every_run_that_its_tables_rest_on(runs: Path) -> None:
    text = page.page(make_results(runs))
    section = text[text.index('id="tables"') : text.index('id="figures"')]
    for path in runs.glob("*.json"):
        assert f'<a href="runs/{path.name}">{path.stem}</a>' in section
    assert "49.0" in section and "46.7 ± 2.1" in section


def test_the_page_links_only_to_files_that_exist_and_needs_nothing_from_outside(runs: Path) -> None:
    results = make_results(runs)
    text = page.page(results)
    links = re.findall(r'(?:href|src)="([^#"]+)"', text)
    assert "figures/figure4-toy-toy.png" in links
    assert all((results / link).is_file() for link in links)
    assert not re.search(r"https?:|<script|@import|url\(", text)


def test_equal_results_give_an_equal_page(runs: Path) -> None:
    results = make_results(runs)
    assert page.page(results) == page.page(results)


def test_a_table_without_runs_stops_the_page(runs: Path) -> None:
    results = make_results(runs)
    for path in runs.glob("*.json"):
        path.unlink()
    with pytest.raises(DataError, match="no run"):
        page.page(results)


def test_a_note_says_which_numbers_are_the_papers_and_names_the_runs(runs: Path) -> None:
    text = tables.note(read_runs(runs, data="toy", profile="toy"), TABLE_3)
    for part in (
        "A2D Sentences",
        "embedded benchmark",
        "13 test",
        "seeds 0, 1, 2",
        "profile 'toy'",
    ):
        assert part in text
    assert all(path.stem in text for path in runs.glob("*.json"))
