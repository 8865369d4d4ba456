"""`make check-data`: what of the real data is there, what is missing or corrupt, where to get it.

Everything is looked at and all complaints come in one list, before any hour of a GPU is spent.
"""

import argparse
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from os.path import isdir, isfile
from pathlib import Path

from acga_lib.datasets.checks import check_a2d, check_jhmdb, check_referit
from acga_lib.datasets.findings import Report
from acga_lib.errors import KitError
from acga_lib.files.paths import given_path
from acga_lib.files.terminal import print_any_text
from acga_lib.methods import METHODS
from acga_lib.published import TABLES

A2D_PAGE = "https://web.eecs.umich.edu/~jjcorso/r/a2d/"
TEXT_PAGE = "https://kgavrilyuk.github.io/publication/actor_action/"
JHMDB_PAGE = "http://jhmdb.is.tue.mpg.de/"
REFERIT_PAGE = "https://github.com/ronghanghu/text_objseg"
#: Archives that a folder may still lie in, and what unpacks each.
UNPACK = {".zip": "unzip", ".bz": "tar xjf", ".bz2": "tar xjf", ".gz": "tar xzf"}
_SHOWN = 5  #: problems of one kind that are printed; --verbose prints all


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One file or folder of a dataset, relative to its root, and where it comes from."""

    path: str
    page: str
    archive: str = ""  #: name of the download that it is unpacked from; empty: a single file
    may_be_empty: bool = False


PIECES: dict[str, tuple[Piece, ...]] = {
    "a2d": (
        Piece(path="Release/videoset.csv", page=A2D_PAGE, archive="A2D_main_1_0.tar.bz"),
        Piece(path="Release/clips320H", page=A2D_PAGE, archive="A2D_main_1_0.tar.bz"),
        Piece(path="text_annotations/a2d_annotation.txt", page=TEXT_PAGE),
        Piece(path="text_annotations/a2d_missed_videos.txt", page=TEXT_PAGE, may_be_empty=True),
        Piece(path="text_annotations/a2d_annotation_with_instances", page=TEXT_PAGE,
              archive="a2d_annotation_with_instances.zip"),
    ),
    "jhmdb": (
        Piece(path="jhmdb_annotation.txt", page=TEXT_PAGE),
        Piece(path="Rename_Images", page=JHMDB_PAGE, archive="Rename_Images.tar.gz"),
        Piece(path="puppet_mask", page=JHMDB_PAGE, archive="puppet_mask.zip"),
    ),
    "referit": (
        Piece(path="data/referit_query_trainval.json", page=REFERIT_PAGE),
        Piece(path="data/referit_query_test.json", page=REFERIT_PAGE),
        Piece(path="referit-dataset/images", page=REFERIT_PAGE, archive="referitdata.tar.gz"),
        Piece(path="referit-dataset/mask", page=REFERIT_PAGE, archive="referitdata.tar.gz"),
    ),
}  # fmt: skip
TITLES = {"a2d": "A2D Sentences", "jhmdb": "J-HMDB Sentences", "referit": "ReferIt"}
CHECKS = {"a2d": check_a2d, "jhmdb": check_jhmdb, "referit": check_referit}


def there(root: Path, piece: Piece) -> bool:
    """Whether a piece lies under a root: a file with content, or a folder with anything in it.

    What may not be looked at is there: the checks say who may not read what.
    """
    path = root / piece.path
    try:
        if path.is_dir():
            return any(True for _ in path.iterdir())
        return path.is_file() and (piece.may_be_empty or path.stat().st_size > 0)
    except PermissionError:
        return True


def missing_pieces(name: str, root: Path) -> list[str]:
    """A line for each piece that is not there, with its source."""
    lines = [] if isdir(root) else [f"{root}: no such folder"]
    for piece in PIECES[name]:
        if there(root, piece):
            continue
        source = f"{piece.archive} from {piece.page}" if piece.archive else piece.page
        lines.append(f"{root / piece.path}: missing or empty; get {source}")
    return lines


def hints(name: str, root: Path) -> list[str]:
    """What a wrong or half-unpacked folder looks like to someone who has seen many."""
    found = []
    pieces = PIECES[name]
    own = sum(there(root, piece) for piece in pieces)
    other = {folder: sum(there(folder, piece) for piece in pieces) for folder in _near(root)}
    best = max(other, key=lambda folder: other[folder], default=root)
    if other.get(best, 0) > own:
        found.append(f"{other[best]} of {len(pieces)} pieces lie in {best}: give that folder")
    for piece in pieces:
        path = root / piece.path
        for archive in _archives(piece, path):
            unpack = next(how for end, how in UNPACK.items() if archive.name.endswith(end))
            if not there(root, piece):
                found.append(f"{archive} has not been unpacked: `{unpack} {archive.name}` in "
                             f"{archive.parent}")  # fmt: skip
        if isdir(path / path.name):
            found.append(f"{path / path.name}: one level too deep: move what it holds up by one")
    if isdir(root / "Release" / "CLIPS320"):
        found.append(f"{root / 'Release' / 'CLIPS320'}: rename it clips320H")
    return list(dict.fromkeys(found))


def _near(root: Path) -> list[Path]:
    """Folders one or two levels above and below a root."""
    above = [root.resolve().parent, root.resolve().parent.parent]
    below = _folders([root])
    return [*below, *_folders(below[:50]), *above]


def _folders(parents: Iterable[Path]) -> list[Path]:
    """The folders in some folders; in one that may not be listed, nothing can be found."""
    found: list[Path] = []
    for parent in parents:
        with suppress(OSError):
            found += sorted(path for path in parent.iterdir() if isdir(path))
    return found


def _archives(piece: Piece, path: Path) -> list[Path]:
    """Where the piece's archive lies: beside it, or in a folder above."""
    folders = (path.parent, path.parent.parent, path.parent.parent.parent)
    places = [folder / piece.archive for folder in folders] if piece.archive else []
    return [place for place in places if isfile(place)]


def check(name: str, root: Path, *, decode: bool, progress: bool = True) -> Report:
    """Everything that is wrong with one dataset; what needs files is left out where none is."""
    missing = missing_pieces(name, root)
    if not any(there(root, piece) for piece in PIECES[name]):
        report = Report(TITLES[name], root)
    else:
        report = CHECKS[name](root, decode=decode, progress=progress)
    report.problems = ({"missing": missing} if missing else {}) | report.problems
    if report.problems:
        report.hints = hints(name, root)
    if set(report.problems) == {"counts"}:
        pages = ", ".join(sorted({piece.page for piece in PIECES[name]}))
        report.hints.append(
            "the files agree with each other, but are of another version than the release that "
            f"the peers use: get them again from {pages}"
        )
    return report


def describe(report: Report, *, verbose: bool = False) -> list[str]:
    """A report as lines of text."""
    lines = [f"{report.name}: {report.root}"]
    for what, number in report.counts.items():
        published = report.expected.get(what)
        lines.append(
            f"  {number:>7,} {what}" + (f" (published: {published:,})" if published else "")
        )
    if report.counts and not report.expected and report.name != TITLES["referit"]:
        lines.append("  not the published annotation, so the counts are held against nothing")
    for kind, messages in report.problems.items():
        lines.append(f"  PROBLEMS with {kind}: {len(messages):,}")
        shown = messages if verbose else messages[:_SHOWN]
        lines += [f"    {message}" for message in shown]
        if len(shown) < len(messages):
            lines.append(f"    … and {len(messages) - len(shown):,} more (VERBOSE=1 lists all)")
    lines += [f"  HINT  {hint}" for hint in report.hints]
    return lines if report.problems else [*lines, "  complete"]


def rows(sound: set[str]) -> list[str]:
    """Which rows of the tables can be made with the datasets that are complete."""

    def possible(method: str) -> bool:
        return "a2d" in sound and ("referit" in sound or not METHODS[method].needs_referit)

    lines = []
    for table in TABLES.values():
        tested = table.name != "table2" or "jhmdb" in sound
        can = [table.title(method) for method in table.methods if tested and possible(method)]
        lines.append(f"  Table {table.name[-1]}: {', '.join(can) or 'none'}")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Command line -> exit status, 1 when anything is missing or wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m acga_lib.datasets.check_data", description=__doc__
    )
    for name in PIECES:
        parser.add_argument(f"--{name}-root", default="", help="the dataset's folder")
    parser.add_argument("--decode", action="store_true",
                        help="also decode every frame (about an hour on A2D)")  # fmt: skip
    parser.add_argument("--verbose", action="store_true", help="print every problem")
    given = parser.parse_args(arguments)
    print_any_text()
    roots = {name: getattr(given, f"{name}_root") for name in PIECES}
    if not any(roots.values()):
        print("Name at least one folder: make check-data A2D_ROOT=… JHMDB_ROOT=… REFERIT_ROOT=…\n"
              "data/README.md says where each dataset comes from.", file=sys.stderr)  # fmt: skip
        return 1
    try:
        folders = {name: given_path(root, TITLES[name]) for name, root in roots.items() if root}
    except KitError as error:
        print(error, file=sys.stderr)
        return 1
    reports = {name: check(name, root, decode=given.decode) for name, root in folders.items()}
    for report in reports.values():
        print("\n".join(describe(report, verbose=given.verbose)), end="\n\n")
    print("Rows that can be made with what is complete:")
    print("\n".join(rows({name for name, report in reports.items() if not report.problems})))
    kinds = [messages for report in reports.values() for messages in report.problems.values()]
    wrong = sum(map(len, kinds))
    print(
        f"\n{wrong:,} problem(s); data/README.md describes each file" if wrong else "\nAll is well"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
