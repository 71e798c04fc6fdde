"""What a report says on the intervals of predicted numbers: two charts and a table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from models.conformal.coverage import HIGH, LOW
from pipelines.figures.interval_samples import ComparedIntervals
from pipelines.reports.chart import COLOURS, LINE, SERIES, SOFT, render_chart

_MOST_POINTS = 3000  # an SVG has an element for each
_GRID = 400
_MISSED, _LATER = COLOURS["trigger"], COLOURS["change"]


@dataclass(frozen=True)
class _Unit:
    """The unit of predicted numbers: its words, and its size in the unit that they are stored in."""

    words: str  # "cycles", "um"; empty for a number without a unit
    size: float = 1.0

    def axis(self, what: str) -> str:
        """Label an axis."""
        return f"{what} ({self.words})" if self.words else what

    def amount(self, value: float) -> str:
        """Write a number with its unit."""
        return f"{value / self.size:.4g} {self.words}".rstrip()


def interval_charts(intervals: ComparedIntervals) -> list[dict[str, Any]]:
    """Draw the evaluation's truths around the predictions' intervals, and how often these held at each stage."""
    if intervals.evaluated.samples.empty:
        return []
    unit = _unit(intervals)
    return [_truths(intervals, unit), _coverage(intervals, unit)]


def interval_table(intervals: ComparedIntervals) -> dict[str, Any]:
    """Tabulate coverage and width beside those of intervals of one width."""
    unit = _unit(intervals)
    figures, later = intervals.evaluated.figures, intervals.later
    over_life = "interval_coverage_over_life" in figures
    rows = [("evaluation, last cut-off of each asset" if over_life else "evaluation", *_cells(figures, unit))]
    if over_life:
        rows.append(("evaluation, over life", *_cells_over_life(figures, unit)))
    if later is not None:
        rows.append(("since then", *_cells(later.figures, unit)))
    return {
        "title": f"Intervals of {figures['interval_level']:.0%}",
        "note": "Held is the share of an asset's predictions whose interval held the truth, averaged over assets, with "
        "a 95% interval. Beside it what intervals of one width for all predictions hold, at the same level.",
        "head": ("", "held", "mean width", "one width holds", "one width"),
        "rows": rows,
    }


def _unit(intervals: ComparedIntervals) -> _Unit:
    if intervals.clock is None:
        return _Unit(intervals.unit)
    unit = intervals.clock.unit(intervals.evaluated.samples["truth"])
    return _Unit(unit.plural, unit.hours)


def _cells(figures: Mapping[str, float], unit: _Unit) -> Iterator[str]:
    low, high = figures["interval_coverage_low"], figures["interval_coverage_high"]
    yield f"{figures['interval_coverage']:.1%} ({low:.1%} to {high:.1%})"
    yield unit.amount(figures["interval_width"])
    yield f"{figures['interval_coverage_constant']:.1%}"
    yield unit.amount(figures["interval_width_constant"])


def _cells_over_life(figures: Mapping[str, float], unit: _Unit) -> Iterator[str]:
    """Yield the cells of all cut-offs; versions once had no figures of one width there."""
    for kind in ("", "_constant"):
        held, width = (figures.get(f"interval_{name}{kind}_over_life", np.nan) for name in ("coverage", "width"))
        yield from ("", "") if np.isnan(held) else (f"{held:.1%}", unit.amount(width))


def _truths(intervals: ComparedIntervals, unit: _Unit) -> dict[str, Any]:
    samples = intervals.evaluated.samples
    drawn = samples.iloc[:: -(-len(samples) // _MOST_POINTS)]
    predicted, truth = (drawn[name].to_numpy(dtype=np.float64) for name in ("prediction", "truth"))
    held = ((drawn[LOW] <= drawn["truth"]) & (drawn["truth"] <= drawn[HIGH])).to_numpy()

    def draw(axes: Axes) -> None:
        at = np.linspace(predicted.min(), predicted.max(), _GRID)
        low, high = intervals.table.around(at).T / unit.size
        axes.fill_between(at / unit.size, low, high, color=SERIES, alpha=0.18, linewidth=0, label="interval")
        axes.plot(
            at / unit.size, at / unit.size, color=SOFT, linestyle=(0, (4, 3)), linewidth=1.1, label="as predicted"
        )
        for inside, colour, label in ((held, SERIES, "held"), (~held, _MISSED, "not held")):
            x, y = predicted[inside] / unit.size, truth[inside] / unit.size
            axes.scatter(x, y, s=9, color=colour, alpha=0.5, linewidths=0, label=label)
        axes.set(xlabel=unit.axis("predicted"), ylabel=unit.axis("true"))
        _finish(axes)

    note = "Each point is a test sample; the band is the interval of the registered model around each prediction."
    return render_chart("Predicted, with intervals, and true", note, draw)


def _coverage(intervals: ComparedIntervals, unit: _Unit) -> dict[str, Any]:
    sources = [("in the evaluation", SERIES, intervals.evaluated.stages)]
    if intervals.later is not None:
        sources.append(("since then", _LATER, intervals.later.stages))
    stages, level = intervals.evaluated.stages, intervals.table.level
    names = [_range(stage.begin / unit.size, stage.end / unit.size) for stage in stages]

    def draw(axes: Axes) -> None:
        places, width = np.arange(len(stages)), 0.7 / len(sources)
        for number, (label, colour, held) in enumerate(sources):
            at = places + (number - (len(sources) - 1) / 2) * width
            # A stage that no prediction was in has no coverage.
            heights = np.nan_to_num([stage.coverage for stage in held])
            axes.bar(at, heights, width=0.9 * width, color=colour, alpha=0.75, label=label)
        axes.axhline(level, color=SOFT, linestyle=(0, (4, 3)), linewidth=1.1, label=f"wanted: {level:.0%}")
        axes.set_xticks(places, names)
        axes.set(xlabel=unit.axis("predicted"), ylim=(0, 1.02))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        _finish(axes)

    note = (
        "The share of predictions whose interval held the truth, each asset weighing the same, by what was predicted."
    )
    return render_chart("How often intervals hold", note, draw)


def _range(begin: float, end: float) -> str:
    if np.isinf(begin) and np.isinf(end):
        return "any"
    if np.isinf(begin):
        return f"below {end:.3g}"
    return f"{begin:.3g} or more" if np.isinf(end) else f"{begin:.3g} to {end:.3g}"


def _finish(axes: Axes) -> None:
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=4, frameon=False, labelcolor=SOFT)
