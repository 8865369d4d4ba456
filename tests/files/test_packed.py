"""Packed arrays: what is read is what was written, or nothing is."""

import numpy as np
import pytest

from acga_lib.files.packed import pack, unpack


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (2, 3, 4, 7), (528, 1, 2, 2)])
@pytest.mark.parametrize("zeros", [0.0, 0.5, 1.0])
def test_every_bit_of_an_array_comes_back(shape, zeros):
    random = np.random.Generator(np.random.PCG64(0))
    array = random.integers(0, 2**16, shape, dtype=np.uint16).view(np.float16)  # NaN, -0, infinity
    array = np.where(random.random(shape) < zeros, np.float16(0), array)
    found = unpack(pack(array))
    assert found.dtype == np.float16 and found.shape == array.shape
    assert np.array_equal(found.view(np.uint16), array.view(np.uint16))


def test_the_order_in_memory_does_not_matter():
    array = np.arange(24, dtype=np.float16).reshape(2, 3, 4)
    assert pack(array.transpose(2, 0, 1)) == pack(np.ascontiguousarray(array.transpose(2, 0, 1)))


def test_any_flipped_bit_and_any_missing_byte_is_noticed():
    data = bytearray(pack(np.linspace(0, 1, 999).astype(np.float16)))
    for place in range(0, len(data), 37):
        data[place] ^= 4
        with pytest.raises(ValueError):
            unpack(bytes(data))
        data[place] ^= 4
    for length in (0, 3, len(data) // 2, len(data) - 1):
        with pytest.raises(ValueError):
            unpack(bytes(data[:length]))
