"""Autocorrelation, and averages of products of three samples at fixed lags."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.pairwise import pairwise_sum
from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters
from features.kernels.lags import products_of_centred

# tsfresh's bounds below which a variance counts as zero: numpy.isclose to zero, and one of its own.
_NO_VARIANCE = 1e-8
_NO_VARIANCE_AT_ALL = 1e-10

# Autocovariances are wrong by up to this share of the variance, here and in statsmodels.
_ROUND_OFF = 5e-15

# There is no partial autocorrelation at half the window or beyond: none at lag 1 in shorter series than this.
_SHORTEST_PARTIAL = 4

LagArray = npt.NDArray[np.int64]

_REDUCERS = ("mean", "median", "var", "std", "min", "max")
_MEAN, _MEDIAN, _VARIANCE, _DEVIATION, _MINIMUM = 0, 1, 2, 3, 4


@dataclass(frozen=True)
class Lags:
    """The requested lags."""

    lags: LagArray
    largest: int  # the largest for which the series is long enough; 0 when there is none


@dataclass(frozen=True)
class Aggregates:
    """What is requested of the autocorrelation up to one lag."""

    lags: int  # the largest lag, less than the length of the series
    rows: LagArray  # (m,), rows of the result
    reducers: LagArray  # (m,), what each holds, a number among `_REDUCERS`


def autocorrelation(block: Block, lags: Lags, out: FloatArray) -> None:
    """Compute ``sum((x[t] - m)(x[t+lag] - m)) / ((n - lag) var(x))`` (tsfresh: autocorrelation; a pass a lag).

    NaN where the variance is no more than 1e-8, and for lags as long as the window or longer, as in tsfresh.

    References
    ----------
    Brockwell and Davis (1991), Time Series: Theory and Methods, section 7.2.
    """
    products = products_of_centred(block).upto(lags.largest)
    fill_autocorrelations(products, block.variance, block.samples, lags.lags, out)


@compiled
def fill_autocorrelations(
    products: FloatArray, variances: FloatArray, samples: int, lags: LagArray, out: FloatArray
) -> None:
    """Divide lagged products of the centred series by the variance, for lags (m,) >= 0, into `out` (m, n)."""
    for place in range(lags.size):
        lag = lags[place]
        for row in range(variances.size):
            exists = lag < samples and variances[row] > _NO_VARIANCE
            out[place, row] = products[row, lag] / ((samples - lag) * variances[row]) if exists else np.nan


def agg_autocorrelation(block: Block, by_lags: tuple[Aggregates, ...], out: FloatArray) -> None:
    """Aggregate the autocorrelation over lags 1 ... maxlag (tsfresh: agg_autocorrelation; a pass a lag).

    The autocorrelation is taken as zero where the variance is below 1e-10, and for a single sample, as in tsfresh.

    References
    ----------
    Brockwell and Davis (1991), Time Series: Theory and Methods, section 7.2.
    """
    for aggregates in by_lags:
        if aggregates.lags == 0:
            out[aggregates.rows] = 0.0
            continue
        correlations = np.empty((block.n, aggregates.lags))
        fill_correlations(products_of_centred(block).upto(aggregates.lags), block.variance, block.samples, correlations)
        correlations.sort(axis=1)
        reduce_rows(correlations, aggregates.rows, aggregates.reducers, out)


@compiled
def fill_correlations(products: FloatArray, variances: FloatArray, samples: int, correlations: FloatArray) -> None:
    """Compute the autocorrelation at lags 1, 2, ... (n, lags) from lagged products; zero where there is no variance."""
    n, lags = correlations.shape
    for row in range(n):
        varies = not variances[row] < _NO_VARIANCE_AT_ALL
        for k in range(lags):
            share = products[row, k + 1] / products[row, 0]
            correlations[row, k] = share * (samples / (samples - k - 1)) if varies else 0.0


@compiled
def reduce_rows(ordered: FloatArray, rows: LagArray, reducers: LagArray, out: FloatArray) -> None:
    """Reduce each sorted row (lags,) of an array to some rows of the result."""
    n, lags = ordered.shape
    for i in range(n):
        x = ordered[i]
        mean, variance = 0.0, 0.0
        for k in range(lags):
            mean += x[k]
        mean /= lags
        for k in range(lags):
            variance += (x[k] - mean) * (x[k] - mean)
        variance /= lags
        for place in range(rows.size):
            reducer = reducers[place]
            if reducer == _MEAN:
                value = mean
            elif reducer == _MEDIAN:
                value = (x[(lags - 1) // 2] + x[lags // 2]) / 2
            elif reducer == _VARIANCE:
                value = variance
            elif reducer == _DEVIATION:
                value = np.sqrt(variance)
            else:
                value = x[0] if reducer == _MINIMUM else x[lags - 1]
            out[rows[place], i] = value


def partial_autocorrelation(block: Block, lags: Lags, out: FloatArray) -> BoolArray | None:
    """Correlate ``x[t]`` with ``x[t+lag]`` given those between (tsfresh: partial_autocorrelation; lag**2 steps).

    By the Levinson-Durbin recursion on the unbiased autocovariances, as statsmodels' method "ld". NaN for lags of half
    the window or more, and for a constant, whose autocovariances are at most the rounding of its mean.

    References
    ----------
    Durbin (1960), "The fitting of time-series models", doi:10.2307/1401322; Cybenko (1980), "The numerical stability of
    the Levinson-Durbin algorithm for Toeplitz systems of equations", doi:10.1137/0901021, for doubtful series.
    """
    if block.samples < _SHORTEST_PARTIAL:
        out[:] = np.nan
        return None
    doubtful = np.empty(block.n, dtype=np.bool_)
    products = products_of_centred(block).upto(lags.largest)
    any_doubtful = durbin_levinson(products, block.samples, lags.largest, lags.lags, out, doubtful)
    if any_doubtful and block.constant.any():
        doubtful &= ~block.constant
        out[:, block.constant] = np.where(lags.lags == 0, 1.0, np.nan)[:, None]
    return doubtful if any_doubtful else None


@compiled
def durbin_levinson(
    products: FloatArray, samples: int, largest: int, lags: LagArray, out: FloatArray, doubtful: BoolArray
) -> bool:
    """Run the Levinson-Durbin recursion on each series up to the largest lag; true if any is doubtful.

    `products` (n, largest + 1 or more) are of the centred series. `out` (m, n) is filled at `lags` (m,), NaN beyond the
    largest. `doubtful` (n,) is set where round-off may grow large, by Cybenko's bound on its growth in the recursion.
    """
    size = largest + 1
    any_doubtful = False
    covariance, model, before, partial = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    partial[0] = 1.0
    for row in range(doubtful.size):
        doubtful[row] = False
        for h in range(size):
            covariance[h] = products[row, h] / (samples - h)
        error, growth = covariance[0], 1.0
        for k in range(1, size):
            left = covariance[k]
            for j in range(1, k):
                left -= model[j] * covariance[k - j]
            reflection = left / error
            # All is NaN, here and in statsmodels, for a constant whose mean is exactly its value.
            if covariance[0] != 0.0 and not growth * _ROUND_OFF <= 3e-7 * abs(reflection) + 3e-11:
                doubtful[row] = True
            for j in range(1, k):
                before[j] = model[j]
            for j in range(1, k):
                model[j] = before[j] - reflection * before[k - j]
            model[k] = reflection
            error *= 1.0 - reflection * reflection
            growth *= (1.0 + abs(reflection)) / abs(1.0 - abs(reflection))
            partial[k] = reflection
        any_doubtful |= doubtful[row]
        for place in range(lags.size):
            out[place, row] = partial[lags[place]] if lags[place] < size else np.nan
    return any_doubtful


def c3(block: Block, lags: LagArray, out: FloatArray) -> None:
    """Average ``x[t+2lag] x[t+lag] x[t]``, zero for too short a series (tsfresh: c3; a pass a lag).

    In numpy's order of operations: where the products nearly cancel, what remains is round-off, here and in numpy.

    References
    ----------
    Schreiber and Schmitz (1997), "Discrimination power of measures for nonlinearity in a time series",
    doi:10.1103/PhysRevE.55.5443.
    """
    third_moments(block.series, lags, out)


def time_reversal_asymmetry_statistic(block: Block, lags: LagArray, out: FloatArray) -> None:
    """Average ``x[t+2lag]**2 x[t+lag] - x[t+lag] x[t]**2`` (tsfresh's name is the same; a pass a lag).

    In numpy's order of operations, as `c3`.

    References
    ----------
    Fulcher and Jones (2014), "Highly comparative feature-based time-series classification",
    doi:10.1109/TKDE.2014.2316504.
    """
    asymmetries(block.series, lags, out)


@compiled
def third_moments(series: FloatArray, lags: LagArray, out: FloatArray) -> None:
    """Average the products of three samples one lag apart, for lags (m,) >= 0, into `out` (m, n)."""
    n, samples = series.shape
    products = np.empty(samples)
    begins, sums = np.empty(128, np.int64), np.empty(64)
    for place in range(lags.size):
        lag = lags[place]
        triples = samples - 2 * lag
        for row in range(n):
            out[place, row] = 0.0
            if triples > 0:
                first = series[row, :triples]
                second = series[row, lag : lag + triples]
                third = series[row, 2 * lag : 2 * lag + triples]
                for i in range(triples):
                    products[i] = third[i] * second[i] * first[i]
                out[place, row] = pairwise_sum(products, triples, begins, sums) / triples


@compiled
def asymmetries(series: FloatArray, lags: LagArray, out: FloatArray) -> None:
    """Average how products of three samples change under time reversal, for lags (m,) >= 0, into `out` (m, n)."""
    n, samples = series.shape
    products = np.empty(samples)
    begins, sums = np.empty(128, np.int64), np.empty(64)
    for place in range(lags.size):
        lag = lags[place]
        triples = samples - 2 * lag
        for row in range(n):
            out[place, row] = 0.0
            if triples > 0:
                first = series[row, :triples]
                second = series[row, lag : lag + triples]
                third = series[row, 2 * lag : 2 * lag + triples]
                for i in range(triples):
                    products[i] = third[i] * third[i] * second[i] - second[i] * first[i] * first[i]
                out[place, row] = pairwise_sum(products, triples, begins, sums) / triples


def prepare_lags(parameters: Sequence[Parameters], _samples: int) -> LagArray:
    """List the requested lags."""
    return np.array([p["lag"] for p in parameters], dtype=np.int64)


def prepare_lags_within(parameters: Sequence[Parameters], samples: int) -> Lags:
    """List the requested lags and find the largest within the series."""
    lags = prepare_lags(parameters, samples)
    return Lags(lags, int(max(lags[lags < samples], default=0)))


def prepare_partial_lags(parameters: Sequence[Parameters], samples: int) -> Lags:
    """List the requested lags and find the largest below half the window, where partial autocorrelations end."""
    lags = prepare_lags(parameters, samples)
    return Lags(lags, int(max(lags[lags < samples // 2], default=0)))


def prepare_aggregates(parameters: Sequence[Parameters], samples: int) -> tuple[Aggregates, ...]:
    """Group the requested parameters by the largest lag."""
    places: dict[int, list[tuple[int, int]]] = {}
    for row, p in enumerate(parameters):
        lags = min(p["maxlag"], samples - 1)
        places.setdefault(lags, []).append((row, _REDUCERS.index(p["f_agg"])))
    return tuple(Aggregates(lags, *np.array(members, dtype=np.int64).T.copy()) for lags, members in places.items())


def _lag_from_zero(parameters: Parameters) -> bool:
    return bool(parameters["lag"] >= 0)


def _known_reducer(parameters: Parameters) -> bool:
    return parameters["f_agg"] in _REDUCERS and parameters["maxlag"] >= 1


KERNELS: dict[str, Kernel] = {
    "autocorrelation": Kernel(autocorrelation, prepare=prepare_lags_within, supports=_lag_from_zero),
    "agg_autocorrelation": Kernel(agg_autocorrelation, prepare=prepare_aggregates, supports=_known_reducer),
    "partial_autocorrelation": Kernel(partial_autocorrelation, prepare=prepare_partial_lags, supports=_lag_from_zero),
    "c3": Kernel(c3, prepare=prepare_lags, supports=_lag_from_zero),
    "time_reversal_asymmetry_statistic": Kernel(
        time_reversal_asymmetry_statistic, prepare=prepare_lags, supports=_lag_from_zero
    ),
}
