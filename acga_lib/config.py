"""Profiles and runs: how large everything is, and what one training is made of (frozen data)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import GenericAlias
from typing import Any, Self

from acga_lib.errors import ConfigError
from acga_lib.methods import METHODS, Stage
from acga_lib.parameters import data_name, folder

_PACKAGE = Path(__file__).resolve().parent
#: The committed part of `data/` as `pip install .` puts it into the package. Where it is, this is
#: no checkout but an installed package.
SHIPPED = _PACKAGE / "committed"
#: Where `data/` and `results/` lie: the checkout; of an installed package, the folder that Python
#: was started in.
ROOT = Path.cwd() if SHIPPED.is_dir() else _PACKAGE.parent
#: Words of a sentence after padding (Sec. 4.2: "maximum length of words is set to 20").
MAX_WORDS = 20
#: The largest seed: what every random generator here takes.
MAX_SEED = 2**32 - 1
#: The largest number of videos, pixels or epochs, and the largest factor, that a profile may have.
MAX_COUNT, MAX_FACTOR = 10**6, 16.0


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
class Networks:
    """What the networks see and how wide they are."""

    side: int  #: pixels of the square, letterboxed input
    frames: int  #: frames of a clip, the annotated one in the middle
    trunk: str  #: weight file of the I3D trunk, relative to `data/weights`
    trunk_width: float  #: width multiplier of I3D, 1 as published
    flow_trunk: str  #: weight file of I3D's flow network, likewise
    #: optical flow, one of `flow.FLOW_METHODS`; TV-L1 in the paper's [6] (Gavrilyuk et al. 2018)
    flow_method: str
    image_network: str  #: weight file of VGG-16, likewise
    image_side: int  #: pixels of VGG-16's square, letterboxed input; Hu et al. 2016: 512
    image_width: float  #: width multiplier of VGG-16, 1 as published
    head_width: float  #: width multiplier of the decoder, 1 as published
    vision_length: float  #: of F_V; 1 in the paper


@dataclass(frozen=True, kw_only=True)
class DataSizes:
    """How much data there is; of real datasets, these are the numbers that are known."""

    train_videos: int  #: size of the embedded benchmark's set in the layout of A2D Sentences
    test_videos: int
    jhmdb_videos: int  #: of its test set in the layout of J-HMDB Sentences
    referit_images: tuple[int, int]  #: of its training and test sets of still images


@dataclass(frozen=True, kw_only=True)
class Training:
    """How long training takes, and where it differs from the papers."""

    epochs: int
    batch_size: int
    #: of every method's published learning rate; the small profiles have few steps
    rate_factor: float
    sgd_factor: float  #: the same for methods trained with SGD, which few steps slow down most
    by_frame: bool  #: the sentences of a frame follow each other; the paper's order is random
    linear_std: float  #: of the first weights of the attentions' linear layers; authors: 0.02
    #: keep the trunk's BatchNorm statistics in Mixed_4f: a batch of one or two small frames has
    #: none worth having. The authors' code goes on estimating them.
    freeze_statistics: bool
    bfloat16: bool  #: compute the network in bfloat16 while training, where that is faster
    workers: int  #: processes that read features while training


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How large everything is. `paper` is Sec. 4.2; the small profiles say where they differ."""

    name: str
    networks: Networks
    data: DataSizes
    training: Training

    def record(self) -> dict[str, Any]:
        """Every field side by side, as run records keep them (they are older than the groups)."""
        groups = (self.networks, self.data, self.training)
        return {"name": self.name} | {k: v for group in groups for k, v in asdict(group).items()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The profile behind `record`.

        Raises ConfigError for a missing or unknown field, or one of another type.
        """
        kinds = {"networks": Networks, "data": DataSizes, "training": Training}
        names = {group: {field.name for field in fields(kind)} for group, kind in kinds.items()}
        if wrong := {"name"}.union(*names.values()) ^ record.keys():
            raise ConfigError(
                f"a profile with other fields than this version's: {', '.join(sorted(wrong))}"
            )
        for field in (field for kind in kinds.values() for field in fields(kind)):
            if not _fits(record[field.name], field.type):
                raise ConfigError(
                    f"profile '{record['name']}': {field.name} cannot be {record[field.name]!r}"
                )
        groups: dict[str, Any] = {
            group: kind(**{name: record[name] for name in names[group]})
            for group, kind in kinds.items()
        }
        return cls(name=record["name"], **groups)

    def changed(self, **values: Any) -> Self:
        """The profile with other values of some fields, whichever group they are in."""
        return type(self).from_record(self.record() | values)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of the type of a profile's field, and of a size that can be meant.

    A pair is a list in JSON. Records come from elsewhere, and networks are built as they say.
    """
    if isinstance(kind, GenericAlias):
        return isinstance(value, list | tuple) and [type(one) for one in value] == [int, int]
    if kind in (int, float):
        limit = MAX_COUNT if kind is int else MAX_FACTOR
        return type(value) in {int, kind} and 0 <= value <= limit
    return type(value) is kind


_TOY = Profile(
    name="toy",
    networks=Networks(
        side=112, frames=16, trunk="toy_i3d_rgb.safetensors", trunk_width=0.25,
        flow_trunk="toy_i3d_flow.safetensors", flow_method="dis",
        image_network="toy_vgg.safetensors", image_side=224, image_width=0.125, head_width=0.125,
        vision_length=3.0,
    ),
    data=DataSizes(train_videos=700, test_videos=100, jhmdb_videos=60, referit_images=(700, 20)),
    training=Training(
        epochs=4, batch_size=4, rate_factor=2.0, sgd_factor=10.0, by_frame=True, linear_std=0.2,
        freeze_statistics=True, bfloat16=True, workers=0,
    ),
)  # fmt: skip
_QUICK = _TOY.changed(
    name="quick", train_videos=16, test_videos=8, jhmdb_videos=4, referit_images=(16, 4), epochs=3
)
_PAPER = Profile(
    name="paper",
    networks=Networks(
        side=512, frames=16, trunk="i3d_rgb_kinetics.pt", trunk_width=1.0,
        flow_trunk="i3d_flow_kinetics.pt", flow_method="tvl1",
        image_network="vgg16_imagenet.pth", image_side=512, image_width=1.0, head_width=1.0,
        vision_length=1.0,
    ),
    data=DataSizes(
        train_videos=3017, test_videos=737, jhmdb_videos=928, referit_images=(3000, 20)
    ),
    training=Training(
        epochs=12, batch_size=4, rate_factor=1.0, sgd_factor=1.0, by_frame=False, linear_std=0.02,
        freeze_statistics=False, bfloat16=False, workers=4,
    ),
)  # fmt: skip
PROFILES = {profile.name: profile for profile in (_QUICK, _TOY, _PAPER)}


#: Word vectors by profile, relative to `data/word_vectors`; profiles that are not here read the
#: committed ones. In a table of its own, since a run record holds every field of its profile.
WORD_VECTORS = {"paper": "GoogleNews-vectors-negative300.bin.gz"}  #: Sec. 4.2


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Another account of how ACGA and its ablations are trained; the networks are the same."""

    epochs: int
    divisions: tuple[float, ...]  #: `Stage.divisions`
    linear_std: float  #: `Training.linear_std`
    freeze_statistics: bool  #: `Training.freeze_statistics`
    #: every step draws a batch of its own from all samples, so an epoch misses about 37 % of them;
    #: else an epoch is every sample once
    fresh_batches: bool


VARIANTS = {
    # What the authors' released code does where it differs from Sec. 4.2: 9 epochs, of which the
    # last has a tenth of the rate. (The paper: 12 epochs, divided after 8.)
    "released": Variant(
        epochs=9, divisions=(8 / 9,), linear_std=0.02, freeze_statistics=False, fresh_batches=True
    ),
}


#: Datasets that a run can be on, and the reader of each; the embedded one lies on disk in the
#: layout of A2D Sentences.
DATASETS = {"toy": "a2d", "a2d": "a2d"}


def choose(kind: str, table: dict[str, Any], name: str) -> Any:
    """Look `name` up in `table`; ConfigError lists the valid names."""
    if not isinstance(name, str) or name not in table:
        raise ConfigError(f"unknown {kind} '{name}'; choose one of: {', '.join(table)}")
    return table[name]


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
                    f"variant '{self.variant}' with method '{self.method}': it is the training of "
                    "the authors' code, which has ACGA and its ablations only; leave it empty"
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
            epochs=variant.epochs, linear_std=variant.linear_std,
            freeze_statistics=variant.freeze_statistics,
        )  # fmt: skip

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the method's training, as the variant changes them."""
        stages = METHODS[self.method].stages
        if not self.variant:
            return stages
        divisions = VARIANTS[self.variant].divisions
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
        """The folder of the embedded benchmark's set in a layout: "a2d", "jhmdb" or "referit"."""
        return ROOT / "data" / "benchmark" / self.profile / layout

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
