"""The authors' preprocessed files, read one sample at a time.

Their 163 GB (A2D Sentences) and 23 GB (J-HMDB Sentences) unpack into `dataset/A2D/preprocessed` and
`dataset/JHMDB/preprocessed`. The code that reads them (github.com/haowang1992/ACGA:
`dataset/data.py`, `util/tool.py`) settles what they hold:

    <split>.txt         comma-separated, no header, a row per sample; columns 2 and 3 are the height
                        and width of the frame, pixels
    video_rgb_iccv.h5   "<split>" [n, 528, 4, h, w] or [n, 1, 528, 4, h, w], Mixed_4e, h = w = 32
    txt.h5              "<split>" [n, 20, 300], word vectors, zero beyond the sentence
    mask.h5             "<split>/large" [n, 16h, 16w], 1 where foreground, on the letterboxed square

Row i of every file is sample i. The other data sets ("<split>/medium", "<split>/small", `bbox.h5`)
serve training only. Not settled by any code: what column 1 of the list says (the kit shows it as
the sample's name) and the number type. 163 and 23 GiB are what 19,547 and 2,784 samples take with
four bytes a feature and word component and one byte a mask pixel; any type of fractions is read.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acga_lib.datasets.sample import hold_frame_size
from acga_lib.errors import ConfigError, DataError
from acga_lib.files.arrays import HDF5_DAMAGE, open_hdf5
from acga_lib.files.lists import read_rows, whole_number
from acga_lib.files.paths import given_path
from acga_lib.text import MAX_WORDS

SPLITS = ("train", "test")
#: Values of a sample: Mixed_4e channels and steps, words and their features, cells to pixels.
CHANNELS, STEPS, WORD_FEATURES, SCALE = 528, 4, 300, 16
MAX_SIDE = 32  #: cells; what a file declares beyond is not allocated
_FETCH = "fetch it again and unpack it anew (`cat …_data.tara* > …_data.tar`, then `tar xf`)"


@dataclass(frozen=True, eq=False, kw_only=True)
class AuthorsSample:
    """One sentence on one annotated frame, as the authors stored it."""

    name: str  #: column 1 of the list
    height: int  #: of the original frame, pixels
    width: int
    features: Tensor  #: Mixed_4e, float32 [528, 4, h, w]
    words: Tensor  #: float32 [20, 300]
    mask: NDArray[np.bool_]  #: ground truth on the letterboxed square, [16h, 16w]


class AuthorsFiles:
    """The samples of one split, in the order of its list; a sample is read when it is reached.

    Nothing is kept in memory but the list, so files of any size are read through. To be used in a
    `with` statement, which closes them.

    Args:
        root: the folder of the unpacked files.
        split: "train" or "test".

    Raises:
        ConfigError: an unknown split.
        DataError: a file is missing, truncated or damaged, lacks a data set, or holds one of
            another shape or length than the list; while reading: a value that is not a number.
    """

    def __init__(self, root: str | Path, *, split: str) -> None:
        if split not in SPLITS:
            raise ConfigError(f"unknown split '{split}'; choose one of: {', '.join(SPLITS)}")
        self.root, self.split = given_path(root, "the authors' files"), split
        if not self.root.is_dir():
            raise DataError(f"{root}: no such folder; give that of the authors' {split}.txt")
        self.rows = _read_list(self.root / f"{split}.txt")
        with ExitStack() as stack:
            video = self._open(stack, "video_rgb_iccv.h5", split)
            words = self._open(stack, "txt.h5", split)
            masks = self._open(stack, "mask.h5", f"{split}/large")
            side = video.shape[-1] if video.shape else 0
            shape = (CHANNELS, STEPS, side, side)
            if side > MAX_SIDE:
                raise DataError(
                    f"{video.file.filename}: '{split}' is {side} cells wide where the authors' "
                    f"files have {MAX_SIDE}: it is not the file of that name"
                )
            self._hold(video, shape, (1, *shape))
            self._hold(words, (MAX_WORDS, WORD_FEATURES))
            self._hold(masks, (SCALE * side, SCALE * side), kinds="fiub")
            self._shape, self._sets = shape, (video, words, masks)
            self._closing = stack.pop_all()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are read, the list first."""
        held = (Path(one.file.filename) for one in self._sets)
        return (self.root / f"{self.split}.txt", *held)

    def __enter__(self) -> "AuthorsFiles":
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[AuthorsSample]:
        for index, (name, height, width) in enumerate(self.rows):
            features, words, mask = (self._read(one, index) for one in self._sets)
            # Their code cuts fractions off before it compares with 1.
            yield AuthorsSample(
                name=name, height=height, width=width,
                features=torch.from_numpy(features.reshape(self._shape)),
                words=torch.from_numpy(words), mask=mask.astype(np.uint8) == 1,
            )  # fmt: skip

    def _open(self, stack: ExitStack, file: str, key: str) -> h5py.Dataset:
        path = self.root / file
        opened = stack.enter_context(open_hdf5(path, fetch=_FETCH))
        found = opened.get(key)
        if not isinstance(found, h5py.Dataset):
            raise DataError(
                f"{path}: holds no data set '{key}' (but: {', '.join(opened) or 'nothing'}); "
                "it is not the authors' file of that name"
            )
        return found

    def _hold(self, found: h5py.Dataset, *shapes: tuple[int, ...], kinds: str = "f") -> None:
        """DataError unless there is, for every row of the list, an array of one of `shapes`.

        kinds: numpy's letters of the number types that it may have; whole numbers are no features.
        """
        where = f"{found.file.filename}: '{found.name}'"
        shape = found.shape or ()
        if shape[1:] not in shapes or found.dtype.kind not in kinds:
            wanted = " or ".join(str(list(("n", *one))).replace("'", "") for one in shapes)
            numbers = "fractions" if kinds == "f" else "numbers"
            raise DataError(
                f"{where} is {found.dtype} {list(shape)} where {numbers} {wanted} are expected"
            )
        if len(found) != len(self):
            lacking = f", not '{self.rows[len(found)][0]}'" if len(found) < len(self) else ""
            raise DataError(
                f"{where} has {len(found)} samples{lacking}, where {self.split}.txt names "
                f"{len(self)}: list and file are not of one release"
            )

    def _read(self, source: h5py.Dataset, index: int) -> NDArray[np.float32]:
        """Sample `index` as float32. Raises DataError when it cannot be read or is not finite."""
        where = f"{source.file.filename}: sample {index} ('{self.rows[index][0]}')"
        try:
            values = np.asarray(source[index], dtype=np.float32)
        except (OSError, *HDF5_DAMAGE) as error:
            raise DataError(f"{where}: damaged ({error}); {_FETCH}") from error
        if not np.isfinite(values).all():
            raise DataError(f"{where}: holds a value that is not a number; {_FETCH}")
        if source is self._sets[2] and (values.min() < 0 or values.max() > 1):
            raise DataError(f"{where}: a mask's values go from 0 to 1, not to {values.max():g}")
        return values


def _read_list(path: Path) -> list[tuple[str, int, int]]:
    """Name, height and width of every sample. Raises DataError, with the line, if one is amiss."""
    rows = []
    for number, row in read_rows(path, fetch="the lists are the authors' download 'Split'"):
        try:
            name, height, width = row[0].strip(), whole_number(row[1]), whole_number(row[2])
        except (IndexError, ValueError) as error:
            raise DataError(
                f"{path}: row {number} is not 'name,height,width' ({error}): {','.join(row)[:80]}"
            ) from error
        hold_frame_size(height, width, f"{path}, row {number}")
        rows.append((name, height, width))
    return rows
