"""Training the small networks on drawn clips, as ImageNet and Kinetics train the paper's.

The published networks know appearance from ImageNet and motion from Kinetics. The small ones learn
both from clips of their own (`clips`): at every cell of the last layer they name what is there, as
far as their modality shows it. I3D on RGB names the actor-action pair, the colour and the pattern,
I3D on flow the pair, VGG-16 on single frames the actor, the colour and the pattern.

Processes draw while the networks train, and each batch is chosen among the clips that are there.
The published I3D goes from ImageNet to Kinetics: appearance first, then motion, in one network. In
small ones, which are trained for minutes, learning motion undid what single frames had taught. So
the one for RGB is two that were trained apart and then joined (`joining`): "frames" learns from
single frames (`stills`), at a fraction of the cost, "motion" from clips.

    python -m acga_lib.experiment.trunks.training [rgb] [flow] [image] [--device cuda] [--out ...]
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as as_safetensors
from torch import Tensor, nn
from tqdm.auto import tqdm

from acga_lib.benchmark.writing.scenes import TRUNK_FRAMES
from acga_lib.config import ROOT
from acga_lib.errors import ConfigError
from acga_lib.experiment.processes import default_device
from acga_lib.experiment.trunks.clips import SIDE, Clips, Drawing, Views
from acga_lib.experiment.trunks.heads import HITS, joint, object_cells
from acga_lib.experiment.trunks.networks import NETWORKS, DenseClassifier
from acga_lib.experiment.trunks.pool import Pool
from acga_lib.files.cores import usable_cores
from acga_lib.files.storage import write_bytes, write_text
from acga_lib.files.terminal import run_command
from acga_lib.hashes import file_hash
from acga_lib.parameters import choose


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
    """How networks are trained: on which clips, and the stages of the parts that they have."""

    clips: int = 4500  #: as many are drawn, if there is time
    held_out: int = 300  #: clips besides, never trained on
    first: int = 300  #: clips that are there before the first step
    frames: tuple[Stage, ...] = (
        Stage(steps=6000, batch_size=32, frames=1, side=SIDE // 2),
        Stage(steps=2000, batch_size=8, frames=1, learning_rate=7e-4),
        Stage(steps=8000, batch_size=8, frames=1, learning_rate=7e-4),
    )
    motion: tuple[Stage, ...] = (
        # Not four frames, two steps in time: torch 2.13 computes wrong gradients of padded bfloat16
        # convolutions over two on CPUs (infinite ones, half of the time).
        Stage(steps=5000, batch_size=16, frames=2, side=SIDE // 2, learning_rate=3e-3),
        Stage(steps=2200, batch_size=8, side=SIDE // 2, learning_rate=3e-3),
        Stage(steps=400, batch_size=4, learning_rate=5e-4),
        Stage(steps=2000, batch_size=8, side=SIDE // 2),
    )
    weight_decay: float = 1e-2
    seed: int = 0

    def stages(self, part: str) -> tuple[Stage, ...]:
        """The stages of a network's part, "frames" or "motion"."""
        return self.frames if part == "frames" else self.motion


def train_trunks(
    modalities: Sequence[str], course: Course, *, device: str = "cpu", workers: int = 1,
    widths: dict[str, float] | None = None, progress: bool = True,
) -> dict[str, tuple[nn.Module, dict[str, Any]]]:  # fmt: skip
    """Train the networks of these modalities on the same clips -> (eval-mode network, its record).

    The record holds the course, each part's loss (means over tenths of each stage), seconds, and
    `held_out_accuracy` on the clips as they are and, of what moves, frozen to a still image.
    workers: processes that draw (0: this one). widths: other widths than `NETWORKS` has. Raises
    ConfigError for an unknown modality.
    """
    start = time.perf_counter()
    kinds = {modality: choose("modality", NETWORKS, modality) for modality in modalities}
    stages = [stage for kind in kinds.values() for part in kind.heads for stage in
              course.stages(part)]  # fmt: skip
    if course.first > course.clips or max(s.batch_size for s in stages) > course.first:
        raise ConfigError(f"{course}: the first clips must fill a batch and not be more than all")
    torch.manual_seed(course.seed)
    widths = {name: kind.width for name, kind in kinds.items()} | (widths or {})
    shown = {"frames": set(modalities) != {"flow"}, "flow": "flow" in modalities}  # no more is held
    drawing = Drawing(seed=course.seed, **shown)
    stream = drawing.stream(range(course.held_out + course.clips), workers=workers)
    held_out = [next(stream) for _ in range(course.held_out)]
    bar = tqdm(total=sum(s.steps for s in stages), disable=not progress, mininterval=5)
    with Pool(stream, course.clips, device) as pool:
        trained = {
            name: {
                part: _trained(
                    DenseClassifier(kind, part, widths[name] / len(kind.heads)),
                    course, pool, device, bar,
                )
                for part in kind.heads
            }
            for name, kind in kinds.items()
        }  # fmt: skip
    bar.close()
    spent = round(time.perf_counter() - start)
    found = {}
    for name, parts in trained.items():
        models = [model for model, _ in parts.values()]
        accuracy = partial(held_out_accuracy, models, held_out, device=device)
        record: dict[str, Any] = {
            "modality": name, "course": asdict(course),
            "parts": {part: {"width": model.network.width, "loss": losses}
                      for part, (model, losses) in parts.items()},
            "clips_drawn": pool.drawn, "seconds": spent, "device": _device(device),
            "held_out": accuracy(),
        }  # fmt: skip
        if name != "image":
            record["held_out_frozen"] = accuracy(frozen=True)
        network = kinds[name].finished([model.network.cpu() for model in models])
        network.to(memory_format=torch.contiguous_format)
        found[name] = network, record
    return found


def _trained(
    model: DenseClassifier, course: Course, pool: Pool, device: str, bar: Any
) -> tuple[DenseClassifier, list[float]]:
    """Take a part of a network through its stages -> it and its losses, means over tenths."""
    random = torch.Generator().manual_seed(course.seed)
    layout = torch.channels_last if model.kind.modality == "image" else torch.channels_last_3d
    model.to(device).train().network.to(memory_format=layout)  # type: ignore[call-overload]
    losses: list[float] = []
    for stage in course.stages(model.part):
        optimizer = torch.optim.AdamW(
            model.parameters(), weight_decay=course.weight_decay, fused=True
        )
        tenth, total = max(1, stage.steps // 10), torch.zeros((), device=device)
        for step in range(stage.steps):
            clips = pool.choose(stage.batch_size, stage.frames, least=course.first, random=random)
            views = Views.drawn(clips, random, side=stage.side)
            for group in optimizer.param_groups:
                group["lr"] = stage.learning_rate * _schedule(step / stage.steps)
            loss = model.loss(clips, views)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
            bar.update()
            if (step + 1) % tenth == 0:
                losses.append(round(total.item() / tenth, 4))
                total.zero_()
                bar.set_postfix({f"{model.kind.modality} {model.part}": losses[-1]})
    return model, losses


def _schedule(done: float) -> float:
    """The learning rate's factor: up from a 25th, then down to zero along a cosine."""
    rising = 0.1  # of the steps
    if done < rising:
        return 0.04 + 0.96 * done / rising
    return 0.5 + 0.5 * float(np.cos(np.pi * (done - rising) / (1 - rising)))


@torch.inference_mode()
def held_out_accuracy(
    models: Sequence[DenseClassifier], clips: Sequence[Clips], *, device: str = "cpu",
    frozen: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Accuracy over the cells of the clips' instances -> what the heads name: pair, actor, ...

    models: the parts of a network; where one names actors and another pairs, the first says who and
    the second does what (`joint`). Pairs and actors may also be background, which is wrong here.
    From pairs come two more: "actor", of the likeliest pair that is not background, and "action",
    right among the actions of the true actor. frozen: the motion is taken out, what a still image
    gives away.
    """
    right: dict[str, list[np.ndarray]] = {}
    for one in clips:
        shown = one.to(device)
        shown = shown.frozen if frozen else shown
        views = Views.plain(len(one), device)
        logits: dict[str, Tensor] = {}
        for model in models:
            answers, named = model.eval().look(shown, views)
            logits |= {name: out.float() for name, out in answers.items()}
        if "pair" in logits and "actor" in logits:
            logits["pair"] = joint(logits.pop("actor"), logits["pair"])
        wanted = {name: part.cpu().numpy() for name, part in named.items()}
        cells = object_cells(wanted["pair"])
        for name, out in logits.items():
            scores = out.cpu().numpy().transpose(0, 2, 3, 1)[cells]
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the named networks, together, and write their files -> exit status."""
    parser = argparse.ArgumentParser(description="Train the small frozen networks.")
    parser.add_argument("modalities", nargs="*", default=list(NETWORKS), help="rgb, flow, image")
    parser.add_argument("--device", default="", help="cpu, or cuda; a GPU where there is one")
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "weights", help="a folder")
    parser.add_argument("--workers", type=int, default=max(1, usable_cores() - 1))
    parser.add_argument("--clips", type=int, default=Course().clips)
    parser.add_argument("--longer", type=float, default=1.0, help="a factor of all steps")
    given = parser.parse_args(arguments)
    standard = Course(clips=given.clips)
    frames, motion = (
        tuple(replace(stage, steps=round(given.longer * stage.steps)) for stage in stages)
        for stages in (standard.frames, standard.motion)
    )
    course = replace(standard, frames=frames, motion=motion)

    def work() -> None:
        torch.backends.cudnn.benchmark = True
        device = given.device or default_device()
        trained = train_trunks(given.modalities, course, device=device, workers=given.workers)
        for modality, (network, record) in trained.items():
            save_network(network, record, given.out / NETWORKS[modality].file)
            print(modality, record["held_out"], record.get("held_out_frozen", ""))

    return run_command("trunks", work)


if __name__ == "__main__":
    sys.exit(main())
