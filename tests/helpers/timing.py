"""Times, ratios, memory and the paper's inputs: what the benches on the CPU and the GPU share."""

import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn


class Clock:
    """Times a call on a device; several calls in turn."""

    def __init__(self, device: str, rounds: int) -> None:
        self.device, self.rounds = device, rounds

    def seconds(self, call: Callable[[], object]) -> float:
        start = time.perf_counter()
        call()
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - start

    def in_turn(self, calls: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
        """Seconds of each call in each round, after one that does not count."""
        for call in calls.values():
            self.seconds(call)
        found: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(self.rounds):
            for name, call in calls.items():
                found[name].append(self.seconds(call))
        return found


def ratios(of: list[float], to: list[float]) -> dict[str, float]:
    """How many times faster `to` is, round by round: median, least, most."""
    each = np.array(of) / np.array(to)
    return {"median": round(float(np.median(each)), 2), "least": round(float(each.min()), 2),
            "most": round(float(each.max()), 2)}  # fmt: skip


def matmul_peak(device: str, dtype: torch.dtype, *, side: int = 2048) -> float:
    """Operations a second of a large matrix product: the most that this machine gives."""
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    clock = Clock(device, 1)
    return 2 * side**3 / min(clock.seconds(lambda: one @ other) for _ in range(12))


@contextmanager
def precision(device: str, half: bool):
    with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=half):
        yield


def paper_inputs(batch: int, cells: int, device: str) -> tuple[torch.Tensor, ...]:
    """Features, words and masks of the paper's widths, as from a ReLU and a sentence of 7 words."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(batch, 528, 4, cells, cells, generator=generator).relu()
    words = torch.randn(batch, 20, 300, generator=generator)
    words[:, 7:] = 0
    masks = (torch.rand(batch, 16 * cells, 16 * cells, generator=generator) < 0.076).float()
    return features.to(device), words.to(device), masks.to(device)


def differences(
    model: nn.Module, literally: Callable[..., Any], features: torch.Tensor, words: torch.Tensor
) -> dict[str, float]:
    """Largest differences of responses and gradients, fp32, and the largest gradient."""
    both = []
    for form in (model, partial(literally, model)):
        responses = form(features, words)[:3]
        total = sum(r.square().mean() for r in responses)
        both.append((responses, torch.autograd.grad(total, list(model.parameters()))))
    (ours, slopes), (theirs, wanted) = both
    apart, tilt = (
        max(float((a - b).detach().abs().max()) for a, b in zip(one, other, strict=True))
        for one, other in ((ours, theirs), (slopes, wanted))
    )
    largest = max(float(slope.abs().max()) for slope in wanted)
    return {"responses": apart, "gradients": tilt, "largest gradient": largest}


def lines(name: str, found: Any, indent: str = "") -> list[str]:
    """A result as lines of text, without the single times."""
    if not isinstance(found, dict):
        return [f"{indent}{name}: {found}"]
    if found.keys() == {"median", "least", "most"}:
        spread = f"{found['least']:g} to {found['most']:g}"
        return [f"{indent}{name}: {found['median']:g} times as fast ({spread})"]
    inner = [line for key, value in found.items() if key != "seconds"
             for line in lines(key, value, indent + "  ")]  # fmt: skip
    return [f"{indent}{name}", *inner]
