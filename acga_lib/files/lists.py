"""Text lists that the benchmarks share: CSV rows with their line numbers, and `cues.csv`."""

import csv
import io
from pathlib import Path

from acga_lib.errors import DataError

#: What `cues.csv` may say of an instance; `Sample` has a field for each.
CUE_FIELDS = ("cue", "actor", "action", "color")


def read_cues(path: Path) -> dict[tuple[str, int], dict[str, str]]:
    """Read the optional `cues.csv`: what tells an instance apart from its neighbours.

    Its header names `video_id`, `instance_id` and any of `CUE_FIELDS`; other columns are ignored.

    Returns:
        (video id, instance id) → field → value, empty values left out; nothing without the file.

    Raises:
        DataError: the two id columns are not there.
    """
    if not path.is_file():
        return {}
    (_, header), *rows = read_rows(path)
    if not {"video_id", "instance_id"} <= set(header):
        raise DataError(f"{path}: the header {header} must name video_id and instance_id")
    cues = {}
    for line, row in rows:
        cells = dict(zip(header, row, strict=False))
        if len(row) != len(header) or not cells["instance_id"].isdecimal():
            raise DataError(f"{path}, line {line}: {row} does not fit the header {header}")
        key = cells["video_id"], int(cells["instance_id"])
        cues[key] = {field: cells[field] for field in CUE_FIELDS if cells.get(field)}
    return cues


def read_text(path: Path) -> str:
    """Read a list as text.

    Raises:
        DataError: the file is missing or is no UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file: give the dataset's own folder, or complete its download"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error}): fetch it again") from error


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Non-empty CSV rows with their line numbers (from 1)."""
    reader = csv.reader(io.StringIO(read_text(path)))
    rows = [(reader.line_num, row) for row in reader if row]
    if not rows:
        raise DataError(f"{path}: is empty: fetch it again")
    return rows
