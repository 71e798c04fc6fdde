"""The evidence against the champions over time, against the threshold from which it decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from pipelines.reports.chart import SERIES, SOFT, Mark, day, draw_marks, drawn, dress

RATES = {
    "fn": "Evidence that more failures are missed than promised",
    "fp": "Evidence of more false alarms than promised",
}
_NOTE = (
    "The logarithm of the e-value of each test, beginning anew with each champion. From the broken line on it decides: "
    "so much evidence is rare, however often one looks, while the promise is kept."
)
_COLOURS = {"since promotion": SERIES, "recent": "#b7791f"}


@dataclass(frozen=True)
class EvidenceSeries:
    """How the evidence against one champion grew, by one test of one rate.

    Parameters
    ----------
    rate : str
        "fn" or "fp".
    test : str
        "since promotion" or "recent".
    version : int
        Of the champion.
    at : tuple of pd.Timestamp
        When it was looked at.
    log_e_values, thresholds : tuple of float
        The logarithm of the e-value, and from where on it decides.
    """

    rate: str
    test: str
    version: int
    at: tuple[pd.Timestamp, ...]
    log_e_values: tuple[float, ...]
    thresholds: tuple[float, ...]


def draw_evidence(courses: Sequence[EvidenceSeries], marks: Sequence[Mark], now: pd.Timestamp) -> dict[str, Any]:
    """Draw the evidence about one rate.

    Parameters
    ----------
    courses : sequence of EvidenceSeries
        Of one rate, at least one.
    marks : sequence of Mark
        What happened.
    now : pd.Timestamp
        The moment it shows.

    Returns
    -------
    dict
        As `pipelines.reports.chart.drawn` gives it.
    """
    start = min(min(course.at) for course in courses)

    def draw(axes: Axes) -> None:
        named: set[str] = set()
        for course in courses:
            _draw_course(axes, course, named)
        dress(axes, start, max(now, start + pd.Timedelta(days=1)))
        draw_marks(axes, marks, start, now)

    return drawn(RATES[courses[0].rate], _NOTE, draw)


def _draw_course(axes: Axes, course: EvidenceSeries, named: set[str]) -> None:
    colour = _COLOURS.get(course.test, SOFT)
    days = [day(at) for at in course.at]
    label = "_nolegend_" if course.test in named else course.test
    named.add(course.test)
    # A champion on duty for one look only is a dot; later ones are lines.
    axes.plot(days, course.log_e_values, color=colour, linewidth=1.4, marker="o", markersize=3, label=label)
    axes.plot(days, course.thresholds, color=colour, linestyle=(0, (4, 3)), linewidth=1.1)
