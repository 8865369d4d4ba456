"""I3D on single frames: the two-dimensional network from which it is inflated, backwards.

I3D repeats a filter of an image network along time and divides it by their number, so that it
answers a clip in which nothing ever moves as the image network answers its frame (Carreira &
Zisserman 2017, Sec. 3.1). Read backwards, a filter's sum over time is the image network's, and an
I3D learns appearance from frames at a fifth of the cost of the shortest clips.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from acga_lib.i3d import I3D, InceptionBlock, Unit3D, same_padding


def still_features(network: I3D, frames: Tensor) -> Tensor:
    """Frames [B, C, H, W] -> Mixed_4f [B, C', H/16, W/16] of clips that show them for ever.

    As in the clips of a training, a network in training mode estimates BatchNorm's statistics.
    """
    x = _maximum(_unit(network.conv3d_1a_7x7, frames), 2)
    x = _maximum(_unit(network.conv3d_2c_3x3, _unit(network.conv3d_2b_1x1, x)), 2)
    x = _maximum(_block(network.mixed_3c, _block(network.mixed_3b, x)), 2)
    for block in (network.mixed_4b, network.mixed_4c, network.mixed_4d, network.mixed_4e,
                  network.mixed_4f):  # fmt: skip
        x = _block(block, x)
    return x


def _unit(unit: Unit3D, x: Tensor) -> Tensor:
    weight, norm = unit.conv3d.weight.sum(dim=2), unit.batch3d
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
