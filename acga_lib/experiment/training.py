"""The training loop (Sec. 4.2): one process or several, from the start or from a checkpoint.

The order of the samples is a pure function of (seed, epoch) and nothing else is random after the
weights are drawn, so a run that is killed anywhere and started again ends with the same bits, on
one machine with one number of threads.
"""

import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from acga_lib.attention import CrossGuidedAttention
from acga_lib.baselines import TwoStream
from acga_lib.config import RunConfig
from acga_lib.datasets import Sample
from acga_lib.errors import CheckpointError, ConfigError, TrainingError
from acga_lib.experiment import processes
from acga_lib.experiment.checkpoint import Checkpoint, Progress, StepDone, TrainingLog
from acga_lib.experiment.execution import PLAIN, Execution, keep_freed_memory
from acga_lib.experiment.inference import predictions
from acga_lib.experiment.limits import CURVE_SAMPLES, curve_steps, spread
from acga_lib.experiment.networks import build_network
from acga_lib.experiment.results import measured
from acga_lib.experiment.schedule import Stretch, epoch_batches, parts, steps_per_epoch, stretches
from acga_lib.experiment.tensors import Batch, SampleTensors
from acga_lib.files.cores import usable_cores
from acga_lib.i3d import load_i3d
from acga_lib.loss import segmentation_loss
from acga_lib.methods import METHODS, Stage
from acga_lib.profiles import Profile

#: Seconds between two checkpoints: one of ACGA's is 0.3 GB, and the GPUs wait for it.
CHECKPOINT_SECONDS = 120
# cuBLAS reads this when it starts. Without it its products are not deterministic, and torch before
# 2.10 refuses them where `train` has asked for deterministic ones on the processor.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def build_model(
    config: RunConfig, *, trunk: str | Path | None, trained: Mapping[str, nn.Module]
) -> nn.Module:
    """The run's network as training finds it: freshly drawn, or with the weights it starts from.

    trunk: weight file of the frozen network behind the features; of an I3D trunk, a method with a
    `visual_encoder` continues Mixed_4f. trained: the networks of `MethodConfig.needs`.
    """
    profile, method = config.scale, METHODS[config.method]
    torch.manual_seed(config.seed)
    if method.streams:
        return TwoStream([trained[name] for name in method.streams])
    model = build_network(method, profile)
    if method.starts_from:
        model.load_state_dict(trained[method.starts_from].state_dict())
    elif trunk is not None and hasattr(model, "visual_encoder"):
        _continue_trunk(model, trunk, profile, method.modality)
    for attention in (m for m in model.modules() if isinstance(m, CrossGuidedAttention)):
        for weight in (w for w in attention.parameters() if w.dim() == 2):
            torch.nn.init.normal_(weight, std=profile.training.linear_std)
        align = attention.language.align.weight
        torch.nn.init.normal_(align, std=profile.training.align_std)
    return model


def _continue_trunk(model: nn.Module, trunk: str | Path, profile: Profile, modality: str) -> None:
    pretrained = load_i3d(trunk, modality=modality)
    wanted = profile.networks.width_of(modality)
    if pretrained.width != wanted:
        raise CheckpointError(
            f"{trunk}: the trunk has width {pretrained.width}, profile '{profile.name}' "
            f"needs {wanted}; name another weight file or profile"
        )
    encoder = model.get_submodule("visual_encoder.mixed_4f")
    encoder.load_state_dict(pretrained.mixed_4f.state_dict())
    # The network's BatchNorm has the authors' eps. Where the trunk's layout has another, the
    # variances take up the difference, so that training starts at what the trunk computes.
    for ours, theirs in zip(encoder.modules(), pretrained.mixed_4f.modules(), strict=True):
        if isinstance(ours, nn.BatchNorm3d) and isinstance(theirs, nn.BatchNorm3d):
            ours.get_buffer("running_var").add_(theirs.eps - ours.eps)


class Objective(nn.Module):
    """A network and the loss of a stage as one module: samples in, their mean loss out (Eq. 16).

    Torch's DDP wraps one module and must see which of its parameters the loss depends on.
    """

    def __init__(
        self, model: nn.Module, config: RunConfig, stage: Stage, autocast: torch.autocast
    ) -> None:
        super().__init__()
        self.model, self.stage, self.autocast = model, stage, autocast
        self.foreground_weight = METHODS[config.method].foreground_weight

    def forward(
        self, features: Tensor, words: Tensor, clips: Tensor | None, masks: Tensor
    ) -> Tensor:
        """The parts of a `Batch` -> scalar."""
        with self.autocast:
            responses = self.model(features, words, clips)
        return segmentation_loss(
            responses, masks, foreground_weight=self.foreground_weight,
            background_weight=self.stage.background_weight,
            resolution_weights=self.stage.resolutions, coarse_truth=self.stage.coarse_truth,
        )  # fmt: skip


def train(
    config: RunConfig,
    model: nn.Module,
    data: SampleTensors,
    *,
    work: Path,
    held_out: SampleTensors | None = None,
    device: str = "cpu",
    execution: Execution = PLAIN,
    checkpoint_every: int | None = None,
    progress: bool = True,
) -> Progress:
    """Train `model` in place and leave it in eval mode -> the loss of every step, and the curve.

    work: folder of the run's checkpoint and of its log. A checkpoint that lies there is continued;
    one of another configuration or of other data raises CheckpointError. Checkpoints are written
    after `CHECKPOINT_SECONDS`, or every `checkpoint_every` steps, and at each stage's end.
    held_out: samples on which the learning curve is measured; training is the same with and
    without. Raises TrainingError at a loss that is not finite; the last checkpoint stays. Several
    processes (`processes.joined`) must all call; ConfigError where a batch has no sample for each.
    """
    if processes.count() > config.scale.training.batch_size:
        raise ConfigError(
            f"{processes.count()} processes and batches of {config.scale.training.batch_size}: "
            "some would have no sample; start no more than a batch has"
        )
    torch.use_deterministic_algorithms(True, warn_only=device != "cpu")
    # Every new tensor would be filled before it is written: a search aid that costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    keep_freed_memory()
    model.to(device).train()
    _settle_trunk(model, config, device, execution)
    checkpoint = Checkpoint(work / "checkpoint.pt", identity=_identity(config, data))
    saved = processes.shared(checkpoint.read() if processes.is_main() else None)
    state = Progress()
    if saved:
        model.load_state_dict(saved["model"])
        state = Progress(step=saved["step"], losses=saved["losses"], curve=saved["curve"])
    plan = stretches(config, len(data))
    points = curve_steps(plan[-1].end) if plan and held_out else set()
    main = processes.is_main()
    log = TrainingLog(work / "log.csv", step=state.step, device=device) if main else None
    state.seconds_before = log.before if log else 0.0
    saved_at = time.monotonic()
    bar = tqdm(
        total=plan[-1].end if plan else 0, initial=state.step, desc=config.run_id,
        unit=" samples", unit_scale=config.scale.training.batch_size,
        disable=not (progress and main),
    )  # fmt: skip
    for stretch in (one for one in plan if state.step < one.end):
        tools = stretch.optimizer(model, config.scale), execution.scaler(device)
        if saved and state.step > stretch.first:
            _restore(saved, *tools)
        for done in steps(config, model, data, stretch, tools, state, device, execution):
            if log:
                log.add(done)
            state.step += 1
            state.losses.append(done.loss)
            bar.update()
            if main and held_out and state.step in points:
                state.curve.append({"step": state.step} | _score(model, held_out, device))
            if state.step % 100 == 0:
                bar.set_postfix(loss=f"{np.mean(state.losses[-100:]):.3f}")
            if checkpoint_every is None:
                due = time.monotonic() - saved_at > CHECKPOINT_SECONDS
            else:
                due = state.step % checkpoint_every == 0
            if main and (due or state.step == stretch.end):
                checkpoint.save(model, *tools, state)
                saved_at = time.monotonic()
    bar.close()
    model.eval()
    return state


def _score(model: nn.Module, held_out: SampleTensors, device: str) -> dict[str, float]:
    """A point of the learning curve; the model and torch's random numbers stay as they are."""
    modes = {module: module.training for module in model.modules()}
    part = spread(len(held_out), CURVE_SAMPLES)
    with torch.random.fork_rng(devices=[]):  # a DataLoader draws a seed for its workers
        found = predictions(model, held_out, only=part, device=device, progress=False)
        samples = measured(found)
    for module, training in modes.items():
        module.training = training
    return {
        "mean_iou": round(float(samples["iou"].mean()), 5),
        "right": round(float(samples["right"].mean()), 5),
    }


#: What turns gradients into a step.
Tools = tuple[torch.optim.Optimizer, torch.amp.GradScaler]


def _restore(
    saved: Mapping[str, Any], optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler
) -> None:
    optimizer.load_state_dict(saved["optimizer"])
    if scaler.is_enabled() and saved.get("scaler"):  # it was made in the same precision
        scaler.load_state_dict(saved["scaler"])


def _settle_trunk(model: nn.Module, config: RunConfig, device: str, execution: Execution) -> None:
    """Make Mixed_4f, in a network in training mode, what the profile says: trained or kept.

    Kept, its weights get no gradient and its BatchNorm's statistics stay. Trained, these are
    estimated from each batch. Torch does so over several processes on GPUs only, where they keep
    step; over processes on a CPU, and over accumulated pieces, each piece has its own: a difference
    that is warned of.
    """
    if not config.scale.training.train_trunk:
        if hasattr(model, "visual_encoder"):
            model.get_submodule("visual_encoder").requires_grad_(False).eval()
        return
    norms = [norm for norm in model.modules() if isinstance(norm, nn.BatchNorm3d)]
    on_cpu = torch.device(device).type == "cpu"
    # Over pieces there is nothing to wait for: processes may have different numbers of them.
    whole = execution.accumulate == 1
    if norms and processes.count() > 1 and whole and not on_cpu:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if norms and (not whole or (processes.count() > 1 and on_cpu)):
        warnings.warn(
            "BatchNorm estimates its statistics from pieces of each batch, not from the whole: "
            "the result differs a little from that of one process without accumulation",
            stacklevel=3,
        )


def steps(
    config: RunConfig, model: nn.Module, data: SampleTensors, stretch: Stretch,
    tools: Tools, state: Progress, device: str, execution: Execution,
) -> Iterator[StepDone]:  # fmt: skip
    """Optimise from the state's step to the stretch's end; yields what every step was."""
    optimizer, scaler = tools
    autocast = execution.autocast(device, config.scale)
    objective = processes.wrapped(Objective(model, config, stretch.stage, autocast))
    per_epoch = steps_per_epoch(config, len(data))
    while state.step < stretch.end:
        epoch, done = divmod(state.step, per_epoch)
        for batch, pieces in _batches(config, data, execution, epoch=epoch, skip=done):
            rate = stretch.learning_rate(state.step, config.scale)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            total = torch.zeros((), device=device)
            for number, (weight, piece) in enumerate(pieces, start=1):
                with processes.exchange(objective, now=number == len(pieces)):
                    loss = weight * objective(*piece.on(device), piece.masks.to(device))
                    scaler.scale(processes.count() * loss).backward()  # the exchange averages
                total += loss.detach()
            total = processes.summed(total)
            _hold_finite(total, state.step, [data.samples[index] for index in batch])
            scaler.step(optimizer)
            scaler.update()
            yield StepDone(state.step, epoch, len(batch), total.item(), rate)
            if state.step == stretch.end:
                return


def _batches(
    config: RunConfig, data: SampleTensors, execution: Execution, *, epoch: int, skip: int
) -> Iterator[tuple[list[int], list[tuple[float, Batch]]]]:
    """Each batch of an epoch, and this process's pieces of it with their weights."""
    batches = epoch_batches(config, data.samples, epoch=epoch)[skip:]
    mine = [
        parts(
            batch, config.scale.training.batch_size, rank=processes.rank(),
            processes=processes.count(),
            accumulate=execution.accumulate,
        )
        for batch in batches
    ]  # fmt: skip
    pieces = [piece for one in mine for piece, _ in one]
    workers = min(config.scale.training.workers, usable_cores())
    read = data.batches(pieces, workers=workers)
    for batch, one in zip(batches, mine, strict=True):
        yield batch, [(weight, next(read)) for _, weight in one]


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
