"""Profiles and methods, the two choices that decide a run (frozen data, never an `if`)."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from acga_lib.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
#: Words of a sentence after padding (Sec. 4.2: "maximum length of words is set to 20").
MAX_WORDS = 20


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """One row of Table 3, as switches on one network.

    `fusion`: Eq. 12 fuses the three responses ("+MRF"); without it, R^L alone is the answer. All
    rows have the three resolutions and their losses, because [6], which the Baseline modifies, has.
    `foreground_weight`: P of Eq. 15, 1.5 with "+WBCE" (Sec. 4.2), 1 without.
    `attention`: Eq. 3-9 ("+ATT"); without it, the sentence is its maximum over words, repeated at
    every pixel and concatenated.
    """

    name: str
    title: str
    fusion: bool
    foreground_weight: float
    attention: bool


METHODS = {
    method.name: method
    for method in (
        MethodConfig(
            name="baseline", title="Baseline", fusion=False, foreground_weight=1.0, attention=False
        ),
        MethodConfig(
            name="mrf", title="Baseline + MRF", fusion=True, foreground_weight=1.0, attention=False
        ),
        MethodConfig(
            name="mrf_wbce", title="Baseline + MRF + WBCE", fusion=True, foreground_weight=1.5,
            attention=False,
        ),
        MethodConfig(
            name="acga", title="Baseline + MRF + WBCE + ATT", fusion=True, foreground_weight=1.5,
            attention=True,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How large everything is. `paper` is Sec. 4.2; the small profiles say where they differ."""

    name: str
    side: int  #: pixels of the square, letterboxed input
    frames: int  #: frames of a clip, the annotated one in the middle
    trunk: str  #: weight file of the I3D trunk, relative to `data/weights`
    trunk_width: float  #: width multiplier of I3D, 1 as published
    head_width: float  #: width multiplier of the decoder, 1 as published
    train_videos: int  #: size of the embedded benchmark
    test_videos: int
    epochs: int
    #: a dataset on which `epochs` make fewer steps than this gets more of them
    min_steps: int
    batch_size: int
    learning_rate: float  #: of Adam
    decay_every: int  #: epochs between divisions of the learning rate by 10
    by_frame: bool  #: the sentences of a frame follow each other; the paper's order is random
    vision_length: float  #: of F_V; 1 in the paper
    linear_std: float  #: of the first weights of the attentions' linear layers; authors: 0.02
    #: keep the trunk's BatchNorm statistics in Mixed_4f: a batch of one or two small frames has
    #: none worth having. The authors' code goes on estimating them.
    freeze_statistics: bool
    bfloat16: bool  #: compute the network in bfloat16 while training, where that is faster
    workers: int  #: processes that read features while training


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="quick", side=112, frames=16, trunk="toy_i3d_rgb.safetensors",
            trunk_width=0.25, head_width=0.125, train_videos=16, test_videos=8,
            epochs=2, min_steps=0, batch_size=4, learning_rate=1e-3, decay_every=8, by_frame=True,
            vision_length=3.0, linear_std=0.2, freeze_statistics=True, bfloat16=True,
            workers=0,
        ),
        Profile(
            name="toy", side=112, frames=16, trunk="toy_i3d_rgb.safetensors",
            trunk_width=0.25, head_width=0.125, train_videos=700, test_videos=100,
            epochs=4, min_steps=300, batch_size=4, learning_rate=1e-3, decay_every=3,
            by_frame=True, vision_length=3.0, linear_std=0.2, freeze_statistics=True, bfloat16=True,
            workers=0,
        ),
        Profile(
            name="paper", side=512, frames=16, trunk="i3d_rgb_kinetics.pt",
            trunk_width=1.0, head_width=1.0, train_videos=3017, test_videos=737,
            epochs=12, min_steps=0, batch_size=4, learning_rate=5e-4, decay_every=8, by_frame=False,
            vision_length=1.0, linear_std=0.02, freeze_statistics=False, bfloat16=False,
            workers=4,
        ),
    )
}  # fmt: skip


#: Datasets and the reader of each; the embedded one lies on disk in the layout of A2D Sentences.
DATASETS = {"toy": "a2d", "a2d": "a2d"}


def choose(kind: str, table: dict[str, Any], name: str) -> Any:
    """Look `name` up in `table`; ConfigError lists the valid names."""
    if name not in table:
        raise ConfigError(f"unknown {kind} '{name}'; choose one of: {', '.join(table)}")
    return table[name]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides the weights a training run ends with, besides data and versions."""

    method: str
    dataset: str = "toy"
    profile: str = "quick"
    data_root: str = ""  #: folder of a dataset in its published layout; empty: the embedded one
    seed: int = 0
    shuffle_queries: bool = False  #: control: every sample is given another sample's sentence

    def __post_init__(self) -> None:
        choose("method", METHODS, self.method)
        choose("profile", PROFILES, self.profile)
        choose("dataset", DATASETS, self.dataset)
        if (self.dataset == "toy") != (self.data_root == ""):
            raise ConfigError(
                f"dataset '{self.dataset}' with data_root '{self.data_root}': the embedded "
                "dataset 'toy' has its own folder, every other dataset needs one"
            )
        if type(self.seed) is not int or self.seed < 0:
            raise ConfigError(f"seed must be a whole number from 0, not {self.seed!r}")
        if not isinstance(self.shuffle_queries, bool):
            raise ConfigError(
                f"shuffle_queries must be true or false, not {self.shuffle_queries!r}"
            )

    @property
    def data(self) -> str:
        """The name of the data in records and tables: "toy", or that of the dataset's folder."""
        return Path(self.data_root).resolve().name if self.data_root else self.dataset

    @property
    def root(self) -> Path:
        """The dataset's folder."""
        embedded = ROOT / "data" / "benchmark" / self.profile
        return Path(self.data_root) if self.data_root else embedded

    @property
    def run_id(self) -> str:
        """The name of the run's files, e.g. `toy-quick-acga-s0`."""
        control = "-shuffled" if self.shuffle_queries else ""
        return f"{self.data}-{self.profile}-{self.method}{control}-s{self.seed}"

    def describe(self) -> dict[str, Any]:
        """The run, its method and its profile in full, as the run record keeps them."""
        run = {key: value for key, value in asdict(self).items() if key != "data_root"}
        return {
            "run": run,
            "data": self.data,
            "method": asdict(METHODS[self.method]),
            "profile": asdict(PROFILES[self.profile]),
        }


def run_config(**parameters: Any) -> RunConfig:
    """A RunConfig from notebook parameters; an unknown name is a ConfigError, not a warning."""
    known = {field.name for field in fields(RunConfig)}
    for name in parameters:
        if name not in known:
            raise ConfigError(f"unknown parameter '{name}'; choose from: {', '.join(known)}")
    return RunConfig(**parameters)
