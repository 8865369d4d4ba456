"""The A2D Sentences reader, on real clips and folders with one thing broken."""

import errno
import shutil

import av
import h5py
import numpy as np
import pytest
from helpers import footage

from acga_lib.datasets import open_dataset
from acga_lib.datasets.a2d_lists import read_missed
from acga_lib.errors import ConfigError, DataError, QueryError
from acga_lib.files import arrays

HEIGHT, WIDTH = 32, 48


def write_video(path, count):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for index in range(count):
            pixels = np.full((HEIGHT, WIDTH, 3), 10 * index, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def write_masks(path, instances, masks):
    """MATLAB's order: [K, W, H], and no first axis where there is one mask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    masks = np.asarray(masks, dtype=np.uint8).transpose(0, 2, 1)
    with h5py.File(path, "w") as file:
        file["instance"] = np.array(instances)
        file["reMask"] = masks[0] if len(masks) == 1 else masks


def corner(row, column):
    """A mask of one pixel."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[row, column] = True
    return mask


@pytest.fixture
def root(tmp_path):
    """Three videos: '-pair' (train, 2 actors on frame 3, one on frame 6), 'solo' (test), 'lost'."""
    clips = tmp_path / "Release" / "clips320H"
    clips.mkdir(parents=True)
    texts = tmp_path / "text_annotations"
    masks = texts / "a2d_annotation_with_instances"
    for name in ("-pair", "solo"):
        write_video(clips / f"{name}.mp4", 8)
    write_masks(masks / "-pair" / "00003.h5", [1, 0], [corner(0, 5), corner(2, 7)])
    write_masks(masks / "-pair" / "00006.h5", [1], [corner(1, 9)])
    write_masks(masks / "solo" / "00002.h5", [0], [corner(3, 4)])
    row = f"0:00:00,0:00:01,{HEIGHT},{WIDTH}"
    (tmp_path / "Release" / "videoset.csv").write_text(
        f"-pair,11,{row},8,2,0\nsolo,22,{row},8,1,1\nlost,22,{row},8,1,0\n"
    )
    (texts / "a2d_missed_videos.txt").write_text("other\nlost")
    (texts / "a2d_annotation.txt").write_text(
        "video_id,instance_id,query\n"
        "-pair,0, A Man walks\n-pair,1,a dog runs\n-pair,1 (copy),a dog\n"
        "solo,0,cat\nlost,0,a cat\n"
    )
    return tmp_path


def keys(samples):
    return [(s.video_id, s.frame, s.instance, s.query) for s in samples]


def test_samples_follow_the_rules_that_every_peer_shares(root):
    assert keys(open_dataset("a2d", root=root, split="train")) == [
        ("-pair", 3, 0, "a man walks"),
        ("-pair", 3, 1, "a dog runs"),
        ("-pair", 6, 1, "a dog runs"),
    ]
    assert keys(open_dataset("a2d", root=root, split="test")) == [("solo", 2, 0, "cat")]


def test_masks_are_transposed_and_found_by_instance_also_where_there_is_one(root):
    first, second, third = open_dataset("a2d", root=root, split="train")
    for sample, pixel in ((first, (2, 7)), (second, (0, 5)), (third, (1, 9))):
        assert sample.mask().dtype == np.bool_
        np.testing.assert_array_equal(sample.mask(), corner(*pixel))


def test_the_clips_middle_is_the_annotated_frame(root):
    clip = open_dataset("a2d", root=root, split="train")[0].clip(frames=6)
    assert clip.shape == (6, HEIGHT, WIDTH, 3)
    assert [round(float(frame.mean()) / 10) for frame in clip] == [0, 0, 1, 2, 3, 4]


def test_every_real_pair_has_its_masks_on_different_sides(shared):
    root = shared / "real_pairs"
    train, test = (open_dataset("a2d", root=root, split=split) for split in ("train", "test"))
    everything = [*train, *test]
    assert (len(train), len(test)) == (360, 140)
    assert len({s.video_id for s in everything}) == 84
    assert len({(s.video_id, s.instance) for s in everything}) == 168
    assert len({s.mask_path for s in everything}) == 250
    for one, other in zip(everything[::2], everything[1::2], strict=True):
        sides = [np.flatnonzero(s.mask().any(0)).mean() > s.width / 2 for s in (one, other)]
        assert one.mask_path == other.mask_path and sides[0] != sides[1]
    assert everything[0].clip(frames=4).shape == (4, 320, 640, 3)


def test_cues_are_read_where_the_file_exists(root):
    assert open_dataset("a2d", root=root, split="train")[0].cue is None
    (root / "text_annotations" / "cues.csv").write_text(
        "video_id,instance_id,cue,actor,action,color\n-pair,0,motion,adult,walking,\n"
    )
    man, dog, _ = open_dataset("a2d", root=root, split="train")
    assert (man.cue, man.actor, man.action, man.color) == ("motion", "adult", "walking", None)
    assert dog.cue is None


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


MASKS = "text_annotations/a2d_annotation_with_instances/-pair"
SENTENCES = "text_annotations/a2d_annotation.txt"


def test_a_video_with_fewer_mask_files_than_its_row_says_is_told_and_kept(root):
    whole = open_dataset("a2d", root=root, split="train")
    (root / MASKS / "00006.h5").unlink()
    with pytest.warns(UserWarning, match=r"-pair: holds 1 .* says 2; `make check-data`"):
        found = open_dataset("a2d", root=root, split="train")
    assert list(found) == [s for s in whole if (s.video_id, s.frame) != ("-pair", 6)]


@pytest.mark.parametrize(
    ("breakage", "error", "message"),
    [
        (lambda r: [f.unlink() for f in (r / MASKS).iterdir()], DataError, "-pair: holds no mask"),
        (lambda r: shutil.rmtree(r / MASKS), DataError, "-pair: no such folder"),
        (lambda r: (r / MASKS / "00006.h5").write_bytes(b"x" * 99), DataError, r"00006\.h5"),
        (lambda r: (r / SENTENCES).unlink(), DataError, r"a2d_annotation\.txt: no such file"),
        (lambda r: replace(r / SENTENCES, "a dog runs", " "), QueryError, "line 3.*empty"),
        (lambda r: replace(r / SENTENCES, "-pair,1,", "-pair,one,"), DataError, "line 3"),
        (lambda r: replace(r / SENTENCES, "solo", "solitary"), DataError, "'solitary'"),
        (lambda r: replace(r / "Release/videoset.csv", "8,2,0", "8,2,7"), DataError, "line 1"),
    ],
)
def test_a_broken_folder_raises_when_opened_and_names_the_file(root, breakage, error, message):
    breakage(root)
    with pytest.raises(error, match=message):
        open_dataset("a2d", root=root, split="train")


@pytest.mark.parametrize(
    ("breakage", "message"),
    [
        (lambda r: write_masks(r / MASKS / "00003.h5", [5], [corner(0, 0)]), "not 0"),
        (lambda r: write_masks(r / MASKS / "00003.h5", [0, 1], [corner(0, 0)]), "reMask"),
        (lambda r: write_masks(r / MASKS / "00003.h5", [0], [np.zeros((9, 9))]), "9 × 9"),
        (lambda r: (r / MASKS / "00003.h5").write_bytes(b"x"), "not a readable HDF5"),
    ],
)
def test_a_broken_mask_raises_when_read_and_names_the_file(root, breakage, message):
    sample = open_dataset("a2d", root=root, split="train")[0]
    breakage(root)
    with pytest.raises(DataError, match=rf"00003\.h5.*{message}"):
        sample.mask()


def test_a_video_that_contradicts_the_manifest_raises_and_names_the_file(root):
    dataset = open_dataset("a2d", root=root, split="train")
    dataset.check()
    clip = root / "Release/clips320H/-pair.mp4"
    write_video(clip, 7)
    with pytest.raises(DataError, match=r"-pair\.mp4: holds 7 frames where 8 are expected"):
        dataset[0].clip()
    with pytest.raises(DataError, match=r"-pair\.mp4"):
        dataset.check()
    clip.unlink()
    with pytest.raises(DataError, match=r"-pair\.mp4: no such video"):
        dataset[0].clip()
    write_masks(root / MASKS / "00009.h5", [1], [corner(0, 0)])
    with pytest.raises(DataError, match=r"-pair\.mp4: frame 9 is outside"):
        open_dataset("a2d", root=root, split="train")[-1].clip()


def test_an_unknown_dataset_or_split_lists_the_valid_ones(root):
    with pytest.raises(ConfigError, match="a2d"):
        open_dataset("a3d", root=root, split="train")
    with pytest.raises(ConfigError, match="train or test"):
        open_dataset("a2d", root=root, split="val")


@pytest.mark.parametrize(("size", "lies"), [((48, 80), "top left"), ((80, 48), "top right")])
def test_the_size_of_masks_says_whether_they_lie_on_stored_or_on_upright_pixels(root, size, lies):
    footage.turn(footage.write_video(root / "Release/clips320H/solo.mp4"), 90)
    write_masks((root / MASKS).parent / "solo" / "00002.h5", [0], [np.ones(size)])
    sample = open_dataset("a2d", root=root, split="test")[0]
    for frames in (sample.clip(frames=2), sample.video()):
        assert frames.shape[1:3] == size and footage.corner(frames[0]) == lies


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_masks_are_read_on_a_file_system_without_locks(root, monkeypatch, code):
    whole = open_dataset("a2d", root=root, split="train")[0].mask()
    opened = h5py.File

    def without_locks(path, mode, locking=None):
        if locking is not False:
            raise OSError(code, "unable to lock file")
        return opened(path, mode, locking=locking)

    monkeypatch.setattr(arrays.h5py, "File", without_locks)
    assert np.array_equal(open_dataset("a2d", root=root, split="train")[0].mask(), whole)


def test_a_video_to_be_left_out_may_have_spaces_in_its_name(tmp_path):
    (tmp_path / "missed.txt").write_text("my clip 1\r\n\n other ")
    assert read_missed(tmp_path / "missed.txt") == {"my clip 1", "other"}


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_list_in_another_encoding_is_to_be_saved_anew_and_not_fetched(root, encoding):
    path = root / SENTENCES
    path.write_bytes(path.read_text().replace("a dog", "a dög").encode(encoding))
    with pytest.raises(DataError, match=r"a2d_annotation\.txt: is not UTF-8 .* save it as UTF-8"):
        open_dataset("a2d", root=root, split="train")
