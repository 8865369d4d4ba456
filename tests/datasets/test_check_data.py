"""`make check-data`: sound folders pass, and everything that is wrong comes in one list."""

import shutil

import h5py
import numpy as np
import pytest

from acga_lib.benchmark.writing.jhmdb_like import generate_jhmdb_like
from acga_lib.benchmark.writing.referit_like import generate_referit_like
from acga_lib.datasets.check_data import PIECES, check, hints, main

MASKS = "text_annotations/a2d_annotation_with_instances"


@pytest.fixture
def a2d(toy_root, tmp_path):
    """A copy of the embedded benchmark, to be broken."""
    return shutil.copytree(toy_root, tmp_path / "deep" / "a2d")


@pytest.fixture(scope="module")
def jhmdb(tmp_path_factory):
    root = tmp_path_factory.mktemp("stills") / "jhmdb"
    generate_jhmdb_like(root, videos=2, seed=0, workers=1, progress=False)
    return root


def found(name, root, **options):
    return check(name, root, decode=options.get("decode", False), progress=False)


def test_embedded_data_is_complete_also_when_everything_is_decoded(toy_root, jhmdb, tmp_path):
    generate_referit_like(
        tmp_path, train_images=3, test_images=2, seed=0, workers=1, progress=False
    )
    for name, root in (("a2d", toy_root), ("jhmdb", jhmdb), ("referit", tmp_path)):
        report = found(name, root, decode=True)
        assert report.problems == {} and report.hints == []
        assert report.counts["test samples"] > 0


def test_real_pairs_are_complete(shared):
    report = found("a2d", shared / "real_pairs")
    assert report.problems == {}
    assert (report.counts["train samples"], report.counts["test samples"]) == (360, 140)


def test_every_problem_is_in_the_list_not_only_the_first(a2d):
    clips = sorted((a2d / "Release" / "clips320H").glob("*.mp4"))
    clips[0].unlink()
    clips[1].write_bytes(clips[1].read_bytes()[: clips[1].stat().st_size // 2])
    masks = sorted((a2d / MASKS).glob("*/*.h5"))
    masks[0].write_bytes(masks[0].read_bytes()[:900])
    masks[2].unlink()
    with h5py.File(masks[4], "w") as file:
        file["instance"], file["reMask"] = np.array([0]), np.ones((9, 9), np.uint8)
    with (a2d / "text_annotations" / "a2d_annotation.txt").open("a") as file:
        file.write("\nnowhere,0,a cat\n")
    problems = found("a2d", a2d).problems
    assert {kind: len(messages) for kind, messages in problems.items()} == {
        # Of the mask that is gone, the empty folder; a mask of another size is the video's problem.
        "videos": 3, "masks": 3, "lists": 1,
    }  # fmt: skip
    text = str(problems)
    for path in (clips[0], clips[1], masks[0], masks[2].parent, masks[4].parent):
        assert str(path) in text
    assert "no such video" in text and "'nowhere'" in text and "9 × 9" in text


def test_every_broken_frame_and_mask_of_j_hmdb_is_in_the_list(jhmdb, tmp_path):
    root = shutil.copytree(jhmdb, tmp_path / "copy")
    first, second = sorted((root / "puppet_mask").glob("*/*/puppet_mask.mat"))
    first.unlink()
    frames = sorted((root / "Rename_Images").glob(f"*/{second.parent.name}/*.png"))
    for path in frames[3:5]:
        path.write_bytes(b"")
    problems = found("jhmdb", root).problems
    assert [len(problems[kind]) for kind in ("masks", "frames")] == [1, 2]
    assert str(first) in str(problems) and str(frames[4]) in str(problems)


def test_what_is_not_there_is_named_with_its_source(tmp_path):
    for name, pieces in PIECES.items():
        (missing,) = found(name, tmp_path).problems.values()
        assert len(missing) == len(pieces)
        for line, piece in zip(missing, pieces, strict=True):
            assert str(tmp_path / piece.path) in line and piece.page in line


@pytest.mark.parametrize("wrong", ["..", "../..", "Release", "Release/clips320H", "elsewhere"])
def test_a_root_one_or_two_levels_off_is_told_the_right_one(a2d, wrong):
    report = found("a2d", (a2d / wrong).resolve())
    assert "missing" in report.problems
    assert any(line.endswith(f"lie in {a2d}: give that folder") for line in report.hints)


def test_a_nested_folder_and_an_archive_that_was_not_unpacked_are_recognised(a2d):
    masks = a2d / MASKS
    masks.rename(masks.with_name("inner"))
    masks.mkdir()
    masks.with_name("inner").rename(masks / masks.name)
    assert any("one level too deep" in line for line in found("a2d", a2d).hints)
    shutil.rmtree(masks)
    masks.with_suffix(".zip").write_bytes(b"zip")
    assert any("`unzip a2d_annotation_with_instances.zip`" in line for line in hints("a2d", a2d))


def test_another_version_of_the_release_is_told_by_its_counts(a2d):
    videos = a2d / "Release" / "videoset.csv"
    first, *_ = sorted((a2d / "Release" / "clips320H").glob("*.mp4"))
    published = "--h5fAKYurM"
    videos.write_text(videos.read_text().replace(first.stem, published))
    annotation = a2d / "text_annotations" / "a2d_annotation.txt"
    annotation.write_text(annotation.read_text().replace(first.stem, published))
    first.rename(first.with_stem(published))
    (a2d / MASKS / first.stem).rename(a2d / MASKS / published)
    report = found("a2d", a2d)
    assert list(report.problems) == ["counts"]
    assert any("3,782" in line for line in report.problems["counts"])
    assert "another version" in report.hints[-1]


def test_the_command_ends_with_1_and_says_which_rows_can_be_made(toy_root, jhmdb, tmp_path, capsys):
    assert main(["--a2d-root", str(toy_root), "--jhmdb-root", str(jhmdb)]) == 0
    printed = capsys.readouterr().out
    assert "Table 2: Gavrilyuk" in printed and "All is well" in printed
    assert "Hu" not in printed.split("Rows that can")[1], "these rows need ReferIt"
    assert main(["--a2d-root", str(tmp_path), "--jhmdb-root", str(jhmdb)]) == 1
    printed = capsys.readouterr().out
    assert "Table 2: none" in printed and "5 problem(s)" in printed
    assert main([]) == 1
    assert "A2D_ROOT" in capsys.readouterr().err
