"""Batch jobs: what counts as failed, and what the Snakefile plans."""

import os
import subprocess
import sys
from collections import Counter

import nbformat
import pytest

from acga_lib.config import ROOT
from acga_lib.errors import KitError
from acga_lib.jobs import batch, reproduce
from acga_lib.methods import METHODS


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """-> a function that writes notebooks/job.ipynb of one parameters cell and the given cells."""
    monkeypatch.setattr(batch, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()

    def write(*cells):
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        made = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
        made.cells = [
            nbformat.v4.new_code_cell(f"target = {str(tmp_path / 'made.txt')!r}\ndata_root = ''")
        ]
        made.cells[0].metadata["tags"] = ["parameters"]
        made.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(made, tmp_path / "notebooks" / "job.ipynb")

    return write


@pytest.fixture
def run(tmp_path, capsys):
    """Run the job from the command line -> exit status, what it printed."""

    def status(*parameters, notebook="job"):
        executed, made = tmp_path / "logs" / "executed.ipynb", tmp_path / "made.txt"
        arguments = [notebook, *parameters, "--executed", str(executed), "--produces", str(made)]
        result = batch.main(arguments)
        out, error = capsys.readouterr()
        return result, out + error

    return status


def test_a_job_that_writes_its_file_succeeds_with_its_parameters(notebook, run, tmp_path):
    notebook("open(target, 'w').write('done')")
    target = tmp_path / "made.txt"
    target.write_text("old")
    os.utime(target, (0, 0))
    status, out = run(f"target={target}")
    assert status == 0 and out.startswith("done    job"), out
    assert target.read_text() == "done"
    executed = nbformat.read(tmp_path / "logs" / "executed.ipynb", as_version=4)
    assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")


def test_a_job_leaves_out_what_only_teaches(notebook, run, tmp_path):
    notebook("shown = 1", "open(target, 'w').write(str('shown' in globals()))")
    path = tmp_path / "notebooks" / "job.ipynb"
    made = nbformat.read(path, as_version=4)
    made.cells[1].metadata["tags"] = [batch.LESSON_ONLY]
    nbformat.write(made, path)
    assert run()[0] == 0
    assert (tmp_path / "made.txt").read_text() == "False"


def test_braces_in_a_path_are_no_parameters(notebook, tmp_path):
    notebook("open(target, 'w').write(target)")
    executed = tmp_path / "logs" / "a{b} {target} {}.ipynb"
    assert (
        batch.main(["job", f"--executed={executed}", "--produces", str(tmp_path / "made.txt")]) == 0
    )
    assert executed.is_file()


@pytest.mark.parametrize("name", ["2017", "true", "007", "it's {b} $HOME"])
def test_a_parameter_that_is_text_gets_text_whatever_it_looks_like(notebook, run, tmp_path, name):
    notebook(f"open({str(tmp_path / 'made.txt')!r}, 'w').write(repr(target))")
    status, out = run(f"target={name}")
    assert status == 0, out
    assert (tmp_path / "made.txt").read_text() == repr(name)


def test_a_relative_folder_is_seen_from_where_the_job_was_started(
    notebook, run, tmp_path, monkeypatch
):
    notebook("open(target, 'w').write(data_root)")
    monkeypatch.chdir(tmp_path)
    assert run("data_root=a2d")[0] == 0
    assert (tmp_path / "made.txt").read_text() == str(tmp_path / "a2d")


def test_a_parameter_given_twice_is_refused(notebook, run):
    notebook()
    assert "'target' is given twice" in run("target=a", "target=b")[1]


def test_a_misspelt_parameter_fails_before_anything_runs(notebook, run, tmp_path):
    notebook("open(target, 'w').write('done')")
    status, out = run("tarket=1")
    assert status == 1 and "no parameter 'tarket'" in out and "target" in out
    assert not (tmp_path / "made.txt").exists() and not (tmp_path / "logs").exists()


def test_a_notebook_that_does_not_exist_is_named_with_those_that_do(notebook, run):
    notebook()
    status, out = run(notebook="jop")
    assert status == 1 and "jop" in out and "choose one of: job" in out


def test_a_failing_cell_is_exit_status_1_and_names_the_notebook_and_the_error(notebook, run):
    notebook("raise ValueError('the moon is full')")
    status, out = run()
    assert status == 1 and "job.ipynb" in out and "the moon is full" in out
    assert "executed.ipynb" in out


def test_a_kernel_that_dies_fails_although_its_cells_say_completed(notebook, run):
    notebook("open(target, 'w').write('half')", "import os, signal; os.kill(os.getpid(), 9)")
    status, out = run()
    assert status == 1 and "job.ipynb failed" in out


def test_a_notebook_that_leaves_an_old_file_or_none_fails(notebook, run, tmp_path):
    notebook("1 + 1")
    assert "without writing" in run()[1]
    (tmp_path / "made.txt").write_text("from an earlier run")
    os.utime(tmp_path / "made.txt", (0, 0))
    status, out = run()
    assert status == 1 and "without writing" in out and "made.txt" in out


@pytest.mark.parametrize("real", [False, True])
def test_the_workflow_plans_one_training_for_each_method_and_seed(real, tmp_path):
    settings = ["seeds=3", *(["dataset=a2d", f"data_root={tmp_path}"] if real else [])]
    plan = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "-p", "--cores", "1",
         "-s", str(ROOT / "Snakefile"), "-d", str(tmp_path), "--config", *settings],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert plan.returncode == 0, plan.stderr
    commands = [line.split() for line in plan.stdout.splitlines() if "jobs.batch 04_tr" in line]
    jobs = Counter(
        tuple(word for word in command if word.startswith(("method=", "seed=", "shuffle")))
        for command in commands
    )
    # Without a folder of ReferIt, what is trained on it, and what starts from that, is left out.
    rows = [m for m in METHODS if not (real and m.startswith(("hu", "li")))]
    wanted = [*((method, "false") for method in rows), ("acga", "true")]
    assert jobs == Counter(
        (f"method={method}", f"seed={seed}", f"shuffle_queries={shuffle}")
        for method, shuffle in wanted
        for seed in range(3)
    )


def test_a_killed_reproduction_locks_nobody_out_and_a_running_one_does(tmp_path):
    hold = "import pathlib, sys, time; from acga_lib.jobs.reproduce import only_one; "
    hold += "lock = only_one(pathlib.Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    path = tmp_path / "logs" / "reproduce.lock"
    running = subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout.readline() == "held\n"
    named = rf"running in this folder already \(process {running.pid} on host .*since"
    with pytest.raises(KitError, match=named):
        reproduce.only_one(path)
    running.kill()
    running.wait()
    os.close(reproduce.only_one(path))
