"""Notebook 09 as a student opens it: in JupyterLab, and as a page of voila."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import pytest

from acga_lib.config import ROOT

NOTEBOOK = ROOT / "notebooks" / "09_query_explorer.ipynb"
#: JupyterLab keeps cells in the page that are out of sight, and asks nobody about news.
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
PATIENCE = 300  #: seconds until the first answer, kernel and networks included


@contextmanager
def served(folder: Path, *command: str) -> Iterator[str]:
    """The address of a Jupyter server on the notebook, not yet run, in `folder`."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, folder / NOTEBOOK.name)
    for name, settings in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", *command, "--no-browser", f"--port={port}"], cwd=folder,
            env=os.environ | {
                "JUPYTER_CONFIG_DIR": str(folder / "config"),
                "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
                "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            },
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE
        while not listens(port):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)
        print(log.read_text())


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def control(tab, label: str):
    """What is typed, chosen or pushed in the widget of this name."""
    widget = tab.locator(f".jupyter-widgets:has(> label:text-is('{label}'))")
    return widget.locator("input, select, .noUi-handle").first


def picture(tab) -> bytes:
    """The first picture that the explorer shows, as it looks."""
    return tab.locator("img.jupyter-widgets:visible").first.screenshot()


def shown_anew(tab, act: Callable[[], object]) -> float:
    """Seconds until the picture is another one after `act`."""
    before, start = picture(tab), time.monotonic()
    act()
    while time.monotonic() < start + 30:
        with suppress(Exception):  # while it is being replaced there is none
            if picture(tab) != before:
                return time.monotonic() - start
        time.sleep(0.1)
    pytest.fail("the picture stays as it is")


def say(tab, sentence: str) -> None:
    control(tab, "Sentence").fill(sentence)
    control(tab, "Sentence").press("Enter")


def explore(tab, shoot, where: str) -> None:
    """Choose, type, scrub, set the threshold, type nonsense: every time the page answers."""
    control(tab, "Sentence").wait_for(timeout=1000 * PATIENCE)
    tab.locator("img.jupyter-widgets:visible").first.wait_for(timeout=1000 * PATIENCE)
    shoot(f"{where}-opened")
    took = {
        "another clip": shown_anew(tab, lambda: control(tab, "Clip").select_option(index=1)),
        "a sentence": shown_anew(tab, lambda: say(tab, "left")),
        "a threshold": shown_anew(tab, lambda: control(tab, "Threshold").press("ArrowLeft")),
        "a frame": shown_anew(tab, lambda: control(tab, "Frame").press("ArrowLeft")),
    }
    print(where, {what: round(seconds, 1) for what, seconds in took.items()})
    shoot(f"{where}-answered")
    for sentence, said in (("zorp blimf", "zorp"), ("", "holds no word")):
        say(tab, sentence)
        tab.locator(".jupyter-widgets", has_text=said).first.wait_for()
        shoot(f"{where}-{sentence or 'empty'}")
    shown_anew(tab, lambda: say(tab, "right"))
    assert tab.get_by_text("Traceback (most recent call last)").count() == 0


def run_all(tab) -> None:
    """Run every cell; asked anew until one runs, for now and then a click on the menu is lost."""
    prompts = tab.locator(".jp-CodeCell .jp-InputArea-prompt")
    for _ in range(5):
        tab.get_by_role("menuitem", name="Run", exact=True).click()
        tab.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with suppress(Exception):
            prompts.filter(has_text=re.compile(r"\[[\d*]+\]")).first.wait_for(
                state="attached", timeout=10_000
            )
            return
        tab.keyboard.press("Escape")  # a menu that stayed open would take the next click
    pytest.fail("no cell runs")


def test_jupyterlab_answers(tab, shoot, tmp_path):
    lab = ("jupyterlab", "--allow-root", "--IdentityProvider.token=")
    with served(tmp_path, *lab) as address:
        tab.goto(f"{address}/lab/tree/{NOTEBOOK.name}")
        tab.locator(".jp-Notebook").wait_for(timeout=1000 * PATIENCE)
        idle = tab.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
        idle.wait_for(state="attached", timeout=1000 * PATIENCE)  # before, no cell ran now and then
        run_all(tab)
        # While cells run, no widget is answered.
        prompt = tab.locator(".jp-CodeCell").last.locator(".jp-InputArea-prompt")
        done = prompt.filter(has_text=re.compile(r"\[\d+\]"))
        done.wait_for(state="attached", timeout=1000 * PATIENCE)  # it is out of sight
        explore(tab, shoot, "lab")


def test_voila_answers(tab, shoot, tmp_path):
    with served(tmp_path, "voila", NOTEBOOK.name, "--show_tracebacks=True") as address:
        tab.goto(address, timeout=1000 * PATIENCE)
        explore(tab, shoot, "voila")
