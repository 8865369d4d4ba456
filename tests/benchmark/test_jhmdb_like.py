"""The J-HMDB-like benchmark: sentences that fit one person, files as published, its own look."""

import csv
import json
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from acga_lib.benchmark.drawing import jhmdb_camera, renderer
from acga_lib.benchmark.language import jhmdb_captions as captions
from acga_lib.benchmark.world.jhmdb_films import HEIGHT, KNOWN, NEW, WIDTH, Film, sample_film
from acga_lib.benchmark.world.jhmdb_moves import MOVES, stance
from acga_lib.benchmark.world.scene import ACTIONS_OF, COLORS
from acga_lib.benchmark.writing.jhmdb_like import generate_jhmdb_like, render_film
from acga_lib.datasets import open_dataset
from acga_lib.datasets.jhmdb import AS_IN_A2D, scored_frames
from acga_lib.errors import ConfigError, DataError
from acga_lib.text import WordVectors

VIDEOS, SEED = 8, 2
#: Words of a sentence that only these actions allow; written down once more for the test.
SAID = {
    "clap": "clapping", "climb_stairs": "climbing", "jump": "jumping hopping",
    "kick_ball": "kicking", "pick": "picking", "pullup": "pull pulling", "push": "pushing",
    "run": "running jogging", "swing_baseball": "baseball", "throw": "throwing",
    "walk": "walking", "wave": "waving",
}  # fmt: skip
SEXES = {"man": "man guy boy his", "woman": "woman lady girl her"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films") / "jhmdb"
    generate_jhmdb_like(folder, videos=VIDEOS, seed=SEED, workers=1, progress=False)
    return folder


def could_mean(query: str, person, x: float) -> bool:
    """Whether a reader could take `query` to mean this person, whose middle is at `x` (0 to 1)."""
    words = query.split()
    actions = {a for a, said in SAID.items() if set(said.split()) & set(words)}
    sexes = {s for s, said in SEXES.items() if set(said.split()) & set(words)}
    sides = {"left": x < 0.45, "right": x > 0.55}
    upper = [word for word in words if word in COLORS][:1]  # the second one is of the trousers
    return (
        actions == {person.action}
        and sexes <= {person.actor}
        and upper in ([], [person.color])
        and all(sides[side] for side in sides if side in words)
    )


def test_every_sentence_could_mean_the_person_with_the_mask_and_nobody_else(root: Path) -> None:
    bystanders = 0
    for index in range(VIDEOS):
        shown = render_film(seed=SEED, index=index)
        xs = [np.nonzero(masks)[2].mean() / masks.shape[2] for masks in shown.masks]
        found = [
            number
            for number, (person, x) in enumerate(zip(shown.film.people, xs, strict=True))
            if could_mean(shown.query, person, x)
        ]
        assert found == [0], (shown.query, shown.film.people)
        bystanders += len(xs) - 1
    assert 0 < bystanders < VIDEOS


def test_the_files_are_read_as_published_and_some_clips_have_fewer_masks(root: Path) -> None:
    dataset = open_dataset("jhmdb", root=root, split="test")
    dataset.check()
    assert len(dataset) == 3 * VIDEOS
    missing = []
    for first, second, third in zip(*(dataset[part::3] for part in range(3)), strict=True):
        masks = loadmat(first.mask_path)["part_mask"].shape[2]
        assert [s.frame for s in (first, second, third)] == scored_frames(masks)
        assert (first.width, first.height) == (WIDTH, HEIGHT) and 15 <= first.frame_count <= 32
        missing.append(first.frame_count - masks)
        assert all(0.04 < s.mask().mean() < 0.4 for s in (first, second, third))
    assert min(missing) == 0 < max(missing) <= 5


def test_cues_actions_and_places_are_spread_and_every_second_film_shows_a_known_action() -> None:
    films = [sample_film(seed=0, index=index) for index in range(60)]
    counts = Counter(film.cue for film in films)
    assert set(counts) == {"actor", "action", "attribute", "place"} and min(counts.values()) >= 6
    assert {film.people[0].action for film in films} == {*KNOWN, *NEW}
    assert len({film.scene.background for film in films}) == 5
    kinds = [film.people[0].action in KNOWN for film in films]
    assert all(one != two for one, two in pairwise(kinds))
    both = {film.cue for film, known in zip(films, kinds, strict=True) if known}
    assert both == set(counts), "each cue comes with known actions too"


def test_training_knows_exactly_the_known_actions() -> None:
    assert {AS_IN_A2D[action] for action in KNOWN} <= set(ACTIONS_OF["adult"])
    assert not {*NEW} & {*AS_IN_A2D} and len(NEW) == 8


def test_of_two_people_who_do_different_things_one_does_something_known() -> None:
    films = [sample_film(seed=3, index=index) for index in range(80)]
    pairs = [{p.action for p in film.people} for film in films if film.cue == "action"]
    assert len(pairs) >= 20 and all(len(pair) == 2 and pair & {*KNOWN} for pair in pairs)
    assert any(pair & {*NEW} for pair in pairs)


def somebody_who(action: str) -> Film:
    """Somebody alone, small enough to stay in sight, in a film that differs by the action alone."""
    films = (sample_film(seed=5, index=index) for index in range(40))
    film = next(one for one in films if one.cue == "actor")
    person = replace(film.people[0], action=action, size=0.5, y=0.55, x=0.5)
    return Film(replace(film.scene, instances=(person,), frames=12), (person,), film.cue)


def as_in_training(action: str) -> np.ndarray:
    """Masks [T, H, W] of the same person as the A2D-like set draws an adult."""
    scene = somebody_who(action).scene
    (person,) = scene.instances
    adult = replace(person, actor="adult", action=AS_IN_A2D[action])
    return renderer.render(replace(scene, instances=(adult,), background="grass"))[1][0]


@pytest.mark.parametrize("action", KNOWN)
def test_a_known_action_moves_as_trainings_does(
    action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all known actions, the same one of the A2D-like set covers the film's person frame by
    frame, but for the build."""
    monkeypatch.setattr(renderer, "OCCLUDER_CHANCE", -1.0)
    monkeypatch.setattr(jhmdb_camera, "FREE_HAND", renderer.STEADY_HAND)
    (mask,) = jhmdb_camera.shoot(somebody_who(action))[1]
    overlaps = {}
    for other in KNOWN:
        theirs = as_in_training(other)
        overlaps[other] = ((mask & theirs).sum((1, 2)) / (mask | theirs).sum((1, 2))).min()
    assert overlaps.pop(action) > 0.85 > 0.75 > max(overlaps.values())


def test_no_still_frame_tells_the_known_actions_apart() -> None:
    middles = [jhmdb_camera.shoot(somebody_who(action))[0][6] for action in KNOWN]
    assert all(np.array_equal(middles[0], other) for other in middles[1:])


def test_the_sentence_decides_between_two_people_that_differ_in_its_cue_alone() -> None:
    differ = {"action": ["action"], "attribute": ["color"], "place": []}
    for index in range(40):
        film = sample_film(seed=1, index=index)
        if film.cue == "actor":
            assert len(film.people) == 1
            continue
        one, two = film.people
        fields = ("actor", "action", "color", "lower")
        assert [f for f in fields if getattr(one, f) != getattr(two, f)] == differ[film.cue]


def test_every_word_that_can_be_said_has_a_vector() -> None:
    vectors = WordVectors.load()
    tables = (captions.NOUNS, captions.VERBS, captions.GROUNDS)
    phrases = [phrase for table in tables for options in table.values() for phrase in options]
    phrases += [*captions.LOOKS, *captions.PLACE_PHRASES, *captions.POSSESSIVES.values(), *COLORS]
    phrases += [*captions.TEMPLATES, *captions.PLACE_TEMPLATES, *captions.PLACES]
    words = set(re.sub(r"\{\w+\}", "", " ".join(phrases)).split())
    assert len(words) > 60 and [word for word in words if word not in vectors] == []


@pytest.mark.parametrize("action", MOVES)
def test_a_new_move_is_smooth_and_closes(action: str) -> None:
    turns = np.linspace(0, 1, 200)
    table = np.array([list(vars(stance(action, float(turn))).values()) for turn in turns])
    steps = (np.diff(table, axis=0) + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(steps).max() < 0.15 and np.abs(steps).max() > 0


def test_equal_parameters_give_equal_bytes_and_others_are_refused(
    root: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    generate_jhmdb_like(again, videos=VIDEOS, seed=SEED, workers=1, progress=False)
    files = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    assert files == {path.relative_to(again) for path in again.rglob("*") if path.is_file()}
    assert all((root / file).read_bytes() == (again / file).read_bytes() for file in files)
    with pytest.raises(DataError, match=r"jhmdb.*seed.*delete the folder"):
        generate_jhmdb_like(root, videos=VIDEOS, seed=SEED + 1, progress=False)
    with pytest.raises(ConfigError, match="0 videos"):
        generate_jhmdb_like(tmp_path / "none", videos=0, seed=0, progress=False)


def test_the_lists_have_the_published_headers(root: Path, shared: Path) -> None:
    real = shared / "jhmdb_sentences" / "jhmdb_annotation.txt"
    ours = root / "jhmdb_annotation.txt"
    assert ours.read_text().splitlines()[0] == real.read_text().splitlines()[0]
    with (root / "cues.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == VIDEOS and {row["actor"] for row in rows} == {"adult"}
    told = {row["action"]: row["novelty"] for row in rows}
    assert told == {action: "known" if action in KNOWN else "new" for action in told}
    assert json.loads((root / "dataset.json").read_text())["videos"] == VIDEOS
