"""How much of what noise words cost is the length of their vectors.

`python -m acga_lib.studies.loudness run …` measures runs whose weights are here, by name, and
writes `results/loudness/<run>.json`. The small profiles whiten their word vectors (`text.whiten`),
which the paper does not, and whitening makes rare words long: a noise word is then louder than the
words that count in every product with it. So the same noise words are heard twice, as they are and
no longer than the sentence's own words.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from acga_lib.config import ROOT, run_config
from acga_lib.datasets import Sample
from acga_lib.errors import ConfigError
from acga_lib.experiment import pipeline
from acga_lib.experiment.inference import load_run, predictions
from acga_lib.experiment.results import environment
from acga_lib.experiment.tensors import AsTensors
from acga_lib.files.storage import write_text
from acga_lib.files.terminal import run_command
from acga_lib.hashes import file_hash
from acga_lib.metrics import iou
from acga_lib.studies.patching import added
from acga_lib.studies.robustness import NOISE, with_fillers
from acga_lib.text import WordVectors, tokenize

LOUDNESS = ROOT / "results" / "loudness"
EVERY = 3  #: as lesson 10's records: every third test sample


def quieted(words: Tensor, places: Sequence[int], *, own: Sequence[int]) -> tuple[Tensor, float]:
    """Word vectors [N, D] with those at `places` as long, on average, as those at `own`.

    -> the vectors, and how many times as long the former were.
    """
    lengths = words.norm(dim=1)
    factor = float(lengths[list(places)].mean() / lengths[list(own)].mean())
    quiet = words.clone()
    quiet[list(places)] /= factor
    return quiet, factor


def measure(
    model: nn.Module, samples: Sequence[Sample], as_tensors: AsTensors, *, progress: bool = True
) -> dict[str, Any]:
    """Mean IoU with the sentence, with the most noise words in it, and with quieted ones.

    -> `own`, `noise`, `quiet`; `factor`, how many times as long as a sentence's own words its noise
    words are, a mean over the samples; `error`, the standard error of quiet - own; `samples`.
    """
    noisy = [with_fillers(one.query, NOISE[-1], seed=i) for i, one in enumerate(samples)]
    plain, loud, quiet = (as_tensors(samples, texts) for texts in (None, noisy, noisy))
    factors = []
    for sample, text in zip(samples, noisy, strict=True):
        tokens = tokenize(text)
        places = added(tokenize(sample.query), tokens)
        own = [place for place in range(len(tokens)) if place not in places]
        quiet.words[text], factor = quieted(loud.words[text], places, own=own)
        factors.append(factor)
    found = [
        np.array([iou(p.mask, p.target) for p in predictions(model, tensors, progress=progress)])
        for tensors in (plain, loud, quiet)
    ]
    change = found[2] - found[0]
    return {
        **dict(zip(("own", "noise", "quiet"), (float(one.mean()) for one in found), strict=True)),
        "error": float(change.std(ddof=1) / len(change) ** 0.5),
        "factor": float(np.mean(factors)), "samples": len(samples),
    }  # fmt: skip


def record(run: str, *, progress: bool = True) -> dict[str, Any]:
    """Measure a run of `results/runs` on every third test sample of its data.

    Raises CheckpointError without its weights, ConfigError for a method that reads no word vectors.
    """
    path = pipeline.RUNS / f"{run}.json"
    model, of = load_run(path)
    config = run_config(**of["config"]["run"])
    vectors = pipeline.unread(config).vectors
    if not isinstance(vectors, WordVectors):
        raise ConfigError(f"{run}: its method reads numbers of words, which have no length")
    samples = pipeline.open_split(config, "test", progress=progress)[::EVERY]
    inputs = pipeline.inputs_of(config, samples, progress=progress)
    return {
        "run_id": run, "config": of["config"], "every": EVERY,
        **measure(model, samples, inputs.tensors, progress=progress),
        "vectors": vectors.fingerprint,
        "weights": file_hash(path.with_suffix(".safetensors")),
        "environment": environment(pipeline.default_device()),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Command line; prints a line for each run and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m acga_lib.studies.loudness", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("runs", nargs="+", metavar="run", help="e.g. toy-night-acga-s0")
    runs = parser.parse_args(arguments).runs

    def work() -> str:
        for run in runs:
            found = record(run, progress=False)
            write_text(LOUDNESS / f"{run}.json", json.dumps(found, indent=1) + "\n")
            own, noise, quiet = (100 * found[key] for key in ("own", "noise", "quiet"))
            print(f"{run}: {own:.1f}, noise {noise - own:+.1f}, quiet {quiet - own:+.1f}")
        return f"done    loudness of noise words, {len(runs)} runs"

    return run_command(f"loudness {' '.join(runs)}", work)


if __name__ == "__main__":
    sys.exit(main())
