"""How a run is measured, and the record of it that is written (`records.py` reads them)."""

import json
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save as as_safetensors
from torch import nn

from acga_lib.config import ROOT, SHIPPED, RunConfig
from acga_lib.experiment import limits
from acga_lib.experiment.checkpoint import Progress
from acga_lib.experiment.execution import Execution
from acga_lib.experiment.inference import Prediction, predictions
from acga_lib.experiment.tensors import SampleTensors
from acga_lib.files.storage import write_bytes, write_text
from acga_lib.hashes import file_hash
from acga_lib.metrics import iou, is_right, segmentation_metrics

#: What a record breaks its metrics down by: fields of a sample.
GROUPS = ("cue", "actor", "action", "novelty")


def points_at_the_right_half(prediction: Prediction) -> bool:
    """Whether most of the mask lies in the half, left or right, where most of the target lies.

    0.5 is chance for two actors side by side, which is how the real test pairs are made. An empty
    mask points nowhere.
    """
    if not (prediction.mask.any() and prediction.target.any()):
        return False
    middle = prediction.mask.shape[1] / 2
    columns = np.arange(prediction.mask.shape[1]) + 0.5
    sides = [np.average(columns < middle, weights=m.sum(axis=0)) > 0.5
             for m in (prediction.mask, prediction.target)]  # fmt: skip
    return bool(sides[0] == sides[1])


def evaluate(found: Iterable[Prediction]) -> tuple[dict[str, float], pd.DataFrame]:
    """Score predictions -> the metrics, and one row per sample with its IoU and what it shows.

    `right_half` among the metrics is the share of samples whose mask points at the right half.
    """
    rows: list[dict[str, Any]] = []
    masks, targets, scores = tee(_noting(found, rows), 3)  # in step: it keeps up to 57
    metrics = segmentation_metrics(
        (one.mask for one in masks), (one.target for one in targets), (one.score for one in scores)
    )
    samples = pd.DataFrame(rows)
    return metrics | {"right_half": float(samples["right_half"].mean())}, samples


def measured(found: Iterable[Prediction]) -> pd.DataFrame:
    """One row per prediction: the sample, its IoU, and what `limits.shares` reads."""
    rows: list[dict[str, Any]] = []
    for _ in _noting(found, rows):
        pass
    return pd.DataFrame(rows)


def _noting(found: Iterable[Prediction], rows: list[dict[str, Any]]) -> Iterator[Prediction]:
    for one in found:
        named = ("video_id", "frame", "instance", "query", *GROUPS)
        rows.append({name: getattr(one.sample, name) for name in named})
        others = [other.mask() for other in one.others]
        rows[-1] |= {
            "iou": iou(one.mask, one.target),
            "right_half": points_at_the_right_half(one),
            "right": is_right(one.mask, one.target, others),
            "instances": 1 + len(others),  # that are annotated in the frame
            "area": one.target.sum() / max(one.target.shape) ** 2,  # of the letterboxed square
        }
        yield one


def breakdown(samples: pd.DataFrame, by: str) -> dict[str, dict[str, float]]:
    """Mean IoU, P@0.5 and number of samples for each value of the column `by`."""
    return {
        str(name): {
            "mean_iou": float(iou.mean()), "P@0.5": float((iou >= 0.5).mean()), "samples": len(iou)
        }
        for name, iou in samples.dropna(subset=[by]).groupby(by)["iou"]
    }  # fmt: skip


def finish_run(
    config: RunConfig,
    model: nn.Module,
    progress: Progress,
    *,
    train: SampleTensors,
    test: SampleTensors,
    held_out: SampleTensors | None,
    seconds: float,
    runs: Path,
    starts_from: dict[str, str],
    device: str,
    execution: Execution,
    show_progress: bool,
) -> None:
    """Save the weights, score exactly what was saved, write the run record.

    `<run_id>.safetensors` holds the matrices in half precision; the model is rounded to them before
    it is scored. `<run_id>.json` is written last, so a record always has its numbers.
    held_out: of the profile's held-out training videos, where it has any. starts_from: hashes of
    the weights of the runs that this one started from, by method. Raises StorageError where the
    disk is full or closed.
    """
    path = runs / f"{config.run_id}.json"
    saved = {k: v.half() if v.dim() > 1 else v for k, v in model.cpu().state_dict().items()}
    model.load_state_dict(saved)
    content = as_safetensors({k: v.contiguous() for k, v in saved.items()})
    write_bytes(path.with_suffix(".safetensors"), content, "the run's weights")
    segment = partial(predictions, model, device=device, progress=show_progress)
    metrics, samples = evaluate(segment(test))
    part = limits.spread(len(train), min(len(test), limits.TRAIN_SAMPLES))
    record = {
        "run_id": config.run_id,
        "config": config.describe(),
        "metrics": metrics,
        "breakdown": {by: breakdown(samples, by) for by in GROUPS},
        "limits": {
            "test": limits.shares(samples)
            | {
                "cue": limits.by_cue(samples),
                "size": limits.by_size(samples, side=config.scale.networks.side),
            },
            "train": limits.shares(measured(segment(train, only=part))),
            "held_out": held_out and limits.learning(held_out.samples, progress.curve),
        },
        "samples": {"train": len(train), "test": len(test)},
        "data": {"train": train.fingerprint, "test": test.fingerprint},
        "features": test.store.key,
        "weights": file_hash(path.with_suffix(".safetensors")),
        "starts_from": starts_from,
        "unknown_words": sorted({*train.unknown, *test.unknown}),
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": progress.step,
        "losses": _thinned(progress.losses),
        "seconds": round(seconds, 1),
        "seconds_per_query": seconds_per_query(model, test, device=device),
        "environment": environment(device)
        | {"execution": execution.describe(device, config.scale)},
    }
    write_text(path, json.dumps(record, indent=1) + "\n")


@torch.inference_mode()
def seconds_per_query(
    model: nn.Module, data: SampleTensors, *, device: str = "cpu", queries: int = 20
) -> float:
    """Median seconds from stored features and one sentence to the response, in `model` alone."""
    model.to(device).eval()
    measured = []
    for index in range(min(queries, len(data))):
        features, words = (part.unsqueeze(0).to(device) for part in data[index][:2])
        start = time.perf_counter()
        model(features, words).large.sum().item()  # waits for the device
        measured.append(time.perf_counter() - start)
    return round(float(np.median(measured)), 5)


def _thinned(losses: Sequence[float], points: int = 60) -> list[float]:
    """The loss curve as means over at most `points` equal stretches of training."""
    chunks = np.array_split(np.asarray(losses), min(points, len(losses)) or 1)
    return [round(float(chunk.mean()), 5) for chunk in chunks if len(chunk)]


def environment(device: str) -> dict[str, Any]:
    """Where a number was measured: versions, device, threads, git revision."""
    packages = ("torch", "numpy", "opencv-contrib-python-headless", "av", "gensim")
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "machine": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "threads": torch.get_num_threads(),
        "revision": _revision(),
    }


def _version(package: str) -> str:
    with suppress(PackageNotFoundError):
        return version(package)
    return "another build"  # cv2, say, of another distribution than PyPI's


def _revision() -> str:
    """The git commit, with "+changes" where library or notebooks differ from it.

    Of an installed package, its version: a git repository around the working folder is another's.
    """
    if SHIPPED.is_dir():
        return version("acga-lib")

    def git(*command: str) -> str:
        return subprocess.run(
            ["git", *command], cwd=ROOT, capture_output=True, check=True,
            encoding="utf-8", errors="replace",
        ).stdout.strip()  # fmt: skip

    try:
        changed = git("status", "--porcelain", "--", "acga_lib", "notebooks")
        return git("rev-parse", "--short", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
