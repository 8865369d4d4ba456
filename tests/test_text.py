"""Sentences to word vectors, held against the file itself and the real sentences."""

import csv
import gzip
import pickle
import re
import shutil
from collections import Counter

import numpy as np
import pytest
from gensim.models import KeyedVectors
from threadpoolctl import threadpool_limits

from acga_lib import config
from acga_lib.config import ROOT
from acga_lib.errors import DataError, QueryError
from acga_lib.text import (
    DEFAULT_VECTORS,
    WORD_COUNTS,
    WordVectors,
    first_words,
    is_word,
    tokenize,
)
from acga_lib.vector_files import read_vectors


@pytest.fixture(scope="module")
def vectors():
    return WordVectors.load()


def test_words_are_lowercase_and_keep_their_apostrophe():
    assert tokenize("A Man's leg, left-most.") == ["a", "man's", "leg", "left", "most"]
    assert tokenize("the man\u2019s 2nd café") == ["the", "man's", "2nd", "café"]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("a nai\u0308ve man", ["a", "naïve", "man"]),  # a letter and its accent apart (NFD)
        ("\uff52\uff45\uff44 \uff23\uff41\uff52", ["red", "car"]),  # full-width
        ("a \ufb01ne dog \u2163", ["a", "fine", "dog", "iv"]),  # ligature, Roman numeral
        ("left\u2011most \u2010 dog\u2014cat \uff0dfox", ["left", "most", "dog", "cat", "fox"]),
        ("run\u00adning \ufeffdog\u200e \u200bcat", ["running", "dog", "cat"]),  # not visible
        ("red\u200bcar red\u00a0car red\u3000car", ["red", "car"] * 3),  # other spaces
        ("\u2018dog\u2019 \u201ccat\u201d \u0130n", ["dog", "cat", "in"]),
        *((f"the man{mark}s leg", ["the", "man's", "leg"])
          for mark in "'\u2018\u2019\u201b\u02b9\u02bb\u02bc\u2032\uff07\u00b4`"),
    ],
)  # fmt: skip
def test_words_are_the_same_in_whichever_form_of_unicode_they_are_written(written, words):
    assert tokenize(written) == words
    assert all(is_word(word) for word in words)
    assert tokenize(first_words(f"{written} more", len(words))) == words


def test_real_and_embedded_sentences_are_split_as_before_the_forms_of_unicode_were_made_one(
    shared, toy_root
):
    names = ("a2d_sentences/a2d_annotation.txt", "jhmdb_sentences/jhmdb_annotation.txt",
             "real_pairs/text_annotations/a2d_annotation.txt")  # fmt: skip
    embedded = [toy_root / "text_annotations" / name
                for name in ("a2d_annotation.txt", "paraphrases.csv", "negatives.csv")]  # fmt: skip
    for path in (*(shared / name for name in names), *embedded):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                text = row["query"].lower().replace("\u2019", "'")
                assert tokenize(row["query"]) == re.findall(r"[^\W_]+(?:'[^\W_]+)*", text)


def test_real_sentences_have_the_published_numbers_of_distinct_words(shared, vectors):
    queries = []
    for name in ("a2d_sentences/a2d_annotation.txt", "jhmdb_sentences/jhmdb_annotation.txt"):
        with (shared / name).open(newline="") as file:
            queries += [row["query"] for row in csv.DictReader(file)]
    words = {word for query in queries for word in tokenize(query)}
    assert len(words) == 1373
    assert sum(word in vectors for word in words) == 1356


def test_a_sentence_of_20_words_fits_and_one_of_21_does_not(vectors):
    assert len(vectors.encode("dog " * 20).tokens) == 20
    with pytest.raises(QueryError, match=r"'dog dog.*21 words"):
        vectors.encode("dog " * 21)


@pytest.mark.parametrize(
    "query", ["", "  \n", "?!...", "xqzzy vwwk", None, 3, ["a", "dog"], b"dog"]
)
def test_a_sentence_without_a_known_word_is_refused(vectors, query):
    with pytest.raises(QueryError):
        vectors.encode(query)


def test_rows_are_the_files_vectors_then_zeros_and_unknown_words_are_reported(vectors):
    # The record of a word2vec binary file: the word, a space, 300 little-endian floats.
    raw = vectors.path.read_bytes()
    start = raw.index(b"\ndog ") + len(b"\ndog ") if b"\ndog " in raw else raw.index(b"dog ") + 4
    dog = np.frombuffer(raw[start : start + 1200], dtype="<f4")
    encoded = WordVectors.load(vectors.path).encode("Xqzzy DOG")
    assert encoded.tokens == ("xqzzy", "dog")
    assert encoded.unknown == ("xqzzy",)
    assert encoded.vectors.dtype == np.float32 and encoded.vectors.shape == (20, 300)
    np.testing.assert_array_equal(encoded.vectors[1], dog)
    assert not encoded.vectors[[0, *range(2, 20)]].any()


def test_the_committed_vectors_are_white_over_the_words_of_real_sentences(shared, vectors):
    with (shared / "a2d_sentences/a2d_annotation.txt").open(newline="") as file:
        counts = Counter(w for row in csv.DictReader(file) for w in tokenize(row["query"]))
    with (ROOT / "data" / "word_vectors" / WORD_COUNTS).open(newline="") as file:
        assert {row["word"]: int(row["count"]) for row in csv.DictReader(file)} == counts
    known = [word for word in counts if word in vectors]
    rows = np.array([vectors.encode(word).vectors[0] for word in known], dtype=np.float64)
    weights = np.sqrt([counts[word] for word in known])
    weights /= weights.sum()
    np.testing.assert_allclose(weights @ rows, 0, atol=1e-4)
    spread = np.linalg.eigvalsh((rows * weights[:, None]).T @ rows)
    assert spread.sum() == pytest.approx(6.0**2, rel=1e-4)
    # 13 of the 300 directions are too poor to be stretched all the way.
    np.testing.assert_allclose(spread[13:], spread[-1], rtol=1e-3)


def test_whitened_vectors_are_the_same_to_the_last_bit_on_any_number_of_threads():
    found = []
    for threads in (1, 2):  # records know data by a hash of these
        with threadpool_limits(threads, "blas"):
            found.append(WordVectors.load().encode("woman phoning on the left").vectors)
    assert found[0].tobytes() == found[1].tobytes()


def test_whitening_tells_colours_apart(vectors):
    colours = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white")
    raw = WordVectors.load(vectors.path)

    def cosines(source):
        rows = np.array([source.encode(word).vectors[0] for word in colours])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return (rows @ rows.T)[np.triu_indices(len(rows), 1)].mean()

    assert cosines(raw) > 0.6 and cosines(vectors) < 0.15


def test_the_committed_vectors_are_the_documented_file(vectors):
    expected = "74127ba443e267f12f978d0d1a4ae273e6972ad76326cf6400a3f3fa2372c77e"
    assert vectors.fingerprint == expected


def test_a_file_that_is_no_300_dimensional_word2vec_raises(tmp_path, vectors):
    with pytest.raises(DataError, match="no such"):
        WordVectors.load(tmp_path / "absent.bin")
    truncated = tmp_path / "truncated.bin"
    truncated.write_bytes(vectors.path.read_bytes()[:100_000])
    with pytest.raises(DataError, match=r"truncated\.bin"):
        WordVectors.load(truncated)
    narrow = tmp_path / "narrow.bin"
    narrow.write_bytes(b"1 2\ndog " + np.ones(2, "<f4").tobytes() + b"\n")
    with pytest.raises(DataError, match="2 numbers"):
        WordVectors.load(narrow)


def test_compressed_vectors_load_too(tmp_path):
    file = tmp_path / "one.bin.gz"
    with gzip.open(file, "wb") as out:
        out.write(b"1 300\ndog " + np.ones(300, "<f4").tobytes() + b"\n")
    assert WordVectors.load(file).encode("dog").vectors.sum() == 300


def test_the_vectors_are_those_that_gensim_reads(vectors):
    gensim = KeyedVectors.load_word2vec_format(str(vectors.path), binary=True)
    words, rows = read_vectors(vectors.path, width=300)
    assert words == gensim.index_to_key
    np.testing.assert_array_equal(rows, gensim.vectors)


ROW = b"dog " + np.ones(300, "<f4").tobytes()
NUMBERS = b" ".join([b"0.1"] * 300)
OTHER_FORMS = {
    "word2vec.txt": (b"1 300\ndog " + NUMBERS + b"\n", "in text form.*load_word2vec_format"),
    "aligned.txt": (b"2 300\n" + 2 * (b"dog " + b"0.1 " * 300), "in text form"),
    "glove.txt": (b"the " + NUMBERS + b"\n", "without a header.*no_header=True"),
    "gensim.kv": (pickle.dumps({"vectors": 1}), r"gensim's own format.*KeyedVectors\.load"),
    "page.bin": (b"<!DOCTYPE html>", "begins with b'<!DOCTYPE"),
    "pointer.bin": (b"version https://git-lfs.github.com/spec/v1\n", "begins with"),
    "empty.bin": (b"", "begins with b''"),
    "cut.bin": (b"2 300\n" + ROW + b"cat " + ROW[4:-300], "ends early|more than its bytes"),
    "promises.bin": (b"999999999999 300\n" + ROW, "declares 999,999,999,999 words, more than"),
    "promises.bin.gz": (b"900000 300\n" + ROW, "declares 900,000 words, more than"),
    "bomb.bin.gz": (b"1000 300\n" + bytes(20_000_000), "word 1 has no end"),
    "no header.bin.gz": (bytes(20_000_000), "begins with"),
    "longer.bin": (b"1 300\n" + 2 * ROW, "something follows the last vector"),
    "nan.bin": (b"1 300\n" + ROW[:-4] + np.full(1, np.nan, "<f4").tobytes(), "'dog'.*not a numb"),
    "infinite.bin": (b"1 300\n" + ROW[:-4] + np.full(1, np.inf, "<f4").tobytes(), "infinite"),
    "twice.bin": (b"2 300\n" + ROW + b"dog " + bytes(1200), "'dog' stands twice"),
    "latin.bin": (b"1 300\ncaf\xe9" + ROW, "can't decode"),
}


@pytest.mark.parametrize("name", OTHER_FORMS)
def test_what_is_not_a_sound_word2vec_binary_file_is_named(name, tmp_path):
    content, message = OTHER_FORMS[name]
    file = tmp_path / name
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    with pytest.raises(DataError, match=rf"{file}: .*{message}"):
        WordVectors.load(file)


def test_a_word_that_stands_twice_with_one_vector_is_one_word(tmp_path):
    (tmp_path / "twice.bin").write_bytes(b"2 300\n" + 2 * ROW)
    assert WordVectors.load(tmp_path / "twice.bin").words == ["dog"]


def test_a_changed_bit_of_the_committed_files_is_noticed(tmp_path, monkeypatch):
    folder = tmp_path / "data" / "word_vectors"
    shutil.copytree(config.ROOT / "data" / "word_vectors", folder)
    monkeypatch.setattr(config, "ROOT", tmp_path)
    for name in (DEFAULT_VECTORS, WORD_COUNTS):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        with pytest.raises(DataError, match=rf"{name}: damaged.*comes with the kit"):
            WordVectors.load()
        (folder / name).write_bytes(whole)
    WordVectors.load()
