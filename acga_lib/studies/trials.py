"""Which learning rate suits which method, and is Mixed_4f trained or kept? Never on test data.

    python -m acga_lib.studies.trials [--profile toy] [--steps 600] [--methods acga hu …] [--jobs 2]

A trial trains one method, briefly and with one setting changed, on the training videos that the
profile does not hold out, and scores the held-out ones; the test split is never opened. Each method
has the same ones, but for Mixed_4f's, which those of still images do not have. Trials that
are in `results/trials.json` are not made again, and one that was killed goes on at its checkpoint.
They say nothing about data that were drawn anew since: then delete the file.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from acga_lib.config import ROOT, RunConfig
from acga_lib.datasets import Sample
from acga_lib.errors import ConfigError, DataError
from acga_lib.experiment import pipeline
from acga_lib.experiment.inference import predictions
from acga_lib.experiment.limits import shares
from acga_lib.experiment.results import environment, measured
from acga_lib.experiment.training import build_model, train
from acga_lib.files.cores import usable_cores
from acga_lib.files.locks import locked
from acga_lib.files.records import read_json
from acga_lib.files.storage import write_text
from acga_lib.files.terminal import run_command
from acga_lib.methods import METHODS, Stage
from acga_lib.parameters import choose
from acga_lib.profiles import PROFILES, Profile

RECORD = ROOT / "results" / "trials.json"
#: What is trained; a method of two streams is not trained itself.
TRAINED = tuple(name for name, method in METHODS.items() if method.stages)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a trial changes."""

    name: str
    rate: float = 1.0  #: factor of every learning rate
    keep_trunk: bool = False  #: leave Mixed_4f as the trunk's own training left it


#: What every method is tried with. Half the rate is not among them: in so brief a training it
#: loses, whatever a longer one would make of it.
TRIALS = (
    Trial(name="as it is"),
    Trial(name="twice the rate", rate=2.0),
    Trial(name="Mixed_4f kept", keep_trunk=True),
)


@dataclass(frozen=True, kw_only=True)
class TrialRun(RunConfig):
    """A run that is a trial: `steps` batches of its profile's size long."""

    trial: Trial
    steps: int
    epochs: int = 1

    @property
    def scale(self) -> Profile:
        """The profile with the trial's length, and its trunk kept where the trial says so."""
        profile = super().scale
        trained = profile.training.train_trunk and not self.trial.keep_trunk
        return profile.changed(epochs=self.epochs, train_trunk=trained)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The method's stages at the trial's rates."""
        return tuple(
            replace(stage, learning_rate=stage.learning_rate * self.trial.rate)
            for stage in super().stages
        )

    @property
    def run_id(self) -> str:
        """The name of the trial's work folder."""
        return f"{super().run_id}-{self.trial.name.replace(' ', '_')}-{self.steps}"

    @property
    def key(self) -> dict[str, Any]:
        """What its record begins with; of trials with equal ones, one is enough."""
        return {
            "method": self.method, "trial": asdict(self.trial), "seed": self.seed,
            "steps": self.steps, "profile": PROFILES[self.profile].record(),
        }  # fmt: skip


def make(run: TrialRun, *, device: str = "cpu") -> dict[str, Any]:
    """Train a trial and score the held-out training videos -> its record.

    Raises ConfigError for a profile that holds none out.
    """
    start = time.perf_counter()
    model, apart = _trained(run, device=device)
    data = pipeline.inputs_of(run, apart, device=device, progress=False).tensors(apart)
    samples = measured(predictions(model, data, device=device, progress=False))
    return run.key | {
        "mean_iou": float(samples["iou"].mean()), **shares(samples),
        "ious": [round(one, 4) for one in samples["iou"].tolist()],
        "seconds": round(time.perf_counter() - start, 1),
        "revision": environment(device)["revision"],
    }  # fmt: skip


def _trained(run: TrialRun, *, device: str) -> tuple[nn.Module, Sequence[Sample]]:
    """A trial's network and its held-out samples; what it starts from is trained in the same way.

    A checkpoint of a trial that has ended is its network.
    """
    needs = METHODS[run.method].needs
    trained = {name: _trained(replace(run, method=name), device=device)[0] for name in needs}
    samples, apart = pipeline.open_training(run, progress=False)
    if not apart:
        raise ConfigError(
            f"profile '{run.profile}' holds no training video out, so nothing can be tried on it: "
            "choose one with held_out above 0"
        )
    seen = run.steps * PROFILES[run.profile].training.batch_size
    run = replace(run, epochs=math.ceil(seen / len(samples)))
    part = samples[: seen // run.epochs]
    inputs = pipeline.inputs_of(run, part, device=device, progress=False)
    trunk = pipeline.network_path(run, METHODS[run.method].modality)
    model = build_model(run, trunk=trunk, trained=trained)
    work = pipeline.WORK / run.run_id
    with locked(work / ".lock"):  # another trial may start from this one
        train(run, model, inputs.tensors(part), work=work, device=device, progress=False)
    return model, apart


def missing(runs: Sequence[TrialRun], path: Path) -> list[TrialRun]:
    """The trials that have no record. Raises DataError where the file is damaged."""
    keys = [{name: record.get(name) for name in runs[0].key} for record in recorded(path)]
    return [run for run in runs if json.loads(json.dumps(run.key)) not in keys]


def recorded(path: Path = RECORD) -> list[dict[str, Any]]:
    """The records of all trials made so far. Raises DataError where the file is damaged."""
    records = read_json(path) if path.exists() else []
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise DataError(
            f"{path}: not a list of trials; restore it, or delete it and run them again"
        )
    return records


def _made(runs: Sequence[TrialRun], jobs: int) -> Iterator[dict[str, Any]]:
    """The records of trials as they end, `jobs` at a time, each in a process of its own."""
    device = pipeline.default_device()
    if jobs == 1:
        yield from (make(run, device=device) for run in runs)
        return
    threads = max(usable_cores() // jobs, 1)
    pool = ProcessPoolExecutor(
        jobs, get_context("spawn"), initializer=torch.set_num_threads, initargs=(threads,)
    )
    try:
        for done in as_completed([pool.submit(make, run, device=device) for run in runs]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def overview(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Trials as a table: a row per method and number of steps, a column per trial.

    Mean IoU on the held-out videos in percent; in parentheses how far that is from the trial that
    changes nothing, and the standard error of this difference, taken sentence by sentence.
    """
    rows: dict[tuple[str, int], dict[str, NDArray[np.float64]]] = {}
    for record in records:
        found = rows.setdefault((record["method"], record["steps"]), {})
        found[record["trial"]["name"]] = 100 * np.array(record["ious"])
    order = sorted(rows, key=lambda row: (row[1], TRAINED.index(row[0])))
    names = [trial.name for trial in TRIALS]
    cells = [[_cell(rows[row], name) for name in names] for row in order]
    index = pd.MultiIndex.from_tuples(order, names=("method", "steps"))
    return pd.DataFrame(cells, index=index, columns=names)


def _cell(found: Mapping[str, NDArray[np.float64]], name: str) -> str:
    """A trial's cell of the overview; `found` are the IoUs of all trials of its row."""
    if name not in found:
        return "–"
    ious, unchanged = found[name], found.get(TRIALS[0].name)
    if unchanged is None or name == TRIALS[0].name:
        return f"{ious.mean():.1f}"
    gain = ious - unchanged
    error = gain.std(ddof=1) / math.sqrt(len(gain)) if len(gain) > 1 else math.nan
    return f"{ious.mean():.1f} ({gain.mean():+.1f} ± {error:.1f})"


def main(arguments: list[str] | None = None) -> int:
    """Command line -> exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m acga_lib.studies.trials", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--methods", nargs="+", default=TRAINED, metavar="METHOD")
    parser.add_argument("--profile", default="toy")
    parser.add_argument("--steps", type=int, default=600, help="of each trial")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="trials at a time")
    given = parser.parse_args(arguments)
    return run_command("trials", lambda: run_all(given))


def run_all(given: argparse.Namespace) -> str:
    """Make the trials that are missing -> how all of them ended.

    Raises ConfigError for an unknown method or an impossible number, and as `make`.
    """
    for name in ("steps", "jobs"):
        if getattr(given, name) < 1:
            raise ConfigError(f"{name} must be 1 or more, not {getattr(given, name)}")
    trained = {name: METHODS[name] for name in TRAINED}
    runs = [
        TrialRun(
            method=choose("trained method", trained, name).name, profile=given.profile,
            seed=given.seed, trial=trial, steps=given.steps,
        )
        for trial in TRIALS
        for name in given.methods
        if not trial.keep_trunk or METHODS[name].modality != "image"
    ]  # fmt: skip
    for record in _made(missing(runs, RECORD), given.jobs):
        write_text(RECORD, json.dumps([*recorded(RECORD), record], indent=1) + "\n")
        print(
            f"done    {record['method']}, {record['trial']['name']}: held-out mean IoU "
            f"{100 * record['mean_iou']:.1f}, right {100 * record['right']:.0f} % "
            f"({record['seconds']:.0f} s)", flush=True,
        )  # fmt: skip
    return overview(recorded(RECORD)).to_string()


if __name__ == "__main__":
    sys.exit(main())
