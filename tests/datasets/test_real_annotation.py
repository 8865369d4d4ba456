"""The readers on the real annotation: the peers' sample lists, and the real test masks.

The footage may not be had without its publishers, so the folders are built around the real lists:
the HDF5 files of A2D Sentences with the real masks where a mask is known (the test set), and stub
frames and masks in J-HMDB's layout.
"""

import json
import os
import shutil
from collections import defaultdict

import h5py
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from scipy.io import savemat

from acga_lib.datasets import checks, open_dataset
from acga_lib.datasets.jhmdb import scored_frames
from acga_lib.errors import ConfigError, DataError

SIZE = (320, 480)


def peers(shared, split):
    """The peers' rows as {(sentence, video, frame, instance)}."""
    path = shared / f"a2d_sentences/a2d_sentences_single_frame_{split}_annotations.json"
    return {(q.strip().lower(), v, f, int(i)) for q, _, v, f, i in json.loads(path.read_text())}


@pytest.fixture(scope="module")
def real_masks(shared):
    """(video, frame, instance) -> the real mask of the test set, run-length encoded."""
    path = shared / "a2d_sentences/a2d_sentences_test_annotations_in_coco_format.json"
    found = {}
    for annotation in json.loads(path.read_text())["annotations"]:
        video_frame, _, instance = annotation["image_id"].rpartition("_i_")
        video, _, frame = video_frame.removeprefix("v_").rpartition("_f_")
        found[video, int(frame), int(instance)] = annotation["segmentation"]
    return found


#: Files of the published annotation that contradict themselves, as several public readers of it
#: assert: ids that stand twice, and how many masks there are beyond the ids.
QUIRKS = {
    ("EadxBPmQvtg", 25): ((1,), 0), ("95Nq6fQoP2o", 32): ((), 1), ("I0MlLHTWCro", 20): ((), 2),
    ("IRrbHQjE4LQ", 16): ((), 1),
}  # fmt: skip


def write_h5(path, ids, masks):
    """MATLAB's order [K, W, H], and no first axis where there is one mask."""
    masks = np.stack([mask.T for mask in masks])
    with h5py.File(path, "w") as file:
        file["instance"] = np.array(ids)
        data = masks[0] if len(masks) == 1 else masks
        file.create_dataset("reMask", data=data, compression="lzf")


@pytest.fixture(scope="module")
def a2d(shared, real_masks, tmp_path_factory):
    """All 3,782 videos of A2D Sentences as published, the mp4 files and training masks apart."""
    root = tmp_path_factory.mktemp("a2d")
    texts = root / "text_annotations"
    folder = texts / "a2d_annotation_with_instances"
    folder.mkdir(parents=True)
    for name in ("a2d_annotation.txt", "a2d_missed_videos.txt"):
        shutil.copy(shared / "a2d_sentences" / name, texts)
    manifest, stubs = [], {}
    for split in ("train", "test"):
        videos = defaultdict(lambda: defaultdict(set))
        for _, video, frame, instance in peers(shared, split):
            videos[video][frame].add(instance)
        for video, frames in videos.items():
            (folder / video).mkdir()
            height, width = SIZE
            for frame, ids in frames.items():
                path, key = folder / video / f"{frame:05d}.h5", tuple(sorted(ids))
                again, beyond = QUIRKS.get((video, frame), ((), 0))
                if split == "test":
                    masks = [coco_mask.decode(real_masks[video, frame, i]) for i in key]
                    height, width = masks[0].shape
                    write_h5(path, key + again, masks + [1 - masks[0]] * len(again))
                elif (key, beyond) in stubs:
                    path.write_bytes(stubs[key, beyond])
                else:
                    write_h5(path, key, np.ones((len(key) + beyond, 2, 3), np.uint8))
                    stubs[key, beyond] = path.read_bytes()
            row = f"{video},11,0:00:00,0:00:09,{height},{width},{max(frames)},{len(frames)}"
            manifest.append(f"{row},{int(split == 'test')}\n")
    for video in (texts / "a2d_missed_videos.txt").read_text().split():
        manifest.append(f"{video},11,0:00:00,0:00:09,{SIZE[0]},{SIZE[1]},99,3,{len(video) % 2}\n")
    (root / "Release").mkdir()
    (root / "Release" / "videoset.csv").write_text("".join(manifest))
    assert len(manifest) == 3782
    return root


@pytest.mark.parametrize(("split", "count"), [("train", 15747), ("test", 3800)])
def test_a2d_sentences_has_exactly_the_samples_that_the_peers_list(shared, a2d, split, count):
    with pytest.warns(UserWarning, match="as by other readers") as told:
        samples = open_dataset("a2d", root=a2d, split=split)
    assert len(told) == (3 if split == "train" else 1), "the files that contradict themselves"
    found = [(s.query, s.video_id, s.frame, s.instance) for s in samples]
    assert len(found) == len(set(found)) == count
    assert set(found) == peers(shared, split)


def test_check_data_arrives_at_the_published_counts(a2d, jhmdb):
    report = checks.check_a2d(a2d, progress=False)
    assert report.counts == report.expected == checks.A2D_COUNTS
    assert len(report.problems.pop("videos")) == 3754, "no footage here"
    assert not report.problems
    report = checks.check_jhmdb(jhmdb, progress=False)
    assert report.counts == report.expected == checks.JHMDB_COUNTS and not report.problems


def test_the_files_quirks_are_in_the_lists_that_were_read(a2d):
    texts = a2d / "text_annotations"
    assert "\nT6bNPuKV-wY,1 (copy)," in (texts / "a2d_annotation.txt").read_text()
    missed = (texts / "a2d_missed_videos.txt").read_text()
    assert len(missed.split()) == 28 and not missed.endswith("\n")


def test_a_samples_mask_is_the_real_one(a2d, real_masks):
    every, alone = open_dataset("a2d", root=a2d, split="test"), 0
    samples = every[::20]
    quirk = [s for s in every if (s.video_id, s.frame) in QUIRKS]
    assert len(quirk) > 5
    for sample in (*samples, *quirk):
        encoded = real_masks[sample.video_id, sample.frame, sample.instance]
        np.testing.assert_array_equal(sample.mask(), coco_mask.decode(encoded).astype(bool))
        with h5py.File(sample.mask_path) as file:
            alone += file["reMask"].ndim == 2
    assert len(samples) == 190 and 20 < alone < 180, "files with one mask and with several"


@pytest.fixture(scope="module")
def jhmdb(shared, tmp_path_factory):
    """All 928 clips in J-HMDB's layout; every third has two frames more than masks."""
    root = tmp_path_factory.mktemp("jhmdb")
    shutil.copy(shared / "jhmdb_sentences" / "jhmdb_annotation.txt", root)
    image = root / "frame.png"
    Image.new("RGB", (8, 6)).save(image)
    masks_of = {}
    for video, png, _, masks, _ in frozen_rows(shared):
        masks_of[png.split("/")[-3], video] = masks
    for number, ((action, video), masks) in enumerate(masks_of.items()):
        frames = root / "Rename_Images" / action / video
        frames.mkdir(parents=True)
        for frame in range(1, masks + 1 + 2 * (number % 3 == 0)):
            os.link(image, frames / f"{frame:05d}.png")
        template = root / f"{masks}.mat"
        if not template.exists():
            parts = np.zeros((6, 8, masks), np.uint8)
            parts[0, 0] = 1 + np.arange(masks)
            savemat(template, {"part_mask": parts})
        target = root / "puppet_mask" / action / video
        target.mkdir(parents=True)
        os.link(template, target / "puppet_mask.mat")
    return root


def frozen_rows(shared):
    return json.loads(frozen(shared).read_text())


def frozen(shared):
    return shared / "jhmdb_sentences" / "jhmdb_sentences_samples_metadata.json"


def test_j_hmdb_under_the_frozen_choice_has_exactly_the_samples_that_the_peers_score(shared, jhmdb):
    samples = open_dataset("jhmdb", root=jhmdb, split="test", frames=frozen(shared))
    found = {(s.video_id, s.frame, s.query) for s in samples}
    expected = {(v, int(png[-9:-4]), q.strip().lower()) for v, png, _, _, q in frozen_rows(shared)}
    assert len(samples) == len(expected) == 2784 and found == expected
    assert all(sample.mask().sum() == 1 for sample in samples[::100])


def test_j_hmdb_by_default_spreads_three_frames_over_those_with_a_mask(shared, jhmdb):
    samples = open_dataset("jhmdb", root=jhmdb, split="test")
    masks = {row[0]: row[3] for row in frozen_rows(shared)}
    assert len(samples) == 2784
    found = defaultdict(list)
    for sample in samples:
        found[sample.video_id].append(sample.frame)
    assert found == {video: scored_frames(count) for video, count in masks.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [[r[0], r[1][:-9] + "00099.png"] for r in rows], "frozen choice wants"),
        (lambda rows: rows[:-3], "frozen choice wants"),
        (lambda rows: {"rows": rows}, "not MTTR's list"),
        (lambda rows: [[r[0], "first.png"] for r in rows], "not MTTR's list"),
    ],
)
def test_a_frozen_choice_that_does_not_fit_is_named(shared, jhmdb, tmp_path, change, message):
    path = tmp_path / "choice.json"
    path.write_text(json.dumps(change(frozen_rows(shared))))
    with pytest.raises(DataError, match=message):
        open_dataset("jhmdb", root=jhmdb, split="test", frames=path)
    with pytest.raises(ConfigError, match="a choice for jhmdb"):
        open_dataset("a2d", root=jhmdb, split="test", frames=path)
