"""The Google News vectors in little memory, held against gensim on the whole file."""

import gzip

import numpy as np
import pytest
from gensim.models import KeyedVectors

from acga_lib import config
from acga_lib.errors import DataError
from acga_lib.experiment.networks import reader_of
from acga_lib.files.word_files import copy_words, load_large
from acga_lib.methods import METHODS
from acga_lib.profiles import PROFILES
from acga_lib.text import Vocabulary, WordVectors

#: As in the original: capitals, phrases, masked digits, other scripts, and what queries hold.
WORDS = [
    "</s>",
    "New_York",
    "Dog",
    "dog",
    "##",
    "man's",
    "café",
    "in",
    "The",
    "犬",
    "e-mail",
    "2nd",
]
QUERIES = ("A Dog in New York", "the man's 2nd café", "the dog", "犬")


def write(path, *, newline=b""):
    """A word2vec binary file: the original has no line ends behind the vectors, others have."""
    rows = np.random.Generator(np.random.PCG64(0)).standard_normal((len(WORDS), 300))
    content = f"{len(WORDS)} 300\n".encode() + b"".join(
        word.encode() + b" " + row.astype("<f4").tobytes() + newline
        for word, row in zip(WORDS, rows, strict=True)
    )
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("newline", [b"", b"\n"])
@pytest.mark.parametrize("name", ["large.bin", "large.bin.gz"])
def test_every_query_reads_what_it_would_of_the_whole_file(name, newline, tmp_path, monkeypatch):
    monkeypatch.setattr("acga_lib.vector_files.BLOCK", 700)  # vectors lie across blocks
    path = write(tmp_path / name, newline=newline)
    gensim = KeyedVectors.load_word2vec_format(str(path), binary=True)
    whole = WordVectors(gensim.index_to_key, gensim.vectors, path=path)
    small = load_large(path, progress=False)
    assert small.words == ["dog", "man's", "café", "in", "犬", "2nd"]
    for query in QUERIES:
        wanted, found = whole.encode(query), small.encode(query)
        np.testing.assert_array_equal(found.vectors, wanted.vectors)
        assert (found.tokens, found.unknown) == (wanted.tokens, wanted.unknown)


def test_the_large_file_is_read_once_and_may_go(tmp_path):
    path = write(tmp_path / "large.bin.gz")
    load_large(path, progress=False)
    path.unlink()
    assert "dog" in load_large(path, progress=False)


@pytest.mark.parametrize("name", ["large.bin", "large.bin.gz"])
@pytest.mark.parametrize("damage", ["truncated", "altered", "longer", "empty", "not of its kind"])
def test_a_damaged_file_is_named_and_leaves_nothing_behind(name, damage, tmp_path):
    path = write(tmp_path / name)
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[:-900]
    elif damage == "altered":
        content[0 if path.suffix == ".bin" else len(content) // 2] ^= 0x10
    elif damage == "longer":
        content += b"more"
    else:
        content = bytearray(b"" if damage == "empty" else b"<!DOCTYPE html>\n")
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{path}: .*delete it and fetch|{path}: .*fetch it again"):
        load_large(path, progress=False)
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".lock"] == [name]


def test_a_sound_file_is_not_blamed_for_a_folder_that_cannot_be_written(tmp_path):
    path = write(tmp_path / "large.bin")
    with pytest.raises(DataError, match=r"-queries\.bin: cannot be written.*give access") as raised:
        copy_words(path, tmp_path / "absent" / "large-queries.bin", progress=False)
    assert "delete" not in str(raised.value)


def test_a_link_at_the_temporary_name_leads_nowhere(tmp_path):
    path, other = write(tmp_path / "large.bin"), tmp_path / "thesis.tex"
    other.write_text("chapter 1")
    (tmp_path / "large-queries.bin.part").symlink_to(other)
    assert "dog" in load_large(path, progress=False) and other.read_text() == "chapter 1"


def test_of_words_that_no_query_asks_for_nothing_is_expected(tmp_path):
    """Only what is kept is held to be finite: Google News has 3 million rows."""
    path = write(tmp_path / "large.bin")
    content = path.read_bytes()
    place = content.index(b"New_York ") + 9
    nan = np.full(1, np.nan, "<f4").tobytes()
    path.write_bytes(content[:place] + nan + content[place + 4 :])
    assert "dog" in load_large(path, progress=False)
    place = content.index(b"dog ") + 4
    path.write_bytes(content[:place] + nan + content[place + 4 :])
    (tmp_path / "large-queries.bin").unlink()
    with pytest.raises(DataError, match=rf"{path}: the vector of 'dog'.*not a number"):
        load_large(path, progress=False)


def test_profile_paper_reads_google_news_and_the_small_profiles_the_committed_words(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(config, "SHIPPED", config.ROOT / "data")  # as in an installed package
    monkeypatch.setattr(config, "ROOT", tmp_path)
    paper, folder = PROFILES["paper"], tmp_path / "data" / "word_vectors"
    with pytest.raises(
        DataError, match=r"negative300\.bin\.gz.*acga_lib\.files\.downloads google-news"
    ):
        reader_of(METHODS["acga"], paper)
    folder.mkdir(parents=True)
    write(folder / "GoogleNews-vectors-negative300.bin.gz")
    for profile in (paper, paper.changed(name="paper_bf16", bfloat16=True)):
        assert len(reader_of(METHODS["acga"], profile)) == 6
    assert len(reader_of(METHODS["acga"], PROFILES["toy"])) == 3409
    assert isinstance(reader_of(METHODS["hu"], paper), Vocabulary)
