"""Charts show the numbers of the tables, and what is missing stays empty."""

import numpy as np
import pandas as pd

from acga_lib.published import METRICS, TABLE_1
from acga_lib.report.charts import beside_chart, breakdown_chart


def record(method: str, seed: int, level: float) -> dict:
    """As much of a run record as a chart reads."""
    return {
        "config": {"run": {"method": method, "seed": seed}},
        "metrics": dict.fromkeys(METRICS, level),
    }


def test_paper_and_runs_stand_in_the_row_of_their_method():
    records = [record("acga", 0, 0.4), record("acga", 1, 0.6), record("acga_flow", 0, 0.3)]
    figure = beside_chart(records, TABLE_1, metrics=("mAP", "mean_iou"), title="two panels")
    panel = next(axis for axis in figure.axes if axis.get_title() == "Mean IoU")
    rows = [label.get_text() for label in panel.get_yticklabels()] or list(TABLE_1.methods)
    lines = {line.get_label(): line.get_xydata() for line in panel.get_lines()}
    assert len(figure.axes) == 2 and len(rows) == len(TABLE_1.methods)
    acga, flow = (TABLE_1.methods.index(name) for name in ("acga", "acga_flow"))
    assert [49.0, acga] in lines[TABLE_1.measured_on].tolist()
    np.testing.assert_allclose(
        lines["single runs, here"], [[40, acga], [60, acga], [30, flow]], rtol=1e-6
    )
    assert len(lines[TABLE_1.measured_on]) == len(TABLE_1.rows)  # "acga_flow" is not the paper's


def test_a_breakdown_prints_every_number():
    part = pd.DataFrame({"place (3)": [12.4, 50.6], "actor (2)": [0.0, 99.5]}, index=["a", "b"])
    axis = breakdown_chart(part, title="by cue", group="cue").axes[0]
    assert sorted(text.get_text() for text in axis.texts) == ["0", "100", "12", "51"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]
