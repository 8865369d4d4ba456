"""Runs from the command line: names, and what several processes are told."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from acga_lib.config import ROOT, RunConfig
from acga_lib.errors import ConfigError, KitError
from acga_lib.experiment import processes, run
from acga_lib.experiment.execution import Execution
from acga_lib.parameters import parse_parameters


def test_launched_processes_get_the_parameters_that_were_meant(monkeypatch, tmp_path):
    config = RunConfig(
        method="mrf", dataset="a2d", data_root=str(tmp_path), seed=3, shuffle_queries=True,
        variant="released",
    )  # fmt: skip
    how, commands = Execution(precision="mixed", accumulate=2), []

    def note(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, stderr="")

    monkeypatch.setattr(subprocess, "run", note)
    run.launch(config, how, count=2)
    (command,) = commands
    assert "--nproc-per-node=2" in command
    given = command[command.index("acga_lib.experiment.run") + 1 :]
    assert run.split_parameters(parse_parameters(given)) == (config, how)


def test_a_failure_in_one_of_the_processes_is_reported_in_its_words(monkeypatch):
    failed = subprocess.CompletedProcess([], 1, stderr="W1 noise\nFAILED  seed=0: no disk\nmore")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(KitError, match=r"^FAILED  seed=0: no disk$"):
        run.launch(RunConfig(method="acga"), Execution(), count=2)
    with pytest.raises(ConfigError, match="processes must be a whole number from 1, not 0"):
        run.launch(RunConfig(method="acga"), Execution(), count=0)


#: A training in which one process meets a damaged file while the other waits for it.
FAILS = """
import sys
from acga_lib.errors import DataError
from acga_lib.experiment import processes, run

def fails(parameters):
    with processes.joined():
        if processes.rank():
            raise {error}
        processes.shared(None)

run.run = fails
sys.exit(run.main([]))
"""


@pytest.mark.parametrize("error", ["DataError('one file')", "MemoryError('one file')"])
def test_an_error_in_one_of_the_processes_is_told_and_ends_the_others(tmp_path, error):
    (tmp_path / "fails.py").write_text(FAILS.format(error=error))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(tmp_path / "fails.py")], capture_output=True, text=True, timeout=120,
        cwd=ROOT,
    )  # fmt: skip
    assert done.returncode != 0
    assert "one file" in done.stderr


def test_a_gpu_that_torch_cannot_use_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(processes, "DRIVER", Path(__file__))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.warns(UserWarning, match="an NVIDIA GPU that torch .* cannot use"):
        assert processes.default_device() == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # a cluster gave it to this job
    with pytest.raises(ConfigError, match=r"cannot use .*install a torch for its driver"):
        processes.default_device()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # nobody wants it used
    assert processes.default_device() == "cpu"


def test_a_misspelt_parameter_is_refused_before_anything_runs(capsys):
    assert run.main(["sede=1"]) == 1
    said = capsys.readouterr().err
    assert "unknown parameter 'sede'" in said and "seed" in said and "precision" in said


def test_a_parameter_given_twice_is_refused(capsys):
    assert run.main(["method=acga", "seed=3", "seed=0"]) == 1
    assert "parameter 'seed' is given twice" in capsys.readouterr().err
