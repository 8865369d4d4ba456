"""Networks to masks: the predictions of a split, and trained networks from their records."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from acga_lib.clip import Letterbox, threshold
from acga_lib.config import hold_checkout
from acga_lib.datasets import Sample
from acga_lib.errors import CheckpointError, ConfigError, DataError
from acga_lib.experiment.networks import build_network
from acga_lib.experiment.tensors import Batch, SampleTensors
from acga_lib.files.paths import given_path
from acga_lib.files.records import read_json
from acga_lib.hashes import file_hash
from acga_lib.methods import METHODS
from acga_lib.model import Responses
from acga_lib.parameters import choose
from acga_lib.profiles import Profile
from acga_lib.weights import load_tensors, misfit

#: How masks are scored. "original": thresholded on the original frame, against the untouched
#: ground truth. "authors": thresholded on the square and mapped back, against a ground truth that
#: went the same way through the square.
SCORINGS = ("original", "authors")


@dataclass(frozen=True, eq=False)
class Prediction:
    """One sample's prediction, ready to be scored."""

    sample: Sample
    mask: NDArray[np.bool_]  #: [H, W] of the original frame
    target: NDArray[np.bool_]  #: [H, W] what the mask is scored against
    score: float  #: confidence for COCO AP: the mean response inside the mask
    response: NDArray[np.float32]  #: [H, W] probabilities on the original frame
    others: tuple[Sample, ...] = ()  #: one of each other instance of the frame that the data name


@torch.inference_mode()
def predictions(
    model: nn.Module,
    data: SampleTensors,
    *,
    only: Sequence[int] | None = None,
    scoring: str = "original",
    device: str = "cpu",
    progress: bool = True,
) -> Iterator[Prediction]:
    """Segment the samples of `data`, or `only` those of some indices, one at a time in memory."""
    if scoring not in SCORINGS:
        raise ConfigError(f"unknown scoring '{scoring}'; choose one of: {', '.join(SCORINGS)}")
    model.to(device).eval()
    indices = list(range(len(data)) if only is None else only)
    company = _company(data.samples)
    order = [indices[first : first + 8] for first in range(0, len(indices), 8)]
    bar = tqdm(data.batches(order), total=len(order), desc="evaluation", disable=not progress)
    for batch in bar:
        large = respond(model, batch, device).large
        for index, logits in zip(batch.indices, large.float().cpu(), strict=True):
            sample = data.samples[index]
            others = {**company[sample.video_id, sample.frame]}
            del others[sample.instance]
            yield predict(sample, logits, scoring=scoring, others=tuple(others.values()))


def _company(samples: Iterable[Sample]) -> dict[tuple[str, int], dict[int, Sample]]:
    """The instances of each (video, frame), each as one of its samples."""
    frames: dict[tuple[str, int], dict[int, Sample]] = {}
    for sample in samples:
        frames.setdefault((sample.video_id, sample.frame), {})[sample.instance] = sample
    return frames


def respond(model: nn.Module, batch: Batch, device: str = "cpu") -> Responses:
    """A network's responses to a batch."""
    return model(*batch.on(device))


def predict(
    sample: Sample, logits: Tensor, *, scoring: str = "original", others: tuple[Sample, ...] = ()
) -> Prediction:
    """A sample's prediction from its response, logits [S, S]; scoring: one of `SCORINGS`."""
    square = logits.sigmoid().numpy()
    box = Letterbox(height=sample.height, width=sample.width, side=square.shape[0])
    response, target = box.restore_response(square), sample.mask()
    if scoring == "original":
        mask = threshold(response)
    else:
        mask, target = box.authors_restore(threshold(square)), box.authors_round_trip(target)
    score = float(response[mask].mean()) if mask.any() else 0.0
    return Prediction(sample, mask, target, score, response, others)


def find_run(run: str, runs: Path) -> Path:
    """The record of a run that is given by its name, among the records in `runs`, or by its path.

    Raises CheckpointError where there is none of that name, ConfigError where it is in a checkout.
    """
    if run.endswith(".json"):
        return given_path(run, "the run record")
    path = runs / f"{run}.json"
    if not path.is_file():
        hold_checkout("the trained runs")
        there = sorted(one.stem for one in runs.glob("*.safetensors"))
        raise CheckpointError(
            f"{path}: no such run; those with weights are {', '.join(there) or 'none'}; train it "
            "with notebook 04_train, or give the path of its record"
        )
    return path


def load_run(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """A run record and its trained network, in eval mode.

    path: `results/runs/<run>.json`; the weights lie beside it. Raises CheckpointError when either
    is missing, damaged, or does not fit the other; ConfigError for what is no path.
    """
    path = given_path(path, "the run record")
    try:
        record = read_json(path)
        method = choose("method", METHODS, record["config"]["run"]["method"])
        profile = Profile.from_record(record["config"]["profile"])
        known = record["weights"]
    except (DataError, ConfigError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: not a readable run record ({error}); train with notebook 04_train"
        ) from error
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise CheckpointError(
            f"{weights}: the weights of this run are not here (only few are committed); "
            f"train it again with notebook 04_train, method '{method.name}'"
        )
    if known != file_hash(weights):
        raise CheckpointError(
            f"{weights}: damaged, or not the weights that {path.name} was measured with; restore "
            f"the file, or delete both and train again with notebook 04_train"
        )
    model = build_network(method, profile)
    state = {k: v.float() if v.is_floating_point() else v for k, v in load_tensors(weights).items()}
    wanted = model.state_dict()
    if wrong := misfit(wanted, state) or ", ".join(state.keys() - wanted.keys()):
        raise CheckpointError(
            f"{weights}: of another network than method '{method.name}' in profile "
            f"'{profile.name}' ({wrong}); restore the file, or train again with notebook 04_train"
        )
    model.load_state_dict({key: state.get(key, value) for key, value in wanted.items()})
    return model.eval(), record
