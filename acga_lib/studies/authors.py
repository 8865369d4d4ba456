"""The authors' checkpoint, scored on their preprocessed files by their evaluation and by ours.

    python -m acga_lib.studies.authors --root FOLDER --checkpoint model_best.pth.tar --split test

One network pass over the files, one sample in memory at a time. Two evaluations, the `SCORINGS`:

- "authors": the response is thresholded on the square and mapped back, and so is the ground truth
  of `mask.h5` (their `util/tool.py`).
- "original": the response is mapped back and thresholded on the original frame, against the
  untouched ground truth. The authors' files do not hold it: `--release` names the folder of A2D
  Sentences that does. Without it, the ground truth is again that of `mask.h5`, and the two differ
  in where the response is thresholded alone.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm.auto import tqdm

from acga_lib.clip import Letterbox, threshold
from acga_lib.config import ROOT
from acga_lib.datasets import Sample, open_dataset
from acga_lib.datasets.authors_files import AuthorsFiles, AuthorsSample
from acga_lib.errors import ConfigError, DataError
from acga_lib.experiment.processes import default_device
from acga_lib.experiment.results import environment
from acga_lib.files.paths import given_path
from acga_lib.files.storage import write_text
from acga_lib.files.terminal import run_command
from acga_lib.hashes import file_hash
from acga_lib.metrics import iou, mask_of, run_lengths, segmentation_metrics
from acga_lib.model import ACGA
from acga_lib.published import METRICS, RELEASED

Mask = NDArray[np.bool_]


@torch.inference_mode()
def score(
    model: nn.Module,
    files: AuthorsFiles,
    *,
    untouched: Callable[[AuthorsSample], Mask] | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> dict[str, dict[str, float]]:
    """Segment every sample of the files -> the metrics under both `SCORINGS`.

    untouched: gives a sample's untouched ground truth, bool [H, W], where it is at hand. Only
    "original" has COCO's average precision, which the authors do not report.
    Of each sample a few hundred bytes are kept, its masks run-length encoded. Raises DataError as
    `AuthorsFiles` and `untouched` do.
    """
    model.to(device).eval()
    kept: list[tuple[Any, ...]] = []
    for sample in tqdm(files, desc="evaluation", disable=not progress):
        large = model(sample.features[None].to(device), sample.words[None].to(device)).large
        square = large[0].float().sigmoid().cpu().numpy()
        box = Letterbox(height=sample.height, width=sample.width, side=square.shape[0])
        response = box.restore_response(square)
        found, truth = threshold(response), box.authors_restore(sample.mask)
        masks = (
            found, truth if untouched is None else untouched(sample),
            box.authors_restore(threshold(square)), truth,
        )  # fmt: skip
        confidence = float(response[found].mean()) if found.any() else 0.0
        kept.append((*map(run_lengths, masks), confidence))
    columns = tuple(zip(*kept, strict=True))
    original, untouched_truth, authors, round_tripped = (map(mask_of, c) for c in columns[:4])
    return {
        "original": segmentation_metrics(original, untouched_truth, columns[4]),
        "authors": segmentation_metrics(authors, round_tripped),
    }


class UntouchedMasks:
    """The untouched ground truth of the authors' samples, from A2D Sentences as released.

    The authors' list says the video; which of its annotated masks is meant, the stored mask itself
    says: it is the one that comes out of the round trip like it.

    Args:
        samples: the same split of `open_dataset("a2d", ...)`.
    """

    #: IoU from which two masks, each through the square and back, are the same mask. The kit's way
    #: to the square may differ from the authors' along outlines.
    ALIKE = 0.8

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._videos: dict[str, dict[tuple[Path, int], Sample]] = {}
        for one in samples:  # several sentences may be about one mask
            self._videos.setdefault(one.video_id, {})[one.mask_path, one.instance] = one
        self._masks = lru_cache(maxsize=4)(self._read)

    def __call__(self, sample: AuthorsSample) -> Mask:
        """bool [H, W]. Raises DataError when the release has no such video, size or mask."""
        named = [video for video in self._videos if video in sample.name]
        if not named:
            raise DataError(
                f"'{sample.name}', column 1 of the authors' list, names no video of the release; "
                "leave the release out, or give the one of the same dataset and split"
            )
        stored = Letterbox(
            height=sample.height, width=sample.width, side=len(sample.mask)
        ).authors_restore(sample.mask)
        video = max(named, key=len)
        masks = [
            one for one in self._masks(video, len(sample.mask)) if one[0].shape == stored.shape
        ]
        alike = [iou(round_trip, stored) for _, round_trip in masks]
        if not alike or max(alike) < self.ALIKE:
            raise DataError(
                f"'{sample.name}': none of the {len(masks)} masks of video {video} that are "
                f"{sample.height} × {sample.width} pixels is that of mask.h5; leave the release "
                "out, or check that it is complete"
            )
        return masks[int(np.argmax(alike))][0]

    def _read(self, video: str, side: int) -> list[tuple[Mask, Mask]]:
        """The masks of a video, each as it is and through the square and back."""
        found = []
        for sample in self._videos[video].values():
            box = Letterbox(height=sample.height, width=sample.width, side=side)
            mask = sample.mask()
            found.append((mask, box.authors_round_trip(mask)))
        return found


def scored(options: argparse.Namespace) -> dict[str, Any]:
    """Score the checkpoint on the files that the options of `main` name -> the record."""
    start = time.perf_counter()
    device = options.device or default_device()
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device '{device}' is not to be had here ({error})") from error
    with AuthorsFiles(options.root, split=options.split) as files:
        untouched = None
        if options.release:
            untouched = UntouchedMasks(
                open_dataset("a2d", root=options.release, split=options.split)
            )
        checkpoint = given_path(options.checkpoint, "the checkpoint")
        model, weights = ACGA.from_authors(checkpoint), file_hash(checkpoint)
        scores = score(model, files, untouched=untouched, device=device)
        return {
            "run_id": f"authors-{_dataset(files.root)}-{options.split}",
            "metrics": scores["original"],
            "metrics_authors": scores["authors"],
            "ground_truth": "untouched" if untouched else "mask.h5",
            "samples": {options.split: len(files)},
            "weights": weights,
            "files": {path.name: path.stat().st_size for path in files.paths},
            "parameters": sum(p.numel() for p in model.parameters()),
            "seconds": round(time.perf_counter() - start, 1),
            "environment": environment(device),
        }


def _dataset(root: Path) -> str:
    """The authors' name of a dataset: `dataset/A2D/preprocessed` -> "A2D"."""
    root = root.resolve()
    return root.parent.name if root.name == "preprocessed" else root.name


def table(record: dict[str, Any]) -> str:
    """The record's metrics in percent, beside what the authors' README says where it applies."""
    (samples,) = record["samples"].values()
    rows = {name: [100 * record[key][m] for m in METRICS] for name, key in
            (("authors", "metrics_authors"), ("original", "metrics"))}  # fmt: skip
    if "test" in record["samples"] and samples in RELEASED:
        rows[f"README, {RELEASED[samples][0]}"] = list(RELEASED[samples][1])
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{name:>13}" for name in METRICS)]
    lines += [f"{name:<{width}}" + "".join(f"{v:13.1f}" for v in row) for name, row in rows.items()]
    if record["ground_truth"] == "mask.h5":
        lines.append("original: no --release, so against the ground truth of mask.h5")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Command line -> exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m acga_lib.studies.authors", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--root", required=True, help="folder of video_rgb_iccv.h5 and the others")
    parser.add_argument("--checkpoint", required=True, help="their model_best.pth.tar")
    parser.add_argument("--split", default="test")
    parser.add_argument("--release", help="folder of A2D Sentences, for the untouched ground truth")
    parser.add_argument("--device", help="default: the GPU if there is one")
    parser.add_argument("--output", type=Path, help="default: results/authors/<dataset>-….json")
    options = parser.parse_args(arguments)

    def work() -> str:
        record = scored(options)
        print(table(record))
        output = ROOT / "results" / "authors" / f"{record['run_id']}.json"
        if options.output:
            output = given_path(options.output, "the record")
        write_text(output, json.dumps(record, indent=1) + "\n")
        return f"Record: {output}"

    return run_command("authors", work)


if __name__ == "__main__":
    sys.exit(main())
