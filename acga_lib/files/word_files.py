"""The Google News vectors in little memory (Sec. 4.2: word2vec trained on Google News).

Of their 3 million rows, most are phrases ("New_York") and words with capitals, which no query can
ask for: queries are split into lowercase words. The others are copied once, in passing, to a file
of their own beside the original, so that neither 3.6 GB of memory nor a minute of reading is spent
in every process. What any query reads is the same.

The vectors are cased and without "a", "and", "of", "to" and numbers of several digits; the rows of
such words stay zero (`text.Encoded.unknown` names them).
"""

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock
from tqdm.auto import tqdm

from acga_lib.errors import DataError
from acga_lib.published import advice
from acga_lib.text import WordVectors, is_word

BLOCK = 1 << 20


def load_large(path: Path, *, progress: bool = True) -> WordVectors:
    """The vectors of a large word2vec binary file (`.bin`, `.bin.gz`) that a query can ask for.

    They are copied to `<name>-queries.bin` beside it at first, in about a minute; from then on
    that file is read, and the large one may go.

    Raises:
        DataError: there is neither file, or the large one is damaged.
    """
    small = path.with_name(path.name.removesuffix(".gz").removesuffix(".bin") + "-queries.bin")
    if not small.is_file():
        if not path.is_file():
            raise DataError(f"{path}: no such word vectors; {advice(path)}")
        with FileLock(small.with_name(small.name + ".lock")):
            if not small.is_file():
                copy_words(path, small, progress=progress)
    return WordVectors.load(small)


def copy_words(source: Path, target: Path, *, progress: bool = True) -> int:
    """Copy the words that `text.tokenize` can yield from one word2vec binary file to another.

    `target` appears whole or not at all.

    Returns:
        how many were copied.

    Raises:
        DataError: `source` is damaged or no word2vec binary file, or there is no room.
    """
    part, kept = target.with_name(target.name + ".part"), 0
    try:
        with _opened(source) as file, part.open("w+b") as out:
            count, width = (int(number) for number in file.readline(BLOCK).split())
            header = f"{{:{len(str(count))}d}} {width}\n"  # one length for any number
            out.write(header.format(0).encode())
            rows = tqdm(_rows(file, count, 4 * width), total=count, desc=source.name, unit="word",
                        disable=not progress)  # fmt: skip
            for word, vector in rows:
                if is_word(word.decode(errors="replace")):
                    out.write(word + b" " + vector)
                    kept += 1
            out.seek(0)
            out.write(header.format(kept).encode())
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, target)
    except (EOFError, ValueError, OSError, zlib.error) as error:
        raise DataError(
            f"{source}: cannot be copied to {target} ({error}). Unless the disk is full, it is "
            f"damaged or no word2vec binary file: delete it and {advice(source)}"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return kept


def _opened(path: Path) -> BinaryIO:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _rows(file: BinaryIO, count: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Every word with the `size` bytes of its vector. Raises EOFError where the file ends early."""
    buffer, start = b"", 0
    for _ in range(count):
        while (space := buffer.find(b" ", start)) < 0 or len(buffer) <= space + size:
            more = file.read(BLOCK)
            if not more:
                raise EOFError("the file ends early")
            buffer, start = buffer[start:] + more, 0
        end = space + 1 + size
        yield buffer[start:space].lstrip(b"\n"), buffer[space + 1 : end]
        start = end
    if (buffer[start:] + file.read(BLOCK)).strip():  # gzip checks its CRC at the very end
        raise ValueError("something follows the last vector")
