"""What limits a run: the held-out videos, the learning curve, and results by cue and size."""

from collections import Counter

import pandas as pd
import pytest
import torch
from helpers import jobs

from acga_lib.experiment import limits, pipeline
from acga_lib.experiment.features import FeatureStore
from acga_lib.experiment.training import build_model, train
from acga_lib.profiles import PROFILES

STEPS = 12  # three epochs of four batches


@pytest.fixture
def config(tiny, toy_root, toy_trunk, toy_features, tmp_path, monkeypatch):
    """A run whose BatchNorm estimates statistics, so that a wrong mode would show in its bits."""
    PROFILES["tiny"] = tiny.changed(held_out=0.125, train_trunk=True)
    for name, folder in (("FEATURES", toy_features), ("RUNS", tmp_path), ("WORK", tmp_path)):
        monkeypatch.setattr(pipeline, name, folder)
    return jobs.run_of(toy_root, toy_trunk)


@pytest.fixture
def trained(config, toy_trunk):
    """Train on some samples of the prepared data from where a work folder stands."""
    data = pipeline.prepare(config, progress=False)
    few = data.inputs.tensors(data.train.samples[:16])

    def run(work, held_out=data.held_out):
        model = build_model(config, trunk=toy_trunk, trained={})
        state = train(
            config, model, few, work=work, held_out=held_out, checkpoint_every=5, progress=False
        )
        assert state.step == STEPS
        return model.state_dict(), state

    return run


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def test_the_last_videos_are_held_out_and_every_sample_is_on_one_side(toy_root):
    samples = jobs.samples(toy_root, ("train",))
    videos = list(dict.fromkeys(sample.video_id for sample in samples))
    for share, count in ((0.0, 0), (0.01, 1), (0.25, 2), (0.5, 4), (1.0, 7)):
        kept, apart = limits.held_out(samples, share)
        assert {s.video_id for s in apart} == set(videos[len(videos) - count :])
        assert Counter([*kept, *apart]) == Counter(samples)
        assert not {s.video_id for s in kept} & {s.video_id for s in apart}


def test_nothing_is_trained_on_a_held_out_video(config, monkeypatch):
    read, get = [], FeatureStore.get

    def noting(self, sample):
        read.append((torch.is_inference_mode_enabled(), sample.video_id))
        return get(self, sample)

    monkeypatch.setattr(FeatureStore, "get", noting)
    data = pipeline.prepare(config, progress=False)
    _, record = pipeline.train_or_load(config, data, progress=False)
    apart = {sample.video_id for sample in data.held_out.samples}
    learned = {video for scored, video in read if not scored}
    assert apart and apart <= {video for scored, video in read if scored}
    assert learned == {sample.video_id for sample in data.train.samples}
    assert not learned & apart
    told = record["limits"]["held_out"]
    assert (told["videos"], told["samples"]) == (len(apart), len(data.held_out))
    assert [point["step"] for point in told["curve"]][-1] == record["steps"]


def test_measuring_the_curve_leaves_no_trace_in_the_training(trained, tmp_path):
    measured, state = trained(tmp_path / "measured")
    plain, without = trained(tmp_path / "plain", held_out=None)
    assert same(measured, plain) and state.losses == without.losses
    assert len(state.curve) == limits.CURVE_POINTS and without.curve == []


def test_a_run_stopped_anywhere_ends_with_the_same_curve(trained, tmp_path, monkeypatch):
    weights, whole = trained(tmp_path / "whole")
    step = torch.optim.Adam.step
    for stop in (2, 5, 6, 11):  # before a checkpoint, at one, between it and the next point
        calls = iter(range(1, 100))

        def stopping(*arguments, at=stop, calls=calls, **named):
            if next(calls) == at:
                raise KeyboardInterrupt
            return step(*arguments, **named)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(torch.optim.Adam, "step", stopping)
            trained(tmp_path / str(stop))
        again, resumed = trained(tmp_path / str(stop))
        assert resumed.curve == whole.curve and same(again, weights)


def test_sizes_are_counted_in_cells_of_the_trunk():
    side = 64  # 4 x 4 cells of 16 pixels
    samples = pd.DataFrame({
        "area": [3.9 / 16, 4 / 16, 7.9 / 16, 16 / 16], "right": [True, True, False, False],
        "iou": [0.5, 0.7, 0.1, 0.2], "instances": [1, 2, 4, 4], "cue": [None] * 4,
    })  # fmt: skip
    found = limits.by_size(samples, side=side)
    assert {size: part["samples"] for size, part in found.items()} == {
        "under 4": 1, "4 to 8": 2, "16 to 32": 1,
    }  # fmt: skip
    assert found["4 to 8"] == {"right": 0.5, "chance": 0.375, "iou_when_right": 0.7, "samples": 2}
    assert found["16 to 32"]["iou_when_right"] is None
    assert limits.by_cue(samples) == {}  # real annotations have none


def test_a_part_of_the_samples_is_fixed_and_spread_over_all_of_them():
    assert limits.spread(3, 300) == [0, 1, 2]
    assert limits.spread(1000, 5) == [0, 250, 500, 749, 999]
    assert limits.curve_steps(12) == {2, 4, 6, 8, 10, 12} and limits.curve_steps(1) == {1}
