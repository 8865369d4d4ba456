"""One run from the command line, in one process or several: parameters in, run record out.

    python -m acga_lib.experiment.run method=acga profile=paper dataset=a2d data_root=…
    torchrun --nproc-per-node 2 -m acga_lib.experiment.run method=acga …

The parameters are those of notebook 04_train, with the same defaults. Killed and started again,
also with another number of processes, a run continues from its checkpoint.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, fields
from typing import Any

from acga_lib.config import ROOT, RunConfig, run_config
from acga_lib.errors import ConfigError, KitError
from acga_lib.experiment import pipeline, processes
from acga_lib.experiment.execution import Execution
from acga_lib.files.terminal import run_command
from acga_lib.parameters import parse_parameters


def split_parameters(parameters: dict[str, Any]) -> tuple[RunConfig, Execution]:
    """Parameters of both kinds, by name. Raises ConfigError for an unknown name or value."""
    names = [field.name for field in fields(Execution)]
    known = [*(field.name for field in fields(RunConfig)), *names]
    for name in parameters:
        if name not in known:
            raise ConfigError(f"unknown parameter '{name}'; choose from: {', '.join(known)}")
    how = {name: value for name, value in parameters.items() if name in names}
    what = {name: value for name, value in parameters.items() if name not in names}
    return run_config(**{"method": "acga"} | what), Execution(**how)


def launch(config: RunConfig, execution: Execution, *, count: int) -> None:
    """Train a run in `count` processes on this machine, as `torchrun` does; the record is written.

    Raises ConfigError for an impossible number of processes, KitError when one of them fails.
    """
    if type(count) is not int or count < 1:
        raise ConfigError(f"processes must be a whole number from 1, not {count!r}")
    values = asdict(config) | asdict(execution)
    given = [f"{name}={json.dumps(value)}" for name, value in values.items()]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={count}", "-m", "acga_lib.experiment.run", *given]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.PIPE,
        encoding="utf-8", errors="replace",
    )  # fmt: skip
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("FAILED")]
        raise KitError(said[0] if said else f"the processes failed: {done.stderr[-2000:]}")


def run(parameters: dict[str, Any]) -> str:
    """Train, or find trained, the run of these parameters -> one line about its record."""
    config, execution = split_parameters(parameters)
    with processes.joined() as device:
        main = processes.is_main()
        if main:  # the others find everything generated and extracted
            pipeline.prepare(config, device=device)
        processes.shared(None)
        data = pipeline.prepare(config, device=device, progress=main)
        _, record = pipeline.train_or_load(
            config, data, device=device, execution=execution, progress=main
        )
    scores = record["metrics"]
    return (
        f"done    {record['run_id']}: {record['steps']:,} steps, {record['seconds']:.0f} s, "
        f"mean IoU {scores['mean_iou']:.3f}, overall IoU {scores['overall_iou']:.3f}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line; the main process prints one line. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m acga_lib.experiment.run", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("parameters", nargs="*", metavar="name=value")
    given = parser.parse_args(arguments)
    texts = [field.name for kind in (RunConfig, Execution) for field in fields(kind)
             if field.type is str]  # fmt: skip

    def work() -> str | None:
        line = run(parse_parameters(given.parameters, texts=texts))
        return line if processes.local_rank() == 0 else None

    status = 1
    try:
        status = run_command(" ".join(given.parameters), work)
    finally:
        if status:
            processes.leave(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
