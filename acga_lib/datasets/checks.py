"""Everything that is wrong with a dataset on disk, in one list: what `make check-data` reports.

The readers raise at the first problem; here each file is tried for itself, with the readers' own
functions, and every complaint is kept.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from acga_lib.datasets.a2d import CLIPS, MASKS
from acga_lib.datasets.a2d_lists import (
    MANIFEST,
    SPLITS,
    Video,
    read_manifest,
    read_missed,
    read_negatives,
    read_paraphrases,
    read_sentences,
)
from acga_lib.datasets.a2d_masks import annotated_frames, check_masks, read_frame
from acga_lib.datasets.findings import Report
from acga_lib.datasets.jhmdb import (
    ANNOTATION,
    FRAMES,
    MASK_KEY,
    SCORED,
    JHMDBSample,
    action_folders,
    frame_files,
    mask_file,
    masked_frames,
    masked_size,
    read_queries,
    scored_frames,
)
from acga_lib.datasets.referit import (
    CUES,
    QUERIES,
    ReferItSample,
    cues_of,
    read_expression,
    read_lists,
    region_files,
)
from acga_lib.datasets.referit import MASK_KEY as REGION_KEY
from acga_lib.datasets.sample import hold_frame_size, hold_size
from acga_lib.errors import DataError
from acga_lib.files.arrays import hold_foreground, mat_shape, read_mat
from acga_lib.files.lists import read_cues
from acga_lib.files.paths import is_there
from acga_lib.files.stills import image_size, read_image
from acga_lib.files.video import read_clip, read_frames

#: A video that only the published annotation names, and the counts that come with it. The samples
#: are those of every peer's list.
A2D_SENTINEL, JHMDB_SENTINEL = "--h5fAKYurM", "100_pullups_pullup_f_nm_np1_fr_med_1"
A2D_COUNTS = {
    "videos in the manifest": 3782, "videos without sentences": 28, "sentences": 6655,
    "train samples": 15747, "test samples": 3800,
}  # fmt: skip
JHMDB_COUNTS = {"sentences": 928, "test samples": 2784}


def check_a2d(root: Path, *, decode: bool = False, progress: bool = True) -> Report:
    """A2D Sentences: lists against each other, every mask, each video's frame count.

    decode: also decode every frame of every video (an hour rather than minutes on the full
    release).
    """
    report = Report("A2D Sentences", root, progress)
    texts = root / "text_annotations"
    videos: dict[str, Video] = {}
    sentences: dict[str, dict[int, str]] = {}
    missed: frozenset[str] = frozenset()
    with report.attempt("lists"):
        videos = read_manifest(root / "Release" / MANIFEST)
    with report.attempt("lists"):
        sentences = read_sentences(texts / "a2d_annotation.txt")
    with report.attempt("lists"):
        missed = read_missed(texts / "a2d_missed_videos.txt")
    _check_companions(report, texts)
    of_split = dict.fromkeys(SPLITS, 0)
    for video_id in report.bar([name for name in sentences if name not in missed], "videos"):
        if video_id not in videos:
            if videos:
                report.add("lists", f"{MANIFEST}: has no row for the annotated video {video_id!r}")
            continue
        video = videos[video_id]
        folder = texts / MASKS / video_id
        count, size = _check_masks(report, folder, video, sentences[video_id])
        of_split[video.split] += count
        _check_clip(
            report, root / CLIPS / f"{video_id}.mp4", video, folder, size, decode=decode
        )  # fmt: skip
    report.counts = {
        "videos in the manifest": len(videos), "videos without sentences": len(missed),
        # The published annotation has one more, the copied row that is dropped.
        "sentences": sum(map(len, sentences.values())) + (A2D_SENTINEL in sentences),
        **{f"{split} samples": count for split, count in of_split.items()},
    }  # fmt: skip
    if A2D_SENTINEL in sentences or A2D_SENTINEL in videos:
        report.expected = A2D_COUNTS
    report.hold_counts()
    return report


def _check_companions(report: Report, texts: Path) -> None:
    """The lists that an annotation may have beside it, and that the readers use where it does."""
    with report.attempt("lists"):
        read_cues(texts / "cues.csv")
    for reader, name in ((read_paraphrases, "paraphrases.csv"), (read_negatives, "negatives.csv")):
        with report.attempt("lists"):
            if is_there(texts / name):
                reader(texts / name)


def _check_masks(
    report: Report, folder: Path, video: Video, queries: dict[int, str]
) -> tuple[int, tuple[int, int] | None]:
    """The HDF5 files of a video's annotated frames -> how many samples they give, the masks' size.

    The size is None where no mask can be read.
    """
    paths: list[Path] = []
    with report.attempt("masks"):
        paths = annotated_frames(folder)
    if paths and len(paths) < video.annotated:
        report.add("masks", f"{folder}: holds {len(paths)} annotated frames where {MANIFEST} says "
                   f"{video.annotated}: complete the dataset's download")  # fmt: skip
    found: list[list[int]] = []
    sizes: list[tuple[int, int]] = []
    for path in paths:
        with report.attempt("masks"):
            ids, size = read_frame(path)
            found.append(ids)
            check_masks(path)
            sizes.append(size)
            hold_size(path, size, sizes[0], said_by="an earlier frame of the video")
            if not 1 <= int(path.stem) <= video.frame_count:
                raise DataError(f"{path}: the video has {video.frame_count} frames only")
    lost = queries.keys() - set().union(*found)
    if paths and len(found) == len(paths) and lost:
        report.add("masks", f"{folder}: no frame shows instance {min(lost)}, which has a sentence: "
                   "correct its id in a2d_annotation.txt, or complete the masks")  # fmt: skip
    return sum(len(queries.keys() & set(ids)) for ids in found), sizes[0] if sizes else None


def _check_clip(
    report: Report, path: Path, video: Video, masks: Path, size: tuple[int, int] | None, *,
    decode: bool,
) -> None:  # fmt: skip
    """The mp4 is there, complete, and of the size of its masks, which lie in the folder `masks`."""
    with report.attempt("videos"):
        # Even the first frame alone is held against the file's size and its number of pictures.
        read = read_frames if decode else partial(read_clip, indices=[0])
        pixels = read(path, expected=video.frame_count, size=size)
        if size is not None:
            hold_size(path, pixels.shape[1:3], size, said_by=str(masks))


def check_jhmdb(root: Path, *, decode: bool = False, progress: bool = True) -> Report:
    """J-HMDB Sentences: every frame's header and every mask. decode: also decode every frame."""
    report = Report("J-HMDB Sentences", root, progress)
    queries: dict[str, str] = {}
    actions: dict[str, str] = {}
    with report.attempt("lists"):
        queries = read_queries(root / ANNOTATION)
    with report.attempt("frames"):
        actions = action_folders(root / FRAMES, queries)
    with report.attempt("lists"):
        read_cues(root / "cues.csv")
    samples = 0
    for video_id in report.bar(list(queries), "videos"):
        if video_id in actions:
            samples += _check_jhmdb_video(report, root, actions[video_id], video_id, decode=decode)
        elif actions:
            report.add("frames", f"{root / FRAMES}: no action folder holds {video_id!r}")
    report.counts = {"sentences": len(queries), "test samples": samples}
    if JHMDB_SENTINEL in queries:
        report.expected = JHMDB_COUNTS
    report.hold_counts()
    return report


def _check_jhmdb_video(
    report: Report, root: Path, action: str, video_id: str, *, decode: bool
) -> int:
    """The frames and the masks of one video -> how many samples they give."""
    files: tuple[Path, ...] = ()
    folder, mask_path = root / FRAMES / action / video_id, mask_file(root, action, video_id)
    with report.attempt("frames"):
        files = frame_files(folder)
    sizes = []
    for path in files:
        with report.attempt("frames"):
            sizes.append(image_size(path, partial(masked_size, mask_path)))
            hold_frame_size(*sizes[-1], str(path))
            hold_size(path, sizes[-1], sizes[0], said_by="the video's first frame")
    if not sizes:
        if not mask_path.is_file():
            report.add("masks", f"{mask_path}: no such MATLAB file")
        return 0
    sample = JHMDBSample(
        video_id=video_id, frame=1, instance=0, query="", height=sizes[0][0], width=sizes[0][1],
        frame_count=len(files), video_path=folder, mask_path=mask_path,
    )  # fmt: skip
    if decode:
        with report.attempt("frames"):
            sample.video()
    with report.attempt("masks"):
        masks = masked_frames(mask_path, sizes[0], len(files))
        parts = np.atleast_3d(read_mat(mask_path, MASK_KEY))
        if parts.shape[2] > len(files):
            report.add("masks", f"{mask_path}: holds {parts.shape[2]} masks for {len(files)} "
                       f"frames: complete {folder}")  # fmt: skip
        for frame in scored_frames(masks):
            hold_foreground(parts[:, :, frame - 1] > 0, mask_path, f"frame {frame}")
        return SCORED
    return 0


def check_referit(root: Path, *, decode: bool = False, progress: bool = True) -> Report:
    """ReferIt: every expression, every image's header, each region's mask against its image.

    decode: also decode every image.
    """
    report = Report("ReferIt", root, progress)
    sizes: dict[Path, tuple[int, int]] = {}
    for split, name in QUERIES.items():
        path = root / "data" / name
        expressions: dict[str, list[Any]] = {}
        cues: dict[str, list[Any]] = {}
        with report.attempt("lists"):
            expressions = read_lists(path)
        with report.attempt("lists"):
            cues = read_lists(path.with_name(CUES), optional=True)
        report.counts[f"{split} samples"] = 0
        for key in report.bar(expressions, split):
            with report.attempt("lists"):
                cues_of(key, cues, len(expressions[key]), path.with_name(CUES))
                report.counts[f"{split} samples"] += sum(
                    read_expression(text, key, path) != "" for text in expressions[key]
                )
            with report.attempt("images"):
                image, region, picture, mask = region_files(root, key, path)
                if picture not in sizes:
                    sizes[picture] = (0, 0)  # a second region of a bad image is no second problem
                    sizes[picture] = _picture_size(picture, mask, decode=decode)
                if sizes[picture] == (0, 0):
                    continue
                height, width = sizes[picture]
                with report.attempt("masks"):
                    ReferItSample(
                        video_id=image, frame=1, instance=region, query="", height=height,
                        width=width, frame_count=1, video_path=picture, mask_path=mask,
                    ).mask()  # fmt: skip
    report.hold_counts()
    return report


def _picture_size(path: Path, mask: Path, *, decode: bool) -> tuple[int, int]:
    """(height, width) of an image, from its header or from all of it."""
    size = image_size(path, partial(mat_shape, mask, REGION_KEY))
    hold_frame_size(*size, str(path))
    return read_image(path, size).shape[:2] if decode else size
