"""Clips that move inside a lesson: every frame, in its place, with its masks."""

import re
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from helpers.answers import HEADLINE
from helpers.footage import picture
from PIL import Image

from acga_lib.benchmark.drawing.renderer import render
from acga_lib.benchmark.world.scene import Instance, Scene
from acga_lib.report.figures import overlays
from acga_lib.report.moving import STILL, masks_over_time, moving, side_by_side
from acga_lib.segmenter import Segmenter


@pytest.fixture(scope="module")
def drawn():
    """A clip of the size that lessons show, and the masks of its two actors."""
    dog = Instance(actor="dog", action="running", color="white", pattern="plain", x=0.3, y=0.57,
                   size=0.4, facing=1, depth=0.5, seed=3)  # fmt: skip
    car = Instance(actor="car", action="rolling", color="blue", pattern="plain", x=0.75, y=0.6,
                   size=0.3, facing=-1, depth=0.4, seed=4)  # fmt: skip
    return render(Scene(instances=(dog, car), background="grass", frames=20, height=160, width=224,
                        seed=5, split="test"))  # fmt: skip


def played(shown) -> tuple[list[np.ndarray], list[int], int]:
    """What a page shows: frames, milliseconds for which each stays, how often (0: for ever)."""
    data = re.search(r'src="data:image/webp;base64,([\w+/=]+)"', shown._repr_html_())
    frames, stays = [], []
    with Image.open(BytesIO(b64decode(data[1]))) as file:
        for index in range(file.n_frames):
            file.seek(index)
            frames.append(np.asarray(file.convert("RGB")))
            stays.append(file.info["duration"])
        return frames, stays, file.info["loop"]


def test_every_frame_is_shown_in_its_order_with_its_masks_and_the_clip_begins_again(drawn):
    frames, masks = drawn
    found, stays, loop = played(moving(frames, masks, description="a dog and a car", rate=10))
    assert len(found) == len(frames) and stays == [100] * len(frames) and loop == 0
    for index, one in enumerate(found):
        wanted = overlays(frames[index], list(masks[:, index]), opacity=0.4).astype(float)
        assert np.abs(wanted - one).mean() < 6, index  # WebP, in half the colour resolution
        inside = masks[0, index]
        assert np.abs(wanted - one)[inside].mean() < 12
        assert np.abs(frames[index].astype(float) - one)[inside].mean() > 20, "the mask is seen"


def test_a_clip_without_masks_is_left_as_it_is(drawn):
    found, _, _ = played(moving(drawn[0], description="a dog and a car"))
    assert np.abs(found[0] - drawn[0][0].astype(float)).mean() < 6


def test_a_clip_stops_on_its_still_frame_alone(drawn):
    _, stays, _ = played(moving(drawn[0], description="a dog", still=8, rate=20))
    assert stays[8] == 1000 * STILL and stays[:8] + stays[9:] == [50] * (len(stays) - 1)


def test_a_clip_of_a_lesson_is_small_enough_for_a_page(drawn):
    assert len(moving(*drawn, description="a dog and a car").webp) < 120_000


def test_its_bytes_stand_in_the_page_once_and_its_description_cannot_leave_its_place(drawn):
    shown = moving(drawn[0][:2], description='a "dog" <b>', zoom=2)
    page = shown._repr_html_()
    assert 'alt="a &quot;dog&quot; &lt;b&gt;"' in page and "width:448px" in page
    assert len(repr(shown)) < 200, "a notebook keeps the repr beside the picture"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"masks": [np.zeros((3, 48, 80), dtype=bool)]}, r"\(3, 48, 80\) .* fit .*\(4, 48, 80\)"),
        ({"still": 4}, "still frame 4 is outside a clip of 4 frames"),
    ],
)
def test_what_does_not_fit_the_clip_is_named(given, said):
    clip = np.stack([picture(index) for index in range(4)])
    with pytest.raises(ValueError, match=said):
        moving(clip, **{"description": "squares", **given})


def test_clips_side_by_side_keep_their_pixels_beneath_their_names():
    one, other = (np.stack([picture(i + first) for i in range(3)]) for first in (0, 9))
    joined = side_by_side({"one": one, "other": other})
    height, width = one.shape[1:3]
    assert joined.shape[0] == 3 and joined.shape[2] == 2 * width
    assert np.array_equal(joined[:, -height:, :width], one)
    assert np.array_equal(joined[:, -height:, width:], other)
    heads = joined[0, :-height, :width], joined[0, :-height, width:]
    assert all(head.min() < 100 for head in heads), "both names are written"
    assert (heads[0] != heads[1]).any()


def test_answers_over_time_are_the_segmenters_own_and_held_in_between(drawn):
    segmenter, frames = Segmenter.from_run(HEADLINE), drawn[0]
    queries, numbers = ("the white dog", "the car on the right"), (3, 4, 5, 6, 7)
    found = masks_over_time(segmenter, frames, queries, numbers, every=3)
    assert found.shape == (2, 5, *frames.shape[1:3])
    for place, number in enumerate((3, 3, 3, 6, 6)):
        for query, masks in zip(queries, found, strict=True):
            assert np.array_equal(masks[place], segmenter.segment(frames, query, number).mask)
    assert (found[0] != found[1]).any(), "two sentences, two answers"
