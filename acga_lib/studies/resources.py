"""What the paper's setting costs: operations, disk, memory, hours.

`python -m acga_lib.studies.resources` writes the record.

Operations and activations are counted on the networks of the profile `paper` without computing
anything: torch's meta device knows every shape and holds no numbers. Hours and the memory of a GPU
are projected from them, with the assumptions below. `--measure` adds what one real step takes on
the machine at hand (`resources_measured`). Writes `results/resources.json` and
`results/tables/resources.md`.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from acga_lib.config import ROOT
from acga_lib.experiment.networks import build_network
from acga_lib.files.records import read_json
from acga_lib.files.storage import write_text
from acga_lib.files.terminal import run_command
from acga_lib.i3d import I3D, STRIDE
from acga_lib.loss import segmentation_loss
from acga_lib.methods import METHODS, MethodConfig
from acga_lib.profiles import PROFILES
from acga_lib.text import MAX_WORDS, WORD_DIM
from acga_lib.vgg import VGG16

PAPER = PROFILES["paper"]
SEEN = PAPER.networks
RECORD = ROOT / "results" / "resources.json"
TABLE = ROOT / "results" / "tables" / "resources.md"

#: Frames with a feature each, and training samples, of the releases (`data/README.md`).
A2D_FRAMES, JHMDB_FRAMES, A2D_SAMPLES = 9518 + 2342, 2784, 15747
#: Makers' dense peaks in 10^12 operations a second: single precision, and half precision on the
#: tensor cores (fp16 on the T4, bf16 on the others; A100 SXM, H100 SXM).
PEAKS = {"T4": (8.1, 65.0), "A100": (19.5, 312.0), "H100": (67.0, 989.0)}
#: Assumed share of the peak that convolutions of these shapes reach: single, half precision.
UTILISATION = (0.4, 0.2)
#: Assumed bytes that CUDA, cuDNN and the allocator's gaps take on a GPU.
OVERHEAD = 1.5e9
BATCHES = (1, 2, 4)
METHOD = {
    "operations": "torch.utils.flop_counter on meta tensors; a multiplication and an addition "
    "are two operations; convolutions and matrix products only",
    "gpu_bytes": "16 bytes a parameter (weight, gradient, Adam's two moments), every distinct "
    "storage that autograd saves in a forward pass, twice the largest of them for the backward "
    "pass, and 1.5 GB for CUDA; half precision: half of what is saved",
    "hours": "operations / (peak x utilisation), reading from the disk not counted; utilisation "
    "assumed: 40 % of the peak in single, 20 % in half precision",
    "peaks_tera": {name: {"single": one, "half": half} for name, (one, half) in PEAKS.items()},
    "measured": "nothing here was measured on a GPU; entries under 'measured' name their device",
}


def operations(compute: Callable[[], object]) -> int:
    """Operations that torch counts while `compute` runs."""
    with FlopCounterMode(display=False) as counter:
        compute()
    return counter.get_total_flops()


def trunks() -> dict[str, dict[str, int]]:
    """Of each modality: operations and raw bytes (float16) of one clip's or frame's feature."""
    with torch.device("meta"):
        networks: dict[str, tuple[I3D | VGG16, Tensor]] = {
            "rgb": (I3D(), torch.empty(1, 3, SEEN.frames, SEEN.side, SEEN.side)),
            "flow": (I3D(channels_in=2), torch.empty(1, 2, SEEN.frames, SEEN.side, SEEN.side)),
            "image": (VGG16(), torch.empty(1, 3, SEEN.image_side, SEEN.image_side)),
        }
    found = {}
    for modality, (network, frames) in networks.items():
        with torch.no_grad():
            feature = network.eval().trunk(frames)
            count = operations(partial(network.trunk, frames))
        found[modality] = {"operations": count, "raw_bytes": 2 * feature.numel()}
    return found


def _inputs(method: MethodConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Features, words and masks of one sample as the method reads them, without numbers."""
    shape: tuple[int, ...] = (1000, SEEN.image_side // 32, SEEN.image_side // 32)
    words = torch.zeros(1, MAX_WORDS, dtype=torch.long, device="meta")
    if method.modality != "image":
        shape = (528, SEEN.frames // 4, SEEN.side // STRIDE, SEEN.side // STRIDE)
        words = torch.empty(1, MAX_WORDS, WORD_DIM, device="meta")
    masks = torch.empty(1, SEEN.side, SEEN.side, device="meta")
    return torch.empty(1, *shape, device="meta"), words, masks


def method_cost(method: MethodConfig) -> dict[str, int]:
    """One sample of a method's last stage: operations, and bytes that autograd saves (fp32)."""
    with torch.device("meta"):
        network = build_network(method, PAPER).train()
    features, words, masks = _inputs(method)
    parameters = {p.untyped_storage()._cdata for p in network.parameters()}
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in parameters:
            saved[storage._cdata] = storage
        return tensor

    def step() -> None:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = segmentation_loss(
                network(features, words), masks,
                resolution_weights=method.stages[-1].resolutions,
                coarse_truth=method.stages[-1].coarse_truth,
            )  # fmt: skip
        loss.backward()

    training = operations(step)
    sizes = [storage.nbytes() for storage in saved.values()]
    with torch.no_grad():
        forward = operations(lambda: network(features, words))
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "forward_operations": forward,
        "training_operations": training,
        "saved_bytes": sum(sizes),
        "largest_saved_bytes": max(sizes),
    }


def gpu_bytes(cost: dict[str, int], batch: int, *, half: bool) -> int:
    """Projected peak of a training step on a GPU (METHOD)."""
    activations = batch * (cost["saved_bytes"] + 2 * cost["largest_saved_bytes"])
    return round(16 * cost["parameters"] + activations / (2 if half else 1) + OVERHEAD)


def hours(count: float, gpu: str, *, half: bool) -> float:
    """Projected hours for so many operations (METHOD)."""
    return round(count / (PEAKS[gpu][half] * 1e12 * UTILISATION[half]) / 3600, 2)


def projected() -> dict[str, Any]:
    """Everything that is counted, and what follows from it."""
    trunk = trunks()
    costs = {name: method_cost(one) for name, one in METHODS.items() if one.stages}
    steps = PAPER.training.epochs * A2D_SAMPLES
    work = {f"features_{name}": A2D_FRAMES * one["operations"] for name, one in trunk.items()}
    work |= {f"train_{name}": steps * one["training_operations"] for name, one in costs.items()}
    frames = {"a2d": A2D_FRAMES, "jhmdb": JHMDB_FRAMES}
    return {
        "features": trunk,
        "disk_raw_bytes": {
            data: {name: count * one["raw_bytes"] for name, one in trunk.items()}
            for data, count in frames.items()
        },
        "masks_in_memory_bytes": A2D_SAMPLES * SEEN.side**2 // 8,
        "methods": costs,
        "gpu_bytes": {
            name: {
                precision: {str(b): gpu_bytes(cost, b, half=bool(half)) for b in BATCHES}
                for half, precision in enumerate(("single", "half"))
            }
            for name, cost in costs.items()
        },
        "hours": {
            name: {
                gpu: {p: hours(count, gpu, half=bool(h)) for h, p in enumerate(("single", "half"))}
                for gpu in PEAKS
            }
            for name, count in work.items()
        },
    }


def table(record: dict[str, Any]) -> str:
    """The record as Markdown."""
    found = record["projected"]
    lines = ["# What the profile `paper` costs", "", "Counted and projected, not measured, unless "
             "a device is named. How: `results/resources.json`, \"method\".", ""]  # fmt: skip
    lines += ["| features | GFLOP a clip | MB a clip, raw | A2D, GB raw | J-HMDB, GB raw |",
              "| --- | --: | --: | --: | --: |"]  # fmt: skip
    for name, one in found["features"].items():
        disk = [found["disk_raw_bytes"][data][name] / 1e9 for data in ("a2d", "jhmdb")]
        lines.append(
            f"| {name} | {one['operations'] / 1e9:,.0f} | {one['raw_bytes'] / 1e6:.2f} | "
            f"{disk[0]:.1f} | {disk[1]:.1f} |"
        )
    sizes = " | ".join(f"GPU GB, batch {b}, single / half" for b in BATCHES)
    lines += ["", f"| method | million parameters | GFLOP a training sample | {sizes} |",
              "| --- | --: | --: |" + " --: |" * len(BATCHES)]  # fmt: skip
    for name, cost in found["methods"].items():
        gpu = found["gpu_bytes"][name]
        both = [f"{gpu['single'][str(b)] / 1e9:.1f} / {gpu['half'][str(b)] / 1e9:.1f}"
                for b in BATCHES]  # fmt: skip
        lines.append(
            f"| {name} | {cost['parameters'] / 1e6:.1f} | {cost['training_operations'] / 1e9:,.0f} "
            f"| {' | '.join(both)} |"
        )
    gpus = " | ".join(f"{gpu}, single / half" for gpu in PEAKS)
    lines += ["", f"| hours on A2D Sentences | {gpus} |", "| --- |" + " --: |" * len(PEAKS)]
    for name, per_gpu in found["hours"].items():
        both = [f"{_rounded(one['single'])} / {_rounded(one['half'])}" for one in per_gpu.values()]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(both)} |")
    if record["measured"]:
        lines += ["", "| measured on | what | |", "| --- | --- | --: |"]
    for entry in record["measured"]:
        lines += [f"| {entry['device']} | {_with_unit(what, value)} |"
                  for what, value in entry.items() if what != "device"]  # fmt: skip
    return "\n".join(lines) + "\n"


def _rounded(count: float) -> str:
    return f"{count:.2f}" if count else "< 0.01"


def _with_unit(what: str, value: Any) -> str:
    """A measured number and its name as two cells; bytes as GB."""
    name = what.replace("_", " ")
    if "bytes" in what:
        size = f"{value / 1e9:.2f} GB" if value >= 1e8 else f"{value / 1e6:.1f} MB"
        return f"{name.replace('bytes', 'memory')} | {size}"
    return f"{name} | {value}"


def main(arguments: list[str] | None = None) -> int:
    """Command line; writes record and table."""
    parser = argparse.ArgumentParser(
        prog="python -m acga_lib.studies.resources", description=__doc__
    )
    parser.add_argument("--measure", type=Path, metavar="ROOT", help="a folder like A2D Sentences")
    parser.add_argument("--precision", default="fp32", help="of the measured step")
    parser.add_argument("--accumulate", type=int, default=1, help="pieces of the measured step")
    given = parser.parse_args(arguments)
    return run_command("resources", lambda: write_both(given))


def write_both(given: argparse.Namespace) -> str:
    """Measure what is asked for, write record and table -> where they lie."""
    measured = read_json(RECORD)["measured"] if RECORD.exists() else []
    if given.measure:
        from acga_lib.studies.resources_measured import measure  # the rest needs no data

        entry = measure(given.measure, precision=given.precision, accumulate=given.accumulate)
        same = ("device", "precision", "accumulate")
        measured = [m for m in measured if any(m[key] != entry[key] for key in same)] + [entry]
    record = {"method": METHOD, "projected": projected(), "measured": measured}
    write_text(RECORD, json.dumps(record, indent=1) + "\n")
    write_text(TABLE, table(record))
    return f"done    {RECORD.relative_to(ROOT)}, {TABLE.relative_to(ROOT)}"


if __name__ == "__main__":
    sys.exit(main())
