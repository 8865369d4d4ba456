"""Training: what it is a function of, what survives a kill, and what it refuses."""

import csv
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import jobs
from safetensors.torch import load_file

from acga_lib.config import ROOT, RunConfig
from acga_lib.errors import CheckpointError, TrainingError
from acga_lib.experiment import pipeline, schedule, training
from acga_lib.experiment.execution import PLAIN
from acga_lib.experiment.features import FeatureStore
from acga_lib.experiment.recipes import Recipe
from acga_lib.experiment.schedule import frame_order, sample_order
from acga_lib.experiment.tensors import SampleTensors, shuffled_queries
from acga_lib.i3d import load_i3d
from acga_lib.methods import METHODS
from acga_lib.profiles import PROFILES


@pytest.fixture
def config(tiny, toy_root):
    return partial(RunConfig, method="acga", dataset="a2d", data_root=str(toy_root), profile="tiny")


@pytest.fixture
def data(tiny, toy_root, toy_trunk, toy_features):
    return jobs.tensors(toy_root, toy_trunk, toy_features)


@pytest.fixture(scope="module")
def uninterrupted(toy_root, toy_trunk, toy_features, tmp_path_factory):
    """State dict and losses of the run (acga, seed 0) that nothing interrupted."""
    config = jobs.run_of(toy_root, toy_trunk)
    data = jobs.tensors(toy_root, toy_trunk, toy_features)
    yield jobs.trained(config, data, trunk=toy_trunk, work=tmp_path_factory.mktemp("whole"))
    PROFILES.pop("tiny", None)


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[key], other[key]) for key in one)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(
    config, data, toy_trunk, tmp_path, uninterrupted
):
    again = jobs.trained(config(seed=0), data, trunk=toy_trunk, work=tmp_path / "again")
    other = jobs.trained(config(seed=1), data, trunk=toy_trunk, work=tmp_path / "other")
    assert same(again[0], uninterrupted[0]) and again[1] == uninterrupted[1]
    assert not same(other[0], uninterrupted[0]) and other[1] != uninterrupted[1]


def test_a_run_killed_again_and_again_ends_with_the_bits_of_one_that_was_not(
    job, config, data, toy_root, toy_trunk, toy_features, tmp_path, uninterrupted
):
    arguments = (toy_root, toy_trunk, toy_features, tmp_path, tmp_path / "weights")
    for point, left in (
        ("step:1", set()),  # before there is a checkpoint
        ("step:3", {"checkpoint.pt"}),  # inside an epoch, a step after the first checkpoint
        ("checkpoint:2", {"checkpoint.pt", "checkpoint.tmp"}),  # while one is being written
    ):
        status, out = job("train", *arguments, point)
        assert status == -9, out
        assert {path.name for path in tmp_path.iterdir()} == {"log.csv"} | left
    state, losses = jobs.trained(config(), data, trunk=toy_trunk, work=tmp_path)
    assert losses == uninterrupted[1]
    assert same(state, uninterrupted[0])
    with open(tmp_path / "log.csv") as log:
        rows = list(csv.DictReader(log))
    assert [int(row["step"]) for row in rows] == list(range(len(losses)))  # each step once
    assert [float(row["loss"]) for row in rows] == losses
    assert all(a <= b for a, b in pairwise(float(row["seconds"]) for row in rows))


def test_a_resumed_run_repeats_only_what_its_checkpoint_lacks(
    config, data, toy_trunk, tmp_path, monkeypatch
):
    jobs.trained(config(), data, trunk=toy_trunk, work=tmp_path)
    read = []
    monkeypatch.setattr(SampleTensors, "__getitem__", lambda self, index: read.append(index))
    jobs.trained(config(), data, trunk=toy_trunk, work=tmp_path)
    assert read == []


def test_an_epoch_holds_every_sample_once_in_an_order_of_its_own(config, data, tiny):
    batches = schedule.epoch_batches(config(), data.samples, epoch=1)
    seen = [index for batch in batches for index in batch]
    assert Counter(seen) == Counter(range(len(data)))
    assert seen == frame_order(data.samples, seed=0, epoch=1)
    resumed = list(training._batches(config(), data, PLAIN, epoch=1, skip=2))
    assert [batch for batch, _ in resumed] == batches[2:]
    for batch, [(weight, piece)] in resumed:
        assert weight == 1 and piece.indices == batch
        assert torch.equal(piece.masks, torch.stack([data.mask(i) for i in batch]))
        clips = range(len(batch)) if piece.clips is None else piece.clips
        for features, index in zip(piece.features[clips], batch, strict=True):
            assert torch.equal(features.float(), data[index][0])
    shared = [len(piece.features) < len(batch) for batch, [(_, piece)] in resumed]
    assert any(shared)  # sentences about one clip, side by side, read it once
    orders = {tuple(sample_order(50, seed=s, epoch=e)) for s in range(3) for e in range(3)}
    assert len(orders) == 9


def test_by_frame_the_sentences_of_a_frame_follow_each_other(config, data, tiny):
    order = frame_order(data.samples, seed=0, epoch=0)
    frames = [(data.samples[i].video_id, data.samples[i].frame) for i in order]
    changes = sum(a != b for a, b in pairwise(frames))
    assert changes == len(set(frames)) - 1
    PROFILES["tiny"] = tiny.changed(by_frame=False)  # the paper's order
    batches = schedule.epoch_batches(config(), data.samples, epoch=0)
    seen = [index for batch in batches for index in batch]
    assert seen == sample_order(len(data), seed=0, epoch=0).tolist()


def rates(run, samples):
    """The learning rate of every step of a run on that many samples."""
    return [
        stretch.learning_rate(step, PROFILES[run.profile])
        for stretch in schedule.stretches(run, samples)
        for step in range(stretch.first, stretch.end)
    ]


def test_the_learning_rate_is_the_papers(config):
    """Sec. 4.2: 5e-4, divided by 10 every 8 epochs, at most 12 epochs, batches of 4."""
    paper = PROFILES["paper"]
    assert (paper.training.epochs, paper.training.batch_size) == (12, 4)
    assert (paper.networks.side, paper.networks.frames) == (512, 16)
    run = replace(config(), profile="paper")
    assert rates(run, 400) == pytest.approx([5e-4] * 800 + [5e-5] * 400)


def test_hu_and_li_are_trained_coarse_first_at_their_published_rates(config):
    for method, coarse_steps, expected in (  # of 1200 in all
        ("hu", 750, [0.01] * 250 + [0.001] * 250 + [0.0001] * 250),  # 30k of 48k
        ("li", 655, [1e-3] * 655),  # 30k of 55k
    ):
        run = replace(config(method=method), profile="paper")
        coarse, fine = schedule.stretches(run, 400)
        assert coarse.stage.resolutions == (1, 0, 0) and fine.stage.resolutions == (0, 0, 1)
        assert (coarse.first, coarse.end, fine.end) == (0, coarse_steps, 1200)
        assert rates(run, 400)[:coarse_steps] == pytest.approx(expected)


def test_the_schedule_reaches_the_optimiser(config, data, toy_trunk, tmp_path, monkeypatch):
    used, step = [], torch.optim.Adam.step

    def noting(self, *arguments):
        used.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", noting)
    _, losses = jobs.trained(config(), data, trunk=toy_trunk, work=tmp_path)
    steps = -(-len(data) // 4)
    assert used == pytest.approx([5e-4] * (2 * steps) + [5e-5] * steps)  # 3 epochs, decay after 2
    assert len(losses) == 3 * steps


def test_a_checkpoint_of_another_run_is_refused_by_name(config, data, toy_trunk, tmp_path, tiny):
    jobs.trained(config(), data, trunk=toy_trunk, work=tmp_path)
    for other in (config(seed=1), config(method="mrf")):
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt.*another configuration"):
            jobs.trained(other, data, trunk=toy_trunk, work=tmp_path)
    shuffled = SampleTensors(
        data.samples, store=data.store, vectors=pipeline.WordVectors.load(),
        queries=shuffled_queries(data.samples, seed=0),
    )  # fmt: skip
    with pytest.raises(CheckpointError, match="other data"):
        jobs.trained(config(), shuffled, trunk=toy_trunk, work=tmp_path)
    PROFILES["tiny"] = tiny.changed(sgd_factor=12.0)
    with pytest.raises(CheckpointError, match="another configuration"):
        jobs.trained(config(), data, trunk=toy_trunk, work=tmp_path)


def test_a_damaged_checkpoint_is_refused_by_name(config, data, toy_trunk, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt: damaged.*delete it"):
        jobs.trained(config(), data, trunk=toy_trunk, work=tmp_path)


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_its_checkpoint(
    config, data, toy_trunk, tmp_path, monkeypatch
):
    loss, calls = training.segmentation_loss, iter(range(100))

    def poisoned(*arguments, **named):
        return loss(*arguments, **named) * (float("nan") if next(calls) == 3 else 1)

    monkeypatch.setattr(training, "segmentation_loss", poisoned)
    bad = frame_order(data.samples, seed=0, epoch=0)[12:16]
    with pytest.raises(TrainingError, match="nan at step 3") as raised:
        jobs.trained(config(), data, trunk=toy_trunk, work=tmp_path)
    for index in bad:
        sample = data.samples[index]
        assert f"{sample.video_id} frame {sample.frame} instance {sample.instance}" in str(
            raised.value
        )
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 2  # jobs write one every 2 steps
    assert all(torch.isfinite(value).all() for value in saved["model"].values())


def test_a_trunk_of_another_width_is_refused_by_name(config, tiny, toy_trunk):
    PROFILES["tiny"] = tiny.changed(trunk_width=0.5)
    with pytest.raises(CheckpointError, match=rf"{toy_trunk.name}.*width 0\.25.*needs 0\.5"):
        training.build_model(config(), trunk=toy_trunk, trained={})


def test_training_starts_at_the_trunks_mixed_4f(config, toy_trunk):
    model, weights = (
        training.build_model(config(), trunk=toy_trunk, trained={}),
        load_file(toy_trunk),
    )
    for key, value in model.visual_encoder.mixed_4f.state_dict().items():
        assert torch.equal(value, weights[f"mixed_4f.{key}"])


def test_training_starts_at_what_a_trunk_with_another_epsilon_computes(
    config, toy_trunk, monkeypatch
):
    trunk = load_i3d(toy_trunk, eps=1e-3)
    monkeypatch.setattr(training, "load_i3d", lambda *_, **__: trunk)
    model = training.build_model(config(), trunk=toy_trunk, trained={}).eval()
    features = torch.randn(1, trunk.mixed_4f.branch_0.conv3d.in_channels, 4, 7, 7)
    started = model.visual_encoder.mixed_4f(features)
    torch.testing.assert_close(started, trunk.mixed_4f(features), rtol=1e-5, atol=1e-6)


def test_the_small_profiles_keep_mixed_4f_and_the_papers_trains_it(
    config, data, toy_trunk, tmp_path, tiny
):
    run, weights = config(), load_file(toy_trunk)
    for kept in (True, False):
        PROFILES["tiny"] = tiny.changed(train_trunk=not kept)
        state, _ = jobs.trained(run, data, trunk=toy_trunk, work=tmp_path / str(kept))
        changed = {
            key
            for key, value in state.items()
            if key.startswith("visual_encoder.")
            and not torch.equal(value, weights[key.removeprefix("visual_encoder.")])
        }
        assert bool(changed) != kept
    assert any("running_mean" in key for key in changed)  # estimated with the rest
    assert any(key.endswith("conv3d.weight") for key in changed)


def test_the_control_shuffles_the_training_sentences_alone(config, toy_features, monkeypatch):
    monkeypatch.setattr(pipeline, "FEATURES", toy_features)
    own = pipeline.prepare(config(), progress=False)
    mixed = pipeline.prepare(config(shuffle_queries=True), progress=False)
    assert Counter(own.train.queries) == Counter(mixed.train.queries)
    samples = mixed.train.samples
    assert (
        sum(s.query == q for s, q in zip(samples, mixed.train.queries, strict=True))
        < len(samples) / 2
    )
    assert mixed.test.queries == own.test.queries == [s.query for s in mixed.test.samples]
    assert own.train.fingerprint != mixed.train.fingerprint
    assert config().run_id != config(shuffle_queries=True).run_id


def test_no_sample_of_the_control_keeps_its_own_sentence(toy_root):
    samples = [replace(s, query=str(i)) for i, s in enumerate(jobs.samples(toy_root))]
    for seed in range(20):
        shuffled = shuffled_queries(samples, seed=seed)
        assert sorted(shuffled) == sorted(s.query for s in samples)
        assert all(s.query != q for s, q in zip(samples, shuffled, strict=True))


def test_the_targets_are_the_letterboxed_masks(data, tiny):
    """The letterbox scales a mask's area by (side / longer edge) squared, give or take its edge."""
    for index in range(0, len(data), 5):
        mask, sample = data.mask(index), data.samples[index]
        side = tiny.networks.side
        area = sample.mask().sum() * (side / max(sample.height, sample.width)) ** 2
        assert mask.shape == (side, side) and set(mask.unique().tolist()) == {0.0, 1.0}
        assert mask.sum().item() == pytest.approx(area, rel=0.15, abs=4)


@pytest.fixture(scope="module")
def eight(toy_root, tmp_path_factory):
    """Eight samples at half the size of the small profiles: features, words, masks."""
    profile, weights = (
        PROFILES["quick"].changed(side=112),
        ROOT / "data" / "weights" / PROFILES["quick"].networks.trunk,
    )
    chosen = jobs.samples(toy_root, ("train",))[:16:2]
    store = FeatureStore(tmp_path_factory.mktemp("eight"), Recipe.of(profile, weights))
    store.extract(chosen, load_i3d(weights), progress=False)
    return SampleTensors(chosen, store=store, vectors=pipeline.WordVectors.load())


@pytest.mark.parametrize(
    ("method", "steps"), [("gavrilyuk", 220), ("baseline", 320), ("acga", 400)]
)
def test_a_clip_method_learns_eight_samples_by_heart(method, steps, eight):
    """The methods of still images do so in test_baselines, on masks that their grid can draw."""
    run = RunConfig(method=method)
    model = training.build_model(run, trunk=pipeline.network_path(run), trained={})
    before = mean_iou(model.eval(), eight)
    features, words, masks = (torch.stack([eight[i][k] for i in range(8)]) for k in range(3))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    for _ in range(steps):
        loss = training.segmentation_loss(
            model(features, words), masks, foreground_weight=METHODS[method].foreground_weight
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    assert before < 0.3 and mean_iou(model, eight) >= 0.9


@torch.no_grad()
def mean_iou(model, data):
    """Mean IoU on the square, at the threshold of Sec. 3.4."""
    features, words, masks, _ = (
        torch.stack([torch.as_tensor(data[i][k]) for i in range(len(data))]) for k in range(4)
    )
    response = model(features, words).large.sigmoid()
    found, truth = response > response.amax(dim=(1, 2), keepdim=True) / 2, masks > 0
    iou = (found & truth).sum(dim=(1, 2)) / (found | truth).sum(dim=(1, 2))
    return float(np.mean(iou.tolist()))
