"""Features of windows that stand in an array, block by block on all cores."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError
from features.feature_set import FeatureSet, parse_feature_set
from features.plan import plan_for

if TYPE_CHECKING:
    import pyarrow as pa

FloatArray = npt.NDArray[np.float64]
T = TypeVar("T")

# A block's series, their sorted copy and their spectrum fit a core's second-level cache together.
_BLOCK_SAMPLES = 32_768
_BLOCK_SERIES = 512
# A batch of results is as large as this, in bytes: two of them, one being filled and one being read, stay under 100 MB.
_BATCH_BYTES = 32_000_000


def extract_windows(
    values: npt.NDArray[np.float64],
    channels: Sequence[str],
    feature_set: FeatureSet | str | Mapping[Any, Any] | Iterable[str],
    *,
    threads: int | None = None,
) -> pd.DataFrame:
    """Compute features of windows of one length.

    A window's features depend on that window alone, bit for bit. NaN and infinity give what tsfresh's calculator gives
    for the array (`tsfresh.extract_features` itself refuses NaN); where the calculator refuses, NaN. Truth values are
    1.0 and 0.0. Windows without samples have NaN throughout, their length included.

    Parameters
    ----------
    values : (n_windows, n_channels, n_samples)
        Readings. Any view will do, overlapping windows of ``numpy.lib.stride_tricks.sliding_window_view`` among them:
        only a block at a time is copied.
    channels
        Names of the channels.
    feature_set
        A FeatureSet, a preset's name ("minimal", "efficient", "comprehensive"), a tsfresh settings object, or names.
    threads
        How many cores to use; all if None. The result is the same.

    Returns
    -------
    pandas.DataFrame
        n_windows rows; tsfresh's column names in tsfresh's order, float64.

    Raises
    ------
    UsageError
        When the array does not have that shape.

    Examples
    --------
    >>> extract_windows(np.array([[[1.0, 2.0, 4.0]]]), ["volt"], ["maximum", "mean_change"])
       volt__maximum  volt__mean_change
    0            4.0                1.5
    """
    job = _job(values, channels, feature_set)
    matrix = np.empty((len(job.columns), len(job.readings)))
    small = matrix.shape[1] * job.readings.shape[1] * job.readings.shape[2] <= _BLOCK_SAMPLES
    with _pool(1 if small else _cores(threads)) as pool:
        _finish(_start(job, 0, matrix, pool))
    return pd.DataFrame(matrix.T, columns=_index(job.columns), copy=False)


def stream_windows(
    values: npt.NDArray[np.float64],
    channels: Sequence[str],
    feature_set: FeatureSet | str | Mapping[Any, Any] | Iterable[str],
    *,
    threads: int | None = None,
) -> "pa.RecordBatchReader":
    """Compute features of windows of one length, a batch at a time: the memory does not grow with the windows.

    Parameters
    ----------
    values, channels, feature_set, threads
        As for `extract_windows`. The values may be a memory map.

    Returns
    -------
    pyarrow.RecordBatchReader
        The rows and columns of `extract_windows`. A batch is computed when it is asked for. What reads such a reader
        (``deltalake.write_deltalake``, ``pyarrow.dataset.write_dataset``) never holds more than a batch or two.

    Raises
    ------
    UsageError
        When the array does not have that shape.

    Examples
    --------
    >>> reader = stream_windows(np.ones((3, 1, 4)), ["volt"], ["mean"])
    >>> [batch.num_rows for batch in reader]
    [3]
    """
    # pyarrow takes a third of a second to import, and one window at a time needs none of it.
    import pyarrow as pa

    job = _job(values, channels, feature_set)
    schema = pa.schema([pa.field(name, pa.float64()) for name in job.columns])
    return pa.RecordBatchReader.from_batches(schema, _batches(job, schema, _cores(threads)))


@dataclass(frozen=True)
class _Job:
    """Hold what is to be computed.

    Parameters
    ----------
    readings : (n_windows, n_channels, n_samples)
        Readings.
    wanted
        The features of each channel.
    columns
        The names of the results.
    """

    readings: npt.NDArray[Any]
    wanted: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...]


def _job(
    values: npt.NDArray[np.float64],
    channels: Sequence[str],
    feature_set: FeatureSet | str | Mapping[Any, Any] | Iterable[str],
) -> _Job:
    array = np.asarray(values)
    if array.ndim != 3 or array.shape[1] != len(channels):
        raise UsageError(
            f"An array of shape {array.shape} for {len(channels)} channels",
            "the shape (n_windows, n_channels, n_samples)",
            "Reshape it, or name every channel",
        )
    chosen = parse_feature_set(feature_set)
    wanted = tuple(chosen.of_kind(channel) for channel in channels)
    return _Job(array, wanted, _columns(chosen, tuple(channels)))


def _start(job: _Job, begin: int, matrix: FloatArray, pool: Executor) -> list[Future[None]]:
    """Have the windows from `begin` on computed, as many as the matrix (n_columns, n_windows) has room for."""
    if matrix.size == 0 or job.readings.shape[2] == 0:
        matrix.fill(np.nan)
        return []
    return [pool.submit(_compute, job, begin, matrix, part) for part in _parts(job, matrix.shape[1])]


def _finish(started: Sequence[Future[None]]) -> None:
    """Wait, and make an error in a thread ours."""
    for part in started:
        part.result()


def _parts(job: _Job, n_windows: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Cut the work into blocks: channels with the same features together, then windows.

    Gives the first channel, how many channels, the first of their columns, the first window, how many windows.
    """
    column, channel = 0, 0
    while channel < len(job.wanted):
        alike = 1
        while channel + alike < len(job.wanted) and job.wanted[channel + alike] == job.wanted[channel]:
            alike += 1
        room = max(1, min(_BLOCK_SAMPLES // job.readings.shape[2], _BLOCK_SERIES))
        together = min(alike, max(1, room // n_windows))
        step = min(n_windows, max(1, room // together))
        for one in range(0, alike, together):
            for window in range(0, n_windows, step):
                yield (
                    channel + one,
                    min(together, alike - one),
                    column + one * len(job.wanted[channel]),
                    window,
                    min(step, n_windows - window),
                )
        column += alike * len(job.wanted[channel])
        channel += alike


def _compute(job: _Job, begin: int, matrix: FloatArray, part: tuple[int, int, int, int, int]) -> None:
    channel, n_channels, column, window, n_windows = part
    features = job.wanted[channel]
    samples = job.readings.shape[2]
    first = begin + window
    chosen = job.readings[first : first + n_windows, channel : channel + n_channels]
    series = np.ascontiguousarray(chosen.transpose(1, 0, 2), dtype=np.float64).reshape(-1, samples)
    found = plan_for(features, samples).run(series).reshape(len(features), n_channels, n_windows)
    target = matrix[column : column + n_channels * len(features), window : window + n_windows]
    target.reshape(n_channels, len(features), n_windows)[:] = found.transpose(1, 0, 2)


def _batches(job: _Job, schema: "pa.Schema", threads: int) -> Iterator["pa.RecordBatch"]:
    """Compute one batch while the one before is being read."""
    total = len(job.readings)
    rows = max(1, min(total, _BATCH_BYTES // (8 * max(len(job.columns), 1))))
    pool = _pool(threads)
    try:
        matrix, started = np.empty((0, 0)), list[Future[None]]()
        for begin in range(0, total + rows, rows):
            _finish(started)
            ready, n = matrix, min(rows, total - begin)
            if n > 0:
                matrix = np.empty((len(job.columns), n))
                started = _start(job, begin, matrix, pool)
            if begin > 0:
                yield _record_batch(ready, schema)
    finally:
        pool.shutdown(cancel_futures=True)


def _record_batch(matrix: FloatArray, schema: "pa.Schema") -> "pa.RecordBatch":
    """Make a batch of a matrix (n_columns, n_windows) without copying it."""
    import pyarrow as pa

    n = matrix.shape[1]
    flat = pa.array(matrix.reshape(-1))
    return pa.RecordBatch.from_arrays([flat.slice(place * n, n) for place in range(len(matrix))], schema=schema)


class _InThisThread(Executor):
    """Run what is submitted at once: one small block is done before a thread would have started."""

    def submit(self, function: Callable[..., T], /, *given: Any, **named: Any) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(function(*given, **named))
        return done


def _pool(threads: int) -> Executor:
    return _InThisThread() if threads == 1 else ThreadPoolExecutor(threads, thread_name_prefix="features")


def _cores(threads: int | None) -> int:
    if threads is not None:
        return threads
    # Not every system tells which cores a process may use; a container's share is told only so.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=32)
def _columns(feature_set: FeatureSet, channels: tuple[str, ...]) -> tuple[str, ...]:
    return feature_set.columns(channels)


@lru_cache(maxsize=32)
def _index(columns: tuple[str, ...]) -> "pd.Index[str]":
    return pd.Index(columns, dtype="str")
