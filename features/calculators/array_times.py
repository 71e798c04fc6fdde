"""Sample times for windows in an array, for the calculators that use time stamps."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError

if TYPE_CHECKING:
    from features.kernels.block import FloatArray

TimeArray = npt.NDArray[np.datetime64]

# Rows checked at a time, in samples: windows of a memory map may overlap in all but one of their samples.
_CHECKED_TOGETHER = 1_000_000


def hours_since_first(times: TimeArray) -> "FloatArray":
    """Convert times (n, samples) to hours since each series' first sample, as tsfresh counts them.

    >>> hours_since_first(np.array([["2024-01-01T00:00", "2024-01-01T00:30"]], dtype="datetime64[s]"))
    array([[0. , 0.5]])
    """
    hours: FloatArray = (times - times[:, :1]) / np.timedelta64(1, "s") / 3600.0
    return hours


def checked_times(times: "TimeArray | pd.DatetimeIndex", n_windows: int, n_samples: int) -> TimeArray:
    """Check the type, shape and order of times, (n_samples,) or (n_windows, n_samples); a UsageError if one is wrong.

    Returns rows, one or n_windows of them, a view where possible; in UTC if there was a time zone.
    """
    if isinstance(times, (pd.DatetimeIndex, pd.Series)):
        index = pd.DatetimeIndex(times)
        times = (index if index.tz is None else index.tz_convert(None)).to_numpy()
    array = np.asarray(times)
    if array.dtype.kind != "M" or array.shape not in ((n_samples,), (n_windows, n_samples)):
        raise UsageError(
            f"times of the type {array.dtype} and the shape {array.shape}",
            f"datetime64 of the shape {(n_samples,)} or {(n_windows, n_samples)}",
            "Pass one time for each sample, for instance from pandas.date_range",
        )
    rows: TimeArray = np.atleast_2d(array)
    step = max(1, _CHECKED_TOGETHER // max(n_samples, 1))
    for first in range(0, len(rows), step):
        _check_order(rows[first : first + step], first)
    return rows


def _check_order(times: TimeArray, first: int) -> None:
    # A missing time compares as out of order, unless it has no neighbour.
    ordered = (times[:, 1:] >= times[:, :-1]).all(axis=1) & ~np.isnat(times[:, :1]).any(axis=1)
    if not ordered.all():
        raise UsageError(
            f"times of window {first + int(np.argmin(ordered))} that are missing or not ascending",
            "a time for each sample, none earlier than the one before it",
            "Sort the samples by time",
        )
