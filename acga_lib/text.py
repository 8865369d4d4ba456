"""Sentences to word vectors (Sec. 3.1, 4.2: 20 words × 300 numbers; padded with zeros).

The paper uses frozen word2vec vectors trained on Google News, and so does profile `paper`
(`word_files.load_large`). The kit commits a small CC0 set with nearly all words of A2D and
J-HMDB Sentences for the other profiles.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from acga_lib.config import data_file
from acga_lib.errors import DataError, QueryError
from acga_lib.hashes import file_hash, hold_recorded
from acga_lib.published import advice
from acga_lib.vector_files import read_vectors

#: Words of the longest sentence, and of each after padding (Sec. 4.2: "maximum length of words is
#: set to 20"); the longest of the benchmarks has exactly as many.
MAX_WORDS = 20
#: Numbers per word (word2vec, and the input width of the text encoder).
WORD_DIM = 300
#: The committed vectors, in `data/word_vectors`.
DEFAULT_VECTORS = "explosion-vectors-300d-subset.bin"

#: How often each word occurs in A2D Sentences; the committed vectors are whitened with it.
WORD_COUNTS = "a2d_word_counts.csv"
#: Root mean square length of the whitened vectors over words as sentences use them. As they are
#: (68), the vectors drive the tanh of the text encoder into saturation; much shorter ones, a short
#: training barely notices.
COMMITTED_LENGTH = 6.0

#: What people and programs write for an apostrophe, the accents on their own among them.
_APOSTROPHES = dict.fromkeys(
    map(ord, "\u2018\u2019\u201b\u02bb\u02bc\u02b9\u2032\uff07`\u00b4"), "'"
)
#: Runs of letters and digits; an apostrophe inside a word stays ("man's"), as in the vectors' keys.
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def normalize(text: str) -> str:
    """Text in lowercase, whichever of Unicode's ways it was written in.

    Composed and full-width letters, ligatures and the like take one form (NFKC), and so do
    apostrophes. What cannot be seen (soft hyphens, direction and byte-order marks) is dropped, a
    mark that no letter takes up too. Hyphens and dashes need no form of their own: each separates
    words. ASCII stays as it is, in lowercase.
    """
    if text.isascii():
        return text.lower().replace("`", "'")
    # Before NFKC, which turns a free-standing accent into a space and a mark; a space of no width
    # is a space.
    text = text.translate(_APOSTROPHES).replace("\u200b", " ")
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    return "".join(letter for letter in text if unicodedata.category(letter) not in ("Cf", "Mn"))


def tokenize(query: str) -> list[str]:
    """Split a sentence into lowercase words; punctuation separates words and is dropped.

    Args:
        query: one sentence, in any case and in any form of Unicode (`normalize`).

    Returns:
        1 to `MAX_WORDS` words in sentence order.

    Raises:
        QueryError: the sentence is no text, holds no word, or more than `MAX_WORDS`.
    """
    if not isinstance(query, str):
        raise QueryError(f"the query {query!r} is no text: write a sentence such as 'a red car'")
    words = _WORD.findall(normalize(query))
    shown = _shown(query)
    if not words:
        raise QueryError(f"the query {shown} holds no word: write a sentence such as 'a red car'")
    if len(words) > MAX_WORDS:
        raise QueryError(
            f"the query {shown} has {len(words)} words: shorten it to at most {MAX_WORDS}"
        )
    return words


def _shown(query: str) -> str:
    return repr(query) if len(query) <= 200 else f"{query[:200]!r}…"


def is_word(text: str) -> bool:
    """Whether `text` can be one of the words of a `tokenize`d sentence, exactly as written."""
    return _WORD.fullmatch(text) is not None and text == normalize(text)


def first_words(query: str, count: int) -> str:
    """`query` up to the end of its `count`-th word (as `tokenize` counts), "" if it has none.

    What is cut comes back `normalize`d.
    """
    text = normalize(query)
    ends = [word.end() for word in _WORD.finditer(text)]
    if not ends:
        return ""
    return query if len(ends) <= count else text[: ends[count - 1]]


@dataclass(frozen=True, eq=False)
class Encoded:
    """One sentence as the model reads it.

    Attributes:
        vectors: float32 [N=20, D=300]; row i belongs to `tokens[i]`, all further rows are zero.
            From a `Vocabulary`: numbers, int64 [N=20], padded with zeros on the left.
        tokens: the sentence's words, at most 20.
        unknown: those of `tokens` that have no vector (number); their rows are zero (one).
    """

    vectors: NDArray[np.float32] | NDArray[np.int64]
    tokens: tuple[str, ...]
    unknown: tuple[str, ...]


class WordVectors:
    """Frozen word vectors. Build it with `WordVectors.load`.

    Args:
        words: the words, each once.
        vectors: float32 [n, 300], theirs.
        path: the file that they came from, for `fingerprint` and messages.
        counts: how often each word is used; the vectors are whitened over these words (`whiten`).
            None leaves them as they are.
    """

    def __init__(
        self, words: Sequence[str], vectors: NDArray[np.float32], *, path: Path,
        counts: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self._index = {word: row for row, word in enumerate(words)}
        self.path = path
        self._rows = vectors
        if counts is not None:
            weights = np.sqrt([float(counts.get(word, 0)) for word in words])
            self._rows = whiten(vectors, weights, length=COMMITTED_LENGTH)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """Read a word2vec binary file (`.bin` or `.bin.gz`).

        Args:
            path: the file, read as it is; where None, the committed vectors, whitened over the
                words of A2D Sentences. The whole file is held in memory; for the original
                Google News vectors, `word_files.load_large` reads what a query can ask for.

        Raises:
            DataError: the file is missing, damaged, in another format, or not 300-dimensional.
        """
        if path is not None:
            file = Path(path).expanduser()
            return cls(*read_vectors(file, width=WORD_DIM), path=file)
        file = data_file("word_vectors", DEFAULT_VECTORS)
        words, vectors = read_vectors(file, width=WORD_DIM)
        counts = _read_counts(data_file("word_vectors", WORD_COUNTS))
        return cls(words, vectors, path=file, counts=counts)

    def __len__(self) -> int:
        """Number of words with a vector."""
        return len(self._index)

    def __contains__(self, word: str) -> bool:
        """Whether `word`, exactly as written, has a vector."""
        return word in self._index

    @property
    def words(self) -> list[str]:
        """The words that have a vector, in the file's order."""
        return list(self._index)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the file, for run records; read once."""
        return file_hash(self.path)

    def encode(self, query: str) -> Encoded:
        """Turn a sentence into zero-padded word vectors.

        Args:
            query: one sentence of 1 to 20 words.

        Returns:
            its vectors [20, 300], words and unknown words.

        Raises:
            QueryError: no word, too many words, or not one word that has a vector.
        """
        tokens = tuple(tokenize(query))
        unknown = tuple(word for word in tokens if word not in self._index)
        if len(unknown) == len(tokens):
            raise QueryError(
                f"no word of the query {_shown(query)} is among the {len(self):,} words of "
                f"{self.path.name}: use other words or load larger vectors"
            )
        rows = np.zeros((MAX_WORDS, WORD_DIM), dtype=np.float32)
        for row, word in zip(rows, tokens, strict=False):
            if word in self._index:
                row[:] = self._rows[self._index[word]]
        return Encoded(vectors=rows, tokens=tokens, unknown=unknown)


class Vocabulary:
    """Words as numbers, for the methods that learn their own embedding (Hu et al., Li et al.).

    It holds the words of the committed vectors, whichever vectors a run uses, as Hu et al. fix
    theirs in a file. Number 0 is the padding, 1 any other word.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._numbers = {word: number for number, word in enumerate(words, start=2)}

    @classmethod
    @lru_cache(maxsize=1)
    def load(cls) -> Self:
        """The words of the committed vectors. Raises DataError as `WordVectors.load`."""
        return cls(WordVectors.load().words)

    def __len__(self) -> int:
        """How many numbers there are, padding and unknown included."""
        return len(self._numbers) + 2

    def encode(self, query: str) -> Encoded:
        """A sentence -> its numbers. Raises QueryError as `tokenize`."""
        tokens = tuple(tokenize(query))
        row = np.zeros(MAX_WORDS, dtype=np.int64)
        row[MAX_WORDS - len(tokens) :] = [self._numbers.get(word, 1) for word in tokens]
        unknown = tuple(word for word in tokens if word not in self._numbers)
        return Encoded(vectors=row, tokens=tokens, unknown=unknown)


def _read_counts(path: Path) -> dict[str, int]:
    """word -> how often it is used, from a table `word,count`. Raises DataError."""
    try:
        hold_recorded(path)
        with path.open(newline="", encoding="utf-8") as lines:
            return {row["word"]: int(row["count"]) for row in csv.DictReader(lines)}
    except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
        raise DataError(f"{path}: no list of word counts ({error!r}); {advice(path)}") from error


def whiten(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], *, length: float
) -> NDArray[np.float32]:
    """Centre and whiten [n, D] vectors so that kinds of words do not drown their members.

    Pretrained vectors of "red" and "blue" differ little from each other beside what all words, and
    all colours, have in common: a short training learns the kinds and not the colours. Whitened
    (ZCA) under `weights` [n], all directions in which the words of sentences differ count alike.
    The map is affine and invertible, so between words the network can express the same functions of
    either; not beside the zero rows of padding and unknown words, which are zero before and after.

    -> float32 [n, D] with root mean square `length` under the weights.
    """
    share = weights / weights.sum()
    with threadpool_limits(1, "blas"):  # on more threads a last digit differs, and so their hash
        centred = vectors - share @ vectors
        values, directions = np.linalg.eigh((centred * share[:, None]).T @ centred)
        values = np.maximum(values, 1e-3 * values[-1])  # directions in which no word differs
        white = centred @ (directions / np.sqrt(values)) @ directions.T
    root_mean_square = np.sqrt(share @ (white**2).sum(axis=1))
    return (white * (length / root_mean_square)).astype(np.float32)
