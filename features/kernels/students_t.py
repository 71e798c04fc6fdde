"""Student's t-distribution: the p-value of a slope."""

import math

import numpy as np

from features.kernels.block import FloatArray
from features.kernels.compilation import compiled

# There is a short closed form for few degrees of freedom; its far tail is a difference to one.
_FEW = 40
_TAIL = 1e-6
# From here on five terms of the series for a quotient of gamma functions are exact to the last digits.
_MANY = 100.0
_TINY = 1e-300


def two_sided_p_value(t: FloatArray, freedom: int) -> FloatArray:
    """Return the probability that Student's t is as far from zero as t (n,) >= 0; NaN below one degree of freedom.

    References
    ----------
    Abramowitz and Stegun (1964), Handbook of Mathematical Functions, equations 26.7.1, 26.7.3 and 26.7.4.
    """
    if freedom < 1:
        return np.full_like(t, np.nan)
    # Not scipy.special, which takes a quarter of a second to import.
    out = np.empty_like(t)
    if freedom > _FEW:
        return fill_p_values(t, freedom, out)
    tail = np.flatnonzero(~(fill_closed_form(t, freedom, out) >= _TAIL))
    if tail.size:
        out[tail] = fill_p_values(t[tail], freedom, np.empty(tail.size))
    return out


@compiled
def fill_closed_form(t: FloatArray, freedom: int, out: FloatArray) -> FloatArray:
    """Sum the finite series for a whole number of degrees of freedom >= 1 into `out`; its far tail loses digits.

    Costs a multiplication for every two degrees of freedom, for all values side by side. Abramowitz and Stegun (1964),
    Handbook of Mathematical Functions, equations 26.7.3 and 26.7.4.
    """
    odd = freedom % 2 == 1
    cosine = freedom / (freedom + t * t)
    out[:] = 0.0 if freedom == 1 else 1.0
    for k in range(freedom - 2, 1, -2):
        ratio = (k - 1) / k
        for i in range(t.size):
            out[i] = out[i] * (cosine[i] * ratio) + 1.0
    for i in range(t.size):
        sine = t[i] / math.sqrt(freedom + t[i] * t[i])
        if odd:
            angle = math.atan(t[i] / math.sqrt(freedom))
            out[i] = 1.0 - (angle + sine * math.sqrt(cosine[i]) * out[i]) * (2 / math.pi)
        else:
            out[i] = 1.0 - sine * out[i]
    return out


@compiled
def fill_p_values(t: FloatArray, freedom: int, out: FloatArray) -> FloatArray:
    """Compute the regularised incomplete beta function I(a, b; x), a = freedom / 2, b = 1/2, x = a / (a + t^2 / 2).

    Costs some ten steps of a continued fraction for each value. Abramowitz and Stegun (1964), Handbook of Mathematical
    Functions, equations 26.7.1 and 6.1.49; DLMF, https://dlmf.nist.gov/8.17, equations 8.17.4 and 8.17.22.
    """
    a, b = freedom / 2.0, 0.5
    if a < _MANY:
        quotient = math.exp(math.lgamma(a + b) - math.lgamma(a))
    else:
        quotient = math.sqrt(a) * (1 + (-1 / 8 + (1 / 128 + (5 / 1024 - 21 / 32768 / a) / a) / a) / a)
    for row in range(t.size):
        square = t[row] * t[row]
        if not square < np.inf:
            out[row] = 0.0 if square == np.inf else np.nan
            continue
        x, rest = freedom / (freedom + square), square / (freedom + square)
        scale = quotient / math.sqrt(math.pi) * math.exp(-a * math.log1p(square / freedom)) * math.sqrt(rest)
        if x < (a + 1) / (a + b + 2):
            out[row] = scale * _continued_fraction(a, b, x) / a
        else:
            out[row] = 1.0 - scale * _continued_fraction(b, a, rest) / b
    return out


@compiled
def _continued_fraction(a: float, b: float, x: float) -> float:
    """Evaluate the fraction of equation 8.17.22 by Lentz's method."""
    up, down = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1))
    fraction = down
    for m in range(1, 10_000):
        for coefficient in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            down, up = 1.0 + coefficient * down, 1.0 + coefficient / up
            # A quotient of zero would end the evaluation.
            down = 1.0 / (down if abs(down) > _TINY else _TINY)
            up = up if abs(up) > _TINY else _TINY
            step = down * up
            fraction *= step
        if abs(step - 1.0) < 1e-15:
            break
    return fraction
