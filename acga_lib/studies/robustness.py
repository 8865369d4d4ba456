"""What the paper claims and never measures: robustness to wording, and query-focused context.

Four measures for any method, each on its own predictions, and for ACGA which of its parts hear a
sentence; `measure` makes the record that notebook 10 reads, `robustness_tables.py` puts several
side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from acga_lib.clip import Letterbox
from acga_lib.datasets import Sample
from acga_lib.errors import DataError
from acga_lib.experiment.inference import Prediction, predictions, respond
from acga_lib.experiment.tensors import AsTensors, SampleTensors
from acga_lib.metrics import iou
from acga_lib.studies.patching import paths
from acga_lib.text import MAX_WORDS, tokenize

#: Words that say nothing about what is in the frame. All have a word vector, and none occurs in
#: the sentences of the embedded benchmark or of A2D Sentences: no method has learned them.
FILLERS = (
    "really", "please", "maybe", "here", "honestly", "today", "actually", "again", "probably", "now"
)  # fmt: skip
#: How many of them are inserted.
NOISE = (1, 2, 4)
Paraphrases = Mapping[tuple[str, int], Sequence[str]]  #: by video and instance


def with_fillers(query: str, count: int, *, seed: int) -> str:
    """The sentence with `count` different fillers at random places; as many as fit into 20 words.

    With one seed, more fillers means the same ones and further ones.
    """
    random, words = np.random.Generator(np.random.PCG64(seed)), tokenize(query)
    for filler in random.permutation(FILLERS)[: min(count, MAX_WORDS - len(words))]:
        words.insert(int(random.integers(len(words) + 1)), str(filler))
    return " ".join(words)


def wording(found: Sequence[Sequence[Prediction]]) -> dict[str, Any]:
    """What changes with the wording; found[k] are the predictions for wording k of each sample.

    Wording 0 is the annotation's own. -> `consistency`: mean IoU between the masks of two wordings;
    `best`, `worst`: mean IoU with the truth of each sample's best and worst wording; `drop`, their
    difference; `own`, `other`: mean IoU of the annotation's wording and of the others.
    """
    scores = np.array([[iou(one.mask, one.target) for one in wordings] for wordings in found])
    agreement = [overlap(one, other) for one, other in combinations(found, 2)]
    best, worst = scores.max(axis=0).mean(), scores.min(axis=0).mean()
    return {
        "consistency": float(np.mean(agreement)), "best": float(best), "worst": float(worst),
        "drop": float(best - worst), "own": float(scores[0].mean()),
        "other": float(scores[1:].mean()), "wordings": len(found),
    }  # fmt: skip


def overlap(found: Sequence[Prediction], other: Sequence[Prediction]) -> float:
    """Mean IoU between the masks of two lists of predictions, one by one."""
    return float(np.mean([iou(a.mask, b.mask) for a, b in zip(found, other, strict=True)]))


@torch.inference_mode()
def attended(
    model: nn.Module, data: SampleTensors, *, device: str = "cpu"
) -> NDArray[np.float64] | None:
    """Where the context attention (Eq. 8) of each sample goes; None for a method without it.

    -> [n, 2]: the share of the attention of all pixels that falls on the sample's instance, and
    the instance's share of the area. Both count the frame alone, not the margins of the square.
    """
    found = []
    indices = list(range(len(data)))
    for batch in data.batches([indices[first : first + 8] for first in indices[::8]]):
        attention = respond(model, batch, device).context_attention
        if attention is None:
            return None
        for index, mask, rows in zip(
            batch.indices, batch.masks, attention.float().cpu(), strict=True
        ):
            sample = data.samples[index]
            box = Letterbox(height=sample.height, width=sample.width, side=mask.shape[-1])
            frame = torch.zeros_like(mask)
            frame[box.content] = 1
            found.append(focus(rows, mask, frame))
    return np.array(found)


def focus(attention: Tensor, mask: Tensor, frame: Tensor) -> tuple[float, float]:
    """The share of attention [hw, hw] that falls on a mask [S, S], and the mask's share of area.

    A row of the attention is one pixel asking; frame [S, S] is 1 where the square shows the frame.
    Pixels outside neither ask nor are counted when asked. Where all that the frame asks goes to the
    margins, nothing falls on the mask: 0.
    """
    asked, inside = (_on_grid(one, attention.shape[-1]) for one in (mask, frame))
    received = inside @ attention
    mass, total = float(received @ asked), float(received @ inside)
    return mass / total if total else 0.0, float(asked.sum() / inside.sum())


def _on_grid(mask: Tensor, cells: int) -> Tensor:
    """The share of each cell of the feature grid that a mask [S, S] covers -> [cells]."""
    side = round(cells**0.5)
    return F.adaptive_avg_pool2d(mask[None, None], side).flatten()


def separation(true: Sequence[float], false: Sequence[float]) -> float:
    """How well a number tells two groups apart: the chance that a true one is larger (AUC)."""
    above = np.subtract.outer(np.asarray(true), np.asarray(false))
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def negatives(true: Sequence[Prediction], false: Sequence[Prediction]) -> dict[str, Any]:
    """Sentences that fit nothing in their video, beside the true ones of the same samples.

    -> `auc`: how well the maximum of the response separates them; `true`, `false`: those maxima;
    `area_true`, `area_false`: mean share of the frame that the masks cover; `overlap`: mean IoU of
    a sample's two masks.
    """
    maxima = [[float(p.response.max()) for p in found] for found in (true, false)]
    areas = [float(np.mean([p.mask.mean() for p in found])) for found in (true, false)]
    return {
        "auc": separation(*maxima),
        "true": [round(one, 4) for one in maxima[0]], "false": [round(one, 4) for one in maxima[1]],
        "area_true": areas[0], "area_false": areas[1], "overlap": overlap(true, false),
    }  # fmt: skip


def measure(
    model: nn.Module,
    samples: Sequence[Sample],
    as_tensors: AsTensors,
    *,
    paraphrases: Paraphrases,
    false_queries: Mapping[str, Sequence[str]],
    device: str = "cpu",
    progress: bool = True,
) -> dict[str, Any]:
    """All four measures on `samples`, and the `paths` of `patching.py`.

    paraphrases: other wordings, equally many of each instance; false_queries: sentences that fit
    nothing, by video; each sample takes that of its instance, or the video's last.

    Two controls, each with a sentence that means another instance of the same video: `contrast`,
    the mean IoU between its mask and that of the own sentence, which a method that does not listen
    would have as large as its `consistency`; and the focus' `mass_other`, the attention that falls
    on an instance that the sentence does not mean. Both leave out who is alone in a video.

    Raises DataError when there is no sample, or one without paraphrases or false sentences.
    """
    _hold_sentences(samples, paraphrases, false_queries)

    asked = [_queries(s, paraphrases, false_queries, seed=i) for i, s in enumerate(samples)]
    pairs = [(s, kind, query) for s, one in zip(samples, asked, strict=True)
             for kind, query in one.items()]  # fmt: skip
    of, kinds, texts = zip(*pairs, strict=True)  # the sentences about a clip side by side
    found: dict[str, list[Prediction]] = {kind: [] for kind in kinds}
    tensors = as_tensors(of, texts)
    shown = predictions(model, tensors, device=device, progress=progress)
    for kind, prediction in zip(kinds, shown, strict=True):
        highest = prediction.response.max(keepdims=True)  # nothing else of it is asked for below
        found[kind].append(replace(prediction, response=highest))
    own, false = found["own"], found["false"]
    others = [found[kind] for kind in found if kind.startswith("wording")]
    meant = [i for i, one in enumerate(asked) if "another" in one]
    contrast = overlap([own[i] for i in meant], found["another"]) if meant else None
    on, off = attended(model, as_tensors(samples, None), device=device), None
    if on is not None and meant:
        company = [samples[i] for i in meant], [asked[i]["another"] for i in meant]
        off = attended(model, as_tensors(*company), device=device)
    return {
        "wording": wording([own, *others]) | {"contrast": contrast},
        "noise": {
            str(count): float(np.mean([iou(p.mask, p.target) for p in found[kind]]))
            for count, kind in ((0, "own"), *((count, f"noise {count}") for count in NOISE))
        },
        "focus": None if on is None else dict(
            zip(("mass", "area"), on.mean(axis=0).tolist(), strict=True),
            ratio=float(on[:, 0].mean() / on[:, 1].mean()),
            mass_other=None if off is None else float(off[:, 0].mean()),
        ),
        "negatives": negatives(own, false),
        "paths": paths(
            model, samples, as_tensors, noisy=[one[f"noise {NOISE[-1]}"] for one in asked],
            another=[one.get("another", "") for one in asked], device=device, progress=progress,
        ),
        "samples": len(samples),
    }  # fmt: skip


def _queries(
    sample: Sample,
    paraphrases: Paraphrases,
    false_queries: Mapping[str, Sequence[str]],
    *,
    seed: int,
) -> dict[str, str]:
    """All that is asked about a sample, by kind; "another" only where it is not alone."""
    wordings = paraphrases[sample.video_id, sample.instance]
    wrong = false_queries[sample.video_id]
    another = of_another(sample, paraphrases)
    return {
        "own": sample.query,
        **{f"wording {number}": text for number, text in enumerate(wordings)},
        **{f"noise {count}": with_fillers(sample.query, count, seed=seed) for count in NOISE},
        "false": wrong[min(sample.instance, len(wrong) - 1)],
        **({"another": another} if another else {}),
    }


def _hold_sentences(
    samples: Sequence[Sample], paraphrases: Paraphrases, false_queries: Mapping[str, Sequence[str]]
) -> None:
    """Raises DataError as `measure`."""
    if not samples:
        raise DataError("no sample to measure robustness on: choose a smaller `every`")
    usual = len(paraphrases.get((samples[0].video_id, samples[0].instance), ()))
    for sample in samples:
        found = len(paraphrases.get((sample.video_id, sample.instance), ()))
        who = f"instance {sample.instance} of video {sample.video_id}"
        if not found or found != usual:
            raise DataError(
                f"paraphrases.csv: {who} has {found} paraphrases, the first sample {usual}: every "
                "sample needs some, all equally many"
            )
        if not false_queries.get(sample.video_id):
            raise DataError(f"negatives.csv: {who} has no sentence that fits nothing: add one")


def of_another(sample: Sample, paraphrases: Paraphrases) -> str:
    """A sentence that means the next instance of the sample's video, "" if there is none."""
    there = sorted(instance for video, instance in paraphrases if video == sample.video_id)
    after = there[(there.index(sample.instance) + 1) % len(there)]
    return "" if after == sample.instance else paraphrases[sample.video_id, after][0]
