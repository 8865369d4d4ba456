"""A run on other data: measured where its weights are, read where only its record is."""

import json

import pytest
from helpers import jobs

from acga_lib.errors import CheckpointError
from acga_lib.experiment import pipeline
from acga_lib.profiles import PROFILES
from acga_lib.studies import evaluation


@pytest.fixture(scope="module")
def trained(toy_root, toy_trunk, toy_features, tmp_path_factory):
    """-> (a trained run, samples, the folder of its files)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROFILES, "tiny", jobs.tiny_profile(toy_trunk))
        folder = tmp_path_factory.mktemp("results")
        patch.setattr(pipeline, "FEATURES", toy_features)
        patch.setattr(pipeline, "RUNS", folder)
        patch.setattr(pipeline, "WORK", folder / "work")
        patch.setattr(evaluation, "RUNS", folder)
        config = jobs.run_of(toy_root, toy_trunk, method="baseline")
        pipeline.train_or_load(config, pipeline.prepare(config, progress=False), progress=False)
        yield config, jobs.samples(toy_root, ("train",)), folder


@pytest.fixture
def transfer(trained, tmp_path, monkeypatch):
    """Measure the run; its record goes to a folder of the test -> the record."""
    config, samples, _ = trained
    monkeypatch.setattr(evaluation, "TRANSFER", tmp_path)

    def measure(tested_on: str = "elsewhere") -> dict:
        return evaluation.transfer_or_load(config, samples, tested_on=tested_on, progress=False)

    return measure


@pytest.fixture
def without_weights(trained):
    """Call it to take the weights away; they come back after the test."""
    weights = next(trained[2].glob("*.safetensors"))
    hidden = weights.with_suffix(".hidden")
    yield lambda: weights.rename(hidden)
    if hidden.exists():
        hidden.rename(weights)


def test_the_record_is_the_runs_but_for_what_was_measured(trained, transfer):
    config, samples, folder = trained
    run, found = json.loads((folder / f"{config.run_id}.json").read_text()), transfer()
    assert {key for key in found if found[key] != run.get(key)} <= set(evaluation.MEASURED)
    assert set(found) - set(run) == {"tested_on", "made_from"}
    assert found["samples"]["test"] == len(samples) != run["samples"]["test"]
    assert found["metrics"] != run["metrics"] and found["data"]["test"] != run["data"]["test"]


def test_data_that_are_called_otherwise_now_keep_what_was_measured(transfer, monkeypatch):
    measured = transfer()
    monkeypatch.setattr(evaluation, "predictions", lambda *_, **__: pytest.fail("measured again"))
    assert transfer("another name") == measured | {"tested_on": "another name"}


def test_without_weights_the_kept_record_answers(transfer, without_weights):
    measured = transfer()
    without_weights()
    assert transfer() == measured
    with pytest.raises(CheckpointError, match="weights of this run are not here"):
        transfer("yet another place")


def test_what_was_measured_of_these_weights_and_clips_needs_no_features(
    transfer, monkeypatch, tmp_path
):
    measured = transfer()
    monkeypatch.setattr(pipeline, "FEATURES", tmp_path / "none")
    assert transfer() == measured and not (tmp_path / "none").exists()


def test_a_run_made_anew_with_the_same_weights_keeps_what_was_measured_of_them(
    trained, transfer, without_weights
):
    measured, path = transfer(), trained[2] / f"{trained[0].run_id}.json"
    run = path.read_text()
    path.write_text(json.dumps(json.loads(run) | {"seconds": 1e6}))
    try:
        assert transfer() == measured | {"seconds": 1e6}
        without_weights()
        assert transfer() == measured | {"seconds": 1e6}
    finally:
        path.write_text(run)


def test_without_weights_a_record_of_another_training_does_not_answer(
    trained, transfer, without_weights, tmp_path
):
    measured = transfer()
    without_weights()
    path = tmp_path / f"{trained[0].run_id}.json"
    for changed in ({"made_from": {"weights": "0"}}, {"data": {"train": "0", "test": "0"}}):
        path.write_text(json.dumps(measured | changed))
        with pytest.raises(CheckpointError):
            transfer()
    path.unlink()
    with pytest.raises(CheckpointError):
        transfer()
