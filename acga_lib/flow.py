"""Optical flow: what moves where between two frames, the second input of the two-stream rows.

The paper's flow rows follow Gavrilyuk et al. 2018, who feed I3D's flow network as Carreira &
Zisserman 2017 trained it: TV-L1, clipped to ±20 pixels, scaled to [-1, 1]. TV-L1 takes seconds for
a pair of frames at 512²; the small profiles use DIS (Kroeger et al. 2016), hundreds of times
faster.
"""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from acga_lib.errors import ConfigError
from acga_lib.parameters import choose

#: Pixels per frame that become ±1 in I3D's input; faster motion is clipped (I3D's release).
LIMIT = 20.0


def _tvl1() -> Any:
    try:
        return cv2.optflow.createOptFlow_DualTVL1()
    except AttributeError as error:
        raise ConfigError(
            "flow method 'tvl1' is in OpenCV's contrib modules, which this installation lacks: "
            "install opencv-contrib-python-headless in place of other OpenCV packages"
        ) from error


def _dis() -> Any:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


#: Methods by name, each with the settings that OpenCV ships as its defaults.
FLOW_METHODS: dict[str, Callable[[], Any]] = {"tvl1": _tvl1, "dis": _dis}


def optical_flow(frames: NDArray[np.uint8], *, method: str) -> NDArray[np.float32]:
    """Where every pixel of a frame is in the next one.

    Args:
        frames: uint8 [T, H, W, 3], RGB.
        method: "tvl1" or "dis".

    Returns:
        float32 [T−1, H, W, 2], pixels per frame: to the right, then downwards.

    Raises:
        ConfigError: an unknown method, one that this OpenCV lacks, or frames too small for it.
    """
    estimator = choose("flow method", FLOW_METHODS, method)()
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    flow = np.zeros((len(gray) - 1, *frames.shape[1:3], 2), dtype=np.float32)
    try:
        for out, one, two in zip(flow, gray, gray[1:], strict=False):
            out[:] = estimator.calc(one, two, None)
    except cv2.error as error:
        raise ConfigError(
            f"flow method {method!r} takes no frames of {frames.shape[1]} × {frames.shape[2]} "
            "pixels: choose a profile with a larger side, or another method"
        ) from error
    return flow


def clip_flow(
    video: NDArray[np.uint8], window: Sequence[int], *, method: str
) -> NDArray[np.float32]:
    """The flow of a clip: for each of its frames, the motion to the next frame of the video.

    The last frame of the clip needs one more of the video. Where there is none, and where the
    window repeats a frame at an edge of the video, nothing moves: the flow is zero.

    Args:
        video: uint8 [n, S, S, 3], all frames, letterboxed.
        window: the clip's T indices, as from `clip_indices`.
        method: "tvl1" or "dis".

    Returns:
        float32 [T, S, S, 2], pixels of the square per frame.

    Raises:
        ConfigError: as `optical_flow`.
    """
    following = [*window[1:], min(window[-1] + 1, len(video) - 1)]
    moving = [k for k, (one, two) in enumerate(zip(window, following, strict=True)) if one != two]
    flow = np.zeros((len(window), *video.shape[1:3], 2), dtype=np.float32)
    if moving:  # consecutive, because a window repeats frames only at its ends
        first, last = window[moving[0]], following[moving[-1]]
        flow[moving] = optical_flow(video[first : last + 1], method=method)
    return flow


def flow_to_input(flow: NDArray[np.floating]) -> torch.Tensor:
    """A clip's flow as I3D's flow network reads it.

    Args:
        flow: [T, S, S, 2], pixels per frame.

    Returns:
        float32 [2, T, S, S] in [−1, 1]: clipped to ±`LIMIT` pixels and divided by it.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(flow)).permute(3, 0, 1, 2)
    return pixels.to(torch.float32).clamp(-LIMIT, LIMIT).div(LIMIT).contiguous()
