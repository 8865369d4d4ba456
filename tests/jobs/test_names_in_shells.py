"""Nothing of a folder's name reaches a shell, make or Snakemake as anything but a name."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from acga_lib.config import ROOT
from acga_lib.jobs import reproduce
from acga_lib.parameters import data_name

#: Everything that means something to a shell, to make, to Snakemake or to YAML.
HOSTILE = (
    "in {wildcard} o'brien/x'; touch pwned; ' \"q\" $(touch pwned) `touch pwned` $HOME &|> ä: #"
)
MAKE = "$(shell touch pwned) $$(touch pwned) " + HOSTILE
STUB = """#!/bin/sh
printf '%s\\n' "$@" > argv
for word; do case "$word" in results/work/*) mkdir -p results/work; echo > "$word";; esac; done
"""


@pytest.fixture
def stub(tmp_path):
    """A folder for the PATH whose `python` writes its arguments to `argv` and makes its output."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python").write_text(STUB)
    (folder / "python").chmod(0o755)
    return folder


def snakemake(folder, *arguments, path=""):
    """Run the workflow in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "-s", str(ROOT / "Snakefile"),
         "-d", str(folder), *arguments],
        env=os.environ | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("name", [HOSTILE, "my data", "2017"])
def test_a_job_gets_the_folder_as_one_word_whatever_it_is_called(tmp_path, stub, name):
    data, folder = tmp_path / name, tmp_path / "kit"
    (data / "text_annotations").mkdir(parents=True)
    (data / "text_annotations" / "a2d_annotation.txt").touch()
    folder.mkdir()
    given = {"profile": "quick", "dataset": "a2d", "data_root": str(data), "referit_root": ""}
    (folder / "settings.json").write_text(json.dumps(given))
    output = f"results/work/features-{data_name(str(data))}-quick.json"
    done = snakemake(folder, "--configfile", str(folder / "settings.json"), "--", output, path=stub)
    assert done.returncode == 0, done.stdout + done.stderr
    words = (folder / "argv").read_text().splitlines()
    assert f"data_root={data}" in words and output in words and "referit_root=" in words
    assert {path.name for path in folder.iterdir()} == {
        ".snakemake", "argv", "results", "settings.json"
    }  # fmt: skip


def test_another_folder_of_the_same_name_is_work_to_be_done(tmp_path, stub):
    outputs = []
    for parent in ("one", "two"):
        (tmp_path / parent / "mine").mkdir(parents=True)
        given = {"profile": "quick", "dataset": "a2d", "data_root": str(tmp_path / parent / "mine")}
        (tmp_path / "settings.json").write_text(json.dumps(given))
        done = snakemake(
            tmp_path, "--configfile", str(tmp_path / "settings.json"), "--",
            "results/work/features-mine-quick.json", path=stub,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        outputs.append((tmp_path / "argv").read_text())
    assert "two/mine" in outputs[1]


def test_a_corrected_list_is_work_to_be_done_and_no_training_is_lost_for_it(tmp_path, stub):
    (tmp_path / "mine").mkdir()
    annotation = tmp_path / "mine" / "a2d_annotation.txt"
    annotation.touch()
    features, run = "results/work/features-mine-quick.json", "results/runs/mine-quick-acga-s0.json"
    given = ["--config", "profile=quick", "dataset=a2d", f"data_root={tmp_path / 'mine'}", "--"]
    assert snakemake(tmp_path, *given, features, path=stub).returncode == 0
    assert "Nothing to be done" in snakemake(tmp_path, *given, features, path=stub).stderr
    annotation.write_text("corrected")
    (tmp_path / run).parent.mkdir()
    (tmp_path / run).write_text("{}")
    (tmp_path / run).with_suffix(".safetensors").touch()
    told = snakemake(tmp_path, *given, run, path=stub)  # the stub makes no record
    assert "02_feature_extraction" in told.stderr and not (tmp_path / run).exists()
    assert (
        tmp_path / "results/work/mine-quick-acga-s0/mine-quick-acga-s0.json"
    ).read_text() == "{}"


def test_a_name_that_snakemake_would_hand_to_a_shell_is_refused_with_the_way_out(tmp_path):
    data = tmp_path / "x$(touch pwned)"
    data.mkdir()
    done = snakemake(tmp_path, "-n", "--config", "dataset=a2d", f"data_root={data}")
    assert done.returncode and "--configfile" in done.stdout + done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {data.name, ".snakemake"}


def test_make_passes_names_on_as_they_are(tmp_path, stub):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "constraints.txt").touch()
    (tmp_path / ".venv").mkdir()
    stub.rename(tmp_path / ".venv" / "bin")
    (tmp_path / ".venv" / ".installed").touch()
    for command, environment in (
        (["reproduce", f"DATA_ROOT={MAKE}"], {}), (["check-data"], {"DATA_ROOT": MAKE}),
        (["check-data", f"A2D_ROOT={MAKE}", "DATA_ROOT=other"], {}),
    ):  # fmt: skip
        subprocess.run(["make", *command], cwd=tmp_path, env=os.environ | environment, check=True)
        words = (tmp_path / "argv").read_text().splitlines()
        assert any(word.endswith(f"-root={MAKE}") for word in words), words
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", '{"toy-toy": {"train": "long"}}', '{"toy-toy": 3}', '{"toy-to', "\udcff"],
)
def test_damaged_timings_stop_no_run(tmp_path, capsys, text):
    path = tmp_path / "timings.json"
    path.write_text(text, errors="surrogateescape")
    assert reproduce.known_seconds(path) == {}
    assert "timings.json: damaged" in capsys.readouterr().out
    assert reproduce.known_seconds(tmp_path / "none.json") == {}
    path.write_text('{"toy-toy": {"train": 213}}')
    assert reproduce.known_seconds(path) == {"toy-toy": {"train": 213}}


@pytest.mark.parametrize("given", ["SEED=3", "profile=night", "A2D_ROOT=/data/a2d"])
def test_make_refuses_what_nothing_reads(tmp_path, given):
    done = subprocess.run(
        ["make", "-n", "-f", str(ROOT / "Makefile"), "-o", "setup", "reproduce", given],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    if given.startswith("A2D_ROOT"):  # check-data reads it
        assert "Here, A2D's folder is DATA_ROOT" in done.stdout
    else:
        assert done.returncode == 2 and f"nothing here reads {given.split('=')[0]}" in done.stderr


def test_snakemake_refuses_what_nothing_reads(tmp_path):
    done = snakemake(tmp_path, "-n", "--config", "seed=3", "profile=quick")
    assert done.returncode and "nothing here reads 'seed'" in done.stdout + done.stderr
