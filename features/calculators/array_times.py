"""Times of the samples that stand in an array, for the calculators that look at time stamps."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError

if TYPE_CHECKING:
    from features.kernels.block import FloatArray

TimeArray = npt.NDArray[np.datetime64]

# How many are looked at together: windows of a memory map may overlap in all but one of their samples.
_CHECKED_TOGETHER = 1_000_000


def hours_since_first(times: TimeArray) -> "FloatArray":
    """Tell how long after a series' first sample each was taken, as tsfresh counts it.

    Parameters
    ----------
    times : (n, samples)
        Time stamps, a series a row.

    Returns
    -------
    (n, samples) array
        Hours.

    Examples
    --------
    >>> hours_since_first(np.array([["2024-01-01T00:00", "2024-01-01T00:30"]], dtype="datetime64[s]"))
    array([[0. , 0.5]])
    """
    hours: FloatArray = (times - times[:, :1]) / np.timedelta64(1, "s") / 3600.0
    return hours


def checked_times(times: "TimeArray | pd.DatetimeIndex", n_windows: int, n_samples: int) -> TimeArray:
    """Take times as they may be given, and refuse those that cannot be.

    Parameters
    ----------
    times : (n_samples,) or (n_windows, n_samples)
        When the samples were taken, ascending in each window.
    n_windows, n_samples
        What there is of each.

    Returns
    -------
    (1, n_samples) or (n_windows, n_samples) array
        A view where that is possible; in UTC if there was a time zone.

    Raises
    ------
    UsageError
        For another type or shape, for times that are missing and for a window in which time runs backwards.
    """
    if isinstance(times, (pd.DatetimeIndex, pd.Series)):
        index = pd.DatetimeIndex(times)
        times = (index if index.tz is None else index.tz_convert(None)).to_numpy()
    found = np.asarray(times)
    if found.dtype.kind != "M" or found.shape not in ((n_samples,), (n_windows, n_samples)):
        raise UsageError(
            f"times of the type {found.dtype} and the shape {found.shape}",
            f"datetime64 of the shape {(n_samples,)} or {(n_windows, n_samples)}",
            "Give one time for each sample, as pandas.date_range makes them",
        )
    rows: TimeArray = np.atleast_2d(found)
    step = max(1, _CHECKED_TOGETHER // max(n_samples, 1))
    for first in range(0, len(rows), step):
        _refuse_disorder(rows[first : first + step], first)
    return rows


def _refuse_disorder(times: TimeArray, first: int) -> None:
    # A missing time is neither before nor after another, so that it is out of order, unless it has no neighbour.
    ordered = (times[:, 1:] >= times[:, :-1]).all(axis=1) & ~np.isnat(times[:, :1]).any(axis=1)
    if not ordered.all():
        raise UsageError(
            f"times of window {first + int(np.argmin(ordered))} that are missing or not ascending",
            "a time for each sample, none of them before the one in front of it",
            "Sort the samples by time",
        )
