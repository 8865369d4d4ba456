"""Whether a run's name is free: files are named after the data's folder, and folders are alike."""

from pathlib import Path

from acga_lib.config import RunConfig
from acga_lib.errors import DataError
from acga_lib.experiment.tensors import SampleTensors
from acga_lib.files.records import same_name
from acga_lib.methods import METHODS
from acga_lib.parameters import EMBEDDED


def hold_run_name(
    runs: Path, config: RunConfig, *, test: SampleTensors, train: SampleTensors | None = None
) -> None:
    """Raise DataError where runs under the data's name were made with other data.

    They would be overwritten, or share a table. The embedded data are exempt: their name is the
    kit's own, and a run that is made anew replaces its record.
    """
    if config.dataset == EMBEDDED:
        return
    for record in same_name(runs, data=config.data, profile=config.profile):
        known, method = record["data"], record["config"]["run"]["method"]
        found = {}
        if METHODS[method].reads == METHODS[config.method].reads:
            found["test"] = test.fingerprint
        if train and record["run_id"] == config.run_id:
            found["train"] = train.fingerprint
        if differ := [split for split, value in found.items() if known[split] != value]:
            raise DataError(
                f"{record['path']}: was made with other {' and '.join(differ)} data than those in "
                f"{config.root}, and both are called '{config.data}'. Rename this folder, or make "
                "one of another name that holds links to its contents; if the data were corrected, "
                f"move the files {config.data}-{config.profile}-* out of {runs} first"
            )
