"""Student's t-distribution: how surprising a slope is."""

import numpy as np

from features.kernels.block import FloatArray

# There is a short closed form for few degrees of freedom; its far tail is a difference to one.
_FEW = 40
_TAIL = 1e-6


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
