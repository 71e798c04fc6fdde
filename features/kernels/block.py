"""A block of series of one length, and the stages that several calculators share."""

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.pairwise import moments
from features.kernels.arithmetic.sorting import sort_rows

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
T = TypeVar("T")


class Block:
    """Hold finite series of one length; a shared stage is computed when it is first asked for, once.

    Whatever is computed for a series depends on that series alone, to the last bit, and on nothing else in the block.

    Parameters
    ----------
    series : (n, samples)
        One finite series a row, at least one sample, contiguous.
    hours : (n, samples), optional
        Hours since each series' first sample, for the calculators that look at time stamps.
    """

    def __init__(self, series: FloatArray, hours: FloatArray | None = None) -> None:
        self.series: FloatArray = np.ascontiguousarray(series, dtype=np.float64)
        self.hours = hours
        self.stages: dict[Callable[..., Any], Any] = {}

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
        """Sum of each series, with numpy's own rounding, (n,)."""
        return self._moments[0]

    @cached_property
    def mean(self) -> FloatArray:
        """Mean of each series, with numpy's own rounding (counts above it must agree with tsfresh's), (n,)."""
        return self._moments[1]

    @cached_property
    def variance(self) -> FloatArray:
        """Population variance of each series, with numpy's own rounding, (n,)."""
        return self._moments[2]

    @cached_property
    def deviation(self) -> FloatArray:
        """Population standard deviation of each series, (n,)."""
        return np.sqrt(self.variance)

    @cached_property
    def centred(self) -> FloatArray:
        """Each series less its mean, (n, samples)."""
        return self.series - self.mean[:, None]

    @cached_property
    def ordered(self) -> FloatArray:
        """Each series sorted upwards, (n, samples)."""
        return sort_rows(self.series)

    @cached_property
    def maximum(self) -> FloatArray:
        """Largest value of each series, (n,)."""
        if "ordered" in self.__dict__:
            return np.ascontiguousarray(self.ordered[:, -1])
        largest: FloatArray = np.maximum.reduce(self.series, axis=1)
        return largest

    @cached_property
    def minimum(self) -> FloatArray:
        """Smallest value of each series, (n,)."""
        if "ordered" in self.__dict__:
            return np.ascontiguousarray(self.ordered[:, 0])
        smallest: FloatArray = np.minimum.reduce(self.series, axis=1)
        return smallest

    @cached_property
    def constant(self) -> BoolArray:
        """Whether a series has one value only, (n,)."""
        return self.minimum == self.maximum

    @cached_property
    def _moments(self) -> FloatArray:
        return moments(self.series)


def stage(compute: Callable[[Block], T]) -> Callable[[Block], T]:
    """Make a function of a block one that is computed once a block: for what several calculators of a family share.

    Parameters
    ----------
    compute
        From the block to anything.

    Returns
    -------
    callable
        Gives the same object at every call with the same block.
    """

    @wraps(compute)
    def once(block: Block) -> T:
        if compute not in block.stages:
            block.stages[compute] = compute(block)
        found: T = block.stages[compute]
        return found

    return once
