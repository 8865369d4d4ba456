"""The authors' preprocessed files: read in step, scored as their code scores, refused if amiss."""

import json
import tracemalloc
from types import SimpleNamespace

import cv2
import h5py
import numpy as np
import pytest
import torch
from helpers import reference

from acga_lib.clip import Letterbox
from acga_lib.datasets import open_dataset
from acga_lib.datasets.authors_files import AuthorsFiles, AuthorsSample
from acga_lib.errors import ConfigError, DataError
from acga_lib.published import METRICS
from acga_lib.studies.authors import UntouchedMasks, main


def write(root, *, features, words, masks, sizes, split="test"):
    """The authors' layout: features [n, 528, 4, h, w], words, masks [n, 16h, 16w], (H, W)s."""
    root.mkdir(exist_ok=True, parents=True)
    lines = (f"video{i},{height},{width}" for i, (height, width) in enumerate(sizes))
    (root / f"{split}.txt").write_text("\n".join(lines))
    for name, key, values in (
        ("video_rgb_iccv.h5", split, features), ("txt.h5", split, words),
        ("mask.h5", f"{split}/large", masks),
    ):  # fmt: skip
        with h5py.File(root / name, "w", libver="latest") as file:
            file[key] = values
    return root


def small(root, count=3, side=1):
    random = np.random.default_rng(0)
    return write(
        root, features=random.random((count, 528, 4, side, side), dtype=np.float32),
        words=random.random((count, 20, 300), dtype=np.float32),
        masks=(random.random((count, 16 * side, 16 * side)) > 0.5).astype(np.uint8),
        sizes=[(8 + i, 12) for i in range(count)],
    )  # fmt: skip


def authors_scores(logits, masks, sizes):
    """What their `report_result` computes, for the metrics of METRICS."""
    overlaps, inter, union = [], 0, 0
    for response, mask, (height, width) in zip(logits, masks, sizes, strict=True):
        response = 1 / (1 + np.exp(-response))
        longer = max(height, width)
        top, left = (longer - height) // 2, (longer - width) // 2
        found, truth = (
            cv2.resize(square.astype(np.uint8), (longer, longer))[top:, left:][:height, :width] == 1
            for square in (response > 0.5 * response.max(), mask)
        )
        both, either = (found & truth).sum(), (found | truth).sum()
        inter, union = inter + both, union + either
        overlaps.append((both + 1e-6) / (either + 1e-6))
    overlaps = np.array(overlaps)
    precision = {k: (overlaps >= k / 100).mean() for k in range(50, 100, 5)}
    single = [precision[k] for k in (50, 60, 70, 80, 90)]
    mean = np.mean(list(precision.values()))
    return dict(zip(METRICS, [*single, mean, inter / union, overlaps.mean()], strict=True))


def test_their_checkpoint_scores_on_their_files_what_their_code_says(shared, tmp_path, capsys):
    folder = shared / "reference_outputs"
    logits = np.load(folder / "reference_outputs.npz")["acga/8/large"].reshape(2, 128, 128)
    features, words = (part.numpy() for part in reference.acga_inputs())
    middle = np.quantile(logits, 0.6)
    masks = (logits > middle).astype(np.uint8)  # overlap with the response without being equal
    masks[:, :50] = 0
    sizes = [(96, 160), (100, 75)]  # one larger and one smaller than the square
    root = write(  # their forward pass drops an axis of length 1 after the first
        tmp_path / "A2D/preprocessed", features=features[:, None], words=words, masks=masks,
        sizes=sizes,
    )  # fmt: skip
    state = {f"module.{k}": v for k, v in reference.weights(folder / "acga_keys.json").items()}
    # The last layer is linear; steeper responses are not foreground everywhere.
    state["module.conv_fusion.weight"] *= 60
    state["module.conv_fusion.bias"] = 60 * (state["module.conv_fusion.bias"] - middle)
    checkpoint, output = tmp_path / "model_best.pth.tar", tmp_path / "record.json"
    torch.save(  # as PyTorch 1.4 wrote files
        {"epoch": 9, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}},
        checkpoint, _use_new_zipfile_serialization=False,
    )  # fmt: skip
    arguments = ["--root", str(root), "--checkpoint", str(checkpoint), "--output", str(output)]
    assert main([*arguments, "--device", "cpu"]) == 0
    record = json.loads(output.read_text())
    wanted = authors_scores(60 * (logits - middle), masks, sizes)
    assert 0.2 < wanted["mean_iou"] < 0.9
    assert record["metrics_authors"] == pytest.approx(wanted, abs=1e-3)
    ours = record["metrics"]["mean_iou"]
    assert ours == pytest.approx(wanted["mean_iou"], abs=0.15) and ours != wanted["mean_iou"]
    assert record["run_id"] == "authors-A2D-test" and record["samples"] == {"test": 2}
    assert record["ground_truth"] == "mask.h5" and "coco_ap" in record["metrics"]
    assert f"{100 * wanted['mean_iou']:.1f}" in capsys.readouterr().out


def test_samples_come_in_the_order_of_the_list_and_only_one_is_held(tmp_path):
    root, count = small(tmp_path, count=40, side=4), 40
    one = 528 * 4 * 16 * 4
    with AuthorsFiles(root, split="test") as files, h5py.File(root / "video_rgb_iccv.h5") as truth:
        tracemalloc.start()
        for index, sample in enumerate(files):
            assert (sample.name, sample.height) == (f"video{index}", 8 + index)
            assert sample.features.shape == (528, 4, 4, 4) and sample.mask.shape == (64, 64)
            if index in (0, 7, count - 1):
                assert np.array_equal(sample.features, truth["test"][index])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert index == count - 1 == len(files) - 1
    assert peak < 5 * one < count * one / 4


def test_fractions_of_a_mask_are_cut_off_as_their_code_does(tmp_path):
    masks = np.zeros((3, 16, 16), dtype=np.float16)
    masks[:, 0, :3] = 1, 0.9, 0.4
    with h5py.File(small(tmp_path) / "mask.h5", "w") as file:
        file["test/large"] = masks
    with AuthorsFiles(tmp_path, split="test") as files:
        assert all(sample.mask.sum() == sample.mask[0, 0] == 1 for sample in files)


def replaced(name, key, values):
    def damage(root):
        with h5py.File(root / name, "w") as file:
            file[key] = values

    return damage


def cut(root):
    path = root / "txt.h5"
    path.write_bytes(path.read_bytes()[:-5000])


def wide(root):
    """Features that declare 197 GB a sample in a few bytes."""
    with h5py.File(root / "video_rgb_iccv.h5", "w") as file:
        shape = (3, 528, 4, 100_000, 100_000)
        file.create_dataset("test", shape, "f4", chunks=(1, 1, 1, 10, 10))


def listed(text):
    return lambda root: (root / "test.txt").write_text(text)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "mask.h5").unlink(), r"mask\.h5: no such HDF5 file"),
        (lambda root: (root / "test.txt").unlink(), r"test\.txt: no such file: .*'Split'"),
        (cut, r"txt\.h5: not a readable HDF5 file \(.*truncated"),
        (replaced("txt.h5", "val", np.zeros(3)), r"txt\.h5: holds no data set 'test' \(but: val"),
        (replaced("txt.h5", "test", np.zeros((3, 300, 20))), r"\[3, 300, 20\] where .*20, 300\]"),
        (replaced("txt.h5", "test", 0.5), r"txt\.h5.* is float64 \[\]"),
        (replaced("mask.h5", "test/large", np.zeros((3, 32, 32))), r"\[n, 16, 16\] are expected"),
        (replaced("mask.h5", "test/large", np.full((3, 16, 16), 255)), "from 0 to 1, not to 255"),
        (replaced("txt.h5", "test", np.full((3, 20, 300), np.nan)), r"txt.*sample 0 \('video0'\)"),
        (listed("a,8,12\nb,8,12\nc,8,12\nlast,8,12"), "has 3 samples, not 'last', where .* 4"),
        (listed("a,8,12\nb,8,12"), "has 3 samples, where test.txt names 2"),
        (listed("a,8,12\nb,8\nc,8,12"), "row 2 is not 'name,height,width'"),
        (listed("a,8,12\nb,8,zero\nc,8,12"), "row 2 is not"),
        (listed(""), "is empty"),
        (listed("a,8,12\nb,1000000,1000000\nc,8,12"), "row 2: a frame of 1,000,000 × 1,000,000"),
        (listed("a,8,12\nb,0,12\nc,8,12"), "row 2: a frame of 0 × 12"),
        (listed('a,8,12\n"b,8,12\nc,8,12'), "line 2: .*close"),
        (replaced("txt.h5", "test", np.zeros((3, 20, 300), int)), "is int64 .* where fractions"),
        (wide, r"video_rgb_iccv\.h5: 'test' is 100000 cells wide where .* have 32"),
    ],
)
def test_files_that_are_amiss_are_named_with_what_is_wrong(tmp_path, damage, message):
    damage(small(tmp_path))
    with pytest.raises(DataError, match=message), AuthorsFiles(tmp_path, split="test") as files:
        list(files)


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    small(tmp_path)
    (tmp_path / "test.txt").write_text("a,8,12\nb,9,12\nc,10,12\n", encoding="utf-8-sig")
    with AuthorsFiles(tmp_path, split="test") as files:
        assert files.rows == [("a", 8, 12), ("b", 9, 12), ("c", 10, 12)]


def test_wrong_folders_splits_and_devices_end_the_command_with_a_message(tmp_path, capsys):
    for arguments, message in (
        (["--root", str(tmp_path / "absent")], "absent: no such folder"),
        (["--root", str(small(tmp_path)), "--split", "val"], "unknown split 'val'"),
        (["--root", str(tmp_path), "--device", "abacus"], "device 'abacus'"),
        (["--root", str(tmp_path)], "absent.tar: no such weight file"),
        (["--root", str(tmp_path), "--release", str(tmp_path)], "videoset.csv"),
    ):
        assert main([*arguments, "--checkpoint", str(tmp_path / "absent.tar")]) == 1
        assert message in capsys.readouterr().err
    with pytest.raises(ConfigError):
        AuthorsFiles(tmp_path, split="")


def test_the_release_gives_each_stored_mask_its_untouched_one(toy_root):
    samples = open_dataset("a2d", root=toy_root, split="test")
    masks = UntouchedMasks(samples)

    def stored(sample, name):
        box = Letterbox(height=sample.height, width=sample.width, side=128)
        return AuthorsSample(
            name=name, height=sample.height, width=sample.width, features=torch.empty(0),
            words=torch.empty(0), mask=box.mask(sample.mask()),
        )  # fmt: skip

    for sample in samples:
        found = masks(stored(sample, f"clips/{sample.video_id}.mp4 {sample.frame}"))
        assert np.array_equal(found, sample.mask())
    with pytest.raises(DataError, match="'elsewhere', column 1"):
        masks(stored(sample, "elsewhere"))
    shape = (sample.height, sample.width)
    other = SimpleNamespace(height=shape[0], width=shape[1], mask=lambda: np.eye(*shape) > 0)
    with pytest.raises(DataError, match=rf"none of the \d+ masks of video {sample.video_id}"):
        masks(stored(other, sample.video_id))
