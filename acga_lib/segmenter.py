"""One clip and one query to a mask: the `Segmenter`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from acga_lib.clip import Letterbox, threshold
from acga_lib.datasets import Sample
from acga_lib.errors import CheckpointError, DataError, QueryError
from acga_lib.experiment.inference import load_run
from acga_lib.experiment.networks import reader_of
from acga_lib.experiment.recipes import MODALITIES, Recipe, Trunk, extractors, recipes
from acga_lib.files.footage import footage
from acga_lib.files.video import Excerpt
from acga_lib.methods import METHODS
from acga_lib.model import Responses
from acga_lib.profiles import Profile
from acga_lib.text import Encoded, Vocabulary, WordVectors

#: The colour of a mask, RGB.
VERMILION = (213, 94, 0)


def overlay(
    frame: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    *,
    color: tuple[int, int, int] = VERMILION,
    opacity: float = 0.5,
) -> NDArray[np.uint8]:
    """A frame with a mask in colour: uint8 [H, W, 3], bool [H, W] -> uint8 [H, W, 3]."""
    out = frame.astype(np.float32)
    out[mask] = (1 - opacity) * out[mask] + opacity * np.asarray(color, dtype=np.float32)
    return out.round().astype(np.uint8)


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
    #: [hw, hw] how much context each cell of the feature grid gathers from each (Eq. 8), rows sum
    #: to 1; None without attention.
    cell_attention: NDArray[np.float32] | None
    box: Letterbox  #: where the frame lies in the square that the feature grid covers

    def context_of(self, row: int, column: int) -> NDArray[np.float32] | None:
        """[H, W] how much context one pixel of the frame gathers from each (Eq. 8).

        Sums to 1 on the feature grid; None without attention.
        """
        if self.cell_attention is None:
            return None
        cells = round(len(self.cell_attention) ** 0.5)
        rows, columns = self.box.content
        down = rows.start + (row + 0.5) / self.box.height * (rows.stop - rows.start)
        across = columns.start + (column + 0.5) / self.box.width * (columns.stop - columns.start)
        cell = [int(place * cells / self.box.side) for place in (down, across)]
        gathered = self.cell_attention[cell[0] * cells + cell[1]]
        return _to_frame(torch.from_numpy(gathered), self.box)

    def overlay(self) -> NDArray[np.uint8]:
        """The frame with the mask in colour, uint8 [H, W, 3]."""
        return overlay(self.frame, self.mask)


@dataclass(frozen=True, kw_only=True)
class GivenFrames(Sample):
    """A sample whose frames are in memory and whose mask nobody knows.

    Of a longer video these are the frames around the one meant, and `frame` counts from the first
    of them.
    """

    frames: NDArray[np.uint8]  #: [T, H, W, 3] RGB

    @property
    def video_files(self) -> tuple[Path, ...]:
        """None."""
        return ()

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Frames by their 0-based indices: uint8 [T, H, W, 3]."""
        return self.frames[list(indices)]

    def mask(self) -> NDArray[np.bool_]:
        """Raises DataError."""
        raise DataError(f"{self.video_path}: has no ground truth")


class Segmenter:
    """A trained network with the frozen ones that feed it. Build it with `from_run`.

    `extractors`: recipe and network of each modality that the method reads, RGB first. All is
    computed where `model` is.
    """

    def __init__(
        self, model: nn.Module, extractors: Sequence[tuple[Recipe, Trunk]],
        vectors: WordVectors | Vocabulary,
    ) -> None:  # fmt: skip
        self.model, self.extractors, self.vectors = model.eval(), extractors, vectors

    @classmethod
    def from_run(cls, path: str | Path, *, device: str = "cpu") -> Self:
        """Load what the run record `results/runs/<run>.json` describes; device: e.g. "cuda".

        Raises CheckpointError when the record or the weights beside it are missing or damaged, or
        when its frozen networks are not the ones that the run was trained on; DataError when those
        or the word vectors are missing.
        """
        model, record = load_run(path)
        profile = Profile.from_record(record["config"]["profile"])
        method = METHODS[record["config"]["run"]["method"]]
        trained_on = record["features"].split("+")
        for recipe, weights in recipes(method, profile):
            if recipe.key not in trained_on:
                raise CheckpointError(
                    f"{path}: was trained on the features of another network than {weights}, or of "
                    "another profile; restore that file, or train again with notebook 04_train"
                )
        return cls(model.to(device), extractors(method, profile), reader_of(method, profile))

    def segment(self, video: Any, query: str, frame: int | None = None) -> Segmentation:
        """Segment what `query` means in one frame. For several sentences on a frame, `clip`.

        video: a file, a folder of JPEG or PNG frames, or RGB frames uint8 [T, H, W, 3]; what else
        is understood, `footage` says. frame: counted from 1, the middle one if None. Of a file only
        the frames around it are held. Raises DataError for an unreadable video or a frame outside
        it, QueryError for an empty, too long or wholly unknown query.
        """
        self.encode(query)  # before the work on the video
        return self.clip(video, frame).segment(query)

    @property
    def reach(self) -> tuple[int, int]:
        """How many frames before and after the one meant a clip reads at most.

        One neighbour more than the clip has, because flow looks one frame ahead.
        """
        length = max(recipe.frames for recipe, _ in self.extractors)
        return length // 2, length - length // 2

    @torch.inference_mode()
    def clip(self, video: Any, frame: int | None = None) -> "SeenClip":
        """One frame with all that depends on its clip alone, computed once for any sentences.

        Arguments and errors as of `segment`.
        """
        before, after = self.reach
        sample = _sample(*footage(video, frame, before=before, after=after))
        found = []
        for recipe, network in self.extractors:
            inputs = MODALITIES[recipe.modality].inputs(recipe, [sample]).to(self.device)
            seen = network.to(self.device).trunk(inputs)
            found.append(seen.half().float())  # as the feature store keeps them
        features = torch.cat(found, dim=1)
        return SeenClip(self, sample, features)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    def encode(self, query: str) -> Encoded:
        """A sentence as the network reads it. Raises QueryError as `segment`."""
        return self.vectors.encode(query)


@dataclass(frozen=True, eq=False)
class SeenClip:
    """A frame of a video with its clip's features. Build it with `Segmenter.clip`."""

    segmenter: Segmenter
    sample: GivenFrames
    features: Tensor  #: [1, ...]

    @property
    def frame(self) -> NDArray[np.uint8]:
        """[H, W, 3] RGB, the frame that is segmented."""
        return self.sample.frames[self.sample.frame - 1]

    def segment(self, query: str) -> Segmentation:
        """Segment what `query` means. Raises QueryError as `Segmenter.segment`."""
        return self.segment_each([query])[0]

    @torch.inference_mode()
    def segment_each(self, queries: Sequence[str]) -> list[Segmentation]:
        """Segment what each of several sentences means, all in one pass of the network.

        Raises QueryError as `Segmenter.segment`, and for one sentence in place of several.
        """
        if isinstance(queries, str) or not len(queries):
            raise QueryError(f"{queries!r} is no list of sentences: write ['a red car', 'a dog']")
        encoded = [self.segmenter.encode(query) for query in queries]
        words = torch.stack([torch.from_numpy(one.vectors) for one in encoded])
        of = torch.zeros(len(queries), dtype=torch.long)  # all are about the one clip
        device = self.segmenter.device
        out = self.segmenter.model(self.features.to(device), words.to(device), of.to(device))
        out = Responses._make(one if one is None else one.cpu() for one in out)
        side = self.segmenter.extractors[0][0].side
        box = Letterbox(height=self.sample.height, width=self.sample.width, side=side)
        found = []
        for index, (query, one) in enumerate(zip(queries, encoded, strict=True)):
            response = box.restore_response(out.large[index].sigmoid().numpy())
            mask = threshold(response)
            maps = context = gathered = None
            if out.word_attention is not None and out.context_attention is not None:
                grids = out.word_attention[index, :, : len(one.tokens)].T
                maps = np.stack([_to_frame(grid, box) for grid in grids])
                gathered = out.context_attention[index].numpy()
                context = _to_frame(_context_of(mask, out.context_attention[index], box), box)
            found.append(Segmentation(
                self.frame, query, one.tokens, one.unknown, mask, response, maps, context,
                gathered, box,
            ))  # fmt: skip
        return found


def _sample(name: str, found: Excerpt) -> GivenFrames:
    """A frame with its neighbours, of the video of this name, as a sample."""
    return GivenFrames(
        video_id=name, frame=found.position + 1, instance=0, query="",
        height=found.frames.shape[1], width=found.frames.shape[2], frame_count=len(found.frames),
        video_path=Path(name), mask_path=Path(name), frames=found.frames,
    )  # fmt: skip


def _to_frame(grid: Tensor, box: Letterbox) -> NDArray[np.float32]:
    """A map over the feature grid [hw] -> over the original frame [H, W]."""
    cells = round(len(grid) ** 0.5)
    square = torch.nn.functional.interpolate(
        grid.view(1, 1, cells, cells), size=(box.side, box.side), mode="bilinear"
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
