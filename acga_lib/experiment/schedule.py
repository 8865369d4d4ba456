"""What happens in which step of a training: stages, learning rates, batches (Sec. 4.2).

All of it is a pure function of the configuration, the samples and the step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from acga_lib.config import RunConfig
from acga_lib.datasets import Sample
from acga_lib.methods import Stage
from acga_lib.profiles import Profile


@dataclass(frozen=True)
class Stretch:
    """A stage of a training with its first step and the one after its last."""

    stage: Stage
    first: int
    end: int

    def factor(self, profile: Profile) -> float:
        """By how much the published rate is raised: that of SGD, which few steps slow down most."""
        return profile.training.sgd_factor if self.stage.optimizer == "sgd" else 1.0

    def learning_rate(self, step: int, profile: Profile) -> float:
        """The stage's schedule at a step of the run, times the profile's factor."""
        done = (step - self.first) / (self.end - self.first)
        passed = sum(done >= division for division in self.stage.divisions)
        return self.factor(profile) * self.stage.learning_rate * 0.1**passed

    def optimizer(self, model: nn.Module, profile: Profile) -> torch.optim.Optimizer:
        """A fresh optimiser of what is trained.

        Weight decay spares biases and other vectors, and word embeddings, as in Hu et al.'s code:
        a rare word has few gradients to set against it, and fades. A raised rate does not raise it:
        a step shrinks the weights by rate x decay, which stays as published.
        """
        decayed: list[nn.Parameter] = []
        spared: list[nn.Parameter] = []
        for module in model.modules():
            for parameter in module.parameters(recurse=False):
                matrix = parameter.dim() > 1 and not isinstance(module, nn.Embedding)
                if parameter.requires_grad:
                    (decayed if matrix else spared).append(parameter)
        groups = [
            {"params": decayed, "weight_decay": self.stage.weight_decay / self.factor(profile)},
            {"params": spared, "weight_decay": 0.0},
        ]
        if self.stage.optimizer == "sgd":
            return torch.optim.SGD(groups, lr=self.stage.learning_rate, momentum=0.9)
        return torch.optim.Adam(groups, lr=self.stage.learning_rate, fused=True)


def steps_per_epoch(config: RunConfig, samples: int) -> int:
    """Batches of an epoch: the last may be smaller, or, with fresh batches, none is."""
    size = config.scale.training.batch_size
    return max(samples // size, 1) if config.fresh_batches else math.ceil(samples / size)


def stretches(config: RunConfig, samples: int) -> list[Stretch]:
    """The stages of a run on that many training samples, laid out over its steps."""
    bounds = [0.0]
    for stage in config.stages:
        bounds.append(bounds[-1] + stage.share)
    total = config.scale.training.epochs * steps_per_epoch(config, samples)
    steps = [round(total * bound / (bounds[-1] or 1)) for bound in bounds]
    return [
        Stretch(stage, first, end)
        for stage, (first, end) in zip(config.stages, pairwise(steps), strict=True)
    ]


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


def fresh_batches(count: int, size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """The authors' order: every batch is drawn anew from all samples, as often as `size` fits.

    No sample is twice in a batch. Of an epoch's samples about a third (1/e) are in no batch.
    """
    random = np.random.Generator(np.random.PCG64([seed, epoch, 0xBA7C4]))
    size = min(size, count)
    return [random.choice(count, size, replace=False).tolist() for _ in range(count // size)]


def epoch_batches(config: RunConfig, samples: Sequence[Sample], *, epoch: int) -> list[list[int]]:
    """The batches of an epoch, as indices into the samples."""
    size, seed = config.scale.training.batch_size, config.seed
    if config.fresh_batches:
        return fresh_batches(len(samples), size, seed=seed, epoch=epoch)
    if config.scale.training.by_frame:
        order = frame_order(samples, seed=seed, epoch=epoch)
    else:
        order = sample_order(len(samples), seed=seed, epoch=epoch).tolist()
    return [order[start : start + size] for start in range(0, len(order), size)]


def parts(
    batch: list[int], size: int, *, rank: int = 0, processes: int = 1, accumulate: int = 1
) -> list[tuple[list[int], float]]:
    """What one process computes of a batch: pieces, with the weight of each in the batch's loss.

    The losses are means over samples of equal size, so a piece weighs as much as its share of the
    batch, and the weighted sum over pieces and processes is the loss of the whole batch, also of a
    last batch smaller than `size`. A process for which nothing is left computes a sample of weight
    0, because the others wait for it.
    """
    mine = batch[rank::processes]
    if not mine:
        return [(batch[:1], 0.0)]
    most = math.ceil(math.ceil(size / processes) / accumulate)
    pieces = [mine[start : start + most] for start in range(0, len(mine), most)]
    return [(piece, len(piece) / len(batch)) for piece in pieces]
