"""Training the small I3D trunk on generated clips, as Kinetics trains the paper's.

The published trunk knows appearance from ImageNet and motion from Kinetics. The small one learns
both from clips of its own (split "trunk": other palettes, builds, textures and trajectories than
the benchmark's): at every cell of Mixed_4f it names the actor-action pair and the colour of what
moves there. It first learns from four-frame snippets, which show appearance at a quarter of the
cost, then from whole clips, as I3D goes from ImageNet to Kinetics.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from acga_lib.datasets.renderer import render
from acga_lib.datasets.scene import ACTIONS_OF, COLORS
from acga_lib.datasets.scenes import TRUNK_SIDE, trunk_scene
from acga_lib.i3d import I3D, block_output
from acga_lib.training import mixed_precision
from acga_lib.video import Letterbox, to_input

PAIRS = [(actor, action) for actor, actions in ACTIONS_OF.items() for action in actions]
BACKGROUND, IGNORE = len(PAIRS), -100
#: Cells count as an instance's from this share of their area on, as background below the other.
INSTANCE_SHARE, BACKGROUND_SHARE = 0.25, 0.05
SHARPNESS = 16.0


@dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """How the small trunk is trained."""

    width: float = 0.25
    clips: int = 6300  #: of which the last `held_out` are never trained on
    held_out: int = 300
    snippet_epochs: int = 4  #: epochs on four-frame snippets
    epochs: int = 5  #: epochs on whole clips
    batch_size: int = 8
    learning_rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Clips:
    """Rendered clips uint8 [n, T, S, S, 3], and per cell the pair [n, h, w] and colour [n, h, w].

    A pair is an index into PAIRS, BACKGROUND, or IGNORE where a cell is shared.
    """

    frames: NDArray[np.uint8]
    pairs: NDArray[np.int64]
    colors: NDArray[np.int64]


def make_clip(index: int, *, seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """One letterboxed clip: uint8 [T, S, S, 3], its pairs and colours [S/16, S/16] (`Clips`)."""
    scene = trunk_scene(seed=seed, index=index)
    frames, masks = render(scene)
    box = Letterbox(height=scene.height, width=scene.width, side=TRUNK_SIDE)
    frames, cells = box.frames(frames), TRUNK_SIDE // 16
    rows, _ = box.content
    masks = np.pad(masks, ((0, 0), (0, 0), (rows.start, TRUNK_SIDE - rows.stop), (0, 0)))
    share = masks.mean(axis=1).reshape(len(masks), cells, 16, cells, 16).mean(axis=(2, 4))
    strongest = share.argmax(axis=0)
    pairs = np.array([PAIRS.index((i.actor, i.action)) for i in scene.instances])[strongest]
    colors = np.array([COLORS.index(i.color) for i in scene.instances])[strongest]
    shared = share.max(axis=0) < INSTANCE_SHARE
    pairs[shared], colors[shared] = IGNORE, IGNORE
    pairs[share.sum(axis=0) < BACKGROUND_SHARE] = BACKGROUND
    return frames, pairs, colors


def make_clips(count: int, *, seed: int, workers: int = 2, progress: bool = True) -> Clips:
    """Render `count` clips with their labels, in `workers` processes."""
    make = partial(make_clip, seed=seed)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        arriving = pool.map(make, range(count), chunksize=16)
        made = list(tqdm(arriving, total=count, desc="trunk clips", disable=not progress))
    frames, pairs, colors = (np.stack(part) for part in zip(*made, strict=True))
    return Clips(frames, pairs, colors)


class DenseClassifier(nn.Module):
    """The trunk with its two training heads: pair [B, 44, h, w] and colour [B, 11, h, w] logits.

    A logit is `SHARPNESS` times the cosine of the feature and its class, so that classes end up
    far apart in what the model reads: unit vectors averaged over time (`model.VisualEncoder`).
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.i3d = I3D(width=width)
        channels = block_output("mixed_4f", width)
        self.pair = nn.Parameter(torch.randn(len(PAIRS) + 1, channels))
        self.color = nn.Parameter(torch.randn(len(COLORS), channels))

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Clips [B, 3, T, S, S] in [-1, 1] -> the two logits."""
        unit = F.normalize(self.i3d(clips).mean(dim=2), dim=1)
        pair, color = (F.normalize(weight, dim=1) for weight in (self.pair, self.color))
        pair, color = (torch.einsum("bchw,kc->bkhw", unit, w) for w in (pair, color))
        return SHARPNESS * pair, SHARPNESS * color


def train_trunk(
    config: TrunkConfig, clips: Clips, *, device: str = "cpu", progress: bool = True
) -> tuple[I3D, dict[str, Any]]:
    """Train a trunk on all but the last `held_out` clips -> (eval-mode trunk, its record).

    Runs in bfloat16 where that is faster. The record holds the configuration, the loss per epoch,
    seconds, and `held_out_accuracy` on the clips as they are and frozen to a still image.
    """
    torch.manual_seed(config.seed)
    model = DenseClassifier(config.width).to(device)
    model.i3d.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    start, losses = time.perf_counter(), []
    for length, epochs in ((4, config.snippet_epochs), (clips.frames.shape[1], config.epochs)):
        losses += _train_stage(config, model, clips, length, epochs, device, progress)
    held_out = partial(held_out_accuracy, model, clips, config.held_out, device=device)
    record = {
        "config": asdict(config),
        "loss": losses,
        "seconds": round(time.perf_counter() - start),
        "held_out": held_out(),
        "held_out_frozen": held_out(frozen=True),
    }
    model.i3d.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return model.i3d.eval(), record


def _train_stage(
    config: TrunkConfig, model: DenseClassifier, clips: Clips, length: int, epochs: int,
    device: str, progress: bool,
) -> list[float]:  # fmt: skip
    """Train on `length` frames of every clip -> the mean loss of each epoch."""
    count, losses = len(clips.frames) - config.held_out, []
    steps = epochs * -(-count // config.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, steps)
    bar = tqdm(total=steps, desc=f"trunk, {length} frames", disable=not progress)
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for images, pairs, colors in _batches(config, clips, count, epoch, length):
            images = images.to(device).contiguous(memory_format=torch.channels_last_3d)
            with mixed_precision(device):
                pair, color = model(images)
            loss = classification_loss(pair.float(), pairs.to(device))
            loss = loss + F.cross_entropy(color.float(), colors.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(images)
            bar.update()
        losses.append(round(total / count, 4))
        bar.set_postfix(loss=losses[-1])
    bar.close()
    return losses


def classification_loss(logits: Tensor, pairs: Tensor) -> Tensor:
    """Cross entropy of the pair, of its actor alone and of its action alone, on labelled cells.

    logits [B, 44, h, w], pairs [B, h, w] -> scalar. The two marginals let what the actors (the
    actions) have in common be learnt from all of them.
    """
    logits, wanted = logits.permute(0, 2, 3, 1)[pairs != IGNORE], pairs[pairs != IGNORE]
    scores = logits.log_softmax(dim=1)
    seen = wanted < BACKGROUND
    loss = F.nll_loss(scores, wanted) + F.nll_loss(scores[seen], wanted[seen])
    for part in (0, 1):
        names = sorted({pair[part] for pair in PAIRS})
        groups = torch.tensor([names.index(pair[part]) for pair in PAIRS], device=logits.device)
        member = F.one_hot(groups).T.bool()  # [names, pairs]
        marginal = scores[seen, :BACKGROUND].unsqueeze(1)
        marginal = marginal.masked_fill(~member, -torch.inf).logsumexp(dim=2)
        loss = loss + F.nll_loss(marginal, groups[wanted[seen]])
    return loss


def _batches(
    config: TrunkConfig, clips: Clips, count: int, epoch: int, length: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches in an order, and mirrored by coins, that depend on (seed, epoch) alone."""
    random = np.random.Generator(np.random.PCG64([config.seed, length, epoch]))
    order = random.permutation(count)
    for start in range(0, count, config.batch_size):
        chosen = order[start : start + config.batch_size]
        first = int(random.integers(clips.frames.shape[1] - length + 1))
        images = torch.stack([to_input(clips.frames[i, first : first + length]) for i in chosen])
        labels = [torch.from_numpy(part[chosen]) for part in (clips.pairs, clips.colors)]
        if random.random() < 0.5:
            images, labels = images.flip(-1), [label.flip(-1) for label in labels]
        yield images, labels[0], labels[1]


@torch.inference_mode()
def held_out_accuracy(
    model: DenseClassifier, clips: Clips, count: int, *, device: str = "cpu", frozen: bool = False
) -> dict[str, float]:
    """Accuracy over the instances' cells of the last `count` clips.

    -> pair, actor, color, and "action": right among the actions of the true actor. With `frozen`,
    every frame is replaced by the middle one: what a still image gives away.
    """
    model.eval()
    right: dict[str, list[NDArray]] = {"pair": [], "actor": [], "action": [], "color": []}
    actors = np.array([list(ACTIONS_OF).index(actor) for actor, _ in PAIRS])
    for index in range(len(clips.frames) - count, len(clips.frames)):
        frames, truth = clips.frames[index], clips.pairs[index]
        if frozen:
            frames = np.repeat(frames[len(frames) // 2][None], len(frames), axis=0)
        pair, color = (
            out[0].cpu().numpy() for out in model(to_input(frames).unsqueeze(0).to(device))
        )
        cells = (truth >= 0) & (truth < BACKGROUND)
        wanted, scores = truth[cells], pair[:BACKGROUND, cells].T
        of_actor = np.where(actors[None] == actors[wanted][:, None], scores, -np.inf)
        right["pair"].append(pair.argmax(axis=0)[cells] == wanted)
        right["actor"].append(actors[scores.argmax(axis=1)] == actors[wanted])
        right["action"].append(of_actor.argmax(axis=1) == wanted)
        right["color"].append(color.argmax(axis=0)[cells] == clips.colors[index][cells])
    return {name: round(float(np.concatenate(hits).mean()), 4) for name, hits in right.items()}
