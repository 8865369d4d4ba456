"""Notebooks as jobs: `python -m acga_lib.jobs.batch 04_train seed=1 …`, what the Snakefile calls.

papermill only warns of a misspelt parameter, and a notebook whose kernel was killed looks finished.
So the names are checked before, and the job succeeds only if the notebook wrote the file that it is
there to write. What only teaches (cells with the tag `lesson-only`) a job leaves out.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import papermill
from papermill.engines import NBClientEngine, papermill_engines
from papermill.iorw import write_ipynb

from acga_lib.config import ROOT, hold_checkout
from acga_lib.errors import ConfigError, KitError
from acga_lib.files.storage import named_if_full
from acga_lib.files.terminal import run_command
from acga_lib.parameters import folder, parse_parameters

#: The tag of cells that only show something: what the job is there to write needs none of them.
LESSON_ONLY = "lesson-only"


def known_parameters(notebook: Path) -> dict[str, bool]:
    """The parameters of a notebook, and of each whether it is text.

    Raises KitError for a file that papermill cannot read.
    """
    try:
        known = papermill.inspect_notebook(_literal(notebook))
    except Exception as error:
        raise KitError(f"{notebook}: not a notebook that papermill can read ({error})") from error
    return {name: one["default"].startswith(("'", '"')) for name, one in known.items()}


def _literal(path: Path) -> str:
    """A path for papermill, which replaces `{name}` in paths by the parameter of that name."""
    return str(path).replace("{", "{{").replace("}", "}}")


def parameters_of(notebook: Path, given: Sequence[str]) -> dict[str, Any]:
    """`name=value` as a notebook's parameters.

    Raises ConfigError for a parameter that the notebook does not have, or that is given twice.
    """
    known = known_parameters(notebook)
    texts = [name for name, is_text in known.items() if is_text]
    parameters = parse_parameters(given, texts=texts)
    for name in parameters:
        if name not in known:
            raise ConfigError(
                f"{notebook.name} has no parameter '{name}'; choose from: {', '.join(known)}"
            )
    return parameters


class WrittenOnce(NBClientEngine):
    """papermill's engine, but for one thing: it would write the whole notebook after every cell.

    Ours hold megabytes of pictures, so that took longer than many of them compute. The copy is
    written at the end, also when a cell fails or the kernel dies.
    """

    @classmethod
    def execute_notebook(
        cls, nb: Any, kernel_name: str, output_path: str | None = None, **named: Any
    ) -> Any:
        """As papermill calls it; `output_path` is where the copy goes."""
        try:
            return super().execute_notebook(nb, kernel_name, output_path=None, **named)
        except Exception:
            write_ipynb(nb, output_path)
            raise


def run_notebook(
    notebook: Path, executed: Path, parameters: dict[str, Any], *, produces: list[Path]
) -> float:
    """Execute a notebook with parameters, but for its cells tagged `LESSON_ONLY` -> seconds.

    The executed copy is written to `executed`, also when a cell fails. Raises KitError when a cell
    fails, the kernel dies, or a file of `produces` was not written; StorageError where the copy
    cannot be.
    """
    with named_if_full(executed.parent, "executed notebooks"):
        executed.parent.mkdir(parents=True, exist_ok=True)
    begun, start = time.time(), time.perf_counter()
    papermill_engines.register(WrittenOnce.__name__, WrittenOnce)
    try:
        papermill.execute_notebook(
            _literal(notebook), _literal(executed), parameters, cwd=str(notebook.parent),
            progress_bar=False, kernel_name="python3", engine_name=WrittenOnce.__name__,
            skip_cells_with_tag=LESSON_ONLY, start_timeout=600,  # a busy network disk is slow
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
    # What the kernel inherits: its threads, and this library rather than where `.venv` was made.
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))

    def work() -> str:
        hold_checkout("the notebooks")
        notebook = ROOT / "notebooks" / f"{given.notebook}.ipynb"
        if not notebook.is_file():
            names = sorted(path.stem for path in notebook.parent.glob("*.ipynb"))
            raise ConfigError(f"no notebook {notebook.name}; choose one of: {', '.join(names)}")
        parameters = parameters_of(notebook, given.parameters)
        for name, value in parameters.items():  # the kernel starts in `notebooks/`
            if name.endswith("_root") and (path := folder(value, name)):
                parameters[name] = str(Path(path).absolute())
        seconds = run_notebook(notebook, given.executed, parameters, produces=given.produces)
        return f"done    {given.notebook} {' '.join(given.parameters)} ({seconds:.0f} s)"

    return run_command(given.notebook, work)


if __name__ == "__main__":
    sys.exit(main())
