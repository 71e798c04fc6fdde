"""Sums in the order in which numpy takes them, so that mean and variance agree with it to the last bit.

A count of samples over the mean, or over some multiples of the standard deviation, jumps when the last bit does.

References
----------
Higham (1993), "The accuracy of floating point summation", SIAM J. Sci. Comput. 14(4), section 3;
numpy's ``loops_utils.h.src``, whose blocks of 128 and eight partial sums these are.
"""

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled

FloatArray = npt.NDArray[np.float64]

# numpy adds so many numbers in one go.
_RUN = 128


@compiled
def run_sum(values: FloatArray, begin: int, n: int) -> float:
    """Add up at most 128 values with eight partial sums.

    Parameters
    ----------
    values : (m,)
        The values.
    begin, n
        The first that counts and how many do.

    Returns
    -------
    float
    """
    if n < 8:
        total = values[begin] if n > 0 else 0.0
        for i in range(1, n):
            total += values[begin + i]
        return total
    a, b, c, d = values[begin], values[begin + 1], values[begin + 2], values[begin + 3]
    e, f, g, h = values[begin + 4], values[begin + 5], values[begin + 6], values[begin + 7]
    whole = n - n % 8
    for i in range(begin + 8, begin + whole, 8):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
        e += values[i + 4]
        f += values[i + 5]
        g += values[i + 6]
        h += values[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(begin + whole, begin + n):
        total += values[i]
    return total


@compiled
def pairwise_sum(values: FloatArray, n: int, begins: npt.NDArray[np.int64], sums: FloatArray) -> float:
    """Add up the first n values as numpy does: as one run, or as halves of halves down to runs of at most 128.

    Parameters
    ----------
    values : (m,)
        The values.
    n
        How many of them.
    begins, sums
        Scratch, 64 elements each at least.

    Returns
    -------
    float
    """
    # Short, so that it becomes a part of the loop that calls it.
    return run_sum(values, 0, n) if n <= _RUN else sum_of_halves(values, n, begins, sums)


@compiled
def sum_of_halves(values: FloatArray, n: int, begins: npt.NDArray[np.int64], sums: FloatArray) -> float:
    """Add up more than 128 values, with the arguments of `pairwise_sum`.

    Lengths of the parts still to do stand in `begins`, finished sums in `sums`; a part of length 0 says "add the last
    two sums".
    """
    begins[0] = n
    todo, done, begin = 1, 0, 0
    while todo > 0:
        todo -= 1
        length = begins[todo]
        if length == 0:
            done -= 1
            sums[done - 1] += sums[done]
        elif length <= _RUN:
            sums[done] = run_sum(values, begin, length)
            done += 1
            begin += length
        else:
            half = length // 2
            half -= half % 8
            begins[todo] = 0
            begins[todo + 1] = length - half
            begins[todo + 2] = half
            todo += 3
    return sums[0]


@compiled
def moments(series: FloatArray) -> FloatArray:
    """Give the sum, the mean and the population variance of each series, in numpy's rounding.

    Parameters
    ----------
    series : (n, samples)
        At least one sample.

    Returns
    -------
    (3, n) array
        Sum, mean, variance.
    """
    n, samples = series.shape
    out = np.empty((3, n))
    squares = np.empty(samples)
    if samples <= _RUN:
        fill_moments_of_runs(series, squares, out)
        return out
    begins, sums = np.empty(128, np.int64), np.empty(64)
    for row in range(n):
        x = series[row]
        total = sum_of_halves(x, samples, begins, sums)
        mean = total / samples
        for i in range(samples):
            squares[i] = (x[i] - mean) * (x[i] - mean)
        out[0, row] = total
        out[1, row] = mean
        out[2, row] = sum_of_halves(squares, samples, begins, sums) / samples
    return out


@compiled
def fill_moments_of_runs(series: FloatArray, squares: FloatArray, out: FloatArray) -> None:
    """Fill the moments of series that are one run each: a loop without a call takes half of the time."""
    samples = series.shape[1]
    for row in range(len(series)):
        x = series[row]
        total = run_sum(x, 0, samples)
        mean = total / samples
        for i in range(samples):
            squares[i] = (x[i] - mean) * (x[i] - mean)
        out[0, row] = total
        out[1, row] = mean
        out[2, row] = run_sum(squares, 0, samples) / samples
