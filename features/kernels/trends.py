"""Straight lines through a window or through aggregates of its chunks, in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.chunks import aggregate_chunks
from features.kernels.arithmetic.pairwise import moments
from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.compilation import compiled, compiled_sums
from features.kernels.kernel import Kernel, Parameters
from features.kernels.students_t import two_sided_p_value

IntArray = npt.NDArray[np.int64]

_ATTRIBUTES = ("slope", "intercept", "rvalue", "stderr", "pvalue")
_P_VALUE = _ATTRIBUTES.index("pvalue")
_AGGREGATES = ("max", "min", "mean", "var")

_TINY = 1.0e-20  # scipy's, in the denominator of t

# Where a line is perfect, 1 - r is round-off, and standard error and p-value with it; where it is level, so is the
# slope. There we sum as scipy does, through the same calls of BLAS.
_NEARLY_ONE = 1.0 - 1e-9
_ROUND_OFF = 4e-15


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
    """The requested attributes of lines through chunks."""

    lengths: IntArray  # (n_lengths,), samples in a chunk
    places: IntArray  # (n_features,), each feature's position in the flat array of lengths by attributes by aggregates
    p_values: bool  # whether any p-value is requested


def prepare_chunk_lines(parameters: Sequence[Parameters], _samples: int) -> ChunkLines:
    """Tabulate the requested parameters."""
    lengths = tuple(dict.fromkeys(int(p["chunk_len"]) for p in parameters))
    numbers = [
        (lengths.index(p["chunk_len"]), _ATTRIBUTES.index(p["attr"]), _AGGREGATES.index(p["f_agg"])) for p in parameters
    ]
    shape = len(lengths), len(_ATTRIBUTES), len(_AGGREGATES)
    places = np.ravel_multi_index(tuple(zip(*numbers, strict=True)), shape)
    return ChunkLines(np.array(lengths), places.astype(np.int64), any(p["attr"] == "pvalue" for p in parameters))


def agg_linear_trend(block: Block, chunk_lines: ChunkLines, out: FloatArray) -> None:
    """Fit a line to the max, min, mean or var of chunks (tsfresh: agg_linear_trend; a pass for each chunk length).

    NaN unless the window is longer than a chunk, as in tsfresh. The last chunk may be short.

    References
    ----------
    Draper and Smith (1998), Applied Regression Analysis, chapter 1.
    """
    lines = np.empty((chunk_lines.lengths.size, len(_ATTRIBUTES), len(_AGGREGATES) * block.n))
    unclear = np.empty((chunk_lines.lengths.size, len(_AGGREGATES) * block.n), dtype=np.bool_)
    if draw_chunk_lines(block.series, chunk_lines.lengths, lines, unclear):
        _draw_chunk_lines_as_scipy(block.series, chunk_lines.lengths, lines, unclear)
    if chunk_lines.p_values:
        for length, line in zip(chunk_lines.lengths, lines, strict=True):
            freedom = max(-(-block.samples // length) - 2, 1)
            line[_P_VALUE] = two_sided_p_value(np.abs(line[_P_VALUE]), freedom)
    np.take(lines.reshape(-1, block.n), chunk_lines.places, axis=0, out=out, mode="clip")


def _draw_chunk_lines_as_scipy(series: FloatArray, lengths: IntArray, lines: FloatArray, unclear: BoolArray) -> None:
    for number, place in np.argwhere(unclear).tolist():
        length, (aggregate, row) = lengths[number], divmod(place, len(series))
        aggregates = np.empty((len(_AGGREGATES), 1, -(-series.shape[1] // length)))
        aggregate_chunks(series[row : row + 1], length, aggregates)
        _draw_as_scipy(steps(aggregates.shape[2]), 0, aggregates[aggregate, 0], lines[number], place)


@compiled
def draw_chunk_lines(series: FloatArray, lengths: IntArray, lines: FloatArray, unclear: BoolArray) -> bool:
    """Draw lines through the aggregates of chunks of several lengths; true if any line is unclear.

    `lines` (n_lengths, 5, 4 * n) is filled as by `draw_lines`, with NaN for chunks as long as the series.
    """
    n, samples = series.shape
    any_unclear = False
    for number in range(lengths.size):
        length = lengths[number]
        if length >= samples:
            lines[number], unclear[number] = np.nan, False
            continue
        chunks = -(-samples // length)
        aggregates = np.empty((len(_AGGREGATES), n, chunks))
        aggregate_chunks(series, length, aggregates)
        middle, width = np.full(1, (chunks - 1) / 2), np.full(1, (chunks * chunks - 1) / 12)
        times = np.empty((1, chunks))
        for i in range(chunks):
            times[0, i] = i - middle[0]
        rows = aggregates.reshape((len(_AGGREGATES) * n, chunks))
        sums = moments(rows)
        any_unclear |= draw_lines(times, middle, width, rows, sums[1], sums[2], lines[number], unclear[number])
    return any_unclear


@dataclass(frozen=True)
class Times:
    """When the samples of some series were taken."""

    centred: FloatArray  # (1 or n, m), the times less their mean; one row when all series share them
    mean: FloatArray  # (1,) or (n,), like `variance`
    variance: FloatArray


@lru_cache(maxsize=256)
def steps(m: int) -> Times:
    """Return the times 0, 1, 2, ..., m - 1, the same for all series."""
    middle = (m - 1) / 2
    return Times((np.arange(m, dtype=np.float64) - middle)[None, :], np.array([middle]), np.array([(m * m - 1) / 12]))


def fit_steps(series: FloatArray, mean: FloatArray, variance: FloatArray, p_values: bool) -> FloatArray:
    """Fit a line to each series against 0, 1, 2, ..., as `fit_lines` does."""
    return fit_lines(steps(series.shape[1]), series, mean, variance, p_values)


def fit_lines(times: Times, series: FloatArray, mean: FloatArray, variance: FloatArray, p_values: bool) -> FloatArray:
    """Fit a line to each series (n, m), as ``scipy.stats.linregress`` does.

    Returns (5, n): slope, intercept, r, standard error of the slope, and the p-value of a zero slope, or Student's t if
    `p_values` is false, as they cost more than the rest together. NaN for a single sample. `mean` and `variance` have
    numpy's rounding.

    References
    ----------
    Draper and Smith (1998), Applied Regression Analysis, chapter 1.
    """
    n, m = series.shape
    if m < 2:
        return np.full((len(_ATTRIBUTES), n), np.nan)
    lines, unclear = np.empty((len(_ATTRIBUTES), n)), np.empty(n, dtype=np.bool_)
    if draw_lines(times.centred, times.mean, times.variance, series, mean, variance, lines, unclear):
        for row in np.flatnonzero(unclear).tolist():
            _draw_as_scipy(times, row if len(times.centred) > 1 else 0, series[row], lines, row)
    if p_values:
        # Two points leave no residual; scipy uses one degree of freedom.
        lines[_P_VALUE] = two_sided_p_value(np.abs(lines[_P_VALUE]), max(m - 2, 1))
    return lines


def _draw_as_scipy(times: Times, k: int, y: FloatArray, lines: FloatArray, row: int) -> None:
    """Draw a line whose digits depend on the order of summation from sums in scipy's."""
    mean = y.mean()
    spread, product, variance = products_as_numpy(times.centred[k], y - mean)
    draw_line(times.mean[k], spread, y, mean, variance, product, lines, row)


@compiled
def draw_lines(
    times: FloatArray,
    mean_time: FloatArray,
    spread: FloatArray,
    series: FloatArray,
    means: FloatArray,
    variances: FloatArray,
    lines: FloatArray,
    unclear: BoolArray,
) -> bool:
    """Draw lines through series of at least two samples; true if any needs sums in scipy's order.

    `times` (1 or n, m) are centred, `mean_time` and `spread` (1 or n,) their mean and variance, `means` and `variances`
    (n,) those of the series. `lines` (5, n) gets slope, intercept, r, standard error and t, `unclear` (n,) where sums
    in any order are not accurate enough.
    """
    any_unclear = False
    for row in range(len(series)):
        k = row if len(times) > 1 else 0
        product = average_product(times[k], series[row], means[row])
        unclear[row] = draw_line(mean_time[k], spread[k], series[row], means[row], variances[row], product, lines, row)
        any_unclear |= unclear[row]
    return any_unclear


@compiled_sums
def average_product(times: FloatArray, y: FloatArray, mean: float) -> float:
    """Average the products of centred times and a series less its mean."""
    total = 0.0
    for i in range(y.size):
        total += times[i] * (y[i] - mean)
    return total / y.size


@compiled
def draw_line(
    middle: float,
    width: float,
    y: FloatArray,
    mean: float,
    variance: float,
    product: float,
    lines: FloatArray,
    row: int,
) -> bool:
    """Draw one line, into column `row` of `lines`; true if its digits depend on the order of summation.

    `middle` and `width` are mean and variance of the times, `mean` and `variance` those of the series, and `product`
    their covariance. The column gets slope, intercept, r, standard error and t.
    """
    m = y.size
    r = product / np.sqrt(width * variance)
    slope = product / width
    intercept = mean - slope * middle
    error = _ROUND_OFF * np.sqrt(variance / width) * max(1.0, abs(middle))
    visible = error < 1e-7 * min(abs(slope), abs(intercept))
    # A line through two points is always perfect, and has no standard error.
    unclear = (m > 2 and abs(r) > _NEARLY_ONE) or (error > 1e-11 and not visible)
    if variance == 0:
        r = np.nan if product == 0 else 0.0
    elif abs(r) > 1:
        r = 1.0 if r > 0 else -1.0
    lines[0, row], lines[1, row], lines[2, row] = slope, intercept, r
    if m == 2:
        # Two points leave no residual: scipy calls the slope certain unless it is zero.
        lines[3, row] = 0.0
        lines[4, row] = 0.0 if y[0] == y[1] else np.inf
    else:
        lines[3, row] = np.sqrt((1 - r * r) * variance / width / (m - 2))
        lines[4, row] = r * np.sqrt((m - 2) / ((1.0 - r + _TINY) * (1.0 + r + _TINY)))
    return unclear


def products_as_numpy(times: FloatArray, series: FloatArray) -> tuple[float, float, float]:
    """Average squares and products of centred times and a centred series (m,) to the last bit of ``numpy.cov``.

    BLAS decides the order of summation, so BLAS is called here too. Returns the means of times squared, of times by
    series, of series squared.
    """
    pair = np.stack([times, series])
    covariances = np.dot(pair, pair.T) * (1 / series.size)
    return covariances[0, 0], covariances[0, 1], covariances[1, 1]


def prepare_attributes(parameters: Sequence[Parameters], _samples: int) -> IntArray:
    """Return the numbers of the requested attributes."""
    return np.array([_ATTRIBUTES.index(p["attr"]) for p in parameters])


def _known_attribute(parameters: Parameters) -> bool:
    return parameters["attr"] in _ATTRIBUTES


def _known_chunks(parameters: Parameters) -> bool:
    return _known_attribute(parameters) and parameters["f_agg"] in _AGGREGATES and parameters["chunk_len"] >= 1


KERNELS: dict[str, Kernel] = {
    "linear_trend": Kernel(linear_trend, prepare=prepare_attributes, supports=_known_attribute),
    "linear_trend_timewise": Kernel(linear_trend_timewise, prepare=prepare_attributes, supports=_known_attribute),
    "agg_linear_trend": Kernel(agg_linear_trend, prepare=prepare_chunk_lines, supports=_known_chunks),
}
