"""What the small networks are trained on: drawn clips of the renderer's split "trunk".

Its palettes, builds, textures and trajectories are others than the benchmark's; sizes are spread
alike. One drawn clip serves three modalities: its RGB frames, their optical flow, and its middle
frame alone. Each cell of the 14 x 14 grid is labelled with the actor-action pair, the colour and
the pattern of what is there.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from acga_lib.benchmark.drawing.renderer import render
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.scene import ACTIONS_OF, ACTORS, COLORS, PATTERNS
from acga_lib.benchmark.world.sizes import CELL
from acga_lib.benchmark.writing.scenes import TRUNK_FRAMES, WIDTH, trunk_scene
from acga_lib.clip import Letterbox
from acga_lib.flow import LIMIT, optical_flow
from acga_lib.vgg import DEVIATION, MEAN

PAIRS = [(actor, action) for actor, actions in ACTIONS_OF.items() for action in actions]
#: A pair's actor; the entry after the last pair is the background.
ACTOR_OF = np.array([*(ACTORS.index(actor) for actor, _ in PAIRS), len(ACTORS)])
BACKGROUND, IGNORE = len(PAIRS), -100
#: Cells count as an instance's from this share of their area on, as background below the other.
INSTANCE_SHARE, BACKGROUND_SHARE = 0.25, 0.05
#: Pixels on a side of the clips, cells on a side of the labels, and of the stored shares.
SIDE, CELLS, FINE = WIDTH, WIDTH // CELL, WIDTH // 4
MOST = 3  #: instances of a clip
#: The frames are compressed as those of a video are: range of JPEG's quality.
QUALITIES = (35, 95)
#: How a clip is varied while training: range of the zoom, largest shift in parts of its half side.
ZOOM, SHIFT = (0.75, 1.35), 0.2


@dataclass(frozen=True)
class Clips:
    """Drawn clips, on one device.

    frames: uint8 [n, T, S, S, 3], letterboxed RGB, or None. flow: float16 [n, T, S, S, 2] in
    pixels, or None. shares: uint8 [n, T, 3, FINE, FINE], how much of each spot an instance covers
    in a frame, 255 for all. names: int64 [n, 3, 3], each instance's pair, colour and pattern; an
    absent one has IGNORE.
    """

    frames: Tensor | None
    flow: Tensor | None
    shares: Tensor
    names: Tensor

    def __len__(self) -> int:
        return len(self.names)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Clips":
        parts = (self.frames, self.flow, self.shares, self.names)
        frames, flow, shares, names = (None if p is None else change(p) for p in parts)
        assert shares is not None and names is not None
        return Clips(frames, flow, shares, names)

    def __getitem__(self, chosen: Tensor | slice) -> "Clips":
        return self._each(lambda part: part[chosen])

    def to(self, device: str) -> "Clips":
        """The same clips on a device."""
        return self._each(lambda part: part.to(device))

    def write(self, place: int, part: "Clips") -> None:
        """Put other clips in place of those from `place` on."""
        there = slice(place, place + len(part))
        for mine, theirs in ((self.frames, part.frames), (self.shares, part.shares),
                             (self.names, part.names), (self.flow, part.flow)):  # fmt: skip
            if mine is not None and theirs is not None:
                mine[there] = theirs

    @classmethod
    def empty_like(cls, one: "Clips", count: int, device: str) -> "Clips":
        """Room for `count` clips of the same sizes."""
        return one._each(lambda part: part.new_empty((count, *part.shape[1:]), device=device))

    def stretch(self, first: int, length: int) -> "Clips":
        """`length` frames of each clip, from frame `first` on."""
        time = slice(first, first + length)
        return replace(self._each(lambda part: part[:, time]), names=self.names)

    @property
    def middle(self) -> "Clips":
        """The middle frame of each clip."""
        return self.stretch(self.shares.shape[1] // 2, 1)

    @property
    def frozen(self) -> "Clips":
        """The same clips without motion: the middle frame all the time."""
        middle, flow = self.middle, None if self.flow is None else torch.zeros_like(self.flow)
        frames = None
        if self.frames is not None and middle.frames is not None:
            frames = middle.frames.expand_as(self.frames)
        return Clips(frames, flow, middle.shares.expand_as(self.shares), self.names)


class Drawing(Dataset[Clips]):
    """Clips by their number, each drawn when it is asked for: equal numbers, equal clips."""

    def __init__(self, *, seed: int, frames: bool = True, flow: bool) -> None:
        self.seed, self.frames, self.flow = seed, frames, flow

    def __getitem__(self, index: int) -> Clips:
        cv2.setNumThreads(1)  # the processes share the cores
        scene = trunk_scene(seed=self.seed, index=index)
        # As many flows as frames: the last one leads to a frame outside the clip.
        frames, masks = render(replace(scene, frames=TRUNK_FRAMES + 1))
        quality = int(generator("trunk", scene.seed, "quality").integers(*QUALITIES))
        box = Letterbox(height=scene.height, width=scene.width, side=SIDE)
        frames = box.frames(np.stack([_compressed(frame, quality) for frame in frames]))
        names = np.full((MOST, 3), IGNORE)
        for row, one in zip(names, scene.instances, strict=False):
            row[:] = (
                PAIRS.index((one.actor, one.action)), COLORS.index(one.color),
                PATTERNS.index(one.pattern),
            )  # fmt: skip
        flow = optical_flow(frames, method="dis").astype(np.float16) if self.flow else None
        return Clips(
            torch.from_numpy(frames[:TRUNK_FRAMES])[None] if self.frames else None,
            None if flow is None else torch.from_numpy(flow)[None],
            torch.from_numpy(_shares(masks[:, :TRUNK_FRAMES], box))[None],
            torch.from_numpy(names)[None],
        )

    def stream(self, indices: Iterable[int], *, workers: int) -> Iterator[Clips]:
        """The clips of these numbers in their order, drawn by `workers` processes."""
        return iter(DataLoader(
            self, batch_size=None, sampler=indices, num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=8 if workers else None,
        ))  # fmt: skip


def _compressed(frame: np.ndarray, quality: int) -> np.ndarray:
    _, coded = cv2.imencode(".jpg", frame, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))


def _shares(masks: np.ndarray, box: Letterbox) -> np.ndarray:
    """Instances' masks bool [K, T, H, W] -> uint8 [T, 3, FINE, FINE]."""
    rows, _ = box.content
    square = np.zeros((masks.shape[1], MOST, SIDE, SIDE), np.bool_)
    square[:, : len(masks), rows] = masks.swapaxes(0, 1)
    pixels = SIDE // FINE
    fine = square.reshape(*square.shape[:2], FINE, pixels, FINE, pixels).mean(axis=(3, 5))
    return np.rint(255 * fine).astype(np.uint8)


@dataclass(frozen=True)
class Views:
    """How a batch of clips is looked at: where each pixel of a square of `side` comes from.

    theta: float [B, 2, 3], of `F.affine_grid`; for flow, what its vectors are multiplied by
    [B, 2] (to the right, downwards).
    """

    theta: Tensor
    stretch: Tensor
    side: int = SIDE

    @classmethod
    def plain(cls, count: int, device: str) -> "Views":
        """The clips as they are."""
        theta = torch.eye(2, 3, device=device).expand(count, 2, 3)
        return cls(theta, torch.ones(count, 2, device=device))

    @classmethod
    def drawn(cls, clips: Clips, random: torch.Generator, *, side: int = SIDE) -> "Views":
        """Each clip mirrored or not, nearer or further, and moved.

        A `side` below the clips' is a window of that many pixels around a spot of an instance.
        """
        count, part = len(clips), side / SIDE
        low, high = np.log(ZOOM)
        zoom = torch.exp(low + (high - low) * torch.rand(count, generator=random))
        mirror = torch.where(torch.rand(count, generator=random) < 0.5, -1.0, 1.0)
        centre = SHIFT * (2 * torch.rand(count, 2, generator=random) - 1)
        if part < 1:
            seen = clips.shares.sum(dim=(1, 2), dtype=torch.float32).flatten(1).cpu() + 1e-3
            spot = torch.multinomial(seen, 1, generator=random)[:, 0]
            aimed = torch.stack([spot % FINE, spot // FINE], dim=1) / (FINE / 2) - 1
            centre = (aimed + centre).clamp(part - 1, 1 - part)
        theta = torch.zeros(count, 2, 3)
        theta[:, 0, 0], theta[:, 1, 1] = part * mirror / zoom, part / zoom
        theta[:, :, 2] = centre
        device = clips.names.device
        stretch = torch.stack([mirror * zoom, zoom], dim=1)
        return cls(theta.to(device), stretch.to(device), side)

    def of(self, images: Tensor, side: int) -> Tensor:
        """[B, C, h, w] -> [B, C, side, side], zero outside."""
        size = [*images.shape[:2], side, side]
        grid = F.affine_grid(self.theta, size, align_corners=False)
        return F.grid_sample(images, grid.to(images.dtype), align_corners=False)


def rgb_input(clips: Clips, views: Views) -> Tensor:
    """-> [B, 3, T, S, S] in [-1, 1], as `clip.to_input` makes it of an unchanged clip."""
    assert clips.frames is not None
    batch, frames, height, width = clips.frames.shape[:4]
    flat = clips.frames.permute(0, 1, 4, 2, 3).reshape(batch, frames * 3, height, width)
    seen = views.of(flat.float(), views.side) / 127.5 - 1.0
    return seen.unflatten(1, (frames, 3)).transpose(1, 2)


def flow_input(clips: Clips, views: Views) -> Tensor:
    """-> [B, 2, T, S, S] in [-1, 1], as `flow.flow_to_input` makes it of an unchanged clip."""
    assert clips.flow is not None
    batch, frames, height, width = clips.flow.shape[:4]
    vectors = clips.flow.float() * views.stretch[:, None, None, None]
    flat = vectors.permute(0, 1, 4, 2, 3).reshape(batch, frames * 2, height, width)
    seen = (views.of(flat, views.side) / LIMIT).clamp(-1.0, 1.0)
    return seen.unflatten(1, (frames, 2)).transpose(1, 2)


def image_input(clips: Clips, views: Views) -> Tensor:
    """The middle frame at twice its size -> [B, 3, 2S, 2S], as `vgg.image_to_input`."""
    frames = clips.middle.frames
    assert frames is not None
    middle = frames[:, 0].permute(0, 3, 1, 2).float()
    seen = views.of(middle, 2 * views.side) / 255
    mean, deviation = (seen.new_tensor(three).view(3, 1, 1) for three in (MEAN, DEVIATION))
    return (seen - mean) / deviation


INPUTS = {"rgb": rgb_input, "flow": flow_input, "image": image_input}


def labels(clips: Clips, views: Views) -> dict[str, Tensor]:
    """What every cell shows over time: "pair", "actor", "color", "pattern", each int64 [B, h, w].

    IGNORE where a cell is shared, and where there is no instance to have a colour or a pattern. A
    pair may be BACKGROUND, an actor len(ACTORS).
    """
    fine = views.of(clips.shares.float().mean(dim=1) / 255, FINE * views.side // SIDE)
    share = F.avg_pool2d(fine, FINE // CELLS)
    most, strongest = share.max(dim=1)
    found = clips.names.gather(1, strongest.flatten(1)[:, :, None].expand(-1, -1, 3))
    found = found.view(*strongest.shape, 3)
    found = found.masked_fill((most < INSTANCE_SHARE)[..., None], IGNORE)
    pairs = found[..., 0].masked_fill(share.sum(dim=1) < BACKGROUND_SHARE, BACKGROUND)
    of_pair = torch.from_numpy(ACTOR_OF).to(pairs.device)
    actors = torch.where(pairs == IGNORE, IGNORE, of_pair[pairs.clamp(min=0)])
    return {"pair": pairs, "actor": actors, "color": found[..., 1], "pattern": found[..., 2]}
