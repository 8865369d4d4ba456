"""Optical flow, against textures that are moved by known numbers of pixels."""

import cv2
import numpy as np
import pytest
import torch

from acga_lib.clip import clip_indices
from acga_lib.errors import ConfigError
from acga_lib.flow import FLOW_METHODS, clip_flow, flow_to_input, optical_flow


@pytest.fixture(scope="module")
def texture():
    """uint8 [72, 96, 3], smooth blobs of random colours."""
    noise = np.random.default_rng(0).normal(size=(72, 96, 3))
    blobs = cv2.GaussianBlur(np.tile(noise, (3, 3, 1)), (0, 0), 2)[72:144, 96:192]  # periodic
    return np.clip(128 + 60 * blobs / blobs.std(), 0, 255).astype(np.uint8)


def moved(texture, right, down):
    return np.roll(texture, (down, right), axis=(0, 1))


@pytest.mark.parametrize("method", FLOW_METHODS)
def test_a_shifted_texture_has_its_shift_as_flow(method, texture):
    frames = np.stack([texture, moved(texture, 3, -2), moved(texture, 2, 2)])
    flow = optical_flow(frames, method=method)
    assert flow.shape == (2, 72, 96, 2) and flow.dtype == np.float32
    inner = flow[:, 12:-12, 12:-12]
    np.testing.assert_allclose(np.median(inner, axis=(1, 2)), [[3, -2], [-1, 4]], atol=0.1)
    assert np.abs(inner - np.array([[[[3, -2]]], [[[-1, 4]]]])).mean() < 0.3


def test_an_unknown_method_is_refused_with_the_known_ones(texture):
    with pytest.raises(ConfigError, match=r"'farneback'.*tvl1, dis"):
        optical_flow(np.stack([texture] * 2), method="farneback")


def test_frames_too_small_for_a_method_are_named():
    with pytest.raises(ConfigError, match="'dis' takes no frames of 8 × 8 pixels"):
        optical_flow(np.zeros((2, 8, 8, 3), np.uint8), method="dis")


@pytest.mark.parametrize(
    ("frame", "length", "steps"),
    [
        (1, 8, [0, 0, 0, 0, 1, 2, 3, 1]),  # the first frame is repeated; the last flow leaves it
        (5, 8, [1, 2, 3, 1, 0, 0, 0, 0]),
        (3, 4, [1, 2, 3, 1]),
        (2, 1, [2]),
        (5, 1, [0]),
    ],
)
def test_a_clips_flow_leads_to_the_videos_next_frame_and_is_zero_at_its_edges(
    frame, length, steps, texture
):
    video = np.stack([moved(texture, right, 0) for right in np.cumsum([0, 1, 2, 3, 1])])
    flow = clip_flow(video, clip_indices(frame=frame, count=5, length=length), method="dis")
    assert flow.shape == (length, 72, 96, 2)
    np.testing.assert_allclose(np.median(flow[..., 0], axis=(1, 2)), steps, atol=0.15)
    assert not flow[np.array(steps) == 0].any()


def test_i3ds_flow_input_is_clipped_at_20_pixels_and_channels_first():
    flow = np.zeros((4, 6, 8, 2))
    flow[1, 2, 3] = (10, -50)
    clip = flow_to_input(flow)
    assert clip.shape == (2, 4, 6, 8) and clip.dtype == torch.float32
    assert clip[:, 1, 2, 3].tolist() == [0.5, -1.0]
    assert clip.abs().sum() == 1.5
