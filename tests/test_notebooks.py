"""What every committed notebook is: executed from top to bottom, of a readable size, portable."""

import ast
import re
import subprocess

import nbformat
import pytest
from helpers.exercises import CELLS, exercises, solved, tagged

from acga_lib.config import ROOT
from acga_lib.jobs import batch, colab

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MACHINE_PATH = re.compile(r"(?<!\w)/(?:home|work|root|tmp|Users|mnt|opt)/\S*|[A-Z]:\\\\?Users")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    found = nbformat.read(path, as_version=4)
    nbformat.validate(found)
    return found


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook):
    """Everything that a reader of the file can see, images aside."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            for kind, content in output.get("data", {}).items():
                if not kind.startswith("image/p"):
                    yield content if isinstance(content, str) else str(content)


def test_there_is_a_notebook_for_every_job_of_the_snakefile():
    called = set(re.findall(r"acga_lib\.jobs\.batch (\w+)", (ROOT / "Snakefile").read_text()))
    assert called and called <= {path.stem for path in NOTEBOOKS}


def test_it_was_executed_once_from_top_to_bottom_without_an_error(notebook):
    """nbval never compares a cell that was not executed, so a stripped notebook would pass it."""
    counts = [cell.execution_count for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert outputs and not [out for out in outputs if out.output_type == "error"]


def test_it_is_a_lesson_of_a_readable_size(notebook):
    practice = [cell.id for exercise in exercises(notebook) for cell in exercise]
    lesson = [cell for cell in notebook.cells if cell.id not in practice]
    assert 25 <= len(lesson) <= 85
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= 15, cell.source
    prose = sum(len(cell.source) for cell in lesson if cell.cell_type == "markdown")
    assert prose >= 0.5 * sum(len(cell.source) for cell in lesson if cell.cell_type == "code")


def test_an_exercise_is_a_question_a_stub_a_check_and_a_folded_solution(notebook):
    found = exercises(notebook)
    for exercise in found:
        for cell, (kind, tag, pattern) in zip(exercise, CELLS, strict=True):
            assert cell.cell_type == kind and (tag is None or tagged(cell, tag)), cell.source
            assert re.fullmatch(pattern, cell.source, re.S), cell.source
    used = sum(
        tagged(cell, tag) for cell in notebook.cells for tag in ("exercise", "check", "solution")
    )
    assert used == 3 * len(found), "a stub, a check or a solution stands alone"


def test_a_solution_defines_what_its_stub_does(notebook):
    for (_, stub, *_), (_, answer, *_) in zip(
        exercises(notebook), exercises(solved(notebook)), strict=True
    ):
        first = [cell.source.splitlines()[0] for cell in (stub, answer)]
        assert first[0] == first[1], first
        assert "..." not in answer.source


def test_what_a_job_leaves_out_is_missed_by_no_cell_that_it_runs(notebook):
    """By names alone: a name that only the cells left out have bound so far must not be read."""
    kept, left_out = set(), set()
    for cell in code(notebook):
        lines = (line for line in cell.source.splitlines() if not line.startswith("%"))
        names = [*ast.walk(ast.parse("\n".join(lines)))]
        bound = {n.id for n in names if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        bound |= {n.name for n in names if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        bound |= {n.asname or n.name.split(".")[0] for n in names if isinstance(n, ast.alias)}
        if tagged(cell, batch.LESSON_ONLY):
            left_out |= bound
        else:
            read = {n.id for n in names if isinstance(n, ast.Name)} - bound - kept
            assert not read & left_out, f"{read & left_out}: {cell.source}"
            kept |= bound


def test_plumbing_is_folded_in_every_viewer_that_can_fold(notebook):
    """JupyterLab, Colab and the exported page each have their own mark; the setup has all three."""
    for cell in code(notebook):
        marks = (
            cell.metadata.get("jupyter", {}).get("source_hidden", False),
            cell.metadata.get("cellView") == "form",
            tagged(cell, "hide-input"),
        )
        assert len(set(marks)) == 1, cell.source
    assert tagged(code(notebook)[0], "hide-input"), "run python -m acga_lib.jobs.colab"


def test_its_links_lead_to_files_of_the_repository(path, notebook):
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", prose):
        assert (path.parent / link).exists(), link


def test_the_committed_page_shows_committed_files_alone():
    listed = ["git", "ls-files", "--", "results"]
    answer = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
    if answer.returncode:
        pytest.skip("not a git checkout")
    page = (ROOT / "results" / "index.html").read_text(encoding="utf-8")
    links = set(re.findall(r'(?:href|src)="(?!https?:|#)([^"#]+)"', page))
    assert links and links <= {name.removeprefix("results/") for name in answer.stdout.split("\n")}


def test_it_begins_with_a_title_its_badge_and_the_common_setup(path, notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    assert colab.badge(path.name) in "\n".join(cell.source for cell in notebook.cells[:2])
    assert code(notebook)[0].source == colab.setup_cell(), "run python -m acga_lib.jobs.colab"


def test_papermill_finds_its_parameters_and_any_kernel_runs_it(notebook):
    tagged = [cell for cell in code(notebook) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    for line in tagged[0].source.splitlines():  # nothing derived: it would stay stale
        assert re.fullmatch(r"#.*|\w+(: \w+)? = ([-\w.]+|'[^']*'|\"[^\"]*\")( +#.*)?|", line), line
    assert notebook.metadata.kernelspec.name == "python3"
    named = (notebook.metadata.get(part, {}) for part in ("kernelspec", "language_info"))
    assert "python" in {part.get("language", part.get("name")) for part in named}


def test_it_names_no_folder_of_the_machine_that_made_it(notebook):
    for text in texts(notebook):
        assert not MACHINE_PATH.search(text), MACHINE_PATH.search(text)
