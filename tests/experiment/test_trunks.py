"""Training the small networks: what is drawn, what is named, and what is kept."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from acga_lib.benchmark.drawing.renderer import render
from acga_lib.benchmark.world.scene import ACTORS, COLORS
from acga_lib.benchmark.writing.scenes import TRUNK_FRAMES, trunk_scene
from acga_lib.clip import Letterbox, to_input
from acga_lib.config import ROOT
from acga_lib.errors import ConfigError
from acga_lib.experiment.recipes import MODALITIES
from acga_lib.experiment.trunks.clips import (
    ACTOR_OF,
    BACKGROUND,
    BACKGROUND_SHARE,
    CELLS,
    IGNORE,
    INSTANCE_SHARE,
    PAIRS,
    SIDE,
    Drawing,
    Views,
    flow_input,
    image_input,
    labels,
    rgb_input,
)
from acga_lib.experiment.trunks.heads import joint
from acga_lib.experiment.trunks.joining import side_by_side
from acga_lib.experiment.trunks.networks import NETWORKS
from acga_lib.experiment.trunks.stills import see_frames_alone, still_features
from acga_lib.experiment.trunks.training import Course, Stage, save_network, train_trunks
from acga_lib.flow import flow_to_input, optical_flow
from acga_lib.i3d import BLOCKS, I3D, MaxPoolSame, scaled
from acga_lib.profiles import PROFILES
from acga_lib.vgg import VGG16, image_to_input, load_vgg

SHORT = Course(
    clips=8, held_out=2, first=6, frames=(Stage(steps=2, batch_size=4, frames=1),),
    motion=(
        Stage(steps=2, batch_size=4, frames=2, side=SIDE // 2), Stage(steps=1, batch_size=2),
    ),
)  # fmt: skip


@cache
def drawn(index):
    return Drawing(seed=0, flow=True)[index]


def test_a_clip_as_it_is_looks_to_the_networks_as_a_video_does():
    clip, plain = drawn(3), Views.plain(1, "cpu")
    frames, flow = clip.frames[0].numpy(), clip.flow[0].float().numpy()
    assert frames.shape == (TRUNK_FRAMES, SIDE, SIDE, 3)
    torch.testing.assert_close(rgb_input(clip, plain)[0], to_input(frames), atol=1e-4, rtol=0)
    torch.testing.assert_close(flow_input(clip, plain)[0], flow_to_input(flow), atol=1e-4, rtol=0)
    seen = image_input(clip, plain)[0]
    assert seen.shape == (3, 2 * SIDE, 2 * SIDE)
    small = nn.functional.avg_pool2d(seen, 2)
    assert (small - image_to_input(frames[TRUNK_FRAMES // 2])).abs().mean() < 0.05
    found = optical_flow(frames[:2], method="dis")[0]
    np.testing.assert_allclose(flow[0], found, atol=0.02)


def test_a_mirrored_flow_is_the_flow_of_the_mirrored_frames():
    clip = drawn(0)
    mirrored = Views(torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]]), torch.tensor([[-1.0, 1.0]]))
    found = flow_input(clip, mirrored)[0, :, :-1]
    flipped = np.ascontiguousarray(clip.frames[0].numpy()[:, :, ::-1])
    wanted = flow_to_input(optical_flow(flipped, method="dis"))
    assert wanted[0].abs().mean() > 0.002, "the scene hardly moves"
    assert (found - wanted).abs().mean() < 0.6 * wanted.abs().mean()
    assert (found + wanted).abs().mean() > wanted.abs().mean()


def test_a_window_shows_an_instance_at_its_own_size():
    clip = drawn(3)
    views = Views.drawn(clip, torch.Generator().manual_seed(0), side=SIDE // 2)
    named = labels(clip, views)["pair"]
    assert rgb_input(clip, views).shape[-2:] == (SIDE // 2, SIDE // 2)
    assert named.shape[-2:] == (CELLS // 2, CELLS // 2)
    assert ((named >= 0) & (named < BACKGROUND)).any()
    width = views.theta[0, 0, :2].norm() * SIDE  # pixels of the clip that the window spans
    assert SIDE / 2 / 1.36 < width < SIDE / 2 / 0.74


@pytest.mark.parametrize("index", [1, 3])
def test_a_cell_is_named_by_what_covers_it_most_of_the_time(index):
    scene = trunk_scene(seed=0, index=index)
    _, masks = render(replace(scene, frames=TRUNK_FRAMES + 1))
    rows, _ = Letterbox(height=scene.height, width=scene.width, side=SIDE).content
    found = {k: part[0] for k, part in labels(drawn(index), Views.plain(1, "cpu")).items()}
    pixels, compared = SIDE // CELLS, 0
    for row in range(CELLS):
        for column in range(CELLS):
            across = np.s_[column * pixels : (column + 1) * pixels]
            down = np.arange(row * pixels, (row + 1) * pixels) - rows.start
            inside = down[(down >= 0) & (down < scene.height)]
            cell = masks[:, :TRUNK_FRAMES, inside, across].sum(axis=(1, 2, 3))
            share = cell / (pixels**2 * TRUNK_FRAMES)
            if min(abs(share.max() - INSTANCE_SHARE), abs(share.sum() - BACKGROUND_SHARE)) < 0.01:
                continue  # what is stored is rounded
            one = scene.instances[share.argmax()]
            wanted = (PAIRS.index((one.actor, one.action)), ACTORS.index(one.actor),
                      COLORS.index(one.color))  # fmt: skip
            if share.sum() < BACKGROUND_SHARE:
                wanted = BACKGROUND, len(ACTORS), IGNORE
            elif share.max() < INSTANCE_SHARE:
                wanted = IGNORE, IGNORE, IGNORE
            assert tuple(int(found[k][row, column]) for k in ("pair", "actor", "color")) == wanted
            compared += 1
    assert compared > 0.9 * CELLS**2


@pytest.mark.parametrize("training", [False, True])
def test_single_frames_are_answered_as_clips_of_one_frame(training):
    network = I3D(width=1 / 8).train(training)
    frames = torch.randn(4, 3, 64, 80)
    with torch.no_grad():
        found, wanted = still_features(network, frames), network(frames.unsqueeze(2))[:, :, 0]
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


def test_a_network_that_sees_frames_alone_answers_every_step_of_a_clip_as_its_frame():
    torch.manual_seed(0)
    network = I3D(width=1 / 8)
    see_frames_alone(network)
    for layer in network.modules():
        if isinstance(layer, MaxPoolSame):  # a maximum over time is none of a filter's
            layer.kernel, layer.stride = (1, *layer.kernel[1:]), (1, *layer.stride[1:])
        if isinstance(layer, nn.BatchNorm3d):
            layer.momentum = 1.0
    frames = torch.randn(8, 3, 64, 80)
    with torch.no_grad():
        still_features(network.train(), frames)  # statistics with which features differ
        clip = network.eval()(frames.transpose(0, 1)[None])[0].transpose(0, 1)
        alone = still_features(network, frames[1::2])  # the first layer's steps have their middles
    assert alone.std() > 0.1
    torch.testing.assert_close(clip, alone, atol=1e-4, rtol=1e-4)


def test_networks_side_by_side_answer_with_the_features_of_both():
    torch.manual_seed(0)
    networks = [I3D(width=1 / 8).eval() for _ in range(2)]
    for layer in (layer for network in networks for layer in network.modules()):
        if isinstance(layer, nn.BatchNorm3d):
            for values in (layer.weight.data, layer.bias.data, layer.running_var):
                values.uniform_(0.5, 1.5)
    clip = torch.randn(1, 3, 16, 48, 64)
    with torch.no_grad():
        found = side_by_side(networks)(clip)
        branches = [
            network(clip).split([scaled(BLOCKS["mixed_4f"][i], 1 / 8) for i in (0, 2, 4, 5)], dim=1)
            for network in networks
        ]
    wanted = torch.cat([part for both in zip(*branches, strict=True) for part in both], dim=1)
    assert wanted.std() > 0.1
    torch.testing.assert_close(found, wanted)


def test_networks_are_trained_on_the_same_clips_and_kept(tmp_path):
    widths = {"rgb": 1 / 4, "flow": 1 / 16, "image": 1 / 16}
    trained = train_trunks(list(widths), SHORT, workers=0, widths=widths, progress=False)
    rgb, of_rgb = trained["rgb"]
    assert isinstance(rgb, I3D) and rgb.width == 1 / 4 and not rgb.training
    assert {part: len(one["loss"]) for part, one in of_rgb["parts"].items()} == {
        "frames": 2, "motion": 3,
    }  # fmt: skip
    assert set(of_rgb["held_out"]) == {"pair", "actor", "action", "color", "pattern"}
    flow, of_flow = trained["flow"]
    assert flow.conv3d_1a_7x7.conv3d.in_channels == 2
    assert (
        set(of_flow["held_out"]) == {"pair", "actor", "action"} == set(of_flow["held_out_frozen"])
    )
    network, record = trained["image"]
    assert isinstance(network, VGG16) and not network.training
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    losses = record["parts"]["frames"]["loss"]
    assert len(losses) == 2 and np.isfinite(losses).all()
    assert set(record["held_out"]) == {"actor", "color", "pattern"}
    save_network(network, record, tmp_path / "small.safetensors")
    kept = json.loads((tmp_path / "small.json").read_text())
    assert kept == json.loads(json.dumps(record)) and kept["held_out"] == record["held_out"]
    loaded = load_vgg(tmp_path / "small.safetensors")
    for ours, read in zip(network.parameters(), loaded.parameters(), strict=True):
        torch.testing.assert_close(read, ours.half().float())


def test_one_head_says_who_and_the_other_what_they_do():
    actors, pairs = torch.randn(1, len(ACTORS) + 1, 1, 1), torch.randn(1, len(PAIRS) + 1, 1, 1)
    found = joint(actors, pairs).exp().flatten().tolist()
    who, both = (logits.flatten().softmax(dim=0).tolist() for logits in (actors, pairs))
    for pair, actor in enumerate(ACTOR_OF.tolist()):
        of_actor = sum(both[i] for i, other in enumerate(ACTOR_OF) if other == actor)
        assert found[pair] == pytest.approx(who[actor] * both[pair] / of_actor)
    assert sum(found) == pytest.approx(1.0)


def test_unknown_networks_and_courses_that_cannot_fill_a_batch_are_refused():
    with pytest.raises(ConfigError, match="sound"):
        train_trunks(["sound"], SHORT, progress=False)
    with pytest.raises(ConfigError, match="fill a batch"):
        train_trunks(["image"], replace(SHORT, first=2), progress=False)


@pytest.mark.parametrize("modality", ["rgb", "flow", "image"])
def test_the_committed_networks_are_those_of_the_small_profiles(modality):
    profile, folder = PROFILES["toy"], ROOT / "data" / "weights"
    path = folder / MODALITIES[modality].weights(profile)
    assert path.name == NETWORKS[modality].file
    network = MODALITIES[modality].load(path)
    widths = {
        "rgb": profile.networks.trunk_width,
        "flow": profile.networks.flow_width,
        "image": profile.networks.image_width,
    }
    assert network.width == widths[modality] == NETWORKS[modality].width
    record = json.loads(path.with_suffix(".json").read_text())
    assert (record | record.get("config", {}))["modality"] == modality
    if modality == "flow":  # what does not move cannot be told apart
        assert record["held_out"]["action"] > record["held_out_frozen"]["action"] + 0.3
