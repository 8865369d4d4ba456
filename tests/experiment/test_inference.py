"""From a run's files to masks: the `Segmenter`, its agreement with the evaluation, its errors."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from helpers import jobs
from helpers.footage import turn, write_video
from PIL import Image
from safetensors.torch import load_file, save_file

import acga_lib
from acga_lib.clip import Letterbox
from acga_lib.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    QueryError,
    StorageError,
)
from acga_lib.experiment import limits, pipeline
from acga_lib.experiment.inference import load_run, predictions
from acga_lib.experiment.results import evaluate
from acga_lib.files.video import read_frames
from acga_lib.hashes import file_hash
from acga_lib.profiles import PROFILES
from acga_lib.segmenter import Segmenter


@pytest.fixture(scope="module")
def run(toy_root, toy_trunk, toy_features, tmp_path_factory):
    """-> (path of the record of a short run, its record, its data)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROFILES, "tiny", jobs.tiny_profile(toy_trunk))
        folder = tmp_path_factory.mktemp("results")
        patch.setattr(pipeline, "FEATURES", toy_features)
        patch.setattr(pipeline, "RUNS", folder / "runs")
        patch.setattr(pipeline, "WORK", folder / "work")
        config = jobs.run_of(toy_root, toy_trunk)
        data = pipeline.prepare(config, progress=False)
        _, record = pipeline.train_or_load(config, data, progress=False)
        assert not list((folder / "work").rglob("*.pt"))
        assert {path.suffix for path in (folder / "runs").iterdir()} == {".json", ".safetensors"}
        yield folder / "runs" / f"{config.run_id}.json", record, data


@pytest.fixture(scope="module")
def segmenter(run):
    return acga_lib.Segmenter.from_run(run[0])


@pytest.fixture
def copy(run, tmp_path):
    """The run's files in a folder of their own, where a test may break them."""
    for path in run[0].parent.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path / run[0].name


def test_sentences_about_one_clip_are_answered_as_one_by_one(run, segmenter):
    sample, queries = run[2].test.samples[0], ["a red car", "the dog on the left", "jumping"]
    clip = segmenter.clip(sample.video_path, frame=4)
    for one in (clip.segment_each(queries), [clip.segment(query) for query in queries]):
        for found, query in zip(one, queries, strict=True):
            alone = segmenter.segment(sample.video_path, query, frame=4)
            assert found.query == query and np.array_equal(found.frame, alone.frame)
            np.testing.assert_allclose(found.response, alone.response, atol=1e-5)
            np.testing.assert_allclose(found.word_attention, alone.word_attention, atol=1e-5)
            np.testing.assert_allclose(found.context_attention, alone.context_attention, atol=1e-5)
    with pytest.raises(QueryError):
        clip.segment("")


def test_a_segmentation_has_the_frame_its_mask_and_both_maps(run, segmenter):
    sample = run[2].test.samples[0]
    found = segmenter.segment(sample.video_path, "A red zzyzx, jumping", frame=3)
    size = (sample.height, sample.width)
    frames = read_frames(sample.video_path)
    assert np.array_equal(found.frame, frames[2])  # counted from 1
    assert found.tokens == ("a", "red", "zzyzx", "jumping") and found.unknown == ("zzyzx",)
    assert found.mask.shape == found.response.shape == size and found.mask.dtype == bool
    assert np.array_equal(found.mask, found.response > found.response.max() / 2)
    assert found.word_attention.shape == (4, *size)
    assert found.word_attention.sum(axis=0).min() > 0 and found.word_attention.sum(0).max() < 1
    assert found.context_attention.shape == size and (found.context_attention >= 0).all()
    assert found.overlay().shape == (*size, 3)
    assert np.array_equal(found.overlay()[~found.mask], found.frame[~found.mask])
    middle = segmenter.segment(sample.video_path, "a red car")
    assert np.array_equal(middle.frame, frames[len(frames) // 2])


def test_a_pixel_shows_the_context_of_its_own_cell_of_the_square(run, segmenter):
    """With margins above and below: a wide frame lies in the middle rows of the square."""
    found = segmenter.segment(np.full((1, 32, 64, 3), 90, np.uint8), "a red car")
    count = len(found.cell_attention)
    np.testing.assert_allclose(found.cell_attention.sum(axis=1), 1, atol=1e-4)
    own = replace(found, cell_attention=np.eye(count, dtype=np.float32))  # each looks at itself
    for row, column in ((0, 0), (31, 63), (9, 40), (20, 5)):
        gathered = own.context_of(row, column)
        assert gathered.shape == (32, 64) and gathered[row, column] > 0.5
        assert not gathered[(row + 16) % 32, (column + 32) % 64]
    assert replace(found, cell_attention=None).context_of(0, 0) is None


@pytest.mark.parametrize("frame", [1, 5, None, 20])  # at the edges and in the middle
def test_frames_in_memory_and_in_a_folder_give_what_their_file_gives(
    run, segmenter, tmp_path, frame
):
    path = run[2].test.samples[0].video_path
    frames = read_frames(path)
    for index, pixels in enumerate(frames):
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    one = segmenter.segment(path, "a red car", frame=frame)
    assert np.array_equal(one.frame, frames[len(frames) // 2 if frame is None else frame - 1])
    for same in (frames, list(frames), torch.from_numpy(frames), frames / 255, tmp_path):
        other = segmenter.segment(same, "a red car", frame=frame)
        assert np.array_equal(one.response, other.response)


def test_a_video_taken_sideways_is_segmented_upright(run, segmenter, tmp_path):
    stored = write_video(tmp_path / "stored.mp4")
    upright = np.rot90(read_frames(stored), -1, axes=(1, 2))
    found = segmenter.segment(turn(stored, 90), "a red car", frame=5)
    assert np.array_equal(found.frame, upright[4])
    assert found.mask.shape == found.overlay().shape[:2] == (80, 48)
    assert np.array_equal(found.mask, segmenter.segment(upright, "a red car", frame=5).mask)


def test_the_segmenter_answers_as_the_evaluation_does(run, segmenter):
    """One reads the video, the other the feature store, in half precision and other batches."""
    found = list(predictions(segmenter.model, run[2].test, progress=False))
    assert [one.sample for one in found] == list(run[2].test.samples)
    for one in found[::4]:
        sample = one.sample
        again = segmenter.segment(sample.video_path, sample.query, frame=sample.frame)
        np.testing.assert_allclose(again.response, one.response, atol=2e-3)
        assert (again.mask != one.mask).mean() < 0.01
        assert np.array_equal(one.target, sample.mask())
        assert one.score == pytest.approx(one.response[one.mask].mean(), rel=1e-5)
    elsewhere = segmenter.segment(sample.video_path, sample.query, frame=1)
    away, here = (np.abs(x.response - one.response).max() for x in (elsewhere, again))
    assert away > 3 * here


def test_the_record_holds_what_its_weights_score(run, segmenter):
    path, record, data = run
    metrics, _ = evaluate(predictions(segmenter.model, data.test, progress=False))
    assert json.loads(path.read_text())["metrics"] == pytest.approx(metrics)
    assert record["steps"] == 3 * -(-len(data.train) // 4)
    assert record["samples"] == {"train": len(data.train), "test": len(data.test)}


def test_the_record_tells_what_limits_the_run(run, segmenter):
    _, record, data = run
    told, samples = record["limits"], data.test.samples
    for one, (part, scored) in {
        "test": (data.test, range(len(samples))),
        "train": (data.train, limits.spread(len(data.train), len(samples))),
    }.items():
        masks = {(s.video_id, s.frame, s.instance): s.mask() for s in part.samples}
        right, chances = [], []
        for found in predictions(segmenter.model, part, only=scored, progress=False):
            frame = {key[2]: mask for key, mask in masks.items()
                     if key[:2] == (found.sample.video_id, found.sample.frame)}  # fmt: skip
            shared = {instance: (found.mask & mask).sum() for instance, mask in frame.items()}
            meant = shared.pop(found.sample.instance)
            right.append(meant > max(shared.values(), default=0))
            chances.append(1 / len(frame))
        assert told[one]["samples"] == len(right) == len(scored)
        assert told[one]["right"] == pytest.approx(np.mean(right))
        assert told[one]["chance"] == pytest.approx(np.mean(chances))
    for by in ("cue", "size"):
        parts = told["test"][by].values()
        assert sum(part["samples"] for part in parts) == len(samples)
        counted = sum(part["right"] * part["samples"] for part in parts)
        assert counted == pytest.approx(told["test"]["right"] * len(samples))


def test_the_authors_scoring_thresholds_on_the_square_and_round_trips_the_truth(run, segmenter):
    data = run[2].test
    original = list(predictions(segmenter.model, data, progress=False))
    authors = list(predictions(segmenter.model, data, scoring="authors", progress=False))
    pairs = list(zip(authors, original, strict=True))
    assert any(not np.array_equal(a.target, o.target) for a, o in pairs)
    for index in range(0, len(data), 5):
        sample, one = data.samples[index], authors[index]
        with torch.no_grad():
            square = segmenter.model(*(part[None] for part in data[index][:2])).large.sigmoid()
        # One of the two squares was computed in another batch.
        assert (back((square > square.max() / 2)[0], sample) != one.mask).mean() < 2e-3
        box = Letterbox(
            height=sample.height, width=sample.width, side=segmenter.extractors[0][0].side
        )
        # Averaging, the kit's own way to the square differs along outlines.
        truth = torch.from_numpy(box.mask(sample.mask()))
        assert (back(truth, sample) != one.target).mean() < 5e-3
    with pytest.raises(ConfigError, match="original, authors"):
        next(predictions(segmenter.model, data, scoring="mine", progress=False))


def back(square, sample):
    """The authors' way: the whole square to the longer side in 8 bits, then the centre."""
    longer = max(sample.height, sample.width)
    whole = cv2.resize(square.numpy().astype(np.uint8), (longer, longer))
    top, left = (longer - sample.height) // 2, (longer - sample.width) // 2
    return whole[top : top + sample.height, left : left + sample.width] == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [("", "no word"), (" ... ", "no word"), ("zzyzx qwrtp", "zzyzx"), ("a " * 21, "21 words")],
)
def test_a_query_that_says_nothing_is_a_query_error(run, segmenter, query, message):
    with pytest.raises(QueryError, match=message):
        segmenter.segment(run[2].test.samples[0].video_path, query)


@pytest.mark.parametrize("query", [None, 3, b"a car", ["a", "car"]])
def test_a_query_that_is_no_text_is_a_query_error(run, segmenter, query):
    with pytest.raises(QueryError, match="is no text"):
        segmenter.segment(run[2].test.samples[0].video_path, query)


@pytest.mark.parametrize("frame", [0, -1, 1000])
def test_a_frame_outside_the_video_is_named_with_its_video(run, segmenter, frame):
    path = run[2].test.samples[0].video_path
    with pytest.raises(DataError, match=rf"{path.name}.*frame {frame} is outside"):
        segmenter.segment(path, "a red car", frame=frame)


def test_a_video_that_cannot_be_read_is_named(segmenter, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("absent.mp4", "text.mp4"):
        with pytest.raises(DataError, match=name):
            segmenter.segment(tmp_path / name, "a red car")
    for frames in (np.zeros((4, 8, 8), np.uint8), np.full((4, 8, 8, 3), -0.5, np.float32)):
        with pytest.raises(DataError, match=r"uint8 \[T, H, W, 3\]"):
            segmenter.segment(frames, "a red car")


def test_missing_or_damaged_files_of_a_run_are_named(copy):
    weights = copy.with_suffix(".safetensors")
    whole, record = weights.read_bytes(), json.loads(copy.read_text())
    weights.write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match=rf"{weights.name}: damaged"):
        Segmenter.from_run(copy)
    state = load_file(save(weights, whole))
    save(weights, whole[:-1] + bytes([whole[-1] ^ 1]))  # one bit
    with pytest.raises(CheckpointError, match=rf"{weights.name}: damaged, or not the weights"):
        Segmenter.from_run(copy)
    save_file({k: v for k, v in state.items() if "fusion" not in k}, weights)
    copy.write_text(json.dumps(record | {"weights": file_hash(weights)}))
    with pytest.raises(CheckpointError, match=rf"{weights.name}.*of another network"):
        Segmenter.from_run(copy)
    weights.unlink()
    with pytest.raises(CheckpointError, match=rf"{weights.name}.*04_train"):
        Segmenter.from_run(copy)
    record["config"]["run"]["method"] = "unheard of"
    for text in ("{", "[]", "{}", json.dumps(record)):
        copy.write_text(text)
        with pytest.raises(CheckpointError, match=rf"{copy.name}: not a readable run record"):
            load_run(copy)
    with pytest.raises(CheckpointError, match=r"absent\.json"):
        Segmenter.from_run(copy.with_name("absent.json"))


def save(path, content):
    path.write_bytes(content)
    return path


def test_a_run_is_not_continued_with_another_trunk(run, copy, toy_trunk, tmp_path):
    weights = load_file(toy_trunk)
    weights["mixed_3b.branch_0.conv3d.weight"] *= 2
    save_file(weights, tmp_path / "other.safetensors")
    record = json.loads(copy.read_text())
    record["config"]["profile"]["trunk"] = str(tmp_path / "other.safetensors")
    copy.write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match=r"another network than .*other\.safetensors"):
        Segmenter.from_run(copy)


def test_a_finished_run_is_loaded_and_one_of_other_data_is_not(run, copy, monkeypatch):
    path, record, data = run
    config = jobs.run_of(data.train.samples[0].video_path.parents[2], path)
    monkeypatch.setattr(pipeline, "RUNS", copy.parent)
    monkeypatch.setattr(pipeline, "train", lambda *_, **__: pytest.fail("was trained again"))
    assert pipeline.train_or_load(config, data, progress=False)[1] == json.loads(copy.read_text())
    for part in ("features", "data", "config"):
        copy.write_text(json.dumps(record | {part: {}}))
        with pytest.raises((CheckpointError, pytest.fail.Exception)):
            pipeline.train_or_load(config, data, progress=False)


def test_colleagues_may_read_weights_as_they_may_read_records(run):
    rights = [run[0].with_suffix(kind).stat().st_mode for kind in (".json", ".safetensors")]
    assert rights[0] == rights[1]


@pytest.fixture
def finished(run, copy, tmp_path, monkeypatch):
    """The configuration of the copied run, which must not be trained again."""
    monkeypatch.setattr(pipeline, "RUNS", copy.parent)
    monkeypatch.setattr(pipeline, "WORK", tmp_path / "work")
    monkeypatch.setattr(pipeline, "train", lambda *_, **__: pytest.fail("was trained again"))
    return jobs.run_of(run[2].train.samples[0].video_path.parents[2], run[0])


def test_a_run_killed_between_its_record_and_the_clean_up_leaves_nothing_after_the_next(
    run, copy, finished, tmp_path
):
    _, record, data = run
    left = tmp_path / "work" / finished.run_id / "checkpoint.pt"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of the killed run")
    assert pipeline.train_or_load(finished, data, progress=False)[1] == record
    assert not left.exists()


def test_a_record_that_a_failed_job_took_along_is_put_back_if_it_still_fits(
    run, copy, finished, tmp_path
):
    _, record, data = run
    kept = tmp_path / "work" / finished.run_id
    shutil.copytree(run[0].parents[1] / "work" / finished.run_id, kept)
    copy.unlink()
    assert pipeline.train_or_load(finished, data, progress=False)[1] == record
    assert json.loads(copy.read_text()) == record
    copy.unlink()
    (kept / copy.name).write_text(json.dumps(record | {"data": {}}))
    with pytest.raises(pytest.fail.Exception, match="was trained again"):
        pipeline.train_or_load(finished, data, progress=False)
    assert not copy.exists()


def test_a_finished_run_is_loaded_where_nobody_may_write(run, copy, tmp_path, monkeypatch):
    path, record, data = run
    config = jobs.run_of(data.train.samples[0].video_path.parents[2], path)
    monkeypatch.setattr(pipeline, "RUNS", copy.parent)
    (tmp_path / "closed").touch()  # no folder can be made in a file, whoever asks
    monkeypatch.setattr(pipeline, "WORK", tmp_path / "closed")
    assert pipeline.train_or_load(config, data, progress=False)[1] == record
    copy.unlink()
    with pytest.raises(StorageError, match="cannot be locked"):
        pipeline.train_or_load(config, data, progress=False)


@pytest.mark.parametrize("text", ["[]", "3", "[" * 10**5, "\udcff", '{"config": {"run": []}}'])
def test_a_record_of_another_type_is_no_run(copy, text):
    copy.write_text(text, errors="surrogateescape")
    with pytest.raises(CheckpointError, match=f"{copy.name}: not a readable run record"):
        load_run(copy)
