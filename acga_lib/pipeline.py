"""From a run's configuration to its record: what notebooks and batch jobs call.

Each step does only what is missing, so any notebook can be run first, alone, and again.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from acga_lib.config import DATASETS, PROFILES, ROOT, RunConfig
from acga_lib.datasets import Sample, open_dataset
from acga_lib.datasets.toy import generate_a2d_like
from acga_lib.errors import CheckpointError
from acga_lib.features import FeatureStore, Recipe
from acga_lib.i3d import load_i3d
from acga_lib.inference import load_run
from acga_lib.model import ACGA
from acga_lib.results import finish_run
from acga_lib.text import WordVectors
from acga_lib.training import SampleTensors, build_model, shuffled_queries, train

RUNS = ROOT / "results" / "runs"
WORK = ROOT / "results" / "work"
FEATURES = ROOT / "data" / "features"


def default_device() -> str:
    """ "cuda" where a GPU is usable, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def trunk_path(config: RunConfig) -> Path:
    """The weight file of the profile's trunk."""
    return ROOT / "data" / "weights" / PROFILES[config.profile].trunk


def open_split(config: RunConfig, split: str, *, progress: bool = True) -> Sequence[Sample]:
    """The samples of one split; the embedded benchmark is generated first where it is missing."""
    if config.dataset == "toy":
        profile = PROFILES[config.profile]
        # Two dozen videos are drawn before a second process has started.
        few = profile.train_videos + profile.test_videos < 50
        generate_a2d_like(
            config.root, train_videos=profile.train_videos, test_videos=profile.test_videos,
            seed=0, workers=1 if few else 2, progress=progress,
        )  # fmt: skip
    return open_dataset(DATASETS[config.dataset], root=config.root, split=split)


@dataclass(frozen=True)
class Prepared:
    """Everything that training and evaluation read."""

    train: SampleTensors
    test: SampleTensors
    store: FeatureStore
    vectors: WordVectors
    extracted: int  #: (video, frame) pairs whose features had to be computed


def prepare(config: RunConfig, *, device: str = "cpu", progress: bool = True) -> Prepared:
    """Open the data of a run and complete its feature store.

    With `shuffle_queries`, the training samples are given each other's sentences; the test samples
    keep their own.
    """
    splits = {name: open_split(config, name, progress=progress) for name in ("train", "test")}
    weights = trunk_path(config)
    store = FeatureStore(FEATURES, Recipe.of(PROFILES[config.profile], weights))
    extracted = store.extract(
        [*splits["train"], *splits["test"]], load_i3d(weights), device=device, progress=progress
    )
    vectors = WordVectors.load()
    queries = (
        shuffled_queries(splits["train"], seed=config.seed) if config.shuffle_queries else None
    )
    train_data = SampleTensors(splits["train"], store=store, vectors=vectors, queries=queries)
    test_data = SampleTensors(splits["test"], store=store, vectors=vectors)
    return Prepared(train_data, test_data, store, vectors, extracted)


def train_or_load(
    config: RunConfig, data: Prepared, *, device: str = "cpu", progress: bool = True
) -> tuple[ACGA, dict[str, Any]]:
    """The trained network of a run and its record; trained only if no record of it fits.

    An interrupted training is continued from its checkpoint in `results/work`.
    """
    path = RUNS / f"{config.run_id}.json"
    work = WORK / config.run_id
    work.mkdir(parents=True, exist_ok=True)
    with FileLock(work / ".lock"):  # two notebooks may ask for the same run
        if _is_current(path, config, data):
            return load_run(path)
        start = time.perf_counter()
        model = build_model(config, trunk=trunk_path(config))
        progressed = train(config, model, data.train, work=work, device=device, progress=progress)
        record = finish_run(
            config, model, progressed, train=data.train, test=data.test, runs=RUNS, device=device,
            seconds=time.perf_counter() - start, show_progress=progress,
        )  # fmt: skip
        (work / "checkpoint.pt").unlink(missing_ok=True)
    return model, record


def _is_current(path: Path, config: RunConfig, data: Prepared) -> bool:
    """Whether a record with weights lies at `path` that this configuration and data would make."""
    try:
        _, record = load_run(path)
    except CheckpointError:
        return False
    wanted = json.loads(json.dumps(config.describe()))
    fingerprints = {"train": data.train.fingerprint, "test": data.test.fingerprint}
    found = (record["config"], record.get("data"), record.get("features"))
    return found == (wanted, fingerprints, data.store.recipe.key)
