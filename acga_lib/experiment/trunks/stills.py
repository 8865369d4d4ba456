"""I3D on single frames: a two-dimensional network, at a fifth of the cost of the shortest clips.

Of a clip of one frame, a filter with SAME padding sees its middle tap alone, so a training begins
with that one and zeros beside it. On longer clips such a network answers each step in time for
itself. (Taps that are all alike, as I3D's own inflation makes them, answer a moving actor with its
blur.)
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from acga_lib.i3d import I3D, InceptionBlock, Unit3D, same_padding


@torch.no_grad()
def see_frames_alone(network: I3D) -> None:
    """Set all taps in time to zero but the middle ones."""
    for unit in network.modules():
        if isinstance(unit, Unit3D):
            middle = _middle(unit).clone()
            unit.conv3d.weight.zero_()
            _middle(unit).copy_(middle)


def still_features(network: I3D, frames: Tensor) -> Tensor:
    """Frames [B, C, H, W] -> Mixed_4f [B, C', H/16, W/16] of clips of this one frame each.

    As with clips, a network in training mode estimates BatchNorm's statistics.
    """
    x = _maximum(_unit(network.conv3d_1a_7x7, frames), 2)
    x = _maximum(_unit(network.conv3d_2c_3x3, _unit(network.conv3d_2b_1x1, x)), 2)
    x = _maximum(_block(network.mixed_3c, _block(network.mixed_3b, x)), 2)
    for block in (network.mixed_4b, network.mixed_4c, network.mixed_4d, network.mixed_4e,
                  network.mixed_4f):  # fmt: skip
        x = _block(block, x)
    return x


def _middle(unit: Unit3D) -> Tensor:
    return unit.conv3d.weight[:, :, unit.conv3d.kernel_size[0] // 2]


def _unit(unit: Unit3D, x: Tensor) -> Tensor:
    weight, norm = _middle(unit), unit.batch3d
    x = F.conv2d(_padded(x, weight.shape[-1], unit.stride), weight, stride=unit.stride)
    return F.relu(F.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training,
        norm.momentum or 0.0, norm.eps,
    ))  # fmt: skip


def _maximum(x: Tensor, stride: int) -> Tensor:
    return F.max_pool2d(_padded(x, 3, stride), 3, stride)


def _padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    pads = [same_padding(size, kernel, stride) for size in x.shape[2:]]
    return F.pad(x, [side for pair in reversed(pads) for side in pair])


def _block(block: InceptionBlock, x: Tensor) -> Tensor:
    branches = [_unit(block.branch_0, x)]
    for branch in (block.branch_1, block.branch_2, block.branch_3):
        out = x
        for layer in branch:
            out = _unit(layer, out) if isinstance(layer, Unit3D) else _maximum(out, 1)
        branches.append(out)
    return torch.cat(branches, dim=1)
