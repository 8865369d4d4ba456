"""The embedded benchmark: rendered scenes on disk, laid out exactly like A2D Sentences.

Beyond the real layout there are `text_annotations/cues.csv` (what decides each sentence) and
`dataset.json`, which is written last and marks the folder as complete.
"""

import csv
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from acga_lib.datasets.renderer import render
from acga_lib.datasets.scene import Scene, label
from acga_lib.datasets.scenes import sample_scene
from acga_lib.datasets.sentences import Sentence, describe
from acga_lib.datasets.toy_files import write_annotation, write_clip
from acga_lib.datasets.truth import Track, measure
from acga_lib.errors import ConfigError, DataError

#: Raised whenever the same parameters would give other files.
GENERATOR_VERSION = 2
SPLITS = ("train", "test")
#: The annotated frames, as fractions of the clip.
ANNOTATED = (1 / 3, 2 / 3)
ATTEMPTS = 200
TEXTS, MASKS = "text_annotations", "a2d_annotation_with_instances"
#: What a benchmark was generated from, as recorded in `dataset.json`.
Parameters = dict[str, str | int]
ANNOTATION_HEADER = ("video_id", "instance_id", "query")


@dataclass(frozen=True)
class CueRow:
    """One row of `cues.csv`; `x`, `y` are the centroid at the last annotated frame (0 to 1)."""

    video_id: str
    instance_id: int
    cue: str
    actor: str
    action: str
    color: str
    pattern: str
    x: float
    y: float


@dataclass(frozen=True)
class Job:
    """One video to generate into the folder `root`."""

    root: Path
    seed: int
    split: str
    index: int

    @property
    def video_id(self) -> str:
        return f"toy{self.split}{self.index:05d}"


@dataclass(frozen=True)
class VideoText:
    """The rows that one video contributes to the three lists."""

    video: tuple[str | int, ...]
    sentences: tuple[tuple[str, int, str], ...]
    cues: tuple[CueRow, ...]


@dataclass(frozen=True)
class Rendered:
    """A scene that was rendered, measured and described."""

    scene: Scene
    frames: np.ndarray
    masks: np.ndarray
    tracks: tuple[Track, ...]
    sentences: tuple[Sentence, ...]


def generate_a2d_like(
    root: Path,
    *,
    train_videos: int,
    test_videos: int,
    seed: int,
    workers: int = 2,
    progress: bool = True,
) -> None:
    """Write the benchmark under `root`, or return at once if exactly it is already there.

    Everything is first written beside `root` and moved in one step, so `root` is complete or
    absent. Equal parameters give equal annotations and equal decoded frames for any `workers`. A
    script that asks for several workers needs the usual `if __name__ == "__main__":`.

    Raises:
        ConfigError: a negative or zero number of videos or workers.
        DataError: `root` holds something else: other parameters, a damaged copy, foreign files.
    """
    if min(train_videos, test_videos) < 0 or train_videos + test_videos < 1 or workers < 1:
        raise ConfigError(
            f"cannot generate {train_videos} training and {test_videos} test videos with "
            f"{workers} workers: all must be positive"
        )
    root = Path(root).resolve()
    wanted: Parameters = {
        "layout": "a2d", "generator_version": GENERATOR_VERSION, "seed": seed,
        "train_videos": train_videos, "test_videos": test_videos,
    }  # fmt: skip
    if _already_there(root, wanted):
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{root.name}.partial-", dir=root.parent))
    try:
        jobs = [Job(partial, seed, "train", index) for index in range(train_videos)]
        jobs += [Job(partial, seed, "test", index) for index in range(test_videos)]
        _write(partial, jobs, wanted, workers=workers, progress=progress)
        partial.chmod(0o755)
        _move(partial, root, wanted)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def annotated_frames(frames: int) -> list[int]:
    """The 0-based indices of the annotated frames of a clip."""
    return [round(fraction * (frames - 1)) for fraction in ANNOTATED]


def render_scene(*, seed: int, split: str, index: int) -> Rendered:
    """The first attempt at scene `index` whose sentences hold in the rendered pixels.

    Raises:
        DataError: no attempt succeeded, which no seed is known to do.
    """
    for attempt in range(ATTEMPTS):
        draft = sample_scene(seed=seed, split=split, index=index, attempt=attempt)
        frames, masks = render(draft.scene)
        seen = sorted({*range(0, len(frames), 3), len(frames) - 1, *annotated_frames(len(frames))})
        tracks = measure(masks, seen)
        if tracks is None:
            continue
        sentences = describe(draft.scene, tracks, cues=draft.cues, seed=draft.scene.seed)
        if sentences is not None:
            return Rendered(draft.scene, frames, masks, tracks, sentences)
    raise DataError(f"{split} video {index} of seed {seed} failed {ATTEMPTS} times: use another")


def annotations_sha256(root: Path) -> str:
    """SHA-256 over every annotation file of a generated benchmark, names included."""
    texts = root / TEXTS
    lists = [root / "Release" / "videoset.csv", *texts.glob("*.txt"), *texts.glob("*.csv")]
    digest = hashlib.sha256()
    for path in sorted([*lists, *(texts / MASKS).glob("*/*.h5")]):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _already_there(root: Path, wanted: Parameters) -> bool:
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    remedy = "delete the folder or choose another one"
    try:
        found = json.loads((root / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{root}: holds no finished generated benchmark (dataset.json is missing or not "
            f"readable): {remedy}"
        ) from error
    other = {key: found.get(key) for key, value in wanted.items() if found.get(key) != value}
    if other:
        asked = {key: wanted[key] for key in other}
        raise DataError(f"{root}: was generated with {other}, not {asked}: {remedy}")
    if found.get("annotations_sha256") != annotations_sha256(root):
        raise DataError(f"{root}: an annotation file changed since it was generated: {remedy}")
    return True


def _write(
    partial: Path, jobs: list[Job], wanted: Parameters, *, workers: int, progress: bool
) -> None:
    (partial / "Release" / "clips320H").mkdir(parents=True)
    (partial / TEXTS / MASKS).mkdir(parents=True)
    texts = list(tqdm(_results(jobs, workers), total=len(jobs), disable=not progress,
                      desc="rendering videos", unit="video"))  # fmt: skip
    sentences = [row for text in texts for row in text.sentences]
    cues = [row for text in texts for row in text.cues]
    _write_csv(partial / "Release" / "videoset.csv", [text.video for text in texts])
    _write_csv(partial / TEXTS / "a2d_annotation.txt", [ANNOTATION_HEADER, *sentences])
    _write_csv(
        partial / TEXTS / "cues.csv",
        [tuple(CueRow.__dataclass_fields__), *(astuple(row) for row in cues)],
    )
    (partial / TEXTS / "a2d_missed_videos.txt").touch()
    record = wanted | {
        "sentences": len(sentences), "annotations_sha256": annotations_sha256(partial),
    }  # fmt: skip
    (partial / "dataset.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _results(jobs: list[Job], workers: int) -> Iterator[VideoText]:
    """The videos' rows in the order of the jobs, made by `workers` processes."""
    if workers == 1 or len(jobs) == 1:
        yield from map(_make_video, jobs)
        return
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_make_video, jobs)


def _make_video(job: Job) -> VideoText:
    """Render one video, write its clip and masks, and return its rows."""
    made = render_scene(seed=job.seed, split=job.split, index=job.index)
    scene, name = made.scene, job.video_id
    marked = annotated_frames(scene.frames)
    write_clip(job.root / "Release" / "clips320H" / f"{name}.mp4", made.frames)
    folder = job.root / TEXTS / MASKS / name
    folder.mkdir()
    for frame in marked:
        write_annotation(folder / f"{frame + 1:05d}.h5", made.masks[:, frame])
    first = scene.instances[0]
    video = (
        name, label(first.actor, first.action), "0:00:00", "0:00:01", scene.height, scene.width,
        scene.frames, len(marked), SPLITS.index(job.split),
    )  # fmt: skip
    return VideoText(
        video=video,
        sentences=tuple((name, one.instance, one.text) for one in made.sentences),
        cues=tuple(_cue_row(name, made, one, marked[1]) for one in made.sentences),
    )


def _cue_row(name: str, made: Rendered, sentence: Sentence, frame: int) -> CueRow:
    one = made.scene.instances[sentence.instance]
    rows, columns = np.nonzero(made.masks[sentence.instance, frame])
    return CueRow(
        video_id=name, instance_id=sentence.instance, cue=sentence.cue, actor=one.actor,
        action=one.action, color=one.color, pattern=one.pattern,
        x=round((columns.mean() + 0.5) / made.scene.width, 4),
        y=round((rows.mean() + 0.5) / made.scene.height, 4),
    )  # fmt: skip


def _write_csv(path: Path, rows: Iterable[Iterable[str | int | float]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _move(partial: Path, root: Path, wanted: Parameters) -> None:
    """Move the finished folder into place; a twin that was faster wins."""
    try:
        os.replace(partial, root)
    except OSError:
        if not _already_there(root, wanted):
            raise
