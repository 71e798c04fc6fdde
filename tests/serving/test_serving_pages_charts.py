"""Charts: no extreme is lost by drawing fewer points, gaps stay gaps, and axes hold what is drawn."""

import re

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from serving.pages.charts.downsampling import extremes
from serving.pages.charts.interval_chart import NamedInterval, interval_chart
from serving.pages.charts.line_chart import HEIGHT, WIDTH, Mark, Span, TimeFrame, line_chart

NOON = pd.Timestamp("2026-03-01T12:00Z").as_unit("us")
DAY = TimeFrame(NOON, NOON + pd.Timedelta(days=1))
NUMBERS = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=300)


@given(values=NUMBERS, columns=st.integers(1, 40), seed=st.integers(0, 9))
def test_each_column_keeps_its_lowest_and_highest(values: list[float], columns: int, seed: int) -> None:
    """And no more than two points; a chart of so many columns looks as it would with all of them."""
    series = np.array(values)
    times = np.sort(np.random.default_rng(seed).uniform(0, 100, len(series)))
    kept = extremes(times, series, columns)
    assert (np.diff(kept) > 0).all()
    assert len(kept) <= max(2 * columns, 0) or len(series) <= 2 * columns
    width = (times[-1] - times[0]) / columns
    place = np.minimum((times - times[0]) / width, columns - 1).astype(int) if width else np.zeros(len(times), int)
    for column in set(place.tolist()):
        every, drawn = series[place == column], series[kept][place[kept] == column]
        assert (drawn.min(), drawn.max()) == (every.min(), every.max())


@given(values=NUMBERS, limit=st.none() | st.floats(-1e6, 1e6, allow_subnormal=False), zero=st.booleans())
def test_all_that_is_drawn_is_within_the_chart(values: list[float], limit: float | None, zero: bool) -> None:
    """Each coordinate, with a rounding error at most; the axis has its values evenly spaced."""
    times = pd.Series(pd.date_range(DAY.start, DAY.end, periods=len(values), unit="us"))
    chart = line_chart("c", times, np.array(values), DAY, limit=limit, from_zero=zero)
    numbers = [tuple(map(int, pair)) for pair in re.findall(r"[ML](-?\d+) (-?\d+)", chart.path)]
    assert numbers
    assert all(0 <= x <= WIDTH and -1 <= y <= HEIGHT + 1 for x, y in numbers)
    assert chart.limit is None or -1 <= chart.limit <= HEIGHT + 1
    top, middle, bottom = chart.axis
    assert top > middle > bottom
    assert np.isclose(top - middle, middle - bottom)


def test_a_line_is_broken_where_readings_are_missing() -> None:
    hours = [0, 1, 2, 12, 20, 21]
    times = pd.Series([NOON + pd.Timedelta(hours=hour) for hour in hours])
    chart = line_chart("c", times, np.ones(6), DAY)
    assert [len(part.split("L")) for part in chart.path.split("M")[1:]] == [3, 1, 2]
    assert "h2" in chart.path


def test_marks_outside_the_time_are_left_out_and_spans_are_cut() -> None:
    day = pd.Timedelta(days=1)
    marks = [Mark("failure", NOON + day / 2, "in"), Mark("work", NOON - day, "before")]
    spans = [Span("alarm", NOON - day, NOON + day / 4, "cut"), Span("alarm", NOON + 2 * day, NOON + 3 * day, "after")]
    chart = line_chart("c", pd.Series([], dtype="datetime64[us, UTC]"), np.array([]), DAY, marks=marks, spans=spans)
    assert [(one.words, one.x, one.width) for one in chart.drawn] == [("cut", 0, 250), ("in", 500, 0)]
    assert (chart.path, chart.last) == ("", None)


@given(st.lists(st.none() | st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e5), st.floats(0, 1e5)), max_size=40))
def test_intervals_are_within_the_chart_in_order(found: list[tuple[float, float, float] | None]) -> None:
    """With zero in it; what has no estimate keeps its place and is not drawn."""
    none = NamedInterval("n", None, None, None, "")
    rows = [none if one is None else NamedInterval("e", one[0], one[0] - one[1], one[0] + one[2], "") for one in found]
    chart = interval_chart("c", rows)
    assert len(chart.drawn) == sum(one is not None for one in found)
    assert all(-1 <= one.top <= one.y <= one.bottom <= HEIGHT + 1 for one in chart.drawn)
    assert -1 <= chart.zero <= HEIGHT + 1
    expected = [round((place + 0.5) * WIDTH / len(found)) for place, one in enumerate(found) if one is not None]
    assert [one.x for one in chart.drawn] == expected
