"""What limits the runs of a table, as pictures: more data, more steps, or a finer grid?

The numbers are those of `experiment/limits.py`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from acga_lib.files.records import Record
from acga_lib.methods import METHODS
from acga_lib.report.charts import OURS, SEED
from acga_lib.report.tables import by_method, seed_of

#: What each of the two numbers is called, by its name in the records.
TOLD = {"right": "right instance", "iou_when_right": "IoU where it is right"}
#: What the groups of `group_chart` are, by their name in the records.
GROUPS = {"cue": "deciding cue", "size": "size of the actor, cells"}


def _mean(records: Sequence[Record], *keys: str) -> float:
    """A number of the runs' limits in percent, mean over seeds; NaN where none has it."""
    values: list[Any] = [record["limits"] for record in records]
    for key in keys:
        values = [value[key] for value in values if value is not None and key in value]
    told = [100 * value for value in values if value is not None]
    return float(np.mean(told)) if told else float("nan")


def against_training(records: Sequence[Record]) -> pd.DataFrame:
    """The two numbers on test and training samples, in percent, mean over seeds.

    -> a row per method title; columns (name in `TOLD`, "train" | "test" | "gap"), and
    ("right", "chance") of the test samples.
    """
    rows = {}
    for name, runs in by_method(records).items():
        row: dict[tuple[str, str], float] = {}
        for of in TOLD:
            train, test = (_mean(runs, on, of) for on in ("train", "test"))
            row |= {(of, "train"): train, (of, "test"): test, (of, "gap"): train - test}
            if of == "right":
                row[of, "chance"] = _mean(runs, "test", "chance")
        rows[METHODS[name].title] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def training_chart(records: Sequence[Record]) -> Figure:
    """`against_training` as a picture: a gap between the two marks of a row is a lack of data."""
    table = against_training(records)
    figure = Figure(figsize=(10, 1.6 + 0.42 * len(table)), layout="constrained")
    panels, places = figure.subplots(1, 2, sharey=True), np.arange(len(table))
    for axis, of in zip(panels, TOLD, strict=True):
        axis.hlines(places, table[of, "test"], table[of, "train"], color="0.75", linewidth=3)
        axis.plot(table[of, "train"], places, "s", color=SEED, label="training samples")
        axis.plot(table[of, "test"], places, "o", color=OURS, label="test samples")
        axis.set(xlim=(0, 100), xlabel="percent", title=TOLD[of])
    panels[0].plot(
        table["right", "chance"], places, "|", color="0.3", markersize=14, label="chance"
    )
    panels[0].set_yticks(places, table.index, fontsize=9)
    panels[0].set_ylim(len(table) - 0.5, -0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def learning_chart(record: Record) -> Figure:
    """How one run learned: its loss on what it was trained on, its score on held-out videos.

    A score that still rises at the end asks for more steps; one that stands while the loss falls,
    for more data. Without held-out videos, as in the paper's regime, the right panel says so.
    """
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    loss, score = figure.subplots(1, 2)
    stretches = len(record["losses"])
    steps = (np.arange(stretches) + 0.5) * record["steps"] / max(stretches, 1)
    loss.plot(steps, record["losses"], color=OURS)
    loss.set(xlabel="step", ylabel="loss (Eq. 16)", title="Training samples", ylim=(0, None))
    held_out = record["limits"]["held_out"]
    if held_out is None:
        score.text(0.5, 0.5, "no video was held out", ha="center", va="center")
        score.set_axis_off()
    else:
        _learning(score, held_out)
    title = f"{METHODS[record['config']['run']['method']].title}, seed {seed_of(record)}"
    figure.suptitle(title, parse_math=False)
    return figure


def _learning(axis: Axes, held_out: dict[str, Any]) -> None:
    """The right panel of `learning_chart`."""
    steps = [point["step"] for point in held_out["curve"]]
    for of, label, color in (("right", TOLD["right"], SEED), ("mean_iou", "mean IoU", OURS)):
        values = [100 * point[of] for point in held_out["curve"]]
        axis.plot(steps, values, "o-", color=color, label=label)
    axis.set(xlabel="step", ylabel="percent", ylim=(0, 100), xlim=(0, None))
    axis.set_title(f"{held_out['measured']} samples of {held_out['videos']} held-out videos")
    axis.legend(fontsize=9)


def group_chart(records: Sequence[Record], group: str) -> Figure | None:
    """The two numbers by "cue", or by "size" in cells of the features: a line per method.

    In parentheses the number of test samples. None where the data do not tell the groups apart.
    """
    shown = records[0]["limits"]["test"][group]
    if not shown:
        return None
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels, places = figure.subplots(1, 2), np.arange(len(shown))
    methods, style = by_method(records), "o-" if group == "size" else "o"  # sizes have an order
    for axis, of in zip(panels, TOLD, strict=True):
        for shift, (name, runs) in zip(_shifts(len(methods)), methods.items(), strict=True):
            values = [_mean(runs, "test", group, value, of) for value in shown]
            axis.plot(places + shift, values, style, label=METHODS[name].title)
        labels = [f"{value}\n({part['samples']})" for value, part in shown.items()]
        axis.set_xticks(places, labels, fontsize=9, parse_math=False)
        axis.set(ylim=(0, 102), xlabel=GROUPS[group], ylabel="percent", title=TOLD[of])
    chance = [_mean(records, "test", group, value, "chance") for value in shown]
    panels[0].plot(places, chance, "_", color="0.3", markersize=22, label="chance")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _shifts(count: int) -> list[float]:
    """So far aside are `count` marks drawn that share a place."""
    return [0.08 * (place - (count - 1) / 2) for place in range(count)]
