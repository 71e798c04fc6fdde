"""What is usual of each column: between which values it mostly lies."""

import numpy as np
import numpy.typing as npt

QUANTILES = (0.1, 0.5, 0.9)
_DIGITS = 6


ReferenceRange = tuple[float, float, float]
"""The 10 %, 50 % and 90 % quantile of a column over training samples."""


def reference_ranges(x: npt.NDArray[np.float64]) -> tuple[ReferenceRange | None, ...]:
    """Find the 10 %, 50 % and 90 % quantiles of each column.

    Parameters
    ----------
    x
        Features of training samples, shape (n_samples, n_features); NaN is left out.

    Returns
    -------
    tuple of (float, float, float) or None
        One for each column: values that occurred, to six significant digits; None for a column that is all NaN.

    Examples
    --------
    >>> usual_values(np.array([[1.0], [2.0], [3.0], [np.nan]]))
    ((1.0, 2.0, 3.0),)
    """
    return tuple(_usual(np.sort(column[~np.isnan(column)])) for column in x.T)


def _usual(ordered: npt.NDArray[np.float64]) -> ReferenceRange | None:
    if not len(ordered):
        return None
    low, middle, high = (ordered[round(quantile * (len(ordered) - 1))] for quantile in QUANTILES)
    return _rounded(low), _rounded(middle), _rounded(high)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
