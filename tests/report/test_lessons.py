"""A lesson's page shows what its notebook shows, without Jupyter and without a network."""

import re
from base64 import b64encode
from io import BytesIO

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from acga_lib.config import ROOT
from acga_lib.errors import DataError
from acga_lib.report import lessons

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = ROOT / "results" / "notebooks"
PICTURE = re.compile(r"data:image/[\w+]+;base64,[\w+/=\s]*")


@pytest.fixture
def page(tmp_path) -> str:
    """The page of a small notebook."""
    png = BytesIO()
    Image.new("RGB", (4, 3), "red").save(png, "PNG")
    picture = {"image/png": b64encode(png.getvalue()).decode()}
    table = {"text/html": "<table><tr><td>$R^S$</td><td>costs $5 or $6</td></tr></table>"}
    bar = {lessons.WIDGET: {"model_id": "1"}, "text/plain": "0%|     |"}
    hidden = new_code_cell("plumbing = 1")
    hidden.metadata["jupyter"] = {"source_hidden": True}
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# A & B\n\n[![Open in Colab](https://x/y.svg)](https://x/z)\n"),
            new_code_cell("# Colab only: fetch\nimport sys"),
            new_markdown_cell("$$a^2 \\tag{7}$$ and $\\frac{b}{c}$, not `$d$`"),
            new_markdown_cell("[next](02_next.ipynb#s), [map](../README.md)"),
            hidden,
            new_code_cell("shown = 2", outputs=[
                new_output("display_data", data) for data in (picture, table, bar)
            ]),
        ]
    )  # fmt: skip
    path = tmp_path / "01_a.ipynb"
    nbformat.write(notebook, path)
    return lessons.lesson_page(path)


def test_formulas_are_drawn_by_the_browser_and_code_is_left_alone(page):
    assert page.count("<math") == 3 and 'display="block"' in page and "<mn>7</mn>" in page
    assert "<code>$d$</code>" in page and "costs $5 or $6" in page and "\\frac" not in page


def test_a_page_needs_nothing_from_outside_and_shows_nothing_that_needs_a_kernel(page):
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|@import|url\(", page)
    assert "Colab" not in page and "0%|" not in page
    assert "data:image/webp" in page and "image/png" not in page


def test_links_lead_from_where_the_page_lies(page):
    assert 'href="02_next.html#s"' in page and 'href="../../README.md"' in page


def test_code_that_jupyter_hides_is_folded(page):
    folded = "".join(re.findall(r"<details>.*?</details>", page, re.DOTALL))
    assert "plumbing" in folded and "shown" not in folded
    assert "<title>A &amp; B</title>" in page


def test_what_is_no_notebook_is_named(tmp_path):
    (tmp_path / "x.ipynb").write_text("{")
    with pytest.raises(DataError, match=r"x\.ipynb: not a notebook"):
        lessons.lesson_page(tmp_path / "x.ipynb")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_lesson_has_its_page(path, monkeypatch):
    committed = (PAGES / f"{path.stem}.html").read_text(encoding="utf-8")
    monkeypatch.setattr(lessons, "_webp", lambda found: found[0])
    made = lessons.lesson_page(path)
    same = PICTURE.sub("", made) == PICTURE.sub("", committed)
    assert same, f"{path.name} has changed: run python -m acga_lib.report.page"
    assert len(PICTURE.findall(made)) == len(PICTURE.findall(committed))


def test_the_pages_stay_small_enough_to_be_committed():
    assert sum(path.stat().st_size for path in PAGES.glob("*.html")) < 6e6
