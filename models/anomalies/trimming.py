"""Which rows of a healthy span are unlike the rest of it, so that a share of bad rows does not become the norm.

The rows that lie closest together are found by concentration steps: fit, keep those with the smallest distances, and
fit again. They are the core that a detector is fitted to. Rows far from it, on the scale of all distances, are said
to be unlike the rest.

References
----------
Rousseeuw & Van Driessen, "A fast algorithm for the minimum covariance determinant estimator", Technometrics 41 (1999),
doi:10.1080/00401706.1999.10485670 (concentration steps). Boudt, Rousseeuw, Vanduffel & Verdonck, "The minimum
regularized covariance determinant estimator", Statistics and Computing 30 (2020), doi:10.1007/s11222-019-09869-x (for
more columns than rows). Wilson & Hilferty, "The distribution of chi-square", PNAS 17 (1931),
doi:10.1073/pnas.17.12.684 (the cube root).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.anomalies.quadratic import fit_mahalanobis

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

CORE = 0.75
"""The share of the rows that is fitted to: a quarter may be bad."""
MOST_LEFT_OUT = 0.25
"""A healthy span of which more than this is left out is not what it is said to be."""
_STEPS = 30
_FAR = 5.0  # robust standard deviations above the median
_QUARTILE = 0.6744897501960817  # of the standard normal distribution


@dataclass(frozen=True)
class Trimming:
    """Which rows of a healthy span are learned from."""

    core: Rows  # the closest rows: what is usual, and how columns relate
    trusted: Rows  # these, and the others that are not far from them


def trim(z: Matrix) -> Trimming:
    """Find the core of standardized rows (n, n_columns), and the rows that are not far from it.

    Bad rows that were fitted to would stretch the covariance just where faults lead, and hide them.
    """
    distances = np.sqrt((z**2).mean(axis=1))
    core: Rows | None = None
    for _ in range(_STEPS):
        closest = _closest(distances)
        if core is not None and (closest == core).all():
            break
        core = closest
        distances = fit_mahalanobis(z[core]).scores(z)
    # The cube root of squared distances is nearly normal, whatever the number of columns. Bad rows lie above the
    # median, so the spread is that below it.
    roots = distances ** (2 / 3)
    middle, lower = (float(np.quantile(roots, share)) for share in (0.5, 0.25))
    trusted = roots <= middle + _FAR * max((middle - lower) / _QUARTILE, 1e-9)
    return Trimming(_closest(distances), np.asarray(trusted))


def _closest(distances: npt.NDArray[np.float64]) -> Rows:
    order = np.argsort(distances, kind="stable")
    closest = np.zeros(len(distances), dtype=np.bool_)
    closest[order[: math.ceil(CORE * len(order))]] = True
    return closest
