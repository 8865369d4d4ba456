"""Room on the disk: asked for before long work, and a full disk called by its name."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acga_lib.errors import StorageError

#: What an operating system answers when nothing more fits: disk, quota, file size limit.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def megabytes(size: float) -> str:
    """A number of bytes as text, in units of 10^6 or 10^9."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def free_bytes(folder: Path) -> int:
    """Bytes that can still be written where the folder lies."""
    return shutil.disk_usage(folder).free


def hold_room(folder: Path, needed: float, what: str) -> None:
    """Raise StorageError where `needed` bytes do not fit any more; `what` is to be written."""
    free = free_bytes(folder)
    if needed > free:
        raise StorageError(
            f"{folder}: {what} need about {megabytes(needed)} more and {megabytes(free)} are free. "
            "Free some space, or make this folder a link to a larger disk; what is already "
            "there is kept and will be continued."
        )


def _full(error: BaseException | None) -> OSError | None:
    """The full disk among the reasons of an error: torch and zipfile hide it behind their own."""
    while error:
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def named_if_full(folder: Path, what: str, *, needed: float = 0) -> Iterator[None]:
    """While something is written into the folder: a full disk is a StorageError.

    needed: bytes that are still to be written, at most, where known.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = _full(error)
        if reason is None:
            raise
        wanted = f", with up to {megabytes(needed)} to go" if needed else ""
        raise StorageError(
            f"{folder}: the disk is full ({reason.strerror}) while writing "
            f"{what}{wanted}. Free some space, or make this folder a link to a larger disk, and "
            "start again: what was written before is whole and is kept."
        ) from error
