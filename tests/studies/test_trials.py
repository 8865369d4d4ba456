"""Trials of settings: as many for each method, on held-out training videos, resumed and kept."""

import json

import pytest
import torch
from helpers import jobs

from acga_lib.config import RunConfig
from acga_lib.experiment import pipeline
from acga_lib.methods import METHODS
from acga_lib.profiles import PROFILES
from acga_lib.studies import trials

STEPS = 3


@pytest.fixture
def folders(tiny, toy_root, toy_features, tmp_path, monkeypatch):
    """Trials of the profile "tiny" on the tests' benchmark, whose test split nobody may open."""
    opened = pipeline.open_dataset

    def training_alone(*arguments, split, **named):
        assert split != "test", "a trial opened the test split"
        return opened(*arguments, split=split, **named)

    PROFILES["tiny"] = tiny.changed(train_videos=8, test_videos=4, held_out=0.125, train_trunk=True)
    monkeypatch.setattr(pipeline, "open_dataset", training_alone)
    monkeypatch.setattr(RunConfig, "embedded", lambda self, layout: toy_root)
    monkeypatch.setattr(pipeline, "FEATURES", toy_features)
    monkeypatch.setattr(pipeline, "WORK", tmp_path / "work")
    monkeypatch.setattr(trials, "RECORD", tmp_path / "trials.json")
    return tmp_path


def command(*methods, status=0):
    given = ["--profile", "tiny", "--steps", str(STEPS), "--methods", *methods]
    assert trials.main(given) == status


def test_every_method_has_the_same_trials_and_each_is_made_once(folders, monkeypatch):
    monkeypatch.setattr(trials, "TRIALS", trials.TRIALS[:2])
    command("baseline", "gavrilyuk")
    kept = (folders / "trials.json").read_bytes()
    found = [(one["method"], one["trial"]["name"]) for one in json.loads(kept)]
    names = [trial.name for trial in trials.TRIALS]
    assert sorted(found) == [(m, n) for m in ("baseline", "gavrilyuk") for n in sorted(names)]
    monkeypatch.setattr(trials, "make", lambda *_, **__: pytest.fail("made again"))
    command("baseline", "gavrilyuk")
    assert (folders / "trials.json").read_bytes() == kept


def test_a_trial_that_was_stopped_ends_with_the_same_score(folders, monkeypatch):
    run = trials.TrialRun(method="baseline", profile="tiny", trial=trials.TRIALS[-1], steps=STEPS)
    step, calls = torch.optim.Adam.step, iter(range(1, 100))

    def stopping(*arguments, **named):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return step(*arguments, **named)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(torch.optim.Adam, "step", stopping)
        trials.make(run)
    resumed = trials.make(run)
    monkeypatch.setattr(pipeline, "WORK", folders / "elsewhere")
    straight = trials.make(run)
    assert {**resumed, "seconds": 0} == {**straight, "seconds": 0}
    assert 0 <= straight["mean_iou"] <= 1 and straight["samples"] > 0


def test_a_trial_changes_what_it_says_and_sees_as_many_samples(folders, monkeypatch):
    used, plain = [], RunConfig(method="baseline", profile="tiny")
    monkeypatch.setattr(trials, "train", lambda run, model, data, **_: used.append((run, data)))
    for trial in trials.TRIALS:
        run = trials.TrialRun(method="baseline", profile="tiny", trial=trial, steps=STEPS)
        trials._trained(run, device="cpu")
        (run, data), training = used.pop(), plain.scale.training
        assert len(data) * run.scale.training.epochs == STEPS * training.batch_size
        assert run.scale.training.train_trunk != trial.keep_trunk
        assert run.stages[0].learning_rate == plain.stages[0].learning_rate * trial.rate
    changes = {(trial.rate, trial.keep_trunk) for trial in trials.TRIALS}
    assert len(changes) == len({trial.name for trial in trials.TRIALS}) == len(trials.TRIALS)
    assert (1.0, False) in changes


def test_the_table_tells_a_gain_from_its_error_sentence_by_sentence():
    def record(method, trial, ious):
        return {"method": method, "steps": 9, "trial": {"name": trial}, "ious": ious}

    table = trials.overview([
        record("acga", "as it is", [0.2, 0.6, 0.1]),
        record("acga", "twice the rate", [0.3, 0.7, 0.5]),
        record("hu", "as it is", [0.5, 0.5, 0.5]),
    ])  # fmt: skip
    assert list(table.index) == [("hu", 9), ("acga", 9)]  # the order of the paper's tables
    assert list(table.loc[("acga", 9)]) == ["30.0", "50.0 (+20.0 ± 10.0)", "–"]


def test_what_cannot_be_tried_is_named(folders, capsys):
    command("acga_two_stream", status=1)
    assert "unknown trained method 'acga_two_stream'" in capsys.readouterr().err
    PROFILES["tiny"] = PROFILES["tiny"].changed(held_out=0.0)
    command("acga", status=1)
    assert "profile 'tiny' holds no training video out" in capsys.readouterr().err
    assert set(trials.TRAINED) == {name for name in METHODS if not METHODS[name].streams}


def test_the_held_out_videos_are_those_that_runs_hold_out(folders):
    run = trials.TrialRun(method="baseline", profile="tiny", trial=trials.TRIALS[0], steps=STEPS)
    _, apart = pipeline.open_training(run)
    videos = list(dict.fromkeys(s.video_id for s in jobs.samples(run.root, ("train",))))
    assert {sample.video_id for sample in apart} == {videos[-1]}
