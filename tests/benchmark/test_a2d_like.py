"""The embedded benchmark: its sentences are true and unambiguous, its files look like A2D's."""

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
from gensim.models import KeyedVectors
from helpers.sentence_reader import Where, fits, read

from acga_lib.benchmark.language import lexicon
from acga_lib.benchmark.language.sentences import Sentence, describe
from acga_lib.benchmark.world.scene import COLORS, label
from acga_lib.benchmark.writing import a2d_like as toy
from acga_lib.benchmark.writing.a2d_like import generate_a2d_like
from acga_lib.benchmark.writing.formats import write_annotation
from acga_lib.benchmark.writing.publishing import annotations_sha256
from acga_lib.benchmark.writing.scenes import Draft, planned_tracks, sample_scene
from acga_lib.config import ROOT
from acga_lib.errors import ConfigError, DataError
from acga_lib.files.mp4 import write_mp4

SIZES = {"train_videos": 3, "test_videos": 2}
Planned = list[tuple[Draft, tuple[Sentence, ...]]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small generated benchmark."""
    folder = tmp_path_factory.mktemp("toy") / "a2d"
    generate_a2d_like(folder, **SIZES, seed=5, workers=1, progress=False)
    return folder


@pytest.fixture(scope="module")
def planned() -> dict[str, Planned]:
    """Sampled scenes and their sentences, without any rendering."""
    result: dict[str, Planned] = {"train": [], "test": []}
    for split, drafts in result.items():
        for index in range(80):
            draft = sample_scene(seed=3, split=split, index=index)
            sentences = describe(
                draft.scene, planned_tracks(draft.scene), cues=draft.cues, seed=draft.scene.seed
            )
            assert sentences is not None
            drafts.append((draft, sentences))
    return result


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def texts_of(drafts: Planned) -> list[str]:
    return [sentence.text for _, sentences in drafts for sentence in sentences]


def place(masks: np.ndarray) -> Where:
    """Where an instance is, from its masks bool [T,H,W]."""
    height, width = masks.shape[1:]
    points = [np.nonzero(mask) for mask in masks]
    return Where(
        x=np.array([columns.mean() / width for _, columns in points]),
        y=np.array([rows.mean() / height for rows, _ in points]),
        box=np.array([(c.min(), r.min(), c.max(), r.max()) for r, c in points]).T / height,
    )


def masks_of(root: Path, video: str) -> np.ndarray:
    """bool [K,T,H,W] of the annotated frames."""
    files = sorted((root / "text_annotations" / toy.MASKS / video).glob("*.h5"))
    frames = []
    for path in files:
        with h5py.File(path) as file:
            frames.append(file["reMask"][()].transpose(0, 2, 1) > 0)
    return np.stack(frames, axis=1)


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_every_written_sentence_fits_exactly_one_instance_of_the_written_masks(root: Path) -> None:
    cues, queries = defaultdict(list), defaultdict(list)
    for row in rows_of(root / "text_annotations" / "cues.csv"):
        cues[row["video_id"]].append(row)
    for row in rows_of(root / "text_annotations" / "a2d_annotation.txt"):
        queries[row["video_id"]].append((int(row["instance_id"]), row["query"]))
    assert len(queries) == sum(SIZES.values())
    for video, sentences in queries.items():
        where = [place(masks) for masks in masks_of(root, video)]
        assert [index for index, _ in sentences] == list(range(len(where)))
        for index, text in sentences:
            found = [i for i in range(len(where)) if fits(read(text), i, cues[video], where)]
            assert found == [index], f"{video}: {text!r} fits {found}"


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_planned_sentence_fits_exactly_one_instance(
    planned: dict[str, Planned], split: str
) -> None:
    for draft, sentences in planned[split]:
        rows = [
            {"actor": one.actor, "action": one.action, "color": one.color, "pattern": one.pattern}
            for one in draft.scene.instances
        ]
        where = [Where(track.x, track.y, track.box) for track in planned_tracks(draft.scene)]
        for sentence in sentences:
            claims = read(sentence.text)
            found = [i for i in range(len(rows)) if fits(claims, i, rows, where)]
            assert found == [sentence.instance], f"{sentence.text!r} fits {found} of {rows}"


def test_the_cues_are_balanced_and_each_is_needed(planned: dict[str, Planned]) -> None:
    for drafts in planned.values():
        counts = Counter(sentence.cue for _, sentences in drafts for sentence in sentences)
        shares = {cue: round(counts[cue] / counts.total(), 3) for cue in lexicon.CUES}
        assert all(0.13 < share < 0.27 for share in shares.values()), shares
        for draft, sentences in drafts:
            for sentence in sentences:
                twins = [
                    one
                    for number, one in enumerate(draft.scene.instances)
                    if number != sentence.instance
                    and twins_but_for(sentence.cue, one, draft.scene.instances[sentence.instance])
                ]
                assert sentence.cue == "actor" or twins, (sentence, draft.scene)


def twins_but_for(cue: str, one: object, two: object) -> bool:
    """Whether two instances agree in everything a sentence can say, apart from one cue."""
    free = {"attribute": ("color", "pattern"), "action": ("action",)}.get(cue, ())
    keys = {"actor", "action", "color", "pattern"}.difference(free)
    return all(getattr(one, key) == getattr(two, key) for key in keys)


def test_every_word_that_can_be_said_has_a_vector(planned: dict[str, Planned]) -> None:
    path = ROOT / "data/word_vectors/explosion-vectors-300d-subset.bin"
    vectors = KeyedVectors.load_word2vec_format(str(path), binary=True)
    possible = lexicon.words(lexicon.TRAIN) | lexicon.words(lexicon.TEST) | {"an", *COLORS}
    assert sorted(word for word in possible if word not in vectors) == []
    for drafts in planned.values():
        for text in texts_of(drafts):
            assert 3 <= len(text.split()) <= 14, text
            assert set(text.lower().split()) <= possible, text


def test_test_wordings_never_occur_in_training(planned: dict[str, Planned]) -> None:
    for style, templates in lexicon.TRAIN.templates.items():
        assert len(templates) >= 8 and len(lexicon.TEST.templates[style]) >= 8, style
        assert not set(templates) & set(lexicon.TEST.templates[style]), style
    used = {
        split: {sentence.template for _, sentences in drafts for sentence in sentences}
        for split, drafts in planned.items()
    }
    assert not used["train"] & used["test"]
    lowered = {split: {text.lower() for text in texts_of(d)} for split, d in planned.items()}
    assert not lowered["train"] & lowered["test"]
    common = set.intersection(
        *({w for t in texts for w in t.split()} for texts in lowered.values())
    )
    assert {"left", "right", "man", "dog", "ball", *COLORS} <= common


def test_the_files_follow_the_layout_of_a2d(root: Path) -> None:
    with (root / "Release" / "videoset.csv").open(newline="") as file:
        videos = list(csv.reader(file))
    assert Counter(video[8] for video in videos) == {"0": 3, "1": 2}
    cues = rows_of(root / "text_annotations" / "cues.csv")
    for video in videos:
        name, height, width, count, annotated = video[0], *map(int, video[4:8])
        frames = decode(root / "Release" / "clips320H" / f"{name}.mp4")
        assert frames.shape == (count, height, width, 3)
        files = sorted((root / "text_annotations" / toy.MASKS / name).iterdir())
        assert len(files) == annotated == 1
        middle = int(files[0].stem)  # counted from 1
        assert abs(middle - (count + 1) / 2) <= 0.5
        first = next(row for row in cues if row["video_id"] == name)
        assert int(video[1]) == label(first["actor"], first["action"])
        masks = masks_of(root, name)
        assert masks.shape[2:] == (height, width) and (masks.sum((2, 3)) >= 40).all()


def test_the_mask_files_have_the_structure_of_the_real_ones(root: Path, shared: Path) -> None:
    def structure(folder: Path) -> dict[str, tuple[str, int]]:
        path = sorted((folder / "text_annotations" / toy.MASKS).glob("*/*.h5"))[0]
        with h5py.File(path) as file:
            found = {key: (str(value.dtype), value.ndim) for key, value in file.items()}
            instances, boxes, masks = (file[k][()] for k in ("instance", "reBBox", "reMask"))
        assert masks.shape[0] == boxes.shape[1] == len(instances) > 1 and boxes.shape[0] == 4
        assert instances[0] == 0 and masks.max() == 1
        for mask, (left, top, right, bottom) in zip(masks, boxes.T, strict=True):
            columns, rows = np.nonzero(mask)  # axes are reversed: [W,H]
            assert abs(columns.min() - left) <= 1 and abs(columns.max() - right) <= 1
            assert abs(rows.min() - top) <= 1 and abs(rows.max() - bottom) <= 1
        return found

    real = shared / "real_pairs"
    if not real.is_dir():
        pytest.skip(f"no sample of the real layout at {real}")
    assert structure(root) == structure(real)
    for name in ("a2d_annotation.txt", "a2d_missed_videos.txt"):
        ours, theirs = ((f / "text_annotations" / name).read_text() for f in (root, real))
        assert ours.splitlines()[:1] == theirs.splitlines()[:1]


def test_a_single_mask_loses_its_first_axis_as_in_matlab(tmp_path: Path) -> None:
    masks = np.zeros((1, 6, 8), bool)
    masks[0, 2, 3:5] = True
    write_annotation(tmp_path / "00001.h5", masks)
    with h5py.File(tmp_path / "00001.h5") as file:
        assert file["reMask"].shape == (8, 6) and file["instance"].shape == (1,)
        assert file["reBBox"][()].tolist() == [[3.0], [2.0], [4.0], [2.0]]


def test_equal_frames_give_equal_clips(tmp_path: Path) -> None:
    frames = toy.render_scene(seed=5, split="test", index=0).frames
    clips = []
    for number in range(6):
        write_mp4(tmp_path / "clip.mp4", frames, rate=24)
        clips.append((tmp_path / "clip.mp4").read_bytes())
        np.full(10_000 * (number + 1), number, np.uint8)  # stirs the memory that x264 gets next
    assert len(set(clips)) == 1


def test_generation_is_reproducible_with_any_number_of_processes(
    root: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    generate_a2d_like(again, **SIZES, seed=5, workers=2, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["again"], "a temporary folder stayed"
    files = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    assert files == {path.relative_to(again) for path in again.rglob("*") if path.is_file()}
    for file in files:
        if file.suffix == ".mp4":
            assert (decode(root / file) == decode(again / file)).all(), file
        else:
            assert (root / file).read_bytes() == (again / file).read_bytes(), file


def test_a_finished_folder_is_kept_and_any_other_is_refused(root: Path, tmp_path: Path) -> None:
    def generate(folder: Path, **changes: int) -> None:
        generate_a2d_like(folder, **(SIZES | {"seed": 5} | changes), progress=False)

    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    generate(root)
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    with pytest.raises(DataError, match=f"{root.name}.*seed.*delete the folder"):
        generate(root, seed=6)
    with pytest.raises(ConfigError, match="0 training"):
        generate(root, train_videos=0, test_videos=0)
    (tmp_path / "notes.txt").write_text("not a benchmark")
    with pytest.raises(DataError, match=r"dataset\.json"):
        generate(tmp_path)


def test_a_changed_annotation_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "a2d"
    sizes = {"train_videos": 1, "test_videos": 0}
    generate_a2d_like(folder, **sizes, seed=0, progress=False)
    record = json.loads((folder / "dataset.json").read_text())
    assert record["annotations_sha256"] == annotations_sha256(folder, toy.ANNOTATIONS)
    with (folder / "text_annotations" / "a2d_annotation.txt").open("a") as file:
        file.write("toytrain00000,0,another sentence\n")
    with pytest.raises(DataError, match="changed since"):
        generate_a2d_like(folder, **sizes, seed=0, progress=False)


def test_an_interrupted_generation_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(job: toy.Job) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(toy, "_make_video", stop)
    with pytest.raises(KeyboardInterrupt):
        generate_a2d_like(tmp_path / "a2d", **SIZES, seed=5, workers=1, progress=False)
    assert list(tmp_path.iterdir()) == []
