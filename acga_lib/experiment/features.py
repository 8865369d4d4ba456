"""The feature store: what a frozen network says of a clip, computed once per (video, frame).

Three modalities, each in a store of its own: I3D on RGB, I3D on optical flow, and VGG-16 on the
annotated frame alone, which never reads another frame and therefore cannot see motion.

A store is a folder `<root>/<key>/`, `key` being a hash of the weights and the preprocessing
(`Recipe`); an entry carries a hash of the video file in its name. A changed weight file, profile or
video therefore leads to other names, and nothing stale is ever found. Entries are written to a
temporary name and moved, so an extraction that is killed leaves a store that the next one
continues. Any number of processes may read; `extract` lets one at a time write.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from acga_lib.clip import Letterbox, to_input
from acga_lib.config import data_file
from acga_lib.datasets import Sample
from acga_lib.errors import DataError
from acga_lib.files.locks import locked
from acga_lib.files.packed import pack, unpack
from acga_lib.files.storage import hold_room, megabytes, named_if_full, write_bytes, write_text
from acga_lib.flow import clip_flow, flow_to_input
from acga_lib.hashes import file_hash
from acga_lib.i3d import I3D, load_i3d
from acga_lib.methods import MethodConfig
from acga_lib.parameters import choose
from acga_lib.profiles import Profile
from acga_lib.vgg import VGG16, image_to_input, load_vgg

#: Clips of one video that are computed together at most; A2D annotates up to five frames.
BATCH = 8
#: A frozen network: its `trunk` computes what is stored.
Trunk = I3D | VGG16


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything besides the video that shapes a stored feature."""

    weights: str  #: sha256 of the network's weight file
    side: int  #: pixels of the letterboxed square
    frames: int  #: frames of the clip
    modality: str = "rgb"  #: "rgb", "flow" or "image"
    layer: str = "mixed_4e"
    preprocessing: str = "letterbox, zero padding, [-1, 1], float16, one video a batch"
    flow_method: str | None = None  #: of the modality "flow"

    @classmethod
    def of(cls, profile: Profile, weights: str | Path, *, modality: str = "rgb") -> "Recipe":
        """The recipe of a profile and modality with the network in the file `weights`.

        Raises ConfigError for an unknown modality, DataError for a missing file.
        """
        kind: Modality = choose("modality", MODALITIES, modality)
        seen = profile.networks
        return kind.recipe(cls(
            weights=file_hash(weights), side=seen.side, frames=seen.frames, modality=modality
        ), profile)  # fmt: skip

    @property
    def key(self) -> str:
        """16 hexadecimal digits that change with any field."""
        text = json.dumps(self.describe(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def describe(self) -> dict[str, str | int]:
        """The fields that the modality has."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Modality:
    """What the features of one modality are made of.

    `weights`: the profile's file, relative to `data/weights`. `load`: the network in a file.
    `recipe`: what differs from the RGB recipe. `inputs`: clips of one video, [B, C, ...].
    """

    weights: Callable[[Profile], str]
    load: Callable[[Path], Trunk]
    recipe: Callable[[Recipe, Profile], Recipe]
    inputs: Callable[[Recipe, Sequence[Sample]], Tensor]

    def path(self, profile: Profile) -> Path:
        """The file of the profile's frozen network."""
        return data_file("weights", self.weights(profile))


def _rgb_recipe(recipe: Recipe, profile: Profile) -> Recipe:
    return recipe


def _flow_recipe(recipe: Recipe, profile: Profile) -> Recipe:
    text = "letterbox, zero padding, 20 pixels to 1, clipped, float16, one video a batch"
    return replace(recipe, preprocessing=text, flow_method=profile.networks.flow_method)


def _image_recipe(recipe: Recipe, profile: Profile) -> Recipe:
    text = "letterbox, zero padding, ImageNet mean and deviation, float16, one video a batch"
    side = profile.networks.image_side
    return replace(recipe, side=side, frames=1, layer="fc8", preprocessing=text)


def _letterboxed(recipe: Recipe, sample: Sample, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return Letterbox(height=sample.height, width=sample.width, side=recipe.side).frames(frames)


def _stretches(
    recipe: Recipe, clips: Sequence[Sample], windows: Sequence[Sequence[int]]
) -> Iterator[NDArray[np.uint8]]:
    """Letterboxed frames of each window; the video is decoded once, and no other frame is held."""
    wanted = sorted({index for window in windows for index in window})
    squares = _letterboxed(recipe, clips[0], clips[0].read(wanted))
    place = {index: k for k, index in enumerate(wanted)}
    return (squares[[place[index] for index in window]] for window in windows)


def _rgb_inputs(recipe: Recipe, clips: Sequence[Sample]) -> Tensor:
    """Frames of the clips of one video -> [B, 3, T, S, S] in [-1, 1]."""
    windows = [clip.window(recipe.frames) for clip in clips]
    return torch.stack([to_input(frames) for frames in _stretches(recipe, clips, windows)])


def _flow_inputs(recipe: Recipe, clips: Sequence[Sample]) -> Tensor:
    """Flow from each letterboxed frame to the next one -> [B, 2, T, S, S] in [-1, 1]."""
    windows = [clip.window(recipe.frames) for clip in clips]
    reach = [
        sorted({*window, min(window[-1] + 1, clip.frame_count - 1)})
        for window, clip in zip(windows, clips, strict=True)
    ]
    flows = [
        clip_flow(frames, [i - window[0] for i in window], method=recipe.flow_method or "")
        for frames, window in zip(_stretches(recipe, clips, reach), windows, strict=True)
    ]
    return torch.stack([flow_to_input(flow) for flow in flows])


def _image_inputs(recipe: Recipe, clips: Sequence[Sample]) -> Tensor:
    """The annotated frames and no others -> [B, 3, S, S], normalised."""
    frames = [_letterboxed(recipe, clip, clip.clip(1))[0] for clip in clips]
    return torch.stack([image_to_input(frame) for frame in frames])


MODALITIES = {
    "rgb": Modality(
        weights=lambda profile: profile.networks.trunk, load=partial(load_i3d, modality="rgb"),
        recipe=_rgb_recipe, inputs=_rgb_inputs,
    ),
    "flow": Modality(
        weights=lambda profile: profile.networks.flow_trunk,
        load=partial(load_i3d, modality="flow"),
        recipe=_flow_recipe, inputs=_flow_inputs,
    ),
    "image": Modality(
        weights=lambda profile: profile.networks.image_network, load=load_vgg, recipe=_image_recipe,
        inputs=_image_inputs,
    ),
}  # fmt: skip


def recipes(method: MethodConfig, profile: Profile) -> list[tuple[Recipe, Path]]:
    """The recipe of each modality that a method reads, and the file of its frozen network.

    Raises DataError for a file that is missing.
    """
    paths = {modality: MODALITIES[modality].path(profile) for modality in method.modalities}
    return [(Recipe.of(profile, path, modality=name), path) for name, path in paths.items()]


def extractors(method: MethodConfig, profile: Profile) -> list[tuple[Recipe, Trunk]]:
    """The recipe and the frozen network of each modality that a method reads.

    Raises DataError or CheckpointError when a weight file is missing, damaged or not of its kind.
    """
    return [
        (recipe, MODALITIES[recipe.modality].load(path).eval())
        for recipe, path in recipes(method, profile)
    ]


class FeatureStore:
    """Features on disk, float16, one packed file per (video, frame) (`files.packed`).

    Mixed_4e [528, T/4, S/16, S/16] of RGB and flow, fc8 [1000, S/32, S/32] of images, at width 1.
    """

    def __init__(self, root: str | Path, recipe: Recipe) -> None:
        self.recipe = recipe
        self.folder = Path(root) / recipe.key
        self._hashes: dict[tuple[Path, int, int], str] = {}

    @property
    def key(self) -> str:
        """The recipe's key."""
        return self.recipe.key

    @property
    def side(self) -> int:
        """Pixels of the square that the features show."""
        return self.recipe.side

    def path(self, sample: Sample) -> Path:
        """Where the feature of the sample's clip is, or would be."""
        hashes = [self._hash(path) for path in sample.video_files]
        if len(hashes) > 1:  # frames in files of their own
            hashes = [hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]]
        return self.folder / sample.video_id / f"{sample.frame:05d}-{hashes[0]}.f16"

    def _hash(self, video: Path) -> str:
        """16 digits of the file's hash, computed again when its size or time changes."""
        if not video.is_file():
            raise DataError(f"{video}: no such video: complete the dataset's download")
        state = video.stat()
        seen = (video, state.st_size, state.st_mtime_ns)
        if seen not in self._hashes:
            self._hashes[seen] = file_hash(video)[:16]
        return self._hashes[seen]

    def __contains__(self, sample: Sample) -> bool:
        return self.path(sample).is_file()

    def get(self, sample: Sample) -> NDArray[np.float16]:
        """The feature of the sample's clip, float16 [C, T/4, h, w], of its frame [C, h, w].

        Raises DataError when it has not been extracted or its file is damaged.
        """
        path = self.path(sample)
        try:
            return unpack(path.read_bytes())
        except FileNotFoundError:
            raise DataError(
                f"{path}: no features of video {sample.video_id!r}, frame {sample.frame}; "
                "run notebook 02_feature_extraction with this profile and dataset"
            ) from None
        except ValueError as error:
            raise DataError(f"{path}: damaged ({error}); delete it and extract again") from error

    def extract(
        self, samples: Iterable[Sample], trunk: Trunk, *, device: str = "cpu", progress: bool = True
    ) -> int:
        """Compute every feature that is missing -> how many (video, frame) pairs were computed.

        One batch holds annotated frames of one video, up to `BATCH` and always the same, so a
        feature does not depend on where an earlier extraction was interrupted. Raises DataError
        naming the video that cannot be read, StorageError where the disk is full, or will be: as
        soon as an entry tells how large they are. What was extracted before stays.
        """
        batches = _batches(samples)
        if not self._missing(batches):  # so that a complete store may be one that is only read
            return 0
        home = next(trunk.parameters()).device
        with named_if_full(self.folder, "features"):
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / ".lock"):
                described = json.dumps(self.recipe.describe(), indent=1) + "\n"
                write_text(self.folder / "recipe.json", described)
                for leftover in self.folder.glob("*/*.tmp"):  # of an extraction that was killed
                    leftover.unlink()
                todo = self._missing(batches)  # another process may have been here meanwhile
                try:
                    return self._compute(todo, trunk.to(device).eval(), device, progress=progress)
                finally:
                    trunk.to(home)

    def _missing(self, batches: Iterable[Sequence[Sample]]) -> list[Sequence[Sample]]:
        return [clips for clips in batches if any(clip not in self for clip in clips)]

    def _compute(
        self, todo: Sequence[Sequence[Sample]], trunk: Trunk, device: str, *, progress: bool
    ) -> int:
        """Compute and write the entries of these videos -> how many."""
        inputs, count = MODALITIES[self.recipe.modality].inputs, sum(map(len, todo))
        left, needed = count, 0.0
        bar = tqdm(todo, desc="features", unit="video", disable=not (progress and todo))
        for number, clips in enumerate(bar):
            if number < 2:  # what is there, or else the first video, tells how large entries are
                entries, size = self.size()
                needed = left * size / max(entries, 1)
                hold_room(self.folder, needed, f"features of {left} more clips")
                bar.set_postfix_str(f"{megabytes(needed)} to write" if needed else "")
            found = _run(trunk, inputs(self.recipe, clips), device)
            for clip, feature in zip(clips, found, strict=True):
                to_go = f"features, with up to {megabytes(left * feature.nbytes)} to go"
                write_bytes(self.path(clip), pack(feature), to_go)
                left -= 1
        return count

    def size(self) -> tuple[int, int]:
        """Entries in the store and their bytes on disk."""
        sizes = [path.stat().st_size for path in self.folder.glob("*/*.f16")]
        return len(sizes), sum(sizes)


class StackedStores:
    """RGB and flow features of the same clips side by side, for methods that read both."""

    def __init__(self, stores: Sequence[FeatureStore]) -> None:
        self.stores = stores
        self.side = stores[0].side
        self.key = "+".join(store.key for store in stores)

    def path(self, sample: Sample) -> Path:
        """Where the first store keeps the sample's clip."""
        return self.stores[0].path(sample)

    def get(self, sample: Sample) -> NDArray[np.float16]:
        """Both features, float16 [528 + 528, T/4, h, w]. Raises as `FeatureStore.get`."""
        return np.concatenate([store.get(sample) for store in self.stores])


def _batches(samples: Iterable[Sample]) -> list[Sequence[Sample]]:
    """One sample for each (video, frame), up to `BATCH` of a video together, in order."""
    videos: dict[str, dict[int, Sample]] = {}
    for sample in samples:
        videos.setdefault(sample.video_id, {}).setdefault(sample.frame, sample)
    each = [[frames[frame] for frame in sorted(frames)] for frames in videos.values()]
    return [clips[n : n + BATCH] for clips in each for n in range(0, len(clips), BATCH)]


@torch.inference_mode()
def _run(trunk: Trunk, batch: Tensor, device: str) -> NDArray[np.float16]:
    return trunk.trunk(batch.to(device)).half().cpu().numpy()
