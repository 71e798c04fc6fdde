"""Cut-offs and selection."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from features import cut_offs, informative_columns

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
