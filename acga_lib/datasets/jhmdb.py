"""J-HMDB Sentences: videos and puppet masks by Jhuang et al. 2013, text by Gavrilyuk et al. 2018.

All videos are for testing. Nearly every frame has a mask; peers score three of them per video, and
the paper takes them "uniformly": here the middles of three equal thirds of the frames with a mask.
MTTR and later papers score a frozen random choice, which their sample list names.
"""

import warnings
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acga_lib.datasets.sample import Sample, Samples, hold_frame_size, hold_size
from acga_lib.errors import ConfigError, DataError
from acga_lib.files.arrays import hold_foreground, mat_shape, read_mat
from acga_lib.files.lists import (
    hold_file_name,
    read_cues,
    read_json,
    read_sentence,
    read_table,
    whole_number,
)
from acga_lib.files.paths import entries, given_path, subfolders
from acga_lib.files.stills import image_size, read_image

HEADER = ("video_id", "query")
ANNOTATION, FRAMES, MASKS = "jhmdb_annotation.txt", "Rename_Images", "puppet_mask"
MASK_FILE, MASK_KEY = "puppet_mask.mat", "part_mask"
#: What systems put on a disk of its own; nobody's videos, and often locked.
SYSTEM_FOLDERS = ("lost+found", "System Volume Information", "$RECYCLE.BIN")
#: Actions that A2D has too, and what it calls them; a judgement, as the datasets name no pairs.
AS_IN_A2D = {
    "climb_stairs": "climbing", "jump": "jumping", "run": "running", "walk": "walking",
    "stand": "none",
}  # fmt: skip
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
            DataError: the file is missing, forbidden or damaged, of another size than the video,
                holds other than whole numbers, or the frame's mask is empty.
        """
        size = (self.height, self.width)
        if self.frame > masked_frames(self.mask_path, size, self.frame_count):
            raise DataError(f"{self.mask_path}: frame {self.frame} has no mask: fetch it again")
        mask = np.atleast_3d(read_mat(self.mask_path, MASK_KEY))[:, :, self.frame - 1] > 0
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
        QueryError: a sentence without a word, or of too many.
    """

    def __init__(self, *, root: str | Path, split: str, frames: str | Path = UNIFORM) -> None:
        if split != "test":
            raise ConfigError(
                f"J-HMDB Sentences has no split {split!r}: all its videos are test; train on a2d"
            )
        root = given_path(root, "J-HMDB Sentences")
        frozen = None
        if frames != UNIFORM:
            frozen = read_frozen(given_path(frames, "the choice of frames"))
        super().__init__(tuple(_read_samples(root, frozen)), root=root, split=split)


def frame_name(number: int) -> str:
    """The file of frame `number`, counted from 1."""
    return f"{number:05d}.png"


def read_queries(path: Path) -> dict[str, str]:
    """Read `jhmdb_annotation.txt` (header `video_id,query`): video id → sentence, lowercase.

    Raises:
        DataError: missing file or header, malformed row, or two sentences for one video.
        QueryError: a sentence without a word, or of too many.
    """
    queries: dict[str, str] = {}
    for line, (video_id, text) in read_table(path, HEADER):
        if video_id in queries:
            raise DataError(
                f"{path}, line {line}: a second sentence for video {video_id}: delete one"
            )
        queries[video_id] = read_sentence(text, f"{path}, line {line}: video {video_id}")
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
    rows = read_json(path)
    try:
        for video_id, image, *_ in rows:
            hold_file_name(video_id, str(path))
            frames.setdefault(video_id, set()).add(whole_number(Path(image).stem, least=1))
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path}: not MTTR's list of J-HMDB samples ({error}): give the file "
            f'jhmdb_sentences_samples_metadata.json of its repository, or "{UNIFORM}"'
        ) from error
    return {video_id: sorted(numbers) for video_id, numbers in frames.items()}


def _read_samples(root: Path, frozen: dict[str, list[int]] | None) -> Iterator[Sample]:
    queries = read_queries(root / ANNOTATION)
    cues = read_cues(root / "cues.csv")
    actions = action_folders(root / FRAMES, queries)
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
        hold_frame_size(height, width, str(files[0]))
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
                **_told(actions[video_id]) | cues.get((video_id, 0), {}),
            )  # fmt: skip


def _told(action: str) -> dict[str, str]:
    """What the folder of a video's action tells of it."""
    return {"action": action, "novelty": "known" if action in AS_IN_A2D else "new"}


def action_folders(frames: Path, videos: Container[str]) -> dict[str, str]:
    """Id of each of `videos` → the action whose folder holds it; the annotation does not say.

    Raises:
        DataError: no such folder, one that may not be listed, or one video under two actions.
    """
    found: dict[str, str] = {}
    for action in subfolders(frames, "frames"):
        if action.name in SYSTEM_FOLDERS:
            continue
        for video in subfolders(action, "frames"):
            if video.name not in videos:
                continue
            if video.name in found:
                raise DataError(
                    f"{video}: the same video lies under {found[video.name]}: delete one of the two"
                )
            found[video.name] = action.name
    return found


def frame_files(folder: Path) -> tuple[Path, ...]:
    """00001.png, 00002.png, … without a gap; files of other kinds do not matter."""
    files = [path for path in entries(folder, "frames") if path.suffix == ".png"]
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
    """How many of a video's `frames` have a mask: the first ones, sometimes not all.

    Raises:
        DataError: the file is missing, forbidden or damaged, its masks have another size than the
            frames (height, width), or there are too few or far too many.

    Warns where there are more masks than frames.
    """
    shape = mat_shape(path, MASK_KEY)
    hold_size(path, shape[:2], size, said_by="the video's first frame")
    # MATLAB drops the last axis where there is one mask.
    stored = shape[2] if len(shape) == 3 else 1
    masks = min(stored, frames)
    if masks < SCORED or len(shape) > 3:
        raise DataError(
            f"{path}: {masks} of the video's {frames} frames have a mask where {SCORED} are "
            "needed: complete the dataset's download, or delete the video's row"
        )
    if stored > frames:
        told = f"{path}: holds {stored:,} masks for a video of {frames} frames; are frames missing?"
        if stored > 2 * frames:
            raise DataError(f"{told} Fetch both again")
        warnings.warn(told, stacklevel=2)
    return masks
