"""Data that the readers' tests copy and break."""

from pathlib import Path

import pytest

from acga_lib.benchmark.writing.jhmdb_like import generate_jhmdb_like
from acga_lib.benchmark.writing.referit_like import generate_referit_like


@pytest.fixture(scope="session")
def sound(toy_root, tmp_path_factory) -> dict[str, Path]:
    """The folder of each benchmark in its embedded form, to be read only."""
    folder = tmp_path_factory.mktemp("sound")
    generate_jhmdb_like(folder / "jhmdb", videos=2, seed=0, workers=1, progress=False)
    generate_referit_like(
        folder / "referit", train_images=2, test_images=1, seed=0, workers=1, progress=False
    )
    return {"a2d": toy_root, "jhmdb": folder / "jhmdb", "referit": folder / "referit"}
