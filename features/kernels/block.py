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
    """Finite series (n, samples) of one length, with shared stages computed once, on first access.

    Every value computed for a series depends on that series alone, to the last bit, not on others in the block. `hours`
    (n, samples) since each series' first sample are for the calculators that use time stamps.
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
        """Return the same value for every series, (n,)."""
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
        """Whether a series has a single value, (n,)."""
        return self.minimum == self.maximum

    @cached_property
    def _moments(self) -> FloatArray:
        return moments(self.series)


def stage(compute: Callable[[Block], T]) -> Callable[[Block], T]:
    """Decorate a function of a block that several calculators share: it runs once a block."""

    @wraps(compute)
    def once(block: Block) -> T:
        if compute not in block.stages:
            block.stages[compute] = compute(block)
        result: T = block.stages[compute]
        return result

    return once
