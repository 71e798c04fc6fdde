"""A block of series of one length, and the stages that several calculators share."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class Block:
    """Hold series of one length; a shared stage is computed when it is first asked for.

    Every reduction runs along the last axis of a C-ordered array. numpy then sums each row by itself, pairwise, as it
    would sum the row alone: a value depends on its own window and on nothing else in the block, to the last bit.

    Parameters
    ----------
    series : (n, samples)
        One series a row, at least one sample.
    """

    def __init__(self, series: FloatArray) -> None:
        self.series: FloatArray = np.ascontiguousarray(series, dtype=np.float64)

    @property
    def n(self) -> int:
        """The number of series."""
        return int(self.series.shape[0])

    @property
    def samples(self) -> int:
        """The length of every series."""
        return int(self.series.shape[1])

    def full(self, value: float) -> FloatArray:
        """Give one and the same value for every series.

        Parameters
        ----------
        value
            That value.

        Returns
        -------
        (n,) array
        """
        return np.full(self.n, value, dtype=np.float64)

    @cached_property
    def total(self) -> FloatArray:
        """Sum of each series."""
        return row_sum(self.series)

    @cached_property
    def mean(self) -> FloatArray:
        """Mean of each series, with numpy's own rounding (counts above it must agree with tsfresh's)."""
        return self.total / self.samples

    @cached_property
    def centred(self) -> FloatArray:
        """Each series less its mean, (n, samples)."""
        return self.series - self.mean[:, None]

    @cached_property
    def variance(self) -> FloatArray:
        """Population variance of each series, with numpy's own rounding."""
        return row_sum(self.centred * self.centred) / self.samples

    @cached_property
    def deviation(self) -> FloatArray:
        """Population standard deviation of each series."""
        return np.sqrt(self.variance)

    @cached_property
    def ordered(self) -> FloatArray:
        """Each series sorted upwards, NaN last, (n, samples)."""
        return np.sort(self.series, axis=1)

    @cached_property
    def changes(self) -> FloatArray:
        """Differences between consecutive samples, (n, samples - 1)."""
        return np.diff(self.series, axis=1)

    @cached_property
    def maximum(self) -> FloatArray:
        """Largest value of each series; NaN where it holds one."""
        largest: FloatArray = np.maximum.reduce(self.series, axis=1)
        return largest

    @cached_property
    def minimum(self) -> FloatArray:
        """Smallest value of each series; NaN where it holds one."""
        smallest: FloatArray = np.minimum.reduce(self.series, axis=1)
        return smallest

    @cached_property
    def finite(self) -> BoolArray:
        """Whether a series holds neither NaN nor infinity, (n,)."""
        return np.isfinite(self.maximum) & np.isfinite(self.minimum)


def row_sum(array: FloatArray) -> FloatArray:
    """Sum along the last axis of a C-ordered array, each row as numpy would sum it alone.

    Parameters
    ----------
    array : (n, m)
        Copied into C order first if it is not.

    Returns
    -------
    (n,) array
    """
    total: FloatArray = np.add.reduce(np.ascontiguousarray(array), axis=-1)
    return total


def row_count(flags: BoolArray) -> FloatArray:
    """Count the true flags of each row.

    Parameters
    ----------
    flags : (n, m)

    Returns
    -------
    (n,) array of float
    """
    counts: FloatArray = np.count_nonzero(flags, axis=1).astype(np.float64)
    return counts
