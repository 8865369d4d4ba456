"""Sentences for one attention alone, held against whole predictions and the equations by hand."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import jobs
from torch import nn

from acga_lib.attention import flatten_grid, unflatten_grid
from acga_lib.datasets import open_dataset
from acga_lib.decoder import coordinates
from acga_lib.experiment.inference import predictions, respond
from acga_lib.experiment.networks import build_network
from acga_lib.experiment.pipeline import Inputs
from acga_lib.methods import METHODS
from acga_lib.metrics import iou
from acga_lib.studies.patching import PATHS, added, encodings, equal_context, patched, paths
from acga_lib.studies.robustness import with_fillers
from acga_lib.text import WordVectors, tokenize


@pytest.fixture
def samples(toy_root):
    return open_dataset("a2d", root=toy_root, split="test")


@pytest.fixture
def inputs(toy_root, tiny, toy_features):
    store = jobs.tensors(toy_root, tiny.networks.trunk, toy_features).store
    return Inputs(store, WordVectors.load())


def network(tiny):
    """Never trained, but with weights so large that every word moves its masks."""
    torch.manual_seed(0)
    model = build_network(METHODS["acga"], tiny).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "mixed_4f" not in name:
                nn.init.kaiming_normal_(weight)
        model.decoder.fusion.weight *= 30  # responses far from one half, where masks have borders
    return model


def test_both_attentions_given_one_sentence_answer_as_the_network_does(samples, inputs, tiny):
    model = network(tiny)
    noisy = [with_fillers(one.query, 4, seed=i) for i, one in enumerate(samples)]
    foreign = [other.query for _, other in pairwise([*samples, samples[0]])]
    foreign[1] = ""  # alone in its video
    found = paths(model, samples, inputs.tensors, noisy=noisy, another=foreign, progress=False)

    def scores(texts):
        told = predictions(model, inputs.tensors(samples, texts), progress=False)
        return np.array([iou(one.mask, one.target) for one in told])

    own, company = scores([one.query for one in samples]), np.arange(len(samples)) != 1
    assert found["none"] == {
        "iou": pytest.approx(own.mean()),
        "change": 0,
        "error": 0,
        "samples": len(own),
    }
    changes = scores(noisy) - own
    both = found["noise in both"]
    assert both["change"] == pytest.approx(changes.mean(), abs=1e-4) and changes.any()
    assert both["error"] == pytest.approx(changes.std(ddof=1) / len(own) ** 0.5, abs=1e-4)
    changes = (scores([text or "nobody" for text in foreign]) - own)[company]
    both = found["another in both"]
    assert both["change"] == pytest.approx(changes.mean(), abs=1e-4) and changes.any()
    assert both["samples"] == len(own) - 1
    assert found.keys() == PATHS.keys()


def test_each_attention_reads_the_words_it_is_given_and_nothing_else_changes(samples, inputs, tiny):
    model = network(tiny)
    batch = next(inputs.tensors(samples[:1]).batches([[0]]))
    words = model.text_encoder(torch.stack([batch.words[0], batch.words[0].flip(0)]))
    before = respond(model, batch).large
    with torch.no_grad(), patched(model.attention, language=words[:1], vision=words[1:]):
        answer = respond(model, batch)
    with torch.no_grad():  # Eq. 3 to 12 by hand
        seen = model.visual_encoder(batch.features.float())
        size = seen.shape[-2:]
        pixels = flatten_grid(torch.cat([seen, coordinates(*size, like=seen)], dim=1))
        language, weights = model.attention.language(pixels, words[:1])
        vision, context = model.attention.vision(pixels, words[1:])
        vision = unflatten_grid(vision[..., : seen.shape[1]], size)
        *_, large = model.decoder(vision, unflatten_grid(language, size))
    torch.testing.assert_close(answer.large, large)
    torch.testing.assert_close(answer.word_attention, weights)
    torch.testing.assert_close(answer.context_attention, context)
    torch.testing.assert_close(respond(model, batch).large, before)  # and afterwards its own


def test_context_from_everywhere_alike_is_the_mean_of_the_values(tiny):
    attention = network(tiny).attention.vision
    draw = torch.Generator().manual_seed(0)
    pixels = torch.rand(1, 9, attention.query.in_features, generator=draw)
    words = torch.rand(2, 20, 300, generator=draw)
    clips = torch.tensor([0, 0])  # two sentences about one clip
    with torch.no_grad():
        usual, weights = attention(pixels, words, clips)
        with equal_context(attention, torch.tensor([False, True])):
            vision, same = attention(pixels, words, clips)
        mean = torch.full((9, 9), 1 / 9) @ attention.value(pixels[0])
    torch.testing.assert_close(vision, torch.stack([usual[0], mean]))
    assert torch.equal(same, weights) and torch.equal(attention(pixels, words, clips)[0], usual)


def test_the_encodings_in_between_are_of_the_words_alone_and_of_their_neighbourhood():
    def encoder(words):  # a word, and a tenth of the one before it
        return words + 0.1 * nn.functional.pad(words, (0, 0, 1, 0))[:, :-1]

    def sentence(*numbers):
        return torch.tensor([*numbers, *[0.0] * (6 - len(numbers))])[:, None]

    found = encodings(
        encoder, sentence(1, 2, 3), sentence(1, 7, 2, 3, 8), sentence(4, 5), places=[1, 4]
    )
    told = {name: one[:, 0].tolist() for name, one in found.items()}
    assert told == {
        "own": pytest.approx([1, 2.1, 3.2, 0.3, 0, 0]),
        "noise": pytest.approx([1, 7.1, 2.7, 3.2, 8.3, 0.8]),
        "another": pytest.approx([4, 5.4, 0.5, 0, 0, 0]),
        "beside": pytest.approx([1, 2.7, 3.2, 0.8, 0, 0]),
        "among": pytest.approx([1, 7.1, 2.1, 3.2, 8.3, 0.3]),
    }
    same = encodings(encoder, *[sentence(1, 2, 3)] * 3, places=[])
    assert all(torch.equal(one, same["own"]) for one in same.values())


def test_added_words_are_found_where_they_were_put():
    for seed in range(50):
        own = tokenize("the dog here is beside the other dog")
        longer = tokenize(with_fillers(" ".join(own), 4, seed=seed))
        places = added(own, longer)
        assert len(places) == 4
        assert [word for place, word in enumerate(longer) if place not in places] == own


def test_a_network_without_attention_has_no_paths(samples, inputs, tiny):
    texts = [one.query for one in samples]
    model = build_network(METHODS["baseline"], tiny)
    assert paths(model, samples, inputs.tensors, noisy=texts, another=texts) is None
