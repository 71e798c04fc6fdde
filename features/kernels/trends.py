"""Straight lines through a window or through what its chunks add up to, in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtr

from features.kernels.arithmetic.pairwise import moments, pairwise_sum, run_sum
from features.kernels.block import Block, FloatArray, row_sum
from features.kernels.compilation import compiled, compiled_sums
from features.kernels.kernel import Kernel, Parameters

_ATTRIBUTES = ("slope", "intercept", "rvalue", "pvalue", "stderr")
_AGGREGATES = ("max", "min", "mean", "var")

_TINY = 1.0e-20  # scipy's, in the denominator of t

# Where a line is perfect, 1 - r is round-off, and standard error and p-value with it; where it is level, so is the
# slope. There we sum as scipy does, through the same calls of BLAS.
_NEARLY_ONE = 1.0 - 1e-9
_ROUND_OFF = 4e-15

# Student's distribution has a short closed form for few degrees of freedom; its far tail is a difference to one.
_FEW = 40
_TAIL = 1e-6


@dataclass(frozen=True)
class Lines:
    """Least squares of some series on their times: one value a series in every attribute, as scipy names them."""

    slope: FloatArray
    intercept: FloatArray
    rvalue: FloatArray
    stderr: FloatArray
    statistic: FloatArray
    freedom: int

    @cached_property
    def pvalue(self) -> FloatArray:
        """The p-value of a slope of zero, slow to compute and seldom wanted."""
        with np.errstate(all="ignore"):
            return two_sided_p_value(np.abs(self.statistic), self.freedom)


def linear_trend(block: Block, attributes: tuple[str, ...], out: FloatArray) -> None:
    """Fit a line to the samples against 0, 1, 2, ... (tsfresh: linear_trend; one pass).

    NaN for a single sample, as in tsfresh.

    References
    ----------
    Draper and Smith (1998), Applied Regression Analysis, chapter 1.
    """
    lines = fit_steps(block.series, block.mean, block.variance)
    for row, attribute in zip(out, attributes, strict=True):
        row[:] = getattr(lines, attribute)


def linear_trend_timewise(block: Block, attributes: tuple[str, ...], out: FloatArray) -> None:
    """Fit a line to the samples against the hours since the first (tsfresh: linear_trend_timewise; three passes).

    NaN without times, for a single sample and where all times are the same.

    References
    ----------
    Draper and Smith (1998), Applied Regression Analysis, chapter 1.
    """
    out[:] = np.nan
    if block.hours is None or block.samples < 2:
        return
    _, mean_hour, spread = moments(block.hours)
    hours = block.hours - mean_hour[:, None]
    products = row_sum(block.centred * hours) / block.samples
    lines = fit_lines(hours, mean_hour, spread, block.series, block.mean, block.variance, products)
    passes_time = np.ptp(block.hours, axis=1) > 0
    for row, attribute in zip(out, attributes, strict=True):
        row[passes_time] = getattr(lines, attribute)[passes_time]


@dataclass(frozen=True)
class ChunkLine:
    """Name one wanted attribute of a line through chunks.

    Parameters
    ----------
    length
        The number of samples in a chunk.
    aggregate
        Which of the aggregates, by number.
    attribute
        Of the line.
    """

    length: int
    aggregate: int
    attribute: str


def prepare_chunk_lines(wanted: Sequence[Parameters], _samples: int) -> tuple[ChunkLine, ...]:
    """Parse the wanted parameter sets."""
    return tuple(ChunkLine(p["chunk_len"], _AGGREGATES.index(p["f_agg"]), p["attr"]) for p in wanted)


def agg_linear_trend(block: Block, wanted: tuple[ChunkLine, ...], out: FloatArray) -> None:
    """Fit a line to the max, min, mean or var of chunks (tsfresh: agg_linear_trend; a pass for each chunk length).

    NaN unless the window is longer than a chunk, as in tsfresh. The last chunk may be short.

    References
    ----------
    Draper and Smith (1998), Applied Regression Analysis, chapter 1.
    """
    lines: dict[int, Lines] = {}
    for row, line in zip(out, wanted, strict=True):
        if line.length >= block.samples:
            row[:] = np.nan
            continue
        if line.length not in lines:
            chunks = -(-block.samples // line.length)
            aggregates = np.empty((len(_AGGREGATES), block.n, chunks))
            aggregate_chunks(block.series, line.length, aggregates)
            rows = aggregates.reshape(-1, chunks)
            _, mean, variance = moments(rows)
            lines[line.length] = fit_steps(rows, mean, variance)
        first = line.aggregate * block.n
        row[:] = getattr(lines[line.length], line.attribute)[first : first + block.n]


@compiled
def aggregate_chunks(series: FloatArray, length: int, aggregates: FloatArray) -> None:
    """Take the maximum, minimum, mean and variance of consecutive chunks, in numpy's rounding.

    Parameters
    ----------
    series : (n, samples)
        One series a row.
    length
        The number of samples in a chunk; the last may have fewer.
    aggregates : (4, n, chunks)
        Is filled.
    """
    n, samples = series.shape
    squares = np.empty(samples)
    begins, sums = np.empty(128, np.int64), np.empty(64)
    for row in range(n):
        x = series[row]
        for chunk in range(aggregates.shape[2]):
            first = chunk * length
            last = min(samples, first + length)
            largest, smallest = x[first], x[first]
            for i in range(first + 1, last):
                largest = x[i] if x[i] > largest else largest
                smallest = x[i] if x[i] < smallest else smallest
            size = last - first
            mean = run_sum(x, first, size) if size <= 128 else pairwise_sum(x[first:last], size, begins, sums)
            mean /= size
            for i in range(first, last):
                squares[i] = (x[i] - mean) * (x[i] - mean)
            spread = (
                run_sum(squares, first, size) if size <= 128 else pairwise_sum(squares[first:last], size, begins, sums)
            )
            aggregates[0, row, chunk] = largest
            aggregates[1, row, chunk] = smallest
            aggregates[2, row, chunk] = mean
            aggregates[3, row, chunk] = spread / size


@compiled_sums
def products_with_steps(series: FloatArray, means: FloatArray, products: FloatArray) -> None:
    """Average the products of the centred series with the centred steps 0, 1, 2, ...

    Parameters
    ----------
    series : (n, m)
        One series a row.
    means : (n,)
        Their means.
    products : (n,)
        Is filled.
    """
    n, m = series.shape
    middle = (m - 1) / 2
    for row in range(n):
        y, mean = series[row], means[row]
        total = 0.0
        for i in range(m):
            total += (i - middle) * (y[i] - mean)
        products[row] = total / m


def fit_steps(series: FloatArray, mean: FloatArray, variance: FloatArray) -> Lines:
    """Fit a line to each series against 0, 1, 2, ...

    Parameters
    ----------
    series : (n, m)
        One series a row.
    mean, variance : (n,)
        Theirs, in numpy's rounding.

    Returns
    -------
    Lines
    """
    m = series.shape[1]
    products = np.empty(len(series))
    products_with_steps(series, mean, products)
    steps = np.arange(m) - (m - 1) / 2
    return fit_lines(steps, (m - 1) / 2, (m * m - 1) / 12, series, mean, variance, products)


def fit_lines(
    times: FloatArray,
    mean_time: float | FloatArray,
    spread: float | FloatArray,
    series: FloatArray,
    mean: FloatArray,
    variance: FloatArray,
    products: FloatArray,
) -> Lines:
    """Fit a line to each series, as ``scipy.stats.linregress`` does.

    Parameters
    ----------
    times : (m,) or (n, m)
        Centred times.
    mean_time, spread
        Mean and variance of the times, one for all or one a series.
    series : (n, m)
        One series a row.
    mean, variance : (n,)
        Those of the series.
    products : (n,)
        The covariances of series and times.

    Returns
    -------
    Lines

    References
    ----------
    Draper and Smith (1998), Applied Regression Analysis, chapter 1.
    """
    m = series.shape[1]
    r = products / np.sqrt(spread * variance)
    slope = products / spread
    error = _ROUND_OFF * np.sqrt(variance / spread) * np.maximum(1.0, np.abs(mean_time))
    unclear = (error > 1e-11) & ~(error < 1e-7 * np.minimum(np.abs(slope), np.abs(mean - slope * mean_time)))
    rows = np.flatnonzero((np.abs(r) > _NEARLY_ONE) | unclear)
    if rows.size:
        spread, products, variance = (np.array(np.broadcast_to(x, mean.shape)) for x in (spread, products, variance))
        spread[rows], products[rows], variance[rows] = products_as_numpy(
            np.broadcast_to(times, series.shape)[rows], series[rows] - mean[rows, None]
        )
        r = products / np.sqrt(spread * variance)
        slope = products / spread
    r = np.where(variance == 0, np.where(products == 0, np.nan, 0.0), np.clip(r, -1.0, 1.0))
    intercept = mean - slope * mean_time
    if m == 2:
        # Two points leave no residual: scipy calls the slope certain unless it is nothing.
        return Lines(slope, intercept, r, np.zeros_like(r), np.where(series[:, 0] == series[:, 1], 0.0, np.inf), 1)
    t = r * np.sqrt((m - 2) / ((1.0 - r + _TINY) * (1.0 + r + _TINY)))
    stderr = np.sqrt((1 - r * r) * variance / spread / (m - 2))
    return Lines(slope, intercept, r, stderr, t, m - 2)


def products_as_numpy(times: FloatArray, series: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Average squares and products of centred times and series to the last bit of ``numpy.cov``.

    BLAS decides the order of summation, so it is BLAS that we call, for each row alone.

    Parameters
    ----------
    times, series : (n, m)
        Centred.

    Returns
    -------
    tuple of (n,) array
        The means of times squared, of times by series, of series squared.
    """
    pairs = np.stack([times, series], axis=1)
    covariances = np.array([np.dot(pair, pair.T) for pair in pairs]) * (1 / series.shape[1])
    return covariances[:, 0, 0], covariances[:, 0, 1], covariances[:, 1, 1]


def two_sided_p_value(t: FloatArray, freedom: int) -> FloatArray:
    """Give the probability that Student's t is at least so large, or as small.

    Parameters
    ----------
    t : (n,)
        At least 0, or NaN.
    freedom
        Degrees of freedom; NaN for less than one.

    Returns
    -------
    (n,) array

    References
    ----------
    Abramowitz and Stegun (1964), Handbook of Mathematical Functions, equations 26.7.3 and 26.7.4.
    """
    if freedom < 1:
        return np.full_like(t, np.nan)
    if freedom > _FEW:
        far: FloatArray = 2 * stdtr(freedom, -t)
        return far
    cosine = freedom / (freedom + t * t)
    sine = t / np.sqrt(freedom + t * t)
    series = np.zeros_like(t) if freedom == 1 else np.ones_like(t)
    for k in range(freedom - 2, 1, -2):
        series *= cosine * ((k - 1) / k)
        series += 1.0
    if freedom % 2:
        inside = (np.arctan(t / np.sqrt(freedom)) + sine * np.sqrt(cosine) * series) * (2 / np.pi)
    else:
        inside = sine * series
    p_value = 1 - inside
    tail = np.flatnonzero(~(p_value >= _TAIL))
    p_value[tail] = 2 * stdtr(freedom, -t[tail])
    return p_value


def prepare_attributes(wanted: Sequence[Parameters], _samples: int) -> tuple[str, ...]:
    """List the wanted attributes."""
    return tuple(parameters["attr"] for parameters in wanted)


def _known_attribute(parameters: Parameters) -> bool:
    return parameters["attr"] in _ATTRIBUTES


def _known_chunks(parameters: Parameters) -> bool:
    return _known_attribute(parameters) and parameters["f_agg"] in _AGGREGATES and parameters["chunk_len"] >= 1


KERNELS: dict[str, Kernel] = {
    "linear_trend": Kernel(linear_trend, prepare=prepare_attributes, supports=_known_attribute),
    "linear_trend_timewise": Kernel(linear_trend_timewise, prepare=prepare_attributes, supports=_known_attribute),
    "agg_linear_trend": Kernel(agg_linear_trend, prepare=prepare_chunk_lines, supports=_known_chunks),
}
