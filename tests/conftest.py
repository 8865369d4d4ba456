"""Fixtures shared by the tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the real data, which may not be copied into the project; skips where it is not."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ACGA_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set ACGA_SHARED to its folder")
    return folder
