"""Clip and query to mask: the 50 %-of-maximum rule, the evaluation of a split, the `Segmenter`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from acga_lib.config import METHODS, ROOT, Profile, choose
from acga_lib.datasets import Sample
from acga_lib.errors import CheckpointError, ConfigError, DataError
from acga_lib.features import Recipe
from acga_lib.figures import overlay
from acga_lib.i3d import I3D, load_i3d
from acga_lib.model import ACGA
from acga_lib.text import WordVectors
from acga_lib.training import SampleTensors
from acga_lib.video import Letterbox, clip_indices, read_frames, to_input

#: How masks are scored. "original": thresholded on the original frame, against the untouched
#: ground truth. "authors": thresholded on the square and mapped back, against a ground truth that
#: went the same way through the square.
SCORINGS = ("original", "authors")


def threshold(response: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Sec. 3.4: foreground where the response (a probability) exceeds half of its maximum.

    Never empty, since the maximum exceeds half of itself.
    """
    return response > 0.5 * response.max()


@dataclass(frozen=True, eq=False)
class Prediction:
    """One sample's prediction, ready to be scored."""

    sample: Sample
    mask: NDArray[np.bool_]  #: [H, W] of the original frame
    target: NDArray[np.bool_]  #: [H, W] what the mask is scored against
    score: float  #: confidence for COCO AP: the mean response inside the mask
    response: NDArray[np.float32]  #: [H, W] probabilities on the original frame


@torch.inference_mode()
def predictions(
    model: ACGA,
    data: SampleTensors,
    *,
    scoring: str = "original",
    device: str = "cpu",
    batch_size: int = 8,
    progress: bool = True,
) -> Iterator[Prediction]:
    """Segment every sample of `data`, in order, one prediction in memory at a time."""
    if scoring not in SCORINGS:
        raise ConfigError(f"unknown scoring '{scoring}'; choose one of: {', '.join(SCORINGS)}")
    model.to(device).eval()
    loader = DataLoader(data, batch_size=batch_size)
    for features, words, _, indices in tqdm(loader, desc="evaluation", disable=not progress):
        large = model(features.to(device), words.to(device)).large
        for index, logits in zip(indices.tolist(), large.float().cpu(), strict=True):
            yield _predict(data.samples[index], logits, scoring)


def _predict(sample: Sample, logits: Tensor, scoring: str) -> Prediction:
    square = logits.sigmoid().numpy()
    box = Letterbox(height=sample.height, width=sample.width, side=square.shape[0])
    response, target = box.restore_response(square), sample.mask()
    if scoring == "original":
        mask = threshold(response)
    else:
        mask, target = box.authors_restore(threshold(square)), box.authors_round_trip(target)
    score = float(response[mask].mean()) if mask.any() else 0.0
    return Prediction(sample, mask, target, score, response)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a query selects in one frame."""

    frame: NDArray[np.uint8]  #: [H, W, 3] RGB, the segmented frame
    query: str
    tokens: tuple[str, ...]  #: the N words of the query
    unknown: tuple[str, ...]  #: words without a vector, which the model cannot see
    mask: NDArray[np.bool_]  #: [H, W]
    response: NDArray[np.float32]  #: [H, W] probability of foreground
    #: [N, H, W] how much each pixel attends to each word (Eq. 4); None without attention. The
    #: padding after the sentence takes part in the softmax, so the words need not sum to 1.
    word_attention: NDArray[np.float32] | None
    #: [H, W] how much context the pixels of the mask gather from each pixel (Eq. 8), sums to 1 on
    #: the feature grid; None without attention.
    context_attention: NDArray[np.float32] | None

    def overlay(self) -> NDArray[np.uint8]:
        """The frame with the mask in colour, uint8 [H, W, 3]."""
        return overlay(self.frame, self.mask)


class Segmenter:
    """A trained network with its trunk and word vectors. Build it with `from_run`."""

    def __init__(self, model: ACGA, trunk: I3D, vectors: WordVectors, *, side: int, frames: int):
        self.model, self.trunk, self.vectors = model.eval(), trunk.eval(), vectors
        self.side, self.frames = side, frames

    @classmethod
    def from_run(cls, path: str | Path) -> Self:
        """Load what the run record `results/runs/<run>.json` describes.

        Raises CheckpointError when the record, the weights beside it or its trunk are missing or
        damaged, or when the trunk is not the one that the run was trained on.
        """
        model, record = load_run(path)
        profile = Profile(**record["config"]["profile"])
        weights = ROOT / "data" / "weights" / profile.trunk
        trunk = load_i3d(weights)
        if Recipe.of(profile, weights).key != record.get("features"):
            raise CheckpointError(
                f"{path}: was trained on the features of another trunk than {weights}, or of "
                "another profile; restore that file, or train again with notebook 04_train"
            )
        return cls(model, trunk, WordVectors.load(), side=profile.side, frames=profile.frames)

    @torch.inference_mode()
    def segment(
        self, video: str | Path | NDArray[np.uint8], query: str, frame: int | None = None
    ) -> Segmentation:
        """Segment what `query` means in one frame.

        video: a file, or RGB frames uint8 [T, H, W, 3]; frame: counted from 1, the middle one if
        None. Raises DataError for an unreadable video or a frame outside it, QueryError for an
        empty, too long or wholly unknown query.
        """
        encoded = self.vectors.encode(query)
        frames = video if isinstance(video, np.ndarray) else read_frames(video)
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            raise DataError(
                f"frames of type {frames.dtype} and shape {frames.shape}: give RGB frames as "
                "uint8 [T, H, W, 3], or the path of a video"
            )
        frame = len(frames) // 2 + 1 if frame is None else frame
        try:
            window = clip_indices(frame=frame, count=len(frames), length=self.frames)
        except DataError as error:
            name = "the given frames" if isinstance(video, np.ndarray) else video
            raise DataError(f"{name}: {error}; frames are counted from 1") from None
        box = Letterbox(height=frames.shape[1], width=frames.shape[2], side=self.side)
        clip = to_input(box.frames(frames[window])).unsqueeze(0)
        features = self.trunk.trunk(clip).half().float()  # as the feature store keeps them
        out = self.model(features, torch.from_numpy(encoded.vectors).unsqueeze(0))
        response = box.restore_response(out.large[0].sigmoid().numpy())
        mask = threshold(response)
        words = context = None
        if out.word_attention is not None and out.context_attention is not None:
            maps = out.word_attention[0, :, : len(encoded.tokens)].T
            words = np.stack([self._to_frame(grid, box) for grid in maps])
            context = self._to_frame(_context_of(mask, out.context_attention[0], box), box)
        return Segmentation(
            frames[frame - 1], query, encoded.tokens, encoded.unknown, mask, response, words,
            context,
        )  # fmt: skip

    def _to_frame(self, grid: Tensor, box: Letterbox) -> NDArray[np.float32]:
        """A map over the feature grid [hw] -> over the original frame [H, W]."""
        cells = round(len(grid) ** 0.5)
        square = torch.nn.functional.interpolate(
            grid.view(1, 1, cells, cells), size=(self.side, self.side), mode="bilinear"
        )
        return box.restore_response(square[0, 0].numpy())


def _context_of(mask: NDArray[np.bool_], attention: Tensor, box: Letterbox) -> Tensor:
    """The average row of the attention [hw, hw] over the cells that the mask covers -> [hw]."""
    cells = round(len(attention) ** 0.5)
    square = torch.from_numpy(box.mask(mask)).float()[None, None]
    share = torch.nn.functional.adaptive_avg_pool2d(square, cells).flatten()
    if share.sum() == 0:  # a mask so thin that it vanishes in the square
        share = torch.ones_like(share)
    return (share / share.sum()) @ attention


def load_run(path: str | Path) -> tuple[ACGA, dict[str, Any]]:
    """A run record and its trained network, in eval mode.

    path: `results/runs/<run>.json`; the weights lie beside it. Raises CheckpointError when either
    is missing, damaged, or does not fit the other.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text())
        method = choose("method", METHODS, record["config"]["run"]["method"])
        profile = Profile(**record["config"]["profile"])
    except (OSError, ValueError, LookupError, TypeError, ConfigError) as error:
        raise CheckpointError(
            f"{path}: not a readable run record ({error}); train with notebook 04_train"
        ) from error
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise CheckpointError(
            f"{weights}: the weights of this run are not here (only few are committed); "
            f"train it again with notebook 04_train, method '{method.name}'"
        )
    model = ACGA.sized(method, profile)
    try:
        state = {key: value.float() if value.is_floating_point() else value
                 for key, value in load_file(weights).items()}  # fmt: skip
        model.load_state_dict(state)
    except Exception as error:
        raise CheckpointError(f"{weights}: damaged or of another network ({error})") from error
    return model.eval(), record
