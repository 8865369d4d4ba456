"""The setup cell on a stand-in for Colab, and the kit's address."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import types
import venv
import zipfile

import pytest
from packaging.requirements import Requirement

from acga_lib.config import ROOT
from acga_lib.errors import ConfigError
from acga_lib.jobs import colab

#: What Colab has installed and other software there needs as it is.
COLAB = {
    "torch": "2.11.0+cu128", "numpy": "2.1.3", "pandas": "2.2.2", "ipywidgets": "7.7.1",
    "ipython": "7.34.0",
}  # fmt: skip
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NO_GPU = "class cuda:\n    is_available = staticmethod(lambda: False)\n"


def metadata(name, version, requires=()):
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires)]) + "\n"


def install_stand_ins(folder):
    """Write the metadata of Colab's packages, without the packages."""
    for name, version in COLAB.items():
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(metadata(name, version))
        (info / "RECORD").write_text("")


@pytest.fixture
def session(tmp_path):
    """Run the setup cell where `google.colab` is loaded -> its output and what pip was told.

    The kit's address leads to a repository whose branch main is the library as it is here; pip
    only notes its arguments, and torch has no GPU. Everything happens in an environment of its own.
    """
    origin, installed, content = (tmp_path / name for name in ("origin", "installed", "content"))
    origin.mkdir()
    content.mkdir()
    shutil.copytree(ROOT / "acga_lib", origin / "acga_lib")
    shutil.copy(ROOT / "pyproject.toml", origin)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-qm", "1"]):
        subprocess.run(["git", *command], cwd=origin, check=True)
    venv.create(tmp_path / "own")
    install_stand_ins(installed)
    for module, text in {
        "pip/__init__.py": "",
        "pip/__main__.py": "import json, sys; json.dump(sys.argv[1:], open('pip.json', 'w'))",
        "google/colab/__init__.py": "",
        "torch.py": NO_GPU,
    }.items():
        (installed / module).parent.mkdir(parents=True, exist_ok=True)
        (installed / module).write_text(text)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(installed), sysconfig.get_path("purelib")]),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{origin.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": colab.repository(),
    }  # fmt: skip

    def run():
        code = f"import google.colab\n{colab.setup_cell()}\nprint(colab.__file__)"
        out = subprocess.run(
            [tmp_path / "own" / "bin" / "python", "-c", code], cwd=content, env=environment,
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        return out.splitlines(), json.loads((content / "pip.json").read_text())

    return run


def write_index(folder, names):
    """Empty wheels of the given packages and of all that they need, as installed here."""
    folder.mkdir()
    done, todo = set(), list(names)
    while todo:
        name = importlib.metadata.metadata(todo.pop())["Name"]
        if name in done:
            continue
        done.add(name)
        version = importlib.metadata.version(name).split("+")[0]
        stem = f"{name.replace('-', '_')}-{version}"
        needs = [Requirement(line) for line in importlib.metadata.requires(name) or ()]
        needs = [r for r in needs if r.marker is None or r.marker.evaluate({"extra": ""})]
        todo += [r.name for r in needs]
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            info = f"{stem}.dist-info"
            wheel.writestr(f"{info}/METADATA", metadata(name, version, map(str, needs)))
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")


def planned(tmp_path, requirements):
    """What pip would install on Colab, offered every package as installed here: {name: version}."""
    write_index(tmp_path / "index", (Requirement(line).name for line in PROJECT["dependencies"]))
    venv.create(tmp_path / "clean")
    site = next((tmp_path / "clean" / "lib").glob("python*")) / "site-packages"
    install_stand_ins(site)
    command = [
        sys.executable, "-m", "pip", "--isolated", "--python", tmp_path / "clean",
        "install", "-q", "--dry-run", "--report", tmp_path / "report.json", "--no-index",
        "--find-links", tmp_path / "index", *requirements,
    ]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [
        item["metadata"] for item in json.loads((tmp_path / "report.json").read_text())["install"]
    ]
    return {item["name"].lower(): item["version"] for item in found}


def test_the_setup_cell_installs_branch_main_and_leaves_colabs_packages(session, tmp_path):
    (advice, _, imported), (verb, flags, kit, *kept) = session()
    assert "No GPU" in advice and "Runtime > Change runtime type" in advice
    assert imported == str(tmp_path / "content" / "acga-kit" / "acga_lib" / "jobs" / "colab.py")
    assert (verb, flags, kit) == ("install", "-qe", "acga-kit")
    assert set(kept) == {f"{name}=={version}" for name, version in COLAB.items()}
    new = planned(tmp_path, [*PROJECT["dependencies"], *kept])
    assert {"gensim", "papermill", "av"} <= set(new), "absent on Colab"
    assert not set(new) & set(COLAB)
    session()  # a second time over what lies there


def test_the_setup_cell_does_nothing_elsewhere(monkeypatch, capfd):
    monkeypatch.setattr(subprocess, "run", None)
    path = list(sys.path)
    exec(colab.setup_cell(), {})
    assert capfd.readouterr() == ("", "") and sys.path == path


def test_a_gpu_is_named_and_datasets_on_drive_are_found(tmp_path, monkeypatch, capsys):
    properties = types.SimpleNamespace(total_memory=15 * 2**30)
    cuda = types.SimpleNamespace(
        is_available=lambda: True, get_device_name=lambda _: "Tesla T4",
        get_device_properties=lambda _: properties,
    )  # fmt: skip
    files = (
        "real/a2d/Release/videoset.csv", "jhmdb/jhmdb_annotation.txt",
        "referit/data/referit_query_trainval.json",
    )  # fmt: skip
    drive = types.ModuleType("google.colab.drive")
    drive.mount = lambda folder: [(tmp_path / "drive/MyDrive" / f).touch() for f in files]
    for file in files:
        (tmp_path / "drive/MyDrive" / file).parent.mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    monkeypatch.setitem(sys.modules, "google.colab.drive", drive)
    colab.welcome(drive=False, content=tmp_path)
    assert capsys.readouterr().out.startswith("GPU: Tesla T4, 15 GB.\n")
    colab.welcome(drive=True, content=tmp_path)
    mine = tmp_path / "drive" / "MyDrive"
    found = capsys.readouterr().out
    assert f"dataset = 'a2d', data_root = '{mine / 'real' / 'a2d'}'\n" in found
    assert f": jhmdb_root = '{mine / 'jhmdb'}'\n" in found
    assert f": referit_root = '{mine / 'referit'}'\n" in found


@pytest.fixture
def checkout(tmp_path):
    """A copy of the files that hold the kit's address."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    for name in ("pyproject.toml", "CITATION.cff", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_one_command_moves_the_address_everywhere_and_back_without_a_trace(checkout):
    files = [path for path in checkout.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    ours, theirs = colab.repository(), "https://github.com/me/my.fork"
    assert colab.main([theirs], checkout) == 0
    name = ours.removeprefix("https://github.com/")
    assert not [path for path in files if f"/{name}" in path.read_text()]
    named = [path for path in files if "/me/my.fork" in path.read_text()]
    assert {path.name for path in named} >= {
        "pyproject.toml",
        "CITATION.cff",
        "00_start_here.ipynb",
    }
    assert colab.main([ours], checkout) == 0
    assert {path: path.read_bytes() for path in files} == before


def test_the_address_stands_nowhere_else():
    name = colab.repository().removeprefix("https://github.com/")
    others = ["Makefile", "Snakefile", "environment.yml", "data/README.md"]
    paths = [ROOT / other for other in others]
    paths += [path for folder in ("acga_lib", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert not [path for path in paths if name in path.read_text()]


@pytest.mark.parametrize("address", ["me/fork", "https://gitlab.com/me/fork",
                                     "https://github.com/me/fork.git"])  # fmt: skip
def test_an_address_that_colab_cannot_open_changes_nothing(address, checkout, capsys):
    before = (checkout / "pyproject.toml").read_bytes()
    with pytest.raises(ConfigError, match=r"github\.com/owner/name"):
        colab.move(address, checkout)
    assert (checkout / "pyproject.toml").read_bytes() == before
