"""The network against the authors' outputs, and against its equations written out literally."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import literal, reference
from torch import nn

from acga_lib.attention import CrossGuidedAttention
from acga_lib.clip import threshold
from acga_lib.decoder import MultiResolutionDecoder, SegmentationHead, coordinates
from acga_lib.errors import CheckpointError
from acga_lib.experiment.networks import build_network
from acga_lib.loss import segmentation_loss
from acga_lib.methods import METHODS
from acga_lib.model import ACGA, Responses
from acga_lib.profiles import PROFILES

ROWS = ("baseline", "mrf", "mrf_wbce", "acga")


@pytest.fixture(scope="module")
def authors_weights(shared):
    return reference.weights(shared / "reference_outputs" / "acga_keys.json")


@pytest.fixture(scope="module")
def small_inputs():
    """Features [2, 132, 2, 3, 5] of a quarter-width trunk, words [2, 20, 300] of 6 and 9 words."""
    torch.manual_seed(3)
    features, words = torch.rand(2, 132, 2, 3, 5), torch.randn(2, 20, 300)
    words[0, 6:], words[1, 9:] = 0, 0
    return features, words


def small_model(method):
    torch.manual_seed(0)
    return ACGA(METHODS[method], trunk_width=0.25, head_width=0.125).eval()


def test_the_full_network_computes_what_the_authors_computes(authors_weights, shared, tmp_path):
    state = {f"module.{key}": value for key, value in authors_weights.items()}
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    checkpoint = {"epoch": 9, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}
    torch.save(checkpoint, tmp_path / "model_best.pth.tar")
    model = ACGA.from_authors(tmp_path / "model_best.pth.tar")
    assert not model.training
    with torch.no_grad():
        responses = model(*reference.acga_inputs())
    wanted = np.load(shared / "reference_outputs" / "reference_outputs.npz")
    for size in ("small", "medium", "large"):
        found, truth = getattr(responses, size).numpy(), wanted[f"acga/8/{size}"]
        np.testing.assert_allclose(found, truth.reshape(found.shape), atol=2e-6, rtol=0)


def test_a_checkpoint_of_another_network_is_refused_by_name(authors_weights, tmp_path):
    path = tmp_path / "another.pt"
    lacking = {k: v for k, v in authors_weights.items() if k != "attention_layer.txt_increase.bias"}
    misshapen = authors_weights | {"conv_fusion.weight": torch.zeros(1, 2, 3, 3)}
    for state, entry in (
        (lacking, r"attention\.vision\.gate\.bias"),
        (misshapen, r"decoder\.fusion\.weight"),
        ({"fc.weight": torch.zeros(3)}, "not the authors' ACGA"),
    ):
        torch.save({"state_dict": state}, path)
        with pytest.raises(CheckpointError, match=entry) as raised:
            ACGA.from_authors(path)
        assert str(path) in str(raised.value)
    with pytest.raises(CheckpointError, match="no tensors by name among its 0 entries"):
        ACGA.from_authors({})


def test_a_checkpoint_that_was_trained_on_flow_is_not_taken_for_one_on_rgb(authors_weights):
    """Behind the trunk's first layer, which this network does not need, both are alike."""
    stem = "module.video_model.model.conv3d_1a_7x7.conv3d.weight"
    state = {f"module.{key}": value for key, value in authors_weights.items()}
    ACGA.from_authors({key: value for key, value in state.items() if key != stem})
    with pytest.raises(CheckpointError, match=r"reads 2 channels.*trained on RGB"):
        ACGA.from_authors(state | {stem: torch.zeros(64, 2, 7, 7, 7)})


def test_both_attentions_are_equations_3_to_8_pixel_by_pixel():
    torch.manual_seed(0)
    module = CrossGuidedAttention(7, 5).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    visual, words = torch.randn(2, 6, 7).double(), torch.randn(2, 4, 5).double()
    found = module(visual, words)
    for item in range(2):
        language = literal.language_attention(
            module.language, visual[item].numpy(), words[item].numpy()
        )
        vision = literal.vision_attention(module.vision, visual[item].numpy(), words[item].numpy())
        for ours, theirs in (
            (found.language, language[0]), (found.word_attention, language[1]),
            (found.vision, vision[0]), (found.context_attention, vision[1]),
        ):  # fmt: skip
            np.testing.assert_allclose(ours[item].detach().numpy(), theirs, atol=1e-12)


def test_the_coordinates_are_those_of_hu_cell_by_cell():
    for height, width in ((1, 1), (3, 5), (8, 8)):
        found = coordinates(height, width, like=torch.zeros(1, dtype=torch.float64))
        torch.testing.assert_close(found[0], literal.place(height, width))


def gradients(outputs, module, inputs):
    """Gradients of a fixed weighing of the outputs with respect to parameters and inputs."""
    random = torch.Generator().manual_seed(1)
    total = sum((o * torch.randn(o.shape, generator=random, dtype=o.dtype)).sum() for o in outputs)
    return torch.autograd.grad(total, [*module.parameters(), *inputs])


@pytest.mark.parametrize("factor", [1, 2, 4, 16])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_the_head_is_a_convolution_of_the_concatenated_maps(size, factor):
    torch.manual_seed(0)
    module = SegmentationHead(3, 4, 5).double()
    large = [factor * length for length in size]
    inputs = [
        torch.randn(2, 3, *large, dtype=torch.float64, requires_grad=True),
        torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True),
    ]
    convolved = F.conv2d(inputs[0], module.on_vision, padding=1)
    found, wanted = module(convolved, inputs[1]), literal.head(module, *inputs)
    torch.testing.assert_close(found, wanted)
    pairs = zip(
        gradients([found], module, inputs), gradients([wanted], module, inputs), strict=True
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 3), (4, 2)])
def test_the_decoder_is_equations_10_to_13_with_its_gradients(size, fuse):
    torch.manual_seed(0)
    module = MultiResolutionDecoder(3, 4, (6, 5, 4), fuse=fuse).double()
    inputs = [torch.randn(2, c, *size, dtype=torch.float64, requires_grad=True) for c in (3, 4)]
    found, wanted = module(*inputs), literal.decode(module, *inputs)
    for scale, ours, theirs in zip((1, 4, 16), found, wanted, strict=True):
        assert ours.shape == (2, scale * size[0], scale * size[1])
        torch.testing.assert_close(ours, theirs)
    pairs = zip(gradients(found, module, inputs), gradients(wanted, module, inputs), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
@pytest.mark.parametrize(("count", "size"), [(1, (1, 2)), (3, (4, 3)), (2, (5, 5))])
def test_the_whole_network_is_the_authors_operation_by_operation(count, size, dtype, atol):
    """Responses at every pixel and gradients of every parameter, in training mode."""
    torch.manual_seed(2)
    model = small_model("acga").train().to(dtype)
    inputs = torch.rand(count, 132, 2, *size, dtype=dtype), torch.randn(count, 20, 300, dtype=dtype)
    found, wanted = model(*inputs)[:3], literal.acga(model, *inputs)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)
    means = [[one.square().mean() for one in responses] for responses in (found, wanted)]
    ours, theirs = (torch.autograd.grad(sum(m), list(model.parameters())) for m in means)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=atol, rtol=0)


@pytest.mark.parametrize("estimates", [False, True])
@pytest.mark.parametrize("name", ["hu", "li", "gavrilyuk", "baseline", "acga"])
def test_sentences_about_one_clip_share_it_without_a_difference(name, estimates):
    torch.manual_seed(0)
    profile = PROFILES["quick"].changed(trunk_width=0.25)
    model = build_network(METHODS[name], profile).double()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm3d)):
        norm.train(estimates)
        norm.momentum = 1.0  # what is kept is the last batch's
    still = METHODS[name].modality == "image"
    features = torch.rand(2, *((125, 2, 2) if still else (132, 2, 2, 2)), dtype=torch.float64)
    words = torch.randint(9, (3, 20)) if still else torch.randn(3, 20, 300, dtype=torch.float64)
    clips = torch.tensor([1, 0, 1])
    shared = model(features, words, clips)
    kept = {name: value.clone() for name, value in model.named_buffers()}
    apart = model(features[clips], words)
    for name, value in model.named_buffers():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(kept[name], value)
    for one, other in zip(shared, apart, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)
    ours, theirs = (torch.autograd.grad(r.large.square().sum() + r.small.square().sum(),
                    [p for p in model.parameters()], allow_unused=True)
                    for r in (shared, apart))  # fmt: skip
    for one, other in zip(ours, theirs, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)


def test_the_visual_feature_has_unit_length_and_is_an_average_over_time(small_inputs):
    encoder = small_model("acga").visual_encoder
    seen = encoder(small_inputs[0])
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(2, 3, 5))
    average = sum(encoder.mixed_4f(small_inputs[0])[:, :, t] for t in range(2)) / 2
    torch.testing.assert_close(seen, average / average.norm(dim=1, keepdim=True))


def test_the_rows_of_table_3_differ_in_what_their_switches_say(small_inputs):
    shapes = {
        row: {key: value.shape for key, value in small_model(row).state_dict().items()}
        for row in ROWS
    }
    added = [shapes[row].keys() - shapes[before].keys() for before, row in pairwise(ROWS)]
    assert added[0] == {"decoder.fusion.weight", "decoder.fusion.bias"}
    assert added[1] == set()
    assert {key.split(".")[0] for key in added[2]} == {"attention"}
    for row in ROWS:  # what two rows share is of one size, so capacity differs by the switch alone
        assert shapes[row].items() <= shapes["acga"].items()
        responses = small_model(row)(*small_inputs)
        assert [r.shape for r in responses[:3]] == [(2, 3, 5), (2, 12, 20), (2, 48, 80)]
        assert (responses.word_attention is None) == (row != "acga")
    assert [METHODS[row].foreground_weight for row in ROWS] == [1.0, 1.0, 1.5, 1.5]


def test_without_fusion_the_coarse_responses_leave_the_final_one_alone(small_inputs):
    for row, fuses in (("baseline", False), ("mrf", True)):
        model = small_model(row)
        before = model(*small_inputs)
        with torch.no_grad():
            model.decoder.head_small.last.bias += 1
        after = model(*small_inputs)
        assert not torch.equal(before.small, after.small)
        assert torch.equal(before.large, after.large) != fuses


@pytest.mark.parametrize("row", ["baseline", "acga"])
def test_the_order_of_the_words_and_the_padding_take_part(small_inputs, row):
    """The authors mask nothing: 11 rows of padding answer differently from none."""
    model, (features, words) = small_model(row), small_inputs
    swapped = words[:, [1, 0, *range(2, 20)]]
    cut = words[1:, :9]
    whole = model(features, words).large
    assert not torch.allclose(model(features, swapped).large, whole, atol=1e-6)
    assert not torch.allclose(model(features[1:], cut).large, whole[1:], atol=1e-6)
    if row == "acga":
        attention = model(features, words).word_attention
        torch.testing.assert_close(attention.sum(dim=-1), torch.ones(2, 15))
        assert (attention[0, :, 6:] > 0).all()


@pytest.mark.parametrize("foreground_weight", [1.0, 1.5])
def test_the_loss_is_equations_14_to_16_pixel_by_pixel(foreground_weight):
    torch.manual_seed(0)
    responses = Responses(*(3 * torch.randn(2, 2 * f, 3 * f) for f in (1, 4, 16)))
    masks = (torch.rand(2, 32, 48) > 0.6).float()
    found = segmentation_loss(responses, masks, foreground_weight=foreground_weight)
    each = [
        literal.loss([r[i].numpy() for r in responses[:3]], masks[i].numpy(), foreground_weight)
        for i in range(2)
    ]
    assert found.item() == pytest.approx(np.mean(each), rel=1e-5)


def test_the_weight_of_the_foreground_is_the_papers_unless_a_row_says_otherwise():
    responses = Responses(*(torch.zeros(1, f, f) for f in (1, 4, 16)))
    masks = torch.ones(1, 16, 16)
    assert segmentation_loss(responses, masks).item() == pytest.approx(3 * 1.5 * np.log(2))
    alone = segmentation_loss(responses, masks, resolution_weights=(0.0, 0.0, 2.0))
    assert alone.item() == pytest.approx(2 * 1.5 * np.log(2))


def test_the_threshold_is_half_of_the_maximum_and_never_empty():
    response = np.array([[0.4, 0.2], [0.21, 0.0]], dtype=np.float32)
    assert threshold(response).tolist() == [[True, False], [True, False]]
    assert threshold(np.full((2, 2), 1e-6, dtype=np.float32)).all()


def test_a_method_is_only_its_switches(small_inputs):
    """A new row needs no code: attention without fusion is a configuration like any other."""
    method = replace(METHODS["acga"], name="new", fusion=False)
    model = ACGA(method, trunk_width=0.25, head_width=0.125).eval()
    assert model(*small_inputs).context_attention.shape == (2, 15, 15)
