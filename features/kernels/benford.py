"""The distribution of first digits."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters

# Powers of two of the numbers that are not subnormal, as a float64 holds them: 1 is 2**-1022, 2046 is 2**1023.
_EXPONENTS = 2048
_BIAS = 1023
#: Between a power of two and the next there are at most this many numbers with one decimal digit.
STEPS = 5


def benford_correlation(block: Block, steps: FloatArray, out: FloatArray) -> BoolArray:
    """Correlate the shares of first digits with ``log10(1 + 1/d)`` (tsfresh: benford_correlation; one pass).

    NaN when all samples are zero. Doubtful with subnormal samples, or when all nine digits are as frequent.

    References
    ----------
    Benford (1938), "The law of anomalous numbers", Proc. Am. Philos. Soc. 78(4).
    """
    doubtful = np.zeros(block.n, dtype=np.bool_)
    correlations(block.series, block.series.view(np.int64), steps, _expected(), out[0], doubtful)
    out[1:] = out[0]
    return doubtful


@cache
def _first_digit_steps() -> FloatArray:
    """Tabulate where the first digit changes, (exponents, 1 + STEPS), for each power of two.

    The digit just below that power, then the numbers with one decimal digit from there to the next power of two, then
    infinities. Such a number is rounded as parsing it would round it, so that whatever is printed with another first
    digit lies on the other side.
    """
    table = np.full((_EXPONENTS, 1 + STEPS), np.inf)
    table[0, 0] = 0.0  # Of zero, whose exponent this is.
    ones = [(float(f"{digit}e{power}"), digit) for power in range(-309, 309) for digit in range(1, 10)]
    numbers = np.array([number for number, _ in ones if np.isfinite(number)])
    powers = np.exp2(np.arange(1 - _BIAS, _BIAS + 1, dtype=np.float64))
    below = np.searchsorted(numbers, powers, side="left")
    beyond = np.append(below[1:], len(numbers))
    for exponent, (first, last) in enumerate(zip(below, beyond, strict=True), start=1):
        table[exponent, 0] = ones[first - 1][1]
        table[exponent, 1 : 1 + last - first] = numbers[first:last]
    return table


def _steps(_wanted: Sequence[Parameters], _samples: int) -> FloatArray:
    return _first_digit_steps()


@cache
def _expected() -> FloatArray:
    """Return Benford's shares of the digits 1 to 9, less their mean and over the root of their sum of squares."""
    shares: FloatArray = np.log10(1 + 1 / np.arange(1, 10))
    shares = shares - shares.mean()
    return shares / np.sqrt((shares * shares).sum())


@compiled
def correlations(
    series: FloatArray,
    bits: npt.NDArray[np.int64],
    steps: FloatArray,
    expected: FloatArray,
    out: FloatArray,
    doubtful: BoolArray,
) -> None:
    """Count first digits and correlate them with Benford's shares, into `out` and `doubtful` (n,).

    `bits` is the memory of `series` as integers; `expected` (9,) has mean 0 and length 1.
    """
    n, samples = series.shape
    counts = np.empty(10, np.int64)
    for row in range(n):
        counts[:] = 0
        for i in range(samples):
            size = abs(series[row, i])
            exponent = (bits[row, i] >> 52) & (_EXPONENTS - 1)
            doubtful[row] |= (exponent == 0) & (size > 0)
            counts[first_digit(size, steps[exponent])] += 1
        mean = (samples - counts[0]) / 9
        product, square = 0.0, 0.0
        for digit in range(1, 10):
            distance = counts[digit] - mean
            product += distance * expected[digit - 1]
            square += distance * distance
        out[row] = product / np.sqrt(square)
        doubtful[row] |= (square == 0) & (mean > 0)


@compiled
def first_digit(size: float, steps: FloatArray) -> int:
    """Find the first digit of a number >= 0, given the steps of its power of two."""
    digit = int(steps[0])
    for step in range(1, 1 + STEPS):
        digit += size >= steps[step]
    return digit if digit < 10 else digit - 9


KERNELS: dict[str, Kernel] = {"benford_correlation": Kernel(benford_correlation, _steps)}
