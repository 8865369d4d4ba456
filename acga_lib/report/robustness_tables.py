"""The measures of `robustness.py` for several methods, side by side: table, note, sentences."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from acga_lib.methods import METHODS
from acga_lib.published import TABLE_1
from acga_lib.report.tables import EVERY_RUN, Record, by_method, interval, plus_minus, seed_of
from acga_lib.studies.robustness import NOISE

#: The columns of the table: heading, part of the record, its key. In percent, but for the ratio.
COLUMNS = (
    ("Consistency", "wording", "consistency"),
    ("Contrast", "wording", "contrast"),
    ("Own wording", "wording", "own"),
    ("Other wordings", "wording", "other"),
    ("Best to worst", "wording", "drop"),
    *((f"+{count} word{'s' * (count > 1)}", "noise", str(count)) for count in NOISE),
    ("Mass", "focus", "mass"),
    ("Mass, not meant", "focus", "mass_other"),
    ("Area", "focus", "area"),
    ("Focus", "focus", "ratio"),
    ("Same mask if false", "negatives", "overlap"),
    ("AUC", "negatives", "auc"),
)


def value(record: Record, part: str, key: str) -> float:
    """One number of a record; NaN where the method has none (no attention, nobody else)."""
    found = (record[part] or {}).get(key)
    return float("nan") if found is None else float(found)


def as_table(records: Sequence[Record]) -> pd.DataFrame:
    """A row per method, as text: percent, "mean ± std" over seeds, "–" for what it has not."""
    rows = []
    for name, runs in by_method(records).items():
        row = {"Method": TABLE_1.title(name), "Features": " + ".join(METHODS[name].modalities)}
        row["Seeds"] = str(len(runs))
        for heading, part, key in COLUMNS:
            values = pd.Series([value(run, part, key) for run in runs])
            if values.isna().any():
                row[heading] = "–"
            elif key == "ratio":
                spread = "" if len(runs) == 1 else f" ± {values.std():.2f}"
                row[heading] = f"{values.mean():.2f}{spread}"
            else:
                row[heading] = plus_minus(100 * values.mean(), 100 * values.std())
        rows.append(row)
    return pd.DataFrame(rows)


#: What `judged` holds ACGA against.
AGAINST = "gavrilyuk"
#: "So many of the other methods more (this one most)", or less and least.
WORDS = {"largest": ("more", "the most"), "smallest": ("less", "the least")}


def judged(
    records: Sequence[Record], what: str, read: Callable[[Record], float], *,
    best: str = "largest",
) -> str:  # fmt: skip
    """One plain sentence on ACGA's place in a number, and its distance to Gavrilyuk et al. on RGB.

    read: the number of a record, in [0, 1]; best: "largest" or "smallest". The distance is paired
    by seed, and supports a claim where its `interval` leaves out 0, as in `tables.judged`.
    """
    groups = by_method(records)
    means = {name: 100 * float(np.mean([read(r) for r in runs])) for name, runs in groups.items()}
    order = sorted(means, key=lambda name: means[name], reverse=best == "largest")
    if "acga" not in means:
        return f"{what}: no record of ACGA, so nothing to say."
    ahead, more, most = order.index("acga"), *WORDS[best]
    place = f"{what}: {TABLE_1.title('acga')} has {means['acga']:.1f}, " + (
        f"{ahead} of the other {len(order) - 1} methods {more} "
        f"({TABLE_1.title(order[0])} {most}, {means[order[0]]:.1f})"
        if ahead else f"{most} of {len(order)} methods"
    )  # fmt: skip
    one, two = ({seed_of(r): read(r) for r in groups.get(name, ())} for name in ("acga", AGAINST))
    gains = pd.Series([100 * (one[seed] - two[seed]) for seed in sorted(one.keys() & two.keys())])
    if gains.empty:
        return f"{place}."
    gain = plus_minus(gains.mean(), gains.std(), signed=True)
    if len(gains) < 2:
        claim = "one seed, so no claim"
    else:
        low, high = interval(gains)
        claim = f"{len(gains)} seeds, 95 % interval {low:+.1f} to {high:+.1f}"
        claim += "" if low > 0 or high < 0 else ", so no claim"
    return f"{place}; {gain} points against {TABLE_1.title(AGAINST)} ({claim})."


def note(records: Sequence[Record]) -> str:
    """What a reader must know of the table, and the runs that it rests on."""
    first, profile = records[0], records[0]["config"]["profile"]
    seeds = ", ".join(map(str, sorted({seed_of(record) for record in records})))
    data = first["config"]["data"]
    drawn = " (the embedded benchmark: drawn scenes)" if data == "toy" else ""
    samples = f"{first['samples']} test samples (" + (
        f"1 in {first['every']})" if first["every"] > 1 else "all)"
    )
    return (
        f"Measured with this kit on '{data}'{drawn}, profile '{profile['name']}' "
        f"({profile['side']} × {profile['side']} pixels, {profile['epochs']} epochs), "
        f"{samples}, seeds {seeds}; the paper measures none of this. "
        f"In percent, mean ± standard deviation over seeds. {EVERY_RUN} "
        "Consistency: mean IoU between the masks of "
        f"{first['wording']['wordings']} wordings of one sentence; contrast: the same between "
        "sentences that mean different actors. Own and other wordings, words: mean IoU with the "
        "truth, with the annotation's sentence, other wordings of it, and so many noise words in "
        "it; best to worst: mean loss of IoU between a sample's best and worst wording. Mass: "
        "share of the context attention on the actor meant; not meant: on the same actor when the "
        "sentence means another; area: the actor's share of the frame; focus: mass / area, 1 for "
        "an even spread (a two-stream method shows the attention of its RGB stream). False "
        "sentences fit nobody; same mask: IoU of their masks with those of true ones; AUC: how "
        "well the response's maximum tells the two apart (50 is chance).\n\n"
        f"Runs: {', '.join(record['run_id'] for record in records)}."
    )
