"""The feature store: what a frozen network says of a clip, computed once per (video, frame).

A store is a folder `<root>/<key>/`, `key` being a hash of the weights and the preprocessing
(`recipes.Recipe`); an entry carries a hash of the video file in its name. A changed weight file,
profile or video therefore leads to other names, and nothing stale is ever found; but where the
number of frames is corrected in a list, delete the store. Entries are written to a temporary name
and moved, so an extraction that is killed leaves a store that the next one continues. Any number of
processes may read; `extract` lets one at a time write.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from acga_lib.datasets import Sample
from acga_lib.errors import DataError
from acga_lib.experiment.recipes import MODALITIES, Recipe, Trunk
from acga_lib.files.cores import usable_cores
from acga_lib.files.locks import locked
from acga_lib.files.packed import pack, unpack
from acga_lib.files.storage import hold_room, megabytes, named_if_full, write_bytes, write_text
from acga_lib.hashes import file_hash

#: Clips of one video that are computed together at most; A2D annotates up to five frames.
BATCH = 8
#: Videos that are decoded ahead of the network at most; of A2D's, each takes a quarter of a GB.
AHEAD = 8


class FeatureStore:
    """Features on disk, float16, one packed file per (video, frame) (`files.packed`).

    Mixed_4e [528, T/4, S/16, S/16] of RGB and flow, fc8 [1000, S/32, S/32] of images, at width 1.
    """

    def __init__(self, root: str | Path, recipe: Recipe) -> None:
        self.recipe = recipe
        self.key, self.side = recipe.key, recipe.side  #: pixels of the square that is shown
        self.folder = Path(root) / self.key

    def path(self, sample: Sample) -> Path:
        """Where the feature of the sample's clip is, or would be."""
        hashes = [_hash(path) for path in sample.video_files]
        if len(hashes) > 1:  # frames in files of their own
            hashes = [hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]]
        return self.folder / sample.video_id / f"{sample.frame:05d}-{hashes[0]}.f16"

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
        with closing(_ahead(partial(inputs, self.recipe), todo)) as batches:
            for number, (clips, batch) in enumerate(zip(bar, batches, strict=True)):
                if number < 2:  # what is there, or else the first video, tells how large they are
                    entries, size = self.size()
                    needed = left * size / max(entries, 1)
                    hold_room(self.folder, needed, f"features of {left} more clips")
                    bar.set_postfix_str(f"{megabytes(needed)} to write" if needed else "")
                found = _run(trunk, batch, device)
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


def _hash(video: Path) -> str:
    """16 digits of the file's hash, computed again when its size or time changes."""
    if not video.is_file():
        raise DataError(f"{video}: no such video: complete the dataset's download")
    state = video.stat()
    return _hash_of(video, state.st_size, state.st_mtime_ns)


@cache
def _hash_of(video: Path, size: int, modified: int) -> str:
    """The same, of a file in one state: every store of this process needs it."""
    return file_hash(video)[:16]


def _batches(samples: Iterable[Sample]) -> list[Sequence[Sample]]:
    """One sample for each (video, frame), up to `BATCH` of a video together, in order."""
    videos: dict[tuple[str, Path], dict[int, Sample]] = {}  # datasets may share a video's name
    for sample in samples:
        video = videos.setdefault((sample.video_id, sample.video_files[0]), {})
        video.setdefault(sample.frame, sample)
    each = [[frames[frame] for frame in sorted(frames)] for frames in videos.values()]
    return [clips[n : n + BATCH] for clips in each for n in range(0, len(clips), BATCH)]


def _ahead(
    inputs: Callable[[Sequence[Sample]], Tensor], todo: Iterable[Sequence[Sample]]
) -> Generator[Tensor, None, None]:
    """The inputs of each batch in order, while threads already make those of the next ones."""
    threads, waiting = min(usable_cores(), AHEAD), deque[Future[Tensor]]()
    pool = ThreadPoolExecutor(threads)
    try:
        for clips in todo:
            waiting.append(pool.submit(inputs, clips))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@torch.inference_mode()
def _run(trunk: Trunk, batch: Tensor, device: str) -> NDArray[np.float16]:
    return trunk.trunk(batch.to(device)).half().cpu().numpy()
