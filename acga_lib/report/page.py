"""The results page: `python -m acga_lib.report.page` writes `results/index.html`.

One page that explains itself: what was found, then every table, figure and run record in
`results/`, each beside the data that it was measured on. The small table by deciding cue and the
lessons' pages are made with it. It has no script and no outside resource, and equal results give an
equal page.
"""

import csv
import re
import sys
from collections.abc import Sequence
from html import unescape
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from acga_lib.config import ROOT
from acga_lib.errors import DataError
from acga_lib.files.records import Record, is_proper, order_of, read_run, read_runs
from acga_lib.files.storage import write_text
from acga_lib.files.terminal import run_command
from acga_lib.methods import METHODS
from acga_lib.profiles import HEADLINES, PROFILES
from acga_lib.published import A2D_SENTENCES, JHMDB_SENTENCES, TABLE_1, TABLE_3
from acga_lib.report import findings, tables
from acga_lib.report.lessons import lesson_page
from acga_lib.report.markup import address, document, escape, folded, grid, link

RESULTS = ROOT / "results"
#: What each table and figure is about, by the name that its files begin with.
SUBJECTS = {
    "summary": "In short: mean IoU, and by the cue that decides a sentence",
    "table1": "Table 1. Comparison with other methods",
    "table2": "Table 2. Generalisation to J-HMDB Sentences",
    "table3": "Table 3. Ablation: what each component brings",
    "robustness": "Beyond the paper: wording, noise words, focus, and sentences that fit nothing",
    "figure4": "Figure 4. Methods side by side on test videos chosen by a fixed rule",
    "figure1": "Figure 1. The task: one video, several sentences, one mask for each",
    "figure5": "Figure 5. Where in the frame each word receives attention (dark to bright: "
    "least to most of that map)",
}
#: The columns of the list of runs: metric in the record, in percent.
SCORES = ("overall_iou", "mean_iou", "P@0.5", "mAP", "coco_ap")
#: What a phone leaves out: rows say it by their colour, notes in words.
MINOR = ("Measured on", "Seeds", "Features")
Group = tuple[str, str]  #: data and profile


def page(results: Path = RESULTS) -> str:
    """The page on everything in the folder `results`, as HTML.

    Raises DataError when a file in `runs/` is not a run record, a table has no runs, or a picture
    is none.
    """
    records = _every_run(results)
    first = findings.headline(records)
    found = [*(results / "tables").glob("*-*-*.csv"), *_figures(results)]
    others = sorted({_named(path)[1:] for path in found} - {first})
    shown = _shown(first, results) if first else []
    sections = [
        ("tables", "Tables", _tables(first, results) if first else ""),
        ("figures", "Figures", "".join(_figure(path, results) for path in shown[1:])),
        (
            "others",
            "Other data and profiles",
            "".join(_other(one, results, but=shown) for one in others),
        ),
        ("lessons", "Lessons, executed", _notebooks(results)),
        ("runs", "Runs", folded(f"{len(records)} runs", _runs(records, results))),
        ("again", "How to reproduce", _REPRODUCE),
    ]
    links = [f'<a href="#{key}">{title}</a>' for key, title, text in sections if text]
    links += [
        link(results / name, results, text=text)
        for name, text in (("playground.html", "Try it"), ("MODEL_CARD.md", "Model card"))
        if (results / name).is_file()
    ]
    body = "".join(
        f'<section id="{key}"><h2>{title}</h2>{text}</section>\n'
        for key, title, text in sections if text
    )  # fmt: skip
    top = _first(first, results, picture=shown[0] if shown else None) if first else ""
    return document("ACGA: results", f"{_TITLE}{top}<nav>{' '.join(links)}</nav>\n{body}")


_TITLE = """<h1>A video and a sentence in, a mask of the actor meant out: ACGA, reproduced</h1>
<p class="soft"><em>Asymmetric Cross-Guided Attention Network for Actor and Action Video
Segmentation From Natural Language Query</em> (Wang, Deng, Yan, Tao; ICCV 2019)</p>
"""
_KEY = """<p>Rows in gray are the paper's numbers; <span class="key">rows on blue</span> were
measured with this kit. They were measured on different data: compare the order of the methods and
the sign of the steps between them, never the heights. In percent: <em>P@0.5</em>, the masks whose
IoU with the truth is above 0.5; <em>mAP</em>, the mean of P@0.50:0.05:0.95; <em>overall IoU</em>,
all intersections over all unions; <em>mean IoU</em>, the mean over samples.</p>
"""
_REPRODUCE = """<p>Each number is traceable: a table names its runs, a run is one JSON file with its
full configuration, data hash, versions and code revision.</p>
<pre>make reproduce                          # data, features, every row at profile toy, this page
make reproduce PROFILE=night SEEDS=3    # the tables of the first screen
python -m acga_lib.report.page          # this page alone, from the files that are there</pre>
<p>Not among them: the control of the first weights, which notebook 04 trains with
<code>variant="authors_init"</code>, and real_pairs: filmed videos side by side, which may not be
handed on (data/README.md).</p>
"""


def _first(first: Group, results: Path, *, picture: Path | None) -> str:
    """The first screen: what was found, beside one picture."""
    data, profile = first
    records = read_runs(results / "runs", data=data, profile=profile)
    told = [
        re.sub(r" (?=[±%])|(?<=±) ", "&nbsp;", escape(sentence))
        for sentence in findings.sentences(results, data=data, profile=profile)
    ]
    items = "".join(f"<li>{sentence}</li>" for sentence in told[1:])
    shown = _figure(picture, results) if picture else ""
    note = f"{tables.measured(records).capitalize()}. Differences are of numbers not yet rounded."
    if picture and _named(picture)[1:] != first:
        *_, longer = _named(picture)
        note += f" The picture shows networks of profile {longer}, trained longer."
        if told_of := findings.in_short(results, data=data, profile=longer):
            items += (
                f"<li><strong>Trained longer</strong> ({escape(longer)}): {escape(told_of)}</li>"
            )
    return (
        f'<div class="first"><p class="lead">{"".join(told[:1])}</p>{shown}<div><ul>{items}</ul>'
        f'<p class="note">{escape(note)}</p></div></div>\n'
    )


def _every_run(results: Path) -> list[Record]:
    return sorted((read_run(path) for path in (results / "runs").glob("*.json")), key=_place)


def _place(record: Record) -> tuple[str, str, bool, int, int]:
    run = record["config"]["run"]
    control = run["shuffle_queries"]
    return record["config"]["data"], run["profile"], control, order_of(record), int(run["seed"])


def _tables(group: Group, results: Path) -> str:
    paths = [path for path in (results / "tables").glob("*-*-*.csv") if _named(path)[1:] == group]
    return _KEY + "".join(_table(path, results) for path in sorted(paths, key=_subject))


def _figures(results: Path) -> list[Path]:
    """The figures there are; those of networks on the videos of another profile are left out."""
    paths = (results / "figures").glob("*-*-*.png")
    return [path for path in paths if not re.search(rf"-on-({'|'.join(PROFILES)})$", path.stem)]


def _pictures(group: Group, results: Path) -> list[Path]:
    """The figures of some data and profile, that of the first screen first."""
    paths = _figures(results)
    return sorted((path for path in paths if _named(path)[1:] == group), key=_subject)


def _shown(first: Group, results: Path) -> list[Path]:
    """The figures above: those on the data of the tables, of the longest trained networks first."""
    data, profile = first
    profiles = dict.fromkeys([*HEADLINES, profile])
    return [path for one in profiles for path in _pictures((data, one), results)]


def _other(group: Group, results: Path, *, but: Sequence[Path]) -> str:
    """What there is of other data or another profile, `but` for the figures above, folded."""
    paths = [path for path in _pictures(group, results) if path not in but]
    pictures = "".join(_figure(path, results) for path in paths)
    return folded("{}, profile {}".format(*group), _tables(group, results) + pictures)


def _table(path: Path, results: Path) -> str:
    """One table; its note and the runs that it rests on, folded."""
    _, data, profile = _named(path)
    note, named = _note_and_runs(path.with_suffix(".md"))
    try:
        found = [
            record for controls in (False, True)
            for record in read_runs(
                results / "runs", data=data, profile=profile, controls=controls
            )
        ]  # fmt: skip
    except DataError as error:
        raise DataError(f"{path}: not without its runs. {error}; or delete the table") from error
    records = [record for record in found if record["run_id"] in named]
    head, *cells = _cells(path)
    rows = [
        ("published" if {A2D_SENTENCES, JHMDB_SENTENCES} & set(row) else "ours", row)
        for row in cells
    ]
    links = ", ".join(link(r["path"], results, text=r["run_id"]) for r in records)
    rests = f'<p class="note">Rests on the runs {links}.</p>' if links else ""
    files = f"{link(path, results)}, {link(path.with_suffix('.md'), results)}"
    told = f'<p class="note">{escape(note)}</p>{rests}<p class="note">Files: {files}</p>'
    shown = grid(head, rows, text=1 + sum(name in MINOR for name in head[1:3]), minor=MINOR)
    title = f"How it was measured, and its {len(records)} runs"
    return f"<h3>{_title(path)}</h3>{shown}{folded(title, told)}"


def _cells(path: Path) -> list[list[str]]:
    """A table's header and rows. Raises DataError unless there are, all as long as the header."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        if not rows or any(len(row) != len(header) for row in rows):
            raise ValueError("its rows are missing, or not as long as its header")
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a table ({error}); make it again") from error
    return [header, *rows]


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


def _subject(path: Path) -> int:
    kind = _named(path)[0]
    return [*SUBJECTS, kind].index(kind)


def _title(path: Path) -> str:
    kind, data, profile = _named(path)
    measured = f' <span class="soft">({escape(data)}, profile {escape(profile)})</span>'
    return escape(SUBJECTS.get(kind, kind)) + measured


def _figure(path: Path, results: Path) -> str:
    try:
        with Image.open(path) as picture:
            wide, high = picture.size
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path}: not a picture ({error}); make it again") from error
    source, alt = address(path, results), escape(SUBJECTS.get(_named(path)[0], path.stem))
    return (
        f'<figure><a href="{source}"><img src="{source}" alt="{alt}" width="{wide}" '
        f'height="{high}"></a><figcaption>{_title(path)}</figcaption></figure>'
    )


def _runs(records: Sequence[Record], results: Path) -> str:
    """The list of run records with their key numbers."""
    scores = [tables.HEADINGS.get(metric, "COCO AP") for metric in SCORES]
    head = ["Run", "Method", "Data", "Test samples", *scores, "Minutes", "Device", "Revision"]
    rows = []
    for record in records:
        run, environment = record["config"]["run"], record["environment"]
        control = ", shuffled sentences" if run["shuffle_queries"] else ""
        control += f", {run['variant']}" if "variant" in run else ""
        values = [record["metrics"].get(metric) for metric in SCORES]
        rows.append(("", [
            link(record["path"], results, text=record["run_id"]),
            escape(METHODS[run["method"]].title + control),
            escape(record["config"]["data"]),
            escape(record["samples"]["test"]),
            *("–" if score is None else f"{100 * score:.1f}" for score in values),
            f"{record['seconds'] / 60:.1f}",
            escape(environment["device"]),
            escape(environment["revision"]),
        ]))  # fmt: skip
    text = "Each line is one training run; its file holds the rest. <em>COCO AP</em> is what later"
    return f"<p>{text} papers call mAP.</p>" + grid(head, rows, text=3, minor=head[1:4], raw=True)


def _notebooks(results: Path) -> str:
    """Links to the lessons' pages, and to those of the last batch where they are here."""

    def listed(folder: str) -> str:
        paths = sorted((results / folder).glob("*.html"))
        items = "".join(f"<li>{link(path, results, text=_heading(path))}</li>" for path in paths)
        return f"<ul>{items}</ul>" if items else ""

    batch = listed("logs")
    return listed("notebooks") + (folded("As make reproduce ran them", batch) if batch else "")


def _heading(path: Path) -> str:
    """The title of a lesson's page."""
    found = re.search("<title>(.*?)</title>", path.read_text(encoding="utf-8"))
    return unescape(found[1]) if found else path.stem


def write_all(results: Path = RESULTS, lessons: Path = ROOT / "notebooks") -> None:
    """Write the small tables, the lessons' pages, those of the last batch, and the results page."""
    rows = TABLE_1.rows | TABLE_3.rows
    groups = {
        (record["config"]["data"], record["config"]["run"]["profile"])
        for record in filter(is_proper, _every_run(results))
        if tables.method_of(record) in rows
    }
    for data, profile in sorted(groups):
        records, controls = (
            read_runs(results / "runs", data=data, profile=profile, controls=shuffled)
            for shuffled in (False, True)
        )
        table, note = tables.small_table(records, controls)
        tables.write_table(table, results / "tables" / f"summary-{data}-{profile}", note=note)
    for path in lessons.glob("*.ipynb"):
        write_text(results / "notebooks" / f"{path.stem}.html", lesson_page(path))
    for path in (results / "logs").glob("*.ipynb"):
        if "-04_train-" not in path.name:
            try:
                write_text(path.with_suffix(".html"), lesson_page(path))
            except DataError as error:  # of a job that was killed: nothing rests on its notebook
                print(f"left out: {error}")
    write_text(results / "index.html", page(results))


def main() -> int:
    """Write everything; prints where the page lies, or what is wrong."""

    def work() -> str:
        write_all()
        return "done    report (results/index.html)"

    return run_command("report", work)


if __name__ == "__main__":
    sys.exit(main())
