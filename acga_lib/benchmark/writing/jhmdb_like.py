"""The J-HMDB-like benchmark: rendered films on disk, laid out exactly like J-HMDB Sentences.

It tests what was trained on the A2D-like videos on people of the same kind in other clothes, places
and cameras, half of them in actions that the videos lack. Beyond the published layout there are
`cues.csv` (what decides each sentence, and whether training knows the action) and `dataset.json`,
which marks the folder as complete.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from acga_lib.benchmark.drawing.jhmdb_camera import shoot
from acga_lib.benchmark.language.jhmdb_captions import caption
from acga_lib.benchmark.world.jhmdb_films import KNOWN, SPLIT, Film, sample_film
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.truth import measure
from acga_lib.benchmark.writing.formats import write_mat
from acga_lib.benchmark.writing.publishing import Parameters, hold_numbers, made, publish, write_csv
from acga_lib.datasets.jhmdb import (
    ANNOTATION,
    FRAMES,
    MASK_FILE,
    MASK_KEY,
    MASKS,
    SCORED,
    frame_name,
    scored_frames,
)
from acga_lib.errors import DataError

#: Raised whenever the same parameters would give other files.
GENERATOR_VERSION = 2
ATTEMPTS = 200
#: How often the last frames have no mask, as in some published clips, and how many at most.
CUT_CHANCE, CUT_MOST = 0.35, 5
#: Of the person meant, at least this share of the most that is ever seen is seen in every frame.
SEEN = 0.5
ANNOTATION_HEADER = ("video_id", "query")
CUES_HEADER = ("video_id", "instance_id", "cue", "actor", "action", "color", "novelty")
#: The files whose hash tells a changed copy.
ANNOTATIONS = (ANNOTATION, "cues.csv", f"{MASKS}/*/*/{MASK_FILE}")


@dataclass(frozen=True)
class Job:
    """One film to generate into the folder `root`."""

    root: Path
    seed: int
    index: int


@dataclass(frozen=True)
class Rendered:
    """A film, its frames [T, H, W, 3], the masks [K, T, H, W] of all people, and its sentence.

    Of the masks, the first `masked` frames of the first person are published.
    """

    film: Film
    frames: np.ndarray
    masks: np.ndarray
    masked: int
    query: str


def generate_jhmdb_like(
    root: Path, *, videos: int, seed: int, workers: int = 2, progress: bool = True
) -> None:
    """Write the benchmark under `root`, or return at once if exactly it is already there.

    Equal parameters give equal files for any `workers`; `root` is complete or absent.

    Raises:
        ConfigError: a negative or zero number of videos or workers.
        DataError: `root` holds something else: other parameters, a damaged copy, foreign files.
    """
    hold_numbers({"videos": videos}, workers)
    wanted: Parameters = {
        "layout": "jhmdb", "generator_version": GENERATOR_VERSION, "seed": seed, "videos": videos,
    }  # fmt: skip

    def fill(folder: Path) -> Parameters:
        jobs = [Job(folder, seed, index) for index in range(videos)]
        rows = made(_make_video, jobs, workers=workers, progress=progress, unit="video")
        write_csv(folder / ANNOTATION, [ANNOTATION_HEADER, *(query for query, _ in rows)])
        write_csv(folder / "cues.csv", [CUES_HEADER, *(cue for _, cue in rows)])
        return {}

    publish(root, wanted, annotations=ANNOTATIONS, fill=fill)


def render_film(*, seed: int, index: int) -> Rendered:
    """The first attempt at film `index` whose sentence holds in the rendered pixels.

    Raises:
        DataError: no attempt succeeded, which no seed is known to do.
    """
    for attempt in range(ATTEMPTS):
        film = sample_film(seed=seed, index=index, attempt=attempt)
        frames, masks = shoot(film)
        masked = _masked(film)
        seen = sorted({*range(0, len(frames), 3), *(n - 1 for n in scored_frames(masked))})
        areas = masks[0].sum((1, 2))
        tracks = measure(masks, seen)
        if tracks is None or areas.min() < SEEN * areas.max():
            continue
        told = caption(film, tracks)
        if told is not None:
            return Rendered(film, frames, masks, masked, told.text)
    raise DataError(f"film {index} of seed {seed} failed {ATTEMPTS} times: use another seed")


def _masked(film: Film) -> int:
    """How many of the film's frames have a mask."""
    random = generator(SPLIT, film.scene.seed, "masked")
    cut = int(random.integers(1, CUT_MOST + 1)) if random.random() < CUT_CHANCE else 0
    return max(SCORED, film.scene.frames - cut)


def _make_video(job: Job) -> tuple[tuple[str, str], tuple[str | int, ...]]:
    """Render one film, write its frames and masks -> its rows of the annotation and of the cues."""
    shown = render_film(seed=job.seed, index=job.index)
    person = shown.film.people[0]
    name = f"toyfilm{job.index:05d}"
    folders = [job.root / kind / person.action / name for kind in (FRAMES, MASKS)]
    for folder in folders:
        folder.mkdir(parents=True)
    for number, frame in enumerate(shown.frames, start=1):
        path = folders[0] / frame_name(number)
        if not cv2.imwrite(str(path), frame[:, :, ::-1]):
            raise DataError(f"{path}: cannot be written: check the disk")
    parts = shown.masks[0, : shown.masked].transpose(1, 2, 0).astype(np.uint8)
    write_mat(folders[1] / MASK_FILE, MASK_KEY, parts)
    novelty = "known" if person.action in KNOWN else "new"
    cues = (name, 0, shown.film.cue, "adult", person.action, person.color, novelty)
    return (name, shown.query), cues
