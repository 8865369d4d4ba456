"""sha256 of files, and the one kept beside a file (`<file>.sha256`, as sha256sum writes it).

`acga_lib.files.downloads` writes it when a file arrives, and it is committed with the kit's own
weights and word vectors: most of these formats have no checksum of their own.
"""

import hashlib
import re
from pathlib import Path

from acga_lib.errors import DataError
from acga_lib.published import advice


def file_hash(path: str | Path) -> str:
    """sha256 of a file's bytes, hexadecimal. Raises DataError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {advice(path)}") from error


def recorded_hash(path: Path) -> str | None:
    """The sha256 kept beside a file; None where there is none.

    Raises DataError where what is kept is no sha256: the file could be anything.
    """
    record = path.with_name(path.name + ".sha256")
    if not record.is_file():
        return None
    try:
        with record.open("rb") as file:
            words = file.read(4096).decode(errors="replace").split()
    except OSError as error:
        raise DataError(f"{record}: cannot be read ({error.strerror}); give access") from error
    if not words or not re.fullmatch("[0-9a-f]{64}", words[0].lower()):
        raise DataError(
            f"{record}: holds no sha256, so {path.name} cannot be held against it. If you trust "
            f"the file, delete the record; if not, delete both and {advice(path)}"
        )
    return words[0].lower()


def hold_recorded(path: Path) -> None:
    """Raise DataError where a file is not the one whose sha256 is kept beside it."""
    if recorded_hash(path) not in (None, file_hash(path)):
        raise DataError(
            f"{path}: damaged or replaced since it was fetched: its sha256 is not the one in "
            f"{path.name}.sha256. Delete both files and {advice(path)}"
        )
