"""The results page in a browser: every picture is there, every link leads somewhere, phones too."""

from urllib.parse import unquote, urldefrag

import pytest

from acga_lib.config import ROOT

PAGE = ROOT / "results" / "index.html"


@pytest.fixture
def opened(tab):
    tab.goto(PAGE.as_uri())
    return tab


def test_every_picture_is_there(opened):
    assert opened.evaluate(
        """() => Promise.all([...document.images].map((image) => {
          image.loading = "eager";
          return image.decode().then(() => "", () => image.src);
        }))"""
    ) == [""] * opened.locator("img").count()  # fmt: skip


def test_every_link_leads_somewhere(opened):
    links = opened.eval_on_selector_all("a[href]", "links => links.map((link) => link.href)")
    assert links
    for link in links:
        address, fragment = urldefrag(link)
        if address.startswith("file://"):
            path = unquote(address.removeprefix("file://"))
            assert ROOT.joinpath(path).exists(), link
        if address == PAGE.as_uri() and fragment:
            assert opened.locator(f'[id="{fragment}"]').count() == 1, link


@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_no_wider_than_the_screen(opened, shoot, width):
    opened.set_viewport_size({"width": width, "height": 844})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    shoot(f"results-{width}")
