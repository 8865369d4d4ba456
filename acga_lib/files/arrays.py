"""Arrays in HDF5 and MATLAB files, with named errors: what masks are stored in.

A file of a few bytes may declare an array of any size, so shapes are read first and held against
what the dataset promises; only then are numbers read.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

from acga_lib.errors import DataError
from acga_lib.files.locks import NO_LOCKS
from acga_lib.files.paths import FETCH, named

#: What h5py and scipy.io raise on damaged files, beside OSError; none of it names the file.
HDF5_DAMAGE = (RuntimeError, ValueError, TypeError, KeyError, OverflowError, AttributeError)
MATLAB_DAMAGE = (MatReadError, ValueError, TypeError, KeyError, NotImplementedError, zlib.error,
                 IndexError, OverflowError, AttributeError)  # fmt: skip
#: Numbers in one piece of an HDF5 data set at most: a piece is unpacked whole.
MAX_CHUNK = 2**26


@contextmanager
def open_hdf5(path: Path, *, fetch: str = FETCH) -> Iterator[h5py.File]:
    """An HDF5 file, open for reading; what its library raises while it is, names the file.

    Raises:
        DataError: missing, forbidden, held open for writing, or damaged.
    """
    with named(path, "HDF5 file", *HDF5_DAMAGE, fetch=fetch):
        try:
            file = h5py.File(path, "r")
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            file = h5py.File(path, "r", locking=False)  # the file system has none
        with file:
            yield file


def numbers(file: h5py.File, key: str, path: Path) -> h5py.Dataset:
    """The data set of real numbers under a key, read when indexed. Raises DataError without it."""
    found = file.get(key)
    if not isinstance(found, h5py.Dataset):
        raise DataError(f"{path}: holds no {key}, only {sorted(file)}: {FETCH}")
    if found.dtype.kind not in "biuf":
        raise DataError(f"{path}: {key} holds {found.dtype} instead of numbers: {FETCH}")
    if found.chunks and np.prod([float(side) for side in found.chunks]) > MAX_CHUNK:
        raise DataError(f"{path}: {key} is stored in pieces of {found.chunks}: {FETCH}")
    return found


def is_empty(found: h5py.Dataset) -> bool:
    """Whether a data set holds no number. MATLAB stores the *shape* of an empty array, marked."""
    return not found.size or bool(found.attrs.get("MATLAB_empty", 0))


def mat_shape(path: Path, key: str) -> tuple[int, ...]:
    """The shape of one variable of a MATLAB file, read without its data.

    Raises:
        DataError: the file is missing or damaged, lacks the variable or holds it twice.
    """
    with named(path, "MATLAB file", *MATLAB_DAMAGE):
        found = [(name, shape) for name, shape, _ in whosmat(str(path), appendmat=False)]
    shapes = [shape for name, shape in found if name == key]
    if len(shapes) != 1:
        names = sorted(name for name, _ in found)
        raise DataError(f"{path}: holds no {key} or several, {names}: {FETCH}")
    return shapes[0]


def read_mat(path: Path, key: str) -> NDArray:
    """One variable of a MATLAB file: an array of whole numbers. Hold its `mat_shape` first.

    Raises:
        DataError: the file is missing or damaged, lacks the variable, or holds anything but whole
            numbers in it (no mask has fractions; not-a-number would pass as background).
    """
    with named(path, "MATLAB file", *MATLAB_DAMAGE):
        found = loadmat(str(path), appendmat=False, variable_names=[key])
    if key not in found:
        raise DataError(f"{path}: holds no {key}: {FETCH}")
    array = np.asarray(found[key])
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: {key} is not a plain array of numbers: {FETCH}")
    if array.dtype.kind == "f" and not (np.isfinite(array) & (array == np.rint(array))).all():
        raise DataError(f"{path}: {key} holds something else than whole numbers: {FETCH}")
    return array


def as_mask(stored: NDArray, path: Path, what: str) -> NDArray[np.bool_]:
    """Numbers as a mask of the same shape: 0 is background, one other number is foreground.

    Raises:
        DataError: there is a third number, or one that is not finite, so what is foreground is
            open.
    """
    top = stored.max(initial=0)
    if not np.isfinite(top) or not ((stored == 0) | (stored == top)).all():
        raise DataError(
            f"{path}: the mask of {what} holds other numbers than 0 and one for the foreground: "
            f"write it with 0 and 1, or {FETCH}"
        )
    return stored != 0


def hold_foreground(mask: NDArray[np.bool_], path: Path, what: str) -> None:
    """Raise DataError where a mask has no foreground, against which nothing can be scored."""
    if not mask.any():
        raise DataError(
            f"{path}: the mask of {what} is empty: fetch the file again, or take the annotation out"
        )
