"""The playground in a browser: it computes what the library computes, fast, without a network."""

import re

import pytest
import torch

from acga_lib.datasets import open_dataset
from acga_lib.files.records import read_run
from acga_lib.metrics import iou
from acga_lib.report import playground
from acga_lib.segmenter import Segmenter
from acga_lib.text import tokenize

PHONE = {"width": 390, "height": 844}
#: Sentences as people type them; the library says what their words are.
TYPED = ["A Red CAR!", "the man’s  dog", "ﬁve cats—two dogs", "cafe\u0301", "一只 猫", "don`t"]


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return Segmenter.from_run(playground.RUN)


@pytest.fixture(scope="session")
def frames(toy_root):
    return playground.chosen(open_dataset("a2d", root=toy_root, split="test"), 2)


@pytest.fixture(scope="session")
def address(tmp_path_factory, segmenter, frames) -> str:
    """The page on two fresh clips and the committed run, in a file."""
    path = tmp_path_factory.mktemp("page") / "playground.html"
    path.write_text(playground.page(segmenter, read_run(playground.RUN), frames), "utf-8")
    return path.as_uri()


@pytest.fixture
def opened(tab, address):
    """The page with its first sentence answered; the browser is off line."""
    tab.context.set_offline(True)
    tab.goto(address)
    tab.wait_for_selector("#maps figure")
    return tab


def ask(page, sentence: str) -> str:
    """Type a sentence -> what the page says."""
    page.get_by_label("Sentence", exact=True).fill(sentence)
    page.get_by_role("button", name="Segment").click()
    return said_of(page)


def said_of(page) -> str:
    """What the page says when it has answered."""
    page.wait_for_function("document.getElementById('status').textContent !== 'Computing…'")
    return page.get_by_role("status").inner_text()


def picture(page, name: str) -> bytes:
    return page.get_by_role("img", name=name, exact=True).screenshot()


MASK, CLIP = "The segmented frame with the mask", "The clip"


def asked(segmenter, frames):
    """For each clip of the page and each of some sentences: its place, the sentence, the inputs."""
    for place, samples in enumerate(frames):
        seen = segmenter.clip(samples[0].video(), samples[0].frame)
        for query in [*(one.query for one in samples), "a zorp dog", "left"]:
            yield place, query, seen.features, torch.from_numpy(segmenter.encode(query).vectors)


@torch.inference_mode()
def on_rounded_inputs(model, features, words):
    """What the library computes from F_V and word vectors as the page has them."""
    hook = model.visual_encoder.register_forward_hook(lambda *call: call[-1].half().float())
    out = model(features, words.half().float()[None])
    hook.remove()
    return out


def test_responses_and_attention_are_the_librarys(opened, segmenter, frames):
    worst, compared = 0.0, 0
    for place, query, features, words in asked(segmenter, frames):
        found = opened.evaluate(
            """([place, query]) => {
              const out = answer(kit.clips[place], query);
              return [...["small", "medium", "large"].map((name) => out[name].values),
                out.wordAttention, out.contextAttention].map((values) => [...values]);
            }""", [place, query],
        )  # fmt: skip
        expected = on_rounded_inputs(segmenter.model, features, words)
        for ours, theirs in zip(found, expected, strict=True):
            difference = (torch.tensor(ours) - theirs.flatten()).abs().max()
            worst, compared = max(worst, float(difference)), compared + 1
    print(f"largest difference of {compared} maps: {worst:.1e}")
    assert compared >= 30 and worst < 1e-3


def test_the_pages_rounding_moves_no_probability_by_two_thousandths(segmenter, frames):
    for _, _, features, words in asked(segmenter, frames):
        with torch.inference_mode():
            exact = segmenter.model(features, words[None])
        rounded = on_rounded_inputs(segmenter.model, features, words)
        for one, other in zip(exact[:3], rounded[:3], strict=True):
            assert (one.sigmoid() - other.sigmoid()).abs().max() < 2e-3


def test_sentences_are_read_as_the_library_reads_them(opened):
    assert opened.evaluate("sentences => sentences.map(tokenize)", TYPED) == [*map(tokenize, TYPED)]


def test_a_sentence_changes_the_mask_and_each_word_has_its_map(opened, shoot):
    first = picture(opened, MASK)
    for example in opened.locator("#examples button").all():
        example.click()
        assert said_of(opened).startswith("Computed in")
        tokens = tokenize(example.inner_text())
        assert opened.locator("#maps b").all_inner_texts() == ["response", *tokens]
    shoot("playground")
    ask(opened, "right")
    assert picture(opened, MASK) != first


def test_threshold_and_frame_can_be_moved(opened):
    narrow, still = picture(opened, MASK), picture(opened, CLIP)
    opened.get_by_label("Threshold", exact=True).fill("5")
    assert picture(opened, MASK) != narrow
    opened.get_by_label("Frame", exact=True).fill("1")
    assert picture(opened, CLIP) != still


def test_the_overlap_with_whom_a_sentence_means_is_the_librarys(opened, segmenter, frames):
    for place, samples in enumerate(frames):
        opened.get_by_role("group", name="Clip").get_by_role("button").nth(place).click()
        for sample in samples:
            ask(opened, sample.query)
            told = opened.locator("#overlap").inner_text()
            found = segmenter.segment(sample.video(), sample.query, sample.frame)
            wanted = 100 * iou(found.mask, sample.mask())
            assert abs(float(re.fullmatch(r"IoU ([0-9.]+) %", told)[1]) - wanted) <= 1
    outlined = picture(opened, MASK)
    opened.get_by_label("Show whom the sentence means").uncheck()
    assert picture(opened, MASK) != outlined
    ask(opened, "a dog that nobody drew")
    assert opened.locator("#overlap").inner_text() == ""


def test_a_question_is_acknowledged_before_it_is_answered(opened):
    assert (
        opened.evaluate("""() => {
      document.querySelector('#examples button').click();
      return document.getElementById('status').textContent;
    }""")
        == "Computing…"
    )
    assert said_of(opened).startswith("Computed in")


def test_every_clip_can_be_chosen(opened):
    clips = opened.get_by_role("group", name="Clip").get_by_role("button")
    before = picture(opened, MASK)
    clips.nth(1).click()
    said_of(opened)
    assert clips.nth(1).get_attribute("aria-pressed") == "true"
    assert picture(opened, MASK) != before and clips.count() == 2


def test_what_the_network_cannot_read_is_said_and_the_next_sentence_answered(opened, shoot):
    for sentence, said in {
        "a zorp dog": "Unknown words, which the network cannot see: zorp.",
        "zorp blimf": "None of these words is known here: zorp, blimf.",
        " … ": "No word in it: write a sentence such as “a red car”.",
        "dog " * 21: "21 words: shorten it to at most 20.",
    }.items():
        assert ask(opened, sentence).endswith(said)
    shoot("playground-nonsense")
    assert ask(opened, "a dog").startswith("Computed in")


def test_it_fits_a_phone(opened, shoot):
    opened.set_viewport_size(PHONE)
    assert opened.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    shoot("playground-phone")
