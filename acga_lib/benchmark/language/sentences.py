"""From a scene to English: one sentence per instance that is true of no other instance.

A sentence is drawn from the templates of its split, translated into a `Description` of what it
claims, and kept only if that description singles the instance out and needs its deciding cue: the
detail without which the sentence would fit a second instance as well.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from acga_lib.benchmark.language.lexicon import (
    MOVING_RELATIONS,
    PEOPLE,
    WORDINGS,
    Wording,
    denotes,
    verbs,
)
from acga_lib.benchmark.language.referit_lexicon import REFERIT
from acga_lib.benchmark.world.casts import pick
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.scene import Instance, Scene
from acga_lib.benchmark.world.truth import (
    PLACES,
    RELATIONS,
    Description,
    Relation,
    Track,
    holds_place,
    holds_relation,
    needs,
    singles_out,
)

#: How the scenes of each split are spoken of; those of the split "trunk" have no sentences.
SPOKEN = {**WORDINGS, "referit-train": REFERIT, "referit-test": REFERIT}
MAX_WORDS = 14
#: How many wordings are tried before an instance counts as impossible to describe.
TRIES = 80
MENTION_COLOR, MENTION_PATTERN, CAPITAL = 0.5, 0.35, 0.25


@dataclass(frozen=True)
class Sentence:
    """A query for instance number `instance`, the cue that decides it, and what it claims."""

    instance: int
    text: str
    cue: str
    description: Description
    template: str


def describe(
    scene: Scene, tracks: tuple[Track, ...], *, cues: tuple[str, ...], seed: int
) -> tuple[Sentence, ...] | None:
    """One sentence per instance, or None if some instance cannot be told apart by its cue.

    Args:
        tracks: where each instance is, from `truth.measure` or `scenes.planned_tracks`.
        cues: the deciding cue that each instance's sentence must have.
        seed: draws the wording; equal arguments give equal sentences.
    """
    sentences = []
    for index, cue in enumerate(cues):
        random = generator(scene.split, seed, "words", index)
        drafts = (draft(scene, tracks, index, cue, random) for _ in range(TRIES))
        found = next((one for one in drafts if one is not None), None)
        if found is None:
            return None
        sentences.append(found)
    return tuple(sentences)


def draft(
    scene: Scene, tracks: tuple[Track, ...], index: int, cue: str, random: np.random.Generator
) -> Sentence | None:
    """One random wording, or None if it is ambiguous, lacks its cue, or cannot be said."""
    sentence = word(scene, tracks, index, cue, random)
    if sentence is None:
        return None
    told = sentence.description
    clear = singles_out(told, index, scene, tracks) and needs(told, cue, index, scene, tracks)
    return sentence if clear else None


def word(
    scene: Scene, tracks: tuple[Track, ...], index: int, cue: str, random: np.random.Generator
) -> Sentence | None:
    """One random wording that is true but may be ambiguous, or None if it cannot be said."""
    pool = SPOKEN[scene.split].templates[cue if cue in ("place", "relation") else "plain"]
    template = pick(pool, random)
    slots, description = _name(scene, index, cue, "{v}" in template, random)
    if "{bg}" in template:
        one = scene.instances[index]
        if one.action == "climbing" and scene.background != "hill":
            return None
        slots["bg"] = _ground(scene, one.action, random)
    if "{place}" in template or "{side}" in template:
        places = [place for place in PLACES if holds_place(place, tracks[index], lenient=False)]
        if not places:
            return None
        slots["side"] = place = pick(places, random)
        slots["place"] = pick(SPOKEN[scene.split].places[place], random)
        description = replace(description, place=place)
    if "{rel}" in template:
        found = _relation(scene, tracks, index, "{v}" in template, random)
        if found is None:
            return None
        relation, slots["rel"] = found
        description = replace(description, relation=relation)
    text = _finish(template.format(**slots), random)
    if not SPOKEN[scene.split].shortest <= len(text.split()) <= MAX_WORDS:
        return None
    return Sentence(index, text, cue, description, template)


def _name(
    scene: Scene, index: int, cue: str, with_verb: bool, random: np.random.Generator
) -> tuple[dict[str, str], Description]:
    """Words for what the instance is, how it looks and, if asked, what it does."""
    wording, one = SPOKEN[scene.split], scene.instances[index]
    noun = pick(wording.nouns[one.actor], random)
    color, pattern = _look(one, cue, random)
    slots = {"np": _noun_phrase(wording, one, noun, color, pattern, random)}
    if with_verb:
        slots["v"] = pick(verbs(wording, one.actor, one.action), random)
    return slots, Description(
        actors=denotes(noun, one.actor),
        color=color,
        pattern=pattern,
        action=one.action if with_verb else None,
    )


def _look(one: Instance, cue: str, random: np.random.Generator) -> tuple[str | None, str | None]:
    """Which colour and pattern the sentence mentions; an attribute sentence names all it has."""
    say_color, say_pattern = random.random() < MENTION_COLOR, random.random() < MENTION_PATTERN
    pattern = None if one.pattern == "plain" else one.pattern
    if cue == "attribute":
        return one.color, pattern
    if not (say_color or (say_pattern and pattern)):
        return None, None
    return one.color, pattern if say_pattern else None


def _noun_phrase(
    wording: Wording,
    one: Instance,
    noun: str,
    color: str | None,
    pattern: str | None,
    random: np.random.Generator,
) -> str:
    person = one.actor in PEOPLE
    if color is None:
        return noun
    if pattern is not None:
        styles = (wording.patterned_person if person else wording.patterned_thing)[pattern]
    else:
        styles = wording.colored_person if person else wording.colored_thing
    return pick(styles, random).format(n=noun, c=color)


def _ground(scene: Scene, action: str, random: np.random.Generator) -> str:
    wording = SPOKEN[scene.split]
    preposition, rest = pick(wording.grounds[scene.background], random).split(" ", 1)
    return f"{wording.over if action == 'flying' else preposition} {rest}"


def _relation(
    scene: Scene,
    tracks: tuple[Track, ...],
    index: int,
    with_verb: bool,
    random: np.random.Generator,
) -> tuple[Relation, str] | None:
    """A relation that holds strictly between the instance and one of another kind, in words."""
    wording = SPOKEN[scene.split]
    found = [
        (kind, other)
        for kind, other in _relations(scene, tracks, index)
        if with_verb or kind not in MOVING_RELATIONS
    ]
    if not found:
        return None
    kind, other = pick(found, random)
    landmark = scene.instances[other]
    noun = pick(wording.nouns[landmark.actor], random)
    phrase = noun
    if landmark.actor not in PEOPLE and random.random() < MENTION_COLOR / 2:
        phrase = f"{landmark.color} {noun}"
    text = pick(wording.relations[kind], random).format(n=phrase)
    return Relation(kind, denotes(noun, landmark.actor)), text


@lru_cache(maxsize=32)
def _relations(
    scene: Scene, tracks: tuple[Track, ...], index: int
) -> tuple[tuple[str, int], ...]:  # fmt: skip
    """All relations that hold strictly of an instance, with the landmark's index.

    Remembered, since every one of the many wordings that are tried asks for them again.
    """
    return tuple(
        (kind, other)
        for kind in RELATIONS
        for other, landmark in enumerate(scene.instances)
        if landmark.actor != scene.instances[index].actor
        and holds_relation(kind, index, other, scene, tracks, lenient=False)
    )


def _finish(text: str, random: np.random.Generator) -> str:
    """Mend the article before a vowel; sometimes begin with a capital, as annotators do."""
    words = text.split()
    for position, (word, following) in enumerate(pairwise(words)):
        if word == "a" and following[0] in "aeiou":
            words[position] = "an"
    text = " ".join(words)
    return text[0].upper() + text[1:] if random.random() < CAPITAL else text
