"""Lists that the benchmarks share, as text: CSV rows with their line numbers, JSON, `cues.csv`.

What a list says is held here, with file and line, before anyone builds a path from a name, a
picture from a size, or hours of work on a sentence.
"""

import csv
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from acga_lib.errors import DataError, QueryError
from acga_lib.files.paths import FETCH, is_there, named
from acga_lib.text import tokenize

#: What `cues.csv` may say of an instance; `Sample` has a field for each.
CUE_FIELDS = ("cue", "actor", "action", "color", "novelty")
#: The longest list that is read, bytes; the published ones have at most a few million.
MAX_BYTES = 2**28
#: The longest name, bytes: a file system's 255 less a suffix.
MAX_NAME = 240


def read_cues(path: Path) -> dict[tuple[str, int], dict[str, str]]:
    """Read the optional `cues.csv`: what tells an instance apart from its neighbours.

    Its header names `video_id`, `instance_id` and any of `CUE_FIELDS`; other columns are ignored.

    Returns:
        (video id, instance id) → field → value, empty values left out; nothing without the file.

    Raises:
        DataError: the two id columns are not there, a row does not fit, or two rows disagree.
    """
    if not is_there(path):
        return {}
    (_, header), *rows = read_rows(path)
    if not {"video_id", "instance_id"} <= set(header) or len(set(header)) < len(header):
        raise DataError(
            f"{path}: the header {header} must name video_id and instance_id, each once"
        )
    cues: dict[tuple[str, int], dict[str, str]] = {}
    for line, row in rows:
        cells = dict(zip(header, row, strict=False))
        try:
            key = cells["video_id"], whole_number(cells["instance_id"])
            if len(row) != len(header):
                raise ValueError(f"{len(row)} cells for {len(header)} columns")
        except (KeyError, ValueError) as error:
            raise DataError(
                f"{path}, line {line}: {shown(row)} does not fit the header {header} ({error}): "
                "correct it"
            ) from error
        told = {field: cells[field] for field in CUE_FIELDS if cells.get(field)}
        if cues.setdefault(key, told) != told:
            raise DataError(
                f"{path}, line {line}: instance {key[1]} of video {key[0]} is described a second "
                "time, differently: delete one of the two rows"
            )
    return cues


def read_text(path: Path, *, fetch: str = FETCH) -> str:
    """Read a list as text, without its byte-order mark.

    Raises:
        DataError: the file is missing, may not be read, is far too long or no UTF-8 text.
    """
    with named(path, "file", fetch=fetch):
        if (size := path.stat().st_size) > MAX_BYTES:
            raise DataError(f"{path}: {size:,} bytes are too many for a list: {fetch}")
        with suppress(UnicodeDecodeError):
            text = path.read_text(encoding="utf-8-sig")
            if "\0" not in text:
                return text
    raise DataError(
        f"{path}: is not UTF-8 text (UTF-16, Latin-1, or damaged): save it as UTF-8, or {fetch}"
    )


def read_rows(path: Path, *, fetch: str = FETCH) -> list[tuple[int, list[str]]]:
    """Non-empty CSV rows with their line numbers (from 1); a row never goes beyond its line.

    Raises:
        DataError: as `read_text`, an empty list, or a line that is not CSV, such as one with a
            quotation mark that is not closed.
    """
    rows = []
    for line, text in enumerate(read_text(path, fetch=fetch).split("\n"), start=1):
        try:
            # One line at a time: an open quotation mark may not swallow the lines below it.
            rows += [(line, row) for row in csv.reader([text], strict=True) if row]
        except csv.Error as error:
            raise DataError(
                f"{path}, line {line}: {shown(text)} is not one row of a CSV list ({error}): close "
                'its quotation marks, or write a " inside a cell twice'
            ) from error
    if not rows:
        raise DataError(f"{path}: is empty: {fetch}")
    return rows


def read_table(path: Path, header: Sequence[str]) -> list[tuple[int, list[str]]]:
    """The rows under a known header whose first column is a video's name, with line numbers.

    Raises:
        DataError: as `read_rows`, no or another header, a row of another length, or an impossible
            name.
    """
    (first, found), *rows = read_rows(path)
    if [cell.strip().lower() for cell in found] != list(header):
        raise DataError(
            f"{path}, line {first}: {shown(found)} is not the header {','.join(header)}: write it "
            "above the rows"
        )
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {line}: {shown(row)} is not {','.join(header)}: correct the row"
            )
        hold_file_name(row[0], f"{path}, line {line}")
    return rows


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: as `read_text`, or no JSON, or an object that names a key twice.
    """
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable JSON ({error}): {FETCH}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; json itself would keep the last of several values without a word."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if found.setdefault(key, value) != value:
            raise ValueError(f"{shown(key)} is there twice with different values; delete one")
    return found


def read_sentence(text: object, where: str) -> str:
    """A sentence of a list, lowercase and stripped. `where` it stands is for messages.

    Raises:
        QueryError: it is no text, empty, or `tokenize` refuses it.
    """
    if not isinstance(text, str) or not text.strip():
        raise QueryError(f"{where} has an empty sentence ({text!r}): write one or delete the row")
    query = text.strip().lower()
    try:
        tokenize(query)
    except QueryError as error:
        raise QueryError(f"{where}: {error}") from error
    return query


def hold_file_name(name: object, where: str) -> str:
    """Raise DataError unless a name from a list can be that of one file in its folder -> it."""
    if not isinstance(name, str) or not (
        name.strip()
        and name not in (".", "..")
        and name.isprintable()
        and not set(name) & set("/\\")
        and len(name.encode(errors="replace")) <= MAX_NAME
    ):
        raise DataError(
            f"{where}: {shown(name)} cannot be the name of a file or folder: a name has 1 to "
            f"{MAX_NAME} visible characters and no slash; correct it"
        )
    return name


def whole_number(text: str, *, least: int = 0, most: int = 10**9) -> int:
    """A number that a list writes in the digits 0 to 9. Raises ValueError when it is no such."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise ValueError(f"{shown(text)} is not a whole number")
    if not least <= int(digits) <= most:
        raise ValueError(f"{digits} is not from {least:,} to {most:,}")
    return int(digits)


def shown(value: object) -> str:
    """A value for a message, cut where it would flood the screen."""
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:160]}…"
