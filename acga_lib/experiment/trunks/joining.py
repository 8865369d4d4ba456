"""Two I3D side by side are one I3D of their widths together: what trains cheaply apart is joined.

Every filter keeps to the channels of its own network, so the joined one answers with the features
of both. From then on it is an I3D like any other; in training, its last block may mix them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from acga_lib.errors import ConfigError
from acga_lib.i3d import BLOCKS, I3D, InceptionBlock, Unit3D


@torch.no_grad()
def side_by_side(networks: Sequence[I3D]) -> I3D:
    """Trained networks on the same input -> one in eval mode, as wide as all of them.

    Their channels follow each other in every branch of a block. Raises ConfigError for widths at
    which a layer's channels would be rounded.
    """
    stem = networks[0].conv3d_1a_7x7.conv3d
    joined = I3D(width=sum(one.width for one in networks), channels_in=stem.in_channels)
    owners = torch.full((stem.in_channels,), -1)
    for name in ("conv3d_1a_7x7", "conv3d_2b_1x1", "conv3d_2c_3x3"):
        owners = _join(getattr(joined, name), [getattr(one, name) for one in networks], owners)
    for name in BLOCKS:
        owners = _join_blocks(
            getattr(joined, name), [getattr(one, name) for one in networks], owners
        )
    return joined.eval()


def _join_blocks(block: InceptionBlock, parts: Sequence[InceptionBlock], owners: Tensor) -> Tensor:
    """Fill a block from those side by side -> whose each output channel is."""
    outputs = [_join(block.branch_0, [one.branch_0 for one in parts], owners)]
    for name in ("branch_1", "branch_2", "branch_3"):
        out, branches = owners, [getattr(one, name) for one in parts]
        for place, layer in enumerate(getattr(block, name)):
            if isinstance(layer, Unit3D):
                out = _join(layer, [branch[place] for branch in branches], out)
        outputs.append(out)
    return torch.cat(outputs)


def _join(unit: Unit3D, parts: Sequence[Unit3D], owners: Tensor) -> Tensor:
    """Fill a layer -> the owners of its outputs. `owners` are the inputs', -1 is everybody."""
    sizes = torch.tensor([len(one.conv3d.weight) for one in parts])
    out = torch.repeat_interleave(torch.arange(len(parts)), sizes)
    if len(out) != unit.conv3d.out_channels:
        raise ConfigError(
            f"{unit.conv3d.out_channels} channels cannot be shared out as {sizes.tolist()}: take "
            "widths that are multiples of an eighth"
        )
    unit.conv3d.weight.zero_()
    for number, part in enumerate(parts):
        rows = (out == number).nonzero()
        columns = ((owners == number) | (owners < 0)).nonzero()[:, 0]
        unit.conv3d.weight[rows, columns] = part.conv3d.weight
        for name, values in part.batch3d.state_dict().items():
            if values.ndim:
                unit.batch3d.state_dict()[name][rows[:, 0]] = values
    return out
