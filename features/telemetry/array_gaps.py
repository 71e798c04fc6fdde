"""Gap filling for windows in an array: the rule of `features.telemetry.gaps` for samples at equal distances."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError
from features.kernels.compilation import compiled

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FilledWindows:
    """Windows whose gaps have been filled.

    Parameters
    ----------
    readings : (n_windows, n_channels, n_samples)
        Readings; NaN where a sample is still missing, and throughout a withheld window and channel.
    missing : (n_windows, n_channels)
        The share of samples, 0 to 1, missing before filling.
    withheld : (n_windows, n_channels)
        Whether that share was above the limit.
    """

    readings: FloatArray
    missing: FloatArray
    withheld: BoolArray


def fill_gaps(values: npt.NDArray[Any], *, fill_for: int, most_missing: float) -> FilledWindows:
    """Fill missing samples with the last known value, and withhold windows with too many missing.

    Each window is filled from itself alone: samples missing at its beginning stay missing.

    Parameters
    ----------
    values : (n_windows, n_channels, n_samples)
        Readings at equal distances, NaN where one is missing; not modified.
    fill_for
        How many samples old a value may be to replace a missing one; 0 fills nothing.
    most_missing
        The largest share of samples, 0 to 1, that may be missing before filling.

    Returns
    -------
    FilledWindows
        NaN remains where no value was recent enough. `extract_windows` gives for such a window what tsfresh gives for
        NaN.

    Raises
    ------
    UsageError
        When the array has another shape, or a limit is out of range.

    Examples
    --------
    >>> window = [[[1.0, np.nan, np.nan, 4.0]]]
    >>> fill_gaps(np.array(window), fill_for=1, most_missing=0.5).readings
    array([[[ 1.,  1., nan,  4.]]])
    >>> fill_gaps(np.array(window), fill_for=1, most_missing=0.4).withheld
    array([[ True]])
    """
    if np.ndim(values) != 3:
        found = f"An array of shape {np.shape(values)}"
        raise UsageError(found, "the shape (n_windows, n_channels, n_samples)", "Reshape it")
    if fill_for < 0 or fill_for != int(fill_for):
        raise UsageError(f"A fill_for of {fill_for} samples", "a whole number, 0 for none", "Correct it")
    if not 0.0 <= most_missing <= 1.0:
        raise UsageError(f"A most_missing of {most_missing:g}", "a share from 0 to 1", "Correct it")
    filled = np.array(values, dtype=np.float64, order="C")
    n_windows, n_channels, n_samples = filled.shape
    missing = np.ones((n_windows, n_channels))
    if n_samples:
        missing = np.count_nonzero(np.isnan(filled), axis=2) / n_samples
        _fill_forward(filled.reshape(-1, n_samples), min(int(fill_for), n_samples))
    withheld = missing > most_missing
    filled[withheld] = np.nan
    return FilledWindows(filled, missing, withheld)


@compiled
def _fill_forward(series: FloatArray, fill_for: int) -> None:
    for row in range(series.shape[0]):
        age = fill_for
        for i in range(series.shape[1]):
            if not np.isnan(series[row, i]):
                age = 0
            elif age < fill_for:
                age += 1
                series[row, i] = series[row, i - 1]
