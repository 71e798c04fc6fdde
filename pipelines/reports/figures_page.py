"""The report of a champion whose predictions are compared with what came later, without a decision."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from models.registry.promotion import Records
from pipelines.figures.champion_figures import FiguresResult, figure_rows
from pipelines.reports.chart import LINE, SERIES, SOFT, render_chart
from pipelines.reports.interval_section import interval_charts, interval_table
from pipelines.reports.page import render_page
from pipelines.reports.report import Conclusion, Fact, timeline_rows
from pipelines.reports.watch_page import ledger_marks

_MOST_POINTS = 3000  # an SVG has an element for each


def write_figures_page(records: Records, result: FiguresResult, pairs: pd.DataFrame) -> Path:
    """Write the page, and return its path; `pairs` has prediction and truth of what was compared."""
    is_life = result.target == "remaining_life"
    unit = result.clock.unit(pairs["truth"])
    axis = f"remaining life, {unit.plural}" if is_life else result.unit or "value"
    charts = [_pairs(pairs, axis, unit.hours if is_life else 1.0)] if len(pairs) else []
    tables = []
    if result.intervals is not None:
        charts += interval_charts(result.intervals)
        tables.append(interval_table(result.intervals))
    page = render_page(
        "reports/report.html.jinja",
        title=f"{result.model_name}: the champion's predictions and what came later",
        now=f"{result.now:%Y-%m-%d %H:%M} UTC",
        facts=list(_facts(result)),
        conclusion=Conclusion(result.decision, result.reasons),
        charts=charts,
        tables=tables,
        timeline=timeline_rows(ledger_marks(records, result.model_name, now=result.now)),
    )
    result.report.parent.mkdir(parents=True, exist_ok=True)
    result.report.write_text(page, encoding="utf-8")
    return result.report


def _facts(result: FiguresResult) -> Iterator[Fact]:
    yield Fact("Champion", f"version {result.model_version}")
    yield Fact("Compared", f"{result.compared:,} of {result.predicted:,}", f"predictions, {result.assets:,} assets")
    for name, seen, evaluated in figure_rows(result):
        yield Fact(name, seen, f"in the evaluation: {evaluated}")


def _pairs(pairs: pd.DataFrame, axis: str, scale: float) -> dict[str, Any]:
    shown = pairs.iloc[:: -(-len(pairs) // _MOST_POINTS)]
    truth, predicted = (shown[name].to_numpy(dtype=np.float64) / scale for name in ("truth", "prediction"))

    def draw(axes: Axes) -> None:
        ends = [float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))]
        axes.plot(ends, ends, color=SOFT, linestyle=(0, (4, 3)), linewidth=1.1, label="predicted as it came")
        axes.scatter(truth, predicted, s=12, color=SERIES, alpha=0.5, linewidths=0, label="a prediction")
        axes.set(xlabel=f"what came later ({axis})", ylabel=f"predicted ({axis})")
        axes.grid(color=LINE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=2, frameon=False, labelcolor=SOFT)

    return render_chart("Predicted, and what came later", "Each point is a prediction whose truth is known.", draw)
