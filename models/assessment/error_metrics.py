"""Errors of predicted numbers: root mean squared, mean absolute, and NASA's score."""

import numpy as np
import numpy.typing as npt

from models.assessment.bootstrap_intervals import mean_interval

Vector = npt.NDArray[np.float64]


def rmse(predicted: Vector, true: Vector) -> float:
    """Compute the root mean squared error; NaN for no samples."""
    return float(np.sqrt(np.mean((predicted - true) ** 2))) if len(true) else float("nan")


def mae_metrics(name: str, asset: npt.ArrayLike, predicted: Vector, true: Vector) -> dict[str, float]:
    """Compute the mean absolute error under a name, with its 95 % interval by asset; NaN for no samples."""
    error = np.abs(predicted - true)
    low, high = mean_interval(asset, error)
    return {name: float(error.mean()) if len(error) else np.nan, f"{name}_low": low, f"{name}_high": high}


def nasa_score(predicted: Vector, true: Vector) -> float:
    """Compute NASA's score of remaining life in hours (cycles), summed over the samples; 0 is best.

    A failure that comes sooner than predicted costs more than one that comes later.

    Examples
    --------
    >>> round(nasa_score(np.array([100.0]), np.array([90.0])), 4)
    1.7183

    References
    ----------
    Saxena, Goebel, Simon & Eklund, PHM 2008, section III (scoring), doi:10.1109/PHM.2008.4711414.
    """
    error = predicted - true
    terms = np.where(error < 0, np.expm1(-error / 13.0), np.expm1(error / 10.0))
    return float(terms.sum()) if len(true) else float("nan")
