"""Fixtures shared by the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import jobs
from helpers.jobs import tiny_profile
from safetensors.torch import save_file

from acga_lib.benchmark.writing.a2d_like import generate_a2d_like
from acga_lib.experiment.features import FeatureStore
from acga_lib.experiment.recipes import Recipe
from acga_lib.i3d import I3D, load_i3d
from acga_lib.profiles import PROFILES, Profile


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the real data, which may not be copied into the project; skips where it is not."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ACGA_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set ACGA_SHARED to its folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Equal bits are promised for one number of threads; the jobs in other processes use one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory) -> Path:
    """A generated benchmark of 8 training and 4 test videos, to be read only."""
    root = tmp_path_factory.mktemp("data") / "tiny"
    generate_a2d_like(root, train_videos=8, test_videos=4, seed=0, workers=1, progress=False)
    return root


@pytest.fixture(scope="session")
def toy_trunk(tmp_path_factory) -> Path:
    """The weight file of a randomly drawn trunk."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(I3D(width=0.25).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def toy_features(tmp_path_factory, toy_root, toy_trunk) -> Path:
    """The root of a feature store that holds everything of `toy_root` under the tiny profile."""
    folder = tmp_path_factory.mktemp("features")
    store = FeatureStore(folder, Recipe.of(tiny_profile(toy_trunk), toy_trunk))
    store.extract(jobs.samples(toy_root), load_i3d(toy_trunk), progress=False)
    return folder


@pytest.fixture
def tiny(toy_trunk, monkeypatch) -> Profile:
    """The profile "tiny", which exists while a test runs."""
    profile = tiny_profile(toy_trunk)
    monkeypatch.setitem(PROFILES, profile.name, profile)
    return profile


@pytest.fixture
def job():
    """Run a job of `jobs.py` in another process -> its exit status and what it printed."""

    def run(*arguments: object, wait: bool = True):
        process = subprocess.Popen(
            [sys.executable, jobs.__file__, *map(str, arguments)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        return finished(process) if wait else lambda: finished(process)

    def finished(process) -> tuple[int, str]:
        out, error = process.communicate(timeout=120)
        return process.returncode, out + error

    return run
