"""The words of the ReferIt-like images: terse expressions that never say what anybody does."""

from acga_lib.benchmark.language.lexicon import SIDES, Wording

REFERIT = Wording(
    nouns={
        "adult": ("man", "woman", "guy", "lady", "person"),
        "baby": ("baby", "kid", "child"),
        "ball": ("ball",),
        "bird": ("bird", "bird", "duck"),
        "car": ("car", "vehicle"),
        "cat": ("cat", "cat", "kitten"),
        "dog": ("dog", "dog", "puppy"),
    },
    verbs={},
    grounds={
        "grass": ("on grass", "on the grass"),
        "road": ("on road", "on the street"),
        "floor": ("on floor", "in the room"),
        "beach": ("on beach", "on the sand"),
        "snow": ("in snow", "on the snow"),
        "water": ("in water", "in the water"),
        "hill": ("on hill", "on the hill"),
    },
    over="over",
    places={side: (f"on {side}", f"on the {side}", f"{side} side") for side in SIDES[:2]}
    | {side: (f"at {side}", f"on the {side}", f"on {side}") for side in SIDES[2:4]}
    | {side: (side, f"in {side}", f"{side} corner", f"on the {side}") for side in SIDES[4:]}
    | {"middle": ("in middle", "in the middle", "in center")},
    relations={
        "left of": ("left of {n}", "to the left of the {n}", "on left of {n}"),
        "right of": ("right of {n}", "to the right of the {n}", "on right of {n}"),
        "above": ("above {n}", "above the {n}"),
        "below": ("below {n}", "under the {n}", "below the {n}"),
        "near": ("near {n}", "close to the {n}"),
        "beside": ("next to {n}", "next to the {n}", "beside {n}"),
        "far": ("far from {n}", "away from the {n}"),
        "following": ("behind {n}",),
        "ahead": ("in front of {n}",),
    },
    colored_person=("{n} in {c}", "{c} shirt {n}", "{n} {c} shirt", "{n} in the {c} shirt"),
    colored_thing=("{c} {n}",),
    patterned_person={
        "striped": ("{n} in {c} stripes", "{c} striped shirt {n}"),
        "spotted": ("{n} in {c} dots", "{c} spotted shirt {n}"),
    },
    patterned_thing={
        "striped": ("{c} striped {n}", "striped {c} {n}"),
        "spotted": ("{c} spotted {n}", "{c} {n} with dots"),
    },
    templates={
        "plain": ("{np}", "{np}", "the {np}", "{np} {bg}", "the {np} {bg}"),
        "place": (
            "{np} {place}", "{np} {place}", "{side} {np}", "the {np} {place}",
            "the {side} {np}", "{np} {bg} {place}",
        ),
        "relation": ("{np} {rel}", "{np} {rel}", "the {np} {rel}", "{np} {rel} {bg}"),
    },
    shortest=1,
)  # fmt: skip
