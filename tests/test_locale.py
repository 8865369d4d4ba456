"""In a locale that knows ASCII only, the kit reads, writes and prints what it does elsewhere."""

import os
import subprocess
import sys

import pytest

from acga_lib.config import ROOT
from acga_lib.report import page

ASCII = os.environ | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
PAGE = """
import sys
from pathlib import Path
from acga_lib.files.storage import write_text
from acga_lib.jobs import colab
from acga_lib.report import page
write_text(Path(sys.argv[1]), page.page())
for notebook in Path(sys.argv[2]).glob("*.ipynb"):
    colab.write_notebook(notebook)
"""


def python(*arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=ASCII, cwd=ROOT, capture_output=True
    )


def test_page_and_notebooks_are_the_same_bytes(tmp_path):
    names = [path.name for path in (ROOT / "notebooks").glob("0[0-4]*.ipynb")]
    for name in names:
        (tmp_path / name).write_bytes((ROOT / "notebooks" / name).read_bytes())
    done = python("-c", PAGE, tmp_path / "index.html", tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "index.html").read_bytes() == page.page().encode()
    for name in names:
        assert (tmp_path / name).read_bytes() == (ROOT / "notebooks" / name).read_bytes()


@pytest.mark.parametrize(
    "command",
    [
        ("acga_lib.jobs.reproduce", "--profile=groß"),
        ("acga_lib.jobs.batch", "04_train", "é=1", "--executed=x.ipynb"),
        ("acga_lib.experiment.run", "dataset=a2d", "data_root=/daten ä"),
    ],
)
def test_what_is_wrong_is_told_by_name(command):
    done = python("-m", *command)
    told = done.stderr.decode("ascii")
    assert done.returncode == 1 and "Traceback" not in told
    assert "choose" in told or "PYTHONUTF8" in told
