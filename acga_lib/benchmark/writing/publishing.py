"""Generated benchmarks on disk: made by several processes, complete or absent, never half.

A folder is complete when it holds `dataset.json`, which is written last and says what the folder
was generated from.
"""

import csv
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from glob import escape
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from tqdm.auto import tqdm

from acga_lib.errors import ConfigError, DataError
from acga_lib.files.locks import alive
from acga_lib.files.records import read_json
from acga_lib.files.storage import named_if_full

Job = TypeVar("Job")
Made = TypeVar("Made")
#: What a benchmark was generated from, as recorded in `dataset.json`.
Parameters = dict[str, str | int]
RECORD = "dataset.json"


def publish(
    root: Path,
    wanted: Parameters,
    *,
    annotations: tuple[str, ...],
    fill: Callable[[Path], Parameters],
) -> None:
    """Let `fill` write a benchmark, or return at once if exactly it is already at `root`.

    Everything is first written beside `root` and moved in one step, so `root` is complete or
    absent.

    Args:
        wanted: what the benchmark is generated from.
        annotations: globs of the files whose hash tells a changed copy.
        fill: writes everything into the folder that it is given -> what to record besides.

    Raises:
        DataError: `root` holds something else: other parameters, a damaged copy, foreign files.
        StorageError: the disk is full or closed; what was begun is removed.
    """
    root = Path(root).resolve()
    if _already_there(root, wanted, annotations):
        return
    with named_if_full(root.parent, "a generated benchmark"):
        root.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(root)
        partial = root.parent / f".{root.name}.partial-{socket.gethostname()}-{os.getpid()}"
        partial.mkdir()
        try:
            record = wanted | fill(partial)
            record["annotations_sha256"] = annotations_sha256(partial, annotations)
            (partial / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            _move(partial, root, wanted, annotations)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _remove_left_behind(root: Path) -> None:
    """Remove what killed generators of `root` left: of processes of this host that have ended, and
    whatever else was begun more than a day ago (drawing takes minutes).
    """
    for folder in root.parent.glob(f".{escape(root.name)}.partial-*"):
        host, _, process = folder.name.rpartition(".partial-")[2].rpartition("-")
        ended = host == socket.gethostname() and process.isdecimal() and not alive(int(process))
        own = process == str(os.getpid()) and host == socket.gethostname()
        with suppress(FileNotFoundError):  # a twin was faster
            if ended or own or time.time() - folder.stat().st_mtime > 86_400:
                shutil.rmtree(folder, ignore_errors=True)


def hold_numbers(counts: Mapping[str, int], workers: int) -> None:
    """Raise ConfigError unless there is something to generate and somebody to do it."""
    if min(counts.values()) < 0 or sum(counts.values()) < 1 or workers < 1:
        asked = " and ".join(f"{count} {name}" for name, count in counts.items())
        raise ConfigError(
            f"cannot generate {asked} with {workers} workers: ask for at least one and one worker"
        )


def made(
    make: Callable[[Job], Made], jobs: list[Job], *, workers: int, progress: bool, unit: str
) -> list[Made]:
    """`make` of every job in the order of the jobs, by `workers` processes."""
    results = _results(make, jobs, workers)
    bar = tqdm(results, total=len(jobs), disable=not progress, desc=f"rendering {unit}s", unit=unit)
    return list(bar)


def _results(make: Callable[[Job], Made], jobs: list[Job], workers: int) -> Iterator[Made]:
    if workers == 1 or len(jobs) == 1:
        yield from map(make, jobs)
        return
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(make, jobs)


def write_csv(path: Path, rows: Iterable[Iterable[str | int | float]]) -> None:
    """Write rows, the header among them, with Unix line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def annotations_sha256(root: Path, annotations: tuple[str, ...]) -> str:
    """SHA-256 over every annotation file of a generated benchmark, names included."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in annotations for path in root.glob(pattern)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _already_there(root: Path, wanted: Parameters, annotations: tuple[str, ...]) -> bool:
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    remedy = "delete the folder or choose another one"
    try:
        found = read_json(root / RECORD)
        if not isinstance(found, dict):
            raise DataError(f"{root / RECORD}: holds no record")
    except DataError as error:
        raise DataError(
            f"{root}: holds no finished generated benchmark ({RECORD} is missing or not "
            f"readable): {remedy}"
        ) from error
    other = {key: found.get(key) for key, value in wanted.items() if found.get(key) != value}
    if other:
        asked = {key: wanted[key] for key in other}
        raise DataError(f"{root}: was generated with {other}, not {asked}: {remedy}")
    if found.get("annotations_sha256") != annotations_sha256(root, annotations):
        raise DataError(f"{root}: an annotation file changed since it was generated: {remedy}")
    return True


def _move(partial: Path, root: Path, wanted: Parameters, annotations: tuple[str, ...]) -> None:
    """Move the finished folder into place; a twin that was faster wins."""
    try:
        os.replace(partial, root)
    except OSError:
        if not _already_there(root, wanted, annotations):
            raise
