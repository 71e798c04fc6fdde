"""The trends of a machine's channels: those that drive its risk first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from serving.http.errors import NOT_FOUND, ApiError
from serving.pages.charts.line_chart import Floats, LineChart, Mark, Span, TimeFrame, line_chart
from serving.pages.fleet_state.drivers import DriverShown
from serving.pages.machine.readings import Readings

MOST_SHOWN = 6
_ROWS = 14
"""The table behind a chart has so many rows at most, each of equal time."""


@dataclass(frozen=True)
class TrendRow:
    """What a channel read over a part of the span."""

    begins: pd.Timestamp
    lowest: float
    mean: float
    highest: float
    readings: int


@dataclass(frozen=True)
class Trend:
    """The trend of a channel."""

    channel: str
    unit: str | None
    driver: DriverShown | None  # what it says of the risk
    chart: LineChart
    rows: tuple[TrendRow, ...]


def sensor_trends(
    readings: Readings,
    drivers: Sequence[DriverShown],
    channel: str,
    frame: TimeFrame,
    marks: Sequence[Mark],
    spans: Sequence[Span],
) -> tuple[Trend, ...]:
    """Draw one channel, or the most telling ones; ApiError 404 for a channel that there is not."""
    by_channel = {driver.channel: driver for driver in drivers}
    driving = [name for name in by_channel if name in readings.channels]
    ordered = [*driving, *(name for name in readings.channels if name not in by_channel)]
    if channel and channel not in ordered:
        expected = f"one of {', '.join(ordered[:20])}" if ordered else "a channel with readings in this span"
        raise ApiError(NOT_FOUND, "channel", f"no channel {channel[:80]!r}", expected, "Choose another span or channel")
    telling = [name for name in ordered if readings.frame[name].notna().any()]
    shown = [channel] if channel else telling[:MOST_SHOWN]
    times = readings.frame["event_time"]
    trends = []
    for number, name in enumerate(shown):
        values = readings.frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        chart = line_chart(f"trend-{number}", times, values, frame, marks=marks, spans=spans)
        trends.append(Trend(name, readings.unit(name), by_channel.get(name), chart, _table(times, values, frame)))
    return tuple(trends)


def _table(times: "pd.Series[pd.Timestamp]", values: Floats, frame: TimeFrame) -> tuple[TrendRow, ...]:
    kept = ~np.isnan(values) & (times >= frame.start).to_numpy()
    shown = values[kept]
    if not len(shown):
        return ()
    width = (frame.end - frame.start) / _ROWS
    place = np.minimum(((times[kept] - frame.start) / width).to_numpy().astype(np.int64), _ROWS - 1)
    # The times ascend, so each part is a slice.
    first = np.flatnonzero(np.diff(place, prepend=-1))
    sizes = np.diff(first, append=len(shown))
    figures = (
        np.minimum.reduceat(shown, first),
        np.add.reduceat(shown, first) / sizes,
        np.maximum.reduceat(shown, first),
    )
    columns = (place[first].tolist(), *(of.tolist() for of in figures), sizes.tolist())
    return tuple(
        TrendRow(frame.start + number * width, low, mean, high, size)
        for number, low, mean, high, size in zip(*columns, strict=True)
    )
