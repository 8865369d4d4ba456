"""The compared methods: their published size, their equations, what they can and cannot see."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers import literal

from acga_lib.baselines import Gavrilyuk, Hu, Li, TwoStream, Upsampling, WordPairs
from acga_lib.config import run_config
from acga_lib.decoder import coordinates
from acga_lib.experiment.networks import build_network
from acga_lib.experiment.schedule import stretches
from acga_lib.loss import segmentation_loss
from acga_lib.methods import METHODS
from acga_lib.model import Responses
from acga_lib.profiles import PROFILES
from acga_lib.published import TABLE_1, TABLE_2, TABLE_3
from acga_lib.text import MAX_WORDS, Vocabulary

#: Hu et al.'s vocabulary of ReferIt.
WORDS = 8803


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_at_full_size_the_parameters_are_those_of_the_published_architectures():
    lstm = 4 * (1000 * 1000 + 1000 * 1000 + 2 * 1000)  # PyTorch's LSTM has two biases a gate
    language = WORDS * 1000 + lstm
    with torch.device("meta"):
        hu = Hu(WORDS, image=1000, sentence=1000, hidden=500)
        li = Li(WORDS, image=1000, sentence=1000)
        gavrilyuk = build_network(METHODS["gavrilyuk"], PROFILES["paper"])
    assert parameters(hu) == language + (2008 * 500 + 500) + (500 + 1) + 64 * 64
    assert parameters(li) == language + (1000 * 1008 + 1008) + 64 * 64
    deconvolutions = sum(i * o * 8 * 8 + o + o * o * 3 * 3 + o for i, o in ((832, 256), (256, 128)))
    filters = sum(300 * c + c for c in (840, 264, 136))
    mixed_4f = parameters(gavrilyuk.visual_encoder)
    assert parameters(gavrilyuk) == 300 * 300 * 2 + 300 + deconvolutions + filters + mixed_4f
    assert gavrilyuk.visual_encoder.channels == 832


def test_the_small_profiles_scale_every_width_and_nothing_else():
    hu, li = (build_network(METHODS[name], PROFILES["toy"]) for name in ("hu", "li"))
    assert hu.first.weight.shape == (250, 500 + 125 + 8, 1, 1)
    assert li.filter.weight.shape == (125 + 8, 500)
    assert hu.upsampling.weight.shape == li.upsampling.weight.shape == (1, 1, 64, 64)


def test_the_upsampling_starts_as_bilinear_interpolation():
    response = torch.randn(1, 1, 5, 6)
    bilinear = F.interpolate(response, scale_factor=32, mode="bilinear", align_corners=False)
    inner = (..., slice(16, -16), slice(16, -16))  # outside, the deconvolution fades to zero
    torch.testing.assert_close(Upsampling()(response)[inner], bilinear[inner], atol=1e-5, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):  # where its one channel would take torch seconds
        assert torch.equal(Upsampling()(response), Upsampling()(response.float()))
        assert Upsampling()(response).dtype == torch.float32


@pytest.mark.parametrize(("network", "forget_bias"), [(Hu, 1.0), (Li, 0.0)])
def test_the_sentence_goes_through_the_published_lstm(network, forget_bias):
    # Hu et al.: TensorFlow's BasicLSTMCell, whose forget gate has a bias of 1; Li et al.: Caffe's.
    hidden = {"hidden": 5} if network is Hu else {}
    language = network(WORDS, image=7, sentence=6, **hidden).language
    words = torch.randint(0, WORDS, (3, MAX_WORDS))
    enter, keep = language.lstm.weight_ih_l0.T, language.lstm.weight_hh_l0.T
    state = cell = torch.zeros(3, 6)
    for word in words.T:
        sums = language.embedding(word) @ enter + state @ keep
        let_in, forget, new, out = sums.split(6, dim=1)
        cell = cell * (forget + forget_bias).sigmoid() + let_in.sigmoid() * new.tanh()
        state = cell.tanh() * out.sigmoid()
    torch.testing.assert_close(language(words), state)


def test_a_step_shrinks_matrices_as_published_and_spares_biases_and_word_embeddings():
    # Hu et al.'s code regularises the variables "weights" and "Matrix": no embedding is among them.
    hu, config = (
        Hu(WORDS, image=7, sentence=6, hidden=5).double(),
        run_config(method="hu", profile="toy"),
    )
    first = stretches(config, samples=8)[0]
    optimizer = first.optimizer(hu, config.scale)
    before = {name: p.detach().clone() for name, p in hu.named_parameters()}
    for group in optimizer.param_groups:
        group["lr"] = first.learning_rate(0, config.scale)
    for parameter in hu.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in hu.named_parameters():
        matrix = "embedding" not in name and "bias" not in name
        shrunk = before[name] * (1 - 0.01 * 5e-4 if matrix else 1)  # published rate x decay
        torch.testing.assert_close(parameter.detach(), shrunk, rtol=1e-9, atol=0)


@pytest.mark.parametrize(("stage", "side"), list(zip(METHODS["li"].stages, (16, 512), strict=True)))
def test_lis_decay_weighs_as_much_beside_our_mean_as_published_beside_caffes_sum(stage, side):
    small, large = torch.randn(2, 16, 16), torch.randn(2, 512, 512)
    masks = (torch.rand(2, 512, 512) < 0.3).float()
    truth = masks if side == 512 else F.max_pool2d(masks[:, None], 32)[:, 0]
    weight = torch.randn(7)
    logits = large if side == 512 else small
    summed = F.binary_cross_entropy_with_logits(logits, truth, reduction="sum") / 2  # of a batch
    caffe = summed + 5e-4 / 2 * weight.square().sum()
    ours = segmentation_loss(
        Responses(small, None, large), masks,
        foreground_weight=METHODS["li"].foreground_weight,
        resolution_weights=stage.resolutions, coarse_truth=stage.coarse_truth,
    )  # fmt: skip
    ours = ours + stage.weight_decay / 2 * weight.square().sum()
    torch.testing.assert_close(side**2 * ours, caffe, rtol=1e-5, atol=0)


def test_hu_is_two_convolutions_over_the_normalised_sentence_image_and_the_place():
    torch.manual_seed(0)
    hu = Hu(20, image=6, sentence=5, hidden=4).eval()
    features, words = torch.randn(2, 6, 3, 3), torch.randint(0, 20, (2, MAX_WORDS))
    small = hu(features, words).small
    for b, y, x in ((0, 0, 0), (1, 2, 1)):
        state = hu.language.lstm(hu.language.embedding(words[b : b + 1]))[0][0, -1]
        pixel = features[b, :, y, x]
        place = coordinates(3, 3, like=features)[0, :, y, x]
        joined = torch.cat([state / state.norm(), pixel / pixel.norm(), place])
        hidden = (hu.first.weight[:, :, 0, 0] @ joined + hu.first.bias).clamp(min=0)
        expected = hu.last.weight[0, :, 0, 0] @ hidden + hu.last.bias[0]
        assert small[b, y, x].item() == pytest.approx(expected.item(), abs=1e-5)


def test_li_is_the_product_of_a_sigmoid_filter_and_every_pixel():
    torch.manual_seed(0)
    li = Li(20, image=6, sentence=5).eval()
    features, words = torch.randn(2, 6, 3, 3), torch.randint(0, 20, (2, MAX_WORDS))
    small = li(features, words).small
    place = coordinates(3, 3, like=features)[0]
    for b, y, x in ((0, 1, 2), (1, 0, 0)):
        state = li.language(words[b : b + 1])[0]
        weights = 1 / (1 + torch.exp(-(li.filter.weight @ state + li.filter.bias)))
        expected = weights @ torch.cat([features[b, :, y, x], place[:, y, x]])
        assert small[b, y, x].item() == pytest.approx(expected.item(), abs=1e-5)


def test_gavrilyuk_filters_every_resolution_with_a_tanh_of_the_sentence():
    # The library neither builds the finest map nor looks at a clip again for each of its sentences.
    torch.manual_seed(0)
    model = Gavrilyuk(WordPairs(300), trunk_width=0.25, hidden=(8, 4)).double().eval()
    features = torch.randn(2, 132, 4, 2, 3).double().relu()
    words, clips = torch.randn(3, MAX_WORDS, 300).double(), torch.tensor([1, 0, 1])
    found = model(features, words, clips)[:3]
    expected = literal.gavrilyuk(model, features[clips], words)
    assert [r.shape[1:] for r in found] == [(2, 3), (8, 12), (32, 48)]
    for responses in zip(found, expected, strict=True):
        torch.testing.assert_close(*responses)
    slopes = (
        torch.autograd.grad(sum(r.square().sum() for r in responses), list(model.parameters()))
        for responses in (found, expected)
    )
    for gradients in zip(*slopes, strict=True):
        torch.testing.assert_close(*gradients)
    torch.testing.assert_close(model(features[clips], words).large, found[2])


def test_the_row_dynamic_has_the_words_of_the_baseline_and_the_filters_of_gavrilyuk():
    between, baseline = (build_network(METHODS[name], PROFILES["quick"]).eval()
                         for name in ("dynamic", "baseline"))  # fmt: skip
    assert METHODS["dynamic"].stages == METHODS["baseline"].stages != METHODS["gavrilyuk"].stages
    between.text.load_state_dict(baseline.text_encoder.state_dict())
    between.visual_encoder.load_state_dict(baseline.visual_encoder.state_dict())
    features, words = torch.randn(1, 264, 4, 2, 2).relu(), torch.randn(1, MAX_WORDS, 300)
    sentence = baseline.text_encoder(words)[0].amax(dim=0)  # what the Baseline concatenates
    weights = torch.tanh(between.filters[0](sentence))
    vision = baseline.visual_encoder(features)[0]
    place = coordinates(2, 2, like=vision)[0]
    expected = torch.einsum("c,chw->hw", weights, torch.cat([vision, place]))
    torch.testing.assert_close(between(features, words).small[0], expected, atol=1e-4, rtol=1e-4)


def test_gavrilyuks_logistic_loss_is_ours_with_both_weights_one():
    responses = Responses(*(torch.randn(2, side, side) for side in (4, 16, 64)))
    masks = torch.zeros(2, 64, 64)
    masks[:, :32] = 1.0  # halves, so that the interpolated truths are sharp
    expected = 0.0
    for response in responses[:3]:
        size = (response.shape[1], response.shape[2])
        truth = F.interpolate(masks[:, None], size=size, mode="bilinear")[:, 0]
        sign = 2 * truth - 1
        assert set(sign.unique().tolist()) == {-1.0, 1.0}
        expected += torch.log(1 + torch.exp(-response * sign)).mean()
    torch.testing.assert_close(segmentation_loss(responses, masks, foreground_weight=1.0), expected)


def test_hus_last_stage_weighs_the_background_a_third_and_sees_the_fine_response_alone():
    fine = METHODS["hu"].stages[1]
    responses = Responses(torch.randn(1, 2, 2), None, torch.randn(1, 8, 8))
    masks = (torch.rand(1, 8, 8) > 0.5).float()
    each = F.binary_cross_entropy_with_logits(responses.large, masks, reduction="none")
    expected = (each * torch.where(masks > 0, 1.0, 1 / 3)).mean()
    found = segmentation_loss(
        responses, masks, foreground_weight=1.0, background_weight=fine.background_weight,
        resolution_weights=fine.resolutions, coarse_truth=fine.coarse_truth,
    )  # fmt: skip
    torch.testing.assert_close(found, expected)


def test_hus_coarse_truth_is_foreground_as_soon_as_one_pixel_is():
    coarse = METHODS["hu"].stages[0]
    masks = torch.zeros(1, 8, 8)
    masks[0, 0, 5] = 1.0
    logits = torch.tensor([[[3.0, -2.0], [1.0, 0.5]]])
    found = segmentation_loss(
        Responses(logits, None, torch.zeros(1, 8, 8)), masks, foreground_weight=1.0,
        resolution_weights=coarse.resolutions, coarse_truth=coarse.coarse_truth,
    )  # fmt: skip
    expected = F.binary_cross_entropy_with_logits(logits, torch.tensor([[[0.0, 1.0], [0.0, 0.0]]]))
    torch.testing.assert_close(found, expected)


def test_two_streams_are_two_parts_rgb_and_one_part_flow():
    widths = {0.25: 132, 0.125: 66}  # need not be alike
    one, other = (
        Gavrilyuk(WordPairs(300), trunk_width=width, hidden=(8, 4)).eval() for width in widths
    )
    features, words = torch.randn(1, 132 + 66, 4, 2, 2), torch.randn(1, MAX_WORDS, 300)
    fused = TwoStream([one, other])(features, words)
    rgb, flow = one(features[:, :132], words), other(features[:, 132:], words)
    for index in range(3):
        torch.testing.assert_close(fused[index], (2 * rgb[index] + flow[index]) / 3)


def test_words_are_padded_on_the_left_and_unknown_ones_share_a_number():
    vocabulary = Vocabulary(["red", "car"])
    encoded = vocabulary.encode("A red car, qwrtz")
    assert encoded.vectors.tolist() == [0] * 16 + [1, 2, 3, 1]
    assert encoded.unknown == ("a", "qwrtz") and len(vocabulary) == 4


def test_every_row_of_the_papers_tables_is_a_method_that_can_be_built():
    for table in (TABLE_1, TABLE_2, TABLE_3):
        for name in table.methods:
            with torch.device("meta"):
                assert parameters(build_network(METHODS[name], PROFILES["paper"]))


def halves(count=8, side=224, channels=125):
    """Samples whose sentence names a half of the frame: fc8 noise, word numbers, masks."""
    torch.manual_seed(1)
    words = torch.zeros(count, MAX_WORDS, dtype=torch.int64)
    words[:, -1] = torch.arange(count) % 4 + 2
    masks = torch.zeros(count, side, side)
    for index in range(count):
        half = (slice(None, side // 2), slice(side // 2, None))[index % 2]
        window = (half, slice(None)) if index % 4 < 2 else (slice(None), half)
        masks[(index, *window)] = 1.0
    return torch.randn(count, channels, 7, 7), words, masks


@pytest.mark.parametrize("build", [partial(Hu, hidden=125), Li])
def test_the_still_image_methods_learn_eight_sentences_by_heart(build):
    """Masks that a grid of 7 x 7 cells can draw; the words alone decide."""
    torch.manual_seed(0)
    model = build(10, image=125, sentence=250)
    features, words, masks = halves()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        loss = segmentation_loss(
            model(features, words), masks, foreground_weight=1.0, resolution_weights=(1, 0, 1)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        response = model(features, words).large.sigmoid()
    found, truth = response > response.amax(dim=(1, 2), keepdim=True) / 2, masks > 0
    iou = (found & truth).sum(dim=(1, 2)) / (found | truth).sum(dim=(1, 2))
    assert iou.mean() >= 0.9
