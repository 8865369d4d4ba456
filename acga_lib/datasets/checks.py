"""Everything that is wrong with a dataset on disk, in one list: what `make check-data` reports.

The readers raise at the first problem; here each file is tried for itself, with the readers' own
functions, and every complaint is kept.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from acga_lib.datasets.a2d import (
    CLIPS,
    MANIFEST,
    MASKS,
    A2DSample,
    annotated_frames,
    open_masks,
)
from acga_lib.datasets.a2d_lists import SPLITS, Video, read_manifest, read_missed, read_sentences
from acga_lib.datasets.jhmdb import (
    ANNOTATION,
    FRAMES,
    SCORED,
    JHMDBSample,
    action_folders,
    frame_files,
    mask_file,
    masked_frames,
    read_queries,
)
from acga_lib.datasets.referit import MASK_KEY, QUERIES, read_lists, region_files
from acga_lib.datasets.sample import hold_size
from acga_lib.errors import DataError, KitError
from acga_lib.files.stills import image_size, mat_shape, read_image

#: A video that only the published annotation names, and the counts that come with it. The samples
#: are those of every peer's list.
A2D_SENTINEL, JHMDB_SENTINEL = "--h5fAKYurM", "100_pullups_pullup_f_nm_np1_fr_med_1"
A2D_COUNTS = {
    "videos in the manifest": 3782, "videos without sentences": 28, "sentences": 6655,
    "train samples": 15747, "test samples": 3800,
}  # fmt: skip
JHMDB_COUNTS = {"sentences": 928, "test samples": 2784}


@dataclass
class Report:
    """What a check found.

    Attributes:
        counts: what there is; `expected`: what the published release has, where this is it.
        problems: kind of file → messages.
        hints: what may be behind them.
    """

    name: str
    root: Path
    progress: bool = True
    counts: dict[str, int] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)

    @contextmanager
    def attempt(self, kind: str) -> Iterator[None]:
        """Run the block; a KitError in it becomes a problem of this kind."""
        try:
            yield
        except KitError as error:
            self.add(kind, str(error))

    def add(self, kind: str, message: str) -> None:
        """Note a problem."""
        self.problems.setdefault(kind, []).append(message)

    def bar(self, items: Collection[str], what: str) -> Iterable[str]:
        """The items, behind a progress bar."""
        return tqdm(items, desc=f"{self.name}, {what}", disable=not self.progress)

    def hold_counts(self) -> None:
        """Every count that differs from the published release is a problem."""
        for what, number in self.expected.items():
            if self.counts.get(what, 0) != number:
                self.add("counts", f"{self.counts.get(what, 0):,} {what} where the published "
                         f"release gives {number:,}")  # fmt: skip


def check_a2d(root: Path, *, decode: bool = False, progress: bool = True) -> Report:
    """A2D Sentences: lists against each other, each mask file's header, each video's frame count.

    decode: also decode every frame of every video and read every mask (an hour rather than a
    minute on the full release).
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
    of_split = dict.fromkeys(SPLITS, 0)
    for video_id in report.bar([name for name in sentences if name not in missed], "videos"):
        if video_id not in videos:
            if videos:
                report.add("lists", f"{MANIFEST}: has no row for the annotated video {video_id!r}")
            continue
        video = videos[video_id]
        _check_clip(report, root / CLIPS / f"{video_id}.mp4", video, decode=decode)
        of_split[video.split] += _check_masks(
            report, texts / MASKS / video_id, video, sentences[video_id], decode=decode
        )
    report.counts = {
        "videos in the manifest": len(videos), "videos without sentences": len(missed),
        "sentences": _raw_rows(sentences, published=A2D_SENTINEL in sentences),
        **{f"{split} samples": count for split, count in of_split.items()},
    }  # fmt: skip
    if A2D_SENTINEL in sentences or A2D_SENTINEL in videos:
        report.expected = A2D_COUNTS
    report.hold_counts()
    return report


def _raw_rows(sentences: dict[str, dict[int, str]], *, published: bool) -> int:
    """Rows of the annotation; the published one has one more, the copied row that is dropped."""
    return sum(map(len, sentences.values())) + published


def _check_clip(report: Report, path: Path, video: Video, *, decode: bool) -> None:
    """The mp4 is there, complete, and of the manifest's size."""
    sample = A2DSample(
        video_id=path.stem, frame=1, instance=0, query="", height=video.height, width=video.width,
        frame_count=video.frame_count, video_path=path, mask_path=path,
    )  # fmt: skip
    with report.attempt("videos"):
        # Even the first frame alone is held against the file's size and its number of pictures.
        _ = sample.video() if decode else sample.read([0])


def _check_masks(
    report: Report, folder: Path, video: Video, queries: dict[int, str], *, decode: bool
) -> int:
    """The HDF5 files of a video's annotated frames -> how many samples they give."""
    paths: list[Path] = []
    with report.attempt("masks"):
        paths = annotated_frames(folder)
    if paths and len(paths) < video.annotated:
        report.add("masks", f"{folder}: holds {len(paths)} annotated frames where {MANIFEST} says "
                   f"{video.annotated}: complete the dataset's download")  # fmt: skip
    samples = 0
    for path in paths:
        with report.attempt("masks"), open_masks(path) as (ids, masks):
            samples += len(queries.keys() & set(ids))
            hold_size(path, masks.shape[:-3:-1], (video.height, video.width), said_by=MANIFEST)
            if not 1 <= int(path.stem) <= video.frame_count:
                raise DataError(f"{path}: the video has {video.frame_count} frames only")
            if decode and not np.any(masks[()]):
                raise DataError(f"{path}: all its masks are empty: fetch it again")
    return samples


def check_jhmdb(root: Path, *, decode: bool = False, progress: bool = True) -> Report:
    """J-HMDB Sentences: every frame's header and every mask file's. decode: read them all."""
    report = Report("J-HMDB Sentences", root, progress)
    queries: dict[str, str] = {}
    actions: dict[str, str] = {}
    with report.attempt("lists"):
        queries = read_queries(root / ANNOTATION)
    with report.attempt("frames"):
        actions = action_folders(root / FRAMES)
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
            sizes.append(image_size(path))
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
        masked_frames(mask_path, sizes[0], len(files))
        if decode:
            sample.mask()
        return SCORED
    return 0


def check_referit(root: Path, *, decode: bool = False, progress: bool = True) -> Report:
    """ReferIt: every image's header, and that each region has a mask of the image's size.

    decode: also decode every image; the masks' sizes are read from their headers.
    """
    report = Report("ReferIt", root, progress)
    sizes: dict[Path, tuple[int, int]] = {}
    for split, name in QUERIES.items():
        path, expressions = root / "data" / name, {}
        with report.attempt("lists"):
            expressions = read_lists(path)
        report.counts[f"{split} samples"] = sum(map(len, expressions.values()))
        for key in report.bar(expressions, split):
            with report.attempt("images"):
                _, _, picture, mask = region_files(root, key, path)
                if picture not in sizes:
                    sizes[picture] = (0, 0)  # a second region of a bad image is no second problem
                    sizes[picture] = (
                        read_image(picture).shape[:2] if decode else image_size(picture)
                    )
                with report.attempt("masks"):
                    shape = mat_shape(mask, MASK_KEY)
                    if sizes[picture] != (0, 0):
                        hold_size(mask, shape, sizes[picture], said_by="its image")
    return report
