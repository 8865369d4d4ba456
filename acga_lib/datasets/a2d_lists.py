"""The text lists of A2D Sentences: `videoset.csv`, `a2d_annotation.txt` and their companions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from acga_lib.errors import DataError, QueryError
from acga_lib.files.lists import read_rows, read_text

#: Meaning of the last column of `videoset.csv`, 0 and 1.
SPLITS = ("train", "test")
#: A slip in the published file (one row of video T6bNPuKV-wY); every peer drops it.
COPIED_INSTANCE = "1 (copy)"


@dataclass(frozen=True, kw_only=True)
class Video:
    """One row of `videoset.csv`.

    Attributes:
        height, width: frame size, pixels.
        frame_count: number of frames.
        annotated: number of annotated frames.
        split: "train" or "test".
    """

    height: int
    width: int
    frame_count: int
    annotated: int
    split: str


def read_manifest(path: Path) -> dict[str, Video]:
    """Read `videoset.csv` (9 columns, no header): video id → `Video`.

    Raises:
        DataError: missing file, or a row that is not nine columns of the right kind.
    """
    videos = {}
    for line, row in read_rows(path):
        try:
            video_id, _label, _start, _end, *numbers, subset = row
            height, width, frame_count, annotated = (int(number) for number in numbers)
            split = SPLITS[("0", "1").index(subset.strip())]
        except ValueError as error:
            raise DataError(
                f"{path}, line {line}: {row} is not vid,label,start,end,height,width,frames,"
                f"annotated_frames,subset with subset 0 or 1 ({error}): correct the row"
            ) from error
        videos[video_id] = Video(
            height=height, width=width, frame_count=frame_count, annotated=annotated, split=split
        )
    return videos


def read_missed(path: Path) -> frozenset[str]:
    """Read `a2d_missed_videos.txt`, the ids to leave out; none where there is no such file."""
    return frozenset(read_text(path).split()) if path.is_file() else frozenset()


def read_sentences(path: Path) -> dict[str, dict[int, str]]:
    """Read `a2d_annotation.txt` (header `video_id,instance_id,query`), in the file's order.

    Returns:
        video id → instance id → sentence, lowercase and stripped, without the copied row.

    Raises:
        DataError: missing file, malformed row, or two sentences for one instance.
        QueryError: an empty sentence.
    """
    sentences: dict[str, dict[int, str]] = {}
    for line, row in read_rows(path)[1:]:
        if len(row) != 3 or not (row[1].isdecimal() or row[1] == COPIED_INSTANCE):
            raise DataError(
                f"{path}, line {line}: {row} is not video_id,instance_id,query: correct the row"
            )
        video_id, instance, query = row[0], row[1], row[2].strip().lower()
        if not query:
            raise QueryError(
                f"{path}, line {line}: instance {instance} of video {video_id} has an empty "
                "sentence: write one or delete the row"
            )
        if instance == COPIED_INSTANCE:
            continue
        of_video = sentences.setdefault(video_id, {})
        if int(instance) in of_video:
            raise DataError(
                f"{path}, line {line}: a second sentence for instance {instance} of video "
                f"{video_id}: delete one"
            )
        of_video[int(instance)] = query
    return sentences


def read_paraphrases(path: Path) -> dict[tuple[str, int], tuple[str, ...]]:
    """Read `paraphrases.csv` (header `video_id,instance_id,query`): other wordings of sentences.

    Returns:
        (video id, instance id) → sentences, lowercase and stripped, in the file's order.

    Raises:
        DataError: missing file or malformed row.
        QueryError: an empty sentence.
    """
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for line, (video_id, instance, query) in _sentence_rows(path, 3):
        if not instance.isdecimal():
            raise DataError(f"{path}, line {line}: {instance!r} is not an instance id: correct it")
        key = video_id, int(instance)
        found[key] = (*found.get(key, ()), query)
    return found


def read_negatives(path: Path) -> dict[str, tuple[str, ...]]:
    """Read `negatives.csv` (header `video_id,query`): sentences true of nobody in the video.

    Returns:
        video id → sentences, lowercase and stripped, in the file's order.

    Raises:
        DataError: missing file or malformed row.
        QueryError: an empty sentence.
    """
    found: dict[str, tuple[str, ...]] = {}
    for _, (video_id, query) in _sentence_rows(path, 2):
        found[video_id] = (*found.get(video_id, ()), query)
    return found


def _sentence_rows(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    """Rows of so many columns after the header, the last one a sentence, with line numbers."""
    (_, header), *rows = read_rows(path)
    for line, row in rows:
        if len(row) != columns:
            raise DataError(f"{path}, line {line}: {row} is not {','.join(header)}: correct it")
        query = row[-1].strip().lower()
        if not query:
            raise QueryError(f"{path}, line {line}: an empty sentence: write one or delete the row")
        yield line, [*row[:-1], query]
