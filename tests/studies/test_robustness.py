"""What notebook 10 measures, held against computations by hand, and the records that it keeps."""

import csv
import json
from itertools import combinations, product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import jobs
from helpers.records import invented
from safetensors.torch import save_file

from acga_lib.config import ROOT, RunConfig
from acga_lib.datasets import open_dataset
from acga_lib.datasets.a2d import A2DSample
from acga_lib.datasets.a2d_lists import read_negatives, read_paraphrases
from acga_lib.errors import CheckpointError, ConfigError, DataError
from acga_lib.experiment.inference import Prediction
from acga_lib.experiment.networks import build_network
from acga_lib.experiment.pipeline import Inputs
from acga_lib.experiment.tensors import Batch
from acga_lib.files.storage import write_text
from acga_lib.hashes import file_hash
from acga_lib.methods import METHODS
from acga_lib.report import page, robustness_tables
from acga_lib.report.tables import write_table
from acga_lib.studies import evaluation, robustness
from acga_lib.studies.robustness import FILLERS, NOISE, with_fillers
from acga_lib.text import MAX_WORDS, WORD_COUNTS, Vocabulary, WordVectors, tokenize

SIDE, CELLS = 32, 16


def sample(instance: int = 0, video: str = "v", query: str = "a red dog") -> A2DSample:
    """A sample that lies in no file; its frame fills half of the square."""
    return A2DSample(
        video_id=video, frame=1, instance=instance, query=query, height=16, width=32,
        frame_count=1, video_path=Path("v.mp4"), mask_path=Path("1.h5"),
    )  # fmt: skip


def prediction(mask: np.ndarray, target: np.ndarray, top: float = 1.0) -> Prediction:
    return Prediction(sample(), mask, target, 0.5, mask.astype(np.float32) * np.float32(top))


def masks(count: int, seed: int) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).random((count, 6, 8)) > 0.5)


def literal_iou(one: np.ndarray, other: np.ndarray) -> float:
    pixels = list(zip(one.ravel(), other.ravel(), strict=True))
    return sum(a and b for a, b in pixels) / sum(a or b for a, b in pixels)


class Tensors:
    """Stands in for `SampleTensors`; an instance fills 1 or 2 cells of a row of 4."""

    def __init__(self, samples, queries=None) -> None:
        self.samples, self.queries = samples, queries or [one.query for one in samples]

    def __len__(self) -> int:
        return len(self.samples)

    def batches(self, order):
        for indices in order:
            masks = torch.zeros(len(indices), SIDE, SIDE)
            for mask, index in zip(masks, indices, strict=True):
                mask[8:16, : 8 * (1 + self.samples[index].instance)] = 1
            nothing = torch.zeros(len(indices), 1)
            yield Batch(nothing, nothing, masks, None, indices)


class Attends:
    """A model whose context attention is given."""

    def __init__(self, attention: torch.Tensor | None) -> None:
        self.attention = attention

    def __call__(self, features, words, clips):
        del features, clips
        attention = None if self.attention is None else self.attention.expand(len(words), -1, -1)
        return SimpleNamespace(context_attention=attention)


# Noise words


def test_fillers_keep_the_words_of_the_sentence_in_order() -> None:
    query = "The dog's owner, in red, is jumping"
    for count, seed in product((0, *NOISE), range(20)):
        words = tokenize(with_fillers(query, count, seed=seed))
        added = [word for word in words if word in FILLERS]
        assert [word for word in words if word not in FILLERS] == tokenize(query)
        assert len(added) == len(set(added)) == count


def test_more_fillers_are_the_same_and_further_ones_and_the_seed_decides() -> None:
    def added(count: int, seed: int = 3) -> set[str]:
        return set(tokenize(with_fillers("a red dog", count, seed=seed))) & set(FILLERS)

    assert added(1) < added(2) < added(4)
    assert with_fillers("a red dog", 4, seed=3) == with_fillers("a red dog", 4, seed=3)
    assert len({with_fillers("a red dog", 1, seed=seed) for seed in range(50)}) > 20


@pytest.mark.parametrize("length", [17, 18, 19, 20])
def test_a_sentence_with_fillers_never_exceeds_the_longest(length: int) -> None:
    found = with_fillers(" ".join(["dog"] * length), 4, seed=0)
    assert len(tokenize(found)) == min(length + 4, MAX_WORDS)


def test_every_filler_has_a_vector_and_no_benchmark_uses_it(toy_root: Path) -> None:
    vectors, vocabulary = WordVectors.load(), Vocabulary.load()
    assert all(filler in vectors for filler in FILLERS)
    assert not vocabulary.encode(" ".join(FILLERS)).unknown
    with (ROOT / "data" / "word_vectors" / WORD_COUNTS).open(newline="") as lines:
        used = {row["word"] for row in csv.DictReader(lines) if int(row["count"])}
    texts = toy_root / "text_annotations"
    sentences = [one.query for one in open_dataset("a2d", root=toy_root, split="train")]
    for listed in (read_paraphrases(texts / "paraphrases.csv"),
                   read_negatives(texts / "negatives.csv")):  # fmt: skip
        sentences += [text for queries in listed.values() for text in queries]
    for name in ("lexicon", "referit_lexicon", "sentences", "jhmdb_captions"):
        source = (ROOT / "acga_lib" / "benchmark" / "language" / f"{name}.py").read_text()
        used |= {word for line in source.split('"')[1::2] for word in line.lower().split()}
    used |= {word for text in sentences for word in tokenize(text)}
    assert {"dog", "running"} <= used and not used & set(FILLERS)


# The measures


def test_wording_agrees_with_a_literal_loop() -> None:
    targets = masks(5, seed=9)
    found = [
        [prediction(m, t) for m, t in zip(masks(5, seed=k), targets, strict=True)] for k in range(4)
    ]
    agreement, best, worst, own, other = [], [], [], [], []
    for index, target in enumerate(targets):
        wordings = [found[k][index].mask for k in range(4)]
        agreement += [literal_iou(a, b) for a, b in combinations(wordings, 2)]
        scores = [literal_iou(mask, target) for mask in wordings]
        best.append(max(scores)), worst.append(min(scores))
        own.append(scores[0]), other.extend(scores[1:])
    expected = {
        "consistency": np.mean(agreement), "best": np.mean(best), "worst": np.mean(worst),
        "drop": np.mean(best) - np.mean(worst), "own": np.mean(own), "other": np.mean(other),
        "wordings": 4,
    }  # fmt: skip
    assert robustness.wording(found) == pytest.approx(expected)


def test_a_method_that_does_not_listen_is_wholly_consistent() -> None:
    same = [[prediction(m, t) for m, t in zip(masks(3, 1), masks(3, 2), strict=True)]] * 4
    found = robustness.wording(same)
    assert found["consistency"] == 1 and found["drop"] == 0
    assert robustness.overlap(same[0], same[1]) == 1


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_separation_is_the_share_of_pairs_in_the_right_order_ties_by_half(levels: int) -> None:
    random = np.random.default_rng(levels)
    true, false = random.integers(levels, size=30), random.integers(levels, size=17)
    count = sum(1.0 if t > f else 0.5 if t == f else 0.0 for t, f in product(true, false))
    assert robustness.separation(true, false) == pytest.approx(count / (30 * 17))
    assert robustness.separation([2, 3], [0, 1]) == 1 and robustness.separation([1], [1]) == 0.5


def test_negatives_are_compared_before_they_are_rounded() -> None:
    mask, empty = np.ones((2, 2), dtype=bool), np.zeros((2, 2), dtype=bool)
    half = np.array([[True, True], [False, False]])
    true = [prediction(mask, mask, top=0.900004), prediction(half, mask, top=0.900003)]
    false = [prediction(mask, empty, top=0.900002), prediction(mask, empty, top=0.900001)]
    found = robustness.negatives(true, false)
    assert found["auc"] == 1 and found["true"] == found["false"] == [0.9, 0.9]
    assert (found["area_true"], found["area_false"], found["overlap"]) == (0.75, 1.0, 0.75)


def test_focus_agrees_with_a_hand_made_attention() -> None:
    # A grid of 2 x 2 cells; the frame is the left half, the instance the cell at the top left.
    frame, mask = torch.zeros(4, 4), torch.zeros(4, 4)
    frame[:, :2], mask[:2, :2] = 1, 1
    attention = torch.tensor(
        [[0.6, 0.2, 0.2, 0.0], [0.0, 1.0, 0.0, 0.0], [0.2, 0.0, 0.6, 0.2], [0.0, 0.0, 0.0, 1.0]]
    )
    # Cells 0 and 2 ask. They give 0.8 to cell 0 and 0.8 to cell 2; the rest falls outside.
    assert robustness.focus(attention, mask, frame) == pytest.approx((0.5, 0.5))
    attention[2] = torch.tensor([0.9, 0.0, 0.1, 0.0])
    mass, area = robustness.focus(attention, mask, frame)
    assert (mass, area) == pytest.approx((1.5 / 1.8, 0.5))


@pytest.mark.parametrize("attended_rows", [(1, 1, 1, 1), (0, 1, 1, 0)])
def test_equal_attention_is_no_focus_whether_or_not_it_falls_on_the_margins(attended_rows) -> None:
    """The frame of `sample` fills the middle two of four rows of cells."""
    row = torch.tensor(attended_rows, dtype=torch.float32).repeat_interleave(4)
    attention = (row / row.sum()).repeat(CELLS, 1)
    found = robustness.attended(Attends(attention), Tensors([sample(0), sample(1)]))
    np.testing.assert_allclose(found, [[1 / 8, 1 / 8], [2 / 8, 2 / 8]], rtol=1e-5)


def test_attention_that_goes_to_the_margins_alone_falls_on_nobody() -> None:
    attention = torch.zeros(CELLS, CELLS)
    attention[:, 0] = 1  # the upper left cell, which lies in a margin
    found = robustness.attended(Attends(attention), Tensors([sample(0)]))
    np.testing.assert_allclose(found, [[0, 1 / 8]])


def test_a_method_without_context_attention_has_no_focus() -> None:
    assert robustness.attended(Attends(None), Tensors([sample()])) is None


# All of them together

PARAPHRASES = {("v", 0): ("red dog", "dog in red"), ("v", 1): ("blue cat", "cat in blue"),
               ("w", 0): ("a bird", "one bird")}  # fmt: skip
FALSE = {"v": ("a green dog", "a green cat"), "w": ("a green bird",)}
SAMPLES = [sample(0), sample(1, query="a blue cat"), sample(0, "w", "the bird")]


@pytest.fixture
def asked(monkeypatch) -> list[list[tuple[str, str]]]:
    """The sentences of each pass through a model that answers each with another mask."""
    passes: list[list[tuple[str, str]]] = []

    def answers(model, data, *, device, progress):
        del model, device, progress
        videos = [one.video_id for one in data.samples]
        passes.append(list(zip(videos, data.queries, strict=True)))
        for query in data.queries:
            mask = np.random.default_rng(list(query.encode())).random((16, 32)) > 0.5
            yield prediction(mask, np.ones((16, 32), dtype=bool), top=len(query) / 100)

    monkeypatch.setattr(robustness, "predictions", answers)
    return passes


def measured(model=None, samples=SAMPLES, paraphrases=PARAPHRASES, false=FALSE) -> dict:
    return robustness.measure(
        model or Attends(None), samples, Tensors, paraphrases=paraphrases, false_queries=false
    )


def test_each_sample_is_asked_for_in_its_own_other_noisy_false_and_foreign_words(asked) -> None:
    found = measured()
    own = ["a red dog", "a blue cat", "the bird"]
    others = [("red dog", "dog in red"), ("blue cat", "cat in blue"), ("a bird", "one bird")]
    false = ["a green dog", "a green cat", "a green bird"]
    another = [("blue cat",), ("red dog",), ()]  # who is alone in a video has no other
    wanted = [
        (video, text)
        for i, video in enumerate(("v", "v", "w"))
        for noisy in [[with_fillers(own[i], count, seed=i) for count in NOISE]]
        for text in (own[i], *others[i], *noisy, false[i], *another[i])
    ]
    assert asked == [wanted]  # in one pass, so that what is asked about a clip shares it
    assert set(found["noise"]) == {"0", *map(str, NOISE)} and found["samples"] == 3
    assert found["noise"]["0"] == found["wording"]["own"]
    assert found["focus"] is None and 0 < found["wording"]["contrast"] < 1
    json.dumps(found, allow_nan=False)


def test_the_focus_is_beside_what_the_same_actor_gets_when_another_is_meant(asked) -> None:
    attention = torch.full((CELLS, CELLS), 1 / CELLS)
    found = measured(Attends(attention))["focus"]
    assert found["ratio"] == pytest.approx(1) and found["mass"] == pytest.approx(4 / 24)
    assert found["mass_other"] == pytest.approx(3 / 16)  # the two that are not alone
    assert asked
    alone = measured(Attends(attention), samples=SAMPLES[2:])
    assert alone["focus"]["mass_other"] is None and alone["wording"]["contrast"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paraphrases": {k: v for k, v in PARAPHRASES.items() if k[0] == "v"}}, "video w has 0"),
        ({"paraphrases": PARAPHRASES | {("v", 1): ("one",)}}, "instance 1 of video v has 1"),
        ({"false": {"v": FALSE["v"]}}, "video w has no sentence that fits nothing"),
        ({"samples": []}, "no sample"),
    ],
)
def test_missing_sentences_are_named_before_anything_is_computed(asked, change, message) -> None:
    with pytest.raises(DataError, match=message):
        measured(**change)
    assert not asked


# The kept records


@pytest.fixture
def folders(tmp_path: Path, monkeypatch) -> Path:
    """A kept record and its run's, whose weights are not there -> the folder of results."""
    for name in ("RUNS", "ROBUSTNESS"):
        monkeypatch.setattr(evaluation, name, tmp_path / name.lower())
    # The lists of sentences, where this checkout has drawn them, are not what these tests ask for.
    monkeypatch.setattr(evaluation, "_hashes", lambda lists: "the same")
    for method, level in (("gavrilyuk", 0.5), ("acga", 0.6)):
        for seed in (0, 1):
            write_records(tmp_path, method, seed, level + 0.1 * seed)
    return tmp_path


def write_records(results: Path, method: str, seed: int, level: float) -> None:
    config = RunConfig(method=method, seed=seed)
    run = invented(config, 1) | {"breakdown": {"cue": {}}, "samples": {"train": 9, "test": 6}}
    measured = {
        "wording": dict.fromkeys(("consistency", "own", "other", "drop"), level)
        | {"contrast": None, "wordings": 4},
        "noise": dict.fromkeys(("0", *map(str, NOISE)), level),
        "focus": {"mass": level, "area": 0.4, "ratio": level / 0.4, "mass_other": 0.1}
        if method == "acga"
        else None,
        "negatives": {"auc": level, "overlap": level},
        "samples": 3,
        "every": 2,
        "made_from": {
            "noise": evaluation._noise(), "lists": "the same", "weights": run["weights"]
        },
    }  # fmt: skip
    for folder, record in (("runs", run), ("robustness", run | measured)):
        (results / folder).mkdir(exist_ok=True)
        (results / folder / f"{config.run_id}.json").write_text(json.dumps(record))


ACGA = RunConfig(method="acga")


def test_without_the_weights_the_kept_record_of_the_same_run_serves(folders: Path) -> None:
    found = evaluation.robustness_or_load(ACGA, every=2)
    assert found["run_id"] == "toy-quick-acga-s0" and found["wording"]["own"] == 0.6


@pytest.mark.parametrize(
    "change",
    ["other samples", "other noise", "another run", "not kept", "damaged", "never trained"],
)
def test_a_kept_record_of_anything_else_does_not_serve(folders: Path, change: str) -> None:
    run, kept = (folders / name / f"{ACGA.run_id}.json" for name in ("runs", "robustness"))
    if change == "another run":
        run.write_text(run.read_text().replace('"mean_iou": 1', '"mean_iou": 2'))
    elif change == "other noise":
        kept.write_text(kept.read_text().replace("really", "verily"))
    elif change == "damaged":
        kept.write_text(kept.read_text()[:-9])
    elif change in ("not kept", "never trained"):
        (kept if change == "not kept" else run).unlink()
    with pytest.raises(CheckpointError, match="04_train"):
        evaluation.robustness_or_load(ACGA, every=3 if change == "other samples" else 2)


@pytest.mark.parametrize("every", [0, 2.5, None])
def test_every_zeroth_or_halfth_sample_is_refused(every: object) -> None:
    with pytest.raises(ConfigError, match=f"every = {every}"):
        evaluation.robustness_or_load(ACGA, every=every)


def test_the_command_measures_one_run_and_says_which(folders: Path, capsys) -> None:
    assert evaluation.main(["profile=quick", "every=2"]) == 0
    assert capsys.readouterr().out.startswith("done    robustness toy-quick-acga-s0")
    assert evaluation.main(["profile=quick", "every=2.5"]) == 1
    assert "every = 2.5" in capsys.readouterr().err


# The table


def kept_records(folders: Path) -> list[dict]:
    names = ("gavrilyuk-s0", "gavrilyuk-s1", "acga-s0", "acga-s1")
    files = [folders / "robustness" / f"toy-quick-{name}.json" for name in names]
    return [json.loads(file.read_text()) for file in files]


def test_the_table_has_percent_a_ratio_and_a_dash_for_what_a_method_has_not(folders: Path) -> None:
    table = robustness_tables.as_table(kept_records(folders)).set_index("Method")
    ours, theirs = table.loc["ACGA (RGB)"], table.loc["Gavrilyuk et al. 2018 (RGB)"]
    assert (ours["Consistency"], ours["Seeds"], ours["Contrast"]) == ("65.0 ± 7.1", "2", "–")
    assert (ours["Focus"], theirs["Focus"]) == ("1.62 ± 0.18", "–")
    one = robustness_tables.as_table(kept_records(folders)[2:3]).iloc[0]
    assert (one["Consistency"], one["Focus"]) == ("60.0", "1.50")


def test_a_sentence_claims_nothing_from_one_seed_or_within_the_spread(folders: Path) -> None:
    records = kept_records(folders)

    def judged(some, read=lambda r: r["wording"]["own"]):
        return robustness_tables.judged(some, "IoU", read)

    assert "ACGA (RGB) has 65.0, the most of 2 methods; +10" in judged(records)
    assert "+10.0 ± 0.0 points against Gavrilyuk" in judged(records)
    assert "(2 seeds, 95 % interval" in judged(records)
    assert "one seed, so no claim" in judged([records[0], records[2]])
    uneven = [replace_own(records[0], 0.7), *records[1:]]
    assert "so no claim" in judged(uneven)
    assert "no record of ACGA" in judged(records[:2])
    assert "points" not in judged(records[2:])


def replace_own(record: dict, level: float) -> dict:
    return record | {"wording": record["wording"] | {"own": level}}


def test_the_results_page_shows_the_table_with_its_runs_and_no_other(folders: Path) -> None:
    records = kept_records(folders)[1:]
    write_table(
        robustness_tables.as_table(records), folders / "tables" / "robustness-toy-quick",
        note=robustness_tables.note(records),
    )  # fmt: skip
    text = page.page(folders)
    section = text[text.index("Beyond the paper") :]
    section = section[: section.index("</section>")]
    assert "3 test samples (1 in 2), seeds 0, 1" in section
    assert 'href="runs/toy-quick-acga-s1.json"' in section
    assert "toy-quick-gavrilyuk-s0" not in section


def test_a_run_is_measured_once(toy_root, toy_features, tiny, tmp_path, monkeypatch) -> None:
    """From files to a record, with a network that was never trained; the second call reads it."""
    config = jobs.run_of(toy_root, Path(tiny.networks.trunk))
    for name in ("RUNS", "ROBUSTNESS"):
        monkeypatch.setattr(evaluation, name, tmp_path / name.lower())
    path = tmp_path / "runs" / f"{config.run_id}.json"
    torch.manual_seed(0)
    weights = path.with_suffix(".safetensors")
    weights.parent.mkdir()
    save_file(build_network(METHODS["acga"], tiny).state_dict(), weights)
    write_text(path, json.dumps(invented(config, 0.5) | {"weights": file_hash(weights)}))
    store = jobs.tensors(toy_root, Path(tiny.networks.trunk), toy_features).store
    inputs = Inputs(store, WordVectors.load())
    monkeypatch.setattr(evaluation, "inputs_of", lambda *_, **__: inputs)
    found = evaluation.robustness_or_load(config, every=2, progress=False)
    assert found["samples"] == len(open_dataset("a2d", root=toy_root, split="test")[::2])
    assert found["every"] == 2 and 0 < found["focus"]["mass"] < 1
    for unused in ("measure", "open_split", "load_run"):
        monkeypatch.setattr(evaluation, unused, None)
    assert evaluation.robustness_or_load(config, every=2, progress=False) == found
    monkeypatch.setattr(evaluation, "file_hash", lambda path: "of other sentences")
    with pytest.raises(TypeError):  # it would be measured anew
        evaluation.robustness_or_load(config, every=2, progress=False)
