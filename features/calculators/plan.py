"""What to run for a list of features and a window's length, decided once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from features.calculators.tsfresh_calculators import calculate_by_tsfresh, say_slow
from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.kernel import Kernel, Parameters
from features.kernels.registry import KERNELS
from features.names import parse_feature


@dataclass(frozen=True)
class Step:
    """Run one kernel.

    Parameters
    ----------
    kernel
        The kernel.
    features
        What it computes, names without the kind.
    parameters
        The parameters in them.
    first
        The row of the plan's result where its values begin.
    tables
        What it prepared for a length of series; None before that.
    """

    kernel: Kernel
    features: tuple[str, ...]
    parameters: tuple[Parameters, ...]
    first: int
    tables: Any = None

    @property
    def rows(self) -> slice:
        """The rows of the plan's result that it fills."""
        return slice(self.first, self.first + len(self.features))

    def prepared(self, samples: int) -> "Step":
        """Give the step for series of one length."""
        return replace(self, tables=self.kernel.prepare(self.parameters, samples))


@dataclass(frozen=True)
class Layout:
    """Say which kernel computes which features, whatever the length of the series.

    Parameters
    ----------
    steps
        One for each calculator that has a kernel.
    slow
        The features that have none: they run through tsfresh, a thousand times slower.
    order
        Where each wanted feature stands in what the steps and tsfresh fill; None when it is in place already.
    """

    steps: tuple[Step, ...]
    slow: tuple[str, ...]
    order: npt.NDArray[np.int64] | None

    @cached_property
    def filled(self) -> tuple[str, ...]:
        """The features in the order in which they are filled."""
        return tuple(feature for step in self.steps for feature in step.features) + self.slow


@dataclass(frozen=True)
class Plan:
    """Compute features of series of one length.

    A stage that several calculators share (the sorted series, moments, the spectrum, lagged products) is run when the
    first of them asks for it, and not at all when none does.

    Parameters
    ----------
    layout
        Which kernel computes what, prepared for the length.
    samples
        The length of every series.
    """

    layout: Layout
    samples: int

    def run(self, series: FloatArray, hours: FloatArray | None = None, out: FloatArray | None = None) -> FloatArray:
        """Compute the features of a block of series.

        A series' values depend on that series alone, bit for bit, whatever else is in the block.

        Parameters
        ----------
        series : (n, samples)
            At least one sample; NaN and infinity get what tsfresh's functions give for them.
        hours : (n, samples), optional
            When each sample was taken, in hours since the first of its series. Without it what needs times is NaN.
        out : (n_features, n) array, optional
            Is filled; when it is contiguous and the features are in the order of the plan, nothing is copied.

        Returns
        -------
        (n_features, n) array
            Each feature contiguous; `out` where it was given.
        """
        if out is None:
            found = np.empty((len(self.layout.filled), len(series)))
            self._run(series, hours, found)
            return found if self.layout.order is None else found[self.layout.order]
        if out.flags.c_contiguous and self.layout.order is None:
            self._run(series, hours, out)
        else:
            out[:] = self.run(series, hours)
        return out

    def _run(self, series: FloatArray, hours: FloatArray | None, out: FloatArray) -> None:
        filled = self.layout.filled
        # One sum tells in most cases that all is finite.
        if np.isfinite(series.sum()) or (finite := np.isfinite(series).all(axis=1)).all():
            self._fill(series, hours, out)
        else:
            some = np.empty((len(out), int(finite.sum())))
            self._fill(series[finite], None if hours is None else hours[finite], some)
            out[:, finite] = some
            out[:, ~finite] = calculate_by_tsfresh(series[~finite], filled, None if hours is None else hours[~finite]).T

    def _fill(self, series: FloatArray, hours: FloatArray | None, out: FloatArray) -> None:
        if not len(series):
            return
        block = Block(series, hours)
        with np.errstate(all="ignore"):
            for step in self.layout.steps:
                doubtful = step.kernel.compute(block, step.tables, out[step.rows])
                if doubtful is not None and doubtful.any():
                    _recompute(block, doubtful, step, out)
        slow = self.layout.slow
        if slow:
            say_slow(frozenset(feature.split("__", 1)[0] for feature in slow))
            out[len(out) - len(slow) :] = calculate_by_tsfresh(block.series, slow, hours).T


@lru_cache(maxsize=512)
def plan_for(features: tuple[str, ...], samples: int) -> Plan:
    """Compile features into a plan, or find the one that was.

    Parameters
    ----------
    features
        Names without the kind.
    samples
        The length of the series, at least 1.

    Returns
    -------
    Plan
    """
    layout = lay_out(features)
    return Plan(replace(layout, steps=tuple(step.prepared(samples) for step in layout.steps)), samples)


@lru_cache(maxsize=64)
def lay_out(features: tuple[str, ...]) -> Layout:
    """Find the kernel of each feature.

    Parameters
    ----------
    features
        Names without the kind.

    Returns
    -------
    Layout
    """
    wanted: dict[str, list[tuple[str, Parameters]]] = {}
    slow = []
    for feature in features:
        calculator, parameters = parse_feature(feature)
        if calculator in KERNELS and KERNELS[calculator].supports(parameters):
            wanted.setdefault(calculator, []).append((feature, parameters))
        else:
            slow.append(feature)
    steps: list[Step] = []
    first = 0
    for calculator, chosen in wanted.items():
        names, parameters_of = zip(*chosen, strict=True)
        steps.append(Step(KERNELS[calculator], names, parameters_of, first))
        first += len(names)
    layout = Layout(tuple(steps), tuple(slow), None)
    place = {feature: number for number, feature in enumerate(layout.filled)}
    order = np.array([place[feature] for feature in features], dtype=np.int64)
    return layout if np.array_equal(order, np.arange(len(order))) else replace(layout, order=order)


def slow_features(features: Sequence[str]) -> tuple[str, ...]:
    """Name the features that have no kernel and run through tsfresh, a thousand times slower.

    Parameters
    ----------
    features
        Names without the kind.

    Returns
    -------
    tuple of str
    """
    return lay_out(tuple(features)).slow


def _recompute(block: Block, doubtful: BoolArray, step: Step, out: FloatArray) -> None:
    rows = np.flatnonzero(doubtful)
    hours = None if block.hours is None else block.hours[rows]
    out[step.rows, rows] = calculate_by_tsfresh(block.series[rows], step.features, hours).T
