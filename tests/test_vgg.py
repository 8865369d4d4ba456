"""VGG-16: the public weights as a convolution, BatchNorm folded in, and files of other networks."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from acga_lib.errors import CheckpointError
from acga_lib.experiment.trunks.networks import add_batch_norm, fold_batch_norm
from acga_lib.i3d import I3D
from acga_lib.vgg import VGG16, image_to_input, load_vgg

NARROW = 1 / 16


class PublicVGG(nn.Module):
    """VGG-16 as published, fully connected, for 224 x 224 pixels, at a sixteenth of the width."""

    def __init__(self):
        super().__init__()
        layers, before = [], 3
        for channels in (4, 4, "M", 8, 8, "M", 16, 16, 16, "M", 32, 32, 32, "M", 32, 32, 32, "M"):
            if channels == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
                before = channels
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(32 * 7 * 7, 256), nn.ReLU(), nn.Dropout(),
            nn.Linear(256, 256), nn.ReLU(), nn.Dropout(),
            nn.Linear(256, 62),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


@pytest.fixture(scope="module")
def public():
    """The literal network with weights that keep the signal's size."""
    torch.manual_seed(0)
    network = PublicVGG().eval()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
    return network


@torch.no_grad()
def test_the_middle_cell_says_what_the_fully_connected_network_says(public, tmp_path):
    """fc6's window around the middle one of 7 x 7 cells is the whole grid, without padding."""
    torch.save(public.state_dict(), tmp_path / "vgg16.pth")
    frames = torch.randn(2, 3, 224, 224)
    found = load_vgg(tmp_path / "vgg16.pth")(frames)
    assert found.shape == (2, 62, 7, 7) and found.min() < 0  # no ReLU behind fc8
    torch.testing.assert_close(found[:, :, 3, 3], public(frames), rtol=1e-4, atol=1e-4)


def test_at_512_pixels_the_published_network_has_a_grid_of_16_and_1000_channels():
    network = VGG16().to("meta")
    assert network(torch.empty(1, 3, 512, 512, device="meta")).shape == (1, 1000, 16, 16)
    assert sum(weight.numel() for weight in network.parameters()) == 138_357_544  # as published


@torch.no_grad()
def test_folding_batch_norm_changes_no_output_and_leaves_the_plain_network(tmp_path):
    torch.manual_seed(0)
    network = add_batch_norm(VGG16(width=NARROW))
    for _ in range(3):  # statistics and scales that are not the initial ones
        network(2 * torch.randn(4, 3, 96, 96) + 1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.uniform_(layer.bias, -1, 1)
    frames = torch.randn(2, 3, 96, 96)
    wanted = network.eval()(frames)
    folded = fold_batch_norm(network)
    assert (folded(frames) - wanted).abs().max() < 1e-5 * wanted.abs().max()
    save_file(folded.state_dict(), tmp_path / "ours.safetensors")
    loaded = load_vgg(tmp_path / "ours.safetensors")
    assert loaded.width == NARROW and torch.equal(loaded(frames), folded(frames))


def test_a_picture_is_normalised_as_imagenet_and_margins_are_black():
    frame = np.zeros((4, 6, 3), dtype=np.uint8)
    frame[1, 2] = (255, 0, 51)
    picture = image_to_input(frame)
    assert picture.shape == (3, 4, 6) and picture.dtype == torch.float32
    assert picture[:, 1, 2].tolist() == pytest.approx(
        [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225]
    )
    assert picture[:, 0, 0].tolist() == pytest.approx(
        [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: I3D(width=0.125).state_dict(), "not a VGG-16 checkpoint"),
        (lambda s: {k: v for k, v in s.items() if k != "classifier.3.bias"}, r"fc7\.bias.*nothing"),
        (lambda s: s | {"features.5.weight": torch.zeros(8, 4, 5, 5)}, r"conv2_1\.weight.*5, 5"),
        (lambda s: s | {"classifier.0.weight": torch.zeros(256, 32 * 36)}, r"fc6\.weight"),
        (lambda s: s | {"features.34.weight": torch.zeros(1)}, r"features\.34\.weight"),  # VGG-19
    ],
)
def test_another_networks_file_is_named_with_what_is_wrong(change, message, public, tmp_path):
    torch.save(change(public.state_dict()), tmp_path / "wrong.pth")
    with pytest.raises(CheckpointError, match=rf"wrong\.pth.*{message}"):
        load_vgg(tmp_path / "wrong.pth")
