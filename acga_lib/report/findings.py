"""What was found, in plain sentences that follow from the records, whichever way they turn out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from acga_lib.errors import DataError
from acga_lib.files.records import (
    Record,
    is_proper,
    most_methods,
    read_json,
    read_runs,
    same_name,
)
from acga_lib.methods import METHODS
from acga_lib.parameters import EMBEDDED
from acga_lib.profiles import PROFILES
from acga_lib.published import ABLATION, METRICS, TABLE_1, TABLE_2, TABLE_3
from acga_lib.report.tables import (
    by_group,
    by_method,
    components,
    differences,
    out_of_order,
    plus_minus,
    seed_of,
)

#: What each step of the ablation adds, in words.
COMPONENTS = {
    "+ MRF": "fusing three resolutions (MRF)",
    "+ WBCE": "the weighted loss (WBCE)",
    "+ ATT": "the attention (ATT)",
}


def headline(records: Sequence[Record]) -> tuple[str, str] | None:
    """Data and profile of the records that stand first; None without records.

    The embedded benchmark at the profile of which most methods were run; otherwise what there is.
    """
    shown = most_methods(records)
    if shown is not None:
        return EMBEDDED, shown
    there = [record["config"] for record in records if is_proper(record)]
    return min(((one["data"], one["run"]["profile"]) for one in there), default=None)


def sentences(results: Path, *, data: str, profile: str) -> list[str]:
    """What the records in the folder `results` say of ACGA; what was not measured is left out."""
    runs = results / "runs"
    records = read_runs(runs, data=data, profile=profile)
    if "acga" not in by_method(records):
        return []
    controls = read_runs(runs, data=data, profile=profile, controls=True)
    transfer = results / "transfer"
    there = any(transfer.glob(f"{escape(data)}-{profile}-*.json"))
    transferred = read_runs(transfer, data=data, profile=profile) if there else []
    robustness = _robustness(results, data, profile)
    told = [
        " ".join([*_level(records), *_against(records)]),
        *_limits(records), *_order(records), *_baseline(records), *_components(records),
        *_first_weights(runs, data), *_cues(records), *_control(records, controls),
        *_transfer(transferred), *_noise(robustness), *_paths(robustness),
    ]  # fmt: skip
    return [_printed(sentence) for sentence in told]


def in_short(results: Path, *, data: str, profile: str) -> str:
    """How good ACGA is, how often right, and what noise words cost it; "" where it has no run."""
    runs = results / "runs"
    if not any(runs.glob(f"{escape(data)}-{profile}-acga-s*.json")):
        return ""
    records = read_runs(runs, data=data, profile=profile)
    noise = _noise(_robustness(results, data, profile))
    return _printed(" ".join([*_level(records), *_against(records), *_limits(records), *noise]))


def _printed(sentence: str) -> str:
    return re.sub(r"(?<=[ (])-(?=\d)", "−", sentence)


def _robustness(results: Path, data: str, profile: str) -> list[Record]:
    """The records of the runs of a table; none where they were not asked the same samples."""
    paths = sorted((results / "robustness").glob(f"{escape(data)}-{profile}-*.json"))
    found = [record for record in map(_read_robustness, paths) if is_proper(record)]
    return found if len({record.get("every") for record in found}) == 1 else []


def _read_robustness(path: Path) -> Record:
    record = read_json(path)
    try:
        seed_of(record), by_method([record])
        for words, iou in record["noise"].items():
            int(words), float(iou)
        for part in (record.get("paths") or {}).values():
            float(part["change"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: no record of a robustness study ({error!r}): delete it, and run notebook "
            "10_robustness"
        ) from error
    return record


def _mean(records: Sequence[Record], metric: str = "mean_iou") -> str:
    values = 100 * pd.Series([record["metrics"][metric] for record in records])
    return plus_minus(values.mean(), values.std())


def _level(records: Sequence[Record]) -> Iterator[str]:
    ours = by_method(records)["acga"]
    yield (
        f"ACGA's masks overlap the actor that the sentence means by {_mean(ours)} % on average "
        f"(mean IoU); {_mean(ours, 'P@0.5')} % of them by half or more."
    )


def _against(records: Sequence[Record], other: str = "gavrilyuk") -> Iterator[str]:
    for row in differences(by_method(records), other, "acga"):
        if row["metric"] == "mean_iou":
            side = "above" if row["mean"] > 0 else "below"
            points = plus_minus(abs(row["mean"]), row["std"])
            doubt = _doubt(row)
            yield (
                f"That is {points} points {side} {METHODS[other].title}{doubt}; "
                f"in the paper it is {row['paper']:.1f} above."
            )


def _limits(records: Sequence[Record]) -> Iterator[str]:
    """How often ACGA marks the right one, and what it says of its own training samples."""
    found = [record["limits"] for record in by_method(records)["acga"]]
    test = pd.DataFrame([one["test"] for one in found])
    right, chance = 100 * test["right"].mean(), 100 * test["chance"].mean()
    trained = 100 * float(np.mean([one["train"]["right"] for one in found]))
    fit = 100 * test["iou_when_right"].astype(float).mean()  # without those never right
    yield (
        f"It marks the right one in {right:.0f} % of the cases (chance {chance:.0f} %; on "
        f"training samples {trained:.0f} %)"
        + ("." if np.isnan(fit) else f", and then its masks overlap by {fit:.0f} %.")
    )


def _doubt(row: Mapping[Any, Any]) -> str:
    """How sure a row of `tables.differences` is."""
    if row["seeds"] < 2:
        return " (one seed)"
    claim = "" if row["claim"] else ", so no claim"
    return f" ({row['seeds']} seeds, 95 % interval {row['low']:+.1f} to {row['high']:+.1f}{claim})"


def _order(records: Sequence[Record]) -> Iterator[str]:
    for number, table in ((1, TABLE_1), (3, TABLE_3)):
        other, pairs = out_of_order(records, table)
        if pairs > 1:
            named = f"; out of it are {'; '.join(other)}" if 0 < len(other) < 6 else ""
            yield (
                f"{pairs - len(other)} of {pairs} pairs of methods in Table {number} stand in the "
                f"paper's order{named}."
            )


def _baseline(records: Sequence[Record], other: str = "gavrilyuk") -> Iterator[str]:
    """Whether the ablation begins above the method that it changes, as in the paper."""
    there = by_method(records)
    for row in differences(there, other, "baseline"):
        if row["metric"] == "mean_iou" and row["mean"] < 0 < row["paper"]:
            yield (
                f"Unlike in the paper ({row['paper']:+.1f}), the {METHODS['baseline'].title} lies "
                f"below {METHODS[other].title}: {plus_minus(row['mean'], row['std'], signed=True)} "
                f"points{_doubt(row)}."
            )


def _components(records: Sequence[Record]) -> Iterator[str]:
    told = [
        f"{COMPONENTS[row['component']]} {plus_minus(row['mean'], row['std'], signed=True)}"
        f"{_doubt(row)}, paper {row['paper']:+.1f}"
        for row in components(records).to_dict("records") if row["metric"] == "mean_iou"
    ]  # fmt: skip
    if told:
        yield f"What each component changes, in points: {'; '.join(told)}."


def _first_weights(runs: Path, data: str) -> Iterator[str]:
    """What the attention is worth from the authors' first weights, in each profile that tells."""
    told = []
    for profile in PROFILES:
        control = [
            record for record in same_name(runs, data=data, profile=profile)
            if record["config"]["run"].get("variant") == "authors_init"
        ]  # fmt: skip
        found = by_method(read_runs(runs, data=data, profile=profile)) if control else {}
        seeds = sorted({seed_of(run) for run in control})
        without, ours = (
            [run for run in found.get(name, []) if seed_of(run) in seeds] for name in ABLATION[-2:]
        )
        if len(without) == len(ours) == len(control) > 0:
            told.append(
                f"in {profile} (seed {', '.join(map(str, seeds))}) ACGA has {_mean(control)} % if "
                f"they are drawn as there, {_mean(ours)} % as here, and the same network without "
                f"attention {_mean(without)} %"
            )
    if told:
        yield (
            "The small profiles draw the attention's first weights larger than the authors' code "
            f"does: {'; '.join(told)}."
        )


def _cues(records: Sequence[Record]) -> Iterator[str]:
    found = [by_method(records).get(name, []) for name in ABLATION[-2:]]
    seeds = set.intersection(*({seed_of(run) for run in runs} for runs in found))
    if not seeds:
        return
    before, after = (
        by_group([run for run in runs if seed_of(run) in seeds], "cue") for runs in found
    )
    if after.shape[1] < 2:
        return
    gains = (after.iloc[0] - before.iloc[0]).rename(lambda name: name.split(" (")[0])
    yield (
        f"The attention is worth most where the {gains.idxmax()} decides whom a sentence means "
        f"({gains.max():+.1f} points) and least where the {gains.idxmin()} does "
        f"({gains.min():+.1f})."
    )


def _control(records: Sequence[Record], controls: Sequence[Record]) -> Iterator[str]:
    if shuffled := by_method(controls).get("acga"):
        yield (
            "Trained with shuffled sentences, which teach nothing about words, the same network "
            f"reaches {_mean(shuffled)} % instead of {_mean(by_method(records)['acga'])} %."
        )


def _transfer(records: Sequence[Record], other: str = "gavrilyuk_two_stream") -> Iterator[str]:
    found = by_method(records)
    if "acga" in found:
        beside = f", {METHODS[other].title} {_mean(found[other])} %" if other in found else ""
        paper = [TABLE_2.rows[name][METRICS.index("mean_iou")] for name in ("acga", other)]
        yield (
            "On videos of another kind, without training on them (Table 2), "
            f"{TABLE_2.title('acga')} reaches {_mean(found['acga'])} %{beside} "
            f"(paper: {' and '.join(f'{value:.1f}' for value in paper)})."
        )


def _noise(records: Sequence[Record], other: str = "gavrilyuk") -> Iterator[str]:
    losses = {name: _lost(runs) for name, runs in by_method(records).items()}
    if "acga" in losses:
        count = max(records[0]["noise"], key=int)
        beside = f", that of {METHODS[other].title} by {losses[other]}" if other in losses else ""
        yield (
            f"With {count} noise words in the sentence, ACGA's mean IoU changes by "
            f"{losses['acga']} points{beside}."
        )


def _paths(records: Sequence[Record]) -> Iterator[str]:
    """Through which of its attentions ACGA hears the sentence; records may be older than that."""
    found = [run["paths"] for run in by_method(records).get("acga", ()) if run.get("paths")]
    told = [
        pd.Series([100 * one[path]["change"] for one in found if path in one])
        for path in ("another in Eq. 4", "another in Eq. 5")
    ]
    words, gate = (plus_minus(one.mean(), one.std(), signed=True) for one in told)
    if len(told[0]):
        yield (
            "Where its attention over words (Eq. 4) is given a sentence that means another actor, "
            f"ACGA's mean IoU changes by {words} points; where the gate of its other attention "
            f"(Eq. 5) is, by {gate}."
        )


def _lost(runs: Sequence[Record]) -> str:
    """Change of mean IoU, in points, with as many noise words as were tried."""
    by_seed = {seed_of(run): run["noise"] for run in runs}
    change = [100 * (noise[max(noise, key=int)] - noise["0"]) for noise in by_seed.values()]
    return plus_minus(float(np.mean(change)), float(pd.Series(change).std()), signed=True)
