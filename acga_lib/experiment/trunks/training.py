"""Training the small networks on generated clips, as ImageNet and Kinetics train the paper's.

The published networks know appearance from ImageNet and motion from Kinetics. The small ones learn
both from clips of their own (`pretraining_clips`): at every cell of the last layer they name what
is there, as far as their modality shows it. I3D on RGB names the actor-action pair and the colour,
I3D on flow the pair, VGG-16 on single frames the actor and the colour.

I3D first learns from four-frame snippets, which show appearance at a quarter of the cost, then from
whole clips, as it goes from ImageNet to Kinetics.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save as as_safetensors
from torch import Tensor, nn
from tqdm.auto import tqdm

from acga_lib.errors import ConfigError
from acga_lib.experiment.execution import mixed_precision
from acga_lib.experiment.trunks.clips import BACKGROUND, IGNORE, PAIRS, Clips, make_clip, make_clips
from acga_lib.experiment.trunks.heads import CLASSES, HITS, LOSSES
from acga_lib.files.records import write_text
from acga_lib.files.storage import write_bytes
from acga_lib.hashes import file_hash
from acga_lib.i3d import I3D, block_output, scaled
from acga_lib.vgg import CONNECTED, VGG16, add_batch_norm, fold_batch_norm

__all__ = [
    "BACKGROUND", "CONFIGS", "IGNORE", "PAIRS", "TrunkConfig", "make_clip", "make_clips",
    "save_network", "train_trunk",
]  # fmt: skip

SHARPNESS = 16.0


@dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """How a small network is trained."""

    modality: str = "rgb"  #: "rgb", "flow" or "image"
    width: float = 0.25
    clips: int = 6300  #: of which the last `held_out` are never trained on
    held_out: int = 300
    snippet_epochs: int = 4  #: epochs on four-frame snippets
    epochs: int = 5  #: epochs on whole clips
    batch_size: int = 8
    learning_rate: float = 3e-3
    seed: int = 0


#: The trainings that made the committed weights.
CONFIGS = {
    config.modality: config
    for config in (
        TrunkConfig(),
        TrunkConfig(modality="flow", clips=2700, snippet_epochs=2, epochs=4),
        TrunkConfig(modality="image", width=0.125, snippet_epochs=0, epochs=6),
    )
}


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network in training: how it is built at a width, its output, what its heads name.

    `finished` turns the trained network into the one whose weights are kept.
    """

    build: Callable[[float], nn.Module]
    channels: Callable[[float], int]
    heads: tuple[str, ...]
    finished: Callable[[Any], nn.Module]


NETWORKS = {
    "rgb": Network(
        build=lambda width: I3D(width=width), channels=partial(block_output, "mixed_4f"),
        heads=("pair", "color"), finished=nn.Module.eval,
    ),
    "flow": Network(
        build=lambda width: I3D(width=width, channels_in=2),
        channels=partial(block_output, "mixed_4f"), heads=("pair",), finished=nn.Module.eval,
    ),
    "image": Network(
        build=lambda width: add_batch_norm(VGG16(width=width)),
        channels=partial(scaled, CONNECTED["fc8"][0]), heads=("actor", "color"),
        finished=fold_batch_norm,
    ),
}  # fmt: skip


class DenseClassifier(nn.Module):
    """A network with its training heads, for example pair [B, 44, h, w] and colour [B, 11, h, w].

    A logit is `SHARPNESS` times the cosine of the feature and its class, so that classes end up
    far apart in what the methods read: unit vectors averaged over time (`model.VisualEncoder`).
    """

    def __init__(self, kind: Network, width: float) -> None:
        super().__init__()
        self.network = kind.build(width)
        channels = kind.channels(width)
        self.heads = nn.ParameterDict(
            {name: torch.randn(CLASSES[name], channels) for name in kind.heads}
        )

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Clips [B, C, T, S, S] or frames [B, C, S, S] -> the logits [B, classes, h, w]."""
        features = self.network(inputs)
        unit = F.normalize(features.mean(dim=2) if features.ndim == 5 else features, dim=1)
        return {
            name: SHARPNESS * torch.einsum("bchw,kc->bkhw", unit, F.normalize(weight, dim=1))
            for name, weight in self.heads.items()
        }


def train_trunk(
    config: TrunkConfig, clips: Clips, *, device: str = "cpu", progress: bool = True
) -> tuple[nn.Module, dict[str, Any]]:
    """Train a network on all but the last `held_out` clips -> (eval-mode network, its record).

    The network is an `I3D`, or a `VGG16` for single frames. Runs in bfloat16 where that is faster.
    The record holds the configuration, the loss per epoch, seconds, and `held_out_accuracy` on the
    clips as they are and, where they move, frozen to a still image. Raises ConfigError when the
    clips are of another modality, or too few.
    """
    if clips.modality != config.modality or len(clips.frames) <= config.held_out:
        raise ConfigError(
            f"{len(clips.frames)} clips of modality '{clips.modality}' do not fit {config}: "
            "make them with make_clips(config.clips, seed=config.seed, modality=config.modality)"
        )
    torch.manual_seed(config.seed)
    kind = NETWORKS[config.modality]
    model = DenseClassifier(kind, config.width).to(device)
    model.network.to(memory_format=_fastest(clips))  # type: ignore[call-overload]
    start, losses = time.perf_counter(), []
    for length, epochs in ((4, config.snippet_epochs), (clips.frames.shape[1], config.epochs)):
        losses += _train_stage(config, model, clips, length, epochs, device, progress)
    held_out = partial(held_out_accuracy, model, clips, config.held_out, device=device)
    record: dict[str, Any] = {
        "config": asdict(config),
        "loss": losses,
        "seconds": round(time.perf_counter() - start),
        "held_out": held_out(),
    }
    if clips.view.frozen:
        record["held_out_frozen"] = held_out(frozen=clips.view.frozen)
    model.network.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return kind.finished(model.network), record


def _fastest(clips: Clips) -> torch.memory_format:
    """The memory layout in which convolutions over these clips are fastest."""
    volume = clips.frames.shape[1] > 1
    return torch.channels_last_3d if volume else torch.channels_last


def _train_stage(
    config: TrunkConfig, model: DenseClassifier, clips: Clips, length: int, epochs: int,
    device: str, progress: bool,
) -> list[float]:  # fmt: skip
    """Train on `length` frames of every clip -> the mean loss of each epoch."""
    if epochs == 0:
        return []
    count, losses = len(clips.frames) - config.held_out, []
    steps = epochs * -(-count // config.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, steps)
    bar = tqdm(total=steps, desc=f"{config.modality}, {length} frames", disable=not progress)
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for inputs, labels in _batches(config, clips, count, epoch, length):
            inputs = inputs.to(device).contiguous(memory_format=_fastest(clips))
            with mixed_precision(device):
                logits = model(inputs)
            loss = torch.stack(
                [LOSSES[name](out.float(), labels[name].to(device)) for name, out in logits.items()]
            ).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(inputs)
            bar.update()
        losses.append(round(total / count, 4))
        bar.set_postfix(loss=losses[-1])
    bar.close()
    return losses


def _batches(
    config: TrunkConfig, clips: Clips, count: int, epoch: int, length: int
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Batches in an order, and mirrored by coins, that depend on (seed, epoch) alone."""
    random = np.random.Generator(np.random.PCG64([config.seed, length, epoch]))
    order = random.permutation(count)
    wanted = {name: clips.labels(name) for name in NETWORKS[config.modality].heads}
    for start in range(0, count, config.batch_size):
        chosen = order[start : start + config.batch_size]
        first = int(random.integers(clips.frames.shape[1] - length + 1))
        mirror = bool(random.random() < 0.5)
        inputs = clips.batch(chosen, first, length, mirror)
        labels = {name: torch.from_numpy(part[chosen]) for name, part in wanted.items()}
        yield inputs, {name: part.flip(-1) if mirror else part for name, part in labels.items()}


@torch.inference_mode()
def held_out_accuracy(
    model: DenseClassifier, clips: Clips, count: int, *, device: str = "cpu",
    frozen: Callable[[NDArray], NDArray] | None = None,
) -> dict[str, float]:  # fmt: skip
    """Accuracy over the instances' cells of the last `count` clips.

    -> what the heads name: pair, actor, color. A head of pairs or actors may also say background,
    which is wrong here. From pairs come two more: "actor", of the likeliest pair that is not
    background, and "action", right among the actions of the true actor. `frozen` takes the motion
    out of a clip: what a still image gives away.
    """
    model.eval()
    view, right = clips.view, dict[str, list[NDArray]]()
    for index in range(len(clips.frames) - count, len(clips.frames)):
        frames = frozen(clips.frames[index]) if frozen else clips.frames[index]
        logits = model(view.as_input(frames).unsqueeze(0).to(device))
        cells = (clips.pairs[index] >= 0) & (clips.pairs[index] < BACKGROUND)
        for name, out in logits.items():
            scores = out[0].cpu().numpy()[:, cells].T
            for what, hits in HITS[name](scores, clips.labels(name)[index][cells]).items():
                right.setdefault(what, []).append(hits)
    return {name: round(float(np.concatenate(hits).mean()), 4) for name, hits in right.items()}


def save_network(network: nn.Module, record: dict[str, Any], path: Path) -> None:
    """Write a trained network to `path` in half precision; its sha256 and its record beside it.

    The old sha256 goes first: a stop in between leaves a file without one, not one that is refused.
    """
    state = network.state_dict()
    half = {key: v.half() if v.is_floating_point() else v for key, v in state.items()}
    hash_file = path.with_name(path.name + ".sha256")
    hash_file.unlink(missing_ok=True)
    write_bytes(path, as_safetensors(half), "a network's weights")
    write_text(hash_file, f"{file_hash(path)}  {path.name}\n")
    write_text(path.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
