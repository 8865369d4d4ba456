"""The J-HMDB Sentences reader, on folders built by hand and on the real annotation."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from acga_lib.datasets import open_dataset
from acga_lib.datasets.jhmdb import read_queries, scored_frames
from acga_lib.errors import ConfigError, DataError, QueryError

HEIGHT, WIDTH = 6, 8


def write_clip(root, action, video, *, frames, masks):
    """Frame number n is a plain picture of value 10n; mask number n is n labelled pixels."""
    folder = root / "Rename_Images" / action / video
    folder.mkdir(parents=True)
    for number in range(1, frames + 1):
        pixels = np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05d}.png")
    parts = np.zeros((HEIGHT, WIDTH, masks), np.uint8)
    for index in range(masks):
        parts[0, : index + 1, index] = 1 + index % 14  # puppet parts are numbered
    target = root / "puppet_mask" / action / video
    target.mkdir(parents=True)
    savemat(target / "puppet_mask.mat", {"part_mask": parts}, do_compression=True)


@pytest.fixture
def root(tmp_path):
    """Two clips: 'b' of 8 frames and 6 masks, 'a' of 4 frames and 4 masks; strays beside them."""
    write_clip(tmp_path, "wave", "b", frames=8, masks=6)
    write_clip(tmp_path, "clap", "a", frames=4, masks=4)
    for folder in ("Rename_Images", "Rename_Images/wave", "Rename_Images/wave/b", "puppet_mask"):
        (tmp_path / folder / ".DS_Store").write_bytes(b"x")
    for action in ("wave", "clap"):  # of a network drive
        (tmp_path / "Rename_Images" / action / "@eaDir").mkdir()
    (tmp_path / "jhmdb_annotation.txt").write_text(
        'video_id,query\nb, A Man waving\na,"woman, clapping"\n'
    )
    return tmp_path


def samples(root):
    return open_dataset("jhmdb", root=root, split="test")


def test_three_frames_are_spread_over_those_that_have_a_mask(root):
    keys = [(s.video_id, s.frame, s.instance, s.query) for s in samples(root)]
    assert keys == [
        ("b", 2, 0, "a man waving"), ("b", 4, 0, "a man waving"), ("b", 6, 0, "a man waving"),
        ("a", 1, 0, "woman, clapping"), ("a", 3, 0, "woman, clapping"),
        ("a", 4, 0, "woman, clapping"),
    ]  # fmt: skip
    assert scored_frames(3) == [1, 2, 3] and scored_frames(40) == [7, 21, 34]


def test_a_frame_goes_with_its_mask_and_its_clip_may_use_frames_without_one(root):
    dataset = samples(root)
    dataset.check()
    for sample in dataset:
        assert sample.mask().sum() == sample.frame and sample.mask().dtype == np.bool_
    clip = dataset[2].clip(frames=6)
    assert clip.shape == (6, HEIGHT, WIDTH, 3)
    assert clip[:, 0, 0, 0].tolist() == [30, 40, 50, 60, 70, 80]
    assert dataset[2].video().shape == (8, HEIGHT, WIDTH, 3)
    assert [path.name for path in dataset[3].video_files] == [f"0000{n}.png" for n in (1, 2, 3, 4)]


def test_cues_are_read_where_the_file_exists(root):
    assert samples(root)[0].cue is None
    (root / "cues.csv").write_text("video_id,instance_id,cue,actor,action\nb,0,action,adult,wave\n")
    first, *_, last = samples(root)
    assert (first.cue, first.action, last.cue) == ("action", "wave", None)


def test_an_action_is_new_unless_a2d_has_it_or_the_file_says_otherwise(root):
    assert {sample.action: sample.novelty for sample in samples(root)} == {
        "clap": "new", "wave": "new",
    }  # fmt: skip
    (root / "Rename_Images" / "wave").rename(root / "Rename_Images" / "walk")
    (root / "puppet_mask" / "wave").rename(root / "puppet_mask" / "walk")
    (root / "cues.csv").write_text("video_id,instance_id,novelty\na,0,known\n")
    assert {sample.action: sample.novelty for sample in samples(root)} == {
        "clap": "known", "walk": "known",
    }  # fmt: skip


def test_there_is_no_training_split(root):
    with pytest.raises(ConfigError, match="all its videos are test"):
        open_dataset("jhmdb", root=root, split="train")


def rewrite(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


WAVE, MASK = "Rename_Images/wave/b", "puppet_mask/wave/b/puppet_mask.mat"


@pytest.mark.parametrize(
    ("breakage", "error", "message"),
    [
        (lambda r: (r / WAVE / "00003.png").unlink(), DataError, r"00004\.png: expected 00003"),
        (lambda r: (r / MASK).unlink(), DataError, r"puppet_mask\.mat: no such"),
        (lambda r: (r / MASK).write_bytes(b"x" * 200), DataError, r"puppet_mask\.mat"),
        (lambda r: savemat(r / MASK, {"other": [1]}), DataError, r"holds no part_mask"),
        (lambda r: savemat(r / MASK, {"part_mask": np.ones((6, 8, 2))}), DataError, "2 of the"),
        (lambda r: savemat(r / MASK, {"part_mask": np.ones((6, 8))}), DataError, "1 of the"),
        (lambda r: savemat(r / MASK, {"part_mask": np.ones((8, 6, 9))}), DataError, "8 × 6"),
        (lambda r: shutil.rmtree(r / WAVE), DataError, "holds the video 'b'"),
        (lambda r: shutil.copytree(r / WAVE, r / "Rename_Images/run/b"), DataError, "same video"),
        (lambda r: rewrite(r / "jhmdb_annotation.txt", "b, A Man waving", "b, "), QueryError,
         "line 2.*video b"),
        (lambda r: rewrite(r / "jhmdb_annotation.txt", "\na,", "\nb,"), DataError, "line 3"),
        (lambda r: (r / "jhmdb_annotation.txt").unlink(), DataError, "no such file"),
    ],
)  # fmt: skip
def test_a_broken_folder_raises_when_opened_and_names_the_file(root, breakage, error, message):
    breakage(root)
    with pytest.raises(error, match=message):
        samples(root)


def test_an_empty_mask_and_a_damaged_frame_raise_when_read(root):
    savemat(root / MASK, {"part_mask": np.zeros((HEIGHT, WIDTH, 6))})
    first = samples(root)[0]
    with pytest.raises(DataError, match=r"puppet_mask\.mat: the mask of frame 2 is empty"):
        first.mask()
    (root / WAVE / "00002.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"00002\.png: not a readable image"):
        first.clip()
    Image.new("RGB", (9, 9)).save(root / WAVE / "00002.png")
    with pytest.raises(DataError, match=r"00002\.png: is 9 × 9"):
        first.clip()


def test_the_real_annotation_gives_the_peers_videos_and_sentences(shared):
    folder = shared / "jhmdb_sentences"
    queries = read_queries(folder / "jhmdb_annotation.txt")
    peers = json.loads((folder / "jhmdb_sentences_samples_metadata.json").read_text())
    assert len(queries) == 928 == len(peers) / 3
    assert queries == {row[0]: row[4].strip().lower() for row in peers}
    with (folder / "jhmdb_annotation.txt").open(newline="") as file:
        assert list(queries) == [row[0] for row in csv.reader(file)][1:]
