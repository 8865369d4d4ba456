"""The playground is one file that holds what it needs, made of a run that it can compute."""

import re
from dataclasses import replace

import pytest

from acga_lib.config import ROOT
from acga_lib.datasets import open_dataset
from acga_lib.errors import ConfigError
from acga_lib.files.records import read_run
from acga_lib.report import playground
from acga_lib.segmenter import Segmenter

SOURCES = ROOT / "acga_lib" / "report" / "playground_page"


@pytest.fixture(scope="module")
def samples(toy_root):
    return open_dataset("a2d", root=toy_root, split="test")


@pytest.fixture(scope="module")
def page(samples) -> str:
    segmenter, record = Segmenter.from_run(playground.RUN), read_run(playground.RUN)
    return playground.page(segmenter, record, playground.chosen(samples, 1))


def test_it_asks_for_nothing_outside_itself(page):
    loading = r"""(?:src|href)=["'](?!data:)|https?:|url\(|@import|fetch\("""
    assert re.findall(loading, page.replace("<a href=", "")) == []  # links load nothing
    for path in SOURCES.iterdir():
        if path.suffix != ".html":
            assert path.read_text("utf-8") in page, f"{path.name} is not in the page"


def test_clips_are_spread_over_the_videos_and_show_the_frame_of_most_sentences(samples):
    one = samples[0]
    given = [
        replace(one, video_id=f"v{video}", frame=frame, query=f"{video} {frame} {number}")
        for video in range(10)
        for frame in (3, 7)
        for number in range(frame - video % 2)
    ]
    found = playground.chosen(given, 4)
    assert [of_one[0].video_id for of_one in found] == ["v0", "v3", "v6", "v9"]
    assert [(of_one[0].frame, len(of_one)) for of_one in found] == [(7, 7), (7, 6), (7, 7), (7, 6)]
    assert len(playground.chosen(given, 50)) == 10


@pytest.mark.parametrize(("run", "why"), [
    ("toy-toy-gavrilyuk-s0", "the page computes ACGA with its attention"),
    ("real_pairs-toy-acga-s0", "whose footage may not be handed on"),
])  # fmt: skip
def test_a_run_that_it_cannot_show_is_named(run, why, samples, monkeypatch):
    monkeypatch.setattr(playground, "open_split", lambda config, split: samples)
    with pytest.raises(ConfigError, match=rf"{run}.*{why}"):
        playground.playground(playground.RUNS / f"{run}.json")


def test_the_committed_page_is_small_and_of_this_version_and_a_committed_run():
    if not playground.PAGE.exists():
        pytest.skip("no page yet: python -m acga_lib.report.playground")
    text = playground.PAGE.read_text("utf-8")
    assert playground.PAGE.stat().st_size <= 15e6
    run, weights = re.search(r'"run":{"id":"([^"]+)","weights":"(\w+)"}', text).groups()
    assert read_run(playground.RUNS / f"{run}.json")["weights"] == weights
    for name in ("page.css", "network.js", "words.js", "page.js"):
        assert (SOURCES / name).read_text("utf-8") in text, f"{name} is newer than the page"
