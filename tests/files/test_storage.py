"""Writing: whole or not at all, with the umask's rights, and a disk's refusal has a name."""

import errno
import os
import resource
from pathlib import Path

import pytest

from acga_lib.errors import StorageError
from acga_lib.files.storage import named_if_full, replacing, write_bytes, write_text


@pytest.fixture
def small_disk():
    """No file may become larger than 64 kB while a test runs, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_file_has_the_rights_that_the_umask_gives(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_bytes(tmp_path / "run.safetensors", b"weights", "weights")
    finally:
        os.umask(before)
    assert (tmp_path / "run.safetensors").stat().st_mode & 0o777 == mode


def test_on_a_full_disk_the_old_file_stays_and_the_error_says_what_to_do(tmp_path, small_disk):
    path = tmp_path / "run.json"
    write_text(path, "old")
    with pytest.raises(StorageError, match=r"disk is full.*run\.json.*Free some space"):
        write_text(path, "x" * (1 << 17))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("answer", [errno.EROFS, errno.EACCES, errno.EIO])
def test_where_nobody_may_write_the_folder_and_the_remedy_are_named(tmp_path, monkeypatch, answer):
    def refuse(*_, **__):
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError, match=rf"{tmp_path}.*run\.json.*cannot be written.*copy"):
        write_text(tmp_path / "run.json", "new")
    assert not list(tmp_path.iterdir())


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(StorageError, match=r"run\.json.*cannot be written"):
        write_text(tmp_path / "runs" / "run.json", "new")


def test_an_input_that_may_not_be_read_is_not_taken_for_a_closed_disk(tmp_path):
    locked = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "in" / "a.mp4"))
    with pytest.raises(PermissionError), named_if_full(tmp_path / "out", "features"):
        raise locked
    with pytest.raises(StorageError, match="features cannot be written"), named_if_full(
        tmp_path / "in", "features"
    ):  # fmt: skip
        raise locked


def test_a_link_at_the_temporary_name_leads_into_no_other_file(tmp_path):
    other = tmp_path / "other"
    other.write_text("untouched")
    with replacing(tmp_path / "new", "a file") as temporary:
        pass_through = Path(temporary)
        temporary.write_text("")
    pass_through.symlink_to(other)
    write_text(tmp_path / "new", "text")
    assert other.read_text() == "untouched" and (tmp_path / "new").read_text() == "text"


def test_text_is_utf_8_in_every_locale_and_half_a_character_is_told(tmp_path):
    write_text(tmp_path / "a", "52 ± 1 \udcff")
    assert (tmp_path / "a").read_bytes() == "52 ± 1 \\udcff".encode()


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_stays(tmp_path):
    left, written = tmp_path / "run.json.12.tmp", tmp_path / "run.json.13.tmp"
    for path in (left, written):
        path.touch()
    os.utime(left, (0, 0))
    write_text(tmp_path / "run.json", "new")
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", written.name}
