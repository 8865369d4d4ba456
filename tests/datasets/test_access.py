"""How a user's machine gives, or does not give, the data: home, rights, other programs."""

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import h5py
import pytest
from helpers.benchmarks import MANIFEST, MASKS, SENTENCES, SPLITS, everything, first_masks, problems

from acga_lib.datasets import open_dataset
from acga_lib.datasets.authors_files import AuthorsFiles
from acga_lib.datasets.check_data import check, main
from acga_lib.errors import ConfigError, KitError


@contextmanager
def forbidden(*paths):
    """While some paths may be read by nobody; root, who may read everything, becomes nobody."""
    for path in paths:
        path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in paths:
            path.chmod(0o755)


@pytest.fixture
def everybodys():
    """A folder that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("a2d", first_masks), ("a2d", lambda r: first_masks(r).parent),
        ("a2d", lambda r: r / MASKS), ("a2d", lambda r: r / "text_annotations"),
        ("a2d", lambda r: r), ("a2d", lambda r: r / SENTENCES), ("a2d", lambda r: r / MANIFEST),
        ("jhmdb", first_masks), ("jhmdb", lambda r: first_masks(r).parent),
        ("jhmdb", lambda r: r / "Rename_Images" / first_masks(r).parts[-3]),
        ("referit", first_masks), ("referit", lambda r: r / "data" / "referit_query_trainval.json"),
    ],
)  # fmt: skip
def test_what_may_not_be_read_is_not_called_damaged_or_missing(sound, everybodys, name, what):
    root = shutil.copytree(sound[name], everybodys / name)
    path = what(root)
    with forbidden(path):
        told = str(problems(name, root))
        with pytest.raises(KitError, match="you may not read this") as raised:
            for sample in everything(name, root):
                sample.mask()
    assert str(path) in str(raised.value) and "fetch" not in str(raised.value)
    assert str(path) in told and "you may not read this" in told


def test_a_locked_folder_of_the_system_hides_no_video(sound, everybodys):
    root = shutil.copytree(sound["jhmdb"], everybodys / "jhmdb")
    locked = [folder / "lost+found" for folder in (root, root / "Rename_Images", everybodys)]
    for folder in locked:
        folder.mkdir()
    with forbidden(*locked):
        assert everything("jhmdb", root) and problems("jhmdb", root) == {}
        report = check("jhmdb", everybodys, decode=False, progress=False)
    assert any(f"lie in {root}" in hint for hint in report.hints)


def test_a_mask_file_that_another_program_writes_is_not_called_damaged(sound, tmp_path):
    root = shutil.copytree(sound["a2d"], tmp_path / "a2d")
    with first_masks(root).open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        told = str(problems("a2d", root))
        with pytest.raises(KitError, match=r"\.h5: another program holds .* open for writing"):
            everything("a2d", root)
    assert "another program holds" in told and "fetch" not in told
    assert problems("a2d", root) == {}


def test_a_mask_file_whose_writer_was_killed_is_told_from_a_damaged_one(sound, tmp_path):
    root = shutil.copytree(sound["a2d"], tmp_path / "a2d")
    with h5py.File(tmp_path / "half.h5", "w", libver="latest") as file:
        file["instance"] = [0]
        file.flush()
        shutil.copy(tmp_path / "half.h5", first_masks(root))
    with pytest.raises(KitError, match=r"\.h5: another program holds .* or was killed .*h5clear"):
        everything("a2d", root)


@pytest.mark.parametrize("name", SPLITS)
def test_home_is_found_where_no_shell_has_put_it_in(sound, name, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(sound[name].parent))
    root = f"~/{sound[name].name}"
    assert everything(name, root) == everything(name, sound[name])
    assert main([f"--{name}-root", root]) == 0
    assert str(sound[name]) in capsys.readouterr().out
    assert main([f"--{name}-root", "~nobody-of-that-name/data"]) == 1
    assert "whose home is meant" in capsys.readouterr().err


@pytest.mark.parametrize("root", [2017, None, "", "~nobody-of-that-name/a2d", b"a2d", "a\0b"])
def test_a_root_that_is_no_path_is_refused(root):
    for name in SPLITS:
        with pytest.raises(ConfigError, match="path"):
            open_dataset(name, root=root, split="test")
    with pytest.raises(ConfigError, match="path"):
        open_dataset("jhmdb", root=".", split="test", frames=root)
    with pytest.raises(ConfigError, match="path"):
        AuthorsFiles(root, split="test")
