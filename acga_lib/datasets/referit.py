"""ReferIt (RefCLEF): still images and referring expressions, in the layout of Hu et al. 2016.

The kit trains on it what the rows without `*` of Table 1 were trained on: images, no actions.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acga_lib.datasets.sample import Sample, Samples, hold_frame_size, hold_size
from acga_lib.errors import ConfigError, DataError, QueryError
from acga_lib.files.arrays import hold_foreground, mat_shape, read_mat
from acga_lib.files.lists import CUE_FIELDS, hold_file_name, read_json, shown, whole_number
from acga_lib.files.paths import given_path, is_there
from acga_lib.files.stills import image_size, read_image
from acga_lib.text import MAX_WORDS, first_words

#: The file of each split, in `data`.
QUERIES = {"train": "referit_query_trainval.json", "test": "referit_query_test.json"}
CUES = "cues.json"
MASK_KEY = "segimg_t"


@dataclass(frozen=True, kw_only=True)
class ReferItSample(Sample):
    """A sample whose video is one image that stands still."""

    @property
    def video_files(self) -> tuple[Path, ...]:
        """The image."""
        return (self.video_path,)

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """The image once per index: uint8 [T, H, W, 3]. Raises as `Sample.read`."""
        return np.stack([read_image(self.video_path, (self.height, self.width))] * len(indices))

    def mask(self) -> NDArray[np.bool_]:
        """The region that the expression means: bool [H, W]. In the file, zero is foreground.

        Raises:
            DataError: the file is missing, forbidden or damaged, has another size than the image,
                holds other than whole numbers, or no foreground.
        """
        size = (self.height, self.width)
        hold_size(self.mask_path, mat_shape(self.mask_path, MASK_KEY), size, said_by="its image")
        mask = read_mat(self.mask_path, MASK_KEY) == 0
        hold_foreground(mask, self.mask_path, f"region {self.instance}")
        return mask


class ReferIt(Samples):
    """One sample per expression, in the file's order.

    Opening reads the split's expressions and the images' headers.

    Args:
        root: folder that holds `referit-dataset` and `data`.
        split: "train" (the published trainval) or "test".

    Raises:
        ConfigError: another split.
        DataError: a file is missing or damaged.
        QueryError: an expression that is no text.

    Warns of expressions without a word, which players of the game also wrote; they are left out.
    """

    def __init__(self, *, root: str | Path, split: str) -> None:
        if split not in tuple(QUERIES):
            raise ConfigError(f"unknown split {split!r} of ReferIt: choose train or test")
        root = given_path(root, "ReferIt")
        super().__init__(tuple(_read_samples(root, split)), root=root, split=split)


def _read_samples(root: Path, split: str) -> Iterator[Sample]:
    path = root / "data" / QUERIES[split]
    expressions, cues = read_lists(path), read_lists(path.with_name(CUES), optional=True)
    sizes: dict[str, tuple[int, int]] = {}
    wordless: list[str] = []
    for key, texts in expressions.items():
        image, region, picture, mask = region_files(root, key, path)
        if image not in sizes:
            sizes[image] = image_size(picture, partial(mat_shape, mask, MASK_KEY))
            hold_frame_size(*sizes[image], str(picture))
        height, width = sizes[image]
        told = cues_of(key, cues, len(texts), path.with_name(CUES))
        for text, cue in zip(texts, told, strict=True):
            if not (query := read_expression(text, key, path)):
                wordless.append(key)
                continue
            yield ReferItSample(
                video_id=image, frame=1, instance=region, query=query,
                height=height, width=width, frame_count=1, video_path=picture,
                mask_path=mask, **cue,
            )  # fmt: skip
    if wordless:
        warnings.warn(
            f"{path}: {len(wordless)} expressions have no word and are left out, the first of "
            f"{wordless[0]}", stacklevel=2,
        )  # fmt: skip


def region_files(root: Path, key: str, path: Path) -> tuple[str, int, Path, Path]:
    """What a key of the expressions' file `path` names: image, region, and the files of both.

    Raises:
        DataError: the key is not <image>_<region>.
    """
    image, _, region = hold_file_name(key, str(path)).rpartition("_")
    try:
        number = whole_number(region)
        hold_file_name(image, str(path))
    except ValueError as error:
        raise DataError(
            f"{path}: the key {key!r} is not <image>_<region> ({error}): correct it"
        ) from error
    folder = root / "referit-dataset"
    return image, number, folder / "images" / f"{image}.jpg", folder / "mask" / f"{key}.mat"


def read_expression(text: Any, key: str, path: Path) -> str:
    """An expression, lowercase; of more than 20 words the first 20, as in Hu et al.'s code.

    Empty where it has no word. Raises QueryError where it is no text.
    """
    if not isinstance(text, str):
        raise QueryError(f"{path}: {key} has an expression that is no text: {shown(text)}")
    return first_words(text.strip().lower(), MAX_WORDS)


def read_lists(path: Path, *, optional: bool = False) -> dict[str, list[Any]]:
    """Read a JSON object whose values are lists; empty where an optional file is missing.

    Raises:
        DataError: missing file, or not such an object, or one that names a key twice.
    """
    if optional and not is_there(path):
        return {}
    found = read_json(path)
    if not isinstance(found, dict) or not all(isinstance(v, list) for v in found.values()):
        raise DataError(f"{path}: is not an object of lists by <image>_<region>: fetch it again")
    return found


def cues_of(
    key: str, cues: dict[str, list[Any]], count: int, path: Path
) -> list[dict[str, str]]:  # fmt: skip
    """What `cues.json` says of each of a region's `count` expressions, empty values left out."""
    told = cues.get(key, [{}] * count)
    texts = all(
        isinstance(one, dict) and all(isinstance(value, str | None) for value in one.values())
        for one in told
    )
    if len(told) != count or not texts:
        raise DataError(
            f"{path}: {key} holds {len(told)} cues for {count} expressions: write an object of "
            f"{', '.join(CUE_FIELDS)}, as text, for each"
        )
    return [{field: one[field] for field in CUE_FIELDS if one.get(field)} for one in told]
