"""The Google News vectors in little memory (Sec. 4.2: word2vec trained on Google News).

Of their 3 million rows, most are phrases ("New_York") and words with capitals, which no query can
ask for: queries are split into lowercase words. The others are copied once, in passing, to a file
of their own beside the original, so that neither 3.6 GB of memory nor a minute of reading is spent
in every process. What any query reads is the same.

The vectors are cased and without "a", "and", "of", "to" and numbers of several digits; the rows of
such words stay zero (`text.Encoded.unknown` names them).
"""

import os
from pathlib import Path

from tqdm.auto import tqdm

from acga_lib.errors import DataError
from acga_lib.files.locks import locked
from acga_lib.files.storage import named_if_full
from acga_lib.published import advice
from acga_lib.text import WORD_DIM, WordVectors, is_word
from acga_lib.vector_files import opened, sound


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
        with locked(small.with_name(small.name + ".lock")):
            if not small.is_file():
                copy_words(path, small, progress=progress)
    return WordVectors.load(small)


def copy_words(source: Path, target: Path, *, progress: bool = True) -> int:
    """Copy the words that `text.tokenize` can yield from one word2vec binary file to another.

    `target` appears whole or not at all.

    Returns:
        how many were copied.

    Raises:
        DataError: `source` is damaged or no word2vec binary file, or `target` not to be written.
        StorageError: the disk is full.
    """
    part, kept = target.with_name(target.name + ".part"), 0
    part.unlink(missing_ok=True)  # a stopped copy's, or a link that would lead into another file
    try:
        with (
            opened(source, width=WORD_DIM) as (count, rows),
            named_if_full(target.parent, f"the words of {source.name}"),
            part.open("x+b") as out,
        ):
            header = f"{{:{len(str(count))}d}} {WORD_DIM}\n"  # one length for any number
            out.write(header.format(0).encode())
            bar = tqdm(rows, total=count, desc=source.name, unit="word", disable=not progress)
            asked_for = (row for row in bar if is_word(row[0].decode(errors="replace")))
            for word, vector in sound(asked_for, source):
                out.write(word + b" " + vector)
                kept += 1
            out.seek(0)
            out.write(header.format(kept).encode())
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, target)
    except OSError as error:
        raise DataError(
            f"{target}: cannot be written ({error}): give access to the folder, or load {source} "
            "from one that you may write to"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return kept
