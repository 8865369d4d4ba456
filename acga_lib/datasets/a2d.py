"""A2D Sentences: videos by Xu et al. 2015 (`Release`), text and masks by Gavrilyuk et al. 2018.

One sample is one sentence on one annotated frame. Which samples there are follows the rules that
every peer's reader shares; on the real files they give 15,747 training and 3,800 test samples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acga_lib.datasets.a2d_lists import (
    MANIFEST,
    SPLITS,
    read_manifest,
    read_missed,
    read_sentences,
)
from acga_lib.datasets.a2d_masks import annotated_frames, read_frame, read_mask
from acga_lib.datasets.sample import Sample, Samples, hold_size
from acga_lib.errors import ConfigError, DataError
from acga_lib.files.lists import read_cues
from acga_lib.files.paths import given_path
from acga_lib.files.video import read_clip, read_frames

#: Folders of the footage and of the masks, in the root and in `text_annotations`.
CLIPS, MASKS = "Release/clips320H", "a2d_annotation_with_instances"


@dataclass(frozen=True, kw_only=True)
class A2DSample(Sample):
    """A sample whose video is an mp4 and whose mask lies in its frame's HDF5 file."""

    @property
    def video_files(self) -> tuple[Path, ...]:
        """The mp4."""
        return (self.video_path,)

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode frames of the mp4: uint8 [T, H, W, 3]. Raises as `Sample.read`."""
        size = self.height, self.width
        clip = read_clip(self.video_path, indices, expected=self.frame_count, size=size)
        hold_size(self.video_path, clip.shape[1:3], size, said_by=str(self.mask_path))
        return clip

    def video(self) -> NDArray[np.uint8]:
        """All frames of the mp4, also beyond those that the manifest counts: [T, H, W, 3]."""
        size = self.height, self.width
        frames = read_frames(self.video_path, expected=self.frame_count, size=size)
        hold_size(self.video_path, frames.shape[1:3], size, said_by=str(self.mask_path))
        return frames

    def mask(self) -> NDArray[np.bool_]:
        """The actor's ground truth on the annotated frame: bool [H, W].

        Raises:
            DataError: the HDF5 file is missing, forbidden or damaged, lacks the instance, or holds
                a mask of it of another size, or one that is not of two numbers.
        """
        return read_mask(self.mask_path, self.instance, (self.height, self.width))


class A2DSentences(Samples):
    """The samples of one split, ordered by video (as annotated), frame and instance.

    Opening reads the lists and each annotated frame's instance ids; videos and masks are read when
    a sample is asked for them (`check` reads everything).

    Args:
        root: folder that holds `Release` and `text_annotations`.
        split: "train" or "test".

    Raises:
        ConfigError: unknown split.
        DataError: a list or HDF5 file is missing, damaged, or contradicts another.
        QueryError: a sentence without a word, or of too many.
    """

    def __init__(self, *, root: str | Path, split: str) -> None:
        if split not in SPLITS:
            raise ConfigError(f"unknown split {split!r} of A2D Sentences: choose train or test")
        root = given_path(root, "A2D Sentences")
        super().__init__(tuple(_read_samples(root, split)), root=root, split=split)


def _read_samples(root: Path, split: str) -> Iterator[Sample]:
    texts = root / "text_annotations"
    videos = read_manifest(root / "Release" / MANIFEST)
    missed = read_missed(texts / "a2d_missed_videos.txt")
    sentences = read_sentences(texts / "a2d_annotation.txt")
    cues = read_cues(texts / "cues.csv")
    for video_id, queries in sentences.items():
        if video_id in missed:
            continue
        if video_id not in videos:
            raise DataError(
                f"{texts / 'a2d_annotation.txt'}: video {video_id!r} is not in videoset.csv: "
                "add its row there, or its id to a2d_missed_videos.txt"
            )
        video = videos[video_id]
        if video.split != split:
            continue
        folder = texts / MASKS / video_id
        for path in annotated_frames(folder, expected=video.annotated):
            ids, (height, width) = read_frame(path)
            for instance in sorted(queries.keys() & set(ids)):
                yield A2DSample(
                    video_id=video_id,
                    frame=int(path.stem),
                    instance=instance,
                    query=queries[instance],
                    height=height,
                    width=width,
                    frame_count=video.frame_count,
                    video_path=root / CLIPS / f"{video_id}.mp4",
                    mask_path=path,
                    **cues.get((video_id, instance), {}),
                )
