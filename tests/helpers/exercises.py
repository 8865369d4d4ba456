"""The exercises of the lessons: a question, a stub, a check, and a folded solution.

`python -m helpers.exercises FOLDER` writes every lesson with its solutions in place of the stubs;
`make test` executes those, so each solution meets its check.
"""

import copy
import re
import sys
from pathlib import Path

import nbformat

from acga_lib.config import ROOT

#: Code, and after it a word on the prediction where the check does not settle it.
FOLDED = (
    r"<details>\n<summary>Solution</summary>\n\n```python\n(.*)\n```\n"
    r"(?:\n[^`]+\n)?\n</details>"
)
#: The four cells of an exercise: kind, tag, and what must stand in each.
CELLS = (
    ("markdown", None, r"### Exercise \d · .*\*\*Predict\*\*.*\*\*Write\*\*.*"),
    ("code", "exercise", r"def \w+\(.*    \.\.\.  # your code"),
    ("code", "check", r".*Not written yet\..*else:\n.*(assert|hold_equal).*"),
    ("markdown", "solution", FOLDED),
)


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


def exercises(notebook):
    """The exercises of a lesson, each as its four cells."""
    cells = notebook.cells
    return [cells[i - 1 : i + 3] for i, cell in enumerate(cells) if tagged(cell, "exercise")]


def solution(cell):
    """The code in a folded solution."""
    return re.fullmatch(FOLDED, cell.source, re.S)[1]


def solved(notebook):
    """A copy with each solution in place of its stub; what a check then says, nbval passes over."""
    copied = copy.deepcopy(notebook)
    for _, stub, check, folded in exercises(copied):
        stub.source = solution(folded)
        check.source = f"# NBVAL_IGNORE_OUTPUT\n{check.source}"
    return copied


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        nbformat.write(solved(nbformat.read(path, as_version=4)), folder / path.name)
