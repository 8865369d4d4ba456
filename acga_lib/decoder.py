"""The multi-resolution feature decoder (Sec. 3.3, Eq. 10–13)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acga_lib.attention import of_each
from acga_lib.fast import convolve_maps, join_language_and_place, upsample_and_convolve

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


class Deconv(nn.Sequential):
    """Four times finer (Eq. 10): a deconvolution k=8 s=4, then a 3x3 convolution, no activation."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.ConvTranspose2d(channels_in, channels_out, kernel_size=8, stride=4, padding=2),
            nn.Conv2d(channels_out, channels_out, kernel_size=3, padding=1),
        )

    def convolved(self, x: Tensor, kernel: Tensor) -> Tensor:
        """The result under one more 3x3 convolution: [B, C, h, w], [O, C', 3, 3] -> [B, O, 4h, 4w].

        All three layers are linear and computed as one; the result in between is never built.
        """
        of = self.get_parameter
        return upsample_and_convolve(
            x, of("0.weight"), of("0.bias"), of("1.weight"), of("1.bias"), kernel
        )


class SegmentationHead(nn.Module):
    """FCN of Eq. 11 on [vision, language, C]: 3x3, 3x3, 1x1 convolutions with ReLU between.

    The order of the channels is that of the authors' code (the paper writes [F_VA, C, F_TA]).

    A sum over channels may be taken in parts: the first convolution's part on the vision is given
    (`on_vision` is its kernel), those on the language and the coordinates are added here.
    """

    def __init__(self, vision: int, language: int, hidden: int) -> None:
        super().__init__()
        self.groups = [vision, language, COORDINATES]
        self.first = nn.Conv2d(sum(self.groups), hidden, kernel_size=3, padding=1)
        self.second = nn.Conv2d(hidden, hidden, kernel_size=3, padding=1)
        self.last = nn.Conv2d(hidden, 1, kernel_size=1)

    @property
    def on_vision(self) -> Tensor:
        """The part of the first kernel that reads the vision, [hidden, vision, 3, 3]."""
        return self.first.weight[:, : self.groups[0]]

    def forward(self, convolved: Tensor, language: Tensor) -> Tensor:
        """Vision under `on_vision` [B, hidden, H, W], language [B, D_T, h, w] -> [B, H, W].

        The language is interpolated to the resolution of the vision (Eq. 11's Interp).
        """
        _, on_language, on_place = self.first.weight.split(self.groups, dim=1)
        bias = self.first.get_parameter("bias")
        first = join_language_and_place(convolved, language, on_language, on_place, bias)
        second = self.second(first)
        return self.last(F.relu(second, inplace=True)).squeeze(1)


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

    def forward(
        self, vision: Tensor, language: Tensor, clips: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """F_VA [U, 832, h, w], F_TA [B, D_T, h, w] -> R^S, R^M, R^L (logits) [B, ., .].

        clips as in `of_each`: without attention, the sentences about a clip share its vision.
        """
        medium_vision = self.deconv_medium(vision)  # Eq. 10
        convolved = (
            F.conv2d(vision, self.head_small.on_vision, padding=1),
            F.conv2d(medium_vision, self.head_medium.on_vision, padding=1),
            # Eq. 10 once more and the first layer of Eq. 11, without building F_V at 16x.
            self.deconv_large.convolved(medium_vision, self.head_large.on_vision),
        )
        heads = (self.head_small, self.head_medium, self.head_large)
        small, medium, large = (
            head(of_each(seen, clips), language)  # Eq. 11
            for head, seen in zip(heads, convolved, strict=True)
        )
        if self.fusion is not None:  # Eq. 12
            large = convolve_maps((small, medium, large), self.fusion.weight)
            large = large + self.fusion.get_parameter("bias")
        return small, medium, large
