"""Sums, means, variances and higher moments."""

from collections.abc import Sequence

import numpy as np

from features.kernels.block import Block, BoolArray, FloatArray, stage
from features.kernels.compilation import compiled, compiled_sums
from features.kernels.kernel import Kernel, Parameters, plain

# Fourth powers of smaller samples than these lose digits, of larger ones are infinite.
TINY, HUGE = 1e-280, 1e280


def sum_values(block: Block) -> FloatArray:
    """Compute ``sum(x)`` (tsfresh: sum_values; one pass)."""
    return block.total


def mean(block: Block) -> FloatArray:
    """Compute ``sum(x) / n`` (tsfresh: mean; one division)."""
    return block.mean


def length(block: Block) -> FloatArray:
    """Return the number of samples n (tsfresh: length; free)."""
    return block.full(block.samples)


def variance(block: Block) -> FloatArray:
    """Compute the population variance ``mean((x - mean(x))**2)`` (tsfresh: variance; two passes)."""
    return block.variance


def standard_deviation(block: Block) -> FloatArray:
    """Compute the root of the population variance (tsfresh: standard_deviation; shares it)."""
    return block.deviation


@stage
def abs_energy(block: Block) -> FloatArray:
    """Compute ``sum(x**2)`` (tsfresh: abs_energy; one pass)."""
    return energies(block.series)


def root_mean_square(block: Block) -> FloatArray:
    """Compute ``sqrt(mean(x**2))`` (tsfresh: root_mean_square; shares the energy)."""
    return np.sqrt(abs_energy(block) / block.samples)


def variation_coefficient(block: Block) -> FloatArray:
    """Compute ``std(x) / mean(x)``, NaN for a zero mean (tsfresh: variation_coefficient; shares both)."""
    centre = block.mean
    return np.divide(block.deviation, centre, out=block.full(np.nan), where=centre != 0)


def variance_larger_than_standard_deviation(block: Block) -> FloatArray:
    """Whether ``var(x) > std(x)`` (tsfresh: variance_larger_than_standard_deviation; shares both)."""
    return (block.variance > block.deviation).astype(np.float64)


def large_standard_deviation(block: Block, radii: FloatArray, out: FloatArray) -> None:
    """Whether ``std(x) > r * (max(x) - min(x))`` (tsfresh: large_standard_deviation; shares all three)."""
    np.greater(block.deviation, radii[:, None] * (block.maximum - block.minimum), out=out)


def ratio_beyond_r_sigma(block: Block, radii: FloatArray, out: FloatArray) -> None:
    """Return the share of samples over ``r * std(x)`` from the mean (tsfresh: ratio_beyond_r_sigma; a pass for each r).

    Mean, deviation and radius have numpy's rounding, as a sample exactly at the radius decides.
    """
    shares_beyond(block.series, block.mean, block.deviation, radii, out)


def skewness(block: Block, _tables: None, out: FloatArray) -> BoolArray:
    """Compute the adjusted Fisher-Pearson skewness G1 (tsfresh: skewness; one pass, shared with the kurtosis).

    ``sqrt(n (n-1)) / (n-2) * m3 / m2**1.5`` with the mean powers m2 and m3 of ``x - mean(x)``; NaN below three samples
    and for a constant, as in pandas. Doubtful where ``m2**2`` overflows or underflows.

    References
    ----------
    Joanes and Gill (1998), "Comparing measures of sample skewness and kurtosis", doi:10.1111/1467-9884.00122.
    """
    out[:], _, doubtful = _shapes(block)
    return doubtful


def kurtosis(block: Block, _tables: None, out: FloatArray) -> BoolArray:
    """Compute the adjusted excess kurtosis G2 (tsfresh: kurtosis; one pass, shared with the skewness).

    ``(n-1) / ((n-2) (n-3)) * ((n+1) m4 / m2**2 - 3 (n-1))``; NaN below four samples and for a constant, as in pandas.
    Doubtful where ``m2**2`` overflows or underflows.

    References
    ----------
    Joanes and Gill (1998), "Comparing measures of sample skewness and kurtosis", doi:10.1111/1467-9884.00122.
    """
    _, out[:], doubtful = _shapes(block)
    return doubtful


@stage
def _shapes(block: Block) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return skewness, kurtosis, and where both are doubtful."""
    skew, tail, doubtful = block.full(np.nan), block.full(np.nan), np.empty(block.n, dtype=np.bool_)
    standardise(block.series, block.mean, block.constant, skew, tail, doubtful)
    return skew, tail, doubtful


def _radii(parameters: Sequence[Parameters], _samples: int) -> FloatArray:
    return np.array([p["r"] for p in parameters], dtype=np.float64)


@compiled_sums
def energies(series: FloatArray) -> FloatArray:
    """Sum the squares of each series, (n,)."""
    n, samples = series.shape
    out = np.empty(n)
    for row in range(n):
        x = series[row]
        energy = 0.0
        for i in range(samples):
            energy += x[i] * x[i]
        out[row] = energy
    return out


@compiled
def shares_beyond(
    series: FloatArray, mean: FloatArray, deviation: FloatArray, radii: FloatArray, out: FloatArray
) -> None:
    """Compute the shares of samples further from the mean than multiples (m,) of the deviation, into `out` (m, n)."""
    n, samples = series.shape
    distances = np.empty(samples)
    for row in range(n):
        x = series[row]
        centre = mean[row]
        for i in range(samples):
            distances[i] = abs(x[i] - centre)
        for j in range(radii.size):
            limit = radii[j] * deviation[row]
            beyond = 0
            for i in range(samples):
                beyond += distances[i] > limit
            out[j, row] = beyond / samples


@compiled
def standardise(
    series: FloatArray, mean: FloatArray, constant: BoolArray, skew: FloatArray, tail: FloatArray, doubtful: BoolArray
) -> None:
    """Compute skewness and kurtosis (n,), initially NaN, where there are enough samples and more than one value."""
    n = series.shape[1]
    for row in range(len(series)):
        second, third, fourth = central_powers(series[row], mean[row])
        square = second * second
        doubtful[row] = not constant[row] and (square < TINY or square > HUGE)
        if n > 2 and not constant[row]:
            skew[row] = third / (second * np.sqrt(second)) * (n * np.sqrt(n - 1) / (n - 2))
        if n > 3 and not constant[row]:
            tail[row] = (n * (n + 1) * (fourth / square) - 3 * (n - 1)) * ((n - 1) / ((n - 2) * (n - 3)))


@compiled_sums
def central_powers(x: FloatArray, mean: float) -> tuple[float, float, float]:
    """Sum the second, third and fourth powers of the distances to the mean.

    The given mean is rounded; the remaining mean of the distances is taken out afterwards: Pébay (2008), "Formulas for
    robust, one-pass parallel computation of covariances and arbitrary-order statistical moments", doi:10.2172/1028931,
    section 2.
    """
    first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
    for i in range(x.size):
        distance = x[i] - mean
        square = distance * distance
        first += distance
        second += square
        third += square * distance
        fourth += square * square
    left = first / x.size
    return (
        second - left * first,
        third - left * (3 * second - 2 * left * first),
        fourth - left * (4 * third - left * (6 * second - 3 * left * first)),
    )


KERNELS: dict[str, Kernel] = {
    "sum_values": plain(sum_values),
    "mean": plain(mean),
    "length": plain(length),
    "variance": plain(variance),
    "standard_deviation": plain(standard_deviation),
    "root_mean_square": plain(root_mean_square),
    "abs_energy": plain(abs_energy),
    "variation_coefficient": plain(variation_coefficient),
    "variance_larger_than_standard_deviation": plain(variance_larger_than_standard_deviation),
    "large_standard_deviation": Kernel(large_standard_deviation, _radii),
    "ratio_beyond_r_sigma": Kernel(ratio_beyond_r_sigma, _radii),
    "skewness": Kernel(skewness),
    "kurtosis": Kernel(kurtosis),
}
