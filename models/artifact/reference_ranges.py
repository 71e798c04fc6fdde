"""The reference range of each feature column: the quantiles between which its values usually lie."""

import numpy as np
import numpy.typing as npt

_QUANTILES = (0.1, 0.5, 0.9)
_DIGITS = 6


ReferenceRange = tuple[float, float, float]
"""The 10 %, 50 % and 90 % quantile of a column over training samples."""


def reference_ranges(x: npt.NDArray[np.float64]) -> tuple[ReferenceRange | None, ...]:
    """Return the range of each column of features (n_samples, n_features), None for a column that is all NaN.

    Quantiles are values that occurred, to six significant digits; NaN is left out.

    Examples
    --------
    >>> reference_ranges(np.array([[1.0], [2.0], [3.0], [np.nan]]))
    ((1.0, 2.0, 3.0),)
    """
    return tuple(_range(np.sort(column[~np.isnan(column)])) for column in x.T)


def _range(ordered: npt.NDArray[np.float64]) -> ReferenceRange | None:
    if not len(ordered):
        return None
    low, middle, high = (ordered[round(quantile * (len(ordered) - 1))] for quantile in _QUANTILES)
    return _rounded(low), _rounded(middle), _rounded(high)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
