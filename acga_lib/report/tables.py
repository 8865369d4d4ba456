"""The tables that put our numbers beside the published ones.

Tables are made from run records alone. A published number and one of ours never share a cell: they
were measured on different data.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from acga_lib.files.records import Record
from acga_lib.files.storage import write_text
from acga_lib.methods import METHODS
from acga_lib.parameters import EMBEDDED
from acga_lib.published import ABLATION, METRICS, TABLE_1, TABLE_3, PublishedTable

#: How tables head the metrics. "mAP" is the paper's: the mean of P@0.50:0.05:0.95, not COCO's.
HEADINGS = dict(zip(METRICS, METRICS, strict=True)) | {
    "overall_iou": "Overall IoU", "mean_iou": "Mean IoU", "right_half": "Right half"
}  # fmt: skip


def method_of(record: Record) -> str:
    """The name of a record's method, e.g. "acga"."""
    return str(record["config"]["run"]["method"])


def seed_of(record: Record) -> int:
    """The seed of a record."""
    return int(record["config"]["run"]["seed"])


def published(table: PublishedTable) -> pd.DataFrame:
    """A published table in percent: a row per method title, a column per metric."""
    rows = {table.title(name): numbers for name, numbers in table.rows.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=[HEADINGS[m] for m in METRICS])


def by_method(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records grouped by method, in the order in which the methods appear."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(method_of(record), []).append(record)
    return groups


def summary(records: Sequence[Record]) -> pd.DataFrame:
    """Mean and standard deviation over seeds, in percent.

    -> a row per method, columns (metric, "mean" | "std") and ("seeds", ""); the deviation is that
    of a sample (n - 1) and missing for a single seed.
    """
    rows = {}
    for name, runs in by_method(records).items():
        scores = pd.DataFrame([run["metrics"] for run in runs])
        columns: dict[tuple[str, str], float] = {("seeds", ""): len(scores)}
        for metric in METRICS:
            columns[metric, "mean"] = 100 * scores[metric].mean()
            columns[metric, "std"] = 100 * scores[metric].std()
        rows[name] = columns
    return pd.DataFrame.from_dict(rows, orient="index")


def beside_the_paper(
    records: Sequence[Record], table: PublishedTable, *, data: str, apart: str | None = None
) -> pd.DataFrame:
    """A published table and ours, row under row, as text in percent: "mean ± std".

    Every row says on which data its numbers were measured; the two are not comparable in size,
    only in order. Methods without a published number follow. apart: a group of the records'
    breakdown, for each of whose values our rows end with the mean IoU.
    """
    ours, rows = summary(records), []
    for name in table.methods:
        title = table.title(name)
        if name in table.rows:
            paper = {"Method": title, "Measured on": table.measured_on, "Seeds": "–"}
            numbers = zip(METRICS, table.rows[name], strict=True)
            rows.append(paper | {HEADINGS[metric]: f"{value:.1f}" for metric, value in numbers})
        if name in ours.index:
            row = ours.loc[name].to_dict()
            line = {"Method": title, "Measured on": here(data)}
            line |= {"Seeds": str(int(row["seeds", ""]))}
            line |= {HEADINGS[m]: plus_minus(row[m, "mean"], row[m, "std"]) for m in METRICS}
            rows.append(line | (_parts(by_method(records)[name], apart) if apart else {}))
    return pd.DataFrame(rows).fillna("–")


def here(data: str) -> str:
    """How a table names the data of our rows."""
    return f"{'embedded benchmark' if data == EMBEDDED else data} (here)"


def _parts(runs: Sequence[Record], group: str) -> dict[str, str]:
    """Mean IoU of a method's runs for each value of a group, in percent: "mean ± std"."""
    found = {}
    for value in runs[0]["breakdown"][group]:
        scores = 100 * pd.Series([run["breakdown"][group][value]["mean_iou"] for run in runs])
        found[f"{HEADINGS['mean_iou']}, {value}"] = plus_minus(scores.mean(), scores.std())
    return found


def costs(records: Sequence[Record], table: PublishedTable) -> pd.DataFrame:
    """What each method of a table costs here, beside its mean IoU, as text.

    Parameters are those that training changes, seconds a query those of the network alone, from
    stored features, both as medians over seeds, since a machine may be busy or a run resumed; a
    two-stream method trains nothing itself, its streams do.
    """
    rows, per_query = [], "seconds_per_query"
    for name, runs in by_method(records).items():
        if name in table.methods:
            scores = 100 * pd.Series([run["metrics"]["mean_iou"] for run in runs])
            seconds = [run["seconds"] for run in runs]
            rows.append({
                "Method": table.title(name),
                "Features": " + ".join(METHODS[name].modalities),
                "Parameters": f"{runs[0]['parameters']:,}",
                "Training, s": "–" if METHODS[name].streams else f"{np.median(seconds):.0f}",
                "A query, ms": f"{1000 * np.median([run[per_query] for run in runs]):.1f}",
                HEADINGS["mean_iou"]: plus_minus(scores.mean(), scores.std()),
            })  # fmt: skip
    return pd.DataFrame(rows)


def plus_minus(mean: float, std: float, *, signed: bool = False) -> str:
    """ "52.1 ± 0.8", or "52.1" where there is no deviation (a single seed)."""
    rounded = round(mean, 1) + 0.0  # never "-0.0"
    number = f"{rounded:+.1f}" if signed else f"{rounded:.1f}"
    return number if np.isnan(std) else f"{number} ± {std:.1f}"


def components(records: Sequence[Record]) -> pd.DataFrame:
    """What each row of Table 3 adds to the row above it, in points: the paper's and ours.

    Ours is paired by seed: both runs of a difference see the samples in the same order. -> a row
    per component and metric: component, metric, paper, seeds, mean, std (n - 1), the `interval` of
    the mean, low and high, and `claim`: whether the interval leaves out "no change". One seed has
    no deviation, no interval and no claim. Steps whose two methods share no seed are left out.
    """
    return pd.DataFrame(
        [row for step in pairwise(ABLATION) for row in differences(by_method(records), *step)]
    )


def differences(runs: dict[str, list[Record]], before: str, after: str) -> Iterator[Record]:
    """The rows of `components` for the step from one method to another."""
    first, second = ({seed_of(r): r["metrics"] for r in runs.get(n, ())} for n in (before, after))
    seeds = sorted(first.keys() & second.keys())
    for index, metric in enumerate(METRICS if seeds else ()):
        gains = 100 * np.array([second[seed][metric] - first[seed][metric] for seed in seeds])
        low, high = interval(gains)
        yield {
            "component": "+ " + METHODS[after].title.split(" + ")[-1],
            "metric": metric,
            "paper": round(TABLE_3.rows[after][index] - TABLE_3.rows[before][index], 1),
            "seeds": len(seeds),
            "mean": float(gains.mean()),
            "std": float(gains.std(ddof=1)) if len(seeds) > 1 else float("nan"),
            "low": low,
            "high": high,
            "claim": low > 0 or high < 0,
        }


def interval(gains: Sequence[float] | NDArray[np.float64] | pd.Series) -> tuple[float, float]:
    """The 95 % confidence interval of the mean of differences within seeds (Student's t).

    It covers what another seed changes, not another choice of test videos. NaN for one seed.
    """
    if len(gains) < 2:
        return float("nan"), float("nan")
    error = np.std(gains, ddof=1) / len(gains) ** 0.5
    half = float(student.ppf(0.975, len(gains) - 1) * error)
    return float(np.mean(gains)) - half, float(np.mean(gains)) + half


def judged(row: Any) -> str:
    """One plain sentence on a row of `components`."""
    what = f"{HEADINGS[row.metric]}: {row.component} changes it by "
    what += f"{plus_minus(row.mean, row.std, signed=True)} points (paper: {row.paper:+.1f})"
    if row.seeds < 2:
        return f"{what}; a single seed says nothing about the spread."
    doubt = "" if row.claim else ": no claim"
    return f"{what}; 95 % interval over {row.seeds} seeds {row.low:+.1f} to {row.high:+.1f}{doubt}."


def by_group(records: Sequence[Record], group: str, metric: str = "mean_iou") -> pd.DataFrame:
    """A metric broken down by "cue", "actor", "action" or "novelty", in percent, mean over seeds.

    -> a row per method title, a column per value, most frequent value first, headed
    "value (samples)"; empty where the data do not say (real annotations have no cues).
    """
    rows: dict[str, dict[str, float]] = {}
    for name, runs in by_method(records).items():
        first = runs[0]["breakdown"][group]
        counts = {value: part["samples"] for value, part in first.items()}
        rows[METHODS[name].title] = {
            f"{value} ({count})": 100
            * float(np.mean([run["breakdown"][group][value][metric] for run in runs]))
            for value, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def small_table(records: Sequence[Record], controls: Sequence[Record]) -> tuple[pd.DataFrame, str]:
    """Mean IoU of the paper's rows there, here, and here by deciding cue, as text; and its note.

    Below them what is trained with shuffled sentences (`controls`), from which the heights are
    read. Without columns of cues where the data do not have them.
    """
    paper = TABLE_3.rows | TABLE_1.rows
    shown = [record for record in records if method_of(record) in paper]
    rows = []
    for some, suffix in ((shown, ""), (controls, ", shuffled sentences")):
        cues = by_group(some, "cue")
        for name, runs in by_method(some).items():
            here = 100 * pd.Series([run["metrics"]["mean_iou"] for run in runs])
            row = {"Method": TABLE_1.title(name) + suffix}
            row["Paper"] = "–" if suffix else f"{paper[name][-1]:.1f}"
            row |= {"Here": plus_minus(here.mean(), here.std()), "Seeds": str(len(runs))}
            by = cues.loc[METHODS[name].title].items()
            rows.append(row | {str(cue): f"{value:.1f}" for cue, value in by})
    note = (
        f"Mean IoU in percent. Paper: A2D Sentences, 512 × 512 pixels. Here: {measured(shown)}; "
        "then by the cue that decides whom a sentence means, with its number of samples, where the "
        "data tell. Compare the order of the rows and the sign of the steps between them, not "
        "their height. Shuffled sentences: trained with the sentences of other samples, tested "
        f"with the true ones.\n\n{_runs([*shown, *controls])}"
    )
    return pd.DataFrame(rows).fillna("–"), note


def out_of_order(records: Sequence[Record], table: PublishedTable) -> tuple[list[str], int]:
    """The pairs of a table's rows whose mean IoU has not the paper's order here, and of how many.

    A pair is told with both its scores, there and here.
    """
    ours, place = summary(records)["mean_iou", "mean"], METRICS.index("mean_iou")
    both = {name: (row[place], ours[name]) for name, row in table.rows.items() if name in ours}
    pairs = list(combinations(both, 2))
    return [
        f"{table.title(a)} and {table.title(b)} (paper {both[a][0]:.1f} and {both[b][0]:.1f}, "
        f"here {both[a][1]:.1f} and {both[b][1]:.1f})"
        for a, b in pairs if (both[a][0] - both[b][0]) * (both[a][1] - both[b][1]) <= 0
    ], len(pairs)  # fmt: skip


def beside_the_control(records: Sequence[Record], controls: Sequence[Record]) -> pd.DataFrame:
    """A method trained with true and with shuffled sentences, in percent: "mean ± std".

    Both are tested with the true sentences. -> a row each; empty without controls.
    """
    rows = []
    for name, shuffled in by_method(controls).items():
        true = by_method(records).get(name, [])
        for training, runs in (("true", true), ("shuffled", shuffled)):
            line: dict[str, Any] = {
                "Method": METHODS[name].title, "Trained with": f"{training} sentences",
                "Seeds": str(len(runs)),
            }  # fmt: skip
            for metric in ("mean_iou", "overall_iou", "P@0.5", "right_half") if runs else ():
                values = 100 * pd.Series([run["metrics"][metric] for run in runs])
                line[HEADINGS[metric]] = plus_minus(values.mean(), values.std())
            rows.append(line)
    return pd.DataFrame(rows)


#: The one rule for all tables: which runs they hold.
EVERY_RUN = (
    "Every run that has a record in results/runs takes part: one that is made anew replaces its "
    "record, and the other seeds stay."
)


def measured(records: Sequence[Record]) -> str:
    """On what, how large and how often the runs of a table were measured, as part of a sentence."""
    run, samples = records[0]["config"]["run"], records[0]["samples"]
    profile, data = records[0]["config"]["profile"], records[0]["config"]["data"]
    drawn = " (the embedded benchmark: drawn scenes)" if data == "toy" else ""
    seeds = ", ".join(map(str, sorted({seed_of(record) for record in records})))
    return (
        f"training data '{data}'{drawn}, {samples['test']} test samples, "
        f"profile '{run['profile']}' ({profile['side']} × {profile['side']} pixels, "
        f"{profile['epochs']} epochs), seeds {seeds}; mean ± standard deviation over seeds"
    )


def _runs(records: Sequence[Record]) -> str:
    """The last paragraph of every table: the runs that it rests on."""
    return f"Runs: {', '.join(record['run_id'] for record in records)}."


def note(records: Sequence[Record], table: PublishedTable) -> str:
    """What a reader must know of a table beside ours, and the runs that it rests on."""
    tested = records[0].get("tested_on", records[0]["config"]["data"])
    return (
        f"Rows '{table.measured_on}' are the numbers that the paper publishes, at 512 × 512 "
        f"pixels. Rows '{here(tested)}' were measured with this kit: {measured(records)}. "
        f"{EVERY_RUN} All in percent; mAP is the mean of P@0.50:0.05:0.95. The two were measured "
        "on different data: compare the order of the rows and the sign of the steps between them, "
        f"not their height.\n\n{_runs(records)}"
    )


def write_table(table: pd.DataFrame, path: Path, *, note: str) -> None:
    """Write `<path>.csv` and `<path>.md`; the latter ends with the note.

    A dot in the name is a part of it: data may be called A2D_1.0.
    """
    write_text(path.with_name(f"{path.name}.csv"), table.to_csv(index=False))
    write_text(path.with_name(f"{path.name}.md"), f"{markdown(table)}\n\n{note}\n")


def markdown(table: pd.DataFrame) -> str:
    """A frame of texts as a Markdown table, its index left out."""

    def line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    lines = [line(table.columns), "|" + " --- |" * table.shape[1]]
    return "\n".join(lines + [line(row) for row in table.itertuples(index=False)])
