"""Two data folders of one name: no record is overwritten, and nothing is computed in vain."""

import json
import shutil
from dataclasses import replace

import pytest
from helpers import jobs
from helpers.records import invented

from acga_lib.errors import DataError
from acga_lib.experiment import pipeline
from acga_lib.experiment.features import FeatureStore


@pytest.fixture
def folders(toy_root, toy_features, tiny, tmp_path, monkeypatch):
    """Two folders called `mine`, of which the second has another sentence in its test split."""
    monkeypatch.setattr(pipeline, "FEATURES", toy_features)
    monkeypatch.setattr(pipeline, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(pipeline, "WORK", tmp_path / "work")
    for parent in ("one", "two"):
        shutil.copytree(toy_root, tmp_path / parent / "mine")
    return tmp_path / "one" / "mine", tmp_path / "two" / "mine"


def change_a_sentence(root, split):
    """Give a video of the split another sentence."""
    videos = (root / "Release" / "videoset.csv").read_text().splitlines()
    video = next(row.split(",")[0] for row in videos if row.split(",")[-1] == "01"[split == "test"])
    path = root / "text_annotations" / "a2d_annotation.txt"
    lines = path.read_text().splitlines()
    number = next(i for i, line in enumerate(lines) if line.startswith(video))
    lines[number] = ",".join([*lines[number].split(",")[:2], "a dog is rolling"])
    path.write_text("\n".join(lines) + "\n")


def keep_a_record(config, runs, **changed):
    """A record as a run on the configuration's data leaves it."""
    data = pipeline.prepare(config, progress=False)
    record = invented(config, 0.5) | {
        "samples": {"train": len(data.train), "test": len(data.test)},
        "data": {"train": data.train.fingerprint, "test": data.test.fingerprint},
    }
    runs.mkdir()
    path = runs / f"{config.run_id}.json"
    path.write_text(json.dumps(record | changed))
    return path


@pytest.mark.parametrize("split", ["test", "train"])
def test_a_folder_of_a_name_that_is_taken_is_refused_before_anything_is_computed(
    folders, toy_trunk, tmp_path, monkeypatch, split
):
    one, two = (jobs.run_of(root, toy_trunk) for root in folders)
    change_a_sentence(folders[1], split)
    path = keep_a_record(one, tmp_path / "runs")
    before = path.read_bytes()
    monkeypatch.setattr(FeatureStore, "extract", lambda *_, **__: pytest.fail("computed"))
    remedy = rf"{path}.*{split} data.*both are called 'mine'.*Rename"
    with pytest.raises(DataError, match=remedy):
        pipeline.prepare(two, progress=False)
    if split == "test":  # another method and seed would share its tables
        with pytest.raises(DataError, match=remedy):
            pipeline.prepare(replace(two, method="mrf", seed=1), progress=False)
    assert path.read_bytes() == before


def test_the_same_data_elsewhere_are_no_other_data(folders, toy_trunk, tmp_path):
    one, two = (jobs.run_of(root, toy_trunk) for root in folders)
    keep_a_record(one, tmp_path / "runs")
    pipeline.prepare(two, progress=False)
    (tmp_path / "link").symlink_to(folders[1])  # a link has the name of what it leads to
    assert replace(two, data_root=str(tmp_path / "link")).run_id == one.run_id


def test_a_name_that_was_taken_while_a_run_waited_is_refused(folders, toy_trunk, tmp_path):
    one, two = (jobs.run_of(root, toy_trunk) for root in folders)
    change_a_sentence(folders[1], "test")
    waiting = pipeline.prepare(two, progress=False)
    keep_a_record(one, tmp_path / "runs")
    with pytest.raises(DataError, match="both are called 'mine'"):
        pipeline.train_or_load(two, waiting, progress=False)
