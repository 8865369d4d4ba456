"""How a training is computed changes nothing but the last digits: pieces, processes, precision."""

import csv
import json
import platform
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from helpers import jobs
from safetensors.torch import load_file

from acga_lib.config import ROOT, RunConfig
from acga_lib.errors import ConfigError, StorageError
from acga_lib.experiment import execution, schedule
from acga_lib.experiment.execution import Execution
from acga_lib.experiment.training import build_model, train
from acga_lib.profiles import PROFILES

FP32 = Execution(precision="fp32")
#: With batches of 4, the last batch of an epoch is one sample.
COUNT = 9


@pytest.fixture(scope="module")
def whole(toy_root, toy_trunk, toy_features, tmp_path_factory):
    """Weights and losses of one process that computes whole batches in single precision."""
    yield trained(toy_root, toy_trunk, toy_features, tmp_path_factory.mktemp("whole"), FP32)
    PROFILES.pop("tiny", None)


def trained(root, trunk, features, work, how):
    data = jobs.tensors(root, trunk, features, count=COUNT)
    return jobs.trained(jobs.run_of(root, trunk), data, trunk=trunk, work=work, execution=how)


def furthest(one, other):
    """The largest relative distance between a tensor of one set of weights and of the other.

    Single weights may be further apart: where a gradient is hardly more than rounding noise, Adam
    makes a step of it as large as any. So may the keys of the attention: what is added to all of
    them alike changes no softmax. The losses tell that nothing depends on either.
    """
    assert one.keys() == other.keys()
    keys = [key for key in one if not key.startswith("attention.vision.key")]
    distance = torch.linalg.vector_norm
    apart = {key: distance(one[key].float() - other[key].float()) for key in keys}
    return max((apart[key] / distance(other[key].float()).clamp_min(1e-9)).item() for key in keys)


def test_accumulated_pieces_make_the_step_of_the_whole_batch(
    whole, toy_root, toy_trunk, toy_features, tmp_path
):
    how = replace(FP32, accumulate=3)  # pieces of 2 and 2, and of 1
    state, losses = trained(toy_root, toy_trunk, toy_features, tmp_path, how)
    assert losses == pytest.approx(whole[1], abs=1e-5)
    assert furthest(state, whole[0]) < 1e-3


def test_two_processes_continue_the_run_of_one_and_end_with_its_weights(
    whole, toy_root, toy_trunk, toy_features, tmp_path
):
    class Stop(Exception):
        pass

    def stop(*_):
        if next(calls) == 4:  # the checkpoint is of step 4, in the middle of epoch 1
            raise Stop

    config, calls = jobs.run_of(toy_root, toy_trunk), iter(range(100))
    model = build_model(config, trunk=toy_trunk, trained={})
    model.register_forward_pre_hook(stop)
    data = jobs.tensors(toy_root, toy_trunk, toy_features, count=COUNT)
    with pytest.raises(Stop):
        train(config, model, data, work=tmp_path, execution=FP32, checkpoint_every=2,
              progress=False)  # fmt: skip
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    job = [jobs.__file__, "together", toy_root, toy_trunk, toy_features, tmp_path, tmp_path / "w"]
    done = subprocess.run([*command, *job, str(COUNT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / f"w{rank}") for rank in (0, 1))
    assert furthest(first, second) == 0
    assert first.pop("losses").tolist() == pytest.approx(whole[1], abs=1e-5)
    assert furthest(first, whole[0]) < 1e-3
    with open(tmp_path / "log.csv") as log:
        assert [int(row["step"]) for row in csv.DictReader(log)] == list(range(len(whole[1])))


def test_the_pieces_of_a_batch_are_the_batch_and_their_weights_are_one():
    for batch in ([5], [5, 6, 7], [5, 6, 7, 8]):
        for count in (1, 2, 3, 8):
            for accumulate in (1, 2, 4):
                split = partial(schedule.parts, batch, 4, processes=count, accumulate=accumulate)
                shares = [split(rank=rank) for rank in range(count)]
                pieces = [piece for share in shares for piece in share]
                assert sum(weight for _, weight in pieces) == pytest.approx(1)
                seen = [index for piece, weight in pieces if weight for index in piece]
                assert sorted(seen) == batch
                assert all(0 < len(share) <= accumulate for share in shares)


def test_half_precision_without_bf16_scales_the_loss_and_comes_close(
    whole, toy_root, toy_trunk, toy_features, tmp_path, monkeypatch
):
    monkeypatch.setattr(execution, "half_type", lambda device: torch.float16)
    how = Execution(precision="mixed")
    described = how.describe("cpu", PROFILES["paper"])
    assert described == {
        "precision": "mixed", "accumulate": 1, "computed_in": "float16", "processes": 1
    }  # fmt: skip
    _, losses = trained(toy_root, toy_trunk, toy_features, tmp_path, how)
    assert losses[0] == pytest.approx(whole[1][0], rel=0.02) and losses[0] != whole[1][0]
    assert losses[-1] < losses[0] - 0.05  # the first steps overflow and are left out
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert 0 < saved["scaler"]["scale"] <= 2**16  # halved, and the step left out, at overflow


def test_the_papers_profile_computes_in_single_precision_unless_told_otherwise(monkeypatch):
    assert Execution().describe("cpu", PROFILES["paper"])["computed_in"] == "float32"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for capability, expected in ((7, 5), "float32"), ((8, 0), "float32, convolutions in TF32"):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda c=capability: c)
        assert Execution().describe("cuda", PROFILES["paper"])["computed_in"] == expected
    mixed = Execution(precision="mixed").describe("cpu", PROFILES["paper"])
    assert mixed["computed_in"] == "bfloat16"


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="not Linux")
def test_small_profiles_compute_in_bfloat16_only_where_the_cpu_has_instructions_for_it():
    has = re.search(r"\b(avx512|amx)_bf16\b", Path("/proc/cpuinfo").read_text())
    expected = "bfloat16" if has else "float32"
    assert Execution().describe("cpu", PROFILES["night"])["computed_in"] == expected


def test_small_profiles_compute_in_single_precision_on_a_gpu_without_bfloat16(monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda kind, number, enabled: enabled)
    for half, expected in (torch.float16, False), (torch.bfloat16, True):  # a T4, an A100
        monkeypatch.setattr(execution, "half_type", lambda device, half=half: half)
        assert Execution().autocast("cuda:0", PROFILES["night"]) is expected


@pytest.mark.parametrize("known, expected", [
    ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "float32"),  # Ice Lake
    ({"avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
    ({"avx2": True}, "float32"),
])  # fmt: skip
def test_a_cpu_with_wide_vectors_alone_computes_in_single_precision(known, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert Execution().describe("cpu", PROFILES["night"])["computed_in"] == expected


@pytest.mark.parametrize("wrong", [{"precision": "bf15"}, {"accumulate": 0}, {"accumulate": "2"}])
def test_an_impossible_way_to_compute_is_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        Execution(**wrong)


def test_the_authors_training_has_9_epochs_of_fresh_batches():
    run = RunConfig(method="acga", profile="paper", variant="released")
    (stretch,) = schedule.stretches(run, 403)  # 100 full batches an epoch
    rates = [stretch.learning_rate(step, run.scale) for step in range(stretch.end)]
    assert rates == pytest.approx([5e-4] * 800 + [5e-5] * 100)
    batches = schedule.epoch_batches(run, range(403), epoch=3)
    assert batches == schedule.epoch_batches(run, range(403), epoch=3)
    assert len(batches) == 100 and all(len(set(batch)) == 4 for batch in batches)
    unseen = 1 - len({index for batch in batches for index in batch}) / 403
    assert unseen == pytest.approx(0.37, abs=0.05)
    assert batches != schedule.epoch_batches(run, range(403), epoch=4)
    trained = run.scale.training
    assert trained.train_trunk and trained.linear_std == trained.align_std == 0.02
    assert run.run_id == "toy-paper-acga-released-s0" and run.describe()["run"]["variant"]


def test_the_variant_authors_init_changes_the_first_weights_and_nothing_else():
    run = RunConfig(method="acga", profile="night", variant="authors_init")
    plain = RunConfig(method="acga", profile="night")
    paper, changed = PROFILES["paper"].training, run.scale.training
    assert (changed.linear_std, changed.align_std) == (paper.linear_std, paper.align_std)
    spread = {"linear_std": plain.scale.training.linear_std,
              "align_std": plain.scale.training.align_std}  # fmt: skip
    assert run.scale.changed(**spread) == plain.scale and run.scale != plain.scale
    assert run.stages == plain.stages and not run.fresh_batches


def test_a_variant_is_of_acga_alone_and_no_word_of_other_runs():
    for method in ("hu", "gavrilyuk_two_stream"):
        with pytest.raises(ConfigError, match=f"variant 'released' with method '{method}'"):
            RunConfig(method=method, variant="released")
    with pytest.raises(ConfigError, match=r"unknown variant 'authors'.*released"):
        RunConfig(method="acga", variant="authors")
    record = json.loads((ROOT / "results" / "runs" / "toy-toy-acga-s0.json").read_text())
    assert record["config"].keys() == RunConfig(method="acga", profile="toy").describe().keys()
    assert "variant" not in RunConfig(method="acga").describe()["run"]


def test_a_checkpoint_that_does_not_fit_on_the_disk_leaves_the_old_one(
    toy_root, toy_trunk, toy_features, tmp_path
):
    resource = pytest.importorskip("resource", reason="no limit of file sizes on this system")
    how, before = FP32, resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises(StorageError, match=f"{tmp_path}: the disk is full.*a checkpoint"):
            trained(toy_root, toy_trunk, toy_features, tmp_path, how)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {path.name for path in tmp_path.iterdir()} == {"log.csv"}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_large_tensor_takes_the_pages_of_the_one_before_it():
    code = (
        "import resource, torch\n"
        "from acga_lib.experiment.execution import keep_freed_memory\n"
        "keep_freed_memory()\n"
        "faults = []\n"
        "for _ in range(20):\n"  # glibc before 2.38 keeps seven remainders apart at first
        "    torch.ones(2**24)\n"
        "    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)\n"
        "print(faults[-1] - faults[-2])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100, "64 MB are 16,384 pages"
