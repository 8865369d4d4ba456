"""Clips and the letterbox, against made-up videos whose frames are told by their brightness."""

import json

import av
import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from acga_lib.clip import Letterbox, clip_indices, to_input
from acga_lib.errors import ConfigError, DataError
from acga_lib.files.video import read_clip, read_frames
from acga_lib.metrics import iou


@pytest.fixture
def video(tmp_path):
    """12 frames of 48 × 80 pixels; frame i has brightness 20 · i."""
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 80, "yuv420p"
        for index in range(12):
            pixels = np.full((48, 80, 3), 20 * index, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def told_by_brightness(frames):
    return [round(float(frame.mean()) / 20) for frame in frames]


def test_every_frame_is_read_in_order(video):
    frames = read_frames(video, expected=12)
    assert frames.shape == (12, 48, 80, 3) and frames.dtype == np.uint8
    assert told_by_brightness(frames) == list(range(12))


def test_a_clip_has_the_annotated_frame_in_the_middle_and_repeats_the_edges(video):
    window = clip_indices(frame=3, count=12, length=16)
    clip = read_clip(video, window, expected=12)
    assert told_by_brightness(clip) == [0] * 7 + [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert window[8] == 2
    assert clip_indices(frame=12, count=12, length=4) == [9, 10, 11, 11]
    assert clip_indices(frame=5, count=12, length=1) == [4]


@pytest.mark.parametrize("frame", [0, 13])
def test_an_annotated_frame_outside_the_video_raises(frame):
    with pytest.raises(DataError, match="1 to 12"):
        clip_indices(frame=frame, count=12, length=16)


def test_frames_are_real_colours_as_another_decoder_sees_them(shared):
    path = shared / "real_pairs/Release/clips320H/rptr000.mp4"
    capture = cv2.VideoCapture(str(path))
    ours = read_frames(path, expected=25)
    for frame in ours[:5]:
        bgr = capture.read()[1]
        assert np.abs(frame.astype(int) - bgr[..., ::-1]).mean() < 2


def test_fewer_frames_than_promised_raise_with_file_and_both_counts(video):
    message = r"video\.mp4: holds 12 frames where 13 are expected"
    with pytest.raises(DataError, match=message):
        read_frames(video, expected=13)
    with pytest.raises(DataError, match=message):
        read_clip(video, [0, 1], expected=13)
    with pytest.raises(DataError, match=r"video\.mp4"):
        read_clip(video, [11, 12])


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_truncated_video_raises_and_never_comes_back_shorter(video, kept):
    content = video.read_bytes()
    video.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match=r"video\.mp4"):
        read_frames(video, expected=12)
    with pytest.raises(DataError, match=r"video\.mp4"):
        read_clip(video, [0, 1], expected=12)


def test_a_missing_video_or_another_file_raises(tmp_path):
    with pytest.raises(DataError, match=r"absent\.mp4: no such video"):
        read_frames(tmp_path / "absent.mp4")
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    with pytest.raises(DataError, match=r"text\.mp4"):
        read_frames(text)


@pytest.mark.parametrize(
    ("height", "width", "side", "rows", "columns"),
    [
        (320, 640, 512, slice(128, 384), slice(0, 512)),
        (320, 568, 512, slice(112, 400), slice(0, 512)),
        (640, 320, 128, slice(0, 128), slice(32, 96)),
        (48, 48, 96, slice(0, 96), slice(0, 96)),
    ],
)
def test_the_letterbox_centres_the_frame_between_zero_margins(height, width, side, rows, columns):
    box = Letterbox(height=height, width=width, side=side)
    square = box.frames(np.full((2, height, width, 3), 200, dtype=np.uint8))
    assert square.shape == (2, side, side, 3) and square.dtype == np.uint8
    assert (square[:, rows, columns] == 200).all()
    assert square.sum() == square[:, rows, columns].sum()
    assert box.mask(np.ones((height, width), dtype=bool)).sum() == (square[0, ..., 0] > 0).sum()


def test_a_response_returns_to_the_pixels_it_came_from():
    box = Letterbox(height=90, width=160, side=128)
    y, x = np.mgrid[:90, :160]
    ramp = (x + 0.5) / 160 + (y + 0.5) / 90
    content = np.mgrid[:72, :128]
    response = np.full((128, 128), -9.0)
    response[28:100] = (content[1] + 0.5) / 128 + (content[0] + 0.5) / 72
    restored = box.restore_response(response)
    assert restored.shape == (90, 160) and restored.dtype == np.float32
    np.testing.assert_allclose(restored[2:-2, 2:-2], ramp[2:-2, 2:-2], atol=1e-5)
    assert restored.min() > 0, "the margins leaked in"


def test_real_masks_survive_the_way_to_512_and_back(shared):
    path = shared / "a2d_sentences/a2d_sentences_test_annotations_in_coco_format.json"
    kept, kept_by_authors = [], []
    for annotation in json.loads(path.read_text())["annotations"][::40]:
        truth = coco_mask.decode(annotation["segmentation"]).astype(bool)
        box = Letterbox(height=truth.shape[0], width=truth.shape[1], side=512)
        kept.append(iou(box.restore_response(box.mask(truth).astype(np.float32)) >= 0.5, truth))
        kept_by_authors.append(iou(box.authors_round_trip(truth), truth))
    # The field reports 0.978 for the authors' way.
    assert np.mean(kept_by_authors) == pytest.approx(0.978, abs=5e-4)
    assert np.mean(kept) > 0.99


def test_a_letterbox_refuses_what_is_not_its_size():
    box = Letterbox(height=90, width=160, side=128)
    with pytest.raises(ConfigError, match="frames"):
        box.frames(np.zeros((1, 160, 90, 3), dtype=np.uint8))
    with pytest.raises(ConfigError, match=r"type int64 .* give frames as uint8"):
        box.frames(np.zeros((1, 90, 160, 3), dtype=np.int64))
    with pytest.raises(ConfigError, match="mask"):
        box.mask(np.zeros((128, 128), dtype=bool))
    with pytest.raises(ConfigError, match="response"):
        box.restore_response(np.zeros((32, 32)))
    with pytest.raises(ConfigError, match="mask"):
        box.authors_restore(np.zeros((90, 160), dtype=bool))


def test_the_models_input_is_channels_first_between_minus_one_and_one():
    frames = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    frames[1, 2, 3] = (255, 0, 51)
    clip = to_input(frames)
    assert clip.shape == (3, 4, 8, 8) and clip.dtype == torch.float32
    assert clip[:, 1, 2, 3].tolist() == pytest.approx([1, -1, -0.6])
    assert clip.min() == -1
