"""The package as `pip install .` makes it: what it holds, and that it works from any folder."""

import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

from acga_lib import config
from acga_lib.config import ROOT

#: What a user of the installed package does first, without network and from any folder.
USE = """
from pathlib import Path
import acga_lib
from acga_lib import config, profiles
from acga_lib.text import Vocabulary, WordVectors
from acga_lib.vgg import load_vgg
assert Path(acga_lib.__file__).parents[1] == Path(INSTALLED), acga_lib.__file__
assert config.ROOT == Path.cwd(), config.ROOT
vectors = WordVectors.load()
assert Vocabulary.load().encode("a red car").unknown == vectors.encode("a red car").unknown == ()
size = profiles.PROFILES["quick"].networks
acga_lib.load_i3d(config.data_file("weights", size.trunk), modality="rgb")
acga_lib.load_i3d(config.data_file("weights", size.flow_trunk), modality="flow")
load_vgg(config.data_file("weights", size.image_network))
assert list(Path.cwd().iterdir()) == []
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder of a wheel that was built without network, unpacked as pip does."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "checkout"
    for name in ("acga_lib", "data/weights", "data/word_vectors"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "data/README.md", "data/example.mp4"):
        shutil.copy(ROOT / name, source / name)
    (source / "data" / "weights" / "i3d_rgb_kinetics.pt").write_text("fetched, not ours to ship")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--disable-pip-version-check", "--wheel-dir", folder, source], check=True,
    )  # fmt: skip
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "installed")
    return folder / "installed"


def test_the_wheel_holds_every_module_and_every_committed_file_and_no_other(installed):
    modules = {path.relative_to(ROOT) for path in (ROOT / "acga_lib").rglob("*.py")}
    assert {path.relative_to(installed) for path in installed.rglob("*.py")} == modules
    listed = subprocess.run(
        ["git", "ls-files", "data"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not listed:
        pytest.skip("no git checkout: which files of data/ are committed is not known")
    shipped = installed / "acga_lib" / "committed"
    found = {path.relative_to(shipped) for path in shipped.rglob("*") if path.is_file()}
    assert found == {Path(name).relative_to("data") for name in listed}


def test_vectors_counts_and_weights_are_found_from_any_folder(installed, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", f"INSTALLED = {str(installed)!r}\n{USE}"], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("job", ["batch", "reproduce", "colab"])
def test_what_needs_the_whole_kit_says_how_to_get_it(job, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(config, "SHIPPED", tmp_path)
    arguments = ["04_train", "--executed", "x.ipynb"] if job == "batch" else []
    assert import_module(f"acga_lib.jobs.{job}").main(arguments) == 1
    said = capsys.readouterr().err
    assert "no part of the installed package: get the whole kit (`git clone`" in said


def test_the_readmes_first_example_and_command_run_as_they_stand(tmp_path):
    for name in ("data", "results"):
        (tmp_path / name).symlink_to(ROOT / name)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    example = text.split("```python\n")[1].split("```")[0]
    command = next(line for line in text.splitlines() if line.startswith("python -m acga_lib segm"))
    told = "\nassert result.mask.any() and both[1].mask.any() and len(both) == 2"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    for run in (["-c", example + told], shlex.split(command)[1:]):
        done = subprocess.run(
            [sys.executable, *run], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        "data", "results", "marked.png", "overlay.mp4"
    }  # fmt: skip
