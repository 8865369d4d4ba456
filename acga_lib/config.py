"""Runs: what one training is made of (frozen data), and where files lie."""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from acga_lib.errors import ConfigError
from acga_lib.methods import METHODS, Stage
from acga_lib.parameters import choose, data_name, folder
from acga_lib.profiles import PROFILES, Profile

_PACKAGE = Path(__file__).resolve().parent
#: The committed part of `data/` as `pip install .` puts it into the package. Where it is, this is
#: no checkout but an installed package.
SHIPPED = _PACKAGE / "committed"
#: Where `data/` and `results/` lie: the checkout; of an installed package, the folder that Python
#: was started in.
ROOT = Path.cwd() if SHIPPED.is_dir() else _PACKAGE.parent
#: The run that shows the kit where nobody chooses another: the longest trained. Its weights are
#: committed; tables stand on the profile of which most methods were run (`records.headline`).
HEADLINE_RUN = "toy-night-acga-s0"
#: The largest seed: what every random generator here takes.
MAX_SEED = 2**32 - 1
#: How a training may be computed (`experiment.execution`); not part of what a run is.
PRECISIONS = {
    "profile": "as the profile says: fp32 for `paper`, bf16 where it is faster for the small ones",
    "fp32": "single precision, in convolutions of newer GPUs TF32, as is torch's default",
    "mixed": "bf16 where the device computes in it, else fp16 with a scaled loss (e.g. on a T4)",
}


def data_file(folder: str, name: str) -> Path:
    """A file of `data/weights` or `data/word_vectors`, else the package's own of that name."""
    path, shipped = ROOT / "data" / folder / name, SHIPPED / folder / name
    return shipped if shipped.is_file() and not path.exists() else path


def hold_checkout(what: str) -> None:
    """Raise ConfigError in an installed package: `what` is in a checkout alone."""
    if SHIPPED.is_dir():
        raise ConfigError(
            f"{what} are no part of the installed package: get the whole kit (`git clone`, the "
            "address is in `pip show -v acga-lib`) and run `pip install -e .` in its folder"
        )


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Another account of how ACGA and its ablations are trained; the networks are the same."""

    linear_std: float  #: `Training.linear_std` and `align_std`
    epochs: int | None = None  #: None: the profile's
    divisions: tuple[float, ...] | None = None  #: `Stage.divisions`; None: the method's
    #: every step draws a batch of its own from all samples, so an epoch misses about 37 % of them;
    #: else an epoch is every sample once
    fresh_batches: bool = False


VARIANTS = {
    # What the authors' released code does where it differs from Sec. 4.2: 9 epochs, of which the
    # last has a tenth of the rate. (The paper: 12 epochs, divided after 8.)
    "released": Variant(linear_std=0.02, epochs=9, divisions=(8 / 9,), fresh_batches=True),
    # A control of the small profiles, whose attentions begin with larger weights than the authors'.
    "authors_init": Variant(linear_std=0.02),
}


#: Datasets that a run can be on, and the reader of each; the embedded one lies on disk in the
#: layout of A2D Sentences.
DATASETS = {"toy": "a2d", "a2d": "a2d"}


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides the weights a training run ends with, besides data and versions."""

    method: str
    dataset: str = "toy"
    profile: str = "quick"
    data_root: str = ""  #: folder of a dataset in its published layout; empty: the embedded one
    #: folder of ReferIt, for the methods that train on it; empty: the embedded stand-in
    referit_root: str = ""
    seed: int = 0
    shuffle_queries: bool = False  #: control: every sample is given another sample's sentence
    variant: str = ""  #: a name in VARIANTS; empty: the training of Sec. 4.2

    def __post_init__(self) -> None:
        for name in ("data_root", "referit_root"):
            object.__setattr__(self, name, folder(getattr(self, name), name))
        choose("method", METHODS, self.method)
        choose("profile", PROFILES, self.profile)
        choose("dataset", DATASETS, self.dataset)
        if (self.dataset == "toy") != (self.data_root == ""):
            raise ConfigError(
                f"dataset '{self.dataset}' with data_root '{self.data_root}': the embedded "
                "dataset 'toy' has its own folder, every other dataset needs one"
            )
        if self.referit_root and self.dataset == "toy":
            raise ConfigError(
                f"referit_root '{self.referit_root}' with dataset 'toy': the embedded dataset has "
                "its own still images; leave referit_root empty"
            )
        if self.data_root:
            data_name(self.data_root)
        if self.variant != "":
            choose("variant", VARIANTS, self.variant)
            trained = METHODS[self.method].streams or (self.method,)
            if any(METHODS[name].network != "acga" for name in trained):
                raise ConfigError(
                    f"variant '{self.variant}' with method '{self.method}': a variant is of "
                    "ACGA or its ablations only, as the authors' code is; leave it empty"
                )
        if type(self.seed) is not int or not 0 <= self.seed <= MAX_SEED:
            raise ConfigError(
                f"seed must be a whole number from 0 to {MAX_SEED}, not {self.seed!r}"
            )
        if not isinstance(self.shuffle_queries, bool):
            raise ConfigError(
                f"shuffle_queries must be true or false, not {self.shuffle_queries!r}"
            )

    @property
    def scale(self) -> Profile:
        """The profile, as the variant changes it."""
        profile = PROFILES[self.profile]
        if not self.variant:
            return profile
        variant = VARIANTS[self.variant]
        return profile.changed(
            epochs=variant.epochs or profile.training.epochs,
            linear_std=variant.linear_std, align_std=variant.linear_std,
        )  # fmt: skip

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the method's training, as the variant changes them."""
        stages = METHODS[self.method].stages
        divisions = VARIANTS[self.variant].divisions if self.variant else None
        if divisions is None:
            return stages
        return tuple(replace(stage, divisions=divisions) for stage in stages)

    @property
    def fresh_batches(self) -> bool:
        """Whether every step draws a batch of its own (`Variant.fresh_batches`)."""
        return bool(self.variant) and VARIANTS[self.variant].fresh_batches

    @property
    def data(self) -> str:
        """The name of the data in records and tables: "toy", or that of the dataset's folder."""
        return data_name(self.data_root) if self.data_root else self.dataset

    @property
    def root(self) -> Path:
        """The dataset's folder."""
        return Path(self.data_root) if self.data_root else self.embedded("a2d")

    def embedded(self, layout: str) -> Path:
        """The folder of the embedded benchmark's set in a layout: "a2d", "jhmdb" or "referit".

        It is named after how much is in it, so profiles of equal data share what was drawn.
        """
        size = PROFILES[self.profile].data
        counts = {
            "a2d": (size.train_videos, size.test_videos), "jhmdb": (size.jhmdb_videos,),
            "referit": size.referit_images,
        }  # fmt: skip
        return ROOT / "data" / "benchmark" / "-".join(map(str, (layout, *counts[layout])))

    @property
    def run_id(self) -> str:
        """The name of the run's files, e.g. `toy-quick-acga-s0`."""
        control = "-shuffled" if self.shuffle_queries else ""
        variant = f"-{self.variant}" if self.variant else ""
        return f"{self.data}-{self.profile}-{self.method}{variant}{control}-s{self.seed}"

    def describe(self) -> dict[str, Any]:
        """The run, its method and its profile in full, as the run record (JSON) keeps them.

        A run without variant does not mention one: its records are older than the word.
        """
        left_out = {"data_root", "referit_root"} | ({"variant"} if not self.variant else set())
        described = {
            "run": {key: value for key, value in asdict(self).items() if key not in left_out},
            "data": self.data,
            "method": asdict(METHODS[self.method]) | {"stages": [asdict(s) for s in self.stages]},
            "profile": self.scale.record(),
        }
        return dict(json.loads(json.dumps(described)))


def run_config(**parameters: Any) -> RunConfig:
    """A RunConfig from notebook parameters; an unknown name is a ConfigError, not a warning."""
    known = {field.name for field in fields(RunConfig)}
    for name in parameters:
        if name not in known:
            raise ConfigError(f"unknown parameter '{name}'; choose from: {', '.join(known)}")
    return RunConfig(**parameters)
