"""The embedded benchmark: rendered scenes on disk, laid out exactly like A2D Sentences.

Beyond the real layout there are `dataset.json`, which marks the folder as complete, and in
`text_annotations` what decides each sentence (`cues.csv`), other wordings of the test sentences
(`paraphrases.csv`), and sentences that are true of nobody in a test video (`negatives.csv`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from acga_lib.benchmark.drawing.renderer import render
from acga_lib.benchmark.language.rewording import negatives, paraphrases
from acga_lib.benchmark.language.sentences import Sentence, describe
from acga_lib.benchmark.world.scene import Scene, label
from acga_lib.benchmark.world.truth import Track, measure
from acga_lib.benchmark.writing.formats import FRAME_RATE, write_annotation
from acga_lib.benchmark.writing.publishing import Parameters, hold_numbers, made, publish, write_csv
from acga_lib.benchmark.writing.scenes import sample_scene
from acga_lib.datasets.a2d import CLIPS, MASKS
from acga_lib.datasets.a2d_lists import HEADER, SPLITS
from acga_lib.errors import DataError
from acga_lib.files.mp4 import write_mp4

#: Raised whenever the same parameters would give other files.
GENERATOR_VERSION = 4
#: The annotated frames, as fractions of the clip.
ANNOTATED = (1 / 2,)
ATTEMPTS = 200
TEXTS = "text_annotations"
NEGATIVE_HEADER = ("video_id", "query")
#: `x`, `y` are the centroid at the last annotated frame (0 to 1).
CUES_HEADER = (
    "video_id", "instance_id", "cue", "actor", "action", "color", "pattern", "x", "y"
)  # fmt: skip
#: The files whose hash tells a changed copy.
ANNOTATIONS = (
    "Release/videoset.csv", f"{TEXTS}/*.txt", f"{TEXTS}/*.csv", f"{TEXTS}/{MASKS}/*/*.h5",
)  # fmt: skip


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
    """The rows that one video contributes: one to `videoset.csv`, several to the other lists."""

    row: tuple[str | int, ...]
    sentences: tuple[tuple[str, int, str], ...]
    cues: tuple[tuple[str | int | float, ...], ...]
    paraphrases: tuple[tuple[str, int, str], ...]
    negatives: tuple[tuple[str, str], ...]


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
    hold_numbers({"training videos": train_videos, "test videos": test_videos}, workers)
    wanted: Parameters = {
        "layout": "a2d", "generator_version": GENERATOR_VERSION, "seed": seed,
        "train_videos": train_videos, "test_videos": test_videos,
    }  # fmt: skip
    counts = {"train": train_videos, "test": test_videos}

    def fill(folder: Path) -> Parameters:
        jobs = [
            Job(folder, seed, split, index)
            for split, count in counts.items()
            for index in range(count)
        ]
        return _write(folder, jobs, workers=workers, progress=progress)

    publish(root, wanted, annotations=ANNOTATIONS, fill=fill)


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


def _write(folder: Path, jobs: list[Job], *, workers: int, progress: bool) -> Parameters:
    """Everything but `dataset.json` -> what to record there."""
    (folder / CLIPS).mkdir(parents=True)
    texts = folder / TEXTS
    (texts / MASKS).mkdir(parents=True)
    videos = made(_make_video, jobs, workers=workers, progress=progress, unit="video")
    sentences = [row for video in videos for row in video.sentences]
    cues = [row for video in videos for row in video.cues]
    write_csv(folder / "Release" / "videoset.csv", [video.row for video in videos])
    write_csv(texts / "a2d_annotation.txt", [HEADER, *sentences])
    write_csv(texts / "cues.csv", [CUES_HEADER, *cues])
    write_csv(
        texts / "paraphrases.csv",
        [HEADER, *(row for video in videos for row in video.paraphrases)],
    )
    write_csv(
        texts / "negatives.csv",
        [NEGATIVE_HEADER, *(row for video in videos for row in video.negatives)],
    )
    (texts / "a2d_missed_videos.txt").touch()
    return {"sentences": len(sentences)}


def _make_video(job: Job) -> VideoText:
    """Render one video, write its clip and masks, and return its rows."""
    shown = render_scene(seed=job.seed, split=job.split, index=job.index)
    scene, name = shown.scene, job.video_id
    marked = annotated_frames(scene.frames)
    write_mp4(job.root / CLIPS / f"{name}.mp4", shown.frames, rate=FRAME_RATE)
    folder = job.root / TEXTS / MASKS / name
    folder.mkdir()
    for frame in marked:
        write_annotation(folder / f"{frame + 1:05d}.h5", shown.masks[:, frame])
    first = scene.instances[0]
    row = (
        name, label(first.actor, first.action), "0:00:00", "0:00:01", scene.height, scene.width,
        scene.frames, len(marked), SPLITS.index(job.split),
    )  # fmt: skip
    others, false = _further(name, shown)
    return VideoText(
        row=row,
        sentences=tuple((name, one.instance, one.text) for one in shown.sentences),
        cues=tuple(_cue_row(name, shown, one, marked[-1]) for one in shown.sentences),
        paraphrases=others,
        negatives=false,
    )


def _further(
    name: str, shown: Rendered
) -> tuple[tuple[tuple[str, int, str], ...], tuple[tuple[str, str], ...]]:
    """The rows of `paraphrases.csv` and of `negatives.csv`, which only test videos have."""
    if shown.scene.split != "test":
        return (), ()
    told = shown.scene, shown.tracks
    others = tuple(
        (name, one.instance, text) for one in shown.sentences for text in paraphrases(*told, one)
    )
    return others, tuple((name, text) for text in negatives(*told, shown.sentences))


def _cue_row(
    name: str, shown: Rendered, sentence: Sentence, frame: int
) -> tuple[str | int | float, ...]:
    one = shown.scene.instances[sentence.instance]
    rows, columns = np.nonzero(shown.masks[sentence.instance, frame])
    x, y = (columns.mean() + 0.5) / shown.scene.width, (rows.mean() + 0.5) / shown.scene.height
    looks = one.actor, one.action, one.color, one.pattern
    return name, sentence.instance, sentence.cue, *looks, round(x, 4), round(y, 4)
