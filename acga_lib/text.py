"""Sentences to word vectors (Sec. 3.1: 20 words × 300 numbers, zero-padded).

The paper uses frozen word2vec vectors trained on Google News. The kit commits a small CC0 set that
covers the sentences of both benchmarks; `WordVectors.load` reads either file.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from acga_lib.errors import DataError, QueryError

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

#: Longest sentence in words; the benchmarks' longest has exactly 20.
MAX_WORDS = 20
#: Numbers per word (word2vec, and the input width of the text encoder).
WORD_DIM = 300
#: The committed vectors, relative to the repository's root.
DEFAULT_VECTORS = Path("data", "word_vectors", "explosion-vectors-300d-subset.bin")

#: Mean length that the committed vectors are scaled to. As they are (68), they drive the tanh of
#: the text encoder into saturation; much shorter ones, a short training barely notices.
COMMITTED_LENGTH = 9.0

#: Runs of letters and digits; an apostrophe inside a word stays ("man's"), as in the vectors' keys.
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def tokenize(query: str) -> list[str]:
    """Split a sentence into lowercase words; punctuation separates words and is dropped.

    Args:
        query: one sentence, in any case.

    Returns:
        1 to `MAX_WORDS` words in sentence order.

    Raises:
        QueryError: the sentence holds no word, or more than `MAX_WORDS`.
    """
    words = _WORD.findall(query.lower().replace("\u2019", "'"))
    if not words:
        raise QueryError(f"the query {query!r} holds no word: write a sentence such as 'a red car'")
    if len(words) > MAX_WORDS:
        raise QueryError(
            f"the query {query!r} has {len(words)} words: shorten it to at most {MAX_WORDS}"
        )
    return words


@dataclass(frozen=True, eq=False)
class Encoded:
    """One sentence as the model reads it.

    Attributes:
        vectors: float32 [N=20, D=300]; row i belongs to `tokens[i]`, all further rows are zero.
        tokens: the sentence's words, at most 20.
        unknown: those of `tokens` that have no vector; their rows are zero.
    """

    vectors: NDArray[np.float32]
    tokens: tuple[str, ...]
    unknown: tuple[str, ...]


class WordVectors:
    """Frozen word vectors. Build it with `WordVectors.load`.

    Args:
        vectors: gensim keyed vectors of `WORD_DIM` numbers.
        path: the file that they came from, for `fingerprint` and messages.
        mean_length: scale the whole set so that its vectors have this mean length; None leaves
            them as they are.
    """

    def __init__(
        self, vectors: "KeyedVectors", *, path: Path, mean_length: float | None = None
    ) -> None:
        if vectors.vector_size != WORD_DIM:
            raise DataError(
                f"{path}: vectors have {vectors.vector_size} numbers instead of {WORD_DIM}: "
                "use a 300-dimensional word2vec file"
            )
        self._vectors = vectors
        self.path = path
        self.scale = 1.0
        if mean_length is not None:
            self.scale = mean_length / float(np.linalg.norm(vectors.vectors, axis=1).mean())

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """Read a word2vec binary file (`.bin` or `.bin.gz`).

        Args:
            path: the file, read as it is; where None, the committed vectors, scaled to
                `COMMITTED_LENGTH`. The original Google News vectors are
                cased and without "a", "and", "of" and "to", whose rows then
                stay zero (`Encoded.unknown` names them). They take about 4 GB of memory.

        Raises:
            DataError: the file is missing, damaged, or not 300-dimensional.
        """
        file = Path(__file__).resolve().parents[1] / DEFAULT_VECTORS if path is None else Path(path)
        if not file.is_file():
            raise DataError(f"{file}: no such word-vector file: give the path of a word2vec .bin")
        # gensim takes about a second to import; only loading vectors needs it.
        from gensim.models import KeyedVectors

        try:
            vectors = KeyedVectors.load_word2vec_format(str(file), binary=True)
        except (EOFError, ValueError, OSError, MemoryError) as error:
            raise DataError(
                f"{file}: not a readable word2vec binary file ({error}): fetch it again"
            ) from error
        return cls(vectors, path=file, mean_length=COMMITTED_LENGTH if path is None else None)

    def __len__(self) -> int:
        """Number of words with a vector."""
        return len(self._vectors)

    def __contains__(self, word: str) -> bool:
        """Whether `word`, exactly as written, has a vector."""
        return word in self._vectors

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the file, for run records; read once."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

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
        unknown = tuple(word for word in tokens if word not in self._vectors)
        if len(unknown) == len(tokens):
            raise QueryError(
                f"no word of the query {query!r} is among the {len(self):,} words of "
                f"{self.path.name}: use other words or load larger vectors"
            )
        rows = np.zeros((MAX_WORDS, WORD_DIM), dtype=np.float32)
        for row, word in zip(rows, tokens, strict=False):
            if word in self._vectors:
                row[:] = self._vectors[word] * self.scale
        return Encoded(vectors=rows, tokens=tokens, unknown=unknown)

    def encode_many(self, queries: Iterable[str]) -> list[Encoded]:
        """`encode` each sentence, in order; raises QueryError at the first that cannot be."""
        return [self.encode(query) for query in queries]
