"""Notebooks as jobs: `python -m acga_lib.jobs.batch 04_train seed=1 …`, what the Snakefile calls.

papermill only warns of a misspelt parameter, and a notebook whose kernel was killed looks finished.
So the names are checked before, and the job succeeds only if the notebook wrote the file that it is
there to write.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import papermill

from acga_lib.config import ROOT, hold_checkout, parse_parameter
from acga_lib.errors import ConfigError, KitError


def run_notebook(
    notebook: Path, executed: Path, parameters: dict[str, Any], *, produces: list[Path]
) -> float:
    """Execute a notebook with parameters -> seconds.

    The executed copy is written to `executed`, also when a cell fails. Raises ConfigError for a
    parameter that the notebook does not have, KitError when a cell fails, the kernel dies, or a
    file of `produces` was not written.
    """
    try:
        known = papermill.inspect_notebook(str(notebook))
    except Exception as error:
        raise KitError(f"{notebook}: not a notebook that papermill can read ({error})") from error
    for name in parameters:
        if name not in known:
            raise ConfigError(
                f"{notebook.name} has no parameter '{name}'; choose from: {', '.join(known)}"
            )
    executed.parent.mkdir(parents=True, exist_ok=True)
    begun, start = time.time(), time.perf_counter()
    try:
        papermill.execute_notebook(
            str(notebook), str(executed), parameters, cwd=str(notebook.parent),
            progress_bar=False, kernel_name="python3",
        )  # fmt: skip
    except Exception as error:
        last = str(error).strip().splitlines()[-1:]
        raise KitError(f"{notebook.name} failed: {''.join(last)}\nsee {executed}") from error
    for path in produces:
        if not path.exists() or path.stat().st_mtime < begun - 1:
            raise KitError(f"{notebook.name} ended without writing {path}; see {executed}")
    return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> int:
    """Command line; prints one line for the job and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m acga_lib.jobs.batch", description=__doc__)
    parser.add_argument("notebook", help="a notebook's name in notebooks/, e.g. 04_train")
    parser.add_argument("parameters", nargs="*", metavar="name=value")
    parser.add_argument("--executed", type=Path, required=True, help="where the copy goes")
    parser.add_argument("--produces", type=Path, nargs="+", default=[], help="files it must write")
    parser.add_argument("--threads", type=int, default=1, help="processor threads of the job")
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = str(given.threads)  # inherited by the kernel
    try:
        parameters = dict(parse_parameter(text) for text in given.parameters)
        hold_checkout("the notebooks")
        notebook = ROOT / "notebooks" / f"{given.notebook}.ipynb"
        if not notebook.is_file():
            names = sorted(path.stem for path in notebook.parent.glob("*.ipynb"))
            raise ConfigError(f"no notebook {notebook.name}; choose one of: {', '.join(names)}")
        seconds = run_notebook(notebook, given.executed, parameters, produces=given.produces)
    except KitError as error:
        print(f"FAILED  {given.notebook}: {error}", file=sys.stderr)
        return 1
    print(f"done    {given.notebook} {' '.join(given.parameters)} ({seconds:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
