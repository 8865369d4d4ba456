"""Which part of ACGA hears a word: its two attentions are given different sentences.

What a network computes from one input is put into its computation on another (activation
patching): everything else stays as it was, so a change of the answer has one cause.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from acga_lib.attention import CrossGuidedAttention, LanguageGuidedVisionAttention, of_each
from acga_lib.datasets import Sample
from acga_lib.experiment.inference import predict, respond
from acga_lib.experiment.tensors import AsTensors
from acga_lib.metrics import iou
from acga_lib.model import ACGA
from acga_lib.text import tokenize

#: The path on which every pixel gathers its context from all pixels alike (`equal_context`).
EQUAL = "equal in Eq. 8"
#: Which encoding of a sentence the attention over words (Eq. 4) and the gate (Eq. 5) read, of those
#: that `encodings` makes. What reads "own" is undisturbed.
PATHS = {
    "none": ("own", "own"),
    "noise in Eq. 4": ("noise", "own"),
    "noise in Eq. 5": ("own", "noise"),
    "noise in both": ("noise", "noise"),
    "noise beside": ("beside", "beside"),
    "noise among": ("among", "among"),
    "another in Eq. 4": ("another", "own"),
    "another in Eq. 5": ("own", "another"),
    "another in both": ("another", "another"),
    EQUAL: ("own", "own"),
}


@contextmanager
def patched(attention: CrossGuidedAttention, *, language: Tensor, vision: Tensor) -> Iterator[None]:
    """Within, the attention over words and the gate read these F_T [B, N, D_T], not their own."""

    def reads(part: nn.Module, words: Tensor) -> torch.utils.hooks.RemovableHandle:
        return part.register_forward_pre_hook(lambda _, given: (given[0], words, *given[2:]))

    hooks = reads(attention.language, language), reads(attention.vision, vision)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def equal_context(attention: LanguageGuidedVisionAttention, rows: Tensor) -> Iterator[None]:
    """Within, every pixel gathers from all pixels alike, in the rows [B] of a batch that are true.

    The attention that the network returns stays as it would have been.
    """

    def gather(_: nn.Module, given: Any, out: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        visual, _words, clips = given
        mean = of_each(attention.value(visual).mean(dim=1, keepdim=True), clips)
        return torch.where(rows[:, None, None], mean, out[0]), out[1]

    hook = attention.register_forward_hook(gather)
    try:
        yield
    finally:
        hook.remove()


def added(own: Sequence[str], longer: Sequence[str]) -> list[int]:
    """The places of the words that a longer sentence has between those of its own, in order."""
    left, places = list(own), []
    for place, word in enumerate(longer):
        if left and word == left[0]:
            left.pop(0)
        else:
            places.append(place)
    return places


def encodings(
    encoder: nn.Module, own: Tensor, noise: Tensor, another: Tensor, *, places: Sequence[int]
) -> dict[str, Tensor]:
    """Word vectors [N, D] of three sentences -> encodings F_T [N, D_T] by name.

    places: of the noise words among `noise`. Beside the three as they are: "beside", in which the
    noise words stood beside the others in the encoder's convolution and were then taken out; and
    "among", in which they stand among the others, which have the encodings that they have alone.
    """
    words = torch.stack([own, noise, another, torch.zeros_like(own)])
    plain, mixed, foreign, padding = encoder(words)
    kept = [place for place in range(len(noise)) if place not in places]
    beside = torch.cat([mixed[kept], padding[1].expand(len(places), -1)])
    among = mixed.clone()
    among[kept] = plain[: len(kept)]
    return {
        "own": plain, "noise": mixed, "another": foreign, "beside": beside, "among": among
    }  # fmt: skip


@torch.inference_mode()
def paths(
    model: nn.Module, samples: Sequence[Sample],
    as_tensors: AsTensors, *,
    noisy: Sequence[str], another: Sequence[str], device: str = "cpu", progress: bool = True,
) -> dict[str, dict[str, Any]] | None:  # fmt: skip
    """Mean IoU with the actor meant on each of `PATHS`; None for a network without attention.

    noisy: each sample's sentence with words between; another: one that means another actor of its
    video, "" for who is alone there. -> by path `iou`, `change` (against "none" of the same
    samples), `error` (its standard error) and `samples`.
    """
    if not isinstance(model, ACGA) or model.attention is None:
        return None
    model.to(device).eval()
    own = [sample.query for sample in samples]
    foreign = [text or query for text, query in zip(another, own, strict=True)]
    words = [as_tensors(samples, texts).words for texts in (own, noisy, foreign)]
    asked = [(i, path) for i, text in enumerate(another) for path in PATHS
             if text or not path.startswith("another")]  # fmt: skip
    tensors = as_tensors([samples[i] for i, _ in asked], None)
    found: dict[str, dict[int, float]] = {path: {} for path in PATHS}
    indices = list(range(len(asked)))
    order = [indices[first : first + 8] for first in indices[::8]]
    bar = tqdm(tensors.batches(order), total=len(order), desc="paths", disable=not progress)
    for batch in bar:
        now = [asked[index] for index in batch.indices]
        encoded = {
            i: encodings(
                model.text_encoder,
                *(of[texts[i]].to(device)
                  for of, texts in zip(words, (own, noisy, foreign), strict=True)),
                places=added(tokenize(own[i]), tokenize(noisy[i])),
            )
            for i in {i for i, _ in now}
        }  # fmt: skip
        language, vision = (
            torch.stack([encoded[i][PATHS[path][part]] for i, path in now]) for part in (0, 1)
        )
        equal = torch.tensor([path == EQUAL for _, path in now], device=device)
        with (
            patched(model.attention, language=language, vision=vision),
            equal_context(model.attention.vision, equal),
        ):
            large = respond(model, batch, device).large
        for (i, path), logits in zip(now, large.float().cpu(), strict=True):
            prediction = predict(samples[i], logits)
            found[path][i] = iou(prediction.mask, prediction.target)
    return {path: _against(one, found["none"]) for path, one in found.items() if one}


def _against(found: dict[int, float], usual: dict[int, float]) -> dict[str, Any]:
    changes = np.array([score - usual[i] for i, score in found.items()])
    error = changes.std(ddof=1) / len(changes) ** 0.5 if len(changes) > 1 else None
    return {
        "iou": float(np.mean(list(found.values()))), "change": float(changes.mean()),
        "error": None if error is None else float(error), "samples": len(found),
    }  # fmt: skip
