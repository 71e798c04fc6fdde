"""Cut-offs and selection."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from features import cut_offs, informative_columns
from features.telemetry.windows import count_cut_offs

HOUR = pd.Timedelta("1h")
HistoryOf = Callable[..., History]


@pytest.fixture
def history(history_of: HistoryOf) -> History:
    """Return a history of a machine with readings at 00:30, 02:00 and 05:10, and one with a single reading at 03:00."""
    whole = history_of(0)
    times = pd.to_datetime(["2024-01-01T02:00Z", "2024-01-01T00:30Z", "2024-01-01T05:10Z", "2024-01-01T03:00Z"])
    frame = whole.telemetry.head(4).assign(asset=["b", "b", "b", "a"], event_time=times.as_unit("us"))
    return replace(whole, telemetry=frame)


def hours(frame: pd.DataFrame) -> list[str]:
    return [f"{asset} {time:%H:%M}" for asset, time in zip(frame["asset"], frame["as_of"], strict=True)]


def test_strides_are_aligned_while_the_asset_exists(history: History) -> None:
    """Cut-offs stand at whole strides, the same for all assets, from an asset's first reading to its last."""
    assert hours(cut_offs(history, HOUR)) == ["a 03:00", "b 01:00", "b 02:00", "b 03:00", "b 04:00", "b 05:00"]
    assert hours(cut_offs(history, 2 * HOUR)) == ["b 02:00", "b 04:00"]


def test_start_and_end_are_included(history: History) -> None:
    """Cut-offs at the very start and end count."""
    start, end = pd.Timestamp("2024-01-01T02:00Z"), pd.Timestamp("2024-01-01T03:00Z")
    assert hours(cut_offs(history, HOUR, start=start, end=end)) == ["a 03:00", "b 02:00", "b 03:00"]
    assert hours(cut_offs(history, at="rows", start=start, end=end)) == ["a 03:00", "b 02:00"]
    assert hours(cut_offs(history, at="last", end=end)) == ["a 03:00", "b 02:00"]


def test_rows_and_last(history: History) -> None:
    """Rows give every instant with a reading once, last each asset's last."""
    twice = replace(history, telemetry=pd.concat([history.telemetry] * 2))
    assert hours(cut_offs(twice, at="rows")) == ["a 03:00", "b 00:30", "b 02:00", "b 05:10"]
    assert hours(cut_offs(twice, at="last")) == ["a 03:00", "b 05:10"]


def test_only_cut_offs_after_a_reading(history: History) -> None:
    """Within limits how long ago the last reading may be: just before a window later it counts no more."""
    assert hours(cut_offs(history, HOUR, within=HOUR)) == ["a 03:00", "b 01:00", "b 02:00"]
    assert hours(cut_offs(history, HOUR / 2, within=HOUR)) == [
        *["a 03:00", "b 00:30", "b 01:00", "b 02:00", "b 02:30"],
    ]


def test_a_reading_of_another_age_makes_no_cut_offs_in_between(history: History) -> None:
    """One reading of the year 1 would make two thousand years of cut-offs; they are counted, not made."""
    old = history.telemetry.iloc[:1].assign(event_time=pd.Timestamp("0001-01-01T00:30Z").as_unit("us"))
    torn = replace(history, telemetry=pd.concat([history.telemetry, old]))
    drawn = cut_offs(torn, HOUR, within=2 * HOUR)
    assert hours(drawn) == ["a 03:00", "b 01:00", "b 02:00", *hours(cut_offs(history, HOUR, within=2 * HOUR))[1:]]
    assert list(drawn["as_of"].dt.year) == [2024, 1, 1, 2024, 2024, 2024]
    days = date(2024, 1, 1).toordinal() - date(1, 1, 1).toordinal()
    assert count_cut_offs(torn, HOUR) == 24 * days + 5 + 1  # of "b" from 01:00 on to 05:00, and the one of "a"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(-300, 300)), max_size=12),
    st.integers(1, 40),
    st.integers(1, 90),
    st.tuples(st.integers(-200, 200), st.integers(-200, 200)),
)
def test_the_cut_offs_are_those_of_all_with_a_reading_in_time(
    history_of: HistoryOf, readings: list[tuple[str, int]], stride: int, within: int, bounds: tuple[int, int]
) -> None:
    """Whatever order the readings come in, the limit leaves exactly those of all cut-offs that have a reading."""
    minute, zero = pd.Timedelta("1min"), pd.Timestamp(0, tz="UTC").as_unit("us")
    times = pd.Series([zero + at * minute for _, at in readings], dtype="datetime64[us, UTC]")
    frame = pd.DataFrame({"asset": pd.Series([asset for asset, _ in readings], dtype="str"), "event_time": times})
    history = replace(history_of(0), telemetry=frame)
    limits = dict(zip(("start", "end"), (zero + bound * minute for bound in bounds), strict=True))
    whole = cut_offs(history, stride * minute, **limits)
    assert count_cut_offs(history, stride * minute, **limits) == len(whole)
    seen = [
        any(owner == asset and as_of - within * minute < zero + at * minute <= as_of for owner, at in readings)
        for asset, as_of in whole.itertuples(index=False)
    ]
    drawn = cut_offs(history, stride * minute, within=within * minute, **limits)
    pd.testing.assert_frame_equal(drawn, whole[np.array(seen, dtype=bool)].reset_index(drop=True))


def test_types_are_those_of_the_house(history: History) -> None:
    """Assets are strings, cut-offs microseconds in UTC, empty frames too."""
    late = pd.Timestamp("2030-01-01T00:00Z")
    for frame in (cut_offs(history, HOUR), cut_offs(history, HOUR, start=late), cut_offs(history, at="last")):
        assert str(frame["as_of"].dtype) == "datetime64[us, UTC]"
        assert frame["asset"].dtype == "str"


@pytest.mark.parametrize("stride", [None, pd.Timedelta(0), pd.Timedelta("-1h")])
def test_a_stride_must_be_positive(history: History, stride: pd.Timedelta | None) -> None:
    """No stride, or one that is not positive, is refused."""
    with pytest.raises(UsageError, match="stride"):
        cut_offs(history, stride)


def test_uninformative_columns_are_dropped() -> None:
    """Null, constant and repeated columns go; one that is null in some rows stays."""
    nan = np.nan
    frame = pd.DataFrame({"a": [1.0, 2, nan], "b": [nan] * 3, "c": [4.0] * 3, "d": [1.0, 2, nan], "e": [5.0, nan, 5]})
    assert informative_columns(frame) == ("a", "e")
