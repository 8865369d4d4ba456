"""Run records on disk: the files that tables, figures and the results page are made of.

A run is `results/runs/<run_id>.json`, with the weights that its numbers were measured with beside
it.
"""

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from acga_lib.errors import DataError
from acga_lib.methods import METHODS
from acga_lib.published import METRICS


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is either the old or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def read_runs(
    runs: Path, *, data: str, profile: str, controls: bool = False
) -> list[dict[str, Any]]:
    """The run records of one data set and profile, by method and seed; no variant's.

    controls: those trained with shuffled sentences instead of the proper ones; an empty list where
    there are none. Each record carries its file under "path". Raises DataError when a file is not
    a run record, when there is no proper run, and when runs were made with different settings or
    data: no table may mix those.
    """
    found = []
    for path in sorted(runs.glob(f"{data}-{profile}-*.json")):
        record = read_run(path)
        run = record["config"]["run"]
        wanted = (data, profile, controls)
        described = (record["config"]["data"], run["profile"], run.get("shuffle_queries", False))
        if described == wanted and not run.get("variant"):
            found.append(record)
    if not found and not controls:
        raise DataError(
            f"{runs}: no run of profile '{profile}' on '{data}'; run notebook 04_train first, "
            "or `make reproduce`"
        )
    found.sort(key=lambda r: (order_of(r), r["config"]["run"]["seed"]))
    for one, other in pairwise(found):
        _hold_alike(one, other)
    return found


def _hold_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Runs of one table share their profile; seeds of one method share everything else."""
    profiles = one["config"]["profile"], other["config"]["profile"]
    differ = {key for a, b in (profiles, profiles[::-1]) for key in a if a[key] != b.get(key)}
    if order_of(one) == order_of(other):
        differ |= {"method"} if one["config"]["method"] != other["config"]["method"] else set()
        differ |= {key for key in ("samples", "features") if one.get(key) != other.get(key)}
        # A control's training sentences are shuffled by its seed; its test data are the others'.
        tested = [record.get("data", {}).get("test") for record in (one, other)]
        differ |= {"test data"} if tested[0] != tested[1] else set()
    if differ:
        raise DataError(
            f"{one['path']} and {other['path'].name} differ in {', '.join(sorted(differ))}, so no "
            "table may hold both: delete the one that is out of date, or make both anew with "
            "`make reproduce SEEDS=<as many as there are>`"
        )


def read_run(path: Path) -> dict[str, Any]:
    """One run record, with its file under "path". Raises DataError when it is not a record."""
    try:
        record = json.loads(path.read_text())
        scores = [float(record["metrics"][name]) for name in METRICS]
        described = record["config"]["run"], record["config"]["data"], record["samples"]["test"]
        if not np.isfinite(scores).all():
            raise ValueError(f"a metric of {described[0]['method']} is not a number")
        order_of(record)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a run record ({error!r}); delete it, run again") from error
    return record | {"path": path}


def order_of(record: dict[str, Any]) -> int:
    """The row of a record's method in the tables."""
    return list(METHODS).index(record["config"]["run"]["method"])
