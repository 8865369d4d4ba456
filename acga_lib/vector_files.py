"""word2vec's binary files as a stream, held to what they declare.

A header, "<words> <width>", then for every word its bytes, a space, and little-endian floats. Read
as such, vectors in text form give other vectors without an error, a header can promise any amount,
and a gzip bomb has no end; here, nothing is kept that the file's size cannot hold.
"""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from acga_lib.errors import DataError
from acga_lib.hashes import hold_recorded
from acga_lib.published import advice

BLOCK = 1 << 20
#: Bytes of the longest word that is believed.
LONGEST = 4096
#: gzip makes vectors about half as large; zeros, as in a bomb, 1000 times smaller.
PACKED = 20

#: How to make a word2vec binary file of what users have instead.
_CONVERT = (
    "Convert it once: `from gensim.models import KeyedVectors; KeyedVectors.{load}"
    ".save_word2vec_format('vectors.bin', binary=True)`"
)
_TEXT = _CONVERT.format(load="load_word2vec_format({name!r}{more})")
_GENSIM = _CONVERT.format(load="load({name!r})")
_NUMBERS = b"0123456789+-.eEinfa \t\r\n"


class _Foreign(ValueError):
    """A sound file of another kind; the message says how to convert it."""


@contextmanager
def opened(path: Path, *, width: int) -> Iterator[tuple[int, Iterator[tuple[bytes, bytes]]]]:
    """A word2vec binary file (`.bin`, `.bin.gz`) -> the words it declares, and its rows.

    A row is a word and the bytes of its vector, `width` little-endian float32. Raises DataError,
    also while the rows are read, where the file is missing or damaged, of another width or kind,
    or not the one whose hash is kept beside it.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such word-vector file; {advice(path)}")
    hold_recorded(path)
    with _named(path):
        file = _stream(path)
    with file:
        with _named(path):
            count = _declared(file, path, width)
        yield count, _rows(file, count, 4 * width, path)


def _stream(path: Path) -> BinaryIO:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What goes wrong while `path` is read is a DataError that names it and says what to do."""
    try:
        yield
    except _Foreign as error:
        raise DataError(f"{path}: {error}") from error
    except PermissionError as error:
        raise DataError(f"{path}: may not be read; ask its owner for access") from error
    except (EOFError, ValueError, OSError, zlib.error) as error:
        raise DataError(
            f"{path}: damaged, or not a word2vec binary file ({error}): delete it and "
            f"{advice(path)}"
        ) from error


def read_vectors(path: Path, *, width: int) -> tuple[list[str], NDArray[np.float32]]:
    """The words of a file and their vectors, float32 [n, width]. Raises DataError as `opened`."""
    words, vectors = [], bytearray()
    with opened(path, width=width) as (_, rows):
        for word, vector in sound(rows, path):
            words.append(_decoded(word, path))
            vectors += vector
    return words, np.frombuffer(vectors, "<f4").astype(np.float32).reshape(-1, width)


def sound(rows: Iterable[tuple[bytes, bytes]], path: Path) -> Iterator[tuple[bytes, bytes]]:
    """The rows of `path`, each word once. Raises DataError for a vector that holds anything but
    finite numbers, and for a word that stands twice with different vectors.
    """
    seen: dict[bytes, int] = {}
    for word, vector in rows:
        if not np.isfinite(np.frombuffer(vector, "<f4")).all():
            raise DataError(
                f"{path}: the vector of {_shown(word)} holds a value that is not a number or "
                f"infinite: it is damaged; {advice(path)}"
            )
        if word not in seen:
            seen[word] = hash(vector)
            yield word, vector
        elif seen[word] != hash(vector):
            raise DataError(
                f"{path}: {_shown(word)} stands twice, with different vectors: leave one out"
            )


def _decoded(word: bytes, path: Path) -> str:
    with _named(path):
        return word.decode()


def _shown(word: bytes) -> str:
    return repr(word.decode(errors="replace"))


def _declared(file: BinaryIO, path: Path, width: int) -> int:
    """How many words the header declares; raises ValueError where the file cannot hold them."""
    line = file.readline(LONGEST)
    found = re.fullmatch(rb"\s*([0-9]{1,12})\s+([0-9]{1,6})\s*", line)
    if not found:
        raise _kind(line, path)
    count, wide = int(found[1]), int(found[2])
    if wide != width:
        raise _Foreign(f"vectors have {wide} numbers instead of {width}: use vectors of {width}")
    packed = path.suffix == ".gz"
    most = path.stat().st_size * (PACKED if packed else 1) + (BLOCK if packed else 0)
    if count * 4 * width > most:
        raise ValueError(f"it declares {count:,} words, more than its bytes can hold")
    return count


def _kind(line: bytes, path: Path) -> ValueError:
    """What a file without word2vec's header is."""
    if line.startswith((b"\x80", b"PK")):
        return _Foreign(f"gensim's own format, or another pickle. {_GENSIM.format(name=path.name)}")
    if len(line.split()) > 2 and not line.split(None, 1)[1].strip(_NUMBERS):
        text = _TEXT.format(name=path.name, more=", no_header=True")
        return _Foreign(f"vectors in text form without a header, as GloVe's. {text}")
    return ValueError(f"it begins with {line[:20]!r}")


def _rows(file: BinaryIO, count: int, size: int, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Every word with the `size` bytes of its vector. Raises DataError as `opened`."""
    buffer, start = b"", 0
    with _named(path):
        for index in range(count):
            while (space := buffer.find(b" ", start)) < 0 or len(buffer) <= space + size:
                if space < 0 and len(buffer) - start > LONGEST:
                    raise ValueError(f"word {index + 1:,} has no end")
                more = file.read(BLOCK)
                if not more:
                    raise EOFError(f"the file ends early, in row {index + 1:,} of {count:,}")
                buffer, start = buffer[start:] + more, 0
            end = space + 1 + size
            word, vector = buffer[start:space].lstrip(b"\n"), buffer[space + 1 : end]
            if index == 0 and not vector[:64].strip(_NUMBERS):
                raise _Foreign(f"vectors in text form. {_TEXT.format(name=path.name, more='')}")
            yield word, vector
            start = end
        if (buffer[start:] + file.read(BLOCK)).strip():  # gzip checks its CRC at the very end
            raise ValueError("something follows the last vector")
