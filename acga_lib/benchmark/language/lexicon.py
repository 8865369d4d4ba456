"""The words of the embedded benchmark: nouns, verbs, places, relations and sentence templates.

Training and test sentences share the main nouns, the colours and left/right, but neither the
templates nor all synonyms, so a test sentence is always worded in a way that training never
showed. Every word has a vector in `data/word_vectors`, and no two words of opposite meaning share
one there (that is why "leftmost" is missing: its vector is the one of "rightmost").
"""

from collections.abc import Mapping
from dataclasses import dataclass

from acga_lib.benchmark.world.scene import ACTORS

CUES = ("actor", "attribute", "action", "place", "relation")
PEOPLE = ("adult", "baby")

#: What a noun may denote, beyond the actor that it was chosen for.
ALSO_DENOTES = {"person": ("adult", "baby")}


@dataclass(frozen=True)
class Wording:
    """Everything that one split may say. `{n}` stands for a noun, `{c}` for a colour."""

    nouns: Mapping[str, tuple[str, ...]]
    verbs: Mapping[str, tuple[str, ...]]
    grounds: Mapping[str, tuple[str, ...]]
    over: str
    places: Mapping[str, tuple[str, ...]]
    relations: Mapping[str, tuple[str, ...]]
    colored_person: tuple[str, ...]
    colored_thing: tuple[str, ...]
    patterned_person: Mapping[str, tuple[str, ...]]
    patterned_thing: Mapping[str, tuple[str, ...]]
    templates: Mapping[str, tuple[str, ...]]
    shortest: int = 3  #: words of a sentence at least


SIDES = ("left", "right", "top", "bottom", "top left", "top right", "bottom left", "bottom right")

TRAIN = Wording(
    nouns={
        "adult": ("man", "man", "woman", "woman", "guy", "person", "lady", "dude"),
        "baby": ("baby", "baby", "child", "kid", "toddler"),
        "ball": ("ball", "ball", "football", "soccer ball"),
        "bird": ("bird", "bird", "parrot", "duck", "pigeon", "seagull"),
        "car": ("car", "car", "vehicle"),
        "cat": ("cat", "cat", "kitten"),
        "dog": ("dog", "dog", "puppy"),
    },
    verbs={
        "climbing": ("climbing", "climbing up", "going up"),
        "crawling": ("crawling", "crawling along", "crawling forward"),
        "eating": ("eating", "eating food", "eating something", "having food"),
        "flying": ("flying", "flying in the air", "flying along"),
        "jumping": ("jumping", "jumping up", "hopping", "jumping up and down"),
        "rolling": ("rolling", "rolling over", "rolling around"),
        "running": ("running", "running along", "running fast"),
        "walking": ("walking", "walking along", "wandering", "walking slowly", "strolling"),
        "none": ("standing", "standing still", "staying still", "resting"),
        "adult running": ("running", "jogging", "running fast"),
        "ball jumping": ("jumping", "bouncing", "bouncing up"),
        "ball rolling": ("rolling", "rolling along"),
        "ball none": ("lying", "lying still", "resting"),
        "car running": ("running", "driving", "driving along"),
        "car none": ("parked", "standing", "parking"),
    },
    grounds={
        "grass": ("on the grass", "on the lawn", "in the grass"),
        "road": ("on the road", "on the street"),
        "floor": ("on the floor", "on the wooden floor", "in the room"),
        "beach": ("on the beach", "on the sand"),
        "snow": ("on the snow", "in the snow"),
        "water": ("in the water", "in the pond"),
        "hill": ("on the hill", "on a hill"),
    },
    over="over",
    places={
        side: (f"on the {side}", f"on the {side} side", f"at the {side}", f"to the {side}")
        for side in SIDES[:4]
    }
    | {side: (f"on the {side}", f"at the {side}", f"in the {side} corner") for side in SIDES[4:]}
    | {"middle": ("in the middle",)},
    relations={
        "left of": ("on the left of the {n}", "left of the {n}", "on the left side of the {n}"),
        "right of": ("on the right of the {n}", "right of the {n}", "on the right side of the {n}"),
        "above": ("above the {n}", "higher than the {n}"),
        "below": ("below the {n}", "under the {n}"),
        "near": ("near the {n}", "close to the {n}"),
        "beside": ("next to the {n}", "beside the {n}"),
        "far": ("far from the {n}", "far away from the {n}"),
        "following": ("behind the {n}",),
        "ahead": ("ahead of the {n}",),
    },
    colored_person=(
        "{n} in {c}",
        "{n} in {c}",
        "{n} with {c} shirt",
        "{n} in {c} shirt",
        "{n} in a {c} shirt",
        "{n} wearing a {c} shirt",
        "{n} in {c} outfit",
    ),
    colored_thing=("{c} {n}", "{c} {n}", "{c} {n}", "{n} in {c}", "{c} color {n}"),
    patterned_person={
        "striped": ("{n} in {c} striped shirt", "{n} with striped {c} shirt", "{n} in {c} stripes"),
        "spotted": ("{n} in {c} spotted shirt", "{n} with spotted {c} shirt", "{n} in {c} dots"),
    },
    patterned_thing={
        "striped": ("striped {c} {n}", "{c} striped {n}", "{c} {n} in stripes"),
        "spotted": ("spotted {c} {n}", "{c} spotted {n}", "{c} {n} in dots"),
    },
    templates={
        "plain": (
            "{np} is {v}",
            "a {np} is {v}",
            "a {np} is {v} {bg}",
            "the {np} {v} {bg}",
            "{np} {v}",
            "a {np} {v} {bg}",
            "{np} {bg} is {v}",
            "the {np} {bg}",
            "{np} {place} is {v} {bg}",
            "there is a {np} {v}",
            "{bg} a {np} is {v}",
            "one {np} is {v}",
        ),
        "place": (
            "{np} {place}",
            "a {np} is {v} {place}",
            "the {np} {v} {place}",
            "{np} is {v} {place}",
            "a {np} {place}",
            "the {np} {place} is {v}",
            "{np} {v} {bg} {place}",
            "a {np} is {v} {bg} {place}",
            "the {side} {np} is {v}",
            "{side} {np} {bg}",
            "there is a {np} {place}",
            "one {np} is {v} {place}",
        ),
        "relation": (
            "{np} {rel}",
            "a {np} is {v} {rel}",
            "the {np} {v} {rel}",
            "{np} is {v} {rel}",
            "the {np} {rel} is {v}",
            "a {np} {v} {bg} {rel}",
            "the {np} is {rel}",
            "{np} {v} {rel} {bg}",
            "there is a {np} {rel}",
            "one {np} {v} {rel}",
            "a {np} {bg} {rel}",
        ),
    },
)

TEST = Wording(
    nouns={
        "adult": ("man", "woman", "lady", "person"),
        "baby": ("baby", "toddler", "child"),
        "ball": ("ball",),
        "bird": ("bird", "pigeon", "sparrow"),
        "car": ("car", "vehicle"),
        "cat": ("cat", "kitten"),
        "dog": ("dog", "puppy", "hound"),
    },
    verbs={
        "climbing": ("climbing",),
        "crawling": ("crawling", "creeping", "creeping forward"),
        "eating": ("eating", "eating something", "feeding"),
        "flying": ("flying", "flying through the air"),
        "jumping": ("leaping", "jumping up and down"),
        "rolling": ("rolling around", "tumbling"),
        "running": ("running", "running forward"),
        "walking": ("walking", "strolling", "strolling along"),
        "none": ("standing", "resting", "staying still"),
        "adult running": ("running", "sprinting", "jogging along"),
        "ball jumping": ("bouncing up and down", "jumping up and down"),
        "ball rolling": ("rolling", "rolling along"),
        "ball none": ("lying", "resting"),
        "bird eating": ("eating something", "pecking food"),
        "car running": ("driving along", "speeding"),
        "car none": ("parked", "parking"),
    },
    grounds={
        "grass": ("on the grass", "in the meadow"),
        "road": ("on the road", "on the pavement"),
        "floor": ("on the floor", "on the ground"),
        "beach": ("on the beach", "on the shore"),
        "snow": ("in the snow", "on the snowy ground"),
        "water": ("in the water", "in the lake"),
        "hill": ("on the hill", "on the slope"),
    },
    over="above",
    places={side: (f"on the {side}", f"at the {side} side") for side in SIDES[:4]}
    | {side: (f"in the {side} corner", f"on the {side}") for side in SIDES[4:]}
    | {"middle": ("in the middle", "in the center")},
    relations={
        "left of": ("to the left of the {n}", "on the left side of the {n}"),
        "right of": ("to the right of the {n}", "on the right side of the {n}"),
        "above": ("above the {n}", "higher than the {n}"),
        "below": ("below the {n}", "lower than the {n}"),
        "near": ("close to the {n}", "near the {n}"),
        "beside": ("beside the {n}", "next to the {n}"),
        "far": ("away from the {n}", "far away from the {n}"),
        "following": ("after the {n}", "behind the {n}"),
        "ahead": ("in front of the {n}", "ahead of the {n}"),
    },
    colored_person=("{n} in {c}", "{n} wearing {c}", "{n} wearing {c} shirt"),
    colored_thing=("{c} {n}", "{c} {n}", "{c} colored {n}"),
    patterned_person={
        "striped": ("{n} wearing striped {c} shirt", "{n} in {c} shirt with stripes"),
        "spotted": ("{n} wearing dotted {c} shirt", "{n} in {c} shirt with dots"),
    },
    patterned_thing={
        "striped": ("{c} {n} with stripes", "striped {c} {n}"),
        "spotted": ("{c} {n} with dots", "dotted {c} {n}", "spotted {c} {n}"),
    },
    templates={
        "plain": (
            "the {np} is {v}",
            "a {np} {v}",
            "{np} is {v} {bg}",
            "the {np} is {v} {bg}",
            "{np} {v} {bg}",
            "a {np} that is {v}",
            "the {np} {v}",
            "a {np} {bg} is {v}",
            "one {np} {bg}",
            "the {np} {place} is {v} {bg}",
        ),
        "place": (
            "the {np} {place}",
            "{np} {v} {place}",
            "the {np} is {v} {place}",
            "a {np} {v} {place}",
            "{np} {place} is {v}",
            "one {np} {place}",
            "{place} a {np} is {v}",
            "the {np} is {v} {bg} {place}",
            "{np} {v} {place} {bg}",
            "{side} {np} is {v}",
            "the {side} {np} {bg}",
        ),
        "relation": (
            "the {np} {rel}",
            "{np} {v} {rel}",
            "the {np} is {v} {rel}",
            "a {np} is {rel}",
            "{np} {rel} is {v}",
            "the {np} {v} {bg} {rel}",
            "a {np} that is {v} {rel}",
            "{rel} a {np} is {v}",
            "the {np} is {v} {rel} {bg}",
        ),
    },
)

WORDINGS = {"train": TRAIN, "test": TEST}

#: Relations that name a direction of motion; without a verb they would read as depth.
MOVING_RELATIONS = ("following", "ahead")


def verbs(wording: Wording, actor: str, action: str) -> tuple[str, ...]:
    """The verb phrases for an action, in the actor's own words where it has some."""
    return wording.verbs.get(f"{actor} {action}", wording.verbs[action])


def denotes(noun: str, actor: str) -> tuple[str, ...]:
    """All actors that a reader could take `noun`, chosen for `actor`, to mean."""
    assert actor in ACTORS
    return ALSO_DENOTES.get(noun, (actor,))


def words(wording: Wording) -> set[str]:
    """Every word that a sentence of this wording can contain, colours apart."""
    tables = (
        wording.nouns, wording.verbs, wording.grounds, wording.places, wording.relations,
        wording.patterned_person, wording.patterned_thing, wording.templates,
    )  # fmt: skip
    phrases = [phrase for table in tables for options in table.values() for phrase in options]
    phrases += wording.places  # the names of the sides are said as they are
    phrases += [*wording.colored_person, *wording.colored_thing, wording.over]
    return {word for phrase in phrases for word in phrase.split() if "{" not in word}
