"""The kit on Google Colab: what the notebooks' setup cell is, what it calls, where it points.

`python -m acga_lib.jobs.colab` writes the setup cell and the badge into every notebook;
`python -m acga_lib.jobs.colab https://github.com/me/fork` moves the kit's address first. The one
place that holds the address is `Repository` in pyproject.toml.
"""

import argparse
import json
import re
import sys
import tomllib
from importlib import import_module
from pathlib import Path

from acga_lib.config import ROOT, hold_checkout
from acga_lib.errors import ConfigError
from acga_lib.files.storage import write_text
from acga_lib.files.terminal import run_command

#: The first code cell of every notebook. Packages that Colab's own software depends on are asked
#: for in the versions that they have there, so that pip cannot choose others.
SETUP = """\
# Colab only: fetch and install the kit. Elsewhere `make setup` did, and this cell does nothing.
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

REPOSITORY = "{address}"
if "google.colab" in sys.modules:
    if not Path("acga-kit").exists():
        subprocess.run(f"git clone -q --depth=1 -b main {REPOSITORY} acga-kit".split(), check=True)
    keep = [f"{p}=={version(p)}" for p in ("torch", "numpy", "pandas", "ipywidgets", "ipython")]
    subprocess.run([sys.executable, "-m", "pip", "install", "-qe", "acga-kit", *keep], check=True)
    sys.path.insert(0, str(Path("acga-kit").resolve()))
    from acga_lib.jobs import colab
    colab.welcome(drive=False)  # True: also look for datasets on your Google Drive"""
#: How a cell is folded: JupyterLab, Colab and the results page each read a mark of their own.
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{name}/blob/main/notebooks/{notebook})"
)
#: What lies in the folder of a dataset, and the notebooks' parameter that names the folder.
MARKERS = {
    "Release/videoset.csv": "dataset = 'a2d', data_root",
    "jhmdb_annotation.txt": "jhmdb_root",
    "data/referit_query_trainval.json": "referit_root",
}


def welcome(*, drive: bool = False, content: Path = Path("/content")) -> None:
    """Say what this runtime can do: its GPU, or where to click for one, and the data found.

    drive: mount Google Drive first; Colab asks for permission. Datasets are looked for in
    `content` and in the top two levels of the mounted Drive.
    """
    import torch  # takes seconds, and the command line does without it

    if torch.cuda.is_available():
        gigabytes = torch.cuda.get_device_properties(0).total_memory / 2**30
        print(f"GPU: {torch.cuda.get_device_name(0)}, {gigabytes:.0f} GB.")
    else:
        print(
            "No GPU: the lessons run as they are; for profile='paper' click Runtime > Change "
            "runtime type > T4 GPU > Save, then run this cell again."
        )
    print(
        "Colab deletes all files when it ends a runtime. To go on with a training later, copy "
        "acga-kit/results/work and acga-kit/data/features to your Drive, and back."
    )
    folders = [content]
    if drive:
        import_module("google.colab.drive").mount(str(content / "drive"))
        mine = content / "drive" / "MyDrive"
        folders += [mine, *sorted(path for path in mine.iterdir() if path.is_dir())]
    found = find_data(folders)
    for parameters in found:
        print(f"Data found, for the parameters cell: {parameters}")
    if drive and not found:
        print(f"No dataset (a folder with {' or '.join(MARKERS)}) in the top two levels of Drive.")


def find_data(folders: list[Path]) -> list[str]:
    """The datasets that lie directly in any of the folders, as notebook parameters."""
    return [
        f"{parameter} = {str(found.parents[marker.count('/')])!r}"
        for folder in folders
        for marker, parameter in MARKERS.items()
        for found in sorted(folder.glob(f"*/{marker}"))
    ]


def repository(root: Path = ROOT) -> str:
    """The kit's address, e.g. https://github.com/owner/name, as pyproject.toml has it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def setup_cell(root: Path = ROOT) -> str:
    """The source of the setup cell."""
    return SETUP.replace("{address}", repository(root))


def badge(notebook: str, root: Path = ROOT) -> str:
    """The Markdown of the badge that opens `notebook` (a file name) on Colab."""
    name = repository(root).removeprefix("https://github.com/")
    return BADGE.format(name=name, notebook=notebook)


def move(address: str, root: Path = ROOT) -> None:
    """Replace the kit's address in pyproject.toml, CITATION.cff and README.md.

    Raises ConfigError for an address that Colab cannot open notebooks from.
    """
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+(?<!\.git)", address):
        raise ConfigError(
            f"'{address}' is not of the form https://github.com/owner/name, the only one that "
            "Colab opens notebooks from"
        )
    old, new = (url.removeprefix("https://github.com/") for url in (repository(root), address))
    named = re.compile(rf"(github(?:\.com)?/){re.escape(old)}(?![\w-])")
    for file in ("pyproject.toml", "CITATION.cff", "README.md"):
        text = (root / file).read_text(encoding="utf-8")
        write_text(root / file, named.sub(rf"\g<1>{new}", text))


def write_notebook(path: Path, root: Path = ROOT) -> None:
    """Put the setup cell, folded, and the badge into a notebook; nothing else in the file changes.

    Raises ConfigError where the notebook has no setup cell or no badge to be replaced.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = notebook["cells"]
    setups = [c for c in cells if c["cell_type"] == "code" and "REPOSITORY" in "".join(c["source"])]
    badges = [c for c in cells[:2] if "colab-badge.svg" in "".join(c["source"])]
    if len(setups) != 1 or len(badges) != 1:
        raise ConfigError(
            f"{path}: needs one setup cell (a code cell with REPOSITORY in it) and one Colab badge "
            "in its first two cells; copy them from another notebook"
        )
    link = re.compile(r"\[!\[[^]]*\]\([^)]*colab-badge\.svg\)\]\([^)]*\)")
    text = link.sub(lambda _: badge(path.name, root), "".join(badges[0]["source"]))
    badges[0]["source"] = text.splitlines(keepends=True)
    setups[0]["source"] = setup_cell(root).splitlines(keepends=True)
    setups[0]["metadata"] = FOLDED
    write_text(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Command line -> exit status."""
    parser = argparse.ArgumentParser(prog="python -m acga_lib.jobs.colab", description=__doc__)
    parser.add_argument("address", nargs="?", help="the new https://github.com/owner/name")
    given = parser.parse_args(arguments)

    def work() -> None:
        hold_checkout("the notebooks")
        if given.address:
            move(given.address, root)
        for path in sorted((root / "notebooks").glob("*.ipynb")):
            write_notebook(path, root)

    return run_command("colab", work)


if __name__ == "__main__":
    sys.exit(main())
