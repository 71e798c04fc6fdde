"""Estimates side by side, each a point with its interval; the table behind it says the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from serving.pages.charts.line_chart import HEIGHT, WIDTH, axis_values

_MOST_NAMES = 4
"""So many names stand beside each other on a telephone."""


@dataclass(frozen=True)
class NamedInterval:
    """An estimate to draw; all are None where there is none."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    words: str


@dataclass(frozen=True)
class DrawnInterval:
    """An estimate in the chart, by coordinates."""

    x: int
    y: int
    top: int
    bottom: int
    words: str


@dataclass(frozen=True)
class IntervalChart:
    """What is drawn; names without an estimate keep their place."""

    identifier: str  # within the page
    drawn: tuple[DrawnInterval, ...]
    zero: int
    axis: tuple[float, float, float]  # the values at the top, in the middle and at the bottom
    names: tuple[str, ...]  # of each, or of the first, one in the middle and the last
    all_named: bool


def interval_chart(identifier: str, intervals: Sequence[NamedInterval]) -> IntervalChart:
    """Draw intervals from left to right; zero is always in the chart."""
    lows, highs = ([getattr(one, end) for one in intervals if one.value is not None] for end in ("low", "high"))
    axis = axis_values(min([0.0, *lows]), max([0.0, *highs]), from_zero=True)
    top, scale = axis[0], HEIGHT / (axis[0] - axis[2])

    def height(value: float) -> int:
        return round((top - value) * scale)

    step = WIDTH / max(len(intervals), 1)
    drawn = tuple(
        DrawnInterval(round((place + 0.5) * step), height(one.value), height(one.high), height(one.low), one.words)
        for place, one in enumerate(intervals)
        if one.value is not None and one.low is not None and one.high is not None
    )
    names = [one.name for one in intervals]
    all_named = len(names) <= _MOST_NAMES
    shown = names if all_named else [names[0], names[len(names) // 2], names[-1]]
    return IntervalChart(identifier, drawn, height(0.0), axis, tuple(shown), all_named)
