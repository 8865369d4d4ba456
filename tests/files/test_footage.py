"""What people give as a video: what is meant beyond doubt is read, the rest says what to give."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.footage import corner, picture, told, turn, write_video
from PIL import Image

from acga_lib.errors import DataError
from acga_lib.files.footage import footage, in_turn, showing

FRAMES = np.stack([picture(index) for index in range(12)])
AROUND = {"before": 2, "after": 3}


def read(video, frame=5):
    return footage(video, frame, **AROUND)[1]


@pytest.fixture
def folder(tmp_path):
    """12 frames as PNG, numbered without zeros, beside what file browsers leave."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(folder / f"frame {index + 1}.png")
    for stray in (".DS_Store", "._frame 1.png", "Thumbs.db", "notes.txt"):
        (folder / stray).write_bytes(b"no picture")
    return folder


@pytest.mark.parametrize(
    "meant",
    [
        FRAMES,
        list(FRAMES),
        tuple(torch.from_numpy(frame) for frame in FRAMES),
        [Image.fromarray(frame) for frame in FRAMES],
        FRAMES.tolist(),
        FRAMES.astype(np.int64),
        FRAMES.astype(np.float32),
        FRAMES / 255,
        torch.from_numpy(FRAMES),
        torch.from_numpy(FRAMES).permute(0, 3, 1, 2),
        (torch.from_numpy(FRAMES) / 255).permute(0, 3, 1, 2).requires_grad_(),
        list((torch.from_numpy(FRAMES) / 255).permute(0, 3, 1, 2)),
    ],
    ids=["array", "list", "list of tensors", "list of images", "nested lists", "integers",
         "whole floats", "floats from 0 to 1", "tensor", "channels first", "torchvision",
         "list, channels first"],
)  # fmt: skip
def test_frames_in_memory_are_read_whatever_holds_them(meant):
    found = read(meant)
    assert found.frames.dtype == np.uint8 and found.position == 2
    assert np.array_equal(found.frames, FRAMES[2:8])


def test_a_folder_of_frames_is_read_in_the_order_of_their_numbers(folder):
    assert np.array_equal(read(folder, 11).frames, FRAMES[8:12])
    files = sorted(folder.glob("f*.png"), key=lambda path: int(path.stem.split()[1]))
    assert np.array_equal(read([str(path) for path in files], 11).frames, FRAMES[8:12])


def test_a_single_picture_is_a_video_of_one_frame(folder):
    for one in (FRAMES[4], Image.fromarray(FRAMES[4]), folder / "frame 5.png"):
        assert np.array_equal(read(one, None).frames, FRAMES[4:5])


@pytest.mark.parametrize("frame", [5, 5.0, "5", " 5 ", np.int8(5), np.float32(5), torch.tensor(5)])
def test_a_frames_number_is_understood_as_people_write_it(frame):
    assert read(FRAMES, frame).position == 2


@pytest.mark.parametrize(
    "frame", [2.5, "x", "", "2.5", True, float("nan"), float("inf"), [3], torch.tensor(2.5), 3j]
)
def test_what_is_no_whole_number_is_no_frame(frame):
    with pytest.raises(DataError, match=r"no frame's number: give a whole number"):
        read(FRAMES, frame)


@pytest.mark.parametrize("frame", [0, -1, 13, "13", 10**30])
def test_a_frame_outside_is_named_with_the_number_of_frames(tmp_path, folder, frame):
    for video in (FRAMES, folder, write_video(tmp_path / "video.mp4")):
        with pytest.raises(DataError, match=rf"frame {frame} is outside .* 1 to 12"):
            read(video, frame)


@pytest.mark.parametrize(
    "video",
    [
        None, 3, True, {"a": 1}, object(), b"x", [], (), [None], ["a.jpg", None], FRAMES[..., 0],
        FRAMES[0, 0, 0],
        FRAMES[:0], FRAMES[:, :0], FRAMES[..., :2], [FRAMES[0], FRAMES[0, :, :40]],
        FRAMES > 9, FRAMES / 99, FRAMES / 255 - 0.5, FRAMES.astype(np.int16) * 9,
        np.where(FRAMES > 9, np.nan, 0.5), FRAMES.astype(complex), FRAMES.astype(str),
        [FRAMES[0], FRAMES[1, :, :, 0]], (frame for frame in FRAMES),
    ],
    ids=lambda video: type(video).__name__,
)  # fmt: skip
def test_what_leaves_doubt_is_refused_with_what_to_give(video):
    with pytest.raises(DataError, match=r"uint8 \[T, H, W, 3\]|bring them to one size"):
        read(video, 1)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("https://example.org/a.mp4", "is an address: download the video first"),
        ("file:///videos/a.mp4", "is an address"),
        ("{here}/vidoe.mp4", r"holds no vidoe\.mp4, only video\.mp4"),
        ("{here}/farmes/1.png", "holds no farmes, only frames"),
        ("{here}/empty", "without JPEG or PNG frames, it holds nothing"),
        ("{here}", r"without JPEG or PNG frames, it holds empty, frames, twice: give"),
        ("{here}/twice", r"1\.jpg and 1\.png are one frame"),
        ("", "neither a file nor a folder"),
        ("/dev/null", "neither a file nor a folder"),
        ("a\0b", "no such file or folder"),
        ("x" * 5000, "no path that can be looked up"),
        ("~nobody-of-this-name/a.mp4", "no path that can be looked up"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_it_is_and_what_to_give(
    folder, tmp_path, path, message
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "twice").mkdir()
    for name in ("1.png", "1.jpg"):
        Image.fromarray(FRAMES[0]).save(tmp_path / "twice" / name)
    write_video(tmp_path / "video.mp4")
    with pytest.raises(DataError, match=message):
        read(path.format(here=tmp_path))


def test_home_is_found_where_no_shell_has_put_it_in(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_video(tmp_path / "video.mp4")
    assert told(read("~/video.mp4").frames) == [2, 3, 4, 5, 6, 7]


def test_a_video_taken_sideways_is_upright_in_every_form(tmp_path):
    assert corner(read(turn(write_video(tmp_path / "phone.mp4"), 90)).frames[0]) == "top right"
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "frames").mkdir()
    Image.fromarray(FRAMES[3]).save(tmp_path / "frames" / "1.jpg", exif=exif)
    assert corner(read(tmp_path / "frames", 1).frames[0]) == "top right"
    with Image.open(tmp_path / "frames" / "1.jpg") as photo:
        assert corner(read([photo], 1).frames[0]) == "top right"


@pytest.mark.parametrize("every", [1, 5, 20])
@pytest.mark.parametrize("before", [0, 3, 20])
@pytest.mark.parametrize("after", [0, 2, 20])
def test_a_video_gone_through_once_gives_the_neighbours_that_reading_around_a_frame_gives(
    tmp_path, folder, every, before, after
):
    reach = {"before": before, "after": after}
    for path in (write_video(tmp_path / "clip.mp4"), folder):
        shown = showing(path)
        assert (shown.path, shown.count, shown.rate) == (path, len(FRAMES), 25)
        turns = list(in_turn(shown.frames, every=every, **reach))
        for number, (frame, found) in enumerate(turns, start=1):
            alone = footage(path, number, **reach)[1]
            assert np.array_equal(frame, alone.frames[alone.position])
            assert (found is None) == bool((number - 1) % every)
            if found is not None:
                assert np.array_equal(found.frames, alone.frames)
                assert found.position == alone.position
        assert len(turns) == len(FRAMES)


def test_what_is_no_video_to_go_through_is_named(tmp_path, folder):
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("text.mp4", "absent.mp4"):
        with pytest.raises(DataError, match=name):
            showing(tmp_path / name)
    Image.fromarray(FRAMES[0][:-2]).save(folder / "frame 7.png")
    with pytest.raises(DataError, match="bring them to one size"):
        list(showing(folder).frames)


PEAK = """
import resource, sys
from acga_lib.files.footage import footage, in_turn, showing
from acga_lib.files.video import read_clip
footage(sys.argv[1], None, before=8, after=8)
for _ in in_turn(showing(sys.argv[1]).frames, every=100, before=8, after=8):
    pass
read_clip(sys.argv[1], [5, 6, 7, int(sys.argv[2]) - 1], expected=int(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # KiB
"""


@pytest.mark.skipif(sys.platform != "linux", reason="units of ru_maxrss differ")
def test_memory_does_not_grow_with_the_video(tmp_path):
    peaks = []
    for count in (60, 600):  # of 360 × 640 pixels: 41 MB and 415 MB of RGB
        path = write_video(tmp_path / f"{count}.mp4", [9] * count, size=(360, 640))
        command = [sys.executable, "-c", PEAK, str(path), str(count)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        peaks.append(int(subprocess.check_output(command, env=environment, text=True)))
    assert peaks[1] - peaks[0] < 20 * 1024


@pytest.mark.parametrize("name", ["cover.png", "frame 5 mask.png", "frame 012.png"])
def test_a_picture_that_is_no_further_frame_is_named_and_never_counted(folder, name):
    Image.fromarray(FRAMES[0]).save(folder / name)
    with pytest.raises(DataError, match=re.escape(name)):
        read(folder)


def test_a_dark_beginning_is_scaled_as_the_whole_video_is():
    video = FRAMES.copy()
    video[:8] = video[:8] // 128  # levels 0 and 1
    assert np.array_equal(read(video.astype(np.float32)).frames, read(video).frames)


def test_grey_of_16_bits_is_read_alike_from_a_file_and_from_memory(tmp_path):
    levels = np.tile(np.arange(48, dtype=np.uint16) * 1300, (32, 1))
    image = Image.fromarray(levels)
    image.save(tmp_path / "grey.png")
    found = footage(image, None, **AROUND)[1].frames.astype(int)
    stored = footage(tmp_path / "grey.png", None, **AROUND)[1].frames
    assert np.abs(found - stored).max() <= 1 and found.max() < 255
    with pytest.raises(DataError, match="floating point"):
        footage(Image.fromarray(levels.astype(np.float32)), None, **AROUND)
