"""`make bench`: how fast the library is beside the authors' form of it, and how equal.

The literal form (`helpers/literal.py`: what the authors' code computes, operation by operation) and
the library run in turn, in one process, on the same inputs and weights, and the medians of their
times are compared: a ratio is the claim, never seconds. Interference shows as spread. Writes
`results/benchmarks/cpu.json` and `cpu.md`; `bench_cuda.py` does the same on a GPU.
"""

import argparse
import gc
import json
import os
import platform
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from helpers import literal
from helpers.timing import (
    Clock,
    differences,
    lines,
    matmul_peak,
    paper_inputs,
    precision,
    ratios,
)
from torch.utils.flop_counter import FlopCounterMode

from acga_lib.clip import Letterbox, to_input
from acga_lib.config import ROOT
from acga_lib.datasets import open_dataset
from acga_lib.experiment.networks import build_network
from acga_lib.experiment.results import environment
from acga_lib.files.packed import pack, unpack
from acga_lib.files.storage import write_text
from acga_lib.i3d import I3D
from acga_lib.loss import segmentation_loss
from acga_lib.methods import METHODS
from acga_lib.metrics import segmentation_metrics
from acga_lib.model import ACGA, Responses
from acga_lib.profiles import PROFILES

FOLDER = ROOT / "results" / "benchmarks"


def peak_memory(call: Callable[[], object]) -> int:
    """Most bytes that a call adds to what the process holds before it."""
    gc.collect()
    process, stop = psutil.Process(), threading.Event()
    before = most = process.memory_info().rss

    def watch() -> None:
        nonlocal most
        while not stop.wait(0.005):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    call()
    stop.set()
    watcher.join()
    return most - before


def training(
    clock: Clock, batch: int, cells: int, name: str, literally: Callable[..., Any]
) -> dict[str, Any]:
    """A training step at the paper's widths: forward, loss, backward."""
    device = clock.device
    torch.manual_seed(0)
    model = build_network(METHODS[name], PROFILES["paper"]).to(device).train()
    features, words, masks = paper_inputs(batch, cells, device)

    def step(form: Callable[..., Any], half: bool = False) -> Callable[[], None]:
        def run() -> None:
            model.zero_grad()
            with precision(device, half):
                responses = Responses(*form(features, words)[:3])
            segmentation_loss(responses, masks).backward()

        return run

    calls = {
        "literal": step(partial(literally, model)),
        "library": step(model), "bfloat16": step(model, True),
    }  # fmt: skip
    found = clock.in_turn(calls)
    with FlopCounterMode(display=False) as counter:
        calls["library"]()
    memory = {name: peak_memory(call) for name, call in calls.items()}
    return {
        "batch": batch, "side": 16 * cells, "seconds": found, "peak_bytes": memory,
        "operations": counter.get_total_flops(),
        "faster": {name: ratios(found["literal"], found[name]) for name in ("library", "bfloat16")},
        "memory": round(memory["library"] / memory["literal"], 2),
        "samples_per_second": {n: round(batch / float(np.median(t)), 3) for n, t in found.items()},
        "differences": differences(model, literally, features, words),
    }  # fmt: skip


@torch.inference_mode()
def inference(clock: Clock, cells: int) -> dict[str, Any]:
    """One sentence from stored features; eight on one clip, trunk included."""
    device = clock.device
    torch.manual_seed(0)
    model, trunk = ACGA(METHODS["acga"]).to(device).eval(), I3D().to(device).eval()
    features, words, _ = paper_inputs(1, cells, device)
    eight = paper_inputs(8, 1, device)[1]
    clip = torch.rand(1, 3, 16, 16 * cells, 16 * cells, device=device) * 2 - 1
    of = torch.zeros(8, dtype=torch.long, device=device)

    def library(half: bool, *, several: bool) -> Callable[[], object]:
        def run() -> object:
            with precision(device, half):
                return model(trunk.trunk(clip), eight, of) if several else model(features, words)

        return run

    one = clock.in_turn({
        "literal": lambda: literal.acga(model, features, words),
        "library": library(False, several=False), "bfloat16": library(True, several=False),
    })  # fmt: skip
    many = clock.in_turn({
        "literal": lambda: literal.acga(model, literal.trunk(trunk, clip), eight[:1]),  # of eight
        "library": library(False, several=True), "bfloat16": library(True, several=True),
    })  # fmt: skip
    many["literal"] = [8 * seconds for seconds in many["literal"]]
    names = ("library", "bfloat16")
    return {
        "side": 16 * cells,
        "one sentence": {n: ratios(one["literal"], one[n]) for n in names},
        "eight sentences and the trunk": {n: ratios(many["literal"], many[n]) for n in names},
        "seconds": {"one": one, "eight": many},
    }


@torch.inference_mode()
def trunks(clock: Clock) -> dict[str, Any]:
    """Mixed_4e of the annotated frames of one video: the paper's trunk at 512, the small at 224."""
    device, found = clock.device, {}
    for width, side, clips in ((1.0, 512, 2), (0.5, 224, 3)):
        torch.manual_seed(0)
        trunk = I3D(width=width).to(device).eval()
        x = torch.rand(clips, 3, 16, side, side, device=device) * 2 - 1

        def run(half: bool, trunk: I3D = trunk, x: torch.Tensor = x) -> torch.Tensor:
            with precision(clock.device, half):
                return trunk.trunk(x)

        times = clock.in_turn({
            "literal": partial(literal.trunk, trunk, x), "library": partial(run, False),
            "bfloat16": partial(run, True),
        })  # fmt: skip
        apart = (trunk.trunk(x) - literal.trunk(trunk, x)).abs().max()
        found[f"width {width:g}, {side} pixels"] = {
            "clips": clips, "difference": float(apart), "seconds": times,
            "faster": {n: ratios(times["literal"], times[n]) for n in ("library", "bfloat16")},
        }  # fmt: skip
    return found


def scoring(clock: Clock, count: int = 3800) -> dict[str, Any]:
    """Scoring masks without COCO's AP, against pycocotools' IoU of encoded masks."""
    from pycocotools import mask as coco

    generator = np.random.Generator(np.random.PCG64(0))
    corners = generator.integers(0, 200, (count, 2, 2))
    masks = np.zeros((2, count, 320, 400), dtype=bool)
    for kind in (0, 1):
        for index in range(count):
            top, left = corners[index, kind]
            masks[kind, index, top : top + 90, left : left + 120] = True

    def theirs() -> float:
        total = 0.0
        for one, other in zip(*masks, strict=True):
            codes = [coco.encode(np.asfortranarray(m, dtype=np.uint8)) for m in (one, other)]
            total += float(coco.iou(codes[:1], codes[1:], [0])[0, 0])
        return total / count

    times = clock.in_turn({"pycocotools": theirs, "library": lambda: segmentation_metrics(*masks)})
    found = segmentation_metrics(*masks)["mean_iou"]
    assert abs(found - theirs()) < 1e-9
    return {"masks": count, "faster": ratios(times["pycocotools"], times["library"]),
            "seconds": times}  # fmt: skip


#: Annotated frames of A2D Sentences, of training and test videos: clips whose features are stored.
A2D_CLIPS = 9518 + 2342


@torch.inference_mode()
def storing(clock: Clock, clips: int = 4) -> dict[str, Any]:
    """Packed features of real clips at 512 pixels, and how long one takes to be read.

    The trunk has the published size and random weights: half of what it says is zero, of the
    trained one's more. Without the real clips, nothing is measured.
    """
    default = ROOT.parent / "shared" / "data"
    root = Path(os.environ.get("ACGA_SHARED", default)) / "real_pairs"
    if not root.is_dir():
        return {"left out": f"no real clips at {root}"}
    torch.manual_seed(0)
    trunk, sizes, features = I3D().eval(), [], []
    for sample in list(open_dataset("a2d", root=root, split="train"))[:: 360 // clips][:clips]:
        box = Letterbox(height=sample.height, width=sample.width, side=512)
        clip = to_input(box.frames(sample.clip(frames=16)))[None]
        features.append(trunk.trunk(clip)[0].half().numpy())
        sizes.append(len(pack(features[-1])))
    data = pack(features[0])
    assert np.array_equal(unpack(data).view(np.uint16), features[0].view(np.uint16))
    read = clock.in_turn({"read": lambda: unpack(data)})["read"]
    return {
        "clips": len(sizes), "zeros": round(float(np.mean(np.stack(features) == 0)), 2),
        "bytes of a clip": round(float(np.mean(sizes))), "of float16": features[0].nbytes,
        "gigabytes of A2D Sentences": round(A2D_CLIPS * float(np.mean(sizes)) / 1e9, 1),
        "milliseconds to read a clip": round(1000 * float(np.median(read)), 1),
    }  # fmt: skip


PARTS: dict[str, Callable[[Clock, argparse.Namespace], dict[str, Any]]] = {
    "training": lambda clock, given: training(
        clock, given.batch, given.side // 16, "acga", literal.acga
    ),
    "training, Gavrilyuk et al.": lambda clock, given: training(
        clock, given.batch, given.side // 16, "gavrilyuk", literal.gavrilyuk
    ),
    "inference": lambda clock, given: inference(clock, given.side // 16),
    "trunk": lambda clock, given: trunks(clock),
    "scoring": lambda clock, given: scoring(clock),
    "store": lambda clock, given: storing(clock),
}


def table(record: dict[str, Any]) -> str:
    """The ratios of a record as Markdown."""

    def cell(ratio: dict[str, float]) -> str:
        return f"{ratio['median']:.1f} × ({ratio['least']:.1f} to {ratio['most']:.1f})"

    def row(what: str, part: dict[str, Any], faster: dict[str, Any]) -> str:
        peak = part["matrix peak, GFLOP/s"]
        half = cell(faster["bfloat16"]) if peak["bfloat16"] > peak["float32"] else "no instructions"
        return f"| {what} | {cell(faster['library'])} | {half} |"

    step, answers = record["training"], record["inference"]
    side = f"{step['side']} × {step['side']} pixels"
    measured_at: dict[str, list[str]] = {}
    for name, one in record.items():
        measured_at.setdefault(one["environment"]["revision"], []).append(name)
    found = [
        f"Times as fast: medians of {step['rounds']} rounds (least to most), measured on "
        f"{step['environment']['device']}, {step['environment']['threads']} threads.",
        "", f"| against the authors' form, {side} | single precision | bfloat16 * |",
        "| --- | --- | --- |",
        row(f"training step, batch {step['batch']}", step, step["faster"]),
        row("one sentence, from stored features", answers, answers["one sentence"]),
        row(
            "eight sentences on a clip, trunk included",
            answers, answers["eight sentences and the trunk"],
        ),
        f"| memory of a training step | {step['memory']:.2f} of theirs | |",
    ]  # fmt: skip
    trunk = record.get("trunk", {})
    for name, one in trunk.items():
        if isinstance(one, dict) and "faster" in one:
            found.insert(-1, row(f"trunk, {name}", trunk, one["faster"]))
    if other := record.get("training, Gavrilyuk et al."):
        found += [
            "", f"A training step of Gavrilyuk et al. at {side}, single precision, beside its maps "
            f"built and filtered one by one: {cell(other['faster']['library'])}, in "
            f"{other['memory']:.2f} of the memory.",
        ]  # fmt: skip
    found += ["", '*: "no instructions" where it was measured on a processor without any for it.']
    told = (f"{', '.join(names)} at {revision}" for revision, names in measured_at.items())
    found += ["", f"Revisions: {'; '.join(told)}."]
    return "\n".join(found) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of: {', '.join(PARTS)}; all where none is named")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=1, help="of the paper's training step")
    parser.add_argument("--side", type=int, default=512, help="pixels, of the paper's widths")
    given = parser.parse_args(arguments)
    clock = Clock("cpu", given.rounds)
    path = FOLDER / "cpu.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in given.parts or PARTS:
        peaks = {str(t).removeprefix("torch."): matmul_peak("cpu", t)
                 for t in (torch.float32, torch.bfloat16)}  # fmt: skip
        found = PARTS[name](clock, given)
        if name.startswith("training"):
            speed = found["operations"] / float(np.median(found["seconds"]["library"]))
            fast = found["operations"] / float(np.median(found["seconds"]["bfloat16"]))
            found["share of the matrix peak"] = {
                "float32": round(speed / peaks["float32"], 2),
                "bfloat16": round(fast / peaks["bfloat16"], 2),
            }
            found["GFLOP/s"] = {"float32": round(speed / 1e9), "bfloat16": round(fast / 1e9)}
        found["matrix peak, GFLOP/s"] = {key: round(value / 1e9) for key, value in peaks.items()}
        record[name] = found | {
            "rounds": given.rounds, "environment": environment("cpu"),
            "machine": platform.processor() or platform.machine(),
        }  # fmt: skip
        print("\n".join(lines(name, found)), flush=True)
        write_text(path, json.dumps(record, indent=1) + "\n")
    if {"training", "inference"} <= record.keys():
        write_text(path.with_suffix(".md"), table(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
