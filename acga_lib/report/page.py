"""The results page: `python -m acga_lib.report.page` writes `results/index.html`.

One page that explains itself: every table, figure and run record in `results/`, each beside the
data that it was measured on. It has no script and no outside resource, and equal results give an
equal page.
"""

import csv
import html
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from acga_lib.config import ROOT
from acga_lib.errors import DataError, KitError
from acga_lib.files.records import read_run, read_runs, write_text
from acga_lib.files.terminal import print_any_text
from acga_lib.methods import METHODS
from acga_lib.parameters import EMBEDDED
from acga_lib.profiles import HEADLINES
from acga_lib.published import A2D_SENTENCES, JHMDB_SENTENCES
from acga_lib.report.tables import HEADINGS

RESULTS = ROOT / "results"
#: What each table and figure of the paper is about, by the name that its files begin with.
SUBJECTS = {
    "table1": "Table 1. Comparison with other methods",
    "table2": "Table 2. Generalisation to J-HMDB Sentences",
    "table3": "Table 3. Ablation: what each component brings",
    "robustness": "Beyond the paper: wording, noise words, focus, and sentences that fit nothing",
    "figure1": "Figure 1. The task: one video, several sentences, one mask for each",
    "figure4": "Figure 4. Methods side by side on test videos chosen by a fixed rule",
    "figure5": "Figure 5. Where in the frame each word receives attention (dark to bright: "
    "least to most of that map)",
}
#: The columns of the list of runs: metric in the record, in percent.
SCORES = ("overall_iou", "mean_iou", "P@0.5", "mAP", "coco_ap")
STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #59636e; --line: #d5dae0;
  --paper: #ffffff; --band: #f4f6f8; --ours: #e8f2fa; --link: #0063a5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #a3adb8; --line: #38424d;
  --paper: #14181d; --band: #1d232a; --ours: #13293a; --link: #6cb8f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 1.5rem 1rem 4rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; } h2 { margin-top: 2.6rem; font-size: 1.3rem; }
h3 { font-size: 1.05rem; margin-bottom: .3rem; }
a { color: var(--link); } p, li { max-width: 46rem; } .soft { color: var(--soft); }
nav a { margin-right: 1.1rem; white-space: nowrap; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .84rem; }
th, td { padding: .35rem .45rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
th { background: var(--band); text-align: right; } .text { text-align: left; }
tr.ours td { background: var(--ours); } tr.published td { color: var(--soft); }
.key { padding: 0 .4rem; border-radius: .2rem; background: var(--ours); }
.note { font-size: .9rem; color: var(--soft); overflow-wrap: anywhere; }
figure { margin: 1.2rem 0 2rem; } figcaption { font-size: .92rem; }
img { max-width: 100%; height: auto; border-radius: .3rem; background: #fff; }
pre { padding: .8rem; background: var(--band); border-radius: .3rem; overflow-x: auto; }
"""


def page(results: Path = RESULTS) -> str:
    """The page on everything in the folder `results`, as HTML.

    Raises DataError when a file in `runs/` is not a run record, or a table has no runs.
    """
    records = sorted(
        (read_run(path) for path in sorted((results / "runs").glob("*.json"))), key=_place
    )
    tables = sorted((results / "tables").glob("*.csv"), key=_data_first)
    figures = sorted((results / "figures").glob("*.png"), key=_data_first)
    sections = [
        ("tables", "Tables", [_table(path, results) for path in tables]),
        ("figures", "Figures", [_figure(path, results) for path in figures]),
        ("runs", "Runs", [_runs(records, results)]),
        ("notebooks", "Executed notebooks", [_notebooks(results)]),
        ("again", "How to reproduce", [_REPRODUCE]),
    ]
    links = " ".join(f'<a href="#{key}">{title}</a>' for key, title, _ in sections)
    body = "".join(
        f'<section id="{key}"><h2>{title}</h2>{"".join(parts) or _NOTHING}</section>\n'
        for key, title, parts in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>ACGA: results</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{_INTRODUCTION}<nav>{links}</nav>\n{body}</body>\n</html>\n"
    )


_INTRODUCTION = """<h1>Actor and action video segmentation from natural language queries:
results</h1>
<p>A video and a sentence go in; a mask of the actor that the sentence means comes out. This page
collects what a reproducibility kit for <em>Asymmetric Cross-Guided Attention Network for Actor and
Action Video Segmentation From Natural Language Query</em> (Wang, Deng, Yan, Tao; ICCV 2019) has
measured.</p>
<p><strong>Two kinds of numbers stand here, never in one cell.</strong> Rows in gray are copied
from the paper and were measured on A2D Sentences. <span class="key">Rows on blue</span> were
measured with this kit, on the data that the row names. <em>toy</em> is the embedded benchmark:
drawn scenes, a small network, minutes on a laptop. Its scores cannot be compared with the paper's
in height, only the order of the methods and the steps between them. Everything is in percent;
<em>mAP</em> is the mean of P@0.50:0.05:0.95, as in the paper, <em>COCO AP</em> what later papers
call mAP.</p>
"""
_REPRODUCE = """<p>Each number is traceable: a table names its runs, a run is one JSON file with its
full configuration, data hash, versions and code revision.</p>
<pre>make setup        # environment
make reproduce    # data, features, every method and seed, tables, figures, this page</pre>
<p>The same for a folder in the layout of A2D Sentences, and one step alone:</p>
<pre>python -m acga_lib.jobs.reproduce --help
python -m acga_lib.report.page     # this page, from the files that are there</pre>
<p>Every step is a notebook in <code>notebooks/</code>; <code>04_train</code> makes one run,
<code>07_table3_ablation</code> the table, <code>08_qualitative_figures</code> the figures.</p>
"""
_NOTHING = '<p class="soft">None yet.</p>'


def _place(record: dict[str, Any]) -> tuple[str, str, bool, int, int]:
    run = record["config"]["run"]
    control = bool(run.get("shuffle_queries", False))
    row = list(METHODS).index(run["method"])
    return record["config"]["data"], run["profile"], control, row, int(run["seed"])


def _table(path: Path, results: Path) -> str:
    """One table with its note and links to the runs that it rests on."""
    _, data, profile = _named(path)
    note, named = _note_and_runs(path.with_suffix(".md"))
    found = read_runs(results / "runs", data=data, profile=profile)
    records = [record for record in found if record["run_id"] in named]
    cells = _cells(path)
    where = cells.get("Measured on", pd.Series("", index=cells.index))
    rows = [
        ("published" if place in (A2D_SENTENCES, JHMDB_SENTENCES) else "ours", list(row))
        for place, row in zip(where, cells.itertuples(index=False, name=None), strict=True)
    ]
    links = ", ".join(_link(r["path"], results, text=r["run_id"]) for r in records)
    rests = f'<p class="note">Rests on the runs {links}.</p>' if links else ""
    return (
        f"<h3>{_title(path)}</h3>"
        f"{_grid(list(cells.columns), rows, text=2)}"
        f'<p class="note">{_escape(note)}</p>{rests}'
        f'<p class="note">Files: {_link(path, results)}, '
        f"{_link(path.with_suffix('.md'), results)}</p>"
    )


def _cells(path: Path) -> pd.DataFrame:
    """A table's cells as text. Raises DataError unless it has rows, all as long as its header."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        if not rows or any(len(row) != len(header) for row in rows):
            raise ValueError("its rows are missing, or not as long as its header")
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a table ({error}); make it again") from error
    return pd.DataFrame(rows, columns=header)


def _note_and_runs(path: Path) -> tuple[str, set[str]]:
    """The text under a Markdown table, and the runs in its last paragraph."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: the note of this table is missing or damaged ({error}); make the table again"
        ) from error
    note = " ".join(line for line in lines if line and not line.startswith(("|", "Runs:")))
    listed = [line.removeprefix("Runs:") for line in lines if line.startswith("Runs:")]
    return note, {run.strip(" .") for line in listed for run in line.split(",")}


def _named(path: Path) -> tuple[str, str, str]:
    """`table3-toy-quick.csv` -> ("table3", "toy", "quick"); the data's name may hold hyphens."""
    kind, _, rest = path.stem.partition("-")
    data, _, profile = rest.rpartition("-")
    return kind, data, profile


def _data_first(path: Path) -> tuple[bool, str, int, str, int]:
    """The embedded benchmark before other data, then as `HEADLINES` and `SUBJECTS` stand."""
    kind, data, profile = _named(path)
    shown = [*HEADLINES, profile].index(profile)
    return data != EMBEDDED, data, shown, profile, [*SUBJECTS, kind].index(kind)


def _title(path: Path) -> str:
    kind, data, profile = _named(path)
    measured = f" <span class='soft'>({_escape(data)}, profile {_escape(profile)})</span>"
    return _escape(SUBJECTS.get(kind, kind)) + (measured if data else "")


def _figure(path: Path, results: Path) -> str:
    link = _escape(_relative(path, results))
    caption = _title(path)
    alt = _escape(SUBJECTS.get(_named(path)[0], path.stem))
    return (
        f'<figure><a href="{link}"><img src="{link}" alt="{alt}" loading="lazy"></a>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _runs(records: Sequence[dict[str, Any]], results: Path) -> str:
    """The list of run records with their key numbers."""
    if not records:
        return _NOTHING
    head = ["Run", "Method", "Data", "Test samples", *(HEADINGS.get(m, "COCO AP") for m in SCORES)]
    rows = []
    for record in records:
        run, environment = record["config"]["run"], record.get("environment", {})
        control = ", shuffled sentences" if run.get("shuffle_queries") else ""
        scores = [record["metrics"].get(metric) for metric in SCORES]
        rows.append(("", [
            _link(record["path"], results, text=record["run_id"]),
            _escape(METHODS[run["method"]].title + control),
            _escape(record["config"]["data"]),
            _escape(record["samples"]["test"]),
            *("–" if score is None else f"{100 * score:.1f}" for score in scores),
            f"{record.get('seconds', 0) / 60:.1f}",
            _escape(environment.get("device", "–")),
            _escape(environment.get("revision", "–")),
        ]))  # fmt: skip
    text = "Each line is one training run; its file holds the rest."
    return f"<p>{text}</p>" + _grid(
        [*head, "Minutes", "Device", "Revision"], rows, text=3, raw=True
    )


def _notebooks(results: Path) -> str:
    """Links to the executed notebooks of the batch, where they are on this machine."""
    paths = sorted((results / "logs").glob("*.ipynb"))
    if not paths:
        return (
            '<p class="soft">None here. <code>make reproduce</code> leaves one per job in '
            "<code>results/logs/</code>; they are not part of the repository.</p>"
        )
    return "<ul>" + "".join(f"<li>{_link(path, results)}</li>" for path in paths) + "</ul>"


def _grid(
    head: Iterable[Any], rows: Iterable[tuple[str, list[Any]]], *, text: int, raw: bool = False
) -> str:
    """An HTML table; rows are (class, cells), the first `text` columns are set to the left."""

    def line(cells: Iterable[Any], tag: str, kind: str = "", raw: bool = False) -> str:
        return f'<tr class="{kind}">' + "".join(
            f'<{tag}{" class=text" if i < text else ""}>{cell if raw else _escape(cell)}</{tag}>'
            for i, cell in enumerate(cells)
        ) + "</tr>\n"  # fmt: skip

    body = "".join(line(cells, "td", kind, raw) for kind, cells in rows)
    return f'<div class="wide"><table>\n{line(head, "th")}{body}</table></div>'


def _link(path: Path, results: Path, *, text: str = "") -> str:
    return f'<a href="{_escape(_relative(path, results))}">{_escape(text or path.name)}</a>'


def _relative(path: Path, results: Path) -> str:
    """The address of a file as a link needs it: `#`, `?` and `%` are no part of a name there."""
    return quote(Path(os.path.relpath(path, results)).as_posix())


def _escape(value: Any) -> str:
    return html.escape(str(value))


def main() -> int:
    """Write the page; prints where it lies, or what is wrong."""
    print_any_text()
    try:
        write_text(RESULTS / "index.html", page())
    except KitError as error:
        print(f"FAILED  report: {error}", file=sys.stderr)
        return 1
    print("done    report (results/index.html)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
