"""The feature store: what the frozen trunk says of a clip, computed once per (video, frame).

A store is a folder `<root>/<key>/`, `key` being a hash of the weights and the preprocessing
(`Recipe`); an entry carries a hash of the video file in its name. A changed weight file, profile or
video therefore leads to other names, and nothing stale is ever found. Entries are written to a
temporary name and moved, so an extraction that is killed leaves a store that the next one
continues. Any number of processes may read; `extract` lets one at a time write.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from acga_lib.config import Profile
from acga_lib.datasets import Sample
from acga_lib.errors import DataError
from acga_lib.i3d import I3D
from acga_lib.video import Letterbox, to_input


def file_hash(path: str | Path) -> str:
    """sha256 of a file's bytes, hexadecimal. Raises DataError when it is missing."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); restore the file") from error


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything besides the video that shapes a stored feature."""

    weights: str  #: sha256 of the trunk's weight file
    side: int  #: pixels of the letterboxed square
    frames: int  #: frames of the clip
    modality: str = "rgb"
    layer: str = "mixed_4e"
    preprocessing: str = "letterbox, zero padding, [-1, 1], float16, one video a batch"

    @classmethod
    def of(cls, profile: Profile, weights: str | Path) -> "Recipe":
        """The recipe of a profile with the trunk in the file `weights`."""
        return cls(weights=file_hash(weights), side=profile.side, frames=profile.frames)

    @property
    def key(self) -> str:
        """16 hexadecimal digits that change with any field."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class FeatureStore:
    """Mixed_4e features on disk, float16 [528, T/4, S/16, S/16], one file per (video, frame)."""

    def __init__(self, root: str | Path, recipe: Recipe) -> None:
        self.recipe = recipe
        self.folder = Path(root) / recipe.key
        self._hashes: dict[tuple[Path, int, int], str] = {}

    def path(self, sample: Sample) -> Path:
        """Where the feature of the sample's clip is, or would be."""
        name = f"{sample.frame:05d}-{self._hash(sample.video_path)}.npz"
        return self.folder / sample.video_id / name

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
        """The feature of the sample's clip, float16 [528, T/4, h, w].

        Raises DataError when it has not been extracted or its file is damaged.
        """
        path = self.path(sample)
        try:
            with np.load(path) as file:
                return file["mixed_4e"]
        except FileNotFoundError:
            raise DataError(
                f"{path}: no features of video {sample.video_id!r}, frame {sample.frame}; "
                "run notebook 02_feature_extraction with this profile and dataset"
            ) from None
        except Exception as error:
            raise DataError(f"{path}: damaged ({error}); delete it and extract again") from error

    def extract(
        self, samples: Iterable[Sample], trunk: I3D, *, device: str = "cpu", progress: bool = True
    ) -> int:
        """Compute every feature that is missing -> how many (video, frame) pairs were computed.

        One batch holds the annotated frames of one video, so a feature does not depend on where
        an earlier extraction was interrupted. Raises DataError naming the video that cannot be
        read; what was extracted before it stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        trunk = trunk.to(device).eval()
        computed = 0
        with FileLock(self.folder / ".lock"):
            described = json.dumps(asdict(self.recipe), indent=1) + "\n"
            (self.folder / "recipe.json").write_text(described)
            for leftover in self.folder.glob("*/*.tmp"):  # of an extraction that was killed
                leftover.unlink()
            videos = _by_video(samples)
            todo = [clips for clips in videos if any(clip not in self for clip in clips)]
            for clips in tqdm(todo, desc="features", unit="video", disable=not (progress and todo)):
                found = _run(trunk, self._inputs(clips), device)
                for clip, feature in zip(clips, found, strict=True):
                    _write(self.path(clip), feature)
                computed += len(clips)
        return computed

    def _inputs(self, clips: Sequence[Sample]) -> Tensor:
        """Clips of one video, decoded once -> [B, 3, T, S, S] in [-1, 1]."""
        first, length = clips[0], self.recipe.frames
        box = Letterbox(height=first.height, width=first.width, side=self.recipe.side)
        frames = box.frames(first.video())
        return torch.stack([to_input(frames[clip.window(length)]) for clip in clips])

    def size(self) -> tuple[int, int]:
        """Entries in the store and their bytes on disk."""
        sizes = [path.stat().st_size for path in self.folder.glob("*/*.npz")]
        return len(sizes), sum(sizes)


def _by_video(samples: Iterable[Sample]) -> list[Sequence[Sample]]:
    """One sample for each (video, frame), grouped by video, in order of appearance."""
    videos: dict[str, dict[int, Sample]] = {}
    for sample in samples:
        videos.setdefault(sample.video_id, {}).setdefault(sample.frame, sample)
    return [[frames[f] for f in sorted(frames)] for frames in videos.values()]


@torch.inference_mode()
def _run(trunk: I3D, batch: Tensor, device: str) -> NDArray[np.float16]:
    return trunk.trunk(batch.to(device)).half().cpu().numpy()


def _write(path: Path, feature: NDArray[np.float16]) -> None:
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            np.savez_compressed(file, mixed_4e=feature)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
