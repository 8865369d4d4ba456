"""The feature store: killed and continued, never stale, and its named errors."""

import shutil
from dataclasses import replace

import jobs
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from acga_lib.datasets.toy_files import write_clip
from acga_lib.errors import CheckpointError, DataError
from acga_lib.features import FeatureStore, Recipe
from acga_lib.i3d import load_i3d
from acga_lib.video import Letterbox, read_frames


def entries(folder):
    """Every stored feature of a store: path below its root -> bytes."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.npz")}


@pytest.fixture
def store(tiny, toy_trunk, tmp_path):
    return FeatureStore(tmp_path / "store", Recipe.of(tiny, toy_trunk))


@pytest.fixture
def copied(toy_root, tmp_path):
    """The benchmark under another folder, where a test may break it."""
    return shutil.copytree(toy_root, tmp_path / "broken")


class NoTrunk(torch.nn.Module):
    def trunk(self, clips):
        raise AssertionError("something was computed again")


def test_an_extraction_that_is_killed_twice_ends_with_the_same_bytes(
    job, toy_root, toy_trunk, toy_features, tmp_path
):
    for point in ("entry:5", "entry:4"):  # in the middle of a video, then of a later one
        status, _ = job("extract", toy_root, toy_trunk, tmp_path, point)
        assert status == -9
        assert list(tmp_path.rglob("*.tmp")), "the kill should have left half an entry"
        assert 0 < len(entries(tmp_path)) < len(entries(toy_features))
    status, out = job("extract", toy_root, toy_trunk, tmp_path)
    assert status == 0, out
    assert 0 < int(out) < len(entries(toy_features))  # the rest only
    assert entries(tmp_path) == entries(toy_features)
    assert not list(tmp_path.rglob("*.tmp"))


def test_two_processes_that_extract_at_once_share_the_work(
    job, toy_root, toy_trunk, toy_features, tmp_path
):
    both = [job("extract", toy_root, toy_trunk, tmp_path, wait=False) for _ in range(2)]
    results = [wait() for wait in both]
    assert [status for status, _ in results] == [0, 0], results
    assert sum(int(out) for _, out in results) == len(entries(toy_features))
    assert entries(tmp_path) == entries(toy_features)


def test_an_entry_is_the_trunk_on_the_letterboxed_clip_in_half_precision(
    tiny, toy_root, toy_trunk, toy_features
):
    sample = jobs.samples(toy_root)[0]
    found = FeatureStore(toy_features, Recipe.of(tiny, toy_trunk)).get(sample)
    box = Letterbox(height=sample.height, width=sample.width, side=tiny.side)
    clip = box.frames(sample.clip(tiny.frames)).transpose(3, 0, 1, 2)[None] / 127.5 - 1
    with torch.no_grad():
        wanted = load_i3d(toy_trunk).trunk(torch.from_numpy(clip.astype(np.float32)))[0].numpy()
    assert found.dtype == np.float16 and found.shape == (132, 4, 4, 4)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=1e-5 + 1e-3 * wanted.max())


def test_a_second_extraction_computes_nothing(tiny, toy_root, toy_trunk, toy_features):
    store = FeatureStore(toy_features, Recipe.of(tiny, toy_trunk))
    samples = jobs.samples(toy_root)
    assert store.extract(samples, NoTrunk(), progress=False) == 0
    pairs = {(sample.video_id, sample.frame) for sample in samples}
    assert store.size()[0] == len(pairs) < len(samples)  # once per frame, not per sentence


def test_another_trunk_or_side_or_length_finds_no_old_features(
    tiny, toy_root, toy_trunk, toy_features, tmp_path
):
    sample = jobs.samples(toy_root)[0]
    weights = load_file(toy_trunk)
    weights["mixed_3b.branch_0.conv3d.weight"][0, 0] += 1e-6
    save_file(weights, tmp_path / "other.safetensors")
    assert sample in FeatureStore(toy_features, Recipe.of(tiny, toy_trunk))
    for recipe in (
        Recipe.of(tiny, tmp_path / "other.safetensors"),
        Recipe.of(replace(tiny, side=80), toy_trunk),
        Recipe.of(replace(tiny, frames=8), toy_trunk),
    ):
        assert sample not in FeatureStore(toy_features, recipe)


def test_a_changed_video_is_extracted_again_even_by_the_same_store(copied, store, toy_trunk):
    first, trunk = jobs.samples(copied)[0], load_i3d(toy_trunk)
    store.extract([first], trunk, progress=False)
    before = store.get(first)
    write_clip(first.video_path, read_frames(first.video_path)[:, :, ::-1].copy())  # mirrored
    assert first not in store
    assert store.extract([first], trunk, progress=False) == 1
    assert not np.array_equal(store.get(first), before)


def test_a_truncated_video_is_named_and_what_came_before_it_stays(copied, store, toy_trunk):
    samples = jobs.samples(copied)
    broken = samples[-1].video_path
    broken.write_bytes(broken.read_bytes()[:-2000])
    with pytest.raises(DataError, match=broken.name):
        store.extract(samples, load_i3d(toy_trunk), progress=False)
    kept = [sample for sample in samples if sample in store]
    assert kept == [sample for sample in samples if sample.video_path != broken]


def test_a_missing_video_is_named(copied, store, toy_trunk):
    sample = jobs.samples(copied)[0]
    sample.video_path.unlink()
    with pytest.raises(DataError, match=sample.video_path.name):
        store.extract([sample], load_i3d(toy_trunk), progress=False)


def test_a_missing_entry_says_which_notebook_makes_it(store, toy_root):
    sample = jobs.samples(toy_root)[0]
    with pytest.raises(DataError, match=rf"{sample.video_id}.*02_feature_extraction"):
        store.get(sample)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[::-1]])
def test_a_damaged_entry_is_named_and_gone_after_its_remedy(store, toy_root, toy_trunk, damage):
    sample = jobs.samples(toy_root)[0]
    trunk = load_i3d(toy_trunk)
    store.extract([sample], trunk, progress=False)
    path, whole = store.path(sample), store.path(sample).read_bytes()
    path.write_bytes(damage(whole))
    with pytest.raises(DataError, match=f"{path.name}.*delete it and extract again"):
        store.get(sample)
    path.unlink()
    store.extract([sample], trunk, progress=False)
    assert path.read_bytes() == whole


def test_a_missing_weight_file_is_named(tiny, tmp_path):
    with pytest.raises((DataError, CheckpointError), match=r"absent\.safetensors"):
        Recipe.of(tiny, tmp_path / "absent.safetensors")
