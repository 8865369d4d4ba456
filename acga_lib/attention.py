"""The asymmetric cross-guided attention network (Sec. 3.2, Eq. 3–9)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


def _linear(features_in: int, features_out: int) -> nn.Linear:
    """A fully connected layer with the authors' initialisation: N(0, 0.02), bias 0.

    A profile may set another deviation (`training.build_model`).
    """
    layer = nn.Linear(features_in, features_out)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


def of_each(shared: Tensor, clips: Tensor | None) -> Tensor:
    """What belongs to each sentence's clip: [U, ...] -> [B, ...].

    Sentences about one clip share all that depends on the clip alone. clips: the clip of each of
    the B sentences, int64 [B], counted among the U; None: every sentence has its own.
    """
    return shared if clips is None else shared.index_select(0, clips)


class VisionGuidedLanguageAttention(nn.Module):
    """Every pixel gathers the words that matter to it (Eq. 3–4).

    The zero-padding after a sentence takes part in the softmax, as in the authors' code.
    """

    def __init__(self, visual: int, text: int) -> None:
        super().__init__()
        self.align = _linear(visual, text)

    def forward(
        self, visual: Tensor, words: Tensor, clips: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """F_VC [U, hw, D_V], F_T [B, N, D_T] -> F_TA [B, hw, D_T], attention [B, hw, N]."""
        aligned = of_each(self.align(visual), clips)  # Eq. 3
        scores = aligned @ words.transpose(1, 2) / math.sqrt(words.shape[-1])
        attention = scores.softmax(dim=-1)
        return attention @ words, attention  # Eq. 4


class LanguageGuidedVisionAttention(nn.Module):
    """Every pixel gathers context from the pixels that the sentence is about (Eq. 5–8)."""

    def __init__(self, visual: int, text: int) -> None:
        super().__init__()
        self.gate = _linear(text, visual)
        self.query = _linear(visual, visual)
        self.key = _linear(visual, visual)
        self.value = _linear(visual, visual)

    def forward(
        self, visual: Tensor, words: Tensor, clips: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """F_VC [U, hw, D_V], F_T [B, N, D_T] -> F_VA [B, hw, D_V], attention [B, hw, hw]."""
        gate = self.gate(words.amax(dim=1, keepdim=True))  # Eq. 5; broadcasting is the Repeat
        layers = (self.query, self.key, self.value)
        query, key, value = (of_each(layer(visual), clips) for layer in layers)  # Eq. 6
        query, key = query * gate, key * gate  # Eq. 7
        scores = query @ key.transpose(1, 2) / math.sqrt(visual.shape[-1])
        attention = scores.softmax(dim=-1)
        return attention @ value, attention  # Eq. 8


class Attended(NamedTuple):
    """What the attention network hands to the decoder, and the two maps that made it."""

    language: Tensor  #: F_TA [B, hw, D_T]
    vision: Tensor  #: F_VA [B, hw, D_V]
    word_attention: Tensor  #: [B, hw, N], rows sum to 1
    context_attention: Tensor  #: [B, hw, hw], rows sum to 1


class CrossGuidedAttention(nn.Module):
    """Eq. 9: both attentions on the same inputs, side by side."""

    def __init__(self, visual: int, text: int) -> None:
        super().__init__()
        self.language = VisionGuidedLanguageAttention(visual, text)
        self.vision = LanguageGuidedVisionAttention(visual, text)

    def forward(self, visual: Tensor, words: Tensor, clips: Tensor | None = None) -> Attended:
        """F_VC [U, hw, D_V], F_T [B, N, D_T] -> `Attended`; clips as in `of_each`."""
        language, word_attention = self.language(visual, words, clips)
        vision, context_attention = self.vision(visual, words, clips)
        return Attended(language, vision, word_attention, context_attention)


def flatten_grid(grid: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, hw, C]."""
    return grid.flatten(2).transpose(1, 2)


def unflatten_grid(pixels: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """[B, hw, C] -> [B, C, H, W]."""
    return pixels.transpose(1, 2).unflatten(2, tuple(size))
