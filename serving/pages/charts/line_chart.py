"""A line over time: its path, axes, limits and marks, and a table that says the same.

The chart stretches to any width, so all in it is drawn by coordinates, and its labels stand beside it as text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from serving.pages.charts.downsampling import extremes

WIDTH: Final = 1000
HEIGHT: Final = 200
COLUMNS: Final = 300
"""The widest chart is some 1,300 pixels wide; more points than two for each of these are not seen."""
_GAP: Final = 4
"""A line is broken where readings are so many times further apart than usual."""
_STEPS: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0)
Floats = npt.NDArray[np.float64]
MarkKind = Literal["failure", "work"]
SpanKind = Literal["alarm", "window"]


@dataclass(frozen=True)
class TimeFrame:
    """The time that charts show."""

    start: pd.Timestamp
    end: pd.Timestamp

    def x(self, at: pd.Timestamp) -> int:
        """Return where a time is in the chart; what is outside of it is at its edge."""
        share = (at - self.start) / (self.end - self.start)
        return round(WIDTH * min(max(share, 0.0), 1.0))

    def holds(self, at: pd.Timestamp) -> bool:
        """Return whether a time is shown."""
        return self.start <= at <= self.end

    @property
    def labels(self) -> tuple[pd.Timestamp, ...]:
        """Return the times written below the chart: at its left, in its middle and at its right."""
        return self.start, self.start + (self.end - self.start) / 2, self.end


@dataclass(frozen=True)
class Mark:
    """Something that happened at a time."""

    kind: MarkKind
    at: pd.Timestamp
    words: str


@dataclass(frozen=True)
class Span:
    """Something that lasted."""

    kind: SpanKind
    begins: pd.Timestamp
    ends: pd.Timestamp
    words: str


@dataclass(frozen=True)
class Drawn:
    """A mark or a span in the chart; `width` is 0 for a mark."""

    kind: str
    x: int
    width: int
    words: str


@dataclass(frozen=True)
class LineChart:
    """What is drawn of a series of values."""

    identifier: str  # within the page
    path: str  # of an SVG path; empty without values
    limit: int | None  # the height of the threshold
    drawn: tuple[Drawn, ...]
    axis: tuple[float, float, float]  # the values at the top, in the middle and at the bottom
    frame: TimeFrame
    lowest: float | None
    highest: float | None
    last: float | None


def line_chart(
    identifier: str,
    times: "pd.Series[pd.Timestamp]",
    values: Floats,
    frame: TimeFrame,
    *,
    limit: float | None = None,
    from_zero: bool = False,
    marks: Sequence[Mark] = (),
    spans: Sequence[Span] = (),
) -> LineChart:
    """Draw values over ascending times; those outside of the frame and those that are NaN are left out."""
    shown = (times >= frame.start) & (times <= frame.end) & ~np.isnan(values)
    at = np.asarray((times[shown] - frame.start) / (frame.end - frame.start), dtype=np.float64)
    values = values[shown.to_numpy()]
    reach = np.append(values, [] if limit is None else [limit])
    low, high = (float(reach.min()), float(reach.max())) if len(reach) else (0.0, 1.0)
    top, middle, bottom = axis_values(low, high, from_zero=from_zero)
    scale = HEIGHT / (top - bottom)
    return LineChart(
        identifier,
        _path(at, np.asarray((top - values) * scale, dtype=np.float64)),
        None if limit is None else round((top - limit) * scale),
        _drawn(marks, spans, frame),
        (top, middle, bottom),
        frame,
        float(values.min()) if len(values) else None,
        float(values.max()) if len(values) else None,
        float(values[-1]) if len(values) else None,
    )


def usual_step(at: Floats) -> float:
    """Return the usual distance of ascending times; 0 where there are fewer than two."""
    return float(np.median(np.diff(at))) if len(at) > 1 else 0.0


def _path(at: Floats, heights: Floats) -> str:
    """Write a path; the line is broken where readings are missing."""
    if not len(at):
        return ""
    broken = np.cumsum(np.diff(at, prepend=at[0]) > max(_GAP * usual_step(at), 1e-9))
    kept = extremes(at, heights, COLUMNS)
    x, y = np.rint(WIDTH * at[kept]).astype(int), np.rint(heights[kept]).astype(int)
    begins = np.diff(broken[kept], prepend=-1) != 0
    alone = begins & np.append(begins[1:], True)
    # A point between two gaps is a short stroke, to the left at the right edge.
    strokes = np.where(alone, np.where(x == WIDTH, "h-2", "h2"), "").tolist()
    letters = np.where(begins, "M", "L").tolist()
    parts = zip(letters, x.tolist(), y.tolist(), strokes, strict=True)
    return "".join(f"{letter}{across} {down}{stroke}" for letter, across, down, stroke in parts)


def _drawn(marks: Sequence[Mark], spans: Sequence[Span], frame: TimeFrame) -> tuple[Drawn, ...]:
    shown = [one for one in spans if one.begins < frame.end and one.ends > frame.start]
    wide = [(one, frame.x(one.begins), frame.x(one.ends)) for one in shown]
    return (
        *(Drawn(one.kind, left, max(right - left, 3), one.words) for one, left, right in wide),
        *(Drawn(one.kind, frame.x(one.at), 0, one.words) for one in marks if frame.holds(one.at)),
    )


def axis_values(low: float, high: float, *, from_zero: bool) -> tuple[float, float, float]:
    """Return round values at the top, in the middle and at the bottom that hold a range.

    >>> axis_values(3.1, 9.2, from_zero=False), axis_values(0.02, 0.4, from_zero=True)
    ((10.0, 5.0, 0.0), (0.4, 0.2, 0.0))
    """
    low = min(low, 0.0) if from_zero else low
    width = (high - low) / 2 or abs(high) / 2 or 0.5
    size = 10.0 ** np.floor(np.log10(width))
    # The widest of these is ten times half the range at least, and so holds it.
    for step in (float(factor * size * scale) for scale in (1.0, 10.0) for factor in _STEPS):
        bottom = float(np.floor(low / step + 1e-9) * step)
        if bottom + 2 * step >= high - 1e-9 * step:
            break
    return bottom + 2 * step, bottom + step, bottom
