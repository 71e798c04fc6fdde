"""Sums in numpy's order, so that mean and variance agree with numpy's to the last bit.

A count of samples above the mean, or beyond multiples of the standard deviation, jumps when the last bit changes.

References
----------
Higham (1993), "The accuracy of floating point summation", SIAM J. Sci. Comput. 14(4), section 3;
numpy's ``loops_utils.h.src``, whose blocks of 128 and eight partial sums these are.
"""

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled

FloatArray = npt.NDArray[np.float64]

# numpy adds up to this many numbers in one run.
_RUN = 128


@compiled
def run_sum(values: FloatArray, begin: int, n: int) -> float:
    """Sum at most 128 values from `begin` on with eight partial sums."""
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
    """Sum the first n values as numpy does: as one run, or as halves of halves down to runs of at most 128.

    `begins` and `sums` are scratch, at least 64 elements each.
    """
    # Short, so that it is inlined into the calling loop.
    return run_sum(values, 0, n) if n <= _RUN else sum_of_halves(values, n, begins, sums)


@compiled
def sum_of_halves(values: FloatArray, n: int, begins: npt.NDArray[np.int64], sums: FloatArray) -> float:
    """Sum more than 128 values, with the arguments of `pairwise_sum`.

    `begins` holds lengths of the parts still to do, `sums` finished sums; a part of length 0 means "add the last two
    sums".
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
    """Compute sum, mean and population variance of each series, in numpy's rounding, (3, n)."""
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
    """Compute the moments of series of one run each: a loop without a call takes half of the time."""
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
