"""From a run's configuration to its record: what notebooks and batch jobs call.

Each step does only what is missing, so any notebook can be run first, alone, and again.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from acga_lib.benchmark.writing.a2d_like import generate_a2d_like
from acga_lib.benchmark.writing.jhmdb_like import generate_jhmdb_like
from acga_lib.benchmark.writing.referit_like import generate_referit_like
from acga_lib.config import DATASETS, ROOT, RunConfig, run_config
from acga_lib.datasets import Sample, open_dataset
from acga_lib.errors import CheckpointError, ConfigError
from acga_lib.experiment import processes
from acga_lib.experiment.execution import PLAIN, Execution
from acga_lib.experiment.features import FeatureStore, StackedStores
from acga_lib.experiment.inference import load_run
from acga_lib.experiment.limits import held_out
from acga_lib.experiment.names import hold_run_name
from acga_lib.experiment.networks import reader_of
from acga_lib.experiment.processes import default_device as default_device
from acga_lib.experiment.recipes import MODALITIES, extractors, recipes
from acga_lib.experiment.results import finish_run
from acga_lib.experiment.tensors import SampleTensors, shuffled_queries
from acga_lib.experiment.training import build_model, train
from acga_lib.files.locks import locked
from acga_lib.files.records import read_runs
from acga_lib.files.storage import write_bytes
from acga_lib.hashes import file_hash
from acga_lib.methods import METHODS, REFERIT, MethodConfig
from acga_lib.profiles import PROFILES
from acga_lib.text import Vocabulary, WordVectors

RUNS = ROOT / "results" / "runs"
WORK = ROOT / "results" / "work"
FEATURES = ROOT / "data" / "features"


def runs_of(methods: Sequence[str], **parameters: str) -> list[RunConfig]:
    """Every run of the methods that has a record, by method and seed: what a table may hold.

    parameters: of `run_config`, but for method and seed. Raises DataError as `read_runs`.
    """
    data = run_config(method=methods[0], **parameters)
    records = read_runs(RUNS, data=data.data, profile=data.profile)
    seeds = [(r["config"]["run"]["method"], r["config"]["run"]["seed"]) for r in records]
    return [
        run_config(method=method, seed=seed, **parameters)
        for method in methods
        for name, seed in seeds
        if name == method
    ]


def network_path(config: RunConfig, modality: str = "rgb") -> Path:
    """The weight file of the profile's frozen network for a modality."""
    return MODALITIES[modality].path(PROFILES[config.profile])


def open_split(config: RunConfig, split: str, *, progress: bool = True) -> Sequence[Sample]:
    """The samples of one split; the embedded benchmark is generated first where it is missing."""
    if config.dataset == "toy":
        sizes = PROFILES[config.profile].data
        generate_a2d_like(
            config.root, train_videos=sizes.train_videos, test_videos=sizes.test_videos,
            seed=0, workers=_workers(sizes.train_videos), progress=progress,
        )  # fmt: skip
    return open_dataset(DATASETS[config.dataset], root=config.root, split=split)


def open_referit(config: RunConfig, split: str, *, progress: bool = True) -> Sequence[Sample]:
    """The samples of ReferIt, or of the embedded stand-in, generated where it is missing.

    Raises ConfigError on another dataset than the embedded one without `referit_root`.
    """
    if config.dataset != "toy" and not config.referit_root:
        raise ConfigError(
            f"method '{config.method}' on '{config.data}' trains on ReferIt: give its folder as "
            "referit_root (data/README.md says where to get it), or leave this method out"
        )
    root = Path(config.referit_root) if config.referit_root else config.embedded("referit")
    if not config.referit_root:
        train_images, test_images = PROFILES[config.profile].data.referit_images
        generate_referit_like(
            root, train_images=train_images, test_images=test_images, seed=0,
            workers=_workers(train_images), progress=progress,
        )  # fmt: skip
    return open_dataset("referit", root=root, split=split)


def open_training(
    config: RunConfig, *, progress: bool = True
) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """The samples that a run is trained on, and those of the videos that its profile holds out."""
    opened = open_referit if METHODS[config.method].trained_on == REFERIT else open_split
    samples = opened(config, "train", progress=progress)
    return held_out(samples, config.scale.training.held_out)


def open_jhmdb(config: RunConfig, root: str = "", *, progress: bool = True) -> Sequence[Sample]:
    """The samples of J-HMDB Sentences under `root`, or of the embedded stand-in where empty."""
    if not root:
        videos = PROFILES[config.profile].data.jhmdb_videos
        generate_jhmdb_like(
            config.embedded("jhmdb"), videos=videos, seed=0, workers=_workers(videos),
            progress=progress,
        )  # fmt: skip
    return open_dataset("jhmdb", root=root or config.embedded("jhmdb"), split="test")


def _workers(videos: int) -> int:
    """Two dozen videos are drawn before a second process has started."""
    return 1 if videos < 50 else 2


@dataclass(frozen=True)
class Inputs:
    """What a method reads: the features of its modality, and sentences as it takes them."""

    store: FeatureStore | StackedStores
    vectors: WordVectors | Vocabulary
    extracted: int = 0  #: (video, frame) pairs whose features had to be computed

    def tensors(
        self, samples: Sequence[Sample], queries: Sequence[str] | None = None
    ) -> SampleTensors:
        """Samples as tensors, with other sentences where given."""
        return SampleTensors(samples, store=self.store, vectors=self.vectors, queries=queries)


def unread(config: RunConfig) -> Inputs:
    """What the method reads, before anything is extracted; no network is loaded."""
    method, profile = METHODS[config.method], PROFILES[config.profile]
    stores = [FeatureStore(FEATURES, recipe) for recipe, _ in recipes(method, profile)]
    store = StackedStores(stores) if method.streams else stores[0]
    return Inputs(store, reader_of(method, profile))


def inputs_of(
    config: RunConfig, samples: Sequence[Sample], *, device: str = "cpu", progress: bool = True
) -> Inputs:
    """Complete the method's feature store for `samples`."""
    networks = extractors(METHODS[config.method], PROFILES[config.profile])
    extracted = sum(
        FeatureStore(FEATURES, recipe).extract(samples, network, device=device, progress=progress)
        for recipe, network in networks
    )
    return replace(unread(config), extracted=extracted)


def complete_features(
    config: RunConfig, *, jhmdb_root: str = "", device: str = "cpu", progress: bool = True
) -> int:
    """Complete every feature that any row of the tables reads -> (video, frame) pairs computed.

    What only ReferIt or J-HMDB Sentences need is left out where their folders are neither embedded
    nor named. A weight file that is missing or damaged, and a name that is taken (`hold_run_name`),
    are told before any work begins.
    """
    embedded = config.dataset == "toy"
    readers: dict[str, list[MethodConfig]] = {}
    for method in METHODS.values():
        if not method.streams and (embedded or config.referit_root or not method.needs_referit):
            readers.setdefault(method.modality, []).append(method)
    for of_one in readers.values():
        extractors(of_one[0], PROFILES[config.profile])
    train, test = (open_split(config, split, progress=progress) for split in ("train", "test"))
    hold_run_name(RUNS, config, test=unread(config).tensors(test))
    clips = [*train, *test]
    if embedded or jhmdb_root:
        clips += open_jhmdb(config, jhmdb_root, progress=progress)
    stills: list[Sample] = []
    if embedded or config.referit_root:
        stills += open_referit(config, "train", progress=progress)
    extracted = 0
    for of_one in readers.values():
        wanted = clips + stills if any(m.trained_on == REFERIT for m in of_one) else clips
        chosen = replace(config, method=of_one[0].name)
        extracted += inputs_of(chosen, wanted, device=device, progress=progress).extracted
    return extracted


@dataclass(frozen=True)
class Prepared:
    """Everything that training and evaluation read."""

    train: SampleTensors
    test: SampleTensors
    inputs: Inputs
    held_out: SampleTensors | None  #: of the profile's held-out training videos, if it has any


def prepare(config: RunConfig, *, device: str = "cpu", progress: bool = True) -> Prepared:
    """Open the data of a run and complete its feature store.

    With `shuffle_queries`, the training samples are given each other's sentences; the test and
    held-out samples keep their own. Raises DataError as `hold_run_name`, before any feature is
    computed.
    """
    training, apart = open_training(config, progress=progress)
    test = open_split(config, "test", progress=progress)
    queries = shuffled_queries(training, seed=config.seed) if config.shuffle_queries else None
    inputs = unread(config)
    tensors = inputs.tensors(training, queries), inputs.tensors(test)
    hold_run_name(RUNS, config, train=tensors[0], test=tensors[1])
    every = [*training, *test, *apart]
    inputs = inputs_of(config, every, device=device, progress=progress)
    return Prepared(*tensors, inputs, inputs.tensors(apart) if apart else None)


def fresh_model(
    config: RunConfig, *, device: str = "cpu", execution: Execution = PLAIN, progress: bool = True
) -> tuple[nn.Module, dict[str, str]]:
    """The network that a run's training begins with, and hashes of the runs that it starts from.

    Those runs are trained first where they have not been.
    """
    trained, origins = {}, {}
    for name in METHODS[config.method].needs:
        first = replace(config, method=name)
        prepared = prepare(first, device=device, progress=progress)
        trained[name], _ = train_or_load(
            first, prepared, device=device, execution=execution, progress=progress
        )
        origins[name] = file_hash(RUNS / f"{first.run_id}.safetensors")
    trunk = network_path(config, METHODS[config.method].modality)
    return build_model(config, trunk=trunk, trained=trained), origins


def train_or_load(
    config: RunConfig, data: Prepared, *, device: str = "cpu", execution: Execution = PLAIN,
    progress: bool = True,
) -> tuple[nn.Module, dict[str, Any]]:  # fmt: skip
    """The trained network of a run and its record; trained only if no record of it fits.

    A method that starts from others has them trained first. An interrupted training is continued
    from its checkpoint in `results/work`, where a copy of the record stays, too: it is put back if
    the record is gone and the copy still fits. Several processes (`processes.joined`) must all
    call; the main one writes, and the others read what it wrote.
    """
    model, origins = fresh_model(config, device=device, execution=execution, progress=progress)
    start, main = time.perf_counter(), processes.is_main()
    path, work = RUNS / f"{config.run_id}.json", WORK / config.run_id
    checkpoint, spare = work / "checkpoint.pt", work / path.name
    if main and spare.is_file() and not path.exists():  # Snakemake deletes what a failed job made
        write_bytes(path, spare.read_bytes(), "a run record")
        if not _is_current(path, config, data, origins):
            path.unlink()
    # Nothing is written for a run that is there, so that a closed folder is no hindrance.
    finished = main and not checkpoint.exists() and _is_current(path, config, data, origins)
    if processes.shared(finished):
        return load_run(path)
    with locked(work / ".lock") if main else nullcontext():  # two notebooks may ask for one run
        current = processes.shared(main and _is_current(path, config, data, origins))
        if not current:
            hold_run_name(RUNS, config, train=data.train, test=data.test)
            progressed = train(
                config, model, data.train, work=work, held_out=data.held_out, device=device,
                execution=execution, progress=progress,
            )  # fmt: skip
        if main and not current:
            seconds = progressed.seconds_before + time.perf_counter() - start
            finish_run(
                config, model, progressed, train=data.train, test=data.test,
                held_out=data.held_out, runs=RUNS, device=device, execution=execution,
                seconds=seconds, starts_from=origins, show_progress=progress,
            )  # fmt: skip
            write_bytes(spare, path.read_bytes(), "a run record")
        if main:  # also what a run left that was killed between its record and here
            checkpoint.unlink(missing_ok=True)
        processes.shared(None)  # wait for the record
    return load_run(path)


def _is_current(path: Path, config: RunConfig, data: Prepared, origins: dict[str, str]) -> bool:
    """Whether a record with weights lies at `path` that this configuration and data would make."""
    try:
        _, record = load_run(path)
    except CheckpointError:
        return False
    fingerprints = {"train": data.train.fingerprint, "test": data.test.fingerprint}
    return (config.describe(), fingerprints, data.inputs.store.key, origins) == (
        record["config"], record["data"], record["features"], record["starts_from"]
    )  # fmt: skip
