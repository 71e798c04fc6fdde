"""What is usual of each column: between which values it mostly lies."""

import numpy as np
import numpy.typing as npt

QUANTILES = (0.1, 0.5, 0.9)
_DIGITS = 6


def usual_values(x: npt.NDArray[np.float64]) -> tuple[tuple[float, float, float], ...]:
    """Find the 10 %, 50 % and 90 % quantiles of each column.

    Parameters
    ----------
    x
        Features of training samples, shape (n_samples, n_features); NaN is left out, and no column is all NaN.

    Returns
    -------
    tuple of (float, float, float)
        One for each column: values that occurred, to six significant digits.

    Examples
    --------
    >>> usual_values(np.array([[1.0], [2.0], [3.0], [np.nan]]))
    ((1.0, 2.0, 3.0),)
    """
    ordered = np.sort(x, axis=0)  # NaN last
    last = (~np.isnan(x)).sum(axis=0) - 1
    places = [np.rint(quantile * last).astype(np.intp) for quantile in QUANTILES]
    found = np.stack([ordered[place, np.arange(x.shape[1])] for place in places], axis=1)
    return tuple((_rounded(low), _rounded(middle), _rounded(high)) for low, middle, high in found)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
