"""Aggregates of consecutive chunks of series, in numpy's rounding; chunks of one length are columns side by side.

A chunk is too short for its own sums to be vectorised, but there are many chunks: so each step is done for all columns
of a tile at once, and within a column in numpy's order.
"""

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.pairwise import pairwise_sum
from features.kernels.compilation import compiled

FloatArray = npt.NDArray[np.float64]

#: The rows of aggregates.
MAXIMUM, MINIMUM, MEAN, VARIANCE = 0, 1, 2, 3
AGGREGATES = 4
# Chunks computed side by side.
TILE = 32
# numpy sums up to this many values in one run, of eight partial sums.
_RUN = 128
_PARTIAL = 8


@compiled
def aggregate_chunks(series: FloatArray, length: int, aggregates: FloatArray) -> None:
    """Compute maximum, minimum, mean and population variance of consecutive chunks, into (4, n, chunks).

    The last chunk may have fewer samples.
    """
    samples = series.shape[1]
    whole = samples // length
    aggregate_equal_chunks(series, length, 0, whole, length, aggregates)
    if whole * length < samples:
        aggregate_equal_chunks(series, length, whole, whole + 1, samples - whole * length, aggregates)


@compiled
def aggregate_equal_chunks(
    series: FloatArray, length: int, first: int, last: int, size: int, aggregates: FloatArray
) -> None:
    """Aggregate the chunks from `first` up to, not including, `last`, of `size` samples each, a tile at a time."""
    columns, found, partial = np.zeros((size, TILE)), np.empty((AGGREGATES, TILE)), np.empty((_PARTIAL, TILE))
    row, chunk = 0, first
    while row < len(series):
        first_row, first_chunk, lane = row, chunk, 0
        while lane < TILE and row < len(series):
            run = min(TILE - lane, last - chunk)
            lay_side_by_side(series[row, chunk * length :], length, run, columns[:, lane:])
            lane += run
            chunk = chunk + run if chunk + run < last else first
            row += int(chunk == first)
        aggregate_columns(columns, partial, found)
        row, chunk, lane = first_row, first_chunk, 0
        while lane < TILE and row < len(series):
            run = min(TILE - lane, last - chunk)
            for kind in range(AGGREGATES):
                target, source = aggregates[kind, row, chunk : chunk + run], found[kind, lane : lane + run]
                for j in range(run):
                    target[j] = source[j]
            lane += run
            chunk = chunk + run if chunk + run < last else first
            row += int(chunk == first)


@compiled
def lay_side_by_side(x: FloatArray, length: int, run: int, columns: FloatArray) -> None:
    """Write consecutive chunks as columns."""
    for k in range(len(columns)):
        for j in range(run):
            columns[k, j] = x[j * length + k]


@compiled
def aggregate_columns(columns: FloatArray, partial: FloatArray, found: FloatArray) -> None:
    """Compute the aggregates of each column; overwrites the columns."""
    size, lanes = columns.shape
    largest, smallest = found[MAXIMUM], found[MINIMUM]
    mean, spread = found[MEAN], found[VARIANCE]
    for lane in range(lanes):
        largest[lane] = columns[0, lane]
        smallest[lane] = columns[0, lane]
    for k in range(1, size):
        for lane in range(lanes):
            value, top, bottom = columns[k, lane], largest[lane], smallest[lane]
            largest[lane] = value if value > top else top
            smallest[lane] = value if value < bottom else bottom
    sum_columns(columns, partial, mean)
    for lane in range(lanes):
        mean[lane] /= size
    for k in range(size):
        for lane in range(lanes):
            distance = columns[k, lane] - mean[lane]
            columns[k, lane] = distance * distance
    sum_columns(columns, partial, spread)
    for lane in range(lanes):
        spread[lane] /= size


@compiled
def sum_columns(columns: FloatArray, partial: FloatArray, total: FloatArray) -> None:
    """Sum each column in the order of `features.kernels.arithmetic.pairwise`."""
    size, lanes = columns.shape
    if size > _RUN:
        begins, sums = np.empty(128, np.int64), np.empty(64)
        for lane in range(lanes):
            total[lane] = pairwise_sum(columns[:, lane].copy(), size, begins, sums)
        return
    whole = size - size % _PARTIAL
    if whole == 0:
        for lane in range(lanes):
            total[lane] = columns[0, lane]
    else:
        for k in range(_PARTIAL):
            for lane in range(lanes):
                partial[k, lane] = columns[k, lane]
            for other in range(k + _PARTIAL, whole, _PARTIAL):
                for lane in range(lanes):
                    partial[k, lane] += columns[other, lane]
        for lane in range(lanes):
            left = (partial[0, lane] + partial[1, lane]) + (partial[2, lane] + partial[3, lane])
            right = (partial[4, lane] + partial[5, lane]) + (partial[6, lane] + partial[7, lane])
            total[lane] = left + right
    for k in range(max(whole, 1), size):
        for lane in range(lanes):
            total[lane] += columns[k, lane]
