"""Shared parts of the report's charts: colours, time axis, marks of events, and the table behind each chart."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

COLOURS = {
    "change": "#b7791f",
    "trigger": "#b42318",
    "retraining": "#5c6875",
    "rejected": "#5c6875",
    "postponed": "#5c6875",
    "promotion": "#2f7d4f",
    "rollback": "#7a4fa3",
}
INK, SOFT, LINE, SERIES = "#1d2733", "#5c6875", "#e3e7ec", "#2563a8"
# What the page makes of a colour, so that a chart is read in the dark too.
_THEME = {
    INK: "var(--text)",
    SOFT: "var(--quiet)",
    LINE: "var(--line)",
    SERIES: "var(--accent)",
    COLOURS["change"]: "var(--medium)",
    COLOURS["trigger"]: "var(--high)",
    COLOURS["promotion"]: "var(--low)",
    COLOURS["rollback"]: "var(--back)",
}
_COLOUR = re.compile("|".join(_THEME))
_MOST_ROWS = 200
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text: smaller, searchable, in the reader's own font
    "svg.hashsalt": "forewarn",
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


@dataclass(frozen=True)
class Mark:
    """An event, drawn into the charts and listed in the timeline."""

    at: pd.Timestamp
    kind: str  # a key of `COLOURS`; any other kind appears only in the timeline
    label: str  # a few words
    detail: str = ""  # the reason, in a sentence or two


@dataclass(frozen=True)
class ChartTable:
    """The figures of a chart, for whoever cannot see it or wants to check it."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    every: int = 1  # of so many figures one is listed

    @property
    def left_out(self) -> bool:
        """Whether figures are left out."""
        return self.every > 1


def render_chart(
    title: str, note: str, draw: Callable[[Axes], None], table: ChartTable | None = None
) -> dict[str, Any]:
    """Render a chart as "title", "note", "svg" and "table", for the page; without a table, of its labelled series."""
    with rc_context(_STYLE):
        # Fixed margins: letting matplotlib find them draws every chart twice.
        figure = Figure(figsize=(9.2, 3.1))
        axes = figure.add_axes((0.06, 0.17, 0.935, 0.61))
        draw(axes)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = _COLOUR.sub(lambda found: _THEME[found[0]], out.getvalue())
    # Safe unescaped, as matplotlib made it; without the XML head, which HTML does not allow.
    drawn = Markup(svg[svg.index("<svg") :])  # noqa: S704
    return {"title": title, "note": note, "svg": drawn, "table": _series_table(axes) if table is None else table}


def themed(colour: str) -> str:
    """Return a colour of charts as the page has it."""
    return _THEME.get(colour, colour)


def _series_table(axes: Axes) -> ChartTable:
    """Tabulate the labelled lines and points of a chart."""
    dated = isinstance(axes.xaxis.get_major_formatter(), ConciseDateFormatter)
    rows = [
        (str(label), _date(x) if dated else f"{x:.6g}", f"{y:.6g}")
        for label, points in _labelled(axes)
        for x, y in points
    ]
    every = -(-len(rows) // _MOST_ROWS) or 1
    head = ("series", axes.get_xlabel() or ("time (UTC)" if dated else "x"), axes.get_ylabel() or "value")
    return ChartTable(head, tuple(rows[::every]), every)


def _labelled(axes: Axes) -> Iterator[tuple[object, list[tuple[float, float]]]]:
    drawn = [(line.get_label(), line.get_xydata()) for line in axes.lines]
    drawn += [(each.get_label(), each.get_offsets()) for each in axes.collections if isinstance(each, PathCollection)]
    for label, points in drawn:
        if not str(label).startswith("_"):
            yield label, np.asarray(points, dtype=np.float64).tolist()


def _date(days: float) -> str:
    return f"{pd.Timestamp(0, tz='UTC') + pd.Timedelta(days=days):%Y-%m-%d %H:%M}"


def format_axes(axes: Axes, start: pd.Timestamp, end: pd.Timestamp) -> None:
    """Give a chart its grid, time axis and legend."""
    axes.set_xlim(day(start), day(end))
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    locator = AutoDateLocator(maxticks=9)  # type: ignore[no-untyped-call]  # matplotlib's dates are not typed
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]  # as above
    axes.xaxis.set_major_formatter(formatter)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.16), ncols=4, frameon=False, borderaxespad=0, labelcolor=SOFT)


def day(time: pd.Timestamp) -> float:
    """Return a time in days since 1970, as matplotlib counts it."""
    return float((time - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1))


def draw_marks(axes: Axes, marks: Sequence[Mark], start: pd.Timestamp, end: pd.Timestamp) -> None:
    """Draw events as labelled lines across a chart; kinds without a colour are left out."""
    shown = sorted((mark for mark in marks if mark.kind in COLOURS and start <= mark.at <= end), key=lambda m: m.at)
    # Labels alternate between two lines, so that neighbours do not overlap.
    for number, mark in enumerate(shown):
        colour = COLOURS[mark.kind]
        axes.axvline(day(mark.at), color=colour, linewidth=1.2)
        late = (mark.at - start) > 0.8 * (end - start)
        axes.annotate(
            mark.label,
            (day(mark.at), 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-3 if late else 3, 3 + 12 * (number % 2)),
            textcoords="offset points",
            ha="right" if late else "left",
            color=colour,
            fontsize=9,
            annotation_clip=False,
        )
