"""What a container says of its streams and pictures, and what happens where it is damaged."""

import shutil
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
from helpers.footage import corner, picture, told, turn, write_video
from PIL import Image

from acga_lib.errors import DataError
from acga_lib.files.stills import image_size, read_image
from acga_lib.files.video import read_around, read_clip, read_frames

AT = {0: "top left", 90: "top right", 180: "bottom right", 270: "bottom left"}
#: EXIF's orientation -> where the stored top left corner is to be seen.
EXIF = {
    1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left", 5: "top left",
    6: "top right", 7: "bottom right", 8: "bottom left",
}  # fmt: skip


@pytest.mark.parametrize("degrees", AT)
def test_a_video_that_a_phone_took_sideways_is_upright(tmp_path, degrees):
    frames = read_frames(turn(write_video(tmp_path / "phone.mp4"), degrees))
    assert frames.shape[1:3] == ((80, 48) if degrees % 180 else (48, 80))
    assert {corner(frame) for frame in frames} == {AT[degrees]}
    assert told(frames) == list(range(12))


def test_where_the_masks_lie_on_the_stored_pixels_these_are_not_turned(tmp_path):
    path = turn(write_video(tmp_path / "phone.mp4"), 90)
    assert corner(read_clip(path, [3], size=(48, 80))[0]) == "top left"
    assert corner(read_clip(path, [3], size=(80, 48))[0]) == "top right"


@pytest.mark.parametrize(("curve", "name"), [(16, "PQ"), (18, "HLG")])
def test_a_video_of_high_dynamic_range_is_read_with_a_warning(tmp_path, curve, name):
    path = write_video(tmp_path / "phone.mp4", codec="libx264", curve=curve)
    with pytest.warns(UserWarning, match=rf"phone\.mp4: is of high dynamic range \({name}\)"):
        assert len(read_frames(path)) == 12


def test_a_turn_by_less_than_a_quarter_is_refused(tmp_path):
    path = turn(write_video(tmp_path / "tilted.mp4"), 30)
    with pytest.raises(DataError, match=r"tilted\.mp4: its header wants it turned"):
        read_frames(path)


@pytest.mark.parametrize("kind", ["jpg", "png"])
@pytest.mark.parametrize("orientation", EXIF)
def test_a_photograph_is_upright_as_a_file_and_as_a_video_of_one_frame(tmp_path, kind, orientation):
    path, exif = tmp_path / f"photo.{kind}", Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture(20)).save(path, exif=exif)
    upright = (80, 48) if orientation > 4 else (48, 80)
    for found in (read_image(path), read_frames(path)[0]):
        assert (corner(found), found.shape[:2]) == (EXIF[orientation], upright)
    assert image_size(path) == image_size(path, lambda: upright) == upright
    assert image_size(path, lambda: (48, 80)) == (48, 80)
    assert corner(read_image(path, (48, 80))) == "top left"  # stored pixels lie as they lie


@pytest.mark.parametrize(
    ("aspect", "shown"), [((4, 3), (48, 107)), ((1, 2), (96, 80)), ((101, 100), (48, 80))]
)
def test_pixels_that_are_not_square_are_stretched(tmp_path, aspect, shown):
    path = write_video(tmp_path / "tape.mp4", codec="libx264", aspect=Fraction(*aspect))
    assert read_frames(path).shape[1:3] == shown
    assert read_clip(path, [0], size=(48, 80)).shape[1:3] == (48, 80)


def test_grey_of_16_bits_is_scaled_and_not_clipped(tmp_path):
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((8, 8), 30_000, dtype=np.uint16)).save(path)
    assert np.unique(read_image(path)) == [117]
    assert abs(int(read_frames(path)[0, 0, 0, 0]) - 117) <= 1


def test_the_resolution_of_a_print_stretches_no_photograph(tmp_path):
    Image.fromarray(picture(9)).save(tmp_path / "scan.jpg", dpi=(300, 150))
    assert read_frames(tmp_path / "scan.jpg").shape == (1, 48, 80, 3)


def test_frames_of_two_sizes_are_refused_in_one_video(tmp_path):
    parts = [
        write_video(tmp_path / f"{rows}.h264", codec="libx264", size=(rows, 80)).read_bytes()
        for rows in (48, 64)
    ]
    joined = tmp_path / "joined.h264"
    joined.write_bytes(b"".join(parts))
    with pytest.raises(DataError, match=r"joined\.h264.* 48 × 80 to 64 × 80"):
        read_frames(joined)
    assert told(read_clip(joined, [0, 1])) == [0, 1]


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize(
    ("name", "codec"),
    [("cut.mkv", "libx264"), ("cut.webm", "libvpx"), ("cut.avi", "mpeg4"), ("cut.mov", "mjpeg")],
)
def test_a_file_that_was_cut_off_says_so(tmp_path, name, codec, kept):
    path = write_video(tmp_path / name, codec=codec)
    assert len(read_frames(path)) == 12
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    for read in (read_frames, lambda path: read_clip(path, [0])):
        with pytest.raises(DataError, match=rf"{name}: is cut off after .* bytes"):
            read(path)


def test_a_recording_that_was_streamed_says_no_size_and_is_read(tmp_path):
    path = write_video(tmp_path / "streamed.mkv")
    content = bytearray(path.read_bytes())
    start = content.index(b"\x18\x53\x80\x67") + 4
    content[start : start + 8] = b"\x01" + b"\xff" * 7  # "unknown"
    path.write_bytes(content)
    assert told(read_frames(path)) == list(range(12))


def test_damage_in_a_frame_shown_later_is_found_where_earlier_ones_are_built_from_it(tmp_path):
    path = write_video(tmp_path / "damaged.mp4", range(30), options={"bf": "2", "g": "60"})
    with av.open(str(path)) as container:
        later = [packet for packet in container.demux(video=0) if packet.size][1]
        start, end = later.pos + later.size // 2, later.pos + later.size - 1
        assert later.pts > 2 * later.duration  # shown after the clip, decoded before its end
    content = bytearray(path.read_bytes())
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged\.mp4"):
        read_clip(path, [0, 1, 2])


@pytest.mark.parametrize("where", [b"TITLE", b"VideoHandler"])
def test_a_title_in_latin_1_is_no_reason_to_refuse(tmp_path, where):
    path = write_video(tmp_path / "latin.mp4", title="TITLE")
    content = path.read_bytes()
    assert where in content
    path.write_bytes(content.replace(where, where[:-1] + b"\xe9"))
    assert len(read_frames(path)) == 12


def test_a_cover_is_not_the_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=25)
        cover.height, cover.width, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(picture(5, 32, 32), format="rgb24")
        container.mux(cover.encode(frame))
        container.mux(cover.encode())
    with pytest.raises(DataError, match=r"song\.mp4: holds only a cover"):
        read_frames(path)


@pytest.mark.parametrize("name", ["a:b.mp4", "file:x.mp4", "-", "100%.mp4", "c'é [1]*?.mp4"])
def test_a_name_is_a_name_whatever_a_decoder_would_make_of_it(tmp_path, monkeypatch, name):
    shutil.move(write_video(tmp_path / "plain.mp4"), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert told(read_frames(name)) == list(range(12))


def test_a_picture_named_like_a_pattern_is_not_its_numbered_neighbour(tmp_path):
    for name, index in (("%03d.png", 7), ("001.png", 30)):
        Image.fromarray(picture(index)).save(tmp_path / name)
    assert told(read_frames(tmp_path / "%03d.png")) == [7]


def test_a_list_of_other_files_is_not_followed(tmp_path):
    write_video(tmp_path / "other.mp4")
    path = tmp_path / "list.mp4"
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")
    with pytest.raises(DataError, match=r"list\.mp4: is a list of other files"):
        read_frames(path)


@pytest.mark.parametrize("frame", [1, 5, 12, None])
def test_a_frame_comes_with_its_neighbours_as_far_as_there_are_any(tmp_path, frame):
    path = write_video(tmp_path / "video.mp4", codec="libx264")
    found = read_around(path, frame, before=3, after=4)
    middle = 7 if frame is None else frame
    assert told(found.frames) == list(range(max(middle - 4, 0), min(middle + 4, 12)))
    assert told(found.frames)[found.position] == middle - 1


@pytest.mark.parametrize("name", ["page.jpg", "page.png"])
def test_postscript_under_a_pictures_name_starts_no_other_program(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    for read in (read_image, image_size):
        with pytest.raises(DataError, match=rf"{name}: not a readable image"):
            read(path)


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_picture_that_would_unpack_to_gigabytes_is_refused_by_its_header(tmp_path, side):
    path = tmp_path / "bomb.png"
    Image.new("1", (8, 8)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = np.array([side, side], dtype=">u4").tobytes()
    head = slice(12, 29)
    content[29:33] = zlib.crc32(content[head]).to_bytes(4, "big")
    path.write_bytes(content)
    for read in (read_image, image_size, read_frames):
        with pytest.raises(DataError, match=r"bomb\.png"):
            read(path)
