"""Training the small networks: what is rendered, what is named, and what is kept."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from acga_lib.config import ROOT
from acga_lib.errors import ConfigError
from acga_lib.experiment.features import MODALITIES
from acga_lib.experiment.trunks.clips import BACKGROUND, CELLS, IGNORE, PAIRS, Clips, make_clip
from acga_lib.experiment.trunks.training import CONFIGS, save_network, train_trunk
from acga_lib.flow import flow_to_input, optical_flow
from acga_lib.profiles import PROFILES
from acga_lib.vgg import VGG16, load_vgg


def clips_of(modality, count):
    """A few clips, rendered in this process."""
    made = [make_clip(index, seed=0, modality=modality) for index in range(count)]
    return Clips(modality, *(np.stack(part) for part in zip(*made, strict=True)))


def test_the_three_modalities_show_the_same_scene():
    (rgb, pairs, colors), (flow, *of_flow), (image, *of_image) = (
        make_clip(3, seed=0, modality=modality) for modality in ("rgb", "flow", "image")
    )
    assert rgb.shape == (16, 112, 112, 3) and flow.shape == (16, 112, 112, 2)
    assert image.shape == (1, 224, 224, 3)
    for other_pairs, other_colors in (of_flow, of_image):
        assert other_pairs.shape == other_colors.shape == (CELLS, CELLS)
        both = (pairs != IGNORE) & (other_pairs != IGNORE)
        assert both.sum() > 30 and (pairs == other_pairs)[both].mean() > 0.9
        assert set(other_pairs[other_pairs >= 0]) == set(pairs[pairs >= 0])
        assert set(other_colors[other_colors >= 0]) == set(colors[colors >= 0])
    seen = optical_flow(rgb[:2], method="dis")[0]
    np.testing.assert_allclose(flow[0], seen, atol=0.01)


def test_a_mirrored_flow_is_the_flow_of_the_mirrored_frames():
    frames, pairs, colors = make_clip(0, seed=0)
    flow = optical_flow(frames, method="dis")
    clips = Clips("flow", flow[None], pairs[None], colors[None])
    found = clips.batch(np.array([0]), 0, len(flow), mirror=True)[0]
    wanted = flow_to_input(optical_flow(np.ascontiguousarray(frames[:, :, ::-1]), method="dis"))
    assert wanted[0].abs().mean() > 0.002, "the scene hardly moves"
    assert (found - wanted).abs().mean() < 0.3 * wanted.abs().mean()
    assert (found + wanted).abs().mean() > wanted.abs().mean()


def test_an_actor_label_forgets_the_action_and_keeps_what_is_left_out():
    pairs = np.array([[[PAIRS.index(("cat", "eating")), PAIRS.index(("cat", "none"))],
                       [BACKGROUND, IGNORE]]])  # fmt: skip
    labels = Clips("image", np.empty(0), pairs, pairs).labels("actor")
    assert labels.tolist() == [[[5, 5], [7, IGNORE]]]


def test_an_image_network_is_trained_folded_saved_and_read_again(tmp_path):
    config = replace(CONFIGS["image"], width=1 / 16, clips=12, held_out=4, batch_size=4)
    clips = clips_of("image", 12)
    network, record = train_trunk(config, clips, progress=False)
    assert isinstance(network, VGG16) and not network.training
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    assert len(record["loss"]) == config.epochs and np.isfinite(record["loss"]).all()
    assert set(record["held_out"]) == {"actor", "color"}
    save_network(network, record, tmp_path / "small.safetensors")
    assert json.loads((tmp_path / "small.json").read_text()) == record
    loaded = load_vgg(tmp_path / "small.safetensors")
    for ours, read in zip(network.parameters(), loaded.parameters(), strict=True):
        torch.testing.assert_close(read, ours.half().float())


def test_a_flow_network_names_pairs_and_no_colours():
    config = replace(
        CONFIGS["flow"], width=0.0625, clips=6, held_out=2, batch_size=4, snippet_epochs=1, epochs=1
    )
    clips = clips_of("flow", 6)
    network, record = train_trunk(config, clips, progress=False)
    assert network.conv3d_1a_7x7.conv3d.in_channels == 2
    assert set(record["held_out"]) == set(record["held_out_frozen"]) == {"pair", "actor", "action"}
    with pytest.raises(ConfigError, match="'flow' do not fit"):
        train_trunk(CONFIGS["rgb"], clips, progress=False)


@pytest.mark.parametrize("modality", ["rgb", "flow", "image"])
def test_the_committed_networks_are_those_of_the_small_profiles(modality):
    profile, folder = PROFILES["toy"], ROOT / "data" / "weights"
    path = folder / MODALITIES[modality].weights(profile)
    network = MODALITIES[modality].load(path)
    widths = {
        "rgb": profile.networks.trunk_width,
        "flow": profile.networks.trunk_width,
        "image": profile.networks.image_width,
    }
    assert network.width == widths[modality]
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["config"].get("modality", "rgb") == modality
    if modality == "flow":  # what does not move cannot be told apart
        assert record["held_out"]["action"] > record["held_out_frozen"]["action"] + 0.3
