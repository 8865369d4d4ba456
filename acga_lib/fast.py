"""The decoder's sums in another order: linear layers as one, at the resolution they come from.

Between two activations everything is linear, and linear maps may be composed before they meet the
data. Nothing here approximates: lesson 3 derives the largest form, and tests hold each against the
literal one at every pixel, borders included. Feature maps are [B, C, H, W] with the channels last
in memory, so that a map is also a matrix of pixels times channels.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

#: How the eight planes of `decoder.coordinates` are made of x, y and 1: x, y, right, bottom, their
#: centres, 1/W and 1/H. An entry of a column of ones is (times 1/W, times 1/H).
_OF_X, _OF_Y = (0, 2, 4), (1, 3, 5)
_OF_ONE = {2: (2.0, 0.0), 3: (0.0, 2.0), 4: (1.0, 0.0), 5: (0.0, 1.0), 6: (1.0, 0.0), 7: (0.0, 1.0)}


def _in_full(device: torch.device) -> AbstractContextManager[object]:
    """No mixed precision: for kernels, which are few numbers that many depend on."""
    if device.type == "meta":  # shapes without numbers
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def _taps(axis: Tensor) -> Tensor:
    """What a kernel of 3 sees along an axis that is padded with zeros: [n, m] -> [3, n, m].

    Entry (t, i) is what lies at position p + t - 1 for every position p of the m.
    """
    padded = F.pad(axis, (1, 1))
    return torch.stack([padded[:, tap : tap + axis.shape[1]] for tap in range(3)])


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def _interpolation(small: int, large: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """One axis of "interpolate, then convolve with 3 taps" -> [3 * small, large].

    Row `tap * small + i` says how much cell i gives to each large cell under that tap.
    """
    rows = torch.eye(small, dtype=torch.float64).unsqueeze(0)
    axis = F.interpolate(rows, size=large, mode="linear", align_corners=False)[0]
    return _taps(axis).flatten(0, 1).to(dtype=dtype, device=device)


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def _place(
    height: int, width: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """The coordinates as products of an axis down and an axis across, for a 3 x 3 convolution.

    -> the eight planes in terms of x, y and 1, [8, 3]; what the taps see down, [H, 9], and
    across, [3, 3, W].
    """
    planes = torch.zeros(8, 3, dtype=torch.float64)
    planes[_OF_X, 0] = planes[_OF_Y, 1] = 1
    for plane, (of_width, of_height) in _OF_ONE.items():
        planes[plane, 2] = of_width / width + of_height / height
    x, y = (torch.arange(n, dtype=torch.float64) * (2 / n) - 1 for n in (width, height))
    across = _taps(torch.stack([x, torch.ones_like(x), torch.ones_like(x)])).transpose(0, 1)
    down = _taps(torch.stack([torch.ones_like(y), y, torch.ones_like(y)])).transpose(0, 1)
    found = planes, down.flatten(0, 1).T, across
    return tuple(t.to(dtype=dtype, device=device) for t in found)  # type: ignore[return-value]


def _interpolated_rows(grid: Tensor, weight: Tensor, width: int) -> Tensor:
    """A 3 x 3 convolution of an interpolated map, as far as it goes across: -> [B, 3h, W, C'].

    grid [B, C, h, w], weight [C', C, 3, 3]. Interpolating and shifting are matrices on each axis,
    and the channels are mixed before them, at the small resolution, once for each tap.
    """
    batch, channels, h, w = grid.shape
    mixing = weight.permute(1, 2, 0, 3).reshape(channels, -1)  # [C, (3, C', 3)]
    mixed = grid.permute(0, 2, 3, 1).reshape(-1, channels) @ mixing
    mixed = mixed.view(batch, h, w, 3, -1, 3).permute(0, 3, 1, 4, 5, 2)  # [B, 3, h, C', 3, w]
    across = _interpolation(w, width, mixed.dtype, mixed.device)
    rows = mixed.reshape(-1, 3 * w) @ across
    return rows.view(batch, 3 * h, -1, width).transpose(2, 3)


def _convolve_cells(grid: Tensor, kernel: Tensor) -> Tensor:
    """A padded 3 x 3 convolution of one channel, as one of 16 channels at a quarter of the size.

    Each 4 x 4 pixels are a cell, which depends on itself and its neighbours. CPUs convolve many
    channels well and a single one badly. grid [B, 1, 4h, 4w], kernel [1, 1, 3, 3] -> the same size.
    """
    with _in_full(kernel.device):
        pixels = torch.eye(16, dtype=kernel.dtype, device=kernel.device).view(16, 1, 4, 4)
        around = F.pad(F.conv_transpose2d(pixels, kernel), (3, 3, 3, 3))  # what each reads
        cells = F.pixel_unshuffle(around, 4)  # [16, 16, 3, 3]
    return F.pixel_shuffle(F.conv2d(F.pixel_unshuffle(grid, 4), cells, padding=1), 4)


def convolve_maps(maps: Sequence[Tensor], weight: Tensor) -> Tensor:
    """A padded 3 x 3 convolution of maps of one channel, brought to the size of the last (Eq. 12).

    Equal to `conv2d(cat([interpolate(map, size) for map in maps], dim=1), weight, padding=1)`.
    For the coarse maps the kernel goes into the matrix of the axis across, which is small.

    maps [B, h, w] each, the last with H and W divisible by 4, weight [1, len(maps), 3, 3]
    -> [B, H, W].
    """
    *coarse, fine = maps
    *kernels, last = weight.split(1, dim=1)
    height, width = fine.shape[1:]
    rows, columns = [], []
    for grid, kernel in zip(coarse, kernels, strict=True):
        h, w = grid.shape[1:]
        across = _interpolation(w, width, kernel.dtype, kernel.device).view(3, w, -1)
        with _in_full(kernel.device):
            matrix = torch.einsum("yx,xij->iyj", kernel[0, 0], across).flatten(1)  # [w, 3 W]
        rows.append((grid @ matrix).unflatten(2, (3, -1)).transpose(1, 2).flatten(1, 2))
        columns.append(_interpolation(h, height, rows[-1].dtype, kernel.device))
    down = torch.cat(columns).T.expand(len(fine), -1, -1)
    return torch.baddbmm(
        _convolve_cells(fine.unsqueeze(1), last).squeeze(1), down, torch.cat(rows, dim=1)
    )


def join_language_and_place(
    vision: Tensor, language: Tensor, on_language: Tensor, on_place: Tensor, bias: Tensor
) -> Tensor:
    """A head's first layer, whose visual part is given: one matrix product a sample, and ReLU.

    Equal to `relu(vision + conv2d(cat([interpolate(language), place]), weight, bias, padding=1))`.
    Language and coordinates are both sums of an axis down times an axis across: of the 3h rows of
    the interpolation, the 9 of the coordinates (x, y and 1 under three taps), and that of the bias.

    vision [B, O, H, W], language [B, D, h, w], on_language [O, D, 3, 3], on_place [O, 8, 3, 3],
    bias [O] -> [B, O, H, W].
    """
    batch, channels, height, width = vision.shape
    rows = _interpolated_rows(language, on_language, width)  # [B, 3h, W, O]
    down = _interpolation(language.shape[2], height, rows.dtype, rows.device)
    planes, place_down, place_across = _place(height, width, bias.dtype, bias.device)
    with _in_full(vision.device):
        on_axes = torch.einsum("opyx,pk->kyxo", on_place, planes)
        place_rows = (place_across.transpose(1, 2).unsqueeze(1) @ on_axes).flatten(0, 1)
        fixed = torch.cat([place_rows, bias.expand(1, width, channels)])  # [9 + 1, W, O]
    fixed = fixed.to(rows.dtype).expand(batch, -1, -1, -1)
    ones = down.new_ones(height, 1)
    columns = torch.cat([down.T, place_down.to(down.dtype), ones], dim=1)
    total = torch.baddbmm(
        vision.permute(0, 2, 3, 1).reshape(batch, height, -1).to(rows.dtype),
        columns.expand(batch, -1, -1), torch.cat([rows, fixed], dim=1).flatten(2),
    )  # fmt: skip
    return total.relu_().view(batch, height, width, channels).permute(0, 3, 1, 2)


def composed(convolution: Tensor, following: Tensor) -> Tensor:
    """Two convolutions' kernels as one: [C', C, 3, 3] and [O, C', k, k] -> [O, C, 2 + k, 2 + k]."""
    kernel = following.shape[-1]
    images = convolution.transpose(0, 1)  # what the first makes of one pixel of each channel
    return F.conv2d(images, following.flip(2, 3), padding=kernel - 1).transpose(0, 1)


def upsample_and_convolve(
    x: Tensor, deconvolution: Tensor, bias: Tensor, convolution: Tensor, shift: Tensor,
    following: Tensor,
) -> Tensor:  # fmt: skip
    """Three linear layers as one: a deconvolution k=8 s=4 p=2, a 3 x 3 convolution, and another.

    Together they are one deconvolution k=12 s=4, which gives the 4 x 4 pixels of a cell from the
    3 x 3 cells around it: a 3 x 3 convolution on the cells, to 16 times the channels, whose result
    only has to be laid out. Each of the three layers pads its own input with zeros, of which the
    composition knows nothing; that reaches 2 pixels into the frame. So the outer cells are computed
    literally, from the outer two.

    x [B, C, h, w], deconvolution [C, C', 8, 8], bias [C'], convolution [C', C', 3, 3], shift [C'],
    following [O, C', 3, 3] without a bias -> [B, O, 4h, 4w]; h and w are at least 4.
    """
    with _in_full(x.device):
        pair = composed(convolution, following)  # [O, C', 5, 5]
        kernel = F.conv_transpose2d(deconvolution, pair.flip(2, 3).transpose(0, 1))
        constant = pair.sum(dim=(2, 3)) @ bias + following.sum(dim=(2, 3)) @ shift
    channels, out = kernel.shape[:2]  # [C, O, 12, 12]
    cells = kernel.view(channels, out, 3, 4, 3, 4).flip(2, 4).permute(3, 5, 1, 0, 2, 4)
    inner = F.conv2d(x, cells.reshape(16 * out, channels, 3, 3), constant.repeat(16))
    # [B, 16 O, h - 2, w - 2] -> [B, h - 2, 4, w - 2, 4, O]
    blocks = inner.permute(0, 2, 3, 1).unflatten(3, (4, 4, out)).permute(0, 1, 3, 2, 4, 5)

    def literally(outer: Tensor) -> Tensor:
        finer = F.conv_transpose2d(outer, deconvolution, bias, stride=4, padding=2)
        found = F.conv2d(F.conv2d(finer, convolution, shift, padding=1), following, padding=1)
        return found.permute(0, 2, 3, 1).unflatten(2, (-1, 4)).unflatten(1, (-1, 4))

    rows = literally(torch.cat([x[:, :, :2], x[:, :, -2:]], dim=2))  # [B, 4, 4, w, 4, O]
    columns = literally(torch.cat([x[..., :2], x[..., -2:]], dim=3))[:, 1:-1]
    middle = torch.cat([columns[:, :, :, :1], blocks, columns[:, :, :, -1:]], dim=3)
    whole = torch.cat([rows[:, :1], middle, rows[:, -1:]], dim=1)
    return whole.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
