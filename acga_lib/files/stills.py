"""Image files, with named errors: what J-HMDB and ReferIt are stored in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from acga_lib.errors import DataError
from acga_lib.files.paths import named
from acga_lib.files.upright import STEPS, turned, turned_size

#: The formats that the datasets have; one of ReferIt's files named .jpg is a GIF. Pillow goes by a
#: file's content, not by its name, and starts other programs for some formats (PostScript).
FORMATS = ("JPEG", "PNG", "GIF")
#: Larger pictures are bombs: some hundred bytes that unpack to gigabytes (Pillow's own limit).
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 2**26
_ORIENTATION = 0x0112  # EXIF's tag


def image_size(path: Path, masked: Callable[[], tuple[int, ...]] | None = None) -> tuple[int, int]:
    """(height, width) in pixels from the file's header; the picture is not decoded.

    masked: asks for the size of the masks that belong to the picture, which decides where EXIF
    wants it turned by a quarter: the size as stored unless the masks have the upright one. Give the
    answer to `read_image`. Without masks, the upright size.

    Raises:
        DataError: the file is missing or no image.
    """
    with _opened(path) as image:
        stored = image.height, image.width
        upright = turned_size(stored, _orientation_of(image))
    return upright if masked is None or (upright != stored and masked() == upright) else stored


def read_image(path: Path, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Decode an image: uint8 [H, W, 3], RGB, upright as its EXIF orientation says.

    size: (height, width) of the masks that belong to it. They were drawn on the stored pixels where
    those have this size: such pixels are left as they lie.

    Raises:
        DataError: the file is missing or damaged.
    """
    with _opened(path) as image:
        return rgb(image) if (image.height, image.width) == size else upright_rgb(image)


def orientation(path: Path) -> int:
    """How EXIF says the picture is to be turned, 1 to 8. Raises as `image_size`."""
    with _opened(path) as image:
        return _orientation_of(image)


def upright_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """`rgb` of a picture as its EXIF orientation says; Pillow leaves it as the camera lay."""
    return turned(rgb(image), _orientation_of(image))


def rgb(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels, [H, W, 3]. Grey of 16 bits is scaled; Pillow would clip it to white.

    Raises ValueError for grey of floating point, whose white nothing tells.
    """
    if image.mode == "F":
        raise ValueError("its pixels are floating point: convert it to RGB yourself")
    if not image.mode.startswith("I"):
        return np.asarray(image.convert("RGB"), dtype=np.uint8)
    grey = np.rint(np.asarray(image, dtype=np.float64) * (255 / 65535)).astype(np.uint8)
    return np.stack([grey] * 3, axis=-1)


def _orientation_of(image: Image.Image) -> int:
    found = image.getexif().get(_ORIENTATION, 1)
    return found if found in STEPS else 1


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    # A damaged file makes the decoders fail in many ways; none of them names the file.
    with named(path, "image", Exception), Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise DataError(
                f"{path}: says it has {image.width:,} × {image.height:,} pixels: scale it down to "
                f"{MAX_PIXELS:,} in all, or fetch it again"
            )
        yield image
