"""The ReferIt reader, on folders built by hand."""

import json

import numpy as np
import pytest
from helpers.footage import corner, picture
from PIL import Image
from scipy.io import savemat

from acga_lib.datasets import open_dataset
from acga_lib.errors import ConfigError, DataError, QueryError

HEIGHT, WIDTH = 6, 8
LONG = " ".join(f"word{number}" for number in range(25))


def write_region(root, key, pixel):
    """A region of one pixel; zero is foreground."""
    away = np.ones((HEIGHT, WIDTH), np.uint8)
    away[pixel] = 0
    savemat(root / "referit-dataset" / "mask" / f"{key}.mat", {"segimg_t": away})


def write_queries(root, name, queries):
    (root / "data" / name).write_text(json.dumps(queries))


@pytest.fixture
def root(tmp_path):
    """Image 'i_1' with two regions for training, image '7' with one for testing."""
    for folder in ("referit-dataset/images", "referit-dataset/mask", "data"):
        (tmp_path / folder).mkdir(parents=True)
    for name, value in (("i_1", 90), ("7", 200)):
        image = Image.new("RGB", (WIDTH, HEIGHT), (value, value, value))
        image.save(tmp_path / "referit-dataset" / "images" / f"{name}.jpg")
    write_region(tmp_path, "i_1_1", (0, 3))
    write_region(tmp_path, "i_1_2", (5, 1))
    write_region(tmp_path, "7_1", (2, 2))
    train = {"i_1_2": [" Red Car", "car on left"], "i_1_1": [LONG]}
    write_queries(tmp_path, "referit_query_trainval.json", train)
    write_queries(tmp_path, "referit_query_test.json", {"7_1": ["cat"]})
    return tmp_path


def train(root):
    return open_dataset("referit", root=root, split="train")


def test_every_expression_is_a_sample_of_its_split(root):
    keys = [(s.video_id, s.instance, s.query) for s in train(root)]
    assert keys[:2] == [("i_1", 2, "red car"), ("i_1", 2, "car on left")]
    assert keys[2] == ("i_1", 1, LONG.rsplit(" ", 5)[0]), "20 of 25 words stay"
    (test,) = open_dataset("referit", root=root, split="test")
    assert (test.video_id, test.frame, test.frame_count, test.query) == ("7", 1, 1, "cat")


def test_the_clip_is_the_image_that_stands_still_and_zero_is_foreground(root):
    sample = train(root)[0]
    assert (sample.height, sample.width) == (HEIGHT, WIDTH)
    clip = sample.clip(frames=4)
    assert clip.shape == (4, HEIGHT, WIDTH, 3) and (clip == clip[0]).all()
    assert abs(int(clip[0, 0, 0, 0]) - 90) < 4 and sample.video().shape[0] == 1
    assert np.argwhere(sample.mask()).tolist() == [[5, 1]]
    assert sample.video_files == (root / "referit-dataset" / "images" / "i_1.jpg",)


def test_each_expression_may_have_its_own_cue(root):
    cues = {"i_1_2": [{"cue": "attribute", "color": "red"}, {"cue": "place", "color": ""}]}
    write_queries(root, "cues.json", cues)
    found = [(s.cue, s.color) for s in train(root)]
    assert found == [("attribute", "red"), ("place", None), (None, None)]
    write_queries(root, "cues.json", {"i_1_2": [{"cue": "attribute"}]})
    with pytest.raises(DataError, match=r"cues\.json: i_1_2 holds 1 cues for 2"):
        train(root)


def test_expressions_without_a_word_are_left_out_with_a_warning(root):
    write_queries(root, "referit_query_trainval.json", {"i_1_2": ["?", "a car", " "]})
    with pytest.warns(UserWarning, match=r"trainval\.json: 2 expressions .* the first of i_1_2"):
        assert [sample.query for sample in train(root)] == ["a car"]


def test_a_picture_that_is_a_gif_named_jpg_is_read(root):
    path = root / "referit-dataset" / "images" / "i_1.jpg"
    Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90)).save(path, format="GIF")
    assert (train(root)[0].clip(1) == 90).all()


@pytest.mark.parametrize(
    ("queries", "error", "message"),
    [
        ({"i_1_2": ["a car", 7]}, QueryError, "i_1_2 has an expression that is no text: 7"),
        ({"i_1_x": ["a car"]}, DataError, "'i_1_x' is not"),
        ({"i_9_1": ["a car"]}, DataError, r"i_9\.jpg: no such image"),
        ({"i_1_2": "a car"}, DataError, "object of lists"),
        ({}, DataError, "has no train sample"),
    ],
)
def test_bad_expressions_raise_and_name_file_and_key(root, queries, error, message):
    write_queries(root, "referit_query_trainval.json", queries)
    with pytest.raises(error, match=message):
        train(root)


def test_damaged_files_raise_and_are_named(root):
    sample = train(root)[0]
    savemat(sample.mask_path, {"segimg_t": np.ones((HEIGHT, WIDTH))})
    with pytest.raises(DataError, match=r"i_1_2\.mat: the mask of region 2 is empty"):
        sample.mask()
    savemat(sample.mask_path, {"segimg_t": np.zeros((3, 3))})
    with pytest.raises(DataError, match=r"i_1_2\.mat: is 3 × 3"):
        sample.mask()
    sample.video_path.write_bytes(sample.video_path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"i_1\.jpg"):
        sample.clip()
    (root / "data" / "referit_query_trainval.json").write_text("{")
    with pytest.raises(DataError, match="not readable JSON"):
        train(root)
    with pytest.raises(ConfigError, match="train or test"):
        open_dataset("referit", root=root, split="val")


@pytest.mark.parametrize("drawn_on", ["stored pixels", "upright pixels"])
def test_the_masks_say_whether_a_photograph_taken_sideways_is_turned(root, drawn_on):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(9)).save(root / "referit-dataset" / "images" / "7.jpg", exif=exif)
    size = (48, 80) if drawn_on == "stored pixels" else (80, 48)
    region = np.ones(size, dtype=np.uint8)
    region[1, 2] = 0
    savemat(root / "referit-dataset" / "mask" / "7_1.mat", {"segimg_t": region})
    (sample,) = open_dataset("referit", root=root, split="test")
    assert (sample.height, sample.width) == sample.mask().shape == sample.clip(1).shape[1:3] == size
    seen = "top left" if drawn_on == "stored pixels" else "top right"
    assert corner(sample.clip(frames=1)[0]) == seen
