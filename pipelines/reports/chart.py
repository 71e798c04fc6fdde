"""Shared parts of the report's charts: colours, time axis, and marks of events."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
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


def render_chart(title: str, note: str, draw: Callable[[Axes], None]) -> dict[str, Any]:
    """Render a chart as "title", "note" and "svg", for the page."""
    with rc_context(_STYLE):
        # Fixed margins: letting matplotlib find them draws every chart twice.
        figure = Figure(figsize=(9.2, 3.1))
        draw(figure.add_axes((0.06, 0.17, 0.935, 0.61)))
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    # Safe unescaped, as matplotlib made it; without the XML head, which HTML does not allow.
    return {"title": title, "note": note, "svg": Markup(svg[svg.index("<svg") :])}  # noqa: S704


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
