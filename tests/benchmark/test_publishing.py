"""Generated benchmarks on disk: complete or absent, and nothing of a killed generator stays."""

import os
import socket
import subprocess
import sys

import pytest

from acga_lib.benchmark.writing.publishing import publish
from acga_lib.errors import DataError

WANTED = {"seed": 0}


def fill(folder):
    (folder / "list.txt").write_text("a dog")
    return {}


def test_what_killed_generators_left_is_removed_and_a_living_ones_stays(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = socket.gethostname()
    killed = tmp_path / f".mine.partial-{host}-{ended.pid}"
    old = tmp_path / ".mine.partial-node7-12"  # of another host, or an older version
    alive = tmp_path / f".mine.partial-{host}-{os.getppid()}"
    other = tmp_path / ".yours.partial-node7-12"
    for folder in (killed, old, alive, other):
        folder.mkdir()
        (folder / "half.mp4").touch()
        os.utime(folder, (0, 0) if folder in (old, other) else None)
    publish(tmp_path / "mine", WANTED, annotations=("list.txt",), fill=fill)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"mine", alive.name, other.name}


def test_a_generated_folder_has_the_rights_that_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        publish(tmp_path / "mine", WANTED, annotations=("list.txt",), fill=fill)
    finally:
        os.umask(before)
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("record", ["[]", "3", "[" * 10**5, "\udcff", '{"seed"'])
def test_a_record_of_another_type_is_no_finished_benchmark(tmp_path, record):
    publish(tmp_path / "mine", WANTED, annotations=("list.txt",), fill=fill)
    (tmp_path / "mine" / "dataset.json").write_text(record, errors="surrogateescape")
    with pytest.raises(DataError, match="no finished generated benchmark"):
        publish(tmp_path / "mine", WANTED, annotations=("list.txt",), fill=fill)
