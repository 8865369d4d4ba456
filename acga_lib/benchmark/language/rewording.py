"""Further sentences on a finished scene: other wordings of a true one, and false ones like it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from acga_lib.benchmark.language.sentences import Sentence, draft, word
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.scene import ACTIONS_OF, ACTORS, COLORS, Instance, Scene
from acga_lib.benchmark.world.truth import Track, matches
from acga_lib.errors import DataError

#: Wordings beside the annotation's own.
PARAPHRASES = 3
#: How many wordings are tried for an instance, and for each falsehood about it.
TRIES, FALSE_TRIES = 2000, 15
#: What exchanging one word for another adds up to as a distance.
ONE_WORD = 2
SEXES = {"he": {"man", "guy"}, "she": {"woman", "lady"}}


def paraphrases(
    scene: Scene, tracks: tuple[Track, ...], sentence: Sentence
) -> tuple[str, ...]:  # fmt: skip
    """Other wordings of `sentence`: true of the same instance only, decided by the same cue.

    Raises:
        DataError: too few different ones come up, which no seed is known to do.
    """
    random = generator(scene.split, scene.seed, "paraphrases", sentence.instance)
    found = {sentence.text.lower(): sentence.text}
    for _ in range(TRIES):
        other = draft(scene, tracks, sentence.instance, sentence.cue, random)
        if other is not None and len(_sexes(" ".join([*found, other.text]))) < 2:
            found.setdefault(other.text.lower(), other.text)
        if len(found) == 1 + PARAPHRASES:
            return tuple(found.values())[1:]
    raise DataError(
        f"{sentence.text!r} has only {len(found) - 1} other wordings: generate with another seed"
    )


def _sexes(text: str) -> set[str]:
    """Which sex the words give an adult; puppets have none, but it must not change either."""
    words = set(text.lower().split())
    return {sex for sex, nouns in SEXES.items() if words & nouns}


def negatives(
    scene: Scene, tracks: tuple[Track, ...], sentences: tuple[Sentence, ...]
) -> tuple[str, ...]:
    """One sentence per true one, in its style, that nobody could say of any instance.

    It describes the scene as it would be if one thing about the instance were different, its
    colour, its action or its kind, and mostly differs from the true sentence by that word alone.

    Raises:
        DataError: no false sentence comes up, which no seed is known to do.
    """
    found: list[str] = []
    for sentence in sentences:
        best, text = np.inf, ""
        for candidate in _falsehoods(scene, tracks, sentence):
            distance = _distance(sentence.text, candidate)
            if candidate not in found and distance < best:
                best, text = distance, candidate
            if best <= ONE_WORD:
                break
        if not text:
            raise DataError(f"{sentence.text!r} cannot be made false: generate with another seed")
        found.append(text)
    return tuple(found)


def _distance(one: str, two: str) -> int:
    """How many words only one of two sentences has."""
    left, right = (Counter(text.lower().split()) for text in (one, two))
    return ((left - right) + (right - left)).total()


def _falsehoods(scene: Scene, tracks: tuple[Track, ...], sentence: Sentence) -> Iterator[str]:
    index = sentence.instance
    for altered in _altered(scene, index, generator(scene.split, scene.seed, "false", index)):
        # The draws of the true sentence are repeated, so that its wording comes up again.
        random = generator(scene.split, scene.seed, "words", index)
        for _ in range(FALSE_TRIES):
            false = word(altered, tracks, index, sentence.cue, random)
            if false is not None and not any(
                matches(false.description, other, scene, tracks, lenient=True)
                for other in range(len(scene.instances))
            ):
                yield false.text


def _altered(scene: Scene, index: int, random: np.random.Generator) -> Iterator[Scene]:
    """The scene with another colour, action or kind of the instance, and of its twins with it."""
    one = scene.instances[index]
    options = {
        "color": [name for name in COLORS if name != one.color],
        "action": [name for name in ACTIONS_OF[one.actor] if name != one.action],
        "actor": [name for name in ACTORS if name != one.actor and one.action in ACTIONS_OF[name]],
    }
    fields = [list(options)[number] for number in random.permutation(len(options))]
    for field in fields:
        for choice in random.permutation(len(options[field])):
            value = options[field][choice]
            yield replace(
                scene,
                instances=tuple(
                    replace(other, **{field: value}) if _look_alike(one, other) else other
                    for other in scene.instances
                ),
            )


def _look_alike(one: Instance, two: Instance) -> bool:
    return all(getattr(one, key) == getattr(two, key) for key in ("actor", "action", "color"))
