"""The text lists of A2D Sentences: `videoset.csv`, `a2d_annotation.txt` and their companions."""

from dataclasses import dataclass
from pathlib import Path

from acga_lib.errors import DataError
from acga_lib.files.lists import (
    hold_file_name,
    read_rows,
    read_sentence,
    read_table,
    read_text,
    shown,
    whole_number,
)
from acga_lib.files.paths import is_there

MANIFEST = "videoset.csv"
#: Meaning of its last column, 0 and 1.
SPLITS = ("train", "test")
HEADER = ("video_id", "instance_id", "query")
#: Frames of one video at most, four hours' worth; those of A2D have a few hundred.
MAX_FRAMES = 500_000
#: A slip in the published file (one row of video T6bNPuKV-wY); every peer drops it.
COPIED_INSTANCE = "1 (copy)"


@dataclass(frozen=True, kw_only=True)
class Video:
    """One row of `videoset.csv`.

    Attributes:
        frame_count: number of frames.
        annotated: number of annotated frames.
        split: "train" or "test".
    """

    frame_count: int
    annotated: int
    split: str


def read_manifest(path: Path) -> dict[str, Video]:
    """Read `videoset.csv` (9 columns, no header): video id → `Video`.

    Raises:
        DataError: missing file, a row that is not nine columns of the right kind, or two rows that
            contradict each other.
    """
    videos: dict[str, Video] = {}
    for line, row in read_rows(path):
        try:
            video_id, _label, _start, _end, _height, _width, frames, annotated, subset = row
            video = Video(
                frame_count=whole_number(frames, least=1, most=MAX_FRAMES),
                annotated=whole_number(annotated),
                split=SPLITS[("0", "1").index(subset.strip())],
            )  # fmt: skip
        except ValueError as error:
            raise DataError(
                f"{path}, line {line}: {shown(row)} is not vid,label,start,end,height,width,frames,"
                f"annotated_frames,subset with subset 0 or 1 ({error}): correct the row"
            ) from error
        hold_file_name(video_id, f"{path}, line {line}")
        if videos.setdefault(video_id, video) != video:
            raise DataError(
                f"{path}, line {line}: a second row for video {video_id} contradicts the first: "
                "delete one"
            )
    return videos


def read_missed(path: Path) -> frozenset[str]:
    """Read `a2d_missed_videos.txt`, an id to leave out per line; none where there is no file."""
    lines = read_text(path).splitlines() if is_there(path) else []
    return frozenset(line.strip() for line in lines) - {""}


def read_sentences(path: Path) -> dict[str, dict[int, str]]:
    """Read `a2d_annotation.txt` (header `video_id,instance_id,query`), in the file's order.

    Returns:
        video id → instance id → sentence, lowercase and stripped, without the copied row.

    Raises:
        DataError: missing file or header, malformed row, or two sentences for one instance.
        QueryError: a sentence without a word, or of too many.
    """
    sentences: dict[str, dict[int, str]] = {}
    for line, (video_id, instance, text) in read_table(path, HEADER):
        if instance == COPIED_INSTANCE:
            continue
        number, query = _sentence(path, line, video_id, instance, text)
        of_video = sentences.setdefault(video_id, {})
        if number in of_video:
            raise DataError(
                f"{path}, line {line}: a second sentence for instance {instance} of video "
                f"{video_id}: delete one"
            )
        of_video[number] = query
    return sentences


def read_paraphrases(path: Path) -> dict[tuple[str, int], tuple[str, ...]]:
    """Read `paraphrases.csv` (header `video_id,instance_id,query`): other wordings of sentences.

    Returns:
        (video id, instance id) → sentences, lowercase and stripped, in the file's order.

    Raises:
        DataError: missing file or header, or malformed row.
        QueryError: a sentence without a word, or of too many.
    """
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for line, (video_id, instance, text) in read_table(path, HEADER):
        number, query = _sentence(path, line, video_id, instance, text)
        found[video_id, number] = (*found.get((video_id, number), ()), query)
    return found


def read_negatives(path: Path) -> dict[str, tuple[str, ...]]:
    """Read `negatives.csv` (header `video_id,query`): sentences true of nobody in the video.

    Returns:
        video id → sentences, lowercase and stripped, in the file's order.

    Raises:
        DataError: missing file or header, or malformed row.
        QueryError: a sentence without a word, or of too many.
    """
    found: dict[str, tuple[str, ...]] = {}
    for line, (video_id, text) in read_table(path, HEADER[::2]):
        query = read_sentence(text, f"{path}, line {line}: video {video_id}")
        found[video_id] = (*found.get(video_id, ()), query)
    return found


def _sentence(path: Path, line: int, video_id: str, instance: str, text: str) -> tuple[int, str]:
    """The instance id and the sentence of a row."""
    try:
        number = whole_number(instance)
    except ValueError as error:
        raise DataError(
            f"{path}, line {line}: {shown(instance)} is not an instance id of video {video_id} "
            f"({error}): correct the row"
        ) from error
    return number, read_sentence(text, f"{path}, line {line}: instance {number} of {video_id}")
