"""What noise words cost by the length of their vectors."""

import json

import numpy as np
import pytest
import torch

from acga_lib.config import RunConfig
from acga_lib.errors import ConfigError
from acga_lib.studies import loudness
from acga_lib.studies.robustness import FILLERS
from acga_lib.text import WordVectors


def test_quieted_words_are_as_long_as_the_others_and_point_where_they_did():
    words = torch.tensor([[3.0, 4.0], [0.0, 30.0], [1.0, 0.0], [6.0, 8.0], [0.0, 0.0]])
    quiet, factor = loudness.quieted(words, [1, 3], own=[0, 2])
    assert factor == pytest.approx(20 / 3)  # (30 + 10) / 2 over (5 + 1) / 2
    assert quiet[[1, 3]].norm(dim=1).mean() == pytest.approx(3.0)
    assert torch.equal(quiet[[0, 2, 4]], words[[0, 2, 4]])
    torch.testing.assert_close(quiet[3] / quiet[3].norm(), words[3] / words[3].norm())


def test_whitening_makes_the_noise_words_long():
    white = WordVectors.load()
    raw = WordVectors.load(white.path)
    usual = ("man", "woman", "dog", "ball", "car", "is", "walking", "running", "red", "left")

    def longer(vectors):
        noise, own = (np.mean([np.linalg.norm(vectors.encode(w).vectors[0]) for w in words])
                      for words in (FILLERS, usual))  # fmt: skip
        return noise / own

    assert longer(white) > 1.4 and longer(raw) < 0.8


def test_the_record_of_a_run_tells_noise_from_loudness(monkeypatch, tmp_path):
    monkeypatch.setattr(loudness, "LOUDNESS", tmp_path)
    # Its eight first test videos, which every checkout can draw in a second.
    monkeypatch.setattr(
        loudness, "run_config", lambda **run: RunConfig(**run | {"profile": "quick"})
    )
    assert loudness.main(["toy-night-acga-s0"]) == 0
    found = json.loads((tmp_path / "toy-night-acga-s0.json").read_text())
    assert found["factor"] > 1.4 and found["samples"] > 5
    assert all(0 <= found[key] <= 1 for key in ("own", "noise", "quiet"))


def test_a_method_that_reads_numbers_of_words_is_refused(monkeypatch):
    described = {"config": {"run": {"method": "hu", "profile": "quick"}}}
    monkeypatch.setattr(loudness, "load_run", lambda path: (None, described))
    with pytest.raises(ConfigError, match="toy-quick-hu-s0: its method reads numbers of words"):
        loudness.record("toy-quick-hu-s0")
