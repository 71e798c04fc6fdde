"""Features of windows in an array, computed block by block on all cores."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError
from features.calculators.array_times import TimeArray, checked_times, hours_since_first
from features.calculators.blocks import cores, finish, series_a_block, workers
from features.calculators.plan import plan_for
from features.calculators.tsfresh_calculators import needs_times
from features.extraction.arrow_batches import record_batches, rows_a_batch
from features.recipe.feature_set import FeatureSet, parse_feature_set

if TYPE_CHECKING:
    import pyarrow as pa

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def extract_windows(
    values: npt.NDArray[np.float64],
    channels: Sequence[str],
    feature_set: FeatureSet | str | Mapping[Any, Any] | Iterable[str],
    *,
    times: "TimeArray | pd.DatetimeIndex | None" = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Compute features of windows of one length.

    A window's features depend on that window alone, bit for bit. NaN and infinity give what tsfresh's calculator gives
    for the array (`tsfresh.extract_features` itself rejects NaN), and NaN where the calculator fails. Booleans are 1.0
    and 0.0. Windows without samples have NaN throughout, their length included.

    Parameters
    ----------
    values : (n_windows, n_channels, n_samples)
        Readings. Any view works, including overlapping windows of ``numpy.lib.stride_tricks.sliding_window_view``:
        only a block at a time is copied.
    channels
        Names of the channels.
    feature_set
        A FeatureSet, a preset's name ("minimal", "efficient", "comprehensive"), a tsfresh settings object, or names.
    times : (n_samples,) or (n_windows, n_samples), optional
        When the samples were taken, ascending in each window: datetime64 or a DatetimeIndex. Only the calculator
        linear_trend_timewise uses them; without them it is dropped from a settings object, as in tsfresh. No preset
        has it.
    threads
        How many cores to use; all if None. The result is the same.

    Returns
    -------
    pandas.DataFrame
        n_windows rows; tsfresh's column names in tsfresh's order, float64.

    Raises
    ------
    UsageError
        When the array or the times do not have that shape, times are not ascending, or a named feature needs times and
        there are none.

    Examples
    --------
    >>> extract_windows(np.array([[[1.0, 2.0, 4.0]]]), ["volt"], ["maximum", "mean_change"])
       volt__maximum  volt__mean_change
    0            4.0                1.5
    """
    job = _job(values, channels, feature_set, times)
    matrix = np.empty((len(job.columns), len(job.readings)))
    threads = cores(threads, matrix.size)
    with workers(threads) as pool:
        finish(_start(job, _parts(job, len(job.readings), threads), 0, matrix, pool))
    return pd.DataFrame(matrix.T, columns=_index(job.columns), copy=False)


def stream_windows(
    values: npt.NDArray[np.float64],
    channels: Sequence[str],
    feature_set: FeatureSet | str | Mapping[Any, Any] | Iterable[str],
    *,
    times: "TimeArray | pd.DatetimeIndex | None" = None,
    threads: int | None = None,
) -> "pa.RecordBatchReader":
    """Compute features of windows of one length, a batch at a time: memory does not grow with the windows.

    Parameters
    ----------
    values, channels, feature_set, times, threads
        As for `extract_windows`. The values may be a memory map.

    Returns
    -------
    pyarrow.RecordBatchReader
        The rows and columns of `extract_windows`. A batch is computed while the one before is read. A consumer of the
        reader (``deltalake.write_deltalake``, ``pyarrow.dataset.write_dataset``) never holds more than a batch or two.

    Raises
    ------
    UsageError
        As `extract_windows` does.

    Examples
    --------
    >>> reader = stream_windows(np.ones((3, 1, 4)), ["volt"], ["mean"])
    >>> [batch.num_rows for batch in reader]
    [3]
    """
    # pyarrow takes a third of a second to import, and single windows do not need it.
    import pyarrow as pa

    job = _job(values, channels, feature_set, times)
    parts = _parts(job, rows_a_batch(len(job.columns), len(job.readings)), 1)
    start = partial(_start, job, parts, by_feature=True)
    schema = _schema(job.columns)
    batches = record_batches(schema, len(job.readings), start, lambda _begin, _end: (), threads, _places(parts))
    return pa.RecordBatchReader.from_batches(schema, batches)


@dataclass(frozen=True)
class _Job:
    """What to compute, from checked arguments."""

    readings: npt.NDArray[Any]  # (n_windows, n_channels, n_samples)
    features: tuple[tuple[str, ...], ...]  # the features of each channel
    columns: tuple[str, ...]  # names of the results
    times: TimeArray | None  # (1 or n_windows, n_samples); None when no feature needs them

    def hours(self, channel: int, n_channels: int, first: int, n_windows: int) -> FloatArray | None:
        """Return hours since the first sample, (n_channels * n_windows, n_samples); None if no feature needs them."""
        if self.times is None or not needs_times(self.features[channel]):
            return None
        chosen = self.times if len(self.times) == 1 else self.times[first : first + n_windows]
        hours = hours_since_first(chosen)
        return np.tile(hours, (n_channels * n_windows // len(hours), 1))


def _job(
    values: npt.NDArray[np.float64],
    channels: Sequence[str],
    feature_set: FeatureSet | str | Mapping[Any, Any] | Iterable[str],
    times: "TimeArray | pd.DatetimeIndex | None",
) -> _Job:
    array = np.asarray(values)
    if array.ndim != 3 or array.shape[1] != len(channels):
        raise UsageError(
            f"An array of shape {array.shape} for {len(channels)} channels",
            "the shape (n_windows, n_channels, n_samples)",
            "Reshape it, or name every channel",
        )
    checked = None if times is None else checked_times(times, len(array), array.shape[2])
    chosen = parse_feature_set(feature_set, timed=checked is not None)
    features = tuple(chosen.of_kind(channel) for channel in channels)
    timed = needs_times(chosen.features) and any(map(needs_times, features))
    if timed and checked is None:
        raise UsageError(
            "the feature linear_trend_timewise without times",
            "the time of each sample",
            "Pass times=, or leave the feature out; linear_trend uses the order of the samples",
        )
    return _Job(array, features, _columns(chosen, tuple(channels)), checked if timed else None)


@dataclass(frozen=True)
class _Part:
    """Neighbouring channels with the same features: a block holds them all, for some windows."""

    channel: int  # the first one
    n_channels: int
    features: tuple[str, ...]
    column: int  # the first of their columns
    n_windows: int  # the most windows in a block

    @property
    def columns(self) -> slice:
        """Their columns."""
        return slice(self.column, self.column + self.n_channels * len(self.features))


def _parts(job: _Job, n_windows: int, threads: int) -> tuple[_Part, ...]:
    """Cut the channels into parts so that blocks fit the cache and every thread gets one at least."""
    parts = list[_Part]()
    column, channel = 0, 0
    while channel < len(job.features):
        features, alike = job.features[channel], 1
        while channel + alike < len(job.features) and job.features[channel + alike] == features:
            alike += 1
        room = min(series_a_block(max(job.readings.shape[2], 1)), -(-alike * n_windows // threads))
        together = min(alike, max(1, room // max(n_windows, 1)))
        for first in range(0, alike, together):
            part = _Part(channel + first, min(together, alike - first), features, column, max(1, room // together))
            column = part.columns.stop
            parts += [part] if features else []
        channel += alike
    return tuple(parts)


def _places(parts: Sequence[_Part]) -> IntArray:
    """Return where each column stands when the columns of a part are ordered by feature, not by channel."""
    orders = [
        part.column + np.arange(part.columns.stop - part.column).reshape(-1, part.n_channels).T.ravel()
        for part in parts
    ]
    return np.concatenate([np.empty(0, dtype=np.int64), *orders])


def _start(
    job: _Job, parts: Sequence[_Part], begin: int, matrix: FloatArray, pool: Executor, *, by_feature: bool = False
) -> list[Future[None]]:
    """Submit the windows from `begin` on, as many as the matrix (n_columns, n_windows) has room for.

    Within a part the rows of the matrix are ordered by channel; or by feature, as they are computed, without a copy.
    """
    if matrix.size == 0 or job.readings.shape[2] == 0:
        matrix.fill(np.nan)
        return []
    futures = []
    for part in parts:
        shape = (len(part.features), part.n_channels) if by_feature else (part.n_channels, len(part.features))
        rows = matrix[part.columns].reshape(*shape, matrix.shape[1])
        target = rows if by_feature else rows.transpose(1, 0, 2)
        for first in range(0, matrix.shape[1], part.n_windows):
            block = target[:, :, first : first + part.n_windows]
            futures.append(pool.submit(_compute, job, part, begin + first, block))
    return futures


def _compute(job: _Job, part: _Part, first: int, target: FloatArray) -> None:
    """Fill a target (n_features, n_channels, n_windows)."""
    n_features, n_channels, n_windows = target.shape
    samples = job.readings.shape[2]
    chosen = job.readings[first : first + n_windows, part.channel : part.channel + n_channels]
    series = np.ascontiguousarray(chosen.transpose(1, 0, 2), dtype=np.float64).reshape(-1, samples)
    plan, hours = plan_for(part.features, samples), job.hours(part.channel, n_channels, first, n_windows)
    if target.flags.c_contiguous:
        plan.run(series, hours, out=target.reshape(n_features, -1))
    else:
        target[:] = plan.run(series, hours).reshape(target.shape)


@lru_cache(maxsize=32)
def _columns(feature_set: FeatureSet, channels: tuple[str, ...]) -> tuple[str, ...]:
    return feature_set.columns(channels)


@lru_cache(maxsize=32)
def _schema(columns: tuple[str, ...]) -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([pa.field(name, pa.float64()) for name in columns])


@lru_cache(maxsize=32)
def _index(columns: tuple[str, ...]) -> "pd.Index[str]":
    return pd.Index(columns, dtype="str")
