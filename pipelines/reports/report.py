"""The report: one self-contained HTML page with the error rates over time and the decisions they led to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from models.monitoring.look_strata import StratumFigures
from models.outcomes.error_rates import ErrorRates, Rate
from pipelines.figures.interval_samples import ComparedIntervals
from pipelines.figures.stratum_rows import HEAD, stratum_rows
from pipelines.reports.chart import (
    COLOURS,
    LINE,
    SERIES,
    SOFT,
    ChartTable,
    day,
    draw_marks,
    format_axes,
    render_chart,
    themed,
)
from pipelines.reports.chart import Mark as Mark
from pipelines.reports.evidence_chart import RATES, draw_evidence
from pipelines.reports.evidence_chart import EvidenceSeries as EvidenceSeries
from pipelines.reports.interval_section import interval_charts, interval_table
from pipelines.reports.page import render_page


@dataclass(frozen=True)
class PromisedRates:
    """The rates that a champion promised, for the time it was champion."""

    start: pd.Timestamp
    end: pd.Timestamp
    missed: float  # share of failures missed
    false_episodes: float  # false alarm episodes per asset-month


@dataclass(frozen=True)
class Fact:
    """A figure for the head of the page, with a note."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Conclusion:
    """What was decided, and why."""

    decision: str  # "retrain", "hold" or "ask"
    reasons: tuple[str, ...]


def write_report(
    path: Path,
    series: Sequence[ErrorRates],
    marks: Sequence[Mark],
    timeline: Sequence[Mark],
    *,
    title: str,
    now: pd.Timestamp,
    promises: Sequence[PromisedRates] = (),
    evidence: Sequence[EvidenceSeries] = (),
    facts: Sequence[Fact] = (),
    conclusion: Conclusion | None = None,
    intervals: ComparedIntervals | None = None,
    strata: Sequence[StratumFigures] = (),
) -> Path:
    """Write the page to `path`, and return it.

    `series` are the rates of consecutive periods; `marks` are drawn into the charts, and `timeline` is listed by time.
    `promises` are drawn as reference lines, and `evidence` against its threshold, a chart for each rate. `intervals`
    are those of predicted lives; `strata` are the counts of each plant, or other group, with what it was promised.
    """
    rates = [_draw(panel, series, marks, promises, now) for panel in _PANELS] if series else []
    tests = [draw_evidence(own, marks, now) for rate in RATES if (own := [one for one in evidence if one.rate == rate])]
    # First what matters to a plant, then the evidence on it, and the classical rates last.
    charts = [*rates[:2], *tests, *rates[2:], *([] if intervals is None else interval_charts(intervals))]
    page = render_page(
        "reports/report.html.jinja",
        title=title,
        now=f"{now:%Y-%m-%d %H:%M} UTC",
        facts=facts,
        conclusion=conclusion,
        charts=charts,
        tables=[
            *([_strata_table(strata)] if strata else []),
            *([] if intervals is None else [interval_table(intervals)]),
        ],
        timeline=timeline_rows(timeline),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _strata_table(strata: Sequence[StratumFigures]) -> dict[str, Any]:
    by = strata[0].counts.by
    return {
        "title": f"Promises by {by}",
        "note": "What the tests counted, beside what was promised of each: its rate in the evaluation, shrunk towards "
        "the overall one, and how high it may be by the evidence.",
        "head": (by, *HEAD),
        "rows": list(stratum_rows(strata)),
    }


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
        "False negatives: of all failures (caught, prevented or missed), the share that no alarm announced in time.",
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
        "The classical false-negative rate of single predictions.",
        "decision_fn",
        True,
        None,
    ),
    _Panel(
        "Decisions that alerted and should not have",
        "The classical false-positive rate of single predictions.",
        "decision_fp",
        True,
        None,
    ),
)


def timeline_rows(marks: Sequence[Mark]) -> list[dict[str, str]]:
    """Return events as the rows of the page's table, in order of time."""
    return [_timeline_row(mark) for mark in sorted(marks, key=lambda mark: mark.at)]


def _timeline_row(mark: Mark) -> dict[str, str]:
    return {
        "at": f"{mark.at:%Y-%m-%d %H:%M}",
        "label": mark.label,
        "detail": mark.detail,
        "colour": themed(COLOURS.get(mark.kind, LINE)),
    }


def _draw(
    panel: _Panel,
    series: Sequence[ErrorRates],
    marks: Sequence[Mark],
    promises: Sequence[PromisedRates],
    now: pd.Timestamp,
) -> dict[str, Any]:
    def draw(axes: Axes) -> None:
        _draw_rates(axes, panel, series)
        _draw_promises(axes, panel, promises)
        _scale(axes, panel, series, now)
        draw_marks(axes, marks, series[0].start, now)

    return render_chart(panel.title, panel.note, draw, _rate_table(panel, series, promises))


def _rate_table(panel: _Panel, series: Sequence[ErrorRates], promises: Sequence[PromisedRates]) -> ChartTable:
    """Tabulate a rate with its interval and counts, and what was promised at the end of each period."""
    written = "{:.1%}".format if panel.percent else "{:.3g}".format
    rows = []
    for point in series:
        rate: Rate = getattr(point, panel.rate)
        held = [each for each in promises if each.start < point.end <= each.end] if panel.promised else []
        rows.append(
            (
                f"{point.start:%Y-%m-%d}",
                f"{point.end:%Y-%m-%d}",
                written(rate.value) if rate.of else "not observed",
                f"{written(rate.low)} to {written(rate.high)}" if rate.of else "",
                f"{rate.count:g} of {rate.of:.4g}",
                written(getattr(held[-1], str(panel.promised))) if held else "",
            )
        )
    return ChartTable(("from", "to", "rate", "interval", "counted", "promised"), tuple(rows))


def _draw_rates(axes: Axes, panel: _Panel, series: Sequence[ErrorRates]) -> None:
    rates: list[Rate] = [getattr(point, panel.rate) for point in series]
    middle = [day(point.start + (point.end - point.start) / 2) for point in series]
    defined = [index for index, rate in enumerate(rates) if rate.of > 0]
    axes.vlines(
        [middle[i] for i in defined],
        [rates[i].low for i in defined],
        [rates[i].high for i in defined],
        color=SERIES,
        alpha=0.28,
        linewidth=5,
        capstyle="round",
    )
    axes.plot(
        [middle[i] for i in defined],
        [rates[i].value for i in defined],
        color=SERIES,
        linewidth=1.4,
        marker="o",
        markersize=4.5,
        label="measured, with interval",
    )


def _draw_promises(axes: Axes, panel: _Panel, promises: Sequence[PromisedRates]) -> None:
    if panel.promised is None:
        return
    for number, promise in enumerate(promises):
        level = getattr(promise, panel.promised)
        label = "promised by the champion" if number == 0 else "_nolegend_"
        start, end = day(promise.start), day(promise.end)
        axes.hlines(level, start, end, color=SOFT, linestyle=(0, (4, 3)), linewidth=1.2, label=label)


def _scale(axes: Axes, panel: _Panel, series: Sequence[ErrorRates], now: pd.Timestamp) -> None:
    rates: list[Rate] = [rate for point in series if (rate := getattr(point, panel.rate)).of > 0]
    # The wide interval of a period with few events must not flatten the rest of the curve.
    top = (
        max([2.5 * max(rate.value for rate in rates), float(np.median([rate.high for rate in rates]))])
        if rates
        else 1.0
    )
    highest = max([min(rate.high, top) for rate in rates], default=1.0)
    axes.set_ylim(0, 1.08 * highest)
    if now > series[-1].end:
        label = "not matured yet"
        axes.axvspan(day(series[-1].end), day(now), color=LINE, alpha=0.55, linewidth=0, label=label, zorder=0)
    if panel.percent:
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:.0%}" if highest > 0.05 else f"{value:.1%}")
        )
    format_axes(axes, series[0].start, max(now, series[-1].end))
