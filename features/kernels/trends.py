"""Straight lines through a window or through what its chunks add up to, in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.pairwise import moments, pairwise_sum, run_sum
from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.compilation import compiled, compiled_sums
from features.kernels.kernel import Kernel, Parameters

IntArray = npt.NDArray[np.int64]

_ATTRIBUTES = ("slope", "intercept", "rvalue", "stderr", "pvalue")
_P_VALUE = _ATTRIBUTES.index("pvalue")
_AGGREGATES = ("max", "min", "mean", "var")

_TINY = 1.0e-20  # scipy's, in the denominator of t

# Where a line is perfect, 1 - r is round-off, and standard error and p-value with it; where it is level, so is the
# slope. There we sum as scipy does, through the same calls of BLAS.
_NEARLY_ONE = 1.0 - 1e-9
_ROUND_OFF = 4e-15

# Student's distribution has a short closed form for few degrees of freedom; its far tail is a difference to one.
_FEW = 40
_TAIL = 1e-6


def linear_trend(block: Block, attributes: IntArray, out: FloatArray) -> None:
    """Fit a line to the samples against 0, 1, 2, ... (tsfresh: linear_trend; one pass).

    NaN for a single sample, as in tsfresh.

    References
    ----------
    Draper and Smith (1998), Applied Regression Analysis, chapter 1.
    """
    out[:] = fit_steps(block.series, block.mean, block.variance, _P_VALUE in attributes)[attributes]


def linear_trend_timewise(block: Block, attributes: IntArray, out: FloatArray) -> None:
    """Fit a line to the samples against the hours since the first (tsfresh: linear_trend_timewise; three passes).

    NaN without times, for a single sample and where all times are the same.

    References
    ----------
    Draper and Smith (1998), Applied Regression Analysis, chapter 1.
    """
    out[:] = np.nan
    if block.hours is None:
        return
    passing = np.flatnonzero(np.ptp(block.hours, axis=1) > 0)
    hours = block.hours[passing]
    _, mean_hour, spread = moments(hours)
    times = Times(hours - mean_hour[:, None], mean_hour, spread)
    chosen = block.series[passing], block.mean[passing], block.variance[passing]
    out[:, passing] = fit_lines(times, *chosen, _P_VALUE in attributes)[attributes]


@dataclass(frozen=True)
class ChunkLines:
    """Name the wanted attributes of lines through chunks.

    Parameters
    ----------
    lengths
        The numbers of samples in a chunk.
    length, aggregate, attribute : (n_wanted,)
        Which of the lengths, aggregates and attributes, by number.
    """

    lengths: tuple[int, ...]
    length: IntArray
    aggregate: IntArray
    attribute: IntArray


def prepare_chunk_lines(wanted: Sequence[Parameters], _samples: int) -> ChunkLines:
    """Look the wanted parameter sets up, once."""
    lengths = tuple(dict.fromkeys(int(parameters["chunk_len"]) for parameters in wanted))
    return ChunkLines(
        lengths,
        np.array([lengths.index(parameters["chunk_len"]) for parameters in wanted]),
        np.array([_AGGREGATES.index(parameters["f_agg"]) for parameters in wanted]),
        prepare_attributes(wanted, _samples),
    )


def agg_linear_trend(block: Block, wanted: ChunkLines, out: FloatArray) -> None:
    """Fit a line to the max, min, mean or var of chunks (tsfresh: agg_linear_trend; a pass for each chunk length).

    NaN unless the window is longer than a chunk, as in tsfresh. The last chunk may be short.

    References
    ----------
    Draper and Smith (1998), Applied Regression Analysis, chapter 1.
    """
    found = np.full((len(wanted.lengths), len(_ATTRIBUTES), len(_AGGREGATES), block.n), np.nan)
    for lines, length in zip(found, wanted.lengths, strict=True):
        if length >= block.samples:
            continue
        chunks = -(-block.samples // length)
        aggregates = np.empty((len(_AGGREGATES), block.n, chunks))
        aggregate_chunks(block.series, length, aggregates)
        rows = aggregates.reshape(-1, chunks)
        _, mean, variance = moments(rows)
        lines[:] = fit_steps(rows, mean, variance, _P_VALUE in wanted.attribute).reshape(lines.shape)
    out[:] = found[wanted.length, wanted.attribute, wanted.aggregate]


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


@dataclass(frozen=True)
class Times:
    """Hold when the samples of some series were taken.

    Parameters
    ----------
    centred : (1, m) or (n, m)
        The times less their mean; one row when all series share them.
    mean, variance : (1,) or (n,)
        Theirs.
    """

    centred: FloatArray
    mean: FloatArray
    variance: FloatArray


@lru_cache(maxsize=256)
def steps(m: int) -> Times:
    """Give the times 0, 1, ..., m - 1.

    Parameters
    ----------
    m
        How many.

    Returns
    -------
    Times
    """
    middle = (m - 1) / 2
    return Times((np.arange(m, dtype=np.float64) - middle)[None, :], np.array([middle]), np.array([(m * m - 1) / 12]))


def fit_steps(series: FloatArray, mean: FloatArray, variance: FloatArray, p_values: bool) -> FloatArray:
    """Fit a line to each series against 0, 1, 2, ...

    Parameters
    ----------
    series, mean, variance, p_values
        As for `fit_lines`.

    Returns
    -------
    (5, n) array
        As `fit_lines` gives it.
    """
    return fit_lines(steps(series.shape[1]), series, mean, variance, p_values)


def fit_lines(times: Times, series: FloatArray, mean: FloatArray, variance: FloatArray, p_values: bool) -> FloatArray:
    """Fit a line to each series, as ``scipy.stats.linregress`` does.

    Parameters
    ----------
    times
        Of the samples.
    series : (n, m)
        One series a row.
    mean, variance : (n,)
        Those of the series, in numpy's rounding.
    p_values
        Whether they are wanted: they cost more than the rest together.

    Returns
    -------
    (5, n) array
        Slope, intercept, r, standard error of the slope, and the p-value of no slope (Student's t when that is not
        wanted). NaN for a single sample.

    References
    ----------
    Draper and Smith (1998), Applied Regression Analysis, chapter 1.
    """
    n, m = series.shape
    lines = np.full((len(_ATTRIBUTES), n), np.nan)
    if m < 2:
        return lines
    products, unclear = np.empty(n), np.empty(n, dtype=np.bool_)
    multiply(times.centred, series, mean, products)
    draw_lines(times.mean, times.variance, series, mean, variance, products, lines, unclear)
    rows = np.flatnonzero(unclear)
    if rows.size:
        lines[:, rows] = _as_scipy(times, series, mean, rows)
    if p_values:
        # Two points leave no residual, and one degree of freedom to say so with.
        lines[_P_VALUE] = two_sided_p_value(np.abs(lines[_P_VALUE]), max(m - 2, 1))
    return lines


def _as_scipy(times: Times, series: FloatArray, mean: FloatArray, rows: npt.NDArray[np.intp]) -> FloatArray:
    """Draw lines whose digits hang on the order of summation from sums in scipy's."""
    chosen = series[rows]
    shared = len(times.centred) == 1
    centred = np.broadcast_to(times.centred, series.shape)[rows]
    spread, products, variance = products_as_numpy(centred, chosen - mean[rows, None])
    lines = np.empty((len(_ATTRIBUTES), len(rows)))
    middle = times.mean if shared else times.mean[rows]
    draw_lines(middle, spread, chosen, mean[rows], variance, products, lines, np.empty(len(rows), dtype=np.bool_))
    return lines


@compiled_sums
def multiply(times: FloatArray, series: FloatArray, means: FloatArray, products: FloatArray) -> None:
    """Average the products of centred times and centred samples.

    Parameters
    ----------
    times : (1, m) or (n, m)
        Centred.
    series : (n, m)
        One series a row.
    means : (n,)
        Their means.
    products : (n,)
        Is filled.
    """
    n, m = series.shape
    for row in range(n):
        y, mean = series[row], means[row]
        t = times[row if times.shape[0] > 1 else 0]
        total = 0.0
        for i in range(m):
            total += t[i] * (y[i] - mean)
        products[row] = total / m


@compiled
def draw_lines(
    mean_time: FloatArray,
    spread: FloatArray,
    series: FloatArray,
    means: FloatArray,
    variances: FloatArray,
    products: FloatArray,
    lines: FloatArray,
    unclear: BoolArray,
) -> None:
    """Draw lines from sums, and say where these have not digits enough.

    Parameters
    ----------
    mean_time, spread : (1,) or (n,)
        Mean and variance of the times.
    series : (n, m)
        One series a row, two samples at least.
    means, variances, products : (n,)
        Mean and variance of the series, and their covariance with the times.
    lines : (5, n)
        Is filled: slope, intercept, r, standard error, t.
    unclear : (n,)
        Is filled.
    """
    n, m = series.shape
    for row in range(n):
        middle = mean_time[row if mean_time.size > 1 else 0]
        width = spread[row if spread.size > 1 else 0]
        mean, variance, product = means[row], variances[row], products[row]
        r = product / np.sqrt(width * variance)
        slope = product / width
        intercept = mean - slope * middle
        error = _ROUND_OFF * np.sqrt(variance / width) * max(1.0, abs(middle))
        visible = error < 1e-7 * min(abs(slope), abs(intercept))
        unclear[row] = abs(r) > _NEARLY_ONE or (error > 1e-11 and not visible)
        if variance == 0:
            r = np.nan if product == 0 else 0.0
        elif abs(r) > 1:
            r = 1.0 if r > 0 else -1.0
        lines[0, row], lines[1, row], lines[2, row] = slope, intercept, r
        if m == 2:
            # Two points leave no residual: scipy calls the slope certain unless it is nothing.
            lines[3, row] = 0.0
            lines[4, row] = 0.0 if series[row, 0] == series[row, 1] else np.inf
        else:
            lines[3, row] = np.sqrt((1 - r * r) * variance / width / (m - 2))
            lines[4, row] = r * np.sqrt((m - 2) / ((1.0 - r + _TINY) * (1.0 + r + _TINY)))


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
    # scipy.special takes a quarter of a second to load, and few degrees of freedom need none of it.
    if freedom > _FEW:
        from scipy.special import stdtr

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
    if tail.size:
        from scipy.special import stdtr

        p_value[tail] = 2 * stdtr(freedom, -t[tail])
    return p_value


def prepare_attributes(wanted: Sequence[Parameters], _samples: int) -> IntArray:
    """Look the wanted attributes up, once."""
    return np.array([_ATTRIBUTES.index(parameters["attr"]) for parameters in wanted])


def _known_attribute(parameters: Parameters) -> bool:
    return parameters["attr"] in _ATTRIBUTES


def _known_chunks(parameters: Parameters) -> bool:
    return _known_attribute(parameters) and parameters["f_agg"] in _AGGREGATES and parameters["chunk_len"] >= 1


KERNELS: dict[str, Kernel] = {
    "linear_trend": Kernel(linear_trend, prepare=prepare_attributes, supports=_known_attribute),
    "linear_trend_timewise": Kernel(linear_trend_timewise, prepare=prepare_attributes, supports=_known_attribute),
    "agg_linear_trend": Kernel(agg_linear_trend, prepare=prepare_chunk_lines, supports=_known_chunks),
}
