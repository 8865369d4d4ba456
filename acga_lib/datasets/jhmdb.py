"""J-HMDB Sentences: videos and puppet masks by Jhuang et al. 2013, text by Gavrilyuk et al. 2018.

All videos are for testing. Every frame has a mask; peers score three of them per video, and the
paper takes them "uniformly": here the middles of three equal thirds of the frames with a mask.
MTTR and later papers score a frozen random choice, which their sample list names.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acga_lib.datasets.sample import Sample, Samples, hold_size
from acga_lib.errors import ConfigError, DataError, QueryError
from acga_lib.files.lists import read_cues, read_rows, read_text
from acga_lib.files.stills import hold_foreground, image_size, mat_shape, read_image, read_mat

ANNOTATION, FRAMES, MASKS = "jhmdb_annotation.txt", "Rename_Images", "puppet_mask"
MASK_FILE, MASK_KEY = "puppet_mask.mat", "part_mask"
#: How many frames of a video are scored.
SCORED = 3
#: The paper's choice of them; any other is the path of MTTR's sample list.
UNIFORM = "uniform"


@dataclass(frozen=True, kw_only=True)
class JHMDBSample(Sample):
    """A sample whose video is a folder of PNG frames; the masks of all frames lie in one file."""

    @property
    def video_files(self) -> tuple[Path, ...]:
        """All frames."""
        return tuple(
            self.video_path / frame_name(number) for number in range(1, self.frame_count + 1)
        )

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode frames: uint8 [T, H, W, 3]. Raises as `Sample.read`."""
        files = self.video_files
        size = (self.height, self.width)
        decoded = {index: read_image(files[index], size) for index in set(indices)}
        for index, image in decoded.items():
            hold_size(files[index], image.shape[:2], size,
                      said_by="the video's first frame")  # fmt: skip
        return np.stack([decoded[index] for index in indices])

    def mask(self) -> NDArray[np.bool_]:
        """The puppet of the person on the annotated frame: bool [H, W].

        Raises:
            DataError: the file is missing or damaged, or the frame's mask is empty.
        """
        mask = read_mat(self.mask_path, MASK_KEY)[:, :, self.frame - 1] > 0
        hold_foreground(mask, self.mask_path, f"frame {self.frame}")
        return mask


class JHMDBSentences(Samples):
    """Three samples per video, ordered by video (as annotated) and frame.

    Opening reads the list, the folders and the headers of one frame and one mask file per video.

    Args:
        root: folder that holds `jhmdb_annotation.txt`, `Rename_Images` and `puppet_mask`.
        split: "test"; there is no other.
        frames: which frames are scored: "uniform", or the path of MTTR's frozen choice
            (`jhmdb_sentences_samples_metadata.json`).

    Raises:
        ConfigError: another split.
        DataError: a file is missing, damaged, or contradicts another.
        QueryError: an empty sentence.
    """

    def __init__(self, *, root: str | Path, split: str, frames: str | Path = UNIFORM) -> None:
        if split != "test":
            raise ConfigError(
                f"J-HMDB Sentences has no split {split!r}: all its videos are test; train on a2d"
            )
        root = Path(root)
        frozen = None if frames == UNIFORM else read_frozen(Path(frames))
        super().__init__(tuple(_read_samples(root, frozen)), root=root, split=split)


def frame_name(number: int) -> str:
    """The file of frame `number`, counted from 1."""
    return f"{number:05d}.png"


def read_queries(path: Path) -> dict[str, str]:
    """Read `jhmdb_annotation.txt` (header `video_id,query`): video id → sentence, lowercase.

    Raises:
        DataError: missing file, malformed row, or two sentences for one video.
        QueryError: an empty sentence.
    """
    queries: dict[str, str] = {}
    for line, row in read_rows(path)[1:]:
        if len(row) != 2 or row[0] in queries:
            raise DataError(
                f"{path}, line {line}: {row} is not video_id,query with a new video: correct it"
            )
        if not row[1].strip():
            raise QueryError(
                f"{path}, line {line}: video {row[0]} has an empty sentence: write one or delete "
                "the row"
            )
        queries[row[0]] = row[1].strip().lower()
    return queries


def scored_frames(masks: int) -> list[int]:
    """The middles of `SCORED` equal parts of frames 1 to `masks`, counted from 1."""
    return [(2 * part + 1) * masks // (2 * SCORED) + 1 for part in range(SCORED)]


def read_frozen(path: Path) -> dict[str, list[int]]:
    """Read MTTR's sample list: video id → its scored frames, ascending, counted from 1.

    The file is a JSON list of [video id, path of the frame's image, …]; the rest of a row repeats
    the annotation.

    Raises:
        DataError: missing file, or not such a list.
    """
    frames: dict[str, set[int]] = {}
    try:
        for video_id, image, *_ in json.loads(read_text(path)):
            frames.setdefault(str(video_id), set()).add(int(Path(image).stem))
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path}: not MTTR's list of J-HMDB samples ({error}): give the file "
            f'jhmdb_sentences_samples_metadata.json of its repository, or "{UNIFORM}"'
        ) from error
    return {video_id: sorted(numbers) for video_id, numbers in frames.items()}


def _read_samples(root: Path, frozen: dict[str, list[int]] | None) -> Iterator[Sample]:
    queries = read_queries(root / ANNOTATION)
    cues = read_cues(root / "cues.csv")
    actions = action_folders(root / FRAMES)
    for video_id, query in queries.items():
        if video_id not in actions:
            raise DataError(
                f"{root / FRAMES}: no action folder holds the video {video_id!r} of {ANNOTATION}: "
                "complete the dataset's download, or delete its row"
            )
        folder = root / FRAMES / actions[video_id] / video_id
        files = frame_files(folder)
        mask_path = mask_file(root, actions[video_id], video_id)
        height, width = image_size(files[0], partial(masked_size, mask_path))
        masks = masked_frames(mask_path, (height, width), len(files))
        chosen = scored_frames(masks) if frozen is None else frozen.get(video_id, [])
        if not chosen or not 1 <= chosen[0] <= chosen[-1] <= masks:
            raise DataError(
                f"{mask_path}: {masks} frames have a mask, and the frozen choice wants {chosen}: "
                "complete the dataset's download, or give the list that belongs to it"
            )
        for frame in chosen:
            yield JHMDBSample(
                video_id=video_id, frame=frame, instance=0, query=query, height=height,
                width=width, frame_count=len(files), video_path=folder,
                mask_path=mask_path,
                **{"action": actions[video_id]} | cues.get((video_id, 0), {}),
            )  # fmt: skip


def action_folders(frames: Path) -> dict[str, str]:
    """Video id → the action whose folder holds it; the annotation does not say."""
    if not frames.is_dir():
        raise DataError(f"{frames}: no such folder: complete the dataset's download")
    found: dict[str, str] = {}
    for video in sorted(frames.glob("*/*/")):
        if video.name in found:
            raise DataError(
                f"{video}: the same video lies under {found[video.name]}: delete one of the two"
            )
        found[video.name] = video.parent.name
    return found


def frame_files(folder: Path) -> tuple[Path, ...]:
    """00001.png, 00002.png, … without a gap; files of other kinds do not matter."""
    # Names that begin with "." are what some archivers and file browsers add.
    files = sorted(path for path in folder.glob("*.png") if path.name[0] != ".")
    for number, path in enumerate(files, start=1):
        if path.name != frame_name(number):
            raise DataError(
                f"{path}: expected {frame_name(number)} here: complete the video's frames, or move "
                "the file elsewhere"
            )
    if not files:
        raise DataError(f"{folder}: holds no frame: complete the dataset's download")
    return tuple(files)


def mask_file(root: Path, action: str, video_id: str) -> Path:
    """Where the masks of all frames of a video lie."""
    return root / MASKS / action / video_id / MASK_FILE


def masked_size(path: Path) -> tuple[int, ...]:
    """(height, width) of a video's masks, from their file's header."""
    return mat_shape(path, MASK_KEY)[:2]


def masked_frames(path: Path, size: tuple[int, int], frames: int) -> int:
    """How many of a video's `frames` have a mask: the first ones, sometimes not all."""
    shape = mat_shape(path, MASK_KEY)
    hold_size(path, shape[:2], size, said_by="the video's first frame")
    # MATLAB drops the last axis where there is one mask.
    masks = min(shape[2] if len(shape) == 3 else 1, frames)
    if masks < SCORED:
        raise DataError(
            f"{path}: {masks} of the video's {frames} frames have a mask where {SCORED} are "
            "needed: complete the dataset's download, or delete the video's row"
        )
    return masks
