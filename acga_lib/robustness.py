"""What the paper claims and never measures: robustness to wording, and query-focused context.

Four measures for any method, each on its own predictions; `measure` makes the record that notebook
10 reads.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from acga_lib.datasets import Sample
from acga_lib.inference import Prediction, predictions
from acga_lib.metrics import intersection_and_union
from acga_lib.tensors import SampleTensors
from acga_lib.text import MAX_WORDS, tokenize

#: Words that say nothing about what is in the frame.
FILLERS = ("really", "please", "maybe", "here", "just", "today", "some", "again", "probably", "now")
#: How many of them are inserted.
NOISE = (1, 2, 4)
#: Samples as tensors, with other sentences where given (`pipeline.Inputs.tensors`).
AsTensors = Callable[[Sequence[Sample], Sequence[str] | None], SampleTensors]


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks [H, W]; 1 for two empty ones."""
    intersection, union = intersection_and_union(one, other)
    return intersection / union if union else 1.0


def with_fillers(query: str, count: int, *, seed: int) -> str:
    """The sentence with `count` fillers at random places; as many as still fit into 20 words."""
    random, words = np.random.Generator(np.random.PCG64([seed, count])), tokenize(query)
    for _ in range(min(count, MAX_WORDS - len(words))):
        place = int(random.integers(len(words) + 1))
        words.insert(place, FILLERS[int(random.integers(len(FILLERS)))])
    return " ".join(words)


def wording(found: Sequence[Sequence[Prediction]]) -> dict[str, Any]:
    """What changes with the wording; found[k] are the predictions for wording k of each sample.

    Wording 0 is the annotation's own. -> `consistency`: mean IoU between the masks of two wordings;
    `best`, `worst`: mean IoU with the truth of each sample's best and worst wording; `drop`, their
    difference; `own`, `other`: mean IoU of the annotation's wording and of the others.
    """
    scores = np.array([[iou(one.mask, one.target) for one in wordings] for wordings in found])
    agreement = [
        iou(one.mask, other.mask)
        for wordings in zip(*found, strict=True)
        for one, other in combinations(wordings, 2)
    ]
    best, worst = scores.max(axis=0).mean(), scores.min(axis=0).mean()
    return {
        "consistency": float(np.mean(agreement)), "best": float(best), "worst": float(worst),
        "drop": float(best - worst), "own": float(scores[0].mean()),
        "other": float(scores[1:].mean()), "wordings": len(found),
    }  # fmt: skip


@torch.inference_mode()
def focus(model: nn.Module, data: SampleTensors) -> dict[str, float] | None:
    """Where the context attention (Eq. 8) goes; None for a method without it.

    -> `mass`: the share of all pixels' attention that falls on the referred instance, `area`: its
    share of the grid, both averaged over samples; `ratio` of the two: 1 is no focus at all.
    """
    masses, areas = [], []
    for index in range(len(data)):
        features, words, mask, _ = data[index]
        attention = model(features.unsqueeze(0), words.unsqueeze(0)).context_attention
        if attention is None:
            return None
        share = _on_grid(mask, attention.shape[-1])
        masses.append(float(attention[0].mean(dim=0) @ share))
        areas.append(float(share.mean()))
    mass, area = float(np.mean(masses)), float(np.mean(areas))
    return {"mass": mass, "area": area, "ratio": mass / area}


def _on_grid(mask: Tensor, cells: int) -> Tensor:
    """The share of each cell of the feature grid that a mask [S, S] covers -> [cells]."""
    side = round(cells**0.5)
    return F.adaptive_avg_pool2d(mask[None, None], side).flatten()


def separation(true: Sequence[float], false: Sequence[float]) -> float:
    """How well a number tells two groups apart: the chance that a true one is larger (AUC)."""
    above = np.subtract.outer(np.asarray(true), np.asarray(false))
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def negatives(true: Sequence[Prediction], false: Sequence[Prediction]) -> dict[str, Any]:
    """Sentences that fit nothing in their video, beside true ones.

    -> `auc`: how well the maximum of the response separates them; `true`, `false`: those maxima;
    `area_true`, `area_false`: mean share of the frame that the masks cover.
    """
    maxima = [[round(float(p.response.max()), 4) for p in found] for found in (true, false)]
    areas = [float(np.mean([p.mask.mean() for p in found])) for found in (true, false)]
    return {
        "auc": separation(*maxima), "true": maxima[0], "false": maxima[1],
        "area_true": areas[0], "area_false": areas[1],
    }  # fmt: skip


def measure(
    model: nn.Module,
    samples: Sequence[Sample],
    as_tensors: AsTensors,
    *,
    paraphrases: Mapping[tuple[str, int], Sequence[str]],
    false_queries: Mapping[str, Sequence[str]],
    progress: bool = True,
) -> dict[str, Any]:
    """All four measures on `samples`.

    paraphrases: other wordings by (video, instance), equally many of each; false_queries: sentences
    that fit nothing, by video; each sample takes that of its instance, or the video's last.
    """

    def segment(queries: Sequence[str] | None) -> list[Prediction]:
        return list(predictions(model, as_tensors(samples, queries), progress=progress))

    own = segment(None)
    others = zip(*(paraphrases[s.video_id, s.instance] for s in samples), strict=True)
    noisy = {
        count: segment([with_fillers(s.query, count, seed=i) for i, s in enumerate(samples)])
        for count in NOISE
    }
    wrong = [false_queries[s.video_id] for s in samples]
    false = segment([w[min(s.instance, len(w) - 1)] for s, w in zip(samples, wrong, strict=True)])
    scores = {0: own, **noisy}
    return {
        "wording": wording([own, *(segment(list(queries)) for queries in others)]),
        "noise": {
            str(count): float(np.mean([iou(p.mask, p.target) for p in found]))
            for count, found in scores.items()
        },
        "focus": focus(model, as_tensors(samples, None)),
        "negatives": negatives(own, false),
        "samples": len(samples),
    }
