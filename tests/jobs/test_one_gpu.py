"""How many networks are trained at a time: as many as cores, but one where they share a GPU."""

import os
import subprocess
from pathlib import Path

import pytest
import torch

from acga_lib.config import ROOT
from acga_lib.experiment.execution import multiplies_bfloat16
from acga_lib.jobs import reproduce

#: Stands for the job: says when it begins and ends, and makes its output.
STUB = """#!/bin/sh
echo begin >> order
sleep 1
echo end >> order
while [ "$1" != --produces ]; do shift; done
mkdir -p results/runs results/logs
touch "$2"
"""


def test_the_machine_is_told_without_loading_torch_here():
    kind = "bfloat16" if multiplies_bfloat16() else "single precision"
    assert reproduce.kind_of_machine() == ("GPU" if torch.cuda.is_available() else kind)


@pytest.mark.parametrize("at_once", [1, 4])
def test_two_trainings_on_one_gpu_follow_each_other(at_once, tmp_path, monkeypatch):
    """Snakemake's own scheduling, with the command line of `make reproduce`."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(STUB)
    (tmp_path / "bin" / "python").chmod(0o755)
    (tmp_path / "results" / "work").mkdir(parents=True)
    (tmp_path / "results" / "work" / "features-toy-quick.json").touch()
    settings = tmp_path / "settings.json"
    settings.write_text('{"profile": "quick"}')
    monkeypatch.setattr(reproduce, "SETTINGS", settings)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    wanted = [f"results/runs/toy-quick-{name}-s0.json" for name in ("baseline", "mrf")]
    given = "-s", str(ROOT / "Snakefile"), "-d", str(tmp_path), "--resources", f"device={at_once}"
    done = subprocess.run(
        [*reproduce.snakemake(4, *given), "--", *wanted],
        env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    alone = ["begin", "end", "begin", "end"]
    assert (Path(tmp_path, "order").read_text().split() == alone) == (at_once == 1)
