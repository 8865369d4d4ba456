"""The training loop (Sec. 4.2), its checkpoints, and resuming.

The order of the samples is a pure function of (seed, epoch) and nothing else is random after the
weights are drawn, so a run that is killed anywhere and started again ends with the same bits, on
one machine with one number of threads.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from acga_lib.config import METHODS, PROFILES, RunConfig
from acga_lib.datasets import Sample
from acga_lib.errors import CheckpointError, TrainingError
from acga_lib.features import FeatureStore, file_hash
from acga_lib.i3d import load_i3d
from acga_lib.loss import segmentation_loss
from acga_lib.model import ACGA
from acga_lib.text import WordVectors
from acga_lib.video import Letterbox

#: What the loader yields for one sample: features, words, mask, index into the samples.
Item = tuple[Tensor, Tensor, Tensor, int]


class SampleTensors(Dataset[Item]):
    """Samples as tensors: features [528, T/4, h, w], words [20, 300], mask [S, S], index.

    `queries` replaces the samples' own sentences (the shuffled-sentence control). Masks are
    kept in memory, one bit a pixel.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        store: FeatureStore,
        vectors: WordVectors,
        queries: Sequence[str] | None = None,
    ) -> None:
        self.samples = samples
        self.store = store
        self.queries = list(queries or (sample.query for sample in samples))
        encoded = {query: vectors.encode(query) for query in dict.fromkeys(self.queries)}
        self.words = {query: torch.from_numpy(e.vectors) for query, e in encoded.items()}
        self.unknown = sorted({word for e in encoded.values() for word in e.unknown})
        self._masks: dict[int, NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the samples, their sentences as vectors, and their video and mask files."""
        words = {q: hashlib.sha256(w.numpy().tobytes()).hexdigest() for q, w in self.words.items()}
        masks = {path: file_hash(path) for path in {sample.mask_path for sample in self.samples}}
        lines = [
            f"{s.video_id} {s.frame} {s.instance} {query} {words[query]} {masks[s.mask_path]} "
            f"{self.store.path(s).name}"
            for s, query in zip(self.samples, self.queries, strict=True)
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def __getitem__(self, index: int) -> Item:
        features = torch.from_numpy(self.store.get(self.samples[index])).float()
        return features, self.words[self.queries[index]], self.mask(index), index

    def mask(self, index: int) -> Tensor:
        """The ground truth in the letterboxed square, float [S, S] of 0 and 1."""
        side = self.store.recipe.side
        if index not in self._masks:
            sample = self.samples[index]
            box = Letterbox(height=sample.height, width=sample.width, side=side)
            self._masks[index] = np.packbits(box.mask(sample.mask()))
        bits = np.unpackbits(self._masks[index], count=side * side)
        return torch.from_numpy(bits.reshape(side, side)).float()


def sample_order(count: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of `count` samples in an epoch: every sample once, from (seed, epoch) alone."""
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(count)


def frame_order(samples: Sequence[Sample], *, seed: int, epoch: int) -> list[int]:
    """The same, frame by frame: all sentences of a frame, then those of the next.

    Sentences about one frame side by side show what the words alone change. The small profiles,
    which have few steps to learn that in, use it; the paper's order is `sample_order`.
    """
    frames: dict[tuple[str, int], list[int]] = {}
    for index, sample in enumerate(samples):
        frames.setdefault((sample.video_id, sample.frame), []).append(index)
    groups = list(frames.values())
    order = sample_order(len(groups), seed=seed, epoch=epoch)
    return [index for group in order for index in groups[group]]


def shuffled_queries(samples: Sequence[Sample], *, seed: int) -> list[str]:
    """Every sample's sentence replaced by that of a random other sample: the control run.

    The samples stand in a random circle and each takes the sentence of the next one.
    """
    circle = np.random.Generator(np.random.PCG64([seed, 0x5EED])).permutation(len(samples))
    donor = dict(zip(circle.tolist(), np.roll(circle, -1).tolist(), strict=True))
    return [samples[donor[index]].query for index in range(len(samples))]


def build_model(config: RunConfig, *, trunk: str | Path) -> ACGA:
    """The run's network with freshly drawn weights; Mixed_4f continues from the trunk's."""
    profile = PROFILES[config.profile]
    torch.manual_seed(config.seed)
    model = ACGA.sized(METHODS[config.method], profile)
    pretrained = load_i3d(trunk)
    if pretrained.width != profile.trunk_width:
        raise CheckpointError(
            f"{trunk}: the trunk has width {pretrained.width}, profile '{profile.name}' "
            f"needs {profile.trunk_width}; name another weight file or profile"
        )
    model.visual_encoder.mixed_4f.load_state_dict(pretrained.mixed_4f.state_dict())
    if model.attention is not None:
        for weight in (w for w in model.attention.parameters() if w.dim() == 2):
            torch.nn.init.normal_(weight, std=profile.linear_std)
    return model


@dataclass
class Progress:
    """Where a run stands; what a checkpoint restores."""

    step: int = 0
    losses: list[float] = field(default_factory=list)


def mixed_precision(device: str, *, enabled: bool = True) -> torch.autocast:
    """Autocast to bfloat16 if `enabled` and the device computes faster in it: CUDA, AVX-512."""
    fast = device != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=enabled and fast)


def epochs_and_steps(config: RunConfig, samples: int) -> tuple[int, int]:
    """The epochs of a run on that many training samples, and the steps of one epoch."""
    profile = PROFILES[config.profile]
    steps = math.ceil(samples / profile.batch_size)
    return max(profile.epochs, math.ceil(profile.min_steps / steps)), steps


def learning_rate(config: RunConfig, epoch: int, *, epochs: int) -> float:
    """The paper's schedule: divided by 10 every `decay_every` of the profile's epochs.

    A run of more `epochs` than the profile's is divided at the same fractions of its length.
    """
    profile = PROFILES[config.profile]
    divisions = epoch * profile.epochs // (epochs * profile.decay_every)
    return profile.learning_rate * 0.1**divisions


def train(
    config: RunConfig,
    model: ACGA,
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
    profile, method = PROFILES[config.profile], METHODS[config.method]
    model.to(device).train()
    if profile.freeze_statistics:
        model.visual_encoder.eval()
    optimizer = torch.optim.Adam(model.parameters(), lr=profile.learning_rate)
    checkpoint = Checkpoint(work / "checkpoint.pt", identity=_identity(config, data))
    state = checkpoint.load(model, optimizer)
    epochs, per_epoch = epochs_and_steps(config, len(data))
    total = per_epoch * epochs
    bar = tqdm(total=total, initial=state.step, desc=config.run_id, disable=not progress)
    while state.step < total:
        epoch, done = divmod(state.step, per_epoch)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, epoch, epochs=epochs)
        for batch in _batches(config, data, epoch=epoch, skip=done):
            features, words, masks, indices = batch
            with mixed_precision(device, enabled=profile.bfloat16):
                responses = model(features.to(device), words.to(device))
            loss = segmentation_loss(
                responses, masks.to(device), foreground_weight=method.foreground_weight
            )
            _hold_finite(loss, state.step, [data.samples[int(i)] for i in indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            state.step += 1
            state.losses.append(loss.item())
            bar.update()
            if state.step % checkpoint_every == 0 or state.step % per_epoch == 0:
                bar.set_postfix(epoch=epoch + 1, loss=f"{np.mean(state.losses[-100:]):.3f}")
                checkpoint.save(model, optimizer, state)
    bar.close()
    model.eval()
    return state


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
    described = config.describe() | {"features": data.store.recipe.key, "data": data.fingerprint}
    return json.dumps(described, sort_keys=True)


class Checkpoint:
    """One file that is either whole or absent, tied to one configuration and data set."""

    def __init__(self, path: Path, *, identity: str) -> None:
        self.path, self.identity = path, identity

    def save(self, model: ACGA, optimizer: torch.optim.Optimizer, state: Progress) -> None:
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

    def load(self, model: ACGA, optimizer: torch.optim.Optimizer) -> Progress:
        """Restore model and optimiser from the file if it is there -> where the run stands."""
        if not self.path.exists():
            return Progress()
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
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        return Progress(step=saved["step"], losses=saved["losses"])
