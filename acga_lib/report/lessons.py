"""Executed notebooks as HTML: pages that need neither Jupyter nor a network.

Formulas become MathML, which browsers draw themselves; pictures become WebP, a fifth of the size.
What only Jupyter or Colab can use is left out: badge, setup cell, progress bars.
"""

import io
import re
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from PIL import Image
from pygments.formatters import HtmlFormatter

from acga_lib.errors import DataError
from acga_lib.report.markup import document

WEBP_QUALITY = 75
WIDGET = "application/vnd.jupyter.widget-view+json"
STYLE = """
.lesson { max-width: 60rem; margin: auto; } .lesson pre { font-size: .84rem; }
.lesson .highlight pre { background: var(--band); }
.lesson table { margin: .8rem 0; } .lesson :is(p, li) { max-width: none; }
.text_cell, .output { overflow: auto hidden; } .lesson img { display: block; }
math[display="block"] { margin: .8rem 0; }
"""
HOME = '<nav><a href="../index.html">Results</a> <a href="../playground.html">Try it</a></nav>\n'
#: nbconvert's oldest template, without its style; cells whose code Jupyter hides stay folded.
TEMPLATE = """{%- extends 'basic/index.html.j2' -%}
{% block input_group %}{% if cell.metadata.get('jupyter', {}).get('source_hidden') -%}
<details><summary>Code</summary>{{ super() }}</details>
{%- else %}{{ super() }}{% endif %}{% endblock %}"""


class _Renderer(IPythonRenderer):
    """Markdown to HTML, formulas as MathML."""

    def block_math(self, body: str) -> str:
        return convert(re.sub(r"\\tag\{(.*?)\}", r"\\qquad (\1)", body), display="block")

    def inline_math(self, body: str) -> str:
        return convert(body)


class _Exporter(HTMLExporter):
    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        attachments = context.get("cell", {}).get("attachments", {})
        renderer = _Renderer(
            escape=False, attachments=attachments, exclude_anchor_links=False, anchor_link_text=""
        )
        return MarkdownWithMath(renderer=renderer).render(_linked(source))


def lesson_page(path: Path) -> str:
    """An executed notebook as a page for a folder one deeper than the notebook's.

    Raises DataError for a file that is no notebook.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:
        raise DataError(f"{path}: not a notebook that can be read ({error})") from error
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith("# Colab only")]
    for cell in notebook.cells:
        cell.outputs = [_shown(output) for output in cell.get("outputs", []) if _lasting(output)]
    exporter = _Exporter(
        raw_template=TEMPLATE, exclude_input_prompt=True, exclude_output_prompt=True
    )
    body, _ = exporter.from_notebook_node(notebook)
    body = re.sub(r"data:image/(?:png|jpeg|gif);base64,([\w+/=\s]+)", _webp, body)
    light, dark = (
        HtmlFormatter(style=style).get_style_defs(".highlight")
        for style in ("default", "github-dark")
    )
    style = f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}{STYLE}"
    return document(_title(notebook), f'{HOME}<div class="lesson">{body}</div>\n', style=style)


def _title(notebook: Any) -> str:
    """The first heading."""
    headings = re.findall(r"^# (.+)", "\n".join(cell.source for cell in notebook.cells), re.M)
    return headings[0] if headings else "Notebook"


def _linked(markdown: str) -> str:
    """The text with links as the page needs them, and without the badge, a picture of Colab's."""
    markdown = re.sub(r"^\[!\[Open in Colab\].*\n", "", markdown, flags=re.MULTILINE)
    markdown = re.sub(r"\]\((\w+)\.ipynb", r"](\1.html", markdown)
    return re.sub(r"\]\(\.\./", "](../../", markdown)


def _lasting(output: Any) -> bool:
    """Whether an output says something without a kernel: a progress bar does not."""
    return WIDGET not in output.get("data", {}) and output.get("name") != "stderr"


def _shown(output: Any) -> Any:
    """An output, formulas in its table as MathML."""
    table = output.get("data", {}).get("text/html", "")
    if "<table" in table:
        formula = r"\$(?!\s)([^$<>]+)(?<!\s)\$"
        output.data["text/html"] = re.sub(formula, lambda found: convert(found[1]), table)
    return output


def _webp(found: re.Match[str]) -> str:
    """The address of a picture, or of a moving one, that holds it as WebP."""
    packed = io.BytesIO()
    with Image.open(io.BytesIO(b64decode(found[1]))) as picture:
        picture.save(packed, "WEBP", quality=WEBP_QUALITY, save_all=True)
    return f"data:image/webp;base64,{b64encode(packed.getvalue()).decode()}"
