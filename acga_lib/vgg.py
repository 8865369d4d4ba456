"""VGG-16 made fully convolutional (Simonyan & Zisserman 2015; Hu et al. 2016), to fc8.

The network of the rows of Table 1 that see one frame and no motion (Hu et al. 2016, Li et al.
2017): fc6 becomes a 7x7 convolution with SAME padding, fc7 and fc8 become 1x1 ones, and fc8 has no
ReLU. A square of 512 pixels gives a grid of 16 x 16 cells. Dropout is for training and not here.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from acga_lib.errors import CheckpointError
from acga_lib.i3d import scaled
from acga_lib.weights import load_tensors, misfit, state_of

#: Channels of every convolution, in blocks that each end with 2x2 max pooling.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
POOLED = {f"conv{block}_{len(channels)}" for block, channels in enumerate(BLOCKS, start=1)}
#: The layers that were fully connected: output channels and kernel.
CONNECTED = {"fc6": (4096, 7), "fc7": (4096, 1), "fc8": (1000, 1)}
#: The public layout's convolutions are numbered among ReLUs and poolings, `classifier` likewise.
PUBLIC = {
    **{f"features.{n}": f"conv{b}_{i}" for n, (b, i) in zip(
        (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
        [(b, i) for b, block in enumerate(BLOCKS, 1) for i in range(1, len(block) + 1)],
        strict=True,
    )},
    "classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "fc8",
}  # fmt: skip
#: ImageNet's mean and standard deviation of RGB in [0, 1], with which the public weights go.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG16(nn.Module):
    """Frames [B, 3, S, S] as from `image_to_input` -> fc8 [B, 1000, S/32, S/32].

    `width` multiplies the channels of every layer, fc8's too; 1 is the published network.
    """

    def __init__(self, *, width: float = 1.0) -> None:
        super().__init__()
        self.width, before = width, 3
        for number, block in enumerate(BLOCKS, start=1):
            for index, channels in enumerate((scaled(c, width) for c in block), start=1):
                convolution = nn.Conv2d(before, channels, 3, padding=1)
                self.add_module(f"conv{number}_{index}", convolution)
                before = channels
        for name, (published, kernel) in CONNECTED.items():
            channels = scaled(published, width)
            self.add_module(name, nn.Conv2d(before, channels, kernel, padding=kernel // 2))
            before = channels

    def trunk(self, frames: Tensor) -> Tensor:
        """What the feature store keeps: fc8, without ReLU."""
        x = frames
        for name, layer in self.named_children():
            x = layer(x)
            if name != "fc8":
                x = F.relu(x)
            if name in POOLED:
                x = F.max_pool2d(x, 2)
        return x

    def forward(self, frames: Tensor) -> Tensor:
        return self.trunk(frames)


def image_to_input(frame: NDArray[np.uint8]) -> Tensor:
    """A letterboxed frame as the public weights read it: RGB in [0, 1], ImageNet's mean and std.

    The weights that Hu et al. took from Caffe want BGR in [0, 255] with only the means subtracted;
    they are another set, and not loaded here. Letterbox margins are black before the mean is
    subtracted, as Hu et al.'s are, so they are not zero afterwards.

    Args:
        frame: uint8 [S, S, 3], RGB.

    Returns:
        float32 [3, S, S].
    """
    pixels = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1).to(torch.float32) / 255
    mean, deviation = (torch.tensor(three).view(3, 1, 1) for three in (MEAN, DEVIATION))
    return ((pixels - mean) / deviation).contiguous()


def load_vgg(path: str | Path) -> VGG16:
    """Load torchvision's `vgg16` layout, or our own -> an eval-mode `VGG16`.

    The width is read off the first layer. Raises CheckpointError naming the file when it is
    missing or damaged, or when an entry is missing, misshapen, or of another network.
    """
    state = _canonical(load_tensors(path))
    stem = state.get("conv1_1.weight")
    if stem is None or stem.ndim != 4:
        raise CheckpointError(
            f"{path}: not a VGG-16 checkpoint: no convolution 'features.0.weight' (torchvision's "
            "vgg16) or 'conv1_1.weight' (our own) in it; fetch one of these layouts"
        )
    width = len(stem) / 64
    wanted = state_of(lambda: VGG16(width=width), where=f"{path}: ")
    if wrong := misfit(wanted, state) or ", ".join(state.keys() - wanted.keys()):
        raise CheckpointError(
            f"{path}: in a VGG-16 of width {width:g}, {wrong}. The file is incomplete or of "
            "another network; fetch vgg16's weights."
        )
    model = VGG16(width=width)
    model.load_state_dict(state)
    return model.eval()


def _canonical(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the public layout to ours and turn its matrices into kernels; others pass through."""
    renamed = {}
    for key, value in state.items():
        layer, _, kind = key.rpartition(".")
        name = PUBLIC.get(layer, layer)
        if name in CONNECTED and kind == "weight" and value.ndim == 2:
            kernel = CONNECTED[name][1]
            channels = max(1, value.shape[1] // kernel**2)
            if value.numel() == len(value) * channels * kernel**2:
                value = value.view(len(value), channels, kernel, kernel)
        renamed[f"{name}.{kind}"] = value
    return renamed
