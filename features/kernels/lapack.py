"""Polynomials fitted and solved by LAPACK, to the last bit of ``numpy.polyfit`` and ``numpy.roots``.

Not a family of its own. Sensors read 642.3 +- 0.5: the powers of such numbers are nearly parallel, LAPACK's own
round-off shows in the coefficients, and only LAPACK reproduces it. numpy's two functions spend nine tenths of their
time outside LAPACK.
"""

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.polynomials import scale_powers
from features.kernels.block import FloatArray
from features.kernels.compilation import compiled

_EPSILON = float(np.finfo(np.float64).eps)
_CUBIC = 3

IntArray = npt.NDArray[np.int64]


def fit_as_polyfit(x: FloatArray, y: FloatArray, used: IntArray, rows: IntArray, degree: int) -> FloatArray:
    """Fit polynomials to some rows of points x, y (n, points), with the bits of ``numpy.polyfit``.

    The first ``used[row]`` points count, at least one. Returns (k, degree + 1) coefficients, highest power first; NaN
    where LAPACK fails.
    """
    powers, scales = np.empty((rows.size, x.shape[1], degree + 1)), np.empty((rows.size, degree + 1))
    scale_powers_of_rows(x, used, rows, powers, scales)
    coefficients = np.empty_like(scales)
    for k, (row, points) in enumerate(zip(rows.tolist(), used[rows].tolist(), strict=True)):
        try:
            coefficients[k] = np.linalg.lstsq(powers[k, :points], y[row, :points], points * _EPSILON)[0]
        except np.linalg.LinAlgError:
            coefficients[k] = np.nan
    coefficients /= scales
    return coefficients


@compiled
def scale_powers_of_rows(x: FloatArray, used: IntArray, rows: IntArray, powers: FloatArray, scales: FloatArray) -> None:
    """Tabulate scaled powers of the points in some rows, highest first, into `powers` and `scales`."""
    for k in range(rows.size):
        row = rows[k]
        scale_powers(x[row, : used[row]], powers[k], scales[k])


def largest_roots(cubics: FloatArray) -> FloatArray:
    """Find the largest real part among the roots of each cubic (n, 4), with the bits of ``numpy.roots``.

    Highest power first; NaN where there are no roots, or LAPACK fails.
    """
    companions = np.zeros((len(cubics), _CUBIC, _CUBIC))
    companions[:, 0] = -cubics[:, 1:] / cubics[:, :1]
    companions[:, 1, 0] = companions[:, 2, 1] = 1.0
    # numpy strips zeros at both ends; those cubics, and non-finite ones, are left to it.
    plain = np.isfinite(companions[:, 0]).all(axis=1) & (cubics[:, -1] != 0.0)
    roots = np.empty(len(cubics))
    try:
        roots[plain] = np.linalg.eigvals(companions[plain]).real.max(axis=1)
    except np.linalg.LinAlgError:
        plain[:] = False
    for row in np.flatnonzero(~plain):
        roots[row] = _root_as_numpy(cubics[row])
    return roots


def _root_as_numpy(cubic: FloatArray) -> float:
    try:
        return float(np.max(np.real(np.roots(cubic))))
    except (np.linalg.LinAlgError, ValueError):
        return np.nan
