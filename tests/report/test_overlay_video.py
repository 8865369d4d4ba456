"""`python -m acga_lib segment`: the masks of the `Segmenter`, held in between, as a video."""

import itertools
import os
import re
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from helpers.answers import HEADLINE, WITHOUT_ATTENTION
from helpers.footage import picture, write_video
from PIL import Image

from acga_lib.__main__ import main
from acga_lib.config import HEADLINE_RUN, ROOT
from acga_lib.files.video import read_frames
from acga_lib.segmenter import Segmenter, overlay

QUERY = "the car on the left"


@pytest.fixture
def video(toy_root):
    return next((toy_root / "Release" / "clips320H").glob("*.mp4"))


def segment(*arguments: object) -> int:
    return main(["segment", *map(str, arguments)])


def files(folder) -> dict:
    """The files under a folder, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_every_nth_frame_is_segmented_as_alone_and_its_mask_held(video, tmp_path, capsys):
    out, masks, every = tmp_path / "deep" / "out.mp4", tmp_path / "masks", 5
    assert segment(video, QUERY, "--every", every, "--out", out, "--masks", masks) == 0
    frames, written = read_frames(video), read_frames(out)
    assert frames.shape == written.shape
    named = sorted(masks.iterdir())
    asked = range(1, len(frames) + 1, every)
    assert [path.name for path in named] == [f"{number:05d}.png" for number in asked]
    segmenter, found = Segmenter.from_run(HEADLINE), []
    for number, path in zip(asked, named, strict=True):
        found.append(segmenter.segment(video, QUERY, number).mask)
        assert np.array_equal(np.asarray(Image.open(path)), found[-1] * np.uint8(255))
    assert any((one != other).any() for one, other in itertools.pairwise(found))
    for index, (frame, coded) in enumerate(zip(frames, written, strict=True)):
        wanted = overlay(frame, found[index // every]).astype(float)
        assert np.abs(wanted - coded).mean() < 6, index  # H.264, in half the colour resolution
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and f"{len(frames)} frames" in said


def test_a_player_gets_h264_at_the_videos_own_rate_and_equal_calls_give_equal_files(
    video, tmp_path, capsys
):
    for name in ("one.mp4", "two.mp4"):
        assert segment(video, "the zzyzx car", "--out", tmp_path / name) == 0
        assert "not seen: zzyzx" in capsys.readouterr().out
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
    with av.open(str(video)) as source, av.open(str(tmp_path / "one.mp4")) as written:
        stream = written.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.pix_fmt == "yuv420p"
        assert stream.average_rate == source.streams.video[0].average_rate


def test_a_folder_of_frames_of_odd_size_and_another_run_will_do(tmp_path):
    folder, out = tmp_path / "frames", tmp_path / "out.mp4"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(picture(index, 33, 47)).save(folder / f"{index}.png")
    for run in (WITHOUT_ATTENTION, WITHOUT_ATTENTION.stem):
        assert segment(folder, QUERY, "--run", run, "--out", out) == 0
        assert read_frames(out).shape == (3, 34, 48, 3)
    with av.open(str(out)) as written:
        assert written.streams.video[0].average_rate == Fraction(25)


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"video": "absent.mp4"}, "absent.mp4"), ({"video": "text.mp4"}, "text.mp4"),
     ({"video": "folder"}, "6.png"), ({"sentence": ""}, "holds no word"),
     ({"sentence": "zzyzx"}, "zzyzx"), ({"every": "0"}, "every must be"),
     ({"run": "unheard-of"}, f"those with weights are .*{HEADLINE_RUN}"),
     ({"run": "absent.json"}, "absent.json"), ({"out": "out.avi"}, r"ends in \.mp4"),
     ({"out": "text.mp4/out.mp4"}, r"out\.mp4"), ({"out": "video.mp4"}, "the video itself"),
     ({"masks": "text.mp4"}, "text.mp4"),
     ({"video": "folder", "masks": "folder"}, "folder: holds the frames"),
     ({"masks": "folder"}, "folder: holds pictures already"),
     ({"out": "~no-such-user/out.mp4"}, "whose home"), ({"masks": "~no-such-user"}, "whose home"),
     ({"out": f"{'a' * 300}.mp4"}, "cannot be written")],
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_nothing_is_left_behind(
    tmp_path, monkeypatch, capsys, changed, named
):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "video.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "folder").mkdir()
    for index in range(8):
        Image.fromarray(picture(index)).save(tmp_path / "folder" / f"{index}.png")
    (tmp_path / "folder" / "6.png").write_text("no picture")
    before = files(tmp_path)
    given = {"video": "video.mp4", "sentence": QUERY, "out": "out.mp4"} | changed
    options = [
        f"--{name}={value}" for name, value in given.items() if name not in ("video", "sentence")
    ]
    assert segment(given["video"], given["sentence"], *options) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("FAILED") and said.err.count("\n") == 1
    assert re.search(named, said.err)
    assert before == {
        path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()
    }


def test_it_is_a_command_that_prints_one_line_and_no_bar_into_a_log(tmp_path):
    write_video(tmp_path / "video.mp4")
    done = subprocess.run(
        [sys.executable, "-m", "acga_lib", "segment", "video.mp4", QUERY, "--out", "out.mp4"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("done    out.mp4: 12 frames") and done.stdout.count("\n") == 1
    assert len(read_frames(tmp_path / "out.mp4")) == 12


def test_real_footage_is_segmented_too(shared, tmp_path):
    video = min((shared / "real_pairs" / "Release" / "clips320H").glob("*.mp4"))
    assert segment(video, "the man on the right", "--out", tmp_path / "out.mp4") == 0
    assert len(read_frames(tmp_path / "out.mp4")) == len(read_frames(video))
