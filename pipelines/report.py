"""The report: one HTML page that needs nothing beside it, with the error rates over time and what was done about it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from models.error_rates import ErrorRates, Rate

COLOURS = {
    "change": "#b7791f",
    "trigger": "#b42318",
    "retraining": "#5c6875",
    "rejected": "#5c6875",
    "promotion": "#2f7d4f",
    "rollback": "#7a4fa3",
}
_INK, _SOFT, _LINE, _SERIES = "#1d2733", "#5c6875", "#e3e7ec", "#2563a8"
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text: smaller, searchable, in the reader's own font
    "svg.hashsalt": "forewarn",
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _SOFT,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


@dataclass(frozen=True)
class Mark:
    """Something that happened, drawn into the charts and listed in the timeline.

    Parameters
    ----------
    at : pd.Timestamp
        When.
    kind : str
        "change", "trigger", "retraining", "rejected", "promotion" or "rollback"; anything else only in the timeline.
    label : str
        What, in a few words.
    detail : str
        Why, in a sentence or two.
    """

    at: pd.Timestamp
    kind: str
    label: str
    detail: str = ""


@dataclass(frozen=True)
class Promise:
    """The rates that a champion promised while it was one.

    Parameters
    ----------
    start, end : pd.Timestamp
        From when to when.
    missed : float
        Share of failures missed.
    false_episodes : float
        False alarm episodes per asset-month.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    missed: float
    false_episodes: float


@dataclass(frozen=True)
class Fact:
    """A figure for the head of the page.

    Parameters
    ----------
    name, value, note : str
        What it is, the figure, and a word on it.
    """

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Conclusion:
    """What was decided, and why.

    Parameters
    ----------
    decision : str
        "retrain" or "hold".
    reasons : tuple of str
        Plain sentences.
    """

    decision: str
    reasons: tuple[str, ...]


def write_report(
    path: Path,
    series: Sequence[ErrorRates],
    marks: Sequence[Mark],
    timeline: Sequence[Mark],
    *,
    title: str,
    now: pd.Timestamp,
    promises: Sequence[Promise] = (),
    facts: Sequence[Fact] = (),
    verdict: Conclusion | None = None,
) -> Path:
    """Write the page.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    series : sequence of ErrorRates
        The rates of consecutive periods.
    marks : sequence of Mark
        Drawn into the charts.
    timeline : sequence of Mark
        Listed, in order of time.
    title : str
        Of the page.
    now : pd.Timestamp
        The moment it shows.
    promises : sequence of Promise
        Drawn as reference lines.
    facts : sequence of Fact
        Figures for the head of the page.
    verdict : Conclusion, optional
        The decision and its reasons.

    Returns
    -------
    Path
        The file.
    """
    charts = [_draw(panel, series, marks, promises, now) for panel in _PANELS] if series else []
    page = _template().render(
        title=title,
        now=f"{now:%Y-%m-%d %H:%M} UTC",
        facts=facts,
        verdict=verdict,
        charts=charts,
        timeline=[_row(mark) for mark in sorted(timeline, key=lambda mark: mark.at)],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


@dataclass(frozen=True)
class _Panel:
    title: str
    note: str
    rate: str
    percent: bool
    promised: str | None


_PANELS = (
    _Panel(
        "Failures missed",
        "False negatives: of all failures, caught, prevented and missed, those that no alarm announced in time.",
        "missed",
        True,
        "missed",
    ),
    _Panel(
        "False alarms per asset-month",
        "False positives: alarm episodes after which nothing broke and mechanics confirmed no defect.",
        "false_episodes",
        False,
        "false_episodes",
    ),
    _Panel(
        "Decisions that should have alerted and did not",
        "The classical false-negative rate, of single predictions.",
        "decision_fn",
        True,
        None,
    ),
    _Panel(
        "Decisions that alerted and should not have",
        "The classical false-positive rate, of single predictions.",
        "decision_fp",
        True,
        None,
    ),
)


def _template() -> jinja2.Template:
    text = files("pipelines").joinpath("report.html.jinja").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)


def _row(mark: Mark) -> dict[str, str]:
    return {
        "at": f"{mark.at:%Y-%m-%d %H:%M}",
        "label": mark.label,
        "detail": mark.detail,
        "colour": COLOURS.get(mark.kind, _LINE),
    }


def _draw(
    panel: _Panel,
    series: Sequence[ErrorRates],
    marks: Sequence[Mark],
    promises: Sequence[Promise],
    now: pd.Timestamp,
) -> dict[str, Any]:
    with rc_context(_STYLE):
        # Margins as measured: letting matplotlib find them draws every chart twice.
        figure = Figure(figsize=(9.2, 3.1))
        axes = figure.add_axes((0.06, 0.17, 0.935, 0.61))
        _draw_rates(axes, panel, series)
        _draw_promises(axes, panel, promises)
        _dress(axes, panel, series, now)
        _draw_marks(axes, marks, series[0].start, now)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    # The drawing is ours, so it may go in as it is; its XML head may not stand inside HTML.
    return {"title": panel.title, "note": panel.note, "svg": Markup(svg[svg.index("<svg") :])}  # noqa: S704


def _draw_rates(axes: Axes, panel: _Panel, series: Sequence[ErrorRates]) -> None:
    rates: list[Rate] = [getattr(point, panel.rate) for point in series]
    middle = [_day(point.start + (point.end - point.start) / 2) for point in series]
    seen = [index for index, rate in enumerate(rates) if rate.of > 0]
    axes.vlines(
        [middle[i] for i in seen],
        [rates[i].low for i in seen],
        [rates[i].high for i in seen],
        color=_SERIES,
        alpha=0.28,
        linewidth=5,
        capstyle="round",
    )
    axes.plot(
        [middle[i] for i in seen],
        [rates[i].value for i in seen],
        color=_SERIES,
        linewidth=1.4,
        marker="o",
        markersize=4.5,
        label="measured, with its interval",
    )


def _draw_promises(axes: Axes, panel: _Panel, promises: Sequence[Promise]) -> None:
    if panel.promised is None:
        return
    for number, promise in enumerate(promises):
        level = getattr(promise, panel.promised)
        label = "promised by the champion" if number == 0 else "_nolegend_"
        start, end = _day(promise.start), _day(promise.end)
        axes.hlines(level, start, end, color=_SOFT, linestyle=(0, (4, 3)), linewidth=1.2, label=label)


def _dress(axes: Axes, panel: _Panel, series: Sequence[ErrorRates], now: pd.Timestamp) -> None:
    rates: list[Rate] = [rate for point in series if (rate := getattr(point, panel.rate)).of > 0]
    # The wide interval of a thin period must not flatten the rest of the curve.
    top = (
        max([2.5 * max(rate.value for rate in rates), float(np.median([rate.high for rate in rates]))])
        if rates
        else 1.0
    )
    highest = max([min(rate.high, top) for rate in rates], default=1.0)
    axes.set_ylim(0, 1.08 * highest)
    axes.set_xlim(_day(series[0].start), _day(max(now, series[-1].end)))
    if now > series[-1].end:
        label = "not matured yet"
        axes.axvspan(_day(series[-1].end), _day(now), color=_LINE, alpha=0.55, linewidth=0, label=label, zorder=0)
    axes.grid(axis="y", color=_LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    locator = AutoDateLocator(maxticks=9)  # type: ignore[no-untyped-call]  # matplotlib's dates are not typed
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]  # as above
    axes.xaxis.set_major_formatter(formatter)
    if panel.percent:
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:.0%}" if highest > 0.05 else f"{value:.1%}")
        )
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.16), ncols=3, frameon=False, borderaxespad=0, labelcolor=_SOFT)


def _day(time: pd.Timestamp) -> float:
    # matplotlib counts days since 1970.
    return float((time - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1))


def _draw_marks(axes: Axes, marks: Sequence[Mark], start: pd.Timestamp, end: pd.Timestamp) -> None:
    shown = sorted((mark for mark in marks if mark.kind in COLOURS and start <= mark.at <= end), key=lambda m: m.at)
    # Labels of neighbours take turns on two lines, lest they cover each other.
    for number, mark in enumerate(shown):
        colour = COLOURS[mark.kind]
        axes.axvline(_day(mark.at), color=colour, linewidth=1.2)
        late = (mark.at - start) > 0.8 * (end - start)
        axes.annotate(
            mark.label,
            (_day(mark.at), 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-3 if late else 3, 3 + 12 * (number % 2)),
            textcoords="offset points",
            ha="right" if late else "left",
            color=colour,
            fontsize=9,
            annotation_clip=False,
        )
