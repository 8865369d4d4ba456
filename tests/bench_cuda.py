"""`make bench` where there is a GPU: the paper's sizes in several number types, and its training.

The forms of `bench.py` in turn, in one process, on the same inputs and weights. The clock runs on
the host from a call until the device has done it; medians and spread of several rounds. cuDNN
chooses each convolution's algorithm by trial (`cudnn.benchmark`) for every form alike, and torch's
deterministic algorithms are off, except in rows that say "as train() runs it". The record is
written after every part; a part that fails says so and loses no other. Nothing but torch, NumPy
and what the paper's modules import is needed.
"""

import argparse
import copy
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers import literal
from helpers.timing import Clock, differences, lines, matmul_peak, paper_inputs, ratios
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from acga_lib.config import ROOT
from acga_lib.decoder import MultiResolutionDecoder
from acga_lib.files.storage import write_text
from acga_lib.i3d import I3D
from acga_lib.loss import segmentation_loss
from acga_lib.methods import METHODS
from acga_lib.model import ACGA, Responses
from acga_lib.profiles import PROFILES
from acga_lib.studies.resources import A2D_FRAMES, A2D_SAMPLES

Call = Callable[[], object]
#: TF32 in (convolutions, matrix products), and whether autocast makes both bfloat16.
NUMBERS = {
    "fp32": (False, False, False),
    "torch's default": (True, False, False),
    "TF32": (True, True, False),
    "bf16": (False, False, True),
}
BOTH = [(form, number) for number in ("fp32", "TF32", "bf16") for form in ("literal", "library")]
TRAINING = PROFILES["paper"].training


@contextmanager
def computed_in(number: str, device: str) -> Iterator[None]:
    """Computes in a number type of NUMBERS."""
    convolutions, products, half = NUMBERS[number]
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cuda.matmul.allow_tf32 = products
    with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=half):
        yield


@contextmanager
def as_train_runs_it() -> Iterator[None]:
    """Torch's settings inside `experiment.training.train`."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.benchmark = True


def peak_memory(call: Call, device: str) -> int:
    """Most bytes that a call adds to what the device holds before it, cuDNN's room included."""
    if device == "cpu":
        call()
        return 0
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    return torch.cuda.max_memory_allocated(device) - before


def compare(
    given: argparse.Namespace, calls: dict[str, Call], *, units: int = 0, seconds: float = 4.0
) -> dict[str, Any]:
    """Times calls in turn for about that many seconds -> times, memory, operations, ratios.

    A ratio is to the literal form in fp32, and to that in the same number type. units: samples or
    clips that a call computes. A call that fails (of memory, say) is left out and says why.
    """
    device, left_out, memory, operations = given.device, {}, {}, {}
    clock, warm = Clock(device, given.rounds), {}
    for name, call in calls.items():
        try:
            clock.seconds(call)
            warm[name] = clock.seconds(call)
            memory[name] = peak_memory(call, device)
            form = name.partition(", ")[0]  # the numbers do not change what is counted
            if form not in operations:
                with FlopCounterMode(display=False) as counter:
                    call()
                operations[form] = counter.get_total_flops()
        except (RuntimeError, NotImplementedError) as error:
            left_out[name] = f"{type(error).__name__}: {error}"[:300]
        free(device)
    if not warm:
        return {"left out": left_out}
    ready = {name: call for name, call in calls.items() if name not in left_out}
    clock.rounds = int(min(max(seconds / sum(warm.values()), 3), given.rounds))
    times = clock.in_turn(ready)
    median = {name: float(np.median(each)) for name, each in times.items()}

    def against(reference: Callable[[str], str]) -> dict[str, Any]:
        return {
            name: ratios(times[reference(name)], each) for name, each in times.items()
            if reference(name) in times and reference(name) != name
        }  # fmt: skip

    found = {
        "rounds": clock.rounds, "seconds": times,
        "milliseconds": {name: round(1000 * each, 3) for name, each in median.items()},
        "spread": {n: f"{1000 * min(e):.3f} to {1000 * max(e):.3f}" for n, e in times.items()},
        "peak_bytes": memory, "operations": operations,
        "TFLOP/s": {
            name: round(operations[name.partition(", ")[0]] / each / 1e12, 2)
            for name, each in median.items()
        },
        "against literal, fp32": against(lambda name: "literal, fp32"),
        "against literal": against(lambda name: f"literal, {name.partition(', ')[2]}"),
    }  # fmt: skip
    if units:
        found["a second"] = {name: round(units / each, 2) for name, each in median.items()}
    return found | ({"left out": left_out} if left_out else {})


def free(device: str) -> None:
    gc.collect()
    if device != "cpu":
        torch.cuda.empty_cache()


def paper_model(device: str) -> ACGA:
    torch.manual_seed(0)
    return ACGA(METHODS["acga"]).to(device).train()


def step(
    model: ACGA, form: str, number: str, inputs: tuple[Tensor, ...], *,
    optimizer: torch.optim.Optimizer | None = None,
) -> Callable[[], Tensor]:  # fmt: skip
    """A training step: forward, loss, backward, and the optimiser's where there is one."""
    network = partial(literal.acga, model) if form == "literal" else model

    def run() -> Tensor:
        model.zero_grad()
        with computed_in(number, inputs[0].device.type):
            responses = Responses(*network(*inputs[:2])[:3])
            loss = segmentation_loss(responses, inputs[2])
            loss.backward()
        if optimizer is not None:
            optimizer.step()
        return loss.detach()

    return run


def training(given: argparse.Namespace, batch: int) -> dict[str, Any]:
    """Forward, loss and backward of a batch."""
    model, inputs = paper_model(given.device), paper_inputs(batch, given.cells, given.device)
    pairs = [*BOTH, ("literal", "torch's default"), ("library", "torch's default")]
    calls: dict[str, Call] = {
        f"{form}, {number}": step(model, form, number, inputs) for form, number in pairs
    }
    last = inputs[0].contiguous(memory_format=torch.channels_last_3d), *inputs[1:]
    calls["library from channels last, bf16"] = step(model, "library", "bf16", last)
    found = compare(given, calls, units=batch)
    with computed_in("fp32", given.device):
        equal = differences(model, literal.acga, *(part[:1] for part in inputs[:2]))
    return {"batch": batch, "side": 16 * given.cells, **found, "differences, fp32": equal}


def decoder(given: argparse.Namespace, batch: int) -> dict[str, Any]:
    """Eq. 10-13 alone, against a large matrix product in the same turns."""
    device, cells = given.device, given.cells
    torch.manual_seed(0)
    module = MultiResolutionDecoder(832, 300, (256, 128, 64), fuse=True).to(device)
    vision, language = (torch.randn(batch, n, cells, cells, device=device) for n in (832, 300))
    vision.requires_grad_()
    language.requires_grad_()
    one, other = (torch.randn(given.peak, given.peak, device=device).bfloat16() for _ in range(2))

    def run(form: str, number: str, backward: bool) -> Call:
        network = partial(literal.decode, module) if form == "literal" else module

        def forward_and_backward() -> None:
            module.zero_grad()
            vision.grad = language.grad = None
            with computed_in(number, device), torch.set_grad_enabled(backward):
                responses = network(vision, language)
                if backward:
                    sum(response.float().square().mean() for response in responses).backward()

        return forward_and_backward

    found: dict[str, Any] = {"batch": batch, "side": 16 * cells}
    pairs = BOTH if batch < given.large else [pair for pair in BOTH if pair[1] != "TF32"]
    for what, backward in (("forward", False), ("forward and backward", True)):
        calls = {f"{form}, {number}": run(form, number, backward) for form, number in pairs}
        calls["matrix product"] = lambda: [one @ other for _ in range(8)]
        part = compare(given, calls, units=batch)
        reached, literally = part["TFLOP/s"], part["operations"].get("literal", 0)
        peak = reached["matrix product"]
        part["share of the bf16 matrix peak"] = {
            name: round(reached[name] / peak, 3) for name in reached if name.endswith("bf16")
        }
        if "library, bf16" in reached:
            took = part["milliseconds"]["library, bf16"] / 1000
            part["the same, counting the literal form's operations"] = round(
                literally / took / 1e12 / peak, 3
            )
        found[what] = part
    return found


@torch.inference_mode()
def inference(given: argparse.Namespace) -> dict[str, Any]:
    """One sentence from stored features; eight sentences on one clip, trunk included."""
    device, cells = given.device, given.cells
    model, trunk = paper_model(device).eval(), I3D().to(device).eval()
    features, words, _ = paper_inputs(1, cells, device)
    eight, of = paper_inputs(8, 1, device)[1], torch.zeros(8, dtype=torch.long, device=device)
    clip = torch.rand(1, 3, 16, 16 * cells, 16 * cells, device=device) * 2 - 1

    def one(form: str, number: str) -> Call:
        def run() -> object:
            with computed_in(number, device):
                if form == "literal":
                    return literal.acga(model, features, words)
                return model(features, words)

        return run

    def several(form: str, number: str) -> Call:
        def run() -> object:
            with computed_in(number, device):
                if form == "literal":
                    return [literal.acga(model, literal.trunk(trunk, clip), sentence[None])
                            for sentence in eight]  # fmt: skip
                return model(trunk.trunk(clip), eight, of)

        return run

    return {"side": 16 * cells} | {
        what: compare(given, {f"{form}, {number}": make(form, number) for form, number in BOTH},
                      units=units)
        for what, make, units in (("one sentence", one, 1), ("eight sentences", several, 8))
    }  # fmt: skip


@torch.inference_mode()
def mixed_4e(given: argparse.Namespace, clips: int = 2) -> dict[str, Any]:
    """I3D to Mixed_4e of 16 frames; once more without the channels last in memory."""
    device, side = given.device, 16 * given.cells
    torch.manual_seed(0)
    trunk = I3D().to(device).eval()
    x = torch.rand(clips, 3, 16, side, side, device=device) * 2 - 1

    def run(network: Callable[[Tensor], Tensor], number: str) -> Call:
        def compute() -> Tensor:
            with computed_in(number, device):
                return network(x)

        return compute

    forms = {
        "literal": partial(literal.trunk, trunk), "library": trunk.trunk,
        "channels first": nn.Sequential(*list(trunk.children())[:-1]),
    }  # fmt: skip
    calls = {f"{form}, {number}": run(network, number)
             for number in ("fp32", "TF32", "bf16") for form, network in forms.items()}  # fmt: skip
    found = compare(given, calls, units=clips)
    with computed_in("fp32", device):
        apart = float((trunk.trunk(x) - literal.trunk(trunk, x)).abs().max())
    hours = {name: round(A2D_FRAMES / each / 3600, 2) for name, each in found["a second"].items()}
    return {"clips": clips, "side": side, **found, "difference, fp32": apart,
            "hours for the clips of A2D Sentences": hours}  # fmt: skip


def whole_training(given: argparse.Namespace) -> dict[str, Any]:
    """The paper's batch with the optimiser's step, and what its 12 epochs take at that rate."""
    device, batch = given.device, TRAINING.batch_size
    host = paper_inputs(batch, given.cells, "cpu")
    inputs = tuple(part.to(device) for part in host)

    def with_adam(form: str, number: str) -> Callable[[], Tensor]:
        model = paper_model(device)
        optimizer = torch.optim.Adam(
            model.parameters(), lr=5e-4, fused=True if form == "library" else None
        )
        return step(model, form, number, inputs, optimizer=optimizer)

    def train(number: str) -> Call:
        model = paper_model(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, fused=True)

        def run() -> float:
            with as_train_runs_it():
                sent = tuple(part.to(device) for part in host)
                return step(model, "library", number, sent, optimizer=optimizer)().item()

        return run

    pairs = [("literal", "fp32"), ("literal", "torch's default"), ("literal", "bf16"),
             ("library", "fp32"), ("library", "torch's default"), ("library", "bf16")]  # fmt: skip
    calls: dict[str, Call] = {f"{f}, {number}": with_adam(f, number) for f, number in pairs}
    for number in ("torch's default", "bf16"):
        calls[f"as train() runs it, {number}"] = train(number)
    found = compare(given, calls, units=batch)
    samples = TRAINING.epochs * A2D_SAMPLES
    hours = {name: round(samples / each / 3600, 2) for name, each in found["a second"].items()}
    return {"batch": batch, "samples": samples, **found, "hours of training": hours}


class Stored(Dataset[Tensor]):
    """Packed features in files, a batch at a time."""

    def __init__(self, paths: list[Path], unpack: Callable[[bytes], np.ndarray]) -> None:
        self.paths, self.unpack = paths, unpack

    def __getitems__(self, indices: list[int]) -> Tensor:
        arrays = [self.unpack(self.paths[index].read_bytes()) for index in indices]
        return torch.stack([torch.from_numpy(array) for array in arrays]).float()


def reading(given: argparse.Namespace, batches: int = 60) -> dict[str, Any]:
    """Samples a second from a packed store, by the profile's worker processes, sent to the GPU."""
    from acga_lib.files.packed import pack, unpack

    batch, workers = TRAINING.batch_size, min(TRAINING.workers, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.f16" for number in range(2 * batch)]
        for path, one in zip(paths, paper_inputs(2 * batch, given.cells, "cpu")[0], strict=True):
            path.write_bytes(pack(one.half().numpy()))
        size = paths[0].stat().st_size
        order = [[(batch * n + i) % len(paths) for i in range(batch)] for n in range(batches)]
        loader = DataLoader(
            Stored(paths, unpack), batch_sampler=order, num_workers=workers, collate_fn=_as_it_is
        )
        read, moments = iter(loader), []
        for tensors in read:
            tensors.to(given.device)
            moments.append(time.perf_counter())
    gaps = np.diff(moments[batches // 6 :])
    return {"workers": workers, "bytes of a clip": size,
            "samples a second": round(batch / float(gaps.mean()), 1)}  # fmt: skip


def _as_it_is(batch: Tensor) -> Tensor:
    return batch


def graphed(run: Call, device: str) -> Call:
    """All kernels of a call as one CUDA graph, which is launched at once."""
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def one_graph(given: argparse.Namespace) -> dict[str, Any]:
    """What launching kernel by kernel costs: a step with Adam, a sentence, as one CUDA graph."""
    device, found = given.device, {}
    for number in ("torch's default", "bf16"):
        calls: dict[str, Call] = {}
        for name, wrap in (("kernel by kernel", None), ("one graph", graphed)):
            model = paper_model(device)
            adam = torch.optim.Adam(model.parameters(), lr=5e-4, fused=True, capturable=True)
            inputs = paper_inputs(TRAINING.batch_size, given.cells, device)
            run = step(model, "library", number, inputs, optimizer=adam)
            calls[f"{name}, {number}"] = wrap(run, device) if wrap else run
        part = compare(given, calls, units=TRAINING.batch_size)
        one, graph = (part["seconds"][name] for name in calls)
        found[f"step, {number}"] = part | {"a graph is faster": ratios(one, graph)}
    with torch.inference_mode():
        model = copy.deepcopy(model).eval()
        features, words, _ = paper_inputs(1, given.cells, device)

        def answer() -> object:
            with computed_in("bf16", device):
                return model(features, words)

        calls = {"kernel by kernel, bf16": answer, "one graph, bf16": graphed(answer, device)}
        part = compare(given, calls, units=1)
        one, graph = (part["seconds"][name] for name in calls)
        found["sentence, bf16"] = part | {"a graph is faster": ratios(one, graph)}
    return found


def peaks(given: argparse.Namespace) -> dict[str, Any]:
    """TFLOP/s of a square matrix product in each number type."""
    found: dict[str, Any] = {"side": given.peak}
    for name, number, dtype in (("fp32", "fp32", torch.float32), ("TF32", "TF32", torch.float32),
                                ("bf16", "fp32", torch.bfloat16)):  # fmt: skip
        with computed_in(number, given.device):
            found[name] = round(matmul_peak(given.device, dtype, side=given.peak) / 1e12, 2)
    return found


#: The most wanted first: what no time is left for is left out.
PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "matrix peak, TFLOP/s": peaks,
    "training, the paper's batch": lambda given: training(given, TRAINING.batch_size),
    "decoder, the paper's batch": lambda given: decoder(given, TRAINING.batch_size),
    "inference": inference,
    "trunk": mixed_4e,
    "whole training": whole_training,
    "decoder, a large batch": lambda given: decoder(given, given.large),
    "reading": reading,
    "training, a large batch": lambda given: training(given, given.large),
    "CUDA graphs": one_graph,
}


def table(name: str, found: dict[str, Any]) -> list[str]:
    """A part as Markdown: a table of its calls, and of the parts in it."""
    if "seconds" not in found:
        inner = [line for key, part in found.items() if isinstance(part, dict)
                 for line in table(f"{name}: {key}", part)]  # fmt: skip
        plain = [f"{key}: {value}" for key, value in found.items() if not isinstance(value, dict)]
        return [*(["", f"**{name}**. " + "; ".join(plain)] if plain else []), *inner]
    said = [f"{key} {found[key]}" for key in ("batch", "clips", "side", "rounds") if key in found]
    rows = [
        "", f"**{name}**: {', '.join(said)}", "",
        "| form, numbers | milliseconds (spread) | times as fast as literal, fp32 "
        "| as literal, same numbers | peak GB | TFLOP/s | a second |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip

    def cell(ratio: dict[str, float] | None) -> str:
        return f"{ratio['median']} ({ratio['least']} to {ratio['most']})" if ratio else ""

    for call, middle in found["milliseconds"].items():
        rows.append(
            f"| {call} | {middle} ({found['spread'][call]}) "
            f"| {cell(found['against literal, fp32'].get(call))} "
            f"| {cell(found['against literal'].get(call))} "
            f"| {found['peak_bytes'][call] / 1e9:.2f} | {found['TFLOP/s'][call]} "
            f"| {found.get('a second', {}).get(call, '')} |"
        )
    shown = ("share", "the same", "hours", "left out", "differen", "a graph")
    further = [line for key, value in found.items() if key.startswith(shown)
               for line in lines(key, value, "- ")]  # fmt: skip
    return rows + (["", *further] if further else [])


def machine(given: argparse.Namespace) -> dict[str, Any]:
    """Where it was measured, and how."""
    revision = given.revision
    if not revision:
        with suppress(OSError):
            found = subprocess.run(
                ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
            )
            revision = found.stdout.strip()
    on_gpu = given.device != "cpu"
    return {
        "python": platform.python_version(), "torch": torch.__version__,
        "numpy": np.__version__, "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "device": torch.cuda.get_device_name(given.device) if on_gpu else "cpu",
        "revision": revision or "unknown", "threads": torch.get_num_threads(),
        "method": " ".join((__doc__ or "").split("\n\n")[1].split()),
        "numbers": "fp32: no TF32; torch's default: TF32 in convolutions, not in matrix products; "
        "TF32: in both; bf16: autocast, the rest fp32",
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of: {', '.join(PARTS)}; all where none is named")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmarks")
    parser.add_argument("--device", default="cuda", help="cpu only tries the code")
    parser.add_argument("--revision", default="", help="where git does not tell it")
    parser.add_argument("--rounds", type=int, default=15, help="at most")
    parser.add_argument("--large", type=int, default=32, help="samples of the large batch")
    parser.add_argument("--cells", type=int, default=32, help="of a side of the features")
    parser.add_argument("--peak", type=int, default=8192, help="side of the large matrix product")
    parser.add_argument("--limit", type=float, default=125, help="no part begins after it; seconds")
    given = parser.parse_args(arguments)
    if given.device != "cpu" and not torch.cuda.is_available():
        print("There is no GPU here that torch can use: nothing was measured on one.")
        return 0
    start, path = time.perf_counter(), given.out / f"{torch.device(given.device).type}.json"
    torch.backends.cudnn.benchmark = True
    record: dict[str, Any] = {"environment": machine(given)}
    for name in given.parts or PARTS:
        begun = time.perf_counter() - start
        try:
            late = begun > given.limit
            found = {"left out": "no time left"} if late else PARTS[name](given)
        except Exception as error:  # the others go on
            found = {"left out": f"{type(error).__name__}: {error}"[:500]}
        free(given.device)
        record[name] = found | {"part took, seconds": round(time.perf_counter() - start - begun, 1)}
        print("\n".join(table(name, record[name])), flush=True)
        write_text(path, json.dumps(record, indent=1) + "\n")
        shown = {key: part for key, part in record.items() if key != "environment"}
        heading = [f"{key}: {value}" for key, value in record["environment"].items()]
        text = [*heading, *(line for key, part in shown.items() for line in table(key, part))]
        write_text(path.with_suffix(".md"), "\n\n".join(text[: len(heading)]) + "\n"
                   + "\n".join(text[len(heading) :]) + "\n")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
