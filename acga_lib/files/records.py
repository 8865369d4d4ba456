"""Run records on disk: the files that tables, figures and the results page are made of.

A run is `results/runs/<run_id>.json`, with the weights that its numbers were measured with beside
it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Any

from acga_lib.errors import DataError
from acga_lib.methods import METHODS
from acga_lib.parameters import EMBEDDED
from acga_lib.profiles import HEADLINES
from acga_lib.published import METRICS

Record = dict[str, Any]


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises DataError where it cannot be read, or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error


def read_runs(runs: Path, *, data: str, profile: str, controls: bool = False) -> list[Record]:
    """The run records of one data set and profile, by method and seed; no variant's.

    controls: those trained with shuffled sentences instead of the proper ones; an empty list where
    there are none. Each record carries its file under "path". Raises DataError when a file is not
    a run record, when there is no proper run, and when runs were made with different settings or
    data: no table may mix those.
    """
    found = []
    for path in sorted(runs.glob(f"{escape(data)}-{profile}-*.json")):
        record = read_run(path)
        run = record["config"]["run"]
        wanted = (data, profile, controls)
        described = (record["config"]["data"], run["profile"], run["shuffle_queries"])
        if described == wanted and not run.get("variant"):
            found.append(record)
    if not found and not controls:
        raise DataError(
            f"{runs}: no run of profile '{profile}' on '{data}'; run notebook 04_train first, "
            "or `make reproduce`"
        )
    found.sort(key=lambda r: (order_of(r), r["config"]["run"]["seed"]))
    _hold_alike(found)
    return found


def is_proper(record: Record) -> bool:
    """Whether a run is a row of a table: neither a control nor a variant."""
    run = record["config"]["run"]
    return not run["shuffle_queries"] and not run.get("variant")


def most_methods(records: Iterable[Record], *, data: str = EMBEDDED) -> str | None:
    """The profile of `HEADLINES` of which most methods were run on `data`, among equals the first.

    None where there is no such run; controls and variants do not count.
    """
    there: dict[str, set[str]] = {profile: set() for profile in HEADLINES}
    for record in filter(is_proper, records):
        run = record["config"]["run"]
        if record["config"]["data"] == data and run["profile"] in there:
            there[run["profile"]].add(run["method"])
    best = max(HEADLINES, key=lambda profile: len(there[profile]))
    return best if there[best] else None


def headline(runs: Path, *, data: str = EMBEDDED) -> str:
    """The profile whose runs in a folder are shown where none is named: `most_methods`.

    Raises DataError where there is none, or a file is not a run record.
    """
    shown = most_methods(map(read_run, sorted(runs.glob(f"{escape(data)}-*.json"))), data=data)
    if shown is None:
        raise DataError(
            f"{runs}: no run on '{data}' in a profile of {', '.join(HEADLINES)}: restore the "
            "committed ones (`git checkout -- results`), run `make reproduce`, or name another "
            "profile"
        )
    return shown


def _hold_alike(records: list[Record]) -> None:
    """Raise DataError unless the runs of one table share whatever must not differ between them."""
    first: dict[tuple[str, ...], Record] = {}
    for record in records:
        shared = _shared(record)
        for key, value in shared.items():
            other = first.setdefault(key, record)
            theirs = _shared(other)
            if theirs[key] == value:
                continue
            differ = {one[0] for one, its in shared.items() if theirs.get(one, its) != its}
            raise DataError(
                f"{other['path']} and {record['path'].name} differ in {', '.join(sorted(differ))}, "
                "so no table may hold both: delete the one that is out of date, or make both anew "
                "with `make reproduce SEEDS=<as many as there are>`"
            )


def _shared(record: Record) -> dict[tuple[str, ...], Any]:
    """What a record must share with others of its table: (what, among which) -> its value.

    All runs share the profile and the test samples; seeds of one method all but the seed; methods
    that read sentences alike the data, as far as they are trained on the same.
    """
    run, data = record["config"]["run"], record["data"]
    method = run["method"]
    reads = METHODS[method].reads
    shared: dict[tuple[str, ...], Any] = {
        (name,): value for name, value in record["config"]["profile"].items()
    }
    shared |= {
        ("the profile's fields",): sorted(record["config"]["profile"]),
        ("method", method): record["config"]["method"],
        ("samples", method): record["samples"],
        ("features", method): record["features"],
        ("test data", reads): data["test"],
        ("test samples",): record["samples"]["test"],
    }
    # A control's training sentences are shuffled by its seed.
    if not run["shuffle_queries"]:
        shared["training data", reads, METHODS[method].trained_on] = data["train"]
    return shared


def same_name(runs: Path, *, data: str, profile: str) -> Iterator[Record]:
    """Every run record under a data name and profile, variants and controls too.

    What is no record is left out: it can say nothing, and the tables name it.
    """
    for path in sorted(runs.glob(f"{escape(data)}-{profile}-*.json")):
        with suppress(DataError):
            record = read_run(path)
            described = record["config"]["data"], record["config"]["run"]["profile"]
            if described == (data, profile):
                yield record


def read_run(path: Path) -> Record:
    """One run record, with its file under "path". Raises DataError when it is not a record."""
    try:
        record = read_json(path)
        for what, kind, value in _typed(record):
            if not kind(value):
                raise ValueError(f"{what} is {_short(value)}")
    except (DataError, ValueError, LookupError, TypeError, AttributeError) as error:
        told = f"{type(error).__name__}: {error}" if isinstance(error, LookupError) else error
        raise DataError(f"{path}: not a run record ({told}); delete it, run again") from error
    return record | {"path": path}


def _typed(record: Record) -> list[tuple[str, Any, Any]]:
    """The values of a record that tables, figures and the page read: name, test, value."""
    run = record["config"]["run"]
    found: list[tuple[str, Any, Any]] = [
        ("run_id", _is_text, record["run_id"]),
        ("config.data", _is_text, record["config"]["data"]),
        ("config.profile", _is_table, record["config"]["profile"]),
        ("config.method", _is_table, record["config"]["method"]),
        ("method", lambda name: _is_text(name) and name in METHODS, run["method"]),
        ("profile", _is_text, run["profile"]),
        ("seed", _is_count, run["seed"]),
        ("shuffle_queries", lambda one: isinstance(one, bool), run["shuffle_queries"]),
        *((f"samples.{name}", _is_count, record["samples"][name]) for name in ("train", "test")),
        *((f"metrics.{name}", _is_share, record["metrics"][name]) for name in METRICS),
    ]
    found += [(f"metrics.{name}", _is_share, value) for name, value in record["metrics"].items()]
    further = (
        ("seconds", _is_number), ("seconds_per_query", _is_number), ("parameters", _is_count),
        ("breakdown", _is_table), ("limits", _is_table), ("features", _is_text),
        ("weights", _is_text),
    )  # fmt: skip
    found += [(name, kind, record[name]) for name, kind in further]
    for part, names in (("data", ("train", "test")), ("environment", ("device", "revision"))):
        found += [(f"{part}.{name}", _is_text, record[part][name]) for name in names]
    for group, part in record["breakdown"].items():
        for value, one in part.items():
            name = f"breakdown.{group}.{value}"
            found += [(f"{name}.{of}", _is_share, one[of]) for of in ("mean_iou", "P@0.5")]
            found.append((f"{name}.samples", _is_count, one["samples"]))
    for name in ("test", "train"):
        part = record["limits"][name]
        found += [(f"limits.{name}.{of}", _is_share, part[of]) for of in ("right", "chance")]
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < float("inf")


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _short(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def order_of(record: Record) -> int:
    """The row of a record's method in the tables."""
    return list(METHODS).index(record["config"]["run"]["method"])
