"""Scaled powers of a few points for least squares, and the largest root of a cubic.

References
----------
Press et al. (2007), Numerical Recipes, section 5.6 (cubics).
"""

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled

FloatArray = npt.NDArray[np.float64]

# The error of a term of the cubic, as a share of a coefficient.
_ROUND_OFF = 1e-15


@compiled
def scale_powers(x: FloatArray, powers: FloatArray, scale: FloatArray) -> None:
    """Tabulate the powers of points, highest first, in units of their lengths, rounded as in ``numpy.polyfit``."""
    constant = scale.size - 1
    scale[:] = 0.0
    for i in range(x.size):
        power = 1.0
        for k in range(constant, -1, -1):
            powers[i, k] = power
            scale[k] += power * power
            power *= x[i]
    for k in range(scale.size):
        scale[k] = np.sqrt(scale[k])
    for i in range(x.size):
        for k in range(scale.size):
            powers[i, k] /= scale[k]


@compiled
def largest_root(cubic: FloatArray, errors: FloatArray) -> tuple[float, float]:
    """Find the largest real part among a cubic's roots, highest power first, and its error, given `errors` (4,)."""
    a, b, c = cubic[1] / cubic[0], cubic[2] / cubic[0], cubic[3] / cubic[0]
    q = (a * a - 3 * b) / 9
    r = (2 * a * a * a - 9 * a * b + 27 * c) / 54
    imaginary = 0.0
    if r * r < q * q * q:
        angle = np.arccos(r / np.sqrt(q * q * q))
        # Of the three cosines this one is the least, and its factor is negative.
        root = _polish(-2 * np.sqrt(q) * np.cos((angle + 2 * np.pi) / 3) - a / 3, a, b, c)
    else:
        larger = -np.copysign((abs(r) + np.sqrt(r * r - q * q * q)) ** (1 / 3), r)
        smaller = q / larger if larger != 0.0 else 0.0
        root = _polish(larger + smaller - a / 3, a, b, c)
        of_pair = -(a + root) / 2
        if of_pair > root:
            imaginary = np.sqrt(max(b + root * (a + root) - of_pair * of_pair, 0.0))
            root = of_pair
    size = np.hypot(root, imaginary)
    real_slope = (3 * root + 2 * a) * root + b - 3 * imaginary * imaginary
    imaginary_slope = (6 * root + 2 * a) * imaginary
    slope = abs(cubic[0]) * np.hypot(real_slope, imaginary_slope)
    wrong = 0.0
    for k in range(4):
        wrong = wrong * size + errors[k] + 10 * _ROUND_OFF * abs(cubic[k])
    return root, wrong / slope


@compiled
def _polish(root: float, a: float, b: float, c: float) -> float:
    for _ in range(3):
        value, slope = ((root + a) * root + b) * root + c, (3 * root + 2 * a) * root + b
        if slope != 0.0:
            root -= value / slope
    return root
