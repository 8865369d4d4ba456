"""The pictures of the network: their shapes are the model's, and one block is lit."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
import torch

from acga_lib.experiment.networks import build_network
from acga_lib.i3d import block_output
from acga_lib.methods import METHODS
from acga_lib.profiles import PROFILES
from acga_lib.report.attention_picture import EQUATIONS, attention_picture
from acga_lib.report.network_picture import BLOCKS, network_picture

SVG = "{http://www.w3.org/2000/svg}"


def drawn(profile="paper", method="acga", **options):
    networks = PROFILES[profile].networks
    side, length = networks.side, networks.frames
    channels = block_output("mixed_4e", networks.trunk_width)
    with torch.device("meta"):  # shapes without numbers
        model = build_network(METHODS[method], PROFILES[profile]).eval()
        features = torch.empty(1, channels, length // 4, side // 16, side // 16)
        words = torch.empty(1, 20, 300)
    return network_picture(model, features, words, clip=(3, length, side, side), **options)


def written(diagram):
    """All texts of a diagram, which must be well-formed."""
    root = ElementTree.fromstring(diagram.svg)
    return ["".join(one.itertext()).replace("\u200b", "") for one in root.iter(f"{SVG}text")]


def test_the_picture_says_the_shapes_of_the_published_network():
    shapes = {"3×16×512×512", "528×4×32×32", "832×32×32", "1024×840", "20×300", "300×32×32"}
    shapes |= {"256×128×128", "128×512×512", "32×32", "128×128", "512×512"}
    assert shapes <= set(written(drawn()))


@pytest.mark.parametrize("profile", ["toy", "paper"])
def test_the_picture_follows_the_profile(profile):
    side = PROFILES[profile].networks.side
    assert f"{side}×{side}" in written(drawn(profile))


@pytest.mark.parametrize("block", BLOCKS)
def test_all_but_the_lit_block_are_pale(block):
    assert drawn(lit=block).svg.count("<g opacity") == len(BLOCKS) - 1
    assert "<g opacity" not in drawn().svg


def test_two_blocks_can_be_lit_together():
    both = drawn(lit=("word_attention", "context_attention"))
    assert both.svg.count("<g opacity") == len(BLOCKS) - 2
    assert both.description.endswith("lit: word attention, context attention")


def test_a_block_that_is_not_in_the_picture_is_named_with_those_that_are():
    with pytest.raises(ValueError, match=r"no block 'encoder'.*i3d.*fusion"):
        drawn(lit="encoder")


def test_a_model_without_attention_is_refused():
    with pytest.raises(ValueError, match="give the row 'acga'"):
        drawn(method="baseline")


def test_drawing_leaves_no_hook_in_the_model():
    with torch.device("meta"):
        model = build_network(METHODS["acga"], PROFILES["toy"]).eval()
        features = torch.empty(1, block_output("mixed_4e", 0.5), 4, 7, 7)
        network_picture(model, features, torch.empty(1, 20, 300), clip=(3, 16, 112, 112))
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("number", EQUATIONS)
def test_figure_3_lights_the_equation_that_is_read(number):
    visual, words = torch.empty(1, 49, 216), torch.empty(1, 20, 300)
    picture = attention_picture(visual, words, lit=number)
    assert picture.svg.count("<g opacity") == (1 if number in (3, 4) else 3)
    assert {"49×216", "20×300", "49×20" if number in (3, 4) else "49×49"} <= set(written(picture))
    with pytest.raises(ValueError, match="not in Figure 3"):
        attention_picture(visual, words, lit=9)


def test_a_notebook_shows_a_picture_as_an_image_that_nothing_around_it_can_change():
    page = drawn()._repr_html_()
    assert re.fullmatch(
        r'<img alt="[^"]+" style="[^"]+" src="data:image/svg\+xml;base64,\S+">', page
    )
