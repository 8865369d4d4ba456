"""The feature store: killed and continued, never stale, and its named errors."""

import shutil
import subprocess
import threading
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
import torch
from helpers import jobs
from safetensors.torch import load_file, save_file

from acga_lib import config
from acga_lib.clip import Letterbox
from acga_lib.config import RunConfig
from acga_lib.errors import CheckpointError, ConfigError, DataError, StorageError
from acga_lib.experiment import features, pipeline, tensors
from acga_lib.experiment.features import FeatureStore
from acga_lib.experiment.recipes import MODALITIES, Recipe
from acga_lib.experiment.tensors import SampleTensors
from acga_lib.files.mp4 import write_mp4
from acga_lib.files.video import read_frames
from acga_lib.i3d import I3D, load_i3d
from acga_lib.profiles import PROFILES
from acga_lib.text import WordVectors
from acga_lib.vgg import VGG16, image_to_input


def entries(folder):
    """Every stored feature of a store: path below its root -> bytes."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.f16")}


@pytest.fixture
def store(tiny, toy_trunk, tmp_path):
    return FeatureStore(tmp_path / "store", Recipe.of(tiny, toy_trunk))


@pytest.fixture
def copied(toy_root, tmp_path):
    """The benchmark under another folder, where a test may break it."""
    return shutil.copytree(toy_root, tmp_path / "broken")


@pytest.fixture(scope="module")
def other_networks(tmp_path_factory):
    """Weight files of a flow network and a VGG-16, randomly drawn: modality -> path."""
    torch.manual_seed(2)
    folder = tmp_path_factory.mktemp("weights")
    networks = {"flow": I3D(width=0.125, channels_in=2), "image": VGG16(width=1 / 16)}
    for modality, network in networks.items():
        save_file(network.state_dict(), folder / f"{modality}.safetensors")
    return {modality: folder / f"{modality}.safetensors" for modality in networks}


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
    box = Letterbox(height=sample.height, width=sample.width, side=tiny.networks.side)
    clip = box.frames(sample.clip(tiny.networks.frames)).transpose(3, 0, 1, 2)[None] / 127.5 - 1
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


def test_a_complete_store_serves_also_where_nobody_may_write(
    tiny, toy_root, toy_trunk, toy_features, monkeypatch
):
    store = FeatureStore(toy_features, Recipe.of(tiny, toy_trunk))
    monkeypatch.setattr(features, "locked", lambda _: pytest.fail("wanted to write"))
    assert store.extract(jobs.samples(toy_root), NoTrunk(), progress=False) == 0


def test_the_network_is_left_where_it_was(store, toy_root, toy_trunk, monkeypatch):
    trunk, devices = load_i3d(toy_trunk), []
    move = trunk.to
    monkeypatch.setattr(trunk, "to", lambda device: (devices.append(str(device)), move(device))[1])
    store.extract(jobs.samples(toy_root)[:1], trunk, device="cpu:0", progress=False)
    assert devices == ["cpu:0", "cpu"]


def test_a_video_annotated_on_many_frames_goes_through_the_network_in_pieces():
    samples = [
        SimpleNamespace(video_id=v, video_files=(f"{v}.mp4",), frame=f)
        for f in range(19, 0, -1) for v in "ab"
    ] * 2  # fmt: skip
    found = features._batches(samples)
    assert [len(batch) for batch in found] == [8, 8, 3] * 2
    assert [s.frame for batch in found[3:] for s in batch] == [*range(1, 20)]
    assert {s.video_id for batch in found[3:] for s in batch} == {"b"}


def test_videos_of_two_datasets_that_share_a_name_are_kept_apart():
    samples = [
        SimpleNamespace(video_id="a", video_files=(f"{folder}/a.mp4",), frame=2)
        for folder in ("a2d", "jhmdb")
    ]
    assert features._batches(samples) == [[sample] for sample in samples]


def test_without_shared_memory_no_process_reads_ahead(store, toy_root, monkeypatch, tmp_path):
    samples = jobs.samples(toy_root)[:1]
    data = SampleTensors(samples, store=store, vectors=WordVectors.load())
    monkeypatch.setattr(tensors, "SHARED", tmp_path)
    monkeypatch.setattr(tensors, "NEEDED", 2**80)
    with pytest.warns(UserWarning, match="shm-size"), pytest.raises(DataError):
        next(data.batches([[0]], workers=1))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_entry_that_is_gone_while_batches_are_read_is_told_in_one_sentence(
    store, toy_root, workers
):
    samples = jobs.samples(toy_root)[:1]
    data = SampleTensors(samples, store=store, vectors=WordVectors.load())
    with pytest.raises(DataError) as told:
        next(data.batches([[0]], workers=workers))
    assert str(told.value).startswith(str(store.folder)) and "\n" not in str(told.value)


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
        Recipe.of(tiny.changed(side=80), toy_trunk),
        Recipe.of(tiny.changed(frames=8), toy_trunk),
    ):
        assert sample not in FeatureStore(toy_features, recipe)


def test_a_changed_video_is_extracted_again_even_by_the_same_store(copied, store, toy_trunk):
    first, trunk = jobs.samples(copied)[0], load_i3d(toy_trunk)
    store.extract([first], trunk, progress=False)
    before = store.get(first)
    mirrored = read_frames(first.video_path)[:, :, ::-1].copy()
    write_mp4(first.video_path, mirrored, rate=24)
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


def test_the_next_videos_are_decoded_meanwhile_in_order_and_only_so_many(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    begun, second = [], threading.Event()

    def decode(number):
        begun.append(number)
        if number == 0:
            assert second.wait(30)  # the first takes longer than the second
        elif number == 1:
            second.set()
        return torch.tensor(number)

    decoded = features._ahead(decode, range(20))
    assert [int(next(decoded)) for _ in range(5)] == list(range(5))
    decoded.close()  # as where the network fails, or the disk is full
    assert sorted(begun) == list(range(len(begun))) and len(begun) <= 5 + 3


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


def test_the_key_of_rgb_features_is_that_of_the_features_already_stored():
    recipe = Recipe(weights="0" * 64, side=112, frames=16)
    assert recipe.key == "e614b6d4057bd644"


def test_modalities_and_flow_methods_have_stores_of_their_own(tiny, toy_trunk):
    recipes = [Recipe.of(tiny, toy_trunk, modality=m) for m in ("rgb", "flow", "image")]
    recipes.append(Recipe.of(tiny.changed(flow_method="tvl1"), toy_trunk, modality="flow"))
    assert len({recipe.key for recipe in recipes}) == 4
    assert [recipe.flow_method for recipe in recipes] == [None, "dis", None, "tvl1"]
    with pytest.raises(ConfigError, match=r"'depth'.*rgb, flow, image"):
        Recipe.of(tiny, toy_trunk, modality="depth")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 96 kB, and a function that makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size, remount=""):
        command = ["mount", "-t", "tmpfs", "-o", f"{remount}size={size}", "tmpfs", folder]
        return subprocess.run(command, capture_output=True).returncode == 0

    if not (shutil.which("mount") and mount("96k")):
        pytest.skip("this user may not mount a small file system")
    yield folder, lambda: mount("8m", "remount,")
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("foreseen", [True, False])
def test_a_full_disk_is_named_and_nothing_is_lost(
    small_disk, foreseen, tiny, toy_root, toy_trunk, toy_features, monkeypatch
):
    """First the estimate after one video speaks, then, without it, the disk itself."""
    (folder, enlarge), samples = small_disk, jobs.samples(toy_root)
    store, trunk = FeatureStore(folder, Recipe.of(tiny, toy_trunk)), load_i3d(toy_trunk)
    message = r"need about 0\.\d MB more and 0\.\d MB are free"
    if not foreseen:
        monkeypatch.setattr(features, "hold_room", lambda *_: None)
        message = r"the disk is full .*with up to 0\.\d MB to go"
    with pytest.raises(StorageError, match=f"{folder}.*{message}.*Free some space"):
        store.extract(samples, trunk, progress=False)
    kept = entries(folder)
    first = {s.frame for s in samples if s.video_id == samples[0].video_id}
    assert len(kept) == len(first) if foreseen else len(kept) >= len(first)
    assert not list(folder.rglob("*.tmp"))
    assert enlarge()
    missing = len(entries(toy_features)) - len(kept)
    assert store.extract(samples, trunk, progress=False) >= missing  # the broken-off video anew
    assert entries(folder) == entries(toy_features)


def extracted(samples, tiny, weights, modality, folder):
    """What a new store holds of each sample, in their order."""
    store = FeatureStore(folder, Recipe.of(tiny, weights, modality=modality))
    store.extract(samples, MODALITIES[modality].load(weights), progress=False)
    return [store.get(sample) for sample in samples]


def test_a_flow_entry_is_the_flow_network_on_the_motion_to_each_next_frame(
    tiny, toy_root, other_networks, tmp_path
):
    moving = ("flying", "running", "walking")
    sample = next(one for one in jobs.samples(toy_root) if one.action in moving)
    (found,) = extracted([sample], tiny, other_networks["flow"], "flow", tmp_path)
    box = Letterbox(height=sample.height, width=sample.width, side=tiny.networks.side)
    gray = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in box.frames(sample.video())]
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    clip = np.zeros(
        (1, 2, tiny.networks.frames, tiny.networks.side, tiny.networks.side), dtype=np.float32
    )
    for k in range(tiny.networks.frames):
        index = sample.frame - 1 - tiny.networks.frames // 2 + k
        if 0 <= index < len(gray) - 1:
            clip[0, :, k] = method.calc(gray[index], gray[index + 1], None).transpose(2, 0, 1) / 20
    assert 0.1 < np.abs(clip).max() < 1
    with torch.no_grad():
        wanted = load_i3d(other_networks["flow"]).trunk(torch.from_numpy(clip))[0].numpy()
    assert found.dtype == np.float16 and found.shape == (66, 4, 4, 4)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=1e-5 + 1e-3 * wanted.max())


def write_lossless(path, frames):
    """A video that another frame cannot change the pixels of: every frame is a PNG."""
    with av.open(str(path), "w", format="mov") as container:
        stream = container.add_stream("png", rate=24)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "rgb24"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def test_an_image_entry_sees_the_annotated_frame_and_no_other(
    tiny, copied, toy_trunk, other_networks, tmp_path
):
    tiny, sample = tiny.changed(image_side=96), jobs.samples(copied)[0]
    frames = sample.video()
    others = np.random.default_rng(0).integers(0, 256, frames.shape, dtype=np.uint8)
    others[sample.frame - 1] = frames[sample.frame - 1]
    seen = {"rgb": [], "image": []}
    for content in (frames, others):
        write_lossless(sample.video_path, content)
        assert np.array_equal(sample.video(), content)
        for modality, weights in (("rgb", toy_trunk), ("image", other_networks["image"])):
            seen[modality] += extracted([sample], tiny, weights, modality, tmp_path)
    assert np.array_equal(*seen["image"]) and not np.array_equal(*seen["rgb"])
    box = Letterbox(height=sample.height, width=sample.width, side=96)
    picture = image_to_input(box.frames(frames[sample.frame - 1][None])[0])
    with torch.no_grad():
        wanted = MODALITIES["image"].load(other_networks["image"])(picture[None])[0].numpy()
    assert seen["image"][0].dtype == np.float16 and wanted.shape == (62, 3, 3)
    np.testing.assert_allclose(seen["image"][0], wanted, rtol=2e-3, atol=1e-3 * wanted.max())


def test_a_missing_network_is_told_before_any_feature_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "open_split", lambda *_, **__: pytest.fail("work has begun"))
    lacking = PROFILES["quick"].changed(flow_trunk="absent.safetensors")
    monkeypatch.setitem(PROFILES, "quick", lacking)
    with pytest.raises(DataError, match=r"absent\.safetensors"):
        pipeline.complete_features(RunConfig(method="acga"))
    monkeypatch.setattr(config, "ROOT", tmp_path)
    with pytest.raises(DataError, match=r"vgg16_imagenet\.pth.*acga_lib\.files\.downloads vgg16"):
        pipeline.complete_features(RunConfig(method="acga", profile="paper"))
