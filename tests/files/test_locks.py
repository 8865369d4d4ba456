"""Locks: one at a time, the holder has a name, and what a killed one left holds nobody up."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from acga_lib.errors import StorageError
from acga_lib.files import locks
from acga_lib.files.locks import Owner, locked

HOLD = (
    "import pathlib, sys, time; from acga_lib.files.locks import locked\n"
    "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def no_locks(monkeypatch):
    """A file system without flock, and little patience."""
    monkeypatch.setattr(locks, "has_locks", lambda path: False)
    monkeypatch.setattr(locks, "PATIENCE", 0.2)


def left(path, **changed):
    """What a killed holder leaves where files are the locks -> the holder."""
    holder = replace(Owner.me(), **changed)
    path.with_name(path.name + ".owner").write_text(json.dumps(asdict(holder)))
    path.with_name(path.name + ".held").write_text(f"{holder.process}\n{holder.host}\n")
    return holder


def test_who_waits_is_told_for_whom_and_a_killed_holder_holds_nobody_up(
    tmp_path, monkeypatch, capsys
):
    path = tmp_path / "work" / ".lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    monkeypatch.setattr(locks, "PATIENCE", 0.2)
    said = Owner.read(path.with_name(".lock.owner"))
    assert said.process == holder.pid and str(said.process) in str(said)
    monkeypatch.setattr(
        locks, "print", lambda *a, **k: holder.kill() or print(*a, **k), raising=False
    )
    with locked(path):
        holder.wait()
    told = capsys.readouterr().err
    assert str(path) in told and f"waiting for process {holder.pid} on host {said.host}" in told


def test_without_locks_a_dead_process_of_this_host_is_taken_over_from(tmp_path, no_locks, capsys):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left(tmp_path / ".lock", process=ended.pid)
    with locked(tmp_path / ".lock"):
        assert Owner.read(tmp_path / ".lock.owner").process == os.getpid()
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}


def test_without_locks_a_requeued_job_takes_over_from_itself(tmp_path, no_locks, monkeypatch):
    left(tmp_path / ".lock", host="node7", job="4711", process=1)
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_NNODES", "2")  # the other node may be at work
    with pytest.raises(StorageError, match="on host node7"), locked(tmp_path / ".lock"):
        pytest.fail("two hold one lock")
    monkeypatch.setenv("SLURM_NNODES", "1")
    with locked(tmp_path / ".lock"):
        pass


def test_without_locks_a_process_on_another_host_is_named_with_the_remedy(tmp_path, no_locks):
    left(tmp_path / ".lock", host="node7", process=12, since="2019-10-27 09:00:00")
    with (
        pytest.raises(StorageError, match=r"process 12 on host node7, since 2019.*delete \.lock"),
        locked(tmp_path / ".lock"),
    ):
        pytest.fail("two hold one lock")
    assert (tmp_path / ".lock.held").exists()


@pytest.mark.parametrize("owner", ["", "[]", '{"host": 1}', "\udcff"])
def test_without_locks_a_holder_that_left_no_word_is_refused_too(tmp_path, no_locks, owner):
    left(tmp_path / ".lock", host="node7")
    (tmp_path / ".lock.owner").write_text(owner, errors="surrogateescape")
    with pytest.raises(StorageError, match="left no word"), locked(tmp_path / ".lock"):
        pytest.fail("two hold one lock")


def test_a_lock_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "work").touch()
    with pytest.raises(StorageError, match=r"\.lock: cannot be locked"), locked(
        tmp_path / "work" / ".lock"
    ):  # fmt: skip
        pass
