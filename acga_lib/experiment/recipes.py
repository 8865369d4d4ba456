"""What a stored feature is made of: which frozen network, on which input, of which clip.

Three modalities: I3D on RGB, I3D on optical flow, and VGG-16 on the annotated frame alone, which
never reads another frame and therefore cannot see motion.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acga_lib.clip import Letterbox, to_input
from acga_lib.config import data_file
from acga_lib.datasets import Sample
from acga_lib.flow import clip_flow, flow_to_input
from acga_lib.hashes import file_hash
from acga_lib.i3d import I3D, load_i3d
from acga_lib.methods import MethodConfig
from acga_lib.parameters import choose
from acga_lib.profiles import Profile
from acga_lib.vgg import VGG16, image_to_input, load_vgg

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
