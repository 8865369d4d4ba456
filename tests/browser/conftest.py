"""A headless Chromium, what it may not do, and where its screenshots go.

They are kept in `results/work/browser`, to be looked at.
"""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from acga_lib.config import ROOT

if find_spec("playwright") is None:  # an extra of its own: `make test-browser` installs it
    collect_ignore_glob = ["test_*.py"]

SHOTS = ROOT / "results" / "work" / "browser"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """The system's Chromium, started once."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, f"none of {', '.join(PROGRAMS)} is installed: apt-get install chromium"
    with sync_playwright() as playwright:
        # Its sandbox cannot be had by root, which is what CI runs as.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium) -> Iterator:
    """An empty page of a desktop's size; the test fails if a script of the kit's pages throws."""
    page, thrown = chromium.new_page(viewport={"width": 1280, "height": 900}), []
    page.on("pageerror", lambda error: thrown.append((page.url, str(error))))
    yield page
    page.close()
    assert [error for url, error in thrown if url.startswith("file:")] == []


@pytest.fixture
def shoot(tab):
    """Keep a picture of the whole page under a name -> its file."""

    def taken(name: str) -> Path:
        path = SHOTS / f"{name}.png"
        tab.screenshot(path=path, full_page=True)
        return path

    return taken
