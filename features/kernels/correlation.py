"""The series against itself, later: products of two and of three samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.pairwise import pairwise_sum
from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters
from features.kernels.lags import products_of_centred

# tsfresh's bounds under which a variance counts as none: numpy.isclose to zero, and one of its own.
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
    """List the wanted lags.

    Parameters
    ----------
    lags : (m,)
        All of them.
    largest
        The largest for which the series is long enough; 0 when there is none.
    """

    lags: LagArray
    largest: int


@dataclass(frozen=True)
class Aggregates:
    """Say what is wanted of the autocorrelation up to one lag.

    Parameters
    ----------
    lags
        The largest lag, less than the length of the series.
    rows : (m,)
        Rows of the result.
    reducers : (m,)
        What each holds, a number among ``_REDUCERS``.
    """

    lags: int
    rows: LagArray
    reducers: LagArray


def autocorrelation(block: Block, wanted: Lags, out: FloatArray) -> None:
    """Compute ``sum((x[t] - m)(x[t+lag] - m)) / ((n - lag) var(x))`` (tsfresh: autocorrelation; a pass a lag).

    NaN where the variance is no more than 1e-8, and for lags as long as the window or longer, as in tsfresh.

    References
    ----------
    Brockwell and Davis (1991), Time Series: Theory and Methods, section 7.2.
    """
    products = products_of_centred(block).upto(wanted.largest)
    fill_autocorrelations(products, block.variance, block.samples, wanted.lags, out)


@compiled
def fill_autocorrelations(
    products: FloatArray, variances: FloatArray, samples: int, lags: LagArray, out: FloatArray
) -> None:
    """Divide lagged products by the variance.

    Parameters
    ----------
    products : (n, largest lag under samples + 1, or more)
        Lagged products of the centred series.
    variances : (n,)
        Their variances.
    samples
        The length of the series.
    lags : (m,)
        Each at least 0.
    out : (m, n)
        Is filled.
    """
    for place in range(lags.size):
        lag = lags[place]
        for row in range(variances.size):
            exists = lag < samples and variances[row] > _NO_VARIANCE
            out[place, row] = products[row, lag] / ((samples - lag) * variances[row]) if exists else np.nan


def agg_autocorrelation(block: Block, wanted: tuple[Aggregates, ...], out: FloatArray) -> None:
    """Aggregate the autocorrelation over lags 1 ... maxlag (tsfresh: agg_autocorrelation; a pass a lag).

    Zeros stand for the autocorrelation where the variance is under 1e-10, and for a single sample, as in tsfresh.

    References
    ----------
    Brockwell and Davis (1991), Time Series: Theory and Methods, section 7.2.
    """
    for aggregates in wanted:
        if aggregates.lags == 0:
            out[aggregates.rows] = 0.0
            continue
        correlations = np.empty((block.n, aggregates.lags))
        fill_correlations(products_of_centred(block).upto(aggregates.lags), block.variance, block.samples, correlations)
        correlations.sort(axis=1)
        reduce_rows(correlations, aggregates.rows, aggregates.reducers, out)


@compiled
def fill_correlations(products: FloatArray, variances: FloatArray, samples: int, correlations: FloatArray) -> None:
    """Compute the autocorrelation at lags 1, 2, ...; zero where there is no variance.

    Parameters
    ----------
    products : (n, lags + 1 or more)
        Lagged products of the centred series.
    variances : (n,)
        Their variances.
    samples
        The length of the series.
    correlations : (n, lags)
        Is filled.
    """
    n, lags = correlations.shape
    for row in range(n):
        varies = not variances[row] < _NO_VARIANCE_AT_ALL
        for k in range(lags):
            share = products[row, k + 1] / products[row, 0]
            correlations[row, k] = share * (samples / (samples - k - 1)) if varies else 0.0


@compiled
def reduce_rows(ordered: FloatArray, rows: LagArray, reducers: LagArray, out: FloatArray) -> None:
    """Reduce each row of an array to a few numbers.

    Parameters
    ----------
    ordered : (n, lags)
        Each row sorted upwards.
    rows, reducers : (m,)
        Which rows of the result to fill, and with what.
    out : (rows, n)
        Is filled.
    """
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


def partial_autocorrelation(block: Block, wanted: Lags, out: FloatArray) -> BoolArray | None:
    """Correlate ``x[t]`` with ``x[t+lag]`` given those between (tsfresh: partial_autocorrelation; lag**2 steps).

    By the recursion of Levinson and Durbin on the unbiased autocovariances, as statsmodels' method "ld". NaN for lags
    of half the window or more, and for a constant, whose autocovariances are at most the rounding of its mean.

    References
    ----------
    Durbin (1960), "The fitting of time-series models", doi:10.2307/1401322; Cybenko (1980), "The numerical stability of
    the Levinson-Durbin algorithm for Toeplitz systems of equations", doi:10.1137/0901021, for the doubt.
    """
    if block.samples < _SHORTEST_PARTIAL:
        out[:] = np.nan
        return None
    doubtful = np.empty(block.n, dtype=np.bool_)
    products = products_of_centred(block).upto(wanted.largest)
    some = durbin_levinson(products, block.samples, wanted.largest, wanted.lags, out, doubtful)
    if some and block.constant.any():
        doubtful &= ~block.constant
        out[:, block.constant] = np.where(wanted.lags == 0, 1.0, np.nan)[:, None]
    return doubtful if some else None


@compiled
def durbin_levinson(
    products: FloatArray, samples: int, largest: int, lags: LagArray, out: FloatArray, doubtful: BoolArray
) -> bool:
    """Run the recursion of Levinson and Durbin on each series.

    Parameters
    ----------
    products : (n, largest + 1 or more)
        Lagged products of the centred series.
    samples
        The length of the series.
    largest
        The lag at which to stop.
    lags : (m,)
        Which lags are wanted, each at least 0.
    out : (m, n)
        Is filled with the partial autocorrelation at these; NaN beyond the largest.
    doubtful : (n,)
        Is set where round-off may grow large: by Cybenko's bound on how much the recursion magnifies it.

    Returns
    -------
    bool
        Whether any is doubtful.
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

    In numpy's order of operations: where the products all but cancel, what remains is round-off, here and there.

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
    """Average the products of three samples that lie one lag apart, for every lag and series.

    Parameters
    ----------
    series : (n, samples)
        One series a row.
    lags : (m,)
        Each at least 0.
    out : (m, n)
        Is filled.
    """
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
    """Average how products of three samples change when time runs backwards, for every lag and series.

    Parameters
    ----------
    series : (n, samples)
        One series a row.
    lags : (m,)
        Each at least 0.
    out : (m, n)
        Is filled.
    """
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


def prepare_lags(wanted: Sequence[Parameters], _samples: int) -> LagArray:
    """List the lags of the wanted parameter sets."""
    return np.array([parameters["lag"] for parameters in wanted], dtype=np.int64)


def prepare_lags_within(wanted: Sequence[Parameters], samples: int) -> Lags:
    """List the wanted lags, for some samples."""
    lags = prepare_lags(wanted, samples)
    return Lags(lags, int(max(lags[lags < samples], default=0)))


def prepare_partial_lags(wanted: Sequence[Parameters], samples: int) -> Lags:
    """List the wanted lags, for some samples; those of half the window or more have no partial autocorrelation."""
    lags = prepare_lags(wanted, samples)
    return Lags(lags, int(max(lags[lags < samples // 2], default=0)))


def prepare_aggregates(wanted: Sequence[Parameters], samples: int) -> tuple[Aggregates, ...]:
    """Gather the wanted parameter sets by the largest lag."""
    places: dict[int, list[tuple[int, int]]] = {}
    for row, parameters in enumerate(wanted):
        lags = min(parameters["maxlag"], samples - 1)
        places.setdefault(lags, []).append((row, _REDUCERS.index(parameters["f_agg"])))
    return tuple(Aggregates(lags, *np.array(of_lags, dtype=np.int64).T.copy()) for lags, of_lags in places.items())


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
