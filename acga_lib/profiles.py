"""Profiles: how large everything is, as frozen data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import GenericAlias
from typing import Any, Self

from acga_lib.errors import ConfigError

#: The largest number of videos, pixels or epochs, and the largest factor, that a profile may have.
MAX_COUNT, MAX_FACTOR = 10**6, 16.0


@dataclass(frozen=True, kw_only=True)
class Networks:
    """What the networks see and how wide they are."""

    side: int  #: pixels of the square, letterboxed input
    frames: int  #: frames of a clip, the annotated one in the middle
    trunk: str  #: weight file of the I3D trunk, relative to `data/weights`
    trunk_width: float  #: width multiplier of I3D, 1 as published
    flow_trunk: str  #: weight file of I3D's flow network, likewise
    flow_width: float  #: width multiplier of the flow network, 1 as published
    #: optical flow, one of `flow.FLOW_METHODS`; TV-L1 in the paper's [6] (Gavrilyuk et al. 2018)
    flow_method: str
    image_network: str  #: weight file of VGG-16, likewise
    image_side: int  #: pixels of VGG-16's square, letterboxed input; Hu et al. 2016: 512
    image_width: float  #: width multiplier of VGG-16, 1 as published
    head_width: float  #: width multiplier of the decoder, 1 as published
    vision_length: float  #: of F_V; 1 in the paper

    def width_of(self, modality: str) -> float:
        """The width multiplier of I3D on "rgb" or "flow"."""
        return self.flow_width if modality == "flow" else self.trunk_width


@dataclass(frozen=True, kw_only=True)
class DataSizes:
    """How large the embedded benchmark's sets are; in `paper`, as A2D and J-HMDB Sentences are."""

    train_videos: int  #: size of the embedded benchmark's set in the layout of A2D Sentences
    test_videos: int
    jhmdb_videos: int  #: of its test set in the layout of J-HMDB Sentences
    referit_images: tuple[int, int]  #: of its training and test sets of still images


@dataclass(frozen=True, kw_only=True)
class Training:
    """How long training takes, and where it differs from the papers."""

    epochs: int
    batch_size: int
    #: of the published learning rates of methods trained with SGD, which few steps slow down most;
    #: a step still shrinks the weights as published
    sgd_factor: float
    by_frame: bool  #: the sentences of a frame follow each other; the paper's order is random
    linear_std: float  #: of the first weights of the attentions' linear layers; authors: 0.02
    align_std: float  #: the same of Eq. 3, whose scores alone decide which word a pixel hears
    train_trunk: bool  #: train Mixed_4f with the rest, as published
    bfloat16: bool  #: compute the network in bfloat16 while training, where that is faster
    workers: int  #: processes that read features while training
    #: share of the training videos on which nothing is trained: settings are chosen on them, and a
    #: run's learning curve is measured there. The paper trains on all.
    held_out: float


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
        side=224, frames=16, trunk="toy_i3d_rgb.safetensors", trunk_width=0.5,
        flow_trunk="toy_i3d_flow.safetensors", flow_width=0.25, flow_method="dis",
        image_network="toy_vgg.safetensors", image_side=448, image_width=0.125, head_width=0.125,
        vision_length=3.0,
    ),
    data=DataSizes(train_videos=1500, test_videos=500, jhmdb_videos=200, referit_images=(1000, 20)),
    training=Training(
        epochs=3, batch_size=4, sgd_factor=10.0, by_frame=True, linear_std=0.05, align_std=0.6,
        train_trunk=True, bfloat16=True, workers=0, held_out=0.05,
    ),
)  # fmt: skip
_QUICK = _TOY.changed(
    name="quick", train_videos=16, test_videos=8, jhmdb_videos=4, referit_images=(16, 4), epochs=3
)
#: The same test data; as many training videos as A2D has, to a few, and each seen twice as often.
_NIGHT = _TOY.changed(name="night", train_videos=3000, referit_images=(2000, 20), epochs=6)
_PAPER = Profile(
    name="paper",
    networks=Networks(
        side=512, frames=16, trunk="i3d_rgb_kinetics.pt", trunk_width=1.0,
        flow_trunk="i3d_flow_kinetics.pt", flow_width=1.0, flow_method="tvl1",
        image_network="vgg16_imagenet.pth", image_side=512, image_width=1.0, head_width=1.0,
        vision_length=1.0,
    ),
    data=DataSizes(
        train_videos=3017, test_videos=737, jhmdb_videos=928, referit_images=(3000, 20)
    ),
    training=Training(
        epochs=12, batch_size=4, sgd_factor=1.0, by_frame=False, linear_std=0.02, align_std=0.02,
        train_trunk=True, bfloat16=False, workers=4, held_out=0.0,
    ),
)  # fmt: skip
PROFILES = {profile.name: profile for profile in (_QUICK, _TOY, _NIGHT, _PAPER)}
#: Whose tables stand first, and whose runs are read where no profile is named: of these, that of
#: which most methods were run, and among equals the first (`records.headline`).
HEADLINES = ("night", "toy")


#: Sec. 3.1's word vectors, relative to `data/word_vectors`, which profiles on the published trunk
#: read; others read the committed ones. No field of theirs, since run records hold every field.
PUBLISHED_VECTORS = "GoogleNews-vectors-negative300.bin.gz"
