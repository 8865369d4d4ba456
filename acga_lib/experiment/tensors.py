"""Samples as tensors, and batches of them."""

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from acga_lib.clip import Letterbox
from acga_lib.datasets import Sample
from acga_lib.errors import KitError
from acga_lib.experiment.features import FeatureStore, StackedStores
from acga_lib.files.storage import free_bytes, megabytes
from acga_lib.hashes import file_hash
from acga_lib.text import Vocabulary, WordVectors

#: Where processes share memory on Linux, and the bytes that four of them may fill with batches of
#: the paper's size.
SHARED, NEEDED = Path("/dev/shm"), 2**29
#: One sample: features, words, mask, index into the samples.
Item = tuple[Tensor, Tensor, Tensor, int]


class Batch(NamedTuple):
    """Several samples; those about one clip share its features."""

    features: Tensor  #: [U, ...] of the U different clips, in the store's half precision
    words: Tensor  #: [B, ...]
    masks: Tensor  #: [B, S, S]
    clips: Tensor | None  #: int64 [B], the clip of each sample; None where each has its own
    indices: list[int]  #: of the B samples

    def on(self, device: str) -> tuple[Tensor, Tensor, Tensor | None]:
        """What a network reads, on its device: features in single precision, words, clips."""
        clips = None if self.clips is None else self.clips.to(device)
        return self.features.to(device).float(), self.words.to(device), clips


class SampleTensors(Dataset[Item]):
    """Samples as tensors: features, words, mask [S, S], index.

    Features are what the store holds, e.g. Mixed_4e [528, T/4, h, w]; words are float [20, 300]
    with word vectors, int64 [20] with a `Vocabulary`. `queries` replaces the samples' own
    sentences (the shuffled-sentence control). Masks are kept in memory, one bit a pixel.

    `batches` reads them for a training. A DataLoader of your own takes `collate_fn=as_it_is`.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        store: FeatureStore | StackedStores,
        vectors: WordVectors | Vocabulary,
        queries: Sequence[str] | None = None,
    ) -> None:
        self.samples = samples
        self.store = store
        self.queries = list(queries or (sample.query for sample in samples))
        encoded = {query: vectors.encode(query) for query in dict.fromkeys(self.queries)}
        self.words = {query: torch.from_numpy(e.vectors) for query, e in encoded.items()}
        self.unknown = sorted({word for e in encoded.values() for word in e.unknown})
        self._masks: dict[int, NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the samples, their sentences as vectors, and their video and mask files."""
        words = {q: hashlib.sha256(w.numpy().tobytes()).hexdigest() for q, w in self.words.items()}
        masks = {path: file_hash(path) for path in {sample.mask_path for sample in self.samples}}
        lines = [
            f"{s.video_id} {s.frame} {s.instance} {query} {words[query]} {masks[s.mask_path]} "
            f"{self.store.path(s).stem}.npz"  # the store's first suffix: old records have it
            for s, query in zip(self.samples, self.queries, strict=True)
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def __getitem__(self, index: int) -> Item:
        features = torch.from_numpy(self.store.get(self.samples[index])).float()
        return features, self.words[self.queries[index]], self.mask(index), index

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Samples as a batch, each clip read once."""
        places: dict[Path, int] = {}
        clips, read = [], []
        for sample in (self.samples[index] for index in indices):
            path = self.store.path(sample)
            if path not in places:
                places[path] = len(places)
                read.append(torch.from_numpy(self.store.get(sample)))
            clips.append(places[path])
        shared = torch.tensor(clips) if len(places) < len(clips) else None
        words = torch.stack([self.words[self.queries[index]] for index in indices])
        masks = torch.stack([self.mask(index) for index in indices])
        return Batch(torch.stack(read), words, masks, shared, list(indices))

    def batches(self, order: Iterable[list[int]], *, workers: int = 0) -> Iterator[Batch]:
        """Batches of these samples, read by `workers` processes besides this one.

        They hand them over in shared memory, of which a container may have next to none.
        """
        if workers and SHARED.is_dir() and free_bytes(SHARED) < NEEDED:
            warnings.warn(
                f"{SHARED} has less than {megabytes(NEEDED)} free, so no process reads ahead; "
                "`docker run --shm-size=2g` gives it more", stacklevel=2,
            )  # fmt: skip
            workers = 0
        loader = DataLoader(self, batch_sampler=order, num_workers=workers, collate_fn=as_it_is)
        return _told_as_here(iter(loader))

    def mask(self, index: int) -> Tensor:
        """The ground truth in the letterboxed square, float [S, S] of 0 and 1."""
        side = self.store.side
        packed = self._masks.get(index)
        if packed is None:
            sample = self.samples[index]
            box = Letterbox(height=sample.height, width=sample.width, side=side)
            packed = np.packbits(box.mask(sample.mask()))
            if get_worker_info() is None:  # who reads ahead meets each sample once
                self._masks[index] = packed
        bits = np.unpackbits(packed, count=side * side)
        return torch.from_numpy(bits.reshape(side, side)).float()


#: Samples as tensors, with other sentences where given (`pipeline.Inputs.tensors`).
AsTensors = Callable[[Sequence[Sample], Sequence[str] | None], SampleTensors]


def _told_as_here(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches; a KitError of a worker without the traceback that torch puts before it."""
    try:
        yield from batches
    except KitError as error:
        if not str(error).startswith("Caught "):
            raise
        told = str(error).rpartition(f"{type(error).__name__}: ")[2].strip()
        raise type(error)(told) from None


def as_it_is(batch: Any) -> Any:
    """A DataLoader's `collate_fn`: `SampleTensors.__getitems__` has made a batch already."""
    return batch


def shuffled_queries(samples: Sequence[Sample], *, seed: int) -> list[str]:
    """Every sample's sentence replaced by that of a random other sample: the control run.

    The samples stand in a random circle and each takes the sentence of the next one.
    """
    circle = np.random.Generator(np.random.PCG64([seed, 0x5EED])).permutation(len(samples))
    donor = dict(zip(circle.tolist(), np.roll(circle, -1).tolist(), strict=True))
    return [samples[donor[index]].query for index in range(len(samples))]
