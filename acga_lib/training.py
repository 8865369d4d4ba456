"""The training loop (Sec. 4.2), its checkpoints, and resuming.

The order of the samples is a pure function of (seed, epoch) and nothing else is random after the
weights are drawn, so a run that is killed anywhere and started again ends with the same bits, on
one machine with one number of threads.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from acga_lib.baselines import TwoStream
from acga_lib.config import PROFILES, Profile, RunConfig
from acga_lib.datasets import Sample
from acga_lib.errors import CheckpointError, TrainingError
from acga_lib.i3d import load_i3d
from acga_lib.loss import segmentation_loss
from acga_lib.methods import METHODS, Stage
from acga_lib.model import ACGA
from acga_lib.networks import build_network
from acga_lib.tensors import SampleTensors, frame_order, sample_order


def build_model(
    config: RunConfig, *, trunk: str | Path | None, trained: Mapping[str, nn.Module]
) -> nn.Module:
    """The run's network as training finds it: freshly drawn, or with the weights it starts from.

    trunk: weight file of the I3D trunk whose Mixed_4f a clip method continues. trained: the
    networks of `MethodConfig.needs`.
    """
    profile, method = PROFILES[config.profile], METHODS[config.method]
    torch.manual_seed(config.seed)
    if method.streams:
        return TwoStream([trained[name] for name in method.streams])
    model = build_network(method, profile)
    if method.starts_from:
        model.load_state_dict(trained[method.starts_from].state_dict())
    elif trunk is not None:
        _continue_trunk(model, trunk, profile, method.modality)
    if isinstance(model, ACGA) and model.attention is not None:
        for weight in (w for w in model.attention.parameters() if w.dim() == 2):
            torch.nn.init.normal_(weight, std=profile.linear_std)
    return model


def _continue_trunk(model: nn.Module, trunk: str | Path, profile: Profile, modality: str) -> None:
    pretrained = load_i3d(trunk, modality=modality)
    if pretrained.width != profile.trunk_width:
        raise CheckpointError(
            f"{trunk}: the trunk has width {pretrained.width}, profile '{profile.name}' "
            f"needs {profile.trunk_width}; name another weight file or profile"
        )
    encoder = model.get_submodule("visual_encoder.mixed_4f")
    encoder.load_state_dict(pretrained.mixed_4f.state_dict())


@dataclass
class Progress:
    """Where a run stands; what a checkpoint restores."""

    step: int = 0
    losses: list[float] = field(default_factory=list)


def mixed_precision(device: str, *, enabled: bool = True) -> torch.autocast:
    """Autocast to bfloat16 if `enabled` and the device computes faster in it: CUDA, AVX-512."""
    fast = device != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=enabled and fast)


@dataclass(frozen=True)
class Stretch:
    """A stage of a training with its first step and the one after its last."""

    stage: Stage
    first: int
    end: int

    def learning_rate(self, step: int, profile: Profile) -> float:
        """The stage's schedule at a step of the run, times the profile's factor."""
        factor = profile.sgd_factor if self.stage.optimizer == "sgd" else profile.rate_factor
        done = (step - self.first) / (self.end - self.first)
        passed = sum(done >= division for division in self.stage.divisions)
        return factor * self.stage.learning_rate * 0.1**passed

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """A fresh optimiser; weight decay spares the biases and other vectors."""
        decay = self.stage.weight_decay
        groups = [
            {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": decay},
            {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ]
        if self.stage.optimizer == "sgd":
            return torch.optim.SGD(groups, lr=self.stage.learning_rate, momentum=0.9)
        return torch.optim.Adam(groups, lr=self.stage.learning_rate)


def stretches(config: RunConfig, samples: int) -> list[Stretch]:
    """The stages of a run on that many training samples, laid out over its steps."""
    profile, stages, bounds = PROFILES[config.profile], METHODS[config.method].stages, [0.0]
    for stage in stages:
        bounds.append(bounds[-1] + stage.share)
    total = profile.epochs * math.ceil(samples / profile.batch_size)
    steps = [round(total * bound / (bounds[-1] or 1)) for bound in bounds]
    return [Stretch(s, first, end) for s, (first, end) in zip(stages, pairwise(steps), strict=True)]


def train(
    config: RunConfig,
    model: nn.Module,
    data: SampleTensors,
    *,
    work: Path,
    device: str = "cpu",
    checkpoint_every: int = 100,
    progress: bool = True,
) -> Progress:
    """Train `model` in place and leave it in eval mode -> the loss of every step.

    work: folder of the run's checkpoint. A checkpoint that lies there is continued; one of another
    configuration or of other data raises CheckpointError. Checkpoints are written every
    `checkpoint_every` steps and at each epoch's end. Raises TrainingError at a loss that is not
    finite; the last checkpoint stays.
    """
    torch.use_deterministic_algorithms(True, warn_only=device != "cpu")
    model.to(device).train()
    if PROFILES[config.profile].freeze_statistics:
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm3d):
                norm.eval()
    checkpoint = Checkpoint(work / "checkpoint.pt", identity=_identity(config, data))
    saved = checkpoint.read()
    state = Progress()
    if saved:
        model.load_state_dict(saved["model"])
        state = Progress(step=saved["step"], losses=saved["losses"])
    plan = stretches(config, len(data))
    total = plan[-1].end if plan else 0
    bar = tqdm(total=total, initial=state.step, desc=config.run_id, disable=not progress)
    for stretch in plan:
        if state.step >= stretch.end:
            continue
        optimizer = stretch.optimizer(model)
        if saved and state.step > stretch.first:
            optimizer.load_state_dict(saved["optimizer"])
        for loss in _steps(config, model, data, stretch, optimizer, state, device):
            state.step += 1
            state.losses.append(loss)
            bar.update()
            if state.step % checkpoint_every == 0 or state.step == stretch.end:
                bar.set_postfix(loss=f"{np.mean(state.losses[-100:]):.3f}")
                checkpoint.save(model, optimizer, state)
    bar.close()
    model.eval()
    return state


def _steps(
    config: RunConfig, model: nn.Module, data: SampleTensors, stretch: Stretch,
    optimizer: torch.optim.Optimizer, state: Progress, device: str,
) -> Iterator[float]:  # fmt: skip
    """Optimise from the state's step to the stretch's end; yields the loss of every step."""
    profile, stage = PROFILES[config.profile], stretch.stage
    per_epoch = math.ceil(len(data) / profile.batch_size)
    while state.step < stretch.end:
        epoch, done = divmod(state.step, per_epoch)
        for batch in _batches(config, data, epoch=epoch, skip=done):
            features, words, masks, indices = batch
            for group in optimizer.param_groups:
                group["lr"] = stretch.learning_rate(state.step, profile)
            with mixed_precision(device, enabled=profile.bfloat16):
                responses = model(features.to(device), words.to(device))
            loss = segmentation_loss(
                responses, masks.to(device),
                foreground_weight=METHODS[config.method].foreground_weight,
                background_weight=stage.background_weight,
                resolution_weights=stage.resolutions, coarse_truth=stage.coarse_truth,
            )  # fmt: skip
            _hold_finite(loss, state.step, [data.samples[int(i)] for i in indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()
            if state.step == stretch.end:
                return


def _batches(config: RunConfig, data: SampleTensors, *, epoch: int, skip: int) -> Iterator[Any]:
    profile = PROFILES[config.profile]
    if profile.by_frame:
        order = frame_order(data.samples, seed=config.seed, epoch=epoch)
    else:
        order = sample_order(len(data), seed=config.seed, epoch=epoch).tolist()
    size = profile.batch_size
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    workers = profile.workers
    return iter(DataLoader(data, batch_sampler=batches[skip:], num_workers=workers))


def _hold_finite(loss: Tensor, step: int, samples: Sequence[Sample]) -> None:
    if not torch.isfinite(loss):
        names = ", ".join(f"{s.video_id} frame {s.frame} instance {s.instance}" for s in samples)
        raise TrainingError(
            f"the loss is {loss.item()} at step {step}, on {names}. Lower the learning rate, or "
            "look at these samples; the last checkpoint is kept."
        )


def _identity(config: RunConfig, data: SampleTensors) -> str:
    """What a checkpoint must agree with: configuration, features, samples and their order."""
    described = config.describe() | {"features": data.store.key, "data": data.fingerprint}
    return json.dumps(described, sort_keys=True)


class Checkpoint:
    """One file that is either whole or absent, tied to one configuration and data set."""

    def __init__(self, path: Path, *, identity: str) -> None:
        self.path, self.identity = path, identity

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, state: Progress) -> None:
        """Write to a temporary file, flush it to disk, move it over the old checkpoint."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        with open(temporary, "wb") as file:
            torch.save(
                {
                    "identity": self.identity,
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": state.step,
                    "losses": state.losses,
                },
                file,
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)

    def read(self) -> dict[str, Any] | None:
        """What the file holds, as `save` wrote it; None where there is none."""
        if not self.path.exists():
            return None
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            same = saved["identity"] == self.identity
        except Exception as error:
            raise CheckpointError(
                f"{self.path}: damaged ({error}); delete it to start the run afresh"
            ) from error
        if not same:
            raise CheckpointError(
                f"{self.path}: belongs to another configuration or other data; delete it to "
                "start afresh, or restore the configuration that it was made with"
            )
        return saved
