"""Jobs that the tests run in a process of their own, because they are killed in the middle.

`python jobs.py extract DATA TRUNK FEATURES [KILL]` and
`python jobs.py train DATA TRUNK FEATURES WORK WEIGHTS [KILL]`, where KILL says when the process
sends itself SIGKILL: `entry:2` while the second feature is half written, `step:7` after the seventh
step of the optimiser, `checkpoint:2` while the second checkpoint is half written. `together DATA
TRUNK FEATURES WORK WEIGHTS COUNT` is for `torchrun`: COUNT samples in single precision, and
weights with the process's number at the end of their name.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from acga_lib.config import RunConfig
from acga_lib.datasets import Sample, open_dataset
from acga_lib.experiment import processes
from acga_lib.experiment.execution import PLAIN, Execution
from acga_lib.experiment.features import FeatureStore
from acga_lib.experiment.recipes import Recipe
from acga_lib.experiment.tensors import SampleTensors
from acga_lib.experiment.training import Progress, build_model, train
from acga_lib.i3d import load_i3d
from acga_lib.profiles import PROFILES, Profile
from acga_lib.text import WordVectors


def tiny_profile(trunk: Path) -> Profile:
    """The quick profile on a square of 64 pixels, for three epochs.

    Mixed_4f is kept: BatchNorm over pieces of a batch would not be that of the whole.
    """
    return PROFILES["quick"].changed(
        name="tiny", side=64, trunk=str(trunk), trunk_width=0.25, epochs=3, train_trunk=False
    )


def samples(root: Path, splits: tuple[str, ...] = ("train", "test")) -> list[Sample]:
    """The samples of both splits."""
    return [sample for split in splits for sample in open_dataset("a2d", root=root, split=split)]


def run_of(root: Path, trunk: Path, *, method: str = "acga", seed: int = 0) -> RunConfig:
    """The configuration of a run; its profile is registered under its name."""
    profile = PROFILES.setdefault("tiny", tiny_profile(trunk))
    return RunConfig(
        method=method, dataset="a2d", data_root=str(root), profile=profile.name, seed=seed
    )


def tensors(
    root: Path, trunk: Path, features: Path, split: str = "train", count: int | None = None
) -> SampleTensors:
    """One split, or its first `count` samples, as tensors, from a store that is complete."""
    store = FeatureStore(features, Recipe.of(tiny_profile(trunk), trunk))
    return SampleTensors(samples(root, (split,))[:count], store=store, vectors=WordVectors.load())


def trained(
    config: RunConfig, data: SampleTensors, *, trunk: Path, work: Path, execution: Execution = PLAIN
) -> tuple:
    """Train a run from where it stands -> (state dict, its losses)."""
    model = build_model(config, trunk=trunk, trained={})
    progress: Progress = train(
        config, model, data, work=work, execution=execution, checkpoint_every=2, progress=False
    )
    return model.state_dict(), progress.losses


def kill_at(point: str) -> None:
    """Arrange that this process dies at `point`."""
    kind, number = point.split(":")
    owner, name = {
        "entry": (os, "fsync"),
        "checkpoint": (torch, "save"),
        "step": (torch.optim.Adam, "step"),
    }[kind]
    original, calls = getattr(owner, name), iter(range(1, 10**6))

    def wrapped(*arguments, **named):
        result = original(*arguments, **named)
        if next(calls) == int(number):
            if kind != "step":  # leave half a file behind
                if kind == "checkpoint":
                    arguments[1].flush()
                file = arguments[0] if kind == "entry" else arguments[1].fileno()
                os.ftruncate(file, os.fstat(file).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, wrapped)


def main(job: str, root: str, trunk: str, features: str, *rest: str) -> None:
    """One job; see the module's docstring."""
    paths = Path(root), Path(trunk), Path(features)
    if job == "extract":
        for point in rest:
            kill_at(point)
        store = FeatureStore(features, Recipe.of(tiny_profile(paths[1]), trunk))
        print(store.extract(samples(paths[0]), load_i3d(trunk), progress=False))
        return
    if job == "together":
        work, weights, count = rest
        with processes.joined():
            state, losses = trained(
                run_of(*paths[:2]), tensors(*paths, count=int(count)), trunk=paths[1],
                work=Path(work), execution=Execution(precision="fp32"),
            )  # fmt: skip
        save_file(state | {"losses": torch.tensor(losses)}, f"{weights}{os.environ['RANK']}")
        return
    work, weights, *points = rest
    for point in points:
        kill_at(point)
    state, losses = trained(
        run_of(paths[0], paths[1]), tensors(*paths), trunk=paths[1], work=Path(work)
    )
    save_file(state | {"losses": torch.tensor(losses, dtype=torch.float64)}, weights)


if __name__ == "__main__":
    main(*sys.argv[1:])
