"""Room on the disk and leave to write: asked for before long work, and refusals called by name."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from acga_lib.errors import StorageError

#: What an operating system answers when nothing more fits: disk, quota, file size limit.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: What it answers where nobody may write, or not this user.
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)

#: Seconds after which nobody writes a file any more that was begun and not finished.
LONG = 3600


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


def _refusal(error: BaseException | None, folder: Path) -> OSError | None:
    """The disk's answer among the reasons of an error: torch and zipfile hide it behind their own.

    A closed file counts only where it lies in the folder: an input may be closed, too.
    """
    while error:
        if isinstance(error, OSError):
            named = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str) else None
            ours = named is not None and (named == folder or folder in named.parents)
            if error.errno in FULL or (error.errno in CLOSED and ours):
                return error
        error = error.__cause__ or error.__context__
    return None


def _said(reason: OSError, folder: Path, what: str) -> str:
    if reason.errno in FULL:
        return (
            f"{folder}: the disk is full ({reason.strerror}) while writing {what}. Free some "
            "space, or make this folder a link to a larger disk, and start again: what was "
            "written before is whole and is kept."
        )
    return (
        f"{folder}: {what} cannot be written ({reason.strerror or reason}). Give yourself leave "
        "to write there, make this folder a link to one of your own, or work in a copy of the kit; "
        "what was written before is whole and is kept."
    )


@contextmanager
def named_if_full(folder: Path, what: str) -> Iterator[None]:
    """While something is written into the folder: a full or closed disk is a StorageError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = _refusal(error, folder)
        if reason is None:
            raise
        raise StorageError(_said(reason, folder, what)) from error


@contextmanager
def replacing(path: Path, what: str) -> Iterator[Path]:
    """A name beside `path` to write `what` to, once; it becomes `path` when the block ends well.

    So `path` is the old file or the new one, never half of it, also after a power cut. Raises
    StorageError for whatever the disk answers; the old file stays and nothing else is left.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # of a process killed under the same number, or a link
        for left in path.parent.glob(f"{escape(path.name)}.*.tmp"):  # of other killed processes
            if time.time() - left.lstat().st_mtime > LONG:
                left.unlink(missing_ok=True)
        yield temporary
        with open(temporary, "r+b") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(_said(error, path.parent, f"{what} ({path.name})")) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, what: str) -> None:
    """Write a file whole or not at all (`replacing`), with the rights that the umask gives."""
    with replacing(path, what) as temporary, open(temporary, "xb") as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write a file as UTF-8 (`write_bytes`)."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"), "a text file")
