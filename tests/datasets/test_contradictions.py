"""Lists and masks that contradict themselves: named by the check, and by whoever reads them."""

import json
import re
import shutil

import h5py
import numpy as np
import pytest
from helpers.benchmarks import EXPRESSIONS, MANIFEST, SENTENCES, everything, first_masks, problems
from scipy.io import loadmat, savemat

from acga_lib.errors import KitError

CUES = "text_annotations/cues.csv"


def line(path, number, change):
    """A list with one line, counted from 1, changed."""

    def breakage(root):
        lines = (root / path).read_text().split("\n")
        lines[number - 1] = change(lines[number - 1])
        (root / path).write_text("\n".join(lines))

    return breakage


def cell(path, number, place, value):
    """A list with one cell of one line replaced."""

    def change(text):
        row = text.split(",")
        row[place] = value
        return ",".join(row)

    return line(path, number, change)


def no_test_video(root):
    """Every video is for training."""
    rows = (root / MANIFEST).read_text()
    (root / MANIFEST).write_text(rows.replace(",1\n", ",0\n"))


def hdf5(change):
    """The first mask file with its ids [K] and masks [K, W, H] changed."""

    def breakage(root):
        path = first_masks(root)
        with h5py.File(path) as file:
            ids, masks = file["instance"][()], file["reMask"][()]
        new = change(ids, masks if masks.ndim == 3 else masks[None])
        with h5py.File(path, "w") as file:
            file["instance"], file["reMask"] = new

    return breakage


def bomb(root):
    """Masks of 60,000 × 60,000 in a few bytes."""
    with h5py.File(first_masks(root), "r+") as file:
        ids = file["instance"].shape[0]
        del file["reMask"]
        file.create_dataset("reMask", (ids, 60_000, 60_000), "u1", chunks=(1, 100, 100))


def piece(root):
    """Masks of the right size in pieces of 60,000 × 60,000, each of which is unpacked whole."""
    path = first_masks(root)
    with h5py.File(path, "r+") as file:
        masks = file["reMask"]
        shape = (file["instance"].shape[0], *masks.shape[-2:])
        del file["reMask"]
        file.create_dataset("reMask", shape, "u1", maxshape=(None,) * 3, chunks=(1, 60_000, 60_000))


def flipped(root):
    """Bits beyond the header flipped: RuntimeError, KeyError and others in h5py."""
    path = first_masks(root)
    data = bytearray(path.read_bytes())
    data[100:400] = bytes(byte ^ 0x24 for byte in data[100:400])
    path.write_bytes(data)


def same_frame_twice(root):
    """00001.h5 and 1.h5."""
    path = first_masks(root)
    shutil.copy(path, path.with_stem(str(int(path.stem))))


def mat(key, change):
    """The first mask file with its array changed."""

    def breakage(root):
        path = first_masks(root)
        savemat(path, {key: change(loadmat(path)[key])}, do_compression=True)

    return breakage


def cut(root):
    """The first mask file without its end."""
    path = first_masks(root)
    path.write_bytes(path.read_bytes()[:-40])


def text(change):
    """ReferIt's list of expressions, its text changed."""
    return lambda root: (root / EXPRESSIONS).write_text(change((root / EXPRESSIONS).read_text()))


def key(new):
    """ReferIt's list with one more region."""
    return text(lambda old: json.dumps(json.loads(old) | {new: ["a dog"]}))


def expression(words):
    """ReferIt's list with other words for the first expression."""

    def change(old):
        found = json.loads(old)
        found[next(iter(found))][0] = words
        return json.dumps(found)

    return text(change)


BROKEN = [
    ("a2d", cell(SENTENCES, 2, 2, '"a man walks'), r"a2d_annotation\.txt, line 2"),
    ("a2d", line(SENTENCES, 1, lambda row: "x,0,a man"), "line 1: .* is not the header video_id,"),
    ("a2d", cell(SENTENCES, 2, 2, "..."), "line 2: instance .*no word"),
    ("a2d", cell(SENTENCES, 2, 2, "dog " * 25), "line 2: instance .*25 words"),
    ("a2d", cell(SENTENCES, 2, 2, "dog " * 40_000), "a2d_annotation.txt, line 2: .*field larger"),
    ("a2d", cell(SENTENCES, 2, 0, "../../../escaped"), "line 2: '../../../escaped' cannot be"),
    ("a2d", cell(SENTENCES, 2, 0, "/etc/passwd"), "line 2: '/etc/passwd' cannot be the name"),
    ("a2d", cell(SENTENCES, 2, 0, "v" * 300), "line 2: 'vvv.*cannot be the name"),
    ("a2d", cell(SENTENCES, 2, 0, "a\0b"), "is not UTF-8 text"),
    ("a2d", cell(SENTENCES, 2, 1, "9" * 5000), "line 2: '999.*not an instance id"),
    ("a2d", cell(SENTENCES, 2, 1, "\u0661"), "line 2: '\u0661' is not an instance id"),
    ("a2d", cell(MANIFEST, 1, 0, "../up"), r"videoset\.csv, line 1: '\.\./up'"),
    ("a2d", cell(MANIFEST, 1, 6, "9" * 12), r"videoset\.csv, line 1"),
    ("a2d", line(CUES, 2, lambda row: f"{row}\n{','.join(row.split(',')[:2])}{',' * 7}"),
     r"cues\.csv, line 3: instance \d+ of video \w+ is described a second time"),
    ("a2d", line(CUES, 1, lambda row: row.replace("actor", "cue")), "each once"),
    ("a2d", no_test_video, "no test sample"),
    ("a2d", line(MANIFEST, 1, lambda row: f"{row}\n{row[:-1]}{1 - int(row[-1])}"),
     r"videoset\.csv, line 2: a second row for video"),
    ("a2d", hdf5(lambda ids, masks: (ids + 0.5, masks)), r"\.h5: the instance ids .* whole"),
    ("a2d", hdf5(lambda ids, masks: (ids * np.nan, masks)), r"\.h5: the instance ids .* whole"),
    ("a2d", hdf5(lambda ids, masks: (ids - 9, masks)), r"\.h5: the instance ids .* whole"),
    ("a2d", hdf5(lambda ids, masks: (np.zeros((1, 10**4), int), masks)), r"is no list of at most"),
    ("a2d", hdf5(lambda ids, masks: (ids, np.where(masks, np.nan, 0))), r"\.h5: the mask of inst"),
    ("a2d", hdf5(lambda ids, masks: (ids, np.where(masks, np.inf, 0))), r"\.h5: the mask of inst"),
    ("a2d", hdf5(lambda ids, masks: (ids, masks * np.linspace(0.1, 1, masks.shape[2]))),
     r"\.h5: the mask of instance \d+ holds other numbers than 0 and one"),
    ("a2d", hdf5(lambda ids, masks: (ids, masks.astype("S1"))), r"\.h5: reMask holds \|S1 instead"),
    ("a2d", bomb, r"\.h5: a frame of 60,000 × 60,000 pixels"),
    ("a2d", piece, r"\.h5: reMask is stored in pieces of \(1, 60000, 60000\)"),
    ("a2d", flipped, r"\.h5"),
    ("a2d", same_frame_twice, "both annotate frame"),
    ("jhmdb", line("jhmdb_annotation.txt", 1, lambda row: "x,a man"), "line 1: .*not the header"),
    ("jhmdb", cell("jhmdb_annotation.txt", 2, 1, "…"), "line 2: video .*no word"),
    ("jhmdb", cell("jhmdb_annotation.txt", 2, 0, "../x"), "line 2: '../x' cannot be the name"),
    ("jhmdb", mat("part_mask", lambda m: np.where(m, np.nan, 0)), "part_mask holds something else"),
    ("jhmdb", mat("part_mask", lambda m: m * 0.5), "part_mask holds something else than whole"),
    ("jhmdb", mat("part_mask", lambda m: "text"), r"puppet_mask\.mat"),
    ("jhmdb", mat("part_mask", lambda m: m[:, :, 0]), r"1 of the video's"),
    ("jhmdb", mat("part_mask", lambda m: np.tile(m[:, :, :1], (1, 1, 99))), "holds 99 masks for"),
    ("jhmdb", cut, r"puppet_mask\.mat: not a readable MATLAB file"),
    ("referit", text(lambda old: "[" * 100_000), "not readable JSON"),
    ("referit", text(lambda old: old.replace("{", '{"x_1": ["a"], "x_1": ["b"],', 1)), "twice"),
    ("referit", key("../../../escaped_1"), r"trainval\.json: '\.\./\.\./"),
    ("referit", key("x_" + "1" * 100), r"trainval\.json: the key 'x_111"),
    ("referit", expression(None), "is no text"),
    ("referit", mat("segimg_t", lambda m: m + np.nan), "segimg_t holds something else"),
    ("referit", mat("segimg_t", lambda m: m[:5]), r"\.mat: is 5 ×"),
    ("referit", mat("segimg_t", lambda m: m * 0 + 1), r"\.mat: the mask of region \d+ is empty"),
    ("referit", cut, r"\.mat: not a readable MATLAB file"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "breakage", "message"), BROKEN)
@pytest.mark.filterwarnings("ignore:.*are frames missing")
def test_what_contradicts_itself_is_named_by_the_check_and_by_the_reader(
    sound, tmp_path, name, breakage, message
):
    root = shutil.copytree(sound[name], tmp_path / name)
    breakage(root)
    told = [one for kind in problems(name, root).values() for one in kind]
    assert any(re.search(message, one) for one in told), told
    with pytest.raises(KitError, match=message):
        for sample in everything(name, root):
            sample.mask()


def test_a_quotation_mark_swallows_no_row_and_is_named_where_it_stands(sound, tmp_path):
    root = shutil.copytree(sound["a2d"], tmp_path / "a2d")
    count = len((root / SENTENCES).read_text().splitlines())
    line(SENTENCES, 3, lambda row: ",".join([*row.split(",")[:2], '"a man, who walks']))(root)
    line(SENTENCES, count, lambda row: f'{row}, "fast"')(root)
    with pytest.raises(KitError, match=r"a2d_annotation\.txt, line 3: .*close"):
        everything("a2d", root)


def write_empty(path, *keys):
    """MATLAB's empty arrays: their shape [0, 0], under a mark."""
    with h5py.File(path, "r+") as file:
        for key in keys:
            del file[key]
            file[key] = np.zeros(2, np.uint64)
            file[key].attrs["MATLAB_empty"] = np.uint8(1)


def test_matlabs_empty_arrays_are_nobody_and_no_actor_0(sound, tmp_path):
    root = shutil.copytree(sound["a2d"], tmp_path / "a2d")
    samples, path = everything("a2d", root), first_masks(root)
    write_empty(path, "instance", "reMask")
    assert everything("a2d", root) == [s for s in samples if s.mask_path != path] != samples
    assert f"{path}: annotates no actor" in str(problems("a2d", root))
    for key in ("instance", "reMask"):
        shutil.copy(sound["a2d"] / path.relative_to(root), path)
        write_empty(path, key)
        with pytest.raises(KitError, match=r"reMask .* does not hold a mask for each"):
            everything("a2d", root)


def test_of_an_id_that_stands_twice_the_first_mask_is_taken_and_masks_beyond_the_ids_are_told(
    sound, tmp_path
):
    root = shutil.copytree(sound["a2d"], tmp_path / "a2d")
    samples = everything("a2d", root)
    sample = next(s for s in samples if s.mask_path == first_masks(root))
    mask = sample.mask()
    both = np.stack([mask.T, ~mask.T]).astype(np.uint8)
    for ids, told in (([sample.instance] * 2, "stands twice"), ([sample.instance], "2 masks for")):
        hdf5(lambda *_, ids=ids: (ids, both))(root)
        assert np.array_equal(sample.mask(), mask)
        with pytest.warns(UserWarning, match=f"{sample.mask_path.name}: .*{told}"):
            assert sample in everything("a2d", root)


def test_a_sentence_about_nobody_who_is_annotated_is_told(sound, tmp_path):
    root = shutil.copytree(sound["a2d"], tmp_path / "a2d")
    with (root / SENTENCES).open("a") as file:
        file.write(f"{first_masks(root).parent.name},77,a blue whale\n")
    (told,) = problems("a2d", root)["masks"]
    assert "no frame shows instance 77" in told


@pytest.mark.parametrize("name", ["paraphrases.csv", "negatives.csv"])
def test_the_other_wordings_are_checked_too(sound, tmp_path, name):
    root = shutil.copytree(sound["a2d"], tmp_path / "a2d")
    cell(f"text_annotations/{name}", 2, -1, "...")(root)
    (told,) = problems("a2d", root)["lists"]
    assert f"{name}, line 2" in told and "no word" in told


def test_masks_of_frames_that_are_not_there_are_told(sound, tmp_path):
    root = shutil.copytree(sound["jhmdb"], tmp_path / "jhmdb")
    max(root.glob(f"Rename_Images/*/{first_masks(root).parent.name}/*.png")).unlink()
    with pytest.warns(UserWarning, match="are frames missing"):
        (told,) = problems("jhmdb", root)["masks"]
    assert str(first_masks(root)) in told and "complete" in told
    with pytest.warns(UserWarning, match="are frames missing"):
        assert everything("jhmdb", root)


def test_a_byte_order_mark_and_other_line_ends_change_no_sample(sound, tmp_path):
    root = shutil.copytree(sound["a2d"], tmp_path / "a2d")
    for name in (SENTENCES, MANIFEST):
        old = (root / name).read_text()
        (root / name).write_text(old, encoding="utf-8-sig", newline="\r\n")

    def keys(folder):
        return [(s.video_id, s.frame, s.instance, s.query) for s in everything("a2d", folder)]

    assert keys(root) == keys(sound["a2d"]) and problems("a2d", root) == {}
