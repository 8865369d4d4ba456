"""One real step of the profile `paper`, timed on the machine at hand (`resources --measure`).

The trunk is drawn at random, in a temporary file. Time and memory do not depend on the weights; the
size of a compressed feature does, and is a rough guide only.
"""

import platform
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from acga_lib.config import RunConfig
from acga_lib.datasets import open_dataset
from acga_lib.experiment import training
from acga_lib.experiment.checkpoint import Progress
from acga_lib.experiment.execution import Execution
from acga_lib.experiment.features import FeatureStore
from acga_lib.experiment.processes import default_device
from acga_lib.experiment.recipes import Recipe
from acga_lib.experiment.schedule import stretches
from acga_lib.experiment.tensors import SampleTensors
from acga_lib.i3d import I3D, load_i3d
from acga_lib.profiles import PROFILES, Profile
from acga_lib.text import WordVectors


def measure(
    root: Path, *, precision: str, accumulate: int, profile: Profile = PROFILES["paper"]
) -> dict[str, Any]:
    """Extract the clips of the first batch under `root`, then train ACGA on it for a step.

    root: a folder in the layout of A2D Sentences, read only. Seconds, bytes and the peak memory of
    both; on a GPU a second step is timed, the first one holds its start.
    """
    device = default_device()
    config = RunConfig(method="acga", dataset="a2d", data_root=str(root), profile=profile.name)
    how = Execution(precision=precision, accumulate=accumulate)
    samples = open_dataset("a2d", root=root, split="train")[: profile.training.batch_size]
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "random.safetensors"
        torch.manual_seed(0)
        save_file(I3D(width=profile.networks.trunk_width).state_dict(), weights)
        store = FeatureStore(Path(folder) / "features", Recipe.of(profile, weights))
        start = time.perf_counter()
        clips = store.extract(samples, load_i3d(weights), device=device)
        extraction = time.perf_counter() - start
        after_extraction, stored = _peak_bytes(device), store.size()[1]
        data = SampleTensors(samples, store=store, vectors=WordVectors.load())
        model = training.build_model(config, trunk=weights, trained={}).to(device).train()
        (stretch,), state = stretches(config, len(data)), Progress()
        tools, seconds = (stretch.optimizer(model, config.scale), how.scaler(device)), []
        for _ in range(1 if device == "cpu" else 2):
            start = time.perf_counter()
            done = next(training.steps(config, model, data, stretch, tools, state, device, how))
            seconds.append(time.perf_counter() - start)
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else _processor(),
        "precision": precision, "accumulate": accumulate, "clips": clips,
        "seconds_a_clip": round(extraction / clips, 2),
        "feature_bytes_a_clip": round(stored / clips),
        "peak_bytes_after_extraction": after_extraction,
        "batch": done.samples, "loss": round(done.loss, 4),
        "seconds_a_step": round(seconds[-1], 2), "peak_bytes": _peak_bytes(device),
    }  # fmt: skip


def _peak_bytes(device: str) -> int:
    """Most memory in use so far: the GPU's as torch counts it, else this process's."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _processor() -> str:
    threads = torch.get_num_threads()
    kind = torch.backends.cpu.get_cpu_capability()
    return f"CPU, {platform.machine()}, {kind}, {threads} thread{'s' * (threads > 1)}"
