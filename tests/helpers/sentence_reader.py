"""A second opinion on the generated sentences: reads plain English and checks it against geometry.

It shares neither vocabulary nor thresholds with `acga_lib`: what a word means is written down here
once more, and every threshold lies between the library's strict and its lenient one.
"""

import re
from dataclasses import dataclass

import numpy as np

NOUNS = {
    "adult": "man woman guy lady dude", "baby": "baby toddler child kid", "ball": "ball football",
    "bird": "bird parrot duck pigeon sparrow seagull", "car": "car vehicle", "cat": "cat kitten",
    "dog": "dog puppy hound",
}  # fmt: skip
VERBS = {
    "climbing": "climbing going", "crawling": "crawling creeping",
    "eating": "eating feeding pecking having", "flying": "flying",
    "jumping": "jumping leaping bouncing hopping", "rolling": "rolling tumbling",
    "running": "running jogging sprinting driving speeding",
    "walking": "walking strolling wandering",
    "none": "standing resting staying lying parked parking",
}  # fmt: skip
PATTERNS = {"striped": "striped stripes", "spotted": "spotted dotted dots"}
COLORS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "gray", "black",
)  # fmt: skip
SIDES = {"left", "right", "top", "bottom", "middle", "center"}
RELATIONS = {
    "left": r"(?:(?:on|to) the )?left (?:side )?of",
    "right": r"(?:(?:on|to) the )?right (?:side )?of",
    "above": "above|higher than", "below": "below|lower than|under", "beside": "beside|next to",
    "near": "near|close to", "far": r"far from|(?:far )?away from", "behind": "behind|after",
    "ahead": "ahead of|in front of",
}  # fmt: skip


@dataclass(frozen=True)
class Where:
    """`x`, `y` [T] as fractions of width and height, `box` [4,T] in units of the height."""

    x: np.ndarray
    y: np.ndarray
    box: np.ndarray


@dataclass(frozen=True)
class Claims:
    """What a sentence says; an empty set says nothing."""

    actors: set[str]
    actions: set[str]
    colors: set[str]
    patterns: set[str]
    sides: set[str]
    relation: str | None
    landmark: set[str]


def read(sentence: str) -> Claims:
    """The claims of a sentence."""
    text = sentence.lower()
    relation, landmark = None, set[str]()
    nouns = {"person": {"adult", "baby"}} | _meanings(NOUNS)
    for kind, pattern in RELATIONS.items():
        color = f"(?:(?:{'|'.join(COLORS)}) )?"
        found = re.search(rf"\b(?:{pattern}) (?:the )?{color}({'|'.join(nouns)})\b", text)
        if found:
            relation, landmark = kind, nouns[found[1]]
            text = text[: found.start()] + text[found.end() :]
            break
    words = text.split()
    subjects = [nouns[word] for word in words if word in nouns]
    assert len(subjects) == 1, f"{sentence!r} has not exactly one subject"
    return Claims(
        actors=subjects[0],
        actions=_said(words, VERBS),
        colors={word for word in words if word in COLORS},
        patterns=_said(words, PATTERNS),
        sides={"middle" if word == "center" else word for word in words if word in SIDES},
        relation=relation,
        landmark=landmark,
    )


def fits(claims: Claims, index: int, rows: list[dict[str, str]], where: list[Where]) -> bool:
    """Whether the claims are true of instance `index` among `rows` (actor, action, ...)."""
    row = rows[index]
    pairs = (
        (claims.actors, "actor"), (claims.actions, "action"), (claims.colors, "color"),
        (claims.patterns, "pattern"),
    )  # fmt: skip
    if any(said and said != {row[key]} and row[key] not in said for said, key in pairs):
        return False
    if not all(_at(side, where[index]) for side in claims.sides):
        return False
    if claims.relation is None:
        return True
    landmarks = [i for i, other in enumerate(rows) if other["actor"] in claims.landmark]
    if landmarks == [index] or len(landmarks) != 1:
        return False
    return _related(claims.relation, where[index], where[landmarks[0]])


def _meanings(table: dict[str, str]) -> dict[str, set[str]]:
    return {word: {meaning} for meaning, words in table.items() for word in words.split()}


def _said(words: list[str], table: dict[str, str]) -> set[str]:
    meanings = _meanings(table)
    return set().union(*(meanings.get(word, set()) for word in words))


def _at(side: str, one: Where) -> bool:
    x, y = one.x.mean(), one.y.mean()
    return {
        "left": x < 0.43, "right": x > 0.57, "top": y < 0.43, "bottom": y > 0.57,
        "middle": 0.35 < x < 0.65,
    }[side]  # fmt: skip


def _related(kind: str, one: Where, two: Where) -> bool:
    dx, dy = (one.x - two.x).mean(), (one.y - two.y).mean()
    apart = np.maximum(one.box[:2] - two.box[2:], two.box[:2] - one.box[2:])
    gap = np.hypot(*np.maximum(apart, 0)).mean()
    way = two.x[-1] - two.x[0]
    together = abs(way) > 0.02 and (one.x[-1] - one.x[0]) * way > 0
    return bool({
        "left": dx < -0.04, "right": dx > 0.04, "above": dy < -0.1, "below": dy > 0.1,
        "beside": gap < 0.2 and abs(dy) < 0.25, "near": gap < 0.2, "far": gap > 0.3,
        "behind": together and dx * way < 0, "ahead": together and dx * way > 0,
    }[kind])  # fmt: skip
