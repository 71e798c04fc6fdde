"""The series against itself, later: products of two and of three samples."""

from collections.abc import Callable, Sequence

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

LagArray = npt.NDArray[np.int64]
Reducer = Callable[[FloatArray], FloatArray]


def autocorrelation(block: Block, lags: LagArray, out: FloatArray) -> None:
    """Compute ``sum((x[t] - m)(x[t+lag] - m)) / ((n - lag) var(x))`` (tsfresh: autocorrelation; a pass a lag).

    NaN where the variance is no more than 1e-8, and for lags as long as the window or longer, as in tsfresh.

    References
    ----------
    Brockwell and Davis (1991), Time Series: Theory and Methods, section 7.2.
    """
    products = products_of_centred(block).upto(int(max(lags[lags < block.samples], default=0)))
    variance = np.where(block.variance > _NO_VARIANCE, block.variance, np.nan)
    for row, lag in zip(out, lags, strict=True):
        row[:] = products[:, lag] / ((block.samples - lag) * variance) if lag < block.samples else np.nan


def agg_autocorrelation(block: Block, wanted: Sequence[Parameters], out: FloatArray) -> None:
    """Aggregate the autocorrelation over lags 1 ... maxlag (tsfresh: agg_autocorrelation; a pass a lag).

    Zeros stand for the autocorrelation where the variance is under 1e-10, and for a single sample, as in tsfresh.

    References
    ----------
    Brockwell and Davis (1991), Time Series: Theory and Methods, section 7.2.
    """
    known: dict[int, FloatArray] = {}
    for row, parameters in zip(out, wanted, strict=True):
        maxlag = parameters["maxlag"]
        if maxlag not in known:
            known[maxlag] = _correlations(block, min(maxlag, block.samples - 1))
        row[:] = _REDUCERS[parameters["f_agg"]](known[maxlag])


def _correlations(block: Block, lags: int) -> FloatArray:
    """Give the autocorrelation at lags 1 ... lags, sorted upwards, (n, lags); one column of zeros for no lags."""
    if lags == 0:
        return np.zeros((block.n, 1))
    products = products_of_centred(block).upto(lags)
    scale = block.samples / (block.samples - np.arange(1.0, lags + 1))
    correlations = products[:, 1 : lags + 1] / products[:, :1] * scale
    correlations[block.variance < _NO_VARIANCE_AT_ALL] = 0.0
    correlations.sort(axis=1)
    return correlations


def _mean(ordered: FloatArray) -> FloatArray:
    mean: FloatArray = np.mean(ordered, axis=1)
    return mean


def _median(ordered: FloatArray) -> FloatArray:
    middle = ordered.shape[1] // 2
    if ordered.shape[1] % 2:
        return ordered[:, middle]
    median: FloatArray = (ordered[:, middle - 1] + ordered[:, middle]) / 2
    return median


def _variance(ordered: FloatArray) -> FloatArray:
    variance: FloatArray = np.var(ordered, axis=1)
    return variance


def _deviation(ordered: FloatArray) -> FloatArray:
    return np.sqrt(_variance(ordered))


_REDUCERS: dict[str, Reducer] = {
    "mean": _mean,
    "median": _median,
    "var": _variance,
    "std": _deviation,
    "min": lambda ordered: ordered[:, 0],
    "max": lambda ordered: ordered[:, -1],
}


def partial_autocorrelation(block: Block, lags: LagArray, out: FloatArray) -> BoolArray | None:
    """Correlate ``x[t]`` with ``x[t+lag]`` given those between (tsfresh: partial_autocorrelation; lag**2 steps).

    By the recursion of Levinson and Durbin on the unbiased autocovariances, as statsmodels' method "ld". NaN for lags
    of half the window or more, and throughout for a constant.

    References
    ----------
    Durbin (1960), "The fitting of time-series models", doi:10.2307/1401322; Cybenko (1980), "The numerical stability of
    the Levinson-Durbin algorithm for Toeplitz systems of equations", doi:10.1137/0901021, for the doubt.
    """
    largest = block.samples // 2 - 1
    if largest < 1:
        out[:] = np.nan
        return None
    asked = int(max(lags[lags <= largest], default=0))
    coefficients = np.empty((block.n, asked + 1))
    sure = durbin_levinson(products_of_centred(block).upto(asked), block.samples, _ROUND_OFF, coefficients)
    for row, lag in zip(out, lags, strict=True):
        row[:] = coefficients[:, lag] if lag <= largest else np.nan
    return ~sure


@compiled
def durbin_levinson(products: FloatArray, samples: int, round_off: float, coefficients: FloatArray) -> BoolArray:
    """Run the recursion of Levinson and Durbin on each series.

    Parameters
    ----------
    products : (n, lags + 1 or more)
        Lagged products of the centred series.
    samples
        The length of the series.
    round_off
        By which share of the variance the autocovariances may be wrong.
    coefficients : (n, lags + 1)
        Is filled with the partial autocorrelation at lags 0 ... lags.

    Returns
    -------
    (n,) array of bool
        Whether round-off stays small: Cybenko's bound on how much the recursion magnifies it.
    """
    n, size = coefficients.shape
    sure = np.ones(n, np.bool_)
    covariance, model, before = np.empty(size), np.empty(size), np.empty(size)
    for row in range(n):
        for h in range(size):
            covariance[h] = products[row, h] / (samples - h)
        coefficients[row, 0] = 1.0
        error, growth = covariance[0], 1.0
        for k in range(1, size):
            left = covariance[k]
            for j in range(1, k):
                left -= model[j] * covariance[k - j]
            reflection = left / error
            # All is NaN, here and in statsmodels, for a constant whose mean is exactly its value.
            if covariance[0] != 0.0 and not growth * round_off <= 3e-7 * abs(reflection) + 3e-11:
                sure[row] = False
            for j in range(1, k):
                before[j] = model[j]
            for j in range(1, k):
                model[j] = before[j] - reflection * before[k - j]
            model[k] = reflection
            error *= 1.0 - reflection * reflection
            growth *= (1.0 + abs(reflection)) / abs(1.0 - abs(reflection))
            coefficients[row, k] = reflection
    return sure


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


def prepare_wanted(wanted: Sequence[Parameters], _samples: int) -> tuple[Parameters, ...]:
    """Keep the wanted parameter sets as they are."""
    return tuple(wanted)


def _lag_from_zero(parameters: Parameters) -> bool:
    return bool(parameters["lag"] >= 0)


def _known_reducer(parameters: Parameters) -> bool:
    return parameters["f_agg"] in _REDUCERS and parameters["maxlag"] >= 1


KERNELS: dict[str, Kernel] = {
    "autocorrelation": Kernel(autocorrelation, prepare=prepare_lags, supports=_lag_from_zero),
    "agg_autocorrelation": Kernel(agg_autocorrelation, prepare=prepare_wanted, supports=_known_reducer),
    "partial_autocorrelation": Kernel(partial_autocorrelation, prepare=prepare_lags, supports=_lag_from_zero),
    "c3": Kernel(c3, prepare=prepare_lags, supports=_lag_from_zero),
    "time_reversal_asymmetry_statistic": Kernel(
        time_reversal_asymmetry_statistic, prepare=prepare_lags, supports=_lag_from_zero
    ),
}
