"""Charts of measured numbers, for the notebooks that make tables.

Each returns a matplotlib Figure that belongs to no window system: a notebook shows it by naming it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from acga_lib.published import METRICS, PublishedTable
from acga_lib.report.tables import HEADINGS, Record, by_method, summary

#: Of published numbers, of our means, and of our single runs.
PAPER, OURS, SEED = "0.6", "#0072B2", "#D55E00"


def beside_chart(
    records: Sequence[Record], table: PublishedTable, *, metrics: Sequence[str], title: str
) -> Figure:
    """A published table and ours as a picture: a panel per metric, a row per method, in percent.

    Squares are the paper's numbers; circles our means over seeds with their standard deviation;
    points the single runs. A row without runs, or without a published number, shows what there is.
    """
    height = 0.36 * len(table.methods) + 1.5
    figure = Figure(figsize=(2.2 + 2.5 * len(metrics), height), layout="constrained")
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axis, metric in zip(axes, metrics, strict=True):
        _published_and_ours(axis, records, table, metric)
    axes[0].set_yticks(range(len(table.methods)), map(table.title, table.methods), fontsize=9)
    axes[0].set_ylim(len(table.methods) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    figure.suptitle(title, parse_math=False)
    return figure


def _published_and_ours(
    axis: Axes, records: Sequence[Record], table: PublishedTable, metric: str
) -> None:
    """One panel of `beside_chart`."""
    places = {name: place for place, name in enumerate(table.methods)}
    paper = [row[METRICS.index(metric)] for row in table.rows.values()]
    axis.plot(paper, [places[n] for n in table.rows], "s", color=PAPER, label=table.measured_on)
    ours, runs = summary(records), by_method(records)
    single = [(100 * run["metrics"][metric], places[name]) for name in runs for run in runs[name]]
    axis.plot(*zip(*single, strict=True), ".", color=SEED, label="single runs, here")
    axis.errorbar(
        ours[metric, "mean"], [places[name] for name in ours.index],
        xerr=ours[metric, "std"].fillna(0), fmt="o", color=OURS, capsize=3, markersize=8,
        markerfacecolor="none", label="mean ± standard deviation, here",
    )  # fmt: skip
    for place in range(1, len(places)):
        axis.axhline(place - 0.5, color="0.92", linewidth=1, zorder=0)
    axis.set_title(HEADINGS[metric], fontsize=10)
    axis.set_xlabel("percent", fontsize=9)
    axis.set_xlim(left=-1.5)


def breakdown_chart(part: pd.DataFrame, *, title: str, group: str) -> Figure:
    """A frame of `tables.by_group`, methods as rows and values of `group` as columns, in colour."""
    size = min(4.0 + 0.75 * part.shape[1], 12), 1.6 + 0.34 * part.shape[0]
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    numbers = part.to_numpy()
    image = axis.imshow(numbers, cmap="cividis", aspect="auto", vmin=0)
    axis.set_xticks(range(part.shape[1]), map(str, part.columns), rotation=35, ha="right",
                    fontsize=8, parse_math=False)  # fmt: skip
    axis.set_yticks(range(part.shape[0]), map(str, part.index), fontsize=8, parse_math=False)
    axis.set_title(title, fontsize=10, parse_math=False)
    axis.set_xlabel(group, parse_math=False)
    for (row, column), value in np.ndenumerate(numbers):
        color = "white" if value < np.nanmax(numbers) / 2 else "black"
        axis.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color=color)
    figure.colorbar(image, label="percent")
    return figure


def ceiling_chart(
    rows: Sequence[Mapping[str, Any]], published: Mapping[str, float], *, metrics: Sequence[str]
) -> Figure:
    """What a faultless response of each size scores, and what a method reaches.

    rows: of `ceilings.measure`; those of covered parts under our scoring are drawn. published:
    metric → percent, drawn dotted in the colour of its line.
    """
    figure = Figure(figsize=(7.6, 4.4), layout="constrained")
    axis = figure.subplots()
    ours = [row for row in rows if (row["kind"], row["scoring"]) == ("coverage", "original")]
    sides = [row["side"] for row in ours]
    for color, metric in zip(("#0072B2", "#D55E00", "#009E73", "#CC79A7"), metrics, strict=False):
        values = [100 * row["metrics"][metric] for row in ours]
        axis.plot(sides, values, "o-", color=color, label=HEADINGS[metric])
        axis.axhline(published[metric], color=color, linestyle=":", linewidth=1.4)
    axis.plot([], [], "k:", label="ACGA, published")
    axis.set_xscale("log", base=2)
    axis.set_xticks(sides, map(str, sides))
    axis.set_xlabel("side of the response, cells")
    axis.set_ylabel("percent")
    axis.set_title("The score of covered parts, by the size of the response")
    figure.legend(loc="outside right upper", fontsize=9)
    axis.grid(color="0.92")
    return figure


def ranking_chart(found: Mapping[str, Any]) -> Figure:
    """The same masks under both meanings of mAP: `ceilings.two_maps` as bars, in percent."""
    figure = Figure(figsize=(7.6, 2.9), layout="constrained")
    axis = figure.subplots()
    names = [f"COCO AP, ranked {name}" for name in found["rankings"]]
    values = [100 * found["metrics"]["mAP"]]
    values += [100 * one["coco_ap"] for one in found["rankings"].values()]
    bars = axis.barh(["mean of P@0.50:0.95", *names], values, color=[OURS] + [SEED] * len(names))
    axis.bar_label(bars, fmt="%.1f", padding=3)
    axis.invert_yaxis()
    axis.set_xlim(0, max(values) * 1.12)
    axis.set_xlabel("percent")
    axis.set_title(f"Two meanings of mAP on the same {found['predictions']:,} masks")
    return figure
