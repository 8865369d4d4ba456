"""The ReferIt-like benchmark: rendered still images on disk, laid out as Hu et al. 2016 did.

The actors of the embedded benchmark in scenes of their own, with terse expressions that never say
what anybody does. Beyond the published layout there are `data/cues.json` (what decides each
expression) and `dataset.json`, which marks the folder as complete.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from acga_lib.benchmark.drawing.renderer import render
from acga_lib.benchmark.language.sentences import Sentence, describe, draft
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.scene import Scene
from acga_lib.benchmark.world.truth import Track, measure
from acga_lib.benchmark.writing.formats import write_mat
from acga_lib.benchmark.writing.publishing import Parameters, hold_numbers, made, publish
from acga_lib.benchmark.writing.scenes import Draft, sample_scene
from acga_lib.datasets.referit import CUES, MASK_KEY, QUERIES
from acga_lib.errors import DataError

#: Raised whenever the same parameters would give other files.
GENERATOR_VERSION = 1
ATTEMPTS = 200
#: JPEG quality of the images.
QUALITY = 92
#: Most expressions of one instance, and how many wordings are tried for each further one.
EXPRESSIONS, TRIES = 3, 12
#: What may decide a further expression; relations can so least often.
FURTHER_CUES = ("actor", "attribute", "place", "relation", "relation")
#: The files whose hash tells a changed copy.
ANNOTATIONS = ("data/*.json", "referit-dataset/mask/*.mat")


@dataclass(frozen=True)
class Job:
    """One image to generate into the folder `root`."""

    root: Path
    seed: int
    split: str
    index: int

    @property
    def image(self) -> str:
        return f"{self.split}{self.index:05d}"


@dataclass(frozen=True)
class Rendered:
    """A picture, uint8 [H, W, 3], the masks of its instances, bool [K, H, W], and its sentences."""

    scene: Scene
    picture: np.ndarray
    masks: np.ndarray
    sentences: tuple[tuple[Sentence, ...], ...]


@dataclass(frozen=True)
class ImageText:
    """What one image contributes to the lists: by region, its expressions and their cues."""

    split: str
    expressions: dict[str, list[str]]
    cues: dict[str, list[dict[str, str]]]


def generate_referit_like(
    root: Path,
    *,
    train_images: int,
    test_images: int,
    seed: int,
    workers: int = 2,
    progress: bool = True,
) -> None:
    """Write the benchmark under `root`, or return at once if exactly it is already there.

    Equal parameters give equal files for any `workers`; `root` is complete or absent.

    Raises:
        ConfigError: a negative or zero number of images or workers.
        DataError: `root` holds something else: other parameters, a damaged copy, foreign files.
    """
    counts = {"train": train_images, "test": test_images}
    hold_numbers({f"{split} images": count for split, count in counts.items()}, workers)
    wanted: Parameters = {
        "layout": "referit", "generator_version": GENERATOR_VERSION, "seed": seed,
        "train_images": train_images, "test_images": test_images,
    }  # fmt: skip

    def fill(folder: Path) -> Parameters:
        for name in ("images", "mask"):
            (folder / "referit-dataset" / name).mkdir(parents=True)
        jobs = [
            Job(folder, seed, split, n) for split, count in counts.items() for n in range(count)
        ]
        texts = made(_make_image, jobs, workers=workers, progress=progress, unit="image")
        return _write_lists(folder / "data", texts)

    publish(root, wanted, annotations=ANNOTATIONS, fill=fill)


def render_image(*, seed: int, split: str, index: int) -> Rendered:
    """The first attempt at image `index` whose expressions hold in the rendered pixels.

    Raises:
        DataError: no attempt succeeded, which no seed is known to do.
    """
    for attempt in range(ATTEMPTS):
        plan = sample_scene(seed=seed, split=f"referit-{split}", index=index, attempt=attempt)
        frames, masks = render(plan.scene)
        tracks = measure(masks, [0])
        if tracks is None:
            continue
        first = describe(plan.scene, tracks, cues=plan.cues, seed=plan.scene.seed)
        if first is not None:
            sentences = tuple(_with_further(plan, tracks, one) for one in first)
            return Rendered(plan.scene, frames[0], masks[:, 0], sentences)
    raise DataError(f"{split} image {index} of seed {seed} failed {ATTEMPTS} times: use another")


def _with_further(
    plan: Draft, tracks: tuple[Track, ...], first: Sentence
) -> tuple[Sentence, ...]:  # fmt: skip
    """One to three expressions of an instance, the further ones decided by any cue that can."""
    scene, index = plan.scene, first.instance
    random = generator(scene.split, scene.seed, "expressions", index)
    wanted = int(random.integers(1, EXPRESSIONS + 1))
    found = {first.text.lower(): first}
    for _ in range(TRIES * (wanted - 1)):
        cue = FURTHER_CUES[int(random.integers(len(FURTHER_CUES)))]
        other = draft(scene, tracks, index, cue, random)
        if other is not None and len(found) < wanted:
            found.setdefault(other.text.lower(), other)
    return tuple(found.values())


def _make_image(job: Job) -> ImageText:
    """Render one image, write it and its masks, and return its expressions."""
    shown = render_image(seed=job.seed, split=job.split, index=job.index)
    folder = job.root / "referit-dataset"
    Image.fromarray(shown.picture).save(folder / "images" / f"{job.image}.jpg", quality=QUALITY)
    expressions, cues = {}, {}
    for number, (mask, sentences) in enumerate(zip(shown.masks, shown.sentences, strict=True), 1):
        key = f"{job.image}_{number}"
        write_mat(folder / "mask" / f"{key}.mat", MASK_KEY, (~mask).astype(np.uint8))
        one = shown.scene.instances[number - 1]
        expressions[key] = [sentence.text.lower() for sentence in sentences]
        cues[key] = [
            {"cue": sentence.cue, "actor": one.actor, "color": one.color} for sentence in sentences
        ]
    return ImageText(job.split, expressions, cues)


def _write_lists(folder: Path, texts: list[ImageText]) -> Parameters:
    """The expressions of both splits and the cues -> what to record in `dataset.json`."""
    folder.mkdir()
    lists: dict[str, dict] = {name: {} for name in (*QUERIES.values(), CUES)}
    for text in texts:
        lists[QUERIES[text.split]] |= text.expressions
        lists[CUES] |= text.cues
    for name, content in lists.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return {"expressions": sum(len(cues) for cues in lists[CUES].values())}
