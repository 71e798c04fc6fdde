"""Which rows of a healthy span are unlike the rest of it, so that a share of bad rows does not become the norm.

The half of the rows that lies closest together is found by concentration steps: fit, keep the half with the smallest
distances, fit again. Rows far from that half, on the scale of the distances of all, are left out.

References
----------
Rousseeuw & Van Driessen, "A fast algorithm for the minimum covariance determinant estimator", Technometrics 41 (1999),
doi:10.1080/00401706.1999.10485670 (concentration steps). Boudt, Rousseeuw, Vanduffel & Verdonck, "The minimum
regularized covariance determinant estimator", Statistics and Computing 30 (2020), doi:10.1007/s11222-019-09869-x (for
more columns than rows). Wilson & Hilferty, "The distribution of chi-square", PNAS 17 (1931),
doi:10.1073/pnas.17.12.684 (the cube root).
"""

import numpy as np
import numpy.typing as npt

from models.anomalies.quadratic import fit_mahalanobis

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

MOST_LEFT_OUT = 0.25
"""A healthy span of which more than this is left out is not what it is said to be."""
_STEPS = 30
_FAR = 5.0  # robust standard deviations above the median
_QUARTILE = 0.6744897501960817  # of the standard normal distribution


def trusted_rows(z: Matrix) -> Rows:
    """Mark the standardized rows (n, n_columns) to learn from: all but those far from the closest half."""
    distances = np.sqrt((z**2).mean(axis=1))
    half: Rows | None = None
    for _ in range(_STEPS):
        closest = _closest_half(distances)
        if half is not None and (closest == half).all():
            break
        half = closest
        distances = fit_mahalanobis(z[half]).scores(z)
    # The cube root of squared distances is nearly normal, whatever the number of columns. Bad rows lie above the
    # median, so the spread is that below it.
    roots = distances ** (2 / 3)
    middle, lower = (float(np.quantile(roots, share)) for share in (0.5, 0.25))
    return np.asarray(roots <= middle + _FAR * max((middle - lower) / _QUARTILE, 1e-9))


def _closest_half(distances: npt.NDArray[np.float64]) -> Rows:
    order = np.argsort(distances, kind="stable")
    closest = np.zeros(len(distances), dtype=np.bool_)
    closest[order[: (len(order) + 1) // 2]] = True
    return closest
