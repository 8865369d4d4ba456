"""The multi-resolution feature decoder (Sec. 3.3, Eq. 10–13)."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

COORDINATES = 8


def coordinates(height: int, width: int, *, like: Tensor) -> Tensor:
    """The spatial features C of Hu et al. 2016 -> [1, 8, H, W].

    Per cell: left, top, right, bottom, centre x, centre y, all in [-1, 1], then 1/W and 1/H. The
    decoder recomputes them at each resolution (authors' code; the paper writes Interp(C)).
    """
    x = torch.arange(width, dtype=like.dtype, device=like.device) * (2 / width) - 1
    y = torch.arange(height, dtype=like.dtype, device=like.device) * (2 / height) - 1
    y, x = torch.meshgrid(y, x, indexing="ij")
    right, bottom = x + 2 / width, y + 2 / height
    inverse = [torch.full_like(x, 1 / width), torch.full_like(x, 1 / height)]
    planes = [x, y, right, bottom, (x + right) / 2, (y + bottom) / 2, *inverse]
    return torch.stack(planes).unsqueeze(0)


def interpolate(grid: Tensor, size: tuple[int, int]) -> Tensor:
    """Interp: bilinear resampling of [B, C, h, w] to `size` (authors: align_corners=False)."""
    return F.interpolate(grid, size=size, mode="bilinear", align_corners=False)


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def _shifted_interpolation(
    small: int, large: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """One axis of "interpolate, then shift by -1, 0, +1 with zero padding" -> [3 * small, large].

    Row `tap * small + i` says how much cell i gives to each large cell under that tap.
    """
    rows = torch.eye(small, dtype=torch.float64).unsqueeze(0)
    axis = F.interpolate(rows, size=large, mode="linear", align_corners=False)[0]
    padded = F.pad(axis, (1, 1))
    taps = torch.cat([padded[:, tap : tap + large] for tap in range(3)])
    return taps.to(dtype=dtype, device=device)


def convolve_interpolated(grid: Tensor, weight: Tensor, size: tuple[int, int]) -> Tensor:
    """A padded 3x3 convolution of an interpolated map, without ever building that map.

    Interpolation and convolution are both linear, so the channels are mixed at the small
    resolution (once per tap) and each tap's result is interpolated, shifted and summed: equal to
    `conv2d(interpolate(grid, size), weight, padding=1)`, borders included.

    grid [B, C, h, w], weight [C', C, 3, 3] -> [B, C', H, W].
    """
    batch, _, h, w = grid.shape
    mixed = torch.einsum("bchw,ocyx->boyhxw", grid, weight)
    across = _shifted_interpolation(w, size[1], grid.dtype, grid.device)
    down = _shifted_interpolation(h, size[0], grid.dtype, grid.device)
    rows = mixed.reshape(batch, -1, 3 * h, 3 * w) @ across  # [B, C', 3h, W]
    return down.T @ rows


class Deconv(nn.Sequential):
    """Four times finer (Eq. 10): a deconvolution k=8 s=4, then a 3x3 convolution, no activation."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.ConvTranspose2d(channels_in, channels_out, kernel_size=8, stride=4, padding=2),
            nn.Conv2d(channels_out, channels_out, kernel_size=3, padding=1),
        )


class SegmentationHead(nn.Module):
    """FCN of Eq. 11 on [vision, language, C]: 3x3, 3x3, 1x1 convolutions with ReLU between.

    The order of the channels is that of the authors' code (the paper writes [F_VA, C, F_TA]).

    The first convolution is applied to its three groups of input channels apart, which is the same
    sum: the coordinates once for the whole batch, the language at its own small resolution.
    """

    def __init__(self, vision: int, language: int, hidden: int) -> None:
        super().__init__()
        self.groups = [vision, language, COORDINATES]
        self.first = nn.Conv2d(sum(self.groups), hidden, kernel_size=3, padding=1)
        self.second = nn.Conv2d(hidden, hidden, kernel_size=3, padding=1)
        self.last = nn.Conv2d(hidden, 1, kernel_size=1)

    def forward(self, vision: Tensor, language: Tensor) -> Tensor:
        """vision [B, C, H, W], language [B, D_T, h, w] -> response (logits) [B, H, W]."""
        size = (vision.shape[2], vision.shape[3])
        on_vision, on_language, on_place = self.first.weight.split(self.groups, dim=1)
        place = F.conv2d(coordinates(*size, like=vision), on_place, self.first.bias, padding=1)
        hidden = F.conv2d(vision, on_vision, padding=1) + place
        if language.shape[2:] == vision.shape[2:]:
            hidden = hidden + F.conv2d(language, on_language, padding=1)
        else:
            hidden = hidden + convolve_interpolated(language, on_language, size)
        return self.last(F.relu(self.second(F.relu(hidden)))).squeeze(1)


class MultiResolutionDecoder(nn.Module):
    """Eq. 10–13: responses at 1x, 4x and 16x the feature grid; `fuse` adds Eq. 12.

    `hidden` are the channels at the three resolutions, (256, 128, 64) in the paper's size.
    """

    def __init__(
        self, vision: int, language: int, hidden: tuple[int, int, int], *, fuse: bool
    ) -> None:
        super().__init__()
        small, medium, large = hidden
        self.deconv_medium = Deconv(vision, small)
        self.deconv_large = Deconv(small, medium)
        self.head_small = SegmentationHead(vision, language, small)
        self.head_medium = SegmentationHead(small, language, medium)
        self.head_large = SegmentationHead(medium, language, large)
        self.fusion = nn.Conv2d(3, 1, kernel_size=3, padding=1) if fuse else None

    def forward(self, vision: Tensor, language: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """F_VA [B, 832, h, w], F_TA [B, D_T, h, w] -> R^S, R^M, R^L (logits) [B, ., .]."""
        vision_medium = self.deconv_medium(vision)  # Eq. 10
        vision_large = self.deconv_large(vision_medium)
        small = self.head_small(vision, language)  # Eq. 11
        medium = self.head_medium(vision_medium, language)
        large = self.head_large(vision_large, language)
        if self.fusion is not None:  # Eq. 12
            size = (large.shape[1], large.shape[2])
            coarse = [interpolate(r.unsqueeze(1), size) for r in (small, medium)]
            large = self.fusion(torch.cat([*coarse, large.unsqueeze(1)], dim=1)).squeeze(1)
        return small, medium, large
