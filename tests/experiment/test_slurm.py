"""The profile for SLURM: what it asks the cluster for, and what becomes of a killed job."""

import os
import re
import subprocess
import sys

import pytest
from helpers import jobs, slurm
from safetensors.numpy import load_file

from acga_lib.config import ROOT

pytest.importorskip("snakemake_executor_plugin_slurm", reason="`make setup` installs the plugin")
WEIGHTS = "results/runs/toy-quick-acga-s0.safetensors"


def snakemake(folder, *arguments, **environment):
    """Run the workflow in a folder with the profile -> what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", str(ROOT / "profiles" / "slurm"),
         "-s", str(ROOT / "Snakefile"), "-d", str(folder), *arguments],
        env=os.environ | environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_paper_profile_plans_each_training_as_a_job_with_a_gpu_and_limits(tmp_path):
    roots = [f"{name}={tmp_path}" for name in ("data_root", "jhmdb_root")]
    plan = snakemake(tmp_path, "-n", "--config", "profile=paper", "dataset=a2d", *roots, "seeds=2")
    asked = re.findall(r"^rule (\w+):.*?^    resources: (.*?)$", plan, flags=re.M | re.S)
    for rule in ("features", "train", "table2"):
        lines = [resources for name, resources in asked if name == rule]
        assert lines, plan
        for line in lines:
            assert re.search(r"\bgpu=1\b", line), line
            assert int(re.search(r"\bruntime=(\d+)", line)[1]) >= 240
            assert int(re.search(r"\bmem_mb=(\d+)", line)[1]) >= 16000
    assert all("gpu" not in resources for rule, resources in asked if rule in ("table1", "page"))


@pytest.fixture
def cluster(tmp_path):
    """-> the environment where SLURM is the stand-in and the notebook job a training of `jobs`.

    The first training is killed after its seventh step, and everything of its job with it.
    """
    commands, queue = tmp_path / "bin", tmp_path / "queue"
    slurm.install(commands)
    queue.mkdir()

    def trains(*arguments):
        work = "results/work/toy-quick-acga-s0"
        command = [sys.executable, jobs.__file__, "train", *map(str, arguments), work, WEIGHTS]
        train = " ".join(f"'{word}'" for word in command)
        stub = commands / "python"
        stub.write_text(
            # Snakemake sets the threads of a job; the bits are those of one thread.
            "#!/bin/sh\nset -e\nexport OMP_NUM_THREADS=1 MKL_NUM_THREADS=1\nmkdir -p results/runs\n"
            f"if [ ! -e {work} ]; then {train} step:7 || kill -s KILL -- -$NODE; fi\n"
            f"cp -r {work} before\n{train}\ntouch {WEIGHTS.replace('safetensors', 'json')}\n"
        )
        stub.chmod(0o755)
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "STANDIN": str(queue)}

    return trains


def test_a_job_whose_node_fails_is_requeued_and_ends_with_the_same_weights(
    cluster, job, tmp_path, toy_root, toy_trunk, toy_features
):
    data = toy_root, toy_trunk, toy_features
    folder = tmp_path / "run"
    (folder / "results" / "work").mkdir(parents=True)
    (folder / "results" / "work" / "features-toy-quick.json").touch()
    snakemake(
        folder, WEIGHTS.replace("safetensors", "json"), "--latency-wait", "5",
        "--slurm-init-seconds-before-status-checks", "1",
        "--config", "profile=quick",
        **cluster(*data),
    )  # fmt: skip
    (submitted,) = (tmp_path / "queue").glob("*.arguments")  # one job, not a second one
    assert {"--requeue", "--gpus=1", "--cpus-per-task=6"} <= set(submitted.read_text().split("\n"))
    assert submitted.with_suffix(".state").read_text() == "COMPLETED"
    assert (folder / "before" / "checkpoint.pt").exists()  # what the second run found
    status, out = job("train", *data, tmp_path / "work", tmp_path / "whole.safetensors")
    assert status == 0, out
    whole, requeued = load_file(tmp_path / "whole.safetensors"), load_file(folder / WEIGHTS)
    assert whole.keys() == requeued.keys()
    assert all((whole[name] == requeued[name]).all() for name in whole)
