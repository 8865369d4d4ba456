"""Further measurements of trained runs: on another dataset (Table 2), and of robustness.

Each is kept in a file that names the weights and data it was made from, and made anew when either
has changed.

    python -m acga_lib.studies.evaluation method=acga profile=toy every=3

measures the robustness of one run, so that several can be measured side by side; notebook 10 reads
what it finds. The parameters are those of a run, and `every`.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from acga_lib.config import ROOT, RunConfig, run_config
from acga_lib.datasets import Sample
from acga_lib.datasets.a2d_lists import read_negatives, read_paraphrases
from acga_lib.errors import ConfigError, DataError
from acga_lib.experiment.inference import load_run, predictions
from acga_lib.experiment.pipeline import RUNS, default_device, inputs_of, open_split, unread
from acga_lib.experiment.results import GROUPS, breakdown, environment, evaluate
from acga_lib.files.records import read_json
from acga_lib.files.storage import write_text
from acga_lib.files.terminal import run_command
from acga_lib.hashes import file_hash
from acga_lib.parameters import parse_parameters
from acga_lib.studies.robustness import FILLERS, NOISE, measure

TRANSFER = ROOT / "results" / "transfer"
ROBUSTNESS = ROOT / "results" / "robustness"
#: What a record of a transfer has of its own; everything else is the run's.
MEASURED = (
    "tested_on", "metrics", "breakdown", "samples", "data", "unknown_words", "environment",
    "made_from",
)  # fmt: skip


def _kept(
    path: Path, made_from: dict[str, str], compute: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The record at `path` if it was made from the same files, else what `compute` finds."""
    try:
        record = read_json(path)
        if record["made_from"] == made_from:
            return record
    except (DataError, KeyError, TypeError):
        pass  # missing, or damaged: made anew
    record = compute() | {"made_from": made_from}
    write_text(path, json.dumps(record, indent=1) + "\n")
    return record


def transfer_or_load(
    config: RunConfig, samples: Sequence[Sample], *, tested_on: str, device: str = "cpu",
    progress: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """A trained run's record with the metrics that it reaches on other samples, untouched.

    tested_on: their name in tables. Where the weights of the run are not here (only few are
    committed), what was kept of the same run under the same name is returned. Raises
    CheckpointError when nothing was, and when the run has not been trained.
    """
    path, kept = RUNS / f"{config.run_id}.json", TRANSFER / f"{config.run_id}.json"
    here = path.with_suffix(".safetensors").is_file()
    if not here and (found := _measured_before(path, kept, tested_on=tested_on)):
        return found
    model, record = load_run(path)
    inputs = unread(config)
    tensors = inputs.tensors(samples)
    weights = file_hash(path.with_suffix(".safetensors"))

    def compute() -> dict[str, Any]:
        inputs_of(config, samples, device=device, progress=progress)  # completes the features
        found = predictions(model, tensors, device=device, progress=progress)
        metrics, rows = evaluate(found)
        return record | {
            "tested_on": tested_on,
            "metrics": metrics,
            "breakdown": {by: breakdown(rows, by) for by in GROUPS},
            "samples": {"train": record["samples"]["train"], "test": len(samples)},
            "data": {"train": record["data"]["train"], "test": tensors.fingerprint},
            "unknown_words": tensors.unknown,
            "environment": environment(device),
        }

    made_from = {"weights": weights, "data": tensors.fingerprint, "features": inputs.store.key}
    found = _kept(kept, made_from, compute)
    named = {"tested_on": tested_on}  # the same data may have been kept under another name
    return record | {key: found[key] for key in MEASURED} | named


def _measured_before(path: Path, kept: Path, *, tested_on: str) -> dict[str, Any] | None:
    """The record at `kept` if it is of the data asked for and of the run whose record is `path`."""
    try:
        run, record = read_json(path), read_json(kept)
        # A run that is made anew may end with the same weights.
        same = record["made_from"]["weights"] == run["weights"]
        same = same and record["data"]["train"] == run["data"]["train"]
        measured = {key: record[key] for key in MEASURED}
        return run | measured if same and record["tested_on"] == tested_on else None
    except (DataError, KeyError, TypeError):
        return None  # missing, or damaged


def robustness_or_load(
    config: RunConfig, *, every: int = 1, device: str = "cpu", progress: bool = True
) -> dict[str, Any]:
    """What `robustness.measure` finds of a trained run, on every `every`-th test sample.

    What was kept of the same run and samples is returned, where the data is here if the sentences
    are the same too. Raises CheckpointError when nothing was and the weights are not here (only few
    are committed), and when the run has not been trained; DataError when the dataset has no lists
    of paraphrases and negatives (real annotations have none; the embedded one does).
    """
    if type(every) is not int or every < 1:
        raise ConfigError(f"every = {every!r}: 1 is all test samples, 2 every second one, …")
    path, kept = RUNS / f"{config.run_id}.json", ROBUSTNESS / f"{config.run_id}.json"
    texts = config.root / "text_annotations"
    lists = texts / "paraphrases.csv", texts / "negatives.csv"
    if found := _robustness_before(path, kept, lists, every=every):
        return found
    model, record = load_run(path)
    samples = open_split(config, "test", progress=progress)[::every]
    for missing in (one for one in lists if not one.is_file()):
        raise DataError(f"{missing}: no such list; robustness is measured on data that has one")
    inputs = inputs_of(config, samples, device=device, progress=progress)

    def compute() -> dict[str, Any]:
        start = time.perf_counter()
        measured = measure(
            model, samples, inputs.tensors, paraphrases=read_paraphrases(lists[0]),
            false_queries=read_negatives(lists[1]), device=device, progress=progress,
        )  # fmt: skip
        about = {key: record[key] for key in ("run_id", "config", "metrics")} | {"every": every}
        seconds = round(time.perf_counter() - start, 1)
        return about | measured | {"seconds": seconds, "environment": environment(device)}

    made_from = {
        "weights": file_hash(path.with_suffix(".safetensors")),
        "data": inputs.tensors(samples).fingerprint,
        "lists": _hashes(lists),
        "noise": _noise(),
    }
    return _kept(kept, made_from, compute)


def _noise() -> str:
    """How many noise words are added, and which."""
    return " ".join(map(str, (*NOISE, *FILLERS)))


def _hashes(lists: Sequence[Path]) -> str:
    """The contents of the lists of sentences, in short."""
    return "+".join(map(file_hash, lists))


def _robustness_before(
    path: Path, kept: Path, lists: Sequence[Path], *, every: int
) -> dict[str, Any] | None:
    """The record at `kept` if it is of these samples and of the run whose record is `path`."""
    try:
        run, record = read_json(path), read_json(kept)
        same = all(record[key] == run[key] for key in ("run_id", "config", "metrics"))
        same = same and record["made_from"]["noise"] == _noise()
        if all(one.is_file() for one in lists):
            same = same and record["made_from"]["lists"] == _hashes(lists)
        return record if same and record["every"] == every else None
    except (DataError, KeyError, TypeError):
        return None  # missing, or damaged


def main(arguments: list[str] | None = None) -> int:
    """Command line; prints one line and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m acga_lib.studies.evaluation", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("parameters", nargs="*", metavar="name=value")
    given = parser.parse_args(arguments).parameters

    def work() -> str:
        start = time.perf_counter()
        texts = [field.name for field in fields(RunConfig) if field.type is str]
        parameters = {"method": "acga"} | parse_parameters(given, texts=texts)
        every = parameters.pop("every", 1)
        record = robustness_or_load(
            run_config(**parameters), every=every, device=default_device(), progress=False
        )
        seconds = time.perf_counter() - start
        return f"done    robustness {record['run_id']} ({seconds:.0f} s)"

    return run_command(f"robustness {' '.join(given)}", work)


if __name__ == "__main__":
    sys.exit(main())
