"""One sentence per film in the style of J-HMDB Sentences: "man in black shirt kicking the ball"."""

from dataclasses import dataclass, replace

import numpy as np

from acga_lib.benchmark.world.casts import pick
from acga_lib.benchmark.world.jhmdb_films import Film, Person
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.truth import Description, Track, holds_place, needs, singles_out

TRIES = 60
NOUNS = {
    "man": ("man", "man", "man", "guy", "boy", "person"),
    "woman": ("woman", "woman", "woman", "lady", "girl", "person"),
}
#: What else a noun may denote.
ALSO = {"person": ("man", "woman")}
POSSESSIVES = {"man": "his", "woman": "her"}
#: `{n}` is the noun, `{c}` the colour of the upper garment, `{l}` of the lower one.
LOOKS = ("{n}", "{n}", "{n} in {c}", "{n} in {c} shirt", "{n} in {c} top and {l} pants",
         "{n} wearing {c} shirt")  # fmt: skip
COLORED_LOOKS = LOOKS[2:]
VERBS = {
    "clap": ("clapping", "clapping hands", "clapping {his} hands"),
    "climb_stairs": ("climbing stairs", "climbing up the stairs"),
    "jump": ("jumping", "jumping up and down", "hopping"),
    "kick_ball": ("kicking the ball", "kicking a ball", "kicking football"),
    "pick": ("picking something up", "picking up something", "picking up a bag"),
    "pullup": ("pulling up", "doing pull up"),
    "push": ("pushing a box", "pushing something", "pushing the box forward"),
    "run": ("running", "jogging"),
    "swing_baseball": ("playing baseball", "hitting with a baseball bat"),
    "throw": ("throwing a ball", "throwing something", "throwing the ball"),
    "walk": ("walking", "walking along"),
    "wave": ("waving", "waving {his} hand", "waving hands"),
}
GROUNDS = {
    "hall": ("in the hall", "in the gym"),
    "street": ("on the street", "in front of the building"),
    "pitch": ("on the field", "on the grass"),
    "yard": ("in front of the house", "in the yard"),
    "park": ("in the park",),
}
PLACES = ("left", "right")
PLACE_PHRASES = ("on the {p}", "on the {p} side")
TEMPLATES = ("{np} {v}", "{np} {v}", "a {np} is {v}", "a {np} {v}", "{np} is {v}", "{np} {v} {bg}",
             "a {np} is {v} {bg}")  # fmt: skip
PLACE_TEMPLATES = ("{np} {place} {v}", "a {np} {place} is {v}", "{np} {v} {place}",
                   "a {np} is {v} {place}")  # fmt: skip


@dataclass(frozen=True)
class Caption:
    """A sentence on the first person of a film and what it claims."""

    text: str
    description: Description


def caption(film: Film, tracks: tuple[Track, ...]) -> Caption | None:
    """A sentence that is true of the first person alone and needs the film's cue, or None.

    Args:
        tracks: where each person is, from `truth.measure`.
    """
    random = generator(film.scene.split, film.scene.seed, "words")
    for _ in range(TRIES):
        found = _draft(film, tracks, random)
        if found is None or not singles_out(found.description, 0, film.scene, tracks):
            continue
        alone = len(film.people) == 1
        if alone or needs(found.description, film.cue, 0, film.scene, tracks):
            return found
    return None


def _draft(film: Film, tracks: tuple[Track, ...], random: np.random.Generator) -> Caption | None:
    """One random wording; None if a place is to decide and the person is at none."""
    person = film.people[0]
    noun, looks, description = _subject(film, person, random)
    slots = {
        "np": looks.format(n=noun, c=person.color, l=person.lower),
        "v": pick(VERBS[person.action], random).format(his=POSSESSIVES[person.actor]),
        "bg": pick(GROUNDS[film.scene.background], random),
    }
    if film.cue != "place":
        return Caption(pick(TEMPLATES, random).format(**slots), description)
    places = [one for one in PLACES if holds_place(one, tracks[0], lenient=False)]
    if not places:
        return None
    slots["place"] = pick(PLACE_PHRASES, random).format(p=places[0])
    text = pick(PLACE_TEMPLATES, random).format(**slots)
    return Caption(text, replace(description, place=places[0]))


def _subject(
    film: Film, person: Person, random: np.random.Generator
) -> tuple[str, str, Description]:
    """Noun, look and what both claim; an attribute sentence always names the colour."""
    noun = pick(NOUNS[person.actor], random)
    looks = pick(COLORED_LOOKS if film.cue == "attribute" else LOOKS, random)
    claim = Description(
        actors=ALSO.get(noun, (person.actor,)),
        color=person.color if "{c}" in looks else None,
        action=person.action,
    )
    return noun, looks, claim
