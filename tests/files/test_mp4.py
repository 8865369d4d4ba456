"""Videos that the kit writes: what goes in comes out, whatever its size."""

from fractions import Fraction

import numpy as np
import pytest
from helpers.footage import picture, told

from acga_lib.errors import DataError
from acga_lib.files.mp4 import write_mp4
from acga_lib.files.video import frame_rate, read_frames


@pytest.mark.parametrize("size", [(48, 80), (33, 47), (1, 1)])
def test_frames_come_back_in_order_and_odd_sizes_repeat_their_edge(tmp_path, size):
    path = tmp_path / "a: clip.mp4"
    frames = [picture(index, *size) for index in range(5)]
    assert write_mp4(path, iter(frames), rate=Fraction(30000, 1001)) == 5
    found = read_frames(path)
    assert found.shape == (5, size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert frame_rate(path) == Fraction(30000, 1001)
    if size != (1, 1):
        assert told(found) == list(range(5))
        even = np.pad(frames[-1], [(0, size[0] % 2), (0, size[1] % 2), (0, 0)], mode="edge")
        assert np.abs(found[-1].astype(int) - even).mean() < 3


def test_what_h264_cannot_hold_is_a_named_error(tmp_path):
    with pytest.raises(DataError, match=r"none\.mp4.*without a frame"):
        write_mp4(tmp_path / "none.mp4", [], rate=25)
    wide = np.zeros((2, 2**15, 3), np.uint8)
    with pytest.raises(DataError, match=r"wide\.mp4: frames of 2 × 32768 pixels cannot be coded"):
        write_mp4(tmp_path / "wide.mp4", [wide], rate=25)
