"""The compared methods of Tables 1 and 2, behind the same signature as ACGA.

Hu et al. 2016 and Li et al. 2017 segment the still annotated frame; Gavrilyuk et al. 2018 the clip.
Each is the published architecture; a profile scales its widths. What differs: all masks are cut at
half of the response's maximum, as ACGA's are (Sec. 3.4), and VGG-16 is never trained. Hu et al. cut
at a probability of one half. Both they and Li et al. start from a network that was trained for
detection, and go on training VGG-16's fully connected layers.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acga_lib.attention import of_each
from acga_lib.decoder import COORDINATES, Deconv, coordinates
from acga_lib.model import Responses, VisualEncoder

#: Pixels of the frame for one cell of VGG-16's fc8.
STRIDE = 32


class SentenceLSTM(nn.Module):
    """The last state of an LSTM over a learned word embedding (Hu et al. 2016).

    Words are numbers (`text.Vocabulary`), padded on the left; as in Hu et al.'s code the padding
    is read like a word. (Li et al.'s begins at the first word.) Biases start at 0, that of the
    forget gate at `forget_bias`: at 0 the LSTM first forgets half of what it knows at every word.
    """

    def __init__(self, vocabulary: int, features: int, *, forget_bias: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, features)
        self.lstm = nn.LSTM(features, features, batch_first=True)
        with torch.no_grad():  # torch has two biases, which add up: in, forget, cell, out gate
            for bias in map(self.lstm.get_parameter, ("bias_ih_l0", "bias_hh_l0")):
                bias.zero_()
            self.lstm.get_parameter("bias_ih_l0")[features : 2 * features] = forget_bias

    def forward(self, words: Tensor) -> Tensor:
        """Word numbers int64 [B, N] -> [B, D]."""
        states, _ = self.lstm(self.embedding(words))
        return states[:, -1]


class Upsampling(nn.ConvTranspose2d):
    """A response made 32 times finer by a deconvolution k=64 s=32 that starts as bilinear."""

    def __init__(self) -> None:
        super().__init__(1, 1, 2 * STRIDE, STRIDE, padding=STRIDE // 2, bias=False)
        centres = torch.arange(2 * STRIDE) - (STRIDE - 0.5)
        tent = 1 - centres.abs() / STRIDE
        with torch.no_grad():
            self.weight[0, 0] = torch.outer(tent, tent)

    def forward(self, response: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Response [B, 1, h, w] -> [B, 1, 32h, 32w], in the precision of the weights.

        For one channel in bfloat16, torch's CPU code (2.13, AMX) takes a hundred times as long.
        """
        if response.is_meta:  # counting operations; autocast knows no such device
            return super().forward(response, output_size)
        with torch.autocast(response.device.type, enabled=False):
            return super().forward(response.to(self.weight.dtype), output_size)


class Hu(nn.Module):
    """Hu et al. 2016: sentence, fc8 and coordinates through two 1x1 convolutions.

    `image` channels of fc8, 1000 as published; `sentence` features of the LSTM, 1000; `hidden`
    channels between the convolutions, 500.
    """

    def __init__(self, vocabulary: int, *, image: int, sentence: int, hidden: int) -> None:
        super().__init__()
        self.language = SentenceLSTM(vocabulary, sentence, forget_bias=1.0)  # as in their code
        self.first = nn.Conv2d(sentence + image + COORDINATES, hidden, kernel_size=1)
        self.last = nn.Conv2d(hidden, 1, kernel_size=1)
        for layer, std in ((self.first, 0.05), (self.last, 0.1)):  # as in their code
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.get_parameter("bias"))
        self.upsampling = Upsampling()

    def forward(self, features: Tensor, words: Tensor, clips: Tensor | None = None) -> Responses:
        """fc8 [U, C, h, w], word numbers [B, N] -> responses [B, h, w] and [B, 32h, 32w]."""
        features = of_each(features, clips)
        batch, _, h, w = features.shape
        language = F.normalize(self.language(words), dim=1)[:, :, None, None]
        place = coordinates(h, w, like=features).expand(batch, -1, -1, -1)
        language = language.expand(-1, -1, h, w)
        joined = torch.cat([language, F.normalize(features, dim=1), place], dim=1)
        small = self.last(F.relu(self.first(joined)))
        return Responses(small.squeeze(1), None, self.upsampling(small).squeeze(1))


class Li(nn.Module):
    """Li et al. 2017: the sentence becomes a 1x1 filter that runs over fc8 and coordinates."""

    def __init__(self, vocabulary: int, *, image: int, sentence: int) -> None:
        super().__init__()
        self.language = SentenceLSTM(vocabulary, sentence, forget_bias=0.0)  # as in their code
        self.filter = nn.Linear(sentence, image + COORDINATES)
        self.upsampling = Upsampling()

    def forward(self, features: Tensor, words: Tensor, clips: Tensor | None = None) -> Responses:
        """fc8 [U, C, h, w], word numbers [B, N] -> responses [B, h, w] and [B, 32h, 32w]."""
        features = of_each(features, clips)
        small = dynamic_convolution(features, self.filter(self.language(words)).sigmoid())
        return Responses(small, None, self.upsampling(small.unsqueeze(1)).squeeze(1))


def dynamic_convolution(features: Tensor, filters: Tensor) -> Tensor:
    """Each sample's own 1x1 filter over its features and coordinates, without bias.

    features [B, C, h, w], filters [B, C + 8] -> response [B, h, w].
    """
    batch, _, h, w = features.shape
    place = coordinates(h, w, like=features).expand(batch, -1, -1, -1)
    return torch.einsum("bchw,bc->bhw", torch.cat([features, place], dim=1), filters)


class WordPairs(nn.Conv1d):
    """Gavrilyuk et al.'s text encoder: one 1-D convolution over the words, k=2, ReLU."""

    def __init__(self, features: int) -> None:
        super().__init__(features, features, kernel_size=2)

    def forward(self, words: Tensor) -> Tensor:
        """Word vectors [B, N, D] -> [B, N - 1, D]."""
        return F.relu(super().forward(words.transpose(1, 2))).transpose(1, 2)


class Gavrilyuk(nn.Module):
    """Gavrilyuk et al. 2018, one stream: a tanh filter of the sentence at each resolution.

    Without official code; where notes of third parties leave it open, the 8 coordinates of Hu et
    al. are used. The finest response is the answer. `text` encodes the words: `WordPairs`, or
    `TextEncoder`, with which it is the Baseline of Table 3 but for the change that the paper names
    (Sec. 4.4), a fully convolutional network in place of these dynamic convolutions.
    """

    def __init__(
        self, text: nn.Module, *, trunk_width: float, hidden: tuple[int, int],
        text_features: int = 300, vision_length: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.text = text
        self.visual_encoder = VisualEncoder(trunk_width, length=vision_length)
        channels = (self.visual_encoder.channels, *hidden)
        self.deconv_medium = Deconv(channels[0], channels[1])
        self.deconv_large = Deconv(channels[1], channels[2])
        self.filters = nn.ModuleList(nn.Linear(text_features, c + COORDINATES) for c in channels)

    def forward(self, features: Tensor, words: Tensor, clips: Tensor | None = None) -> Responses:
        """Mixed_4e [U, 528, T/4, h, w], word vectors [B, N, 300] -> `Responses` (logits).

        The finest map is never built: two linear layers lead to it from the medium one and its
        filter is a third, which `Deconv.convolved` computes as one, all sentences on all clips.
        """
        sentence = self.text(words).amax(dim=1)
        vision = self.visual_encoder(features, clips)
        medium = self.deconv_medium(vision)
        on_small, on_medium, on_large = (linear(sentence).tanh() for linear in self.filters)
        on_vision, on_place = on_large.to(words.dtype).tensor_split([-COORDINATES], dim=1)
        each = self.deconv_large.convolved(medium, F.pad(on_vision[..., None, None], (1, 1, 1, 1)))
        own = torch.arange(len(each), device=each.device) if clips is None else clips
        large = each[own, torch.arange(len(own), device=own.device)]
        place = coordinates(*large.shape[1:], like=on_place)[0]
        return Responses(
            dynamic_convolution(of_each(vision, clips), on_small),
            dynamic_convolution(of_each(medium, clips), on_medium),
            large + torch.einsum("bc,chw->bhw", on_place, place),
        )


class TwoStream(nn.Module):
    """Two trained networks, one on RGB and one on flow; 2 parts of RGB and 1 of flow."""

    def __init__(self, streams: Sequence[nn.Module]) -> None:
        super().__init__()
        self.rgb, self.flow = streams

    def forward(self, features: Tensor, words: Tensor, clips: Tensor | None = None) -> Responses:
        """RGB and flow features [U, 528 + 528, T/4, h, w], word vectors -> fused `Responses`."""
        streams = (self.rgb, self.flow)
        encoders = [cast(VisualEncoder, stream.visual_encoder) for stream in streams]
        seen = features.split([encoder.channels_in for encoder in encoders], dim=1)
        rgb, flow = (stream(part, words, clips) for stream, part in zip(streams, seen, strict=True))
        small, medium, large = (
            (2 * one + other) / 3 for one, other in zip(rgb[:3], flow[:3], strict=True)
        )
        return Responses(small, medium, large, rgb.word_attention, rgb.context_attention)
