"""A video with the answer to a sentence drawn into it: `python -m acga_lib segment`."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from acga_lib.errors import ConfigError, StorageError
from acga_lib.files.footage import Showing, in_turn, showing
from acga_lib.files.mp4 import write_mp4
from acga_lib.files.storage import replacing, write_bytes
from acga_lib.segmenter import Segmenter, overlay


def write_overlay(
    segmenter: Segmenter, video: str, query: str, out: Path, *, every: int = 8,
    masks: Path | None = None, progress: bool = True,
) -> int:  # fmt: skip
    """Segment what `query` means throughout a video; write it as H.264 in MP4, without sound.

    Args:
        segmenter: a trained run.
        video: a file, or a folder of JPEG or PNG frames.
        query: the sentence.
        out: the file, written whole or, on any error, left as it was.
        every: the first frame and every `every`-th after it are segmented; the frames in between
            keep the mask.
        masks: a folder for the masks as PNG, white on black, named by their frames from 1.
        progress: show a bar where there is a terminal.

    Returns:
        the number of frames.

    Raises:
        DataError for an unreadable video, QueryError as `Segmenter.segment`, ConfigError for an
        impossible value, StorageError where something cannot be written.
    """
    if every < 1:
        raise ConfigError(f"every must be a whole number from 1, not {every}")
    if out.suffix.lower() != ".mp4":
        raise ConfigError(f"{out}: the video is written as MP4: choose a name that ends in .mp4")
    segmenter.encode(query)  # before the work on the video
    shown = showing(video)
    if _is_same(out, shown.path):
        raise ConfigError(f"{out}: is the video itself and would be lost: choose another name")
    if masks is not None and _is_same(masks, shown.path):
        raise ConfigError(f"{masks}: holds the frames, which masks would replace: choose another")
    if masks is not None and any(masks.glob("*.png")):
        raise ConfigError(f"{masks}: holds pictures already, and masks would stand among them: "
                          "choose another folder, or empty it")  # fmt: skip
    with replacing(out, "a video") as temporary:
        drawn = _drawn(segmenter, shown, query, every=every, masks=masks, progress=progress)
        return write_mp4(temporary, drawn, rate=shown.rate)


def _is_same(path: Path, other: Path) -> bool:
    """Whether a path to write to is the one to read. Raises StorageError where none can say."""
    try:
        return path.exists() and path.samefile(other)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error}): choose another") from error


def _drawn(
    segmenter: Segmenter, shown: Showing, query: str, *, every: int, masks: Path | None,
    progress: bool,
) -> Iterator[NDArray[np.uint8]]:  # fmt: skip
    """Each frame with its mask in colour; the masks are written on the way."""
    before, after = segmenter.reach
    off = None if progress else True  # None: only where there is no terminal
    frames = tqdm(shown.frames, total=shown.count, unit="frame", disable=off)
    turns = in_turn(frames, every=every, before=before, after=after)
    for number, (frame, found) in enumerate(turns, start=1):
        if found is not None:
            mask = segmenter.clip(found.frames, found.position + 1).segment(query).mask
            if masks is not None:
                _write_png(masks / f"{number:05d}.png", mask)
        yield overlay(frame, mask)


def _write_png(path: Path, mask: NDArray[np.bool_]) -> None:
    """A mask [H, W], white on black."""
    coded = BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(coded, format="PNG")
    write_bytes(path, coded.getvalue(), "a mask")
