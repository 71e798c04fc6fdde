"""The evidence against the champions over time, and the threshold at which it decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from pipelines.reports.chart import SERIES, SOFT, ChartTable, Mark, day, draw_marks, format_axes, render_chart

RATES = {
    "fn": "Evidence that more failures are missed than promised",
    "fp": "Evidence of more false alarms than promised",
}
_NOTE = (
    "The logarithm of each test's e-value, starting anew with each champion. Above the broken line the test decides: "
    "while the promise is kept so much evidence is rare, however often one looks."
)
_COLOURS = {"since promotion": SERIES, "recent": "#b7791f"}


@dataclass(frozen=True)
class EvidenceSeries:
    """The evidence against one champion over time, by one test of one rate."""

    rate: str  # "fn" or "fp"
    test: str  # "since promotion" or "recent"
    version: int  # of the champion
    at: tuple[pd.Timestamp, ...]  # the times of the looks
    log_e_values: tuple[float, ...]
    thresholds: tuple[float, ...]  # of the log e-value


def draw_evidence(series: Sequence[EvidenceSeries], marks: Sequence[Mark], now: pd.Timestamp) -> dict[str, Any]:
    """Draw the evidence about one rate; at least one series."""
    start = min(min(one.at) for one in series)

    def draw(axes: Axes) -> None:
        labelled: set[str] = set()
        for one in series:
            _draw_series(axes, one, labelled)
        format_axes(axes, start, max(now, start + pd.Timedelta(days=1)))
        draw_marks(axes, marks, start, now)

    rows = [
        (str(one.version), one.test, f"{at:%Y-%m-%d %H:%M}", _number(value), _number(threshold))
        for one in series
        for at, value, threshold in zip(one.at, one.log_e_values, one.thresholds, strict=True)
    ]
    table = ChartTable(("version", "test", "look (UTC)", "log evidence", "decides at"), tuple(rows))
    return render_chart(RATES[series[0].rate], _NOTE, draw, table)


def _draw_series(axes: Axes, series: EvidenceSeries, labelled: set[str]) -> None:
    colour = _COLOURS.get(series.test, SOFT)
    days = [day(at) for at in series.at]
    label = "_nolegend_" if series.test in labelled else series.test
    labelled.add(series.test)
    # With markers, as a line of a single look would not be visible.
    axes.plot(days, series.log_e_values, color=colour, linewidth=1.4, marker="o", markersize=3, label=label)
    axes.plot(days, series.thresholds, color=colour, linestyle=(0, (4, 3)), linewidth=1.1)


def _number(value: float | None) -> str:
    """Write a number; a look with nothing to count has none."""
    return "\u2013" if value is None else f"{value:.2f}"
