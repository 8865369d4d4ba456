"""Training the small networks on drawn clips, as ImageNet and Kinetics train the paper's.

The published networks know appearance from ImageNet and motion from Kinetics. The small ones learn
both from clips of their own (`clips`): at every cell of the last layer they name what is there, as
far as their modality shows it. I3D on RGB names the actor-action pair, the colour and the pattern,
I3D on flow the pair, VGG-16 on single frames the actor, the colour and the pattern.

Processes draw while the networks train, and each batch is chosen among the clips that are there.
The networks that are trained together see the same clips. A training goes from windows of single
frames (`stills`), which show appearance at a fraction of the cost, over whole frames and windows of
clips to whole clips, as I3D goes from ImageNet to Kinetics.

    python -m acga_lib.experiment.trunks.training [rgb] [flow] [image] [--device cuda] [--out ...]
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save as as_safetensors
from torch import Tensor, nn
from tqdm.auto import tqdm

from acga_lib.benchmark.writing.scenes import TRUNK_FRAMES
from acga_lib.config import ROOT, choose
from acga_lib.errors import ConfigError
from acga_lib.experiment.execution import mixed_precision
from acga_lib.experiment.trunks.clips import (
    ACTOR_OF,
    INPUTS,
    SIDE,
    Clips,
    Drawing,
    Views,
    labels,
)
from acga_lib.experiment.trunks.heads import CLASSES, HITS, LOSSES, object_cells, still_loss
from acga_lib.experiment.trunks.pool import Pool
from acga_lib.experiment.trunks.stills import see_frames_alone, still_features
from acga_lib.files.records import write_text
from acga_lib.files.storage import write_bytes
from acga_lib.hashes import file_hash
from acga_lib.i3d import I3D, block_output, scaled
from acga_lib.vgg import CONNECTED, VGG16, add_batch_norm, fold_batch_norm

SHARPNESS = 16.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of a training: so many frames and pixels of each clip (`Views.drawn`)."""

    steps: int
    batch_size: int
    frames: int = TRUNK_FRAMES
    side: int = SIDE
    learning_rate: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class Course:
    """How networks are trained."""

    clips: int = 4500  #: as many are drawn, if there is time
    held_out: int = 300  #: clips besides, never trained on
    first: int = 300  #: clips that are there before the first step
    stages: tuple[Stage, ...] = (
        Stage(steps=6000, batch_size=32, frames=1, side=SIDE // 2),
        Stage(steps=2000, batch_size=8, frames=1, learning_rate=7e-4),
        # Not two steps in time (four frames): torch 2.13 computes wrong gradients of padded
        # bfloat16 convolutions over two on CPUs (infinite ones, half of the time).
        # Six times the taps move at once then, so at a lower rate.
        Stage(steps=4000, batch_size=8, side=SIDE // 2, learning_rate=2e-4),
        Stage(steps=450, batch_size=4, learning_rate=2e-4),
    )
    weight_decay: float = 1e-2
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network in training: how it is built at a width, its output, what its heads name.

    `finished` turns the trained network into the one whose weights are kept in `file`.
    """

    modality: str
    width: float
    file: str
    build: Callable[[float], nn.Module]
    channels: Callable[[float], int]
    heads: tuple[str, ...]
    finished: Callable[[Any], nn.Module]


#: The networks of the committed weights.
NETWORKS = {
    network.modality: network
    for network in (
        Network(
            modality="rgb", width=0.25, file="toy_i3d_rgb.safetensors",
            build=lambda width: I3D(width=width), channels=partial(block_output, "mixed_4f"),
            heads=("pair", "color", "pattern"), finished=nn.Module.eval,
        ),
        Network(
            modality="flow", width=0.25, file="toy_i3d_flow.safetensors",
            build=lambda width: I3D(width=width, channels_in=2),
            channels=partial(block_output, "mixed_4f"), heads=("pair",), finished=nn.Module.eval,
        ),
        Network(
            modality="image", width=0.125, file="toy_vgg.safetensors",
            build=lambda width: add_batch_norm(VGG16(width=width)),
            channels=partial(scaled, CONNECTED["fc8"][0]), heads=("actor", "color", "pattern"),
            finished=fold_batch_norm,
        ),
    )
}  # fmt: skip


class DenseClassifier(nn.Module):
    """A network with its training heads, for example pair [B, 44, h, w] and colour [B, 11, h, w].

    A logit is `SHARPNESS` times the cosine of the feature and its class, so that classes end up
    far apart in what the methods read: unit vectors averaged over time (`model.VisualEncoder`).
    """

    def __init__(self, kind: Network, width: float) -> None:
        super().__init__()
        self.kind = kind
        self.network = kind.build(width)
        channels = kind.channels(width)
        self.heads = nn.ParameterDict(
            {name: torch.randn(CLASSES[name], channels) for name in kind.heads}
        )
        if "pair" in self.heads:  # single frames teach the actor: its actions are equally likely
            self.heads["pair"] = torch.randn(CLASSES["actor"], channels)[torch.from_numpy(ACTOR_OF)]

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Clips [B, C, T, S, S] or frames [B, C, S, S] -> the logits [B, classes, h, w]."""
        if inputs.ndim == 4 and isinstance(self.network, I3D):
            features = still_features(self.network, inputs)
        else:
            features = self.network(inputs)
        unit = F.normalize(features.mean(dim=2) if features.ndim == 5 else features, dim=1)
        return {
            name: SHARPNESS * torch.einsum("bchw,kc->bkhw", unit, F.normalize(weight, dim=1))
            for name, weight in self.heads.items()
        }

    def see(self, clips: Clips, views: Views) -> dict[str, Tensor]:
        """The logits of drawn clips, in half precision where that is fast."""
        inputs = INPUTS[self.kind.modality](clips, views)
        if inputs.ndim == 5 and inputs.shape[2] == 1:
            inputs = inputs[:, :, 0]
        layout = torch.channels_last_3d if inputs.ndim == 5 else torch.channels_last
        with mixed_precision(str(inputs.device)):
            return self(inputs.contiguous(memory_format=layout))

    def look(self, clips: Clips, views: Views) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """-> logits and labels of what the network is shown, one frame or all of a clip."""
        shown = clips.middle if self.kind.modality == "image" else clips
        return self.see(shown, views), labels(shown, views)


@dataclass
class Pupil:
    """A network in training, with its optimiser, and the loss since the last look."""

    model: DenseClassifier
    total: Tensor
    losses: list[float] = field(default_factory=list)
    optimizer: torch.optim.Optimizer = field(init=False)

    def begin(self, course: Course) -> None:
        """Forget what the optimiser knows.

        Single frames give the outer taps in time no gradient, and Adam, which divides by the
        root mean square of what came before, would throw them far in their first steps.
        """
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), weight_decay=course.weight_decay, fused=True
        )


def train_trunks(
    modalities: Sequence[str], course: Course, *, device: str = "cpu", workers: int = 1,
    widths: dict[str, float] | None = None, progress: bool = True,
) -> dict[str, tuple[nn.Module, dict[str, Any]]]:  # fmt: skip
    """Train the networks of these modalities on the same clips -> (eval-mode network, its record).

    The record holds the course, the loss (means over tenths of each stage), seconds, and
    `held_out_accuracy` on the clips as they are and, of what moves, frozen to a still image.
    workers: processes that draw (0: this one). widths: other widths than `NETWORKS` has. Raises
    ConfigError for an unknown modality.
    """
    start = time.perf_counter()
    kinds = {modality: choose("modality", NETWORKS, modality) for modality in modalities}
    torch.manual_seed(course.seed)
    pupils = {
        name: _pupil(kind, (widths or {}).get(name, kind.width), device)
        for name, kind in kinds.items()
    }
    if course.first > course.clips or max(s.batch_size for s in course.stages) > course.first:
        raise ConfigError(f"{course}: the first clips must fill a batch and not be more than all")
    shown = {"frames": set(modalities) != {"flow"}, "flow": "flow" in modalities}  # no more is held
    drawing = Drawing(seed=course.seed, **shown)
    stream = drawing.stream(range(course.held_out + course.clips), workers=workers)
    held_out = [next(stream) for _ in range(course.held_out)]
    random = torch.Generator().manual_seed(course.seed)
    bar = tqdm(total=sum(s.steps for s in course.stages), disable=not progress, mininterval=5)
    with Pool(stream, course.clips, device) as pool:
        for stage in course.stages:
            for pupil in pupils.values():
                pupil.begin(course)
            for step in range(stage.steps):
                clips = pool.choose(
                    stage.batch_size, stage.frames, least=course.first, random=random
                )
                views = Views.drawn(clips, random, side=stage.side)
                rate = stage.learning_rate * _schedule(step / stage.steps)
                for pupil in pupils.values():
                    _step(pupil, clips, views, rate)
                bar.update()
                if (step + 1) % max(1, stage.steps // 10) == 0:
                    _note(pupils, max(1, stage.steps // 10))
                    bar.set_postfix({name: pupil.losses[-1] for name, pupil in pupils.items()})
    bar.close()
    spent = round(time.perf_counter() - start)
    found = {}
    for name, pupil in pupils.items():
        accuracy = partial(held_out_accuracy, pupil.model, held_out, device=device)
        record: dict[str, Any] = {
            "modality": pupil.model.kind.modality, "width": pupil.model.network.width,
            "course": asdict(course), "trained_with": sorted(pupils),
            "clips_drawn": pool.drawn, "loss": pupil.losses, "seconds": spent,
            "device": _device(device), "held_out": accuracy(),
        }  # fmt: skip
        if pupil.model.kind.modality != "image":
            record["held_out_frozen"] = accuracy(frozen=True)
        network = pupil.model.network.cpu()
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        found[name] = kinds[name].finished(network), record
    return found


def _pupil(kind: Network, width: float, device: str) -> Pupil:
    model = DenseClassifier(kind, width).to(device).train()
    if isinstance(model.network, I3D):
        see_frames_alone(model.network)
    layout = torch.channels_last if kind.modality == "image" else torch.channels_last_3d
    model.network.to(memory_format=layout)  # type: ignore[call-overload]
    return Pupil(model, torch.zeros((), device=device))


def _schedule(done: float, *, rising: float = 0.1) -> float:
    """The learning rate's factor: up from a 25th, then down to zero along a cosine."""
    if done < rising:
        return 0.04 + 0.96 * done / rising
    return 0.5 + 0.5 * float(np.cos(np.pi * (done - rising) / (1 - rising)))


def _step(pupil: Pupil, clips: Clips, views: Views, rate: float) -> None:
    for group in pupil.optimizer.param_groups:
        group["lr"] = rate
    logits, wanted = pupil.model.look(clips, views)
    known = LOSSES | {"pair": still_loss} if clips.shares.shape[1] == 1 else LOSSES
    losses = [known[name](out.float(), wanted[name]) for name, out in logits.items()]
    loss = torch.stack(losses).sum()
    pupil.optimizer.zero_grad()
    loss.backward()
    pupil.optimizer.step()
    pupil.total += loss.detach()


def _note(pupils: dict[str, Pupil], steps: int) -> None:
    for pupil in pupils.values():
        pupil.losses.append(round(pupil.total.item() / steps, 4))
        pupil.total.zero_()


@torch.inference_mode()
def held_out_accuracy(
    model: DenseClassifier, clips: Sequence[Clips], *, device: str = "cpu", frozen: bool = False
) -> dict[str, float]:
    """Accuracy over the cells of the clips' instances -> what the heads name: pair, actor, ...

    A head of pairs or actors may also say background, which is wrong here. From pairs come two
    more: "actor", of the likeliest pair that is not background, and "action", right among the
    actions of the true actor. frozen: the motion is taken out, what a still image gives away.
    """
    model.eval()
    right: dict[str, list[np.ndarray]] = {}
    for one in clips:
        shown = one.to(device)
        views = Views.plain(len(one), device)
        logits, named = model.look(shown.frozen if frozen else shown, views)
        wanted = {name: part.cpu().numpy() for name, part in named.items()}
        cells = object_cells(wanted["pair"])
        for name, out in logits.items():
            scores = out.float().cpu().numpy().transpose(0, 2, 3, 1)[cells]
            for what, hits in HITS[name](scores, wanted[name][cells]).items():
                right.setdefault(what, []).append(hits)
    return {name: round(float(np.concatenate(hits).mean()), 4) for name, hits in right.items()}


def _device(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the named networks, together, and write their files."""
    parser = argparse.ArgumentParser(description="Train the small frozen networks.")
    parser.add_argument("modalities", nargs="*", default=list(NETWORKS), help="rgb, flow, image")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "weights", help="a folder")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--clips", type=int, default=Course().clips)
    parser.add_argument("--longer", type=float, default=1.0, help="a factor of all steps")
    given = parser.parse_args(arguments)
    standard = Course(clips=given.clips)
    course = replace(standard, stages=tuple(
        replace(stage, steps=round(given.longer * stage.steps)) for stage in standard.stages
    ))  # fmt: skip
    torch.backends.cudnn.benchmark = True
    trained = train_trunks(given.modalities, course, device=given.device, workers=given.workers)
    for modality, (network, record) in trained.items():
        save_network(network, record, given.out / NETWORKS[modality].file)
        print(modality, record["held_out"], record.get("held_out_frozen", ""))


if __name__ == "__main__":
    main()
