"""Image files, with named errors: what J-HMDB and ReferIt are stored in."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from acga_lib.errors import DataError


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) in pixels from the file's header; the picture is not decoded.

    Raises:
        DataError: the file is missing or no image.
    """
    with _named(path, "image"), Image.open(path) as image:
        return image.height, image.width


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decode an image: uint8 [H, W, 3], RGB.

    Raises:
        DataError: the file is missing or damaged.
    """
    with _named(path, "image"), Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


@contextmanager
def _named(path: Path, kind: str) -> Iterator[None]:
    """Turn what the decoders raise on bad files into a DataError that names the file."""
    if not path.is_file():
        raise DataError(f"{path}: no such {kind}: complete the dataset's download")
    try:
        yield
    # A damaged file makes either decoder fail in many ways; none of them names the file.
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, zlib.error,
            SyntaxError) as error:  # fmt: skip
        raise DataError(f"{path}: not a readable {kind} ({error}): fetch it again") from error
