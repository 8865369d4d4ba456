"""Run records, tables and the results page: every number can be followed to where it comes from."""

import json
import re
import statistics
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers.records import BASE, changed, write_record
from matplotlib.text import Text
from PIL import Image
from scipy.stats import ttest_1samp

from acga_lib.clip import threshold
from acga_lib.config import HEADLINE_RUN
from acga_lib.datasets.a2d import A2DSample
from acga_lib.errors import DataError
from acga_lib.experiment import pipeline
from acga_lib.experiment.inference import Prediction
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
from acga_lib.report import charts, figures, findings, page, tables
from acga_lib.report.figures import COLORS, Column, overlays


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
        expected += [A2D_SENTENCES, "embedded benchmark (here)"] if row in here else [A2D_SENTENCES]
    assert list(table["Measured on"]) == expected
    assert list(table["Mean IoU"][-2:]) == ["49.0", "46.7 ± 2.1"]


def test_a_table_can_say_the_parts_beside_the_whole_and_the_paper_has_none(runs: Path) -> None:
    records = read_runs(runs, data="toy", profile="toy")
    table = tables.beside_the_paper(records, TABLE_3, data="toy", apart="cue")
    assert list(table.columns[-2:]) == ["Mean IoU, place", "Mean IoU, actor"]
    assert list(table["Mean IoU, place"][-2:]) == ["–", "46.7 ± 2.1"]
    assert list(table["Mean IoU, actor"][-2:]) == ["–", "23.3 ± 1.0"]


def test_a_single_seed_has_no_deviation_and_allows_no_claim(tmp_path: Path) -> None:
    for method in BASE:
        write_record(tmp_path, method=method, seed=0)
    records = read_runs(tmp_path, data="toy", profile="toy")
    assert "±" not in tables.beside_the_paper(records, TABLE_3, data="toy").to_string()
    steps = tables.components(records)
    assert not steps["claim"].any()
    assert "single seed" in tables.judged(next(steps.itertuples()))


def test_steps_are_paired_by_seed(runs: Path) -> None:
    (runs / "toy-toy-mrf-s1.json").unlink()
    steps = tables.components(read_runs(runs, data="toy", profile="toy"))
    first = steps[(steps["component"] == "+ MRF") & (steps["metric"] == "mean_iou")].iloc[0]
    assert (first["seeds"], first["paper"]) == (2, 1.4)
    assert first["mean"] == pytest.approx(5.0)  # unpaired means would differ by 5.3
    assert first["std"] == pytest.approx(0.0, abs=1e-9)


def test_a_step_is_claimed_where_students_interval_leaves_out_no_change() -> None:
    found = tables.interval([1.0, 2.0, 4.0])
    by_scipy = ttest_1samp([1.0, 2.0, 4.0], 0).confidence_interval(0.95)
    assert found == pytest.approx((by_scipy.low, by_scipy.high)) and found[0] < 0

    def sentence(*gains: float) -> str:
        before = [{"config": {"run": {"seed": s}}, "metrics": dict.fromkeys(METRICS, 0.2)}
                  for s in range(len(gains))]  # fmt: skip
        after = [one | {"metrics": dict.fromkeys(METRICS, 0.2 + gain / 100)}
                 for one, gain in zip(before, gains, strict=True)]  # fmt: skip
        step = next(tables.differences({"mrf_wbce": before, "acga": after}, "mrf_wbce", "acga"))
        return tables.judged(SimpleNamespace(**step))

    assert "+2.3 ± 1.5 points" in sentence(1, 2, 4) and "no claim" in sentence(1, 2, 4)
    assert "no claim" not in sentence(2, 2.5, 3) and "3 seeds +1.3 to +3.7." in sentence(2, 2.5, 3)


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


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("metrics", {}), ("metrics/mAP", float("nan")), ("metrics/mAP", 1.5), ("metrics/mAP", -0.1),
        ("metrics/mAP", "0.5"), ("metrics/mAP", True), ("metrics/coco_ap", 7), ("metrics", []),
        ("config/run/method", "nobody"), ("config/run/method", [1]), ("config/run/seed", "0"),
        ("config/run/shuffle_queries", "false"), ("config/data", 3), ("config/profile", "toy"),
        ("samples/test", "<script>alert(1)</script>"), ("samples", {}), ("seconds", "long"),
        ("breakdown", {"cue": {"place": {}}}), ("breakdown/cue/place/mean_iou", 2),
        ("environment", "cpu"), ("run_id", None), ("data", ["a hash"]), ("config", "toy"),
    ],
)  # fmt: skip
def test_a_record_that_is_json_but_no_run_is_named(runs: Path, keys: str, value: object) -> None:
    path = runs / "toy-toy-acga-s1.json"
    changed(path, keys, value)
    with pytest.raises(DataError, match=rf"{path.name}: not a run record"):
        read_run(path)


@pytest.mark.parametrize("text", ["", "[]", "3", "[" * 10**5, "\udcff"])
def test_a_file_that_is_no_record_at_all_is_named(runs: Path, text: str) -> None:
    path = runs / "toy-toy-acga-s1.json"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(DataError, match=rf"{path.name}: not a run record"):
        read_run(path)


@pytest.mark.parametrize("missing", ["parameters", "breakdown", "limits", "weights"])
def test_a_record_that_does_not_tell_what_a_table_shows_is_named(runs: Path, missing: str) -> None:
    path = runs / "toy-toy-acga-s1.json"
    record = json.loads(path.read_text())
    del record[missing]
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=rf"{path.name}: not a run record.*{missing}"):
        read_run(path)


def test_every_committed_record_is_one_and_those_of_a_name_share_their_data() -> None:
    folder = page.RESULTS / "runs"
    for path in folder.glob("*.json"):
        read_run(path)
    for data in ("toy", "real_pairs"):
        assert len(read_runs(folder, data=data, profile="toy")) >= 13


@pytest.mark.parametrize(
    ("method", "keys", "value"),
    [("mrf", "data/test", "other"), ("mrf", "data/train", "other"), ("hu", "samples/test", 14)],
)
def test_records_of_other_data_under_one_name_never_share_a_table(
    runs: Path, method: str, keys: str, value: object
) -> None:
    """Also records of different methods, as far as hashes of their data compare."""
    write_record(runs, method="hu", seed=0)
    for path in runs.glob("*.json"):
        hashed = "of numbers" if "-hu-" in path.name else "of vectors"
        changed(path, "data", {"train": hashed, "test": hashed})
    read_runs(runs, data="toy", profile="toy")
    changed(next(runs.glob(f"toy-toy-{method}-s0.json")), keys, value)
    with pytest.raises(DataError, match=r"differ in .*(data|samples)"):
        read_runs(runs, data="toy", profile="toy")


@pytest.mark.parametrize("differs", ["epochs", "test data"])
def test_runs_made_with_different_settings_or_data_never_share_a_table(
    runs: Path, differs: str
) -> None:
    path = runs / "toy-toy-acga-s1.json"
    record = json.loads(path.read_text())
    if differs == "epochs":
        record["config"]["profile"]["epochs"] = 5
    else:
        record["data"]["test"] = "another hash"
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
    for name in ("figure1", "figure4"):
        Image.new("RGB", (8, 6)).save(runs.parent / "figures" / f"{name}-toy-toy.png")
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


def test_the_first_screen_says_what_was_found_beside_one_picture(runs: Path) -> None:
    text = page.page(make_results(runs))
    first = text[text.index("<h1>") : text.index("<nav>")]
    assert "46.7&nbsp;±&nbsp;2.1&nbsp;% on average" in first and "13 test samples" in first
    assert re.findall('<img src="([^"]+)"', first) == ["figures/figure4-toy-toy.png"]


def test_figures_of_longer_trained_networks_stand_before_those_of_the_tables(runs: Path) -> None:
    figures_of = make_results(runs) / "figures"
    for path in [*figures_of.iterdir()]:
        path.with_name(path.name.replace("-toy.png", "-night.png")).write_bytes(path.read_bytes())
    text = page.page(runs.parent)
    assert "of profile night, trained longer" in text
    found = re.findall('<img src="figures/([^"]+)"', text)
    order = [f"{name}-toy-{by}.png" for by in ("night", "toy") for name in ("figure4", "figure1")]
    assert found == order


def test_figures_of_networks_on_the_videos_of_another_profile_are_left_out(runs: Path) -> None:
    figures_of = make_results(runs) / "figures"
    (figures_of / "figure1-toy-toy.png").rename(figures_of / "figure1-toy-night-on-quick.png")
    text = page.page(runs.parent)
    assert "figure4-toy-toy.png" in text and "night-on" not in text


def test_the_names_of_runs_are_folded(runs: Path) -> None:
    text = page.page(make_results(runs))
    unfolded = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    assert "toy-toy-acga-s1" in text and "toy-toy-acga-s1" not in unfolded


def test_other_data_are_folded_below_the_embedded_benchmark(runs: Path) -> None:
    results = make_results(runs)
    for path in [*runs.glob("*.json")]:
        record = json.loads(path.read_text())
        record["config"]["data"] = "mine"
        record["run_id"] = record["run_id"].replace("toy-", "mine-", 1)
        (runs / f"{record['run_id']}.json").write_text(json.dumps(record))
    for path in [*(results / "tables").iterdir()]:
        path.with_name(path.name.replace("toy-", "mine-", 1)).write_bytes(path.read_bytes())
    text = page.page(results)
    assert text.index("(toy, profile toy)") < text.index("<summary>mine, profile toy</summary>")
    assert text.index("<summary>mine, profile toy</summary>") < text.index("(mine, profile toy)")


def test_a_damaged_picture_stops_the_page(runs: Path) -> None:
    results = make_results(runs)
    (results / "figures" / "figure1-toy-toy.png").write_bytes(b"\x89PNG, and then no more")
    with pytest.raises(DataError, match=r"figure1-toy-toy\.png: not a picture"):
        page.page(results)


def test_the_small_table_has_the_papers_rows_by_deciding_cue(runs: Path) -> None:
    write_record(runs, method="acga", seed=0, shuffled=True)
    records, controls = (
        read_runs(runs, data="toy", profile="toy", controls=shuffled) for shuffled in (False, True)
    )
    table, note = tables.small_table(records, controls)
    assert list(table) == ["Method", "Paper", "Here", "Seeds", "actor (9)", "place (4)"]
    assert list(table.iloc[-2]) == ["ACGA (RGB)", "49.0", "46.7 ± 2.1", "3", "23.3", "46.7"]
    assert list(table.iloc[-1])[:4] == ["ACGA (RGB), shuffled sentences", "–", "20.0", "1"]
    assert "13 test samples" in note and "toy-toy-acga-s2" in note


def test_the_readme_shows_the_picture_and_the_small_table_of_the_headline() -> None:
    runs, readme = page.RESULTS / "runs", (page.ROOT / "README.md").read_text(encoding="utf-8")
    data, profile = findings.headline([read_run(path) for path in runs.glob("*.json")])
    table, note = tables.small_table(
        *(read_runs(runs, data=data, profile=profile, controls=one) for one in (False, True))
    )
    name = f"tables/summary-{data}-{profile}.md"
    written = (page.RESULTS / name).read_text(encoding="utf-8")
    assert written == f"{tables.markdown(table)}\n\n{note}\n", "run acga_lib.report.page"
    assert tables.markdown(table) in readme, f"copy the table of results/{name} there"
    assert f"](results/{name})" in readme
    assert f"](results/figures/figure4-{HEADLINE_RUN.removesuffix('-acga-s0')}.png)" in readme


@pytest.mark.parametrize("name", ["README.md", "results/MODEL_CARD.md", "profiles/README.md"])
def test_links_of_the_cards_lead_to_files(name: str) -> None:
    text = (page.ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert links and all(((page.ROOT / name).parent / link).exists() for link in links)


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


def test_nothing_of_a_record_or_table_is_markup_on_the_page(runs: Path) -> None:
    results, path = make_results(runs), runs / "toy-toy-acga-s1.json"
    changed(path, "run_id", "<script>alert(1)</script>")
    changed(path, "environment", {"device": "<script>", "revision": "<script>"})
    table = results / "tables" / "table3-toy-toy.csv"
    table.write_text(table.read_text().replace("embedded benchmark (here)", "<script>"))
    table.rename(table.with_name("table3-<script>-toy.csv"))  # named after a data folder
    for kept in (table.with_suffix(".md"),):
        kept.rename(kept.with_name("table3-<script>-toy.md"))
    for one in runs.glob("*.json"):
        changed(one, "config/data", "<script>")
        one.rename(one.with_name(one.name.replace("toy-", "<script>-", 1)))
    assert "<script" not in page.page(results)


@pytest.mark.parametrize("text", ["", "Method,Mean IoU\n", "a,b\n1,2,3\n1\n1,2,3,4,5\n", '"a\n'])
def test_a_table_that_is_none_any_more_is_named(runs: Path, text: str) -> None:
    results = make_results(runs)
    (results / "tables" / "table3-toy-toy.csv").write_text(text)
    with pytest.raises(DataError, match=r"table3-toy-toy\.csv: .*make it again"):
        page.page(results)


def test_a_bar_in_a_cell_is_no_border_of_a_markdown_table() -> None:
    table = pd.DataFrame([{"Method": "a|b", "Mean IoU": "1.0"}])
    assert tables.markdown(table).splitlines()[-1] == r"| a\|b | 1.0 |"


@pytest.mark.parametrize("sentence", ["costs $5 or $6", r"\frac{", "$x^2$ {", "a $ b"])
def test_a_sentence_is_drawn_as_it_is_and_never_as_a_formula(sentence: str, tmp_path: Path) -> None:
    frame, mask = np.zeros((8, 12, 3), dtype=np.uint8), rectangle(slice(0, 4), slice(0, 6))
    column = Column(sentence, frame, (sentence,), {sentence: [mask]})
    shown = [
        figures.comparison([column], title="Figure 4"),
        figures.figure_1([frame], [sentence], [sentence], {sentence: [[mask]]}),
        charts.breakdown_chart(
            pd.DataFrame([[1.0]], [sentence], [sentence]), title=sentence, group=sentence
        ),
    ]
    for number, figure in enumerate(shown):
        figures.save(figure, tmp_path / f"{number}.png")
        texts = [text for text in figure.findobj(Text) if sentence in text.get_text()]
        assert texts and not any(text.get_parse_math() for text in texts)


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


def test_a_dot_in_the_name_of_the_data_is_a_part_of_it(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1]})
    for name in ("table1-A2D_1.0-toy", "table1-A2D_1.0-night"):
        tables.write_table(table, tmp_path / name, note="note")
    assert {path.name for path in tmp_path.iterdir()} == {
        f"table1-A2D_1.0-{end}" for end in ("toy.csv", "toy.md", "night.csv", "night.md")
    }


@pytest.mark.parametrize(("method", "shuffled"), [("acga", True), ("gavrilyuk_flow", False)])
def test_runs_that_are_no_rows_of_a_table_stop_no_page(
    runs: Path, tmp_path: Path, method: str, shuffled: bool
) -> None:
    alone = write_record(runs, method=method, seed=0, shuffled=shuffled, profile="quick")
    page.write_all(runs.parent, tmp_path)
    text = (runs.parent / "index.html").read_text()
    assert alone.stem in text and (runs.parent / "tables" / "summary-toy-toy.csv").is_file()
    assert not (runs.parent / "tables" / "summary-toy-quick.csv").exists()
