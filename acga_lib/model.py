"""ACGA and its ablations (Fig. 2, Table 3)."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acga_lib.attention import CrossGuidedAttention, flatten_grid, unflatten_grid
from acga_lib.decoder import COORDINATES, MultiResolutionDecoder, coordinates
from acga_lib.errors import CheckpointError
from acga_lib.i3d import CHANNELS, STEM, block_output, mixed_4f, scaled
from acga_lib.methods import METHODS, MethodConfig
from acga_lib.weights import load_tensors, misfit, network_state


class Responses(NamedTuple):
    """What every method returns: logits at three resolutions, and its attention if it has any."""

    small: Tensor  #: R^S [B, h, w]
    medium: Tensor | None  #: R^M [B, 4h, 4w]; None for the methods of two resolutions
    large: Tensor  #: R^L [B, 16h, 16w] ([B, 32h, 32w]), after fusion where the method fuses
    word_attention: Tensor | None = None  #: [B, hw, N]
    context_attention: Tensor | None = None  #: [B, hw, hw]


class TextEncoder(nn.Module):
    """Enc_T of Eq. 1: one 1-D convolution over the words, k=3, tanh (authors' code)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(features, features, kernel_size=3, padding=1)

    def forward(self, words: Tensor) -> Tensor:
        """Word vectors S [B, N, D_T] -> F_T [B, N, D_T]."""
        return self.convolution(words.transpose(1, 2)).tanh().transpose(1, 2)


class VisualEncoder(nn.Module):
    """The trained end of Enc_V, Eq. 2: Mixed_4f, average over time, L2 norm per pixel.

    `length` is that of the vectors: 1 in the paper. A longer F_V weighs more beside the
    coordinates, which are up to 1 each; the network can express the same functions.
    """

    def __init__(self, width: float, *, length: float = 1.0) -> None:
        super().__init__()
        self.length = length
        self.mixed_4f = mixed_4f(width)
        self.channels_in = block_output("mixed_4e", width)
        self.channels = block_output("mixed_4f", width)

    def forward(self, features: Tensor, clips: Tensor | None = None) -> Tensor:
        """Mixed_4e [U, 528, T/4, h, w] -> F_V [U, 832, h, w], of one length at every pixel."""
        seen = self.mixed_4f(features, clips).mean(dim=2)
        return self.length * F.normalize(seen, dim=1)


class ACGA(nn.Module):
    """The asymmetric cross-guided attention network; its `method` says which row of Table 3.

    Without attention (`Baseline`), the sentence is the maximum over its words, repeated at every
    pixel, and the vision goes to the decoder as it is. Beside [6], the paper says of it, this "only
    replaces the dynamic convolution with fully convolutional network" (Sec. 4.4).

    `trunk_width` scales Mixed_4f with the trunk it continues, `head_width` the decoder;
    `vision_length` is the length of F_V.
    """

    def __init__(
        self,
        method: MethodConfig,
        *,
        trunk_width: float = 1.0,
        head_width: float = 1.0,
        text_features: int = 300,
        vision_length: float = 1.0,
    ) -> None:
        super().__init__()
        self.text_encoder = TextEncoder(text_features)
        self.visual_encoder = VisualEncoder(trunk_width, length=vision_length)
        vision = self.visual_encoder.channels
        self.attention = (
            CrossGuidedAttention(vision + COORDINATES, text_features) if method.attention else None
        )
        hidden = (scaled(256, head_width), scaled(128, head_width), scaled(64, head_width))
        self.decoder = MultiResolutionDecoder(vision, text_features, hidden, fuse=method.fusion)

    def forward(self, features: Tensor, words: Tensor, clips: Tensor | None = None) -> Responses:
        """Mixed_4e [U, 528, T/4, h, w], word vectors [B, N, 300] -> `Responses` (logits).

        clips: which of the U clips each of the B sentences is about, as in `attention.of_each`;
        None: U = B, a clip for each.
        """
        vision = self.visual_encoder(features, clips)
        words = self.text_encoder(words)
        size = (vision.shape[2], vision.shape[3])
        if self.attention is None:
            sentence = words.amax(dim=1)[:, :, None, None]
            return Responses(*self.decoder(vision, sentence.expand(-1, -1, *size), clips))
        place = coordinates(*size, like=vision).expand(len(vision), -1, -1, -1)
        attended = self.attention(flatten_grid(torch.cat([vision, place], dim=1)), words, clips)
        # The decoder takes the visual channels alone: it adds coordinates of its own resolutions.
        seen = unflatten_grid(attended.vision[..., : vision.shape[1]], size)
        language = unflatten_grid(attended.language, size)
        small, medium, large = self.decoder(seen, language)
        return Responses(small, medium, large, attended.word_attention, attended.context_attention)

    @classmethod
    def from_authors(cls, source: str | Path | Mapping[str, Tensor]) -> "ACGA":
        """The authors' released checkpoint, or its state dict -> full-size eval-mode model.

        Either may be wrapped as trainers save it (`network_state`).

        Raises CheckpointError, naming the file, when an entry that this network needs is missing
        or misshapen, and when the checkpoint was trained on optical flow.
        """
        state = load_tensors(source) if isinstance(source, str | Path) else network_state(source)
        where = f"{source}: " if isinstance(source, str | Path) else ""
        expected = "Expected is their model_best.pth.tar, trained on RGB."
        # Mixed_4f on flow has the same shapes; only the first layer of the trunk tells.
        first = state.get(f"video_model.model.{STEM}")
        if first is not None and first.shape[1] != CHANNELS["rgb"]:
            raise CheckpointError(
                f"{where}its trunk reads {first.shape[1]} channels, as of optical flow, and not "
                f"the 3 of RGB. {expected}"
            )
        renamed = {_from_authors(key): value for key, value in state.items()}
        model = cls(METHODS["acga"])
        wanted = model.state_dict()
        if wrong := misfit(wanted, renamed):
            raise CheckpointError(
                f"{where}not the authors' ACGA: {wrong}, among {len(state)} entries. {expected}"
            )
        model.load_state_dict({key: renamed.get(key, value) for key, value in wanted.items()})
        return model.eval()


_AUTHORS_NAMES = {
    "txt_model.0": "text_encoder.convolution",
    "video_model.model.mixed_4f": "visual_encoder.mixed_4f",
    "attention_layer.video_reduce": "attention.language.align",
    "attention_layer.txt_increase": "attention.vision.gate",
    # They compute softmax(K Q^T): what they call K has the role of the paper's query.
    "attention_layer.video_linearK": "attention.vision.query",
    "attention_layer.video_linearQ": "attention.vision.key",
    "attention_layer.video_linearV": "attention.vision.value",
    "deconv_small": "decoder.deconv_medium",
    "deconv_medium": "decoder.deconv_large",
    "conv_fusion": "decoder.fusion",
} | {
    f"conv_mask_{size}.{index}": f"decoder.head_{size}.{layer}"
    for size in ("small", "medium", "large")
    for index, layer in ((0, "first"), (2, "second"), (4, "last"))
}


def _from_authors(key: str) -> str:
    for theirs, ours in _AUTHORS_NAMES.items():
        if key.startswith(theirs + "."):
            return ours + key.removeprefix(theirs)
    return key
