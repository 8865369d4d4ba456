"""The committed run records and the weights that they speak of, held against each other."""

import json
import re
import shutil
from pathlib import Path

import pytest

from acga_lib.config import HEADLINE_RUN, ROOT
from acga_lib.errors import CheckpointError, DataError
from acga_lib.experiment.inference import load_run
from acga_lib.files.records import headline
from acga_lib.hashes import file_hash, hold_recorded, recorded_hash

RUNS = ROOT / "results" / "runs"
IGNORED = (ROOT / ".gitignore").read_text(encoding="utf-8")
#: The runs whose weights git does not ignore, as far as they have been trained.
COMMITTED_WEIGHTS = [
    name
    for name in re.findall(r"^!results/runs/(.+)\.safetensors$", IGNORED, flags=re.MULTILINE)
    if (RUNS / f"{name}.json").is_file()
]


def records(folder: str) -> dict[str, dict]:
    """The records of a folder of `results` by run, without those that are not committed."""
    found = sorted((ROOT / "results" / folder).glob("*.json"))
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in found
        if "-quick-" not in path.name
    }


def test_every_record_that_names_a_runs_weights_names_the_same():
    runs, said = records("runs"), dict[str, set[str]]()
    for folder in ("robustness", "transfer"):
        for name, record in records(folder).items():
            said.setdefault(name, set()).add(record["made_from"]["weights"])
    for name, record in runs.items():
        method = record["config"]["run"]["method"]
        for before, weights in record["starts_from"].items():
            said.setdefault(name.replace(f"-{method}-", f"-{before}-"), set()).add(weights)
    assert len(said) > 15
    for name, weights in said.items():
        assert {runs[name]["weights"]} == weights, name


def test_what_is_shown_where_no_run_is_named_has_its_weights_committed():
    others = HEADLINE_RUN.replace("-acga-", "-gavrilyuk-"), f"toy-{headline(RUNS)}-acga-s0"
    assert {HEADLINE_RUN, *others} <= {*COMMITTED_WEIGHTS}


def test_the_longest_trained_profile_is_shown_once_as_many_methods_were_run(tmp_path):
    with pytest.raises(DataError, match="night, toy: restore"):
        headline(tmp_path)
    for made, shown in (
        ("toy-acga-s0", "toy"),
        ("toy-hu-s0", "toy"),
        ("toy-acga-shuffled-s0", "toy"),
        ("night-acga-s0", "toy"),
        ("night-hu-s0", "night"),
    ):
        shutil.copy(RUNS / f"toy-{made}.json", tmp_path)
        assert headline(tmp_path) == shown


@pytest.mark.parametrize("name", COMMITTED_WEIGHTS)
def test_a_changed_bit_of_a_committed_runs_weights_is_noticed(name, tmp_path):
    record = json.loads((RUNS / f"{name}.json").read_text(encoding="utf-8"))
    weights = (RUNS / f"{name}.safetensors").read_bytes()
    assert record["weights"] == file_hash(RUNS / f"{name}.safetensors")
    (tmp_path / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    (tmp_path / f"{name}.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=rf"{name}\.safetensors: damaged, or not the weights"):
        load_run(tmp_path / f"{name}.json")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "data").glob("*/toy_*.safetensors")), ids=lambda path: path.name
)
def test_the_committed_networks_are_held_against_their_hash(path: Path):
    assert recorded_hash(path) is not None
    hold_recorded(path)
