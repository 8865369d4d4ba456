"""The HTML that the results page and the lessons' pages share: their look, tables, links.

No script and nothing from outside, so that a page looks the same without a network.
"""

import html
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #59636e; --line: #d5dae0;
  --paper: #ffffff; --band: #f4f6f8; --ours: #e8f2fa; --link: #0063a5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #a3adb8; --line: #38424d;
  --paper: #14181d; --band: #1d232a; --ours: #13293a; --link: #6cb8f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 1.2rem 1rem 4rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .6rem; }
h2 { margin: 2.4rem 0 .6rem; font-size: 1.3rem; } h3 { font-size: 1.05rem; margin-bottom: .3rem; }
a { color: var(--link); } p, li, summary { max-width: 46rem; } .soft { color: var(--soft); }
nav a { margin-right: 1.1rem; white-space: nowrap; } summary { cursor: pointer; }
.first { display: grid; gap: .6rem 2rem; } .first ul { padding-left: 1.2rem; margin: 0; }
.first li { margin-bottom: .4rem; } .first figure { margin: 0; }
.lead { font-size: 1.15rem; margin: .4rem 0; }
@media (min-width: 60rem) { .first { grid: auto 1fr / 1fr 1fr; }
  .first figure { grid-area: 1 / 2 / 3; } .first img { max-height: 42rem; width: auto; } }
.key { padding: 0 .4rem; border-radius: .2rem; background: var(--ours); }
.note { font-size: .9rem; color: var(--soft); overflow-wrap: anywhere; }
figure { margin: 1.2rem 0 2rem; } figcaption { font-size: .92rem; color: var(--soft); }
img { max-width: 100%; height: auto; border-radius: .3rem; background: #fff; }
pre { padding: .8rem; background: var(--band); border-radius: .3rem; overflow-x: auto; }
table { border-collapse: collapse; font-size: .84rem; }
th, td { padding: .35rem .45rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; font-variant-numeric: tabular-nums; background: var(--paper); }
th { background: var(--band); } tr.ours td { background: var(--ours); }
tr.published td { color: var(--soft); } .text { text-align: left; }
/* What goes on beyond the right edge fades out there, under a word that leaves at the end. */
.wide { position: relative; max-width: fit-content; timeline-scope: --across; }
.wide > div { overflow-x: auto; padding-right: 2.2rem; scroll-timeline: --across inline; }
.wide::before, .wide::after { position: absolute; right: 0; z-index: 2; pointer-events: none; }
.wide::before { content: ""; top: 0; bottom: 0; width: 2.2rem;
  background: linear-gradient(to right, transparent, var(--paper)); }
.wide::after { content: "scroll →"; bottom: 100%; font-size: .8rem; color: var(--link); opacity: 0;
  animation: leave linear both; animation-timeline: --across; }
@keyframes leave { from, 95% { opacity: 1; } to { opacity: 0; } }
.wide th:first-child, .wide td:first-child { position: sticky; left: 0; z-index: 1; }
@media (max-width: 40rem) { .minor { display: none; } h1 { font-size: 1.3rem; }
  .wide th:first-child, .wide td:first-child { white-space: normal; min-width: 7rem; }
  tr.published td:first-child::after { content: " (paper)"; } }
"""


def document(title: str, body: str, *, style: str = "") -> str:
    """A whole page: its title as text, its body as HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def grid(
    head: Sequence[str], rows: Iterable[tuple[str, Sequence[Any]]], *, text: int,
    minor: Iterable[str] = (), raw: bool = False,
) -> str:  # fmt: skip
    """A table that scrolls sideways; rows are (class, cells).

    text: how many of the first columns are set to the left; minor: headings of columns that a
    phone leaves out; raw: cells are HTML.
    """
    kinds = [
        " ".join(["text"] * (i < text) + ["minor"] * (name in minor)) for i, name in enumerate(head)
    ]

    def line(cells: Sequence[Any], tag: str, kind: str = "", raw: bool = False) -> str:
        return f'<tr class="{kind}">' + "".join(
            f'<{tag} class="{of}">{cell if raw else escape(cell)}</{tag}>'
            for of, cell in zip(kinds, cells, strict=True)
        ) + "</tr>\n"  # fmt: skip

    body = "".join(line(cells, "td", kind, raw) for kind, cells in rows)
    table = f"<table>\n{line(head, 'th')}{body}</table>"
    return f'<div class="wide"><div tabindex="0">{table}</div></div>'


def folded(title: str, body: str) -> str:
    """A part that opens with a click; title as text, body as HTML."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def link(path: Path, base: Path, *, text: str = "") -> str:
    """A link to a file from a page in the folder `base`, named by `text` or the file's name."""
    return f'<a href="{address(path, base)}">{escape(text or path.name)}</a>'


def address(path: Path, base: Path) -> str:
    """A file as a link needs it: `#`, `?` and `%` are no part of a name there."""
    return escape(quote(Path(os.path.relpath(path, base)).as_posix()))


def escape(value: Any) -> str:
    """A value as text, no part of which is markup."""
    return html.escape(str(value))
