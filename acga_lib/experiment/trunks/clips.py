"""What the small networks are trained on: generated clips of the renderer's split "trunk".

Its palettes, builds, textures and trajectories are others than the benchmark's. One labelled clip
serves three modalities: as RGB frames, as their optical flow, or as a single frame of twice the
size. Each of its 7 x 7 cells is labelled with the actor-action pair and the colour that is there.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from acga_lib.benchmark.drawing.renderer import render
from acga_lib.benchmark.world.scene import ACTIONS_OF, ACTORS, COLORS, Scene
from acga_lib.benchmark.writing.scenes import TRUNK_FRAMES, TRUNK_SIDE, trunk_scene
from acga_lib.clip import Letterbox, to_input
from acga_lib.config import choose
from acga_lib.flow import flow_to_input, optical_flow
from acga_lib.vgg import image_to_input

PAIRS = [(actor, action) for actor, actions in ACTIONS_OF.items() for action in actions]
#: A pair's actor; the entry after the last pair is the background.
ACTOR_OF = np.array([*(ACTORS.index(actor) for actor, _ in PAIRS), len(ACTORS)])
BACKGROUND, IGNORE = len(PAIRS), -100
#: Cells count as an instance's from this share of their area on, as background below the other.
INSTANCE_SHARE, BACKGROUND_SHARE = 0.25, 0.05
#: Cells on a side of the label grid: those of I3D at 112 pixels and of VGG-16 at 224.
CELLS = 7


@dataclass(frozen=True, kw_only=True)
class View:
    """How one modality sees a scene.

    `frames`, `enlarged`: the scene is rendered with that many frames at that many times its size.
    `kept`: letterboxed frames uint8 [T, S, S, 3] -> what is kept of them, [T', S, S, C].
    `as_input`: what is kept, or consecutive frames of it -> the network's input, channels first.
    `frozen`: what is kept -> the same without motion; None where nothing moves anyway.
    `mirror`: signs of the channels of the mirrored input.
    """

    frames: int
    enlarged: int
    kept: Callable[[NDArray[np.uint8]], NDArray]
    as_input: Callable[[NDArray], Tensor]
    frozen: Callable[[NDArray], NDArray] | None
    mirror: tuple[float, ...]


def _same(frames: NDArray) -> NDArray:
    return frames


def _middle_repeated(frames: NDArray) -> NDArray:
    return np.repeat(frames[len(frames) // 2][None], len(frames), axis=0)


def _dis_flow(frames: NDArray[np.uint8]) -> NDArray[np.float16]:
    """DIS flow, as the small profiles store it, in half the memory: [T−1, S, S, 2]."""
    cv2.setNumThreads(1)  # the processes share the cores
    return optical_flow(frames, method="dis").astype(np.float16)


def _only_frame(frames: NDArray[np.uint8]) -> Tensor:
    return image_to_input(frames[0])


VIEWS = {
    "rgb": View(
        frames=TRUNK_FRAMES, enlarged=1, kept=_same, as_input=to_input, frozen=_middle_repeated,
        mirror=(1.0, 1.0, 1.0),
    ),
    "flow": View(  # as many flows as frames: the last one leads to a frame outside the clip
        frames=TRUNK_FRAMES + 1, enlarged=1, kept=_dis_flow, as_input=flow_to_input,
        frozen=np.zeros_like, mirror=(-1.0, 1.0),
    ),
    "image": View(
        frames=1, enlarged=2, kept=_same, as_input=_only_frame, frozen=None,
        mirror=(1.0, 1.0, 1.0),
    ),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Clips:
    """Rendered clips [n, T, S, S, C], and per cell the pair [n, h, w] and colour [n, h, w].

    Frames are uint8 RGB, or float16 flow in pixels. A pair is an index into PAIRS, BACKGROUND, or
    IGNORE where a cell is shared.
    """

    modality: str
    frames: NDArray
    pairs: NDArray[np.int64]
    colors: NDArray[np.int64]

    @property
    def view(self) -> View:
        """How the modality sees a scene."""
        return VIEWS[self.modality]

    def labels(self, name: str) -> NDArray[np.int64]:
        """What a head is to name: "pair", "color" or "actor", [n, h, w], IGNORE where nothing.

        An actor is an index into ACTORS, len(ACTORS) in the background.
        """
        if name == "actor":
            return np.where(self.pairs == IGNORE, IGNORE, ACTOR_OF[np.maximum(self.pairs, 0)])
        return {"pair": self.pairs, "color": self.colors}[name]

    def batch(self, chosen: NDArray[np.int64], first: int, length: int, mirror: bool) -> Tensor:
        """`length` frames of the chosen clips from frame `first` on, as the network's input."""
        view = self.view
        part = torch.stack([view.as_input(self.frames[i, first : first + length]) for i in chosen])
        if mirror:
            signs = torch.tensor(view.mirror).view(-1, *[1] * (part.ndim - 2))
            part = part.flip(-1) * signs
        return part


def make_clip(
    index: int, *, seed: int, modality: str = "rgb"
) -> tuple[NDArray, NDArray[np.int64], NDArray[np.int64]]:
    """One letterboxed clip [T, S, S, C], its pairs and colours [CELLS, CELLS] (see `Clips`).

    Raises ConfigError for an unknown modality.
    """
    view: View = choose("modality", VIEWS, modality)
    scene = trunk_scene(seed=seed, index=index)
    scene = replace(
        scene, frames=view.frames, height=scene.height * view.enlarged,
        width=scene.width * view.enlarged,
    )  # fmt: skip
    frames, masks = render(scene)
    side = TRUNK_SIDE * view.enlarged
    frames = Letterbox(height=scene.height, width=scene.width, side=side).frames(frames)
    return view.kept(frames), *_cell_labels(scene, masks, side)


def _cell_labels(
    scene: Scene, masks: NDArray[np.bool_], side: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs and colours [CELLS, CELLS] from the instances' masks bool [K, T, H, W]."""
    rows, _ = Letterbox(height=scene.height, width=scene.width, side=side).content
    masks = np.pad(masks, ((0, 0), (0, 0), (rows.start, side - rows.stop), (0, 0)))
    pixels = side // CELLS
    share = masks.mean(axis=1).reshape(len(masks), CELLS, pixels, CELLS, pixels).mean(axis=(2, 4))
    strongest = share.argmax(axis=0)
    pairs = np.array([PAIRS.index((i.actor, i.action)) for i in scene.instances])[strongest]
    colors = np.array([COLORS.index(i.color) for i in scene.instances])[strongest]
    shared = share.max(axis=0) < INSTANCE_SHARE
    pairs[shared], colors[shared] = IGNORE, IGNORE
    pairs[share.sum(axis=0) < BACKGROUND_SHARE] = BACKGROUND
    return pairs, colors


def make_clips(
    count: int, *, seed: int, modality: str = "rgb", workers: int = 2, progress: bool = True
) -> Clips:
    """Render `count` clips with their labels, in `workers` processes.

    6,300 clips take 4 GB of memory as RGB, 5 GB as flow and 1 GB as single frames. Raises
    ConfigError for an unknown modality.
    """
    choose("modality", VIEWS, modality)
    make = partial(make_clip, seed=seed, modality=modality)
    pairs, colors = np.empty((2, count, CELLS, CELLS), dtype=np.int64)
    frames = np.empty(0)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        arriving = pool.map(make, range(count), chunksize=16)
        bar = tqdm(arriving, total=count, desc=f"{modality} clips", disable=not progress)
        for index, (kept, pairs[index], colors[index]) in enumerate(bar):
            if index == 0:  # one array from the start: stacking a list would take twice the memory
                frames = np.empty((count, *kept.shape), kept.dtype)
            frames[index] = kept
    return Clips(modality, frames, pairs, colors)
