"""One process at a time: locks that say who holds them.

A lock of the operating system (flock) ends with its holder, also a killed one, so waiting for it is
safe. Some network file systems have none; there a file that exists is the lock, and outlives a
killed holder. So the holder is written beside the lock: who waits can name it, and takes over what
is left of a process that is gone for certain.
"""

import errno
import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from filelock import FileLock, SoftFileLock, Timeout

from acga_lib.errors import StorageError

#: Seconds of waiting before the holder is named, or given up where nothing tells that it lives.
PATIENCE = 20.0
#: What a file system answers that has no locks.
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process that holds something."""

    host: str
    process: int
    since: str  #: local time
    job: str = ""  #: of SLURM

    @classmethod
    def me(cls) -> Self:
        """This process."""
        return cls(
            host=socket.gethostname(), process=os.getpid(),
            since=time.strftime("%Y-%m-%d %H:%M:%S"), job=os.environ.get("SLURM_JOB_ID", ""),
        )  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The holder that a file names; None where it names none that can be read."""
        try:
            owner = cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        sound = type(owner.process) is int and isinstance(owner.host, str)
        return owner if sound else None

    def write(self, path: Path) -> None:
        """Leave word beside a lock; a disk that is full now must not stop who holds it."""
        with suppress(OSError):
            path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    def is_gone(self) -> bool:
        """Whether the process has ended for certain: on this host, or in SLURM's earlier attempt.

        SLURM starts a job again under its number only when all its processes have ended, so a job
        of one node that is here now has left the other host. (Its count of restarts does not reach
        the jobs of Snakemake.)
        """
        me = Owner.me()
        if self.host == me.host:
            return not alive(self.process)
        one_node = os.environ.get("SLURM_NNODES", "1") == "1"
        return bool(self.job) and self.job == me.job and one_node

    def __str__(self) -> str:
        job = f" (SLURM job {self.job})" if self.job else ""
        return f"process {self.process} on host {self.host}{job}, since {self.since}"


def alive(process: int) -> bool:
    """Whether a process of this number runs on this host."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def has_locks(path: Path) -> bool:
    """Whether the file system of the lock file at `path`, made where missing, has flock."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in NO_LOCKS
    finally:
        os.close(descriptor)
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` while the block runs.

    Waits for a holder that lives, and says on stderr for whom. Raises StorageError where the file
    cannot be made, and where a file system without locks leaves open whether the holder lives.
    """
    owner, held = path.with_name(path.name + ".owner"), path.with_name(path.name + ".held")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if has_locks(path):
            lock: FileLock | SoftFileLock = FileLock(path)
            _wait(lock, path, owner)
        else:
            lock = SoftFileLock(held)
            _wait_without_locks(lock, held, owner)
    except OSError as error:  # Timeout is one, and is dealt with
        raise StorageError(
            f"{path}: cannot be locked ({error.strerror or error}). Give yourself leave to write "
            "there, or work in a folder of your own"
        ) from error
    try:
        Owner.me().write(owner)
        yield
    finally:
        with suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def _wait(lock: FileLock, path: Path, owner: Path) -> None:
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        holder = Owner.read(owner) or "a process that left no word"
        print(f"{path}: waiting for {holder}; it ends with that process", file=sys.stderr)
        lock.acquire()


def _wait_without_locks(lock: SoftFileLock, held: Path, owner: Path) -> None:
    named = False
    while True:
        holder = Owner.read(owner)
        try:
            lock.acquire(timeout=0 if holder and holder.is_gone() else PATIENCE)
            return
        except Timeout:
            holder = Owner.read(owner)
        if holder and holder.is_gone():
            print(f"{held}: taken over from {holder}, which has ended", file=sys.stderr)
            _take_over(held, owner, holder)
        elif holder is None or holder.host != Owner.me().host:
            raise StorageError(
                f"{held}: held by {holder or 'a process that left no word'}, and this file system "
                "has no locks that end with their holder. If it still runs, wait for it; if it was "
                f"killed, delete {held.name} and {owner.name} and start again: what it wrote is "
                "kept and continued"
            )
        elif not named:
            print(f"{held}: waiting for {holder}", file=sys.stderr)
            named = True


def _take_over(held: Path, owner: Path, gone: Owner) -> None:
    """Remove what a process that is gone left; of several that try, one does it."""
    claim = owner.with_name(f"{owner.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        os.rename(owner, claim)
        if Owner.read(claim) == gone:
            held.unlink(missing_ok=True)
            claim.unlink()
        else:  # somebody else was faster and holds the lock now
            os.rename(claim, owner)
