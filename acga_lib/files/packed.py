"""Half-precision arrays with many zeros, small and fast to read: one file, one read.

What a network says after a ReLU is half zeros. A bit for every number tells which are not, and only
those are kept, their two bytes in planes of their own (the upper one repeats itself); zstd takes
the rest and adds a checksum.
"""

import json

import numpy as np
import zstandard
from numpy.typing import NDArray

#: The first bytes of the content: what this is, in which edition.
MAGIC = b"acga float16 1\n"


def pack(array: NDArray[np.float16]) -> bytes:
    """An array of any shape as bytes; equal arrays give equal bytes."""
    bits = np.ascontiguousarray(array, dtype="<f2").view("<u2").ravel()
    kept = bits != 0
    planes = bits[kept].view(np.uint8).reshape(-1, 2).T
    header = json.dumps(array.shape).encode() + b"\n"
    content = b"".join((MAGIC, header, np.packbits(kept).tobytes(), planes.tobytes()))
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(content)


def unpack(data: bytes) -> NDArray[np.float16]:
    """The array behind `pack`. Raises ValueError where a bit is not what was written."""
    try:
        content = zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if not content.startswith(MAGIC):
        raise ValueError("not a packed float16 array")
    end = content.index(b"\n", len(MAGIC))
    shape = json.loads(content[len(MAGIC) : end])
    count = int(np.prod(shape))
    body = np.frombuffer(content, np.uint8, offset=end + 1)
    kept = np.unpackbits(body[: (count + 7) // 8], count=count).view(bool)
    bits = np.zeros(count, "<u2")
    bits[kept] = np.ascontiguousarray(body[(count + 7) // 8 :].reshape(2, -1).T).view("<u2").ravel()
    return bits.view(np.float16).reshape(shape)
