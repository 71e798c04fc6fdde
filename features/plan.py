"""What to run for a list of features and a window's length, decided once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.kernel import Kernel
from features.kernels.registry import KERNELS
from features.names import parse_feature
from features.tsfresh_calculators import calculate_by_tsfresh, say_slow


@dataclass(frozen=True)
class Step:
    """Run one kernel.

    Parameters
    ----------
    kernel
        The kernel.
    tables
        What it prepared.
    first, last
        The rows of the plan's result that it fills: first <= row < last.
    features
        Their names without the kind.
    """

    kernel: Kernel
    tables: Any
    first: int
    last: int
    features: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Compute features of series of one length.

    A stage that several calculators share (the sorted series, moments, the spectrum, lagged products) is run when the
    first of them asks for it, and not at all when none does.

    Parameters
    ----------
    features
        Names without the kind, in the order wanted.
    samples
        The length of every series.
    """

    features: tuple[str, ...]
    samples: int

    @cached_property
    def slow(self) -> tuple[str, ...]:
        """The features that no kernel computes: they run through tsfresh, a thousand times slower."""
        return tuple(feature for feature in self.features if not _has_kernel(feature))

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The kernels to run, one step a calculator."""
        wanted: dict[str, list[str]] = {}
        for feature in self.features:
            if _has_kernel(feature):
                wanted.setdefault(feature.split("__", 1)[0], []).append(feature)
        steps, first = [], 0
        for calculator, features in wanted.items():
            kernel = KERNELS[calculator]
            tables = kernel.prepare([parse_feature(feature)[1] for feature in features], self.samples)
            steps.append(Step(kernel, tables, first, first + len(features), tuple(features)))
            first += len(features)
        return tuple(steps)

    @cached_property
    def order(self) -> npt.NDArray[np.int64] | None:
        """Where each wanted feature stands in what the steps fill; None when it is in place already."""
        filled = [feature for step in self.steps for feature in step.features] + list(self.slow)
        place = {feature: number for number, feature in enumerate(filled)}
        order = np.array([place[feature] for feature in self.features], dtype=np.int64)
        return None if np.array_equal(order, np.arange(len(order))) else order

    def run(self, series: FloatArray) -> FloatArray:
        """Compute the features of a block of series.

        A series' values depend on that series alone, bit for bit, whatever else is in the block.

        Parameters
        ----------
        series : (n, samples)
            At least one sample; NaN and infinity get what tsfresh's functions give for them.

        Returns
        -------
        (n_features, n) array
            Each feature contiguous.
        """
        out = np.empty((len(self.features), len(series)))
        finite = np.isfinite(series).all(axis=1)
        if finite.all():
            self._fill(series, out)
        else:
            some = np.empty((len(out), int(finite.sum())))
            self._fill(series[finite], some)
            out[:, finite] = some
            names = [feature for step in self.steps for feature in step.features] + list(self.slow)
            out[:, ~finite] = calculate_by_tsfresh(series[~finite], names).T
        return out if self.order is None else out[self.order]

    def _fill(self, series: FloatArray, out: FloatArray) -> None:
        if not len(series):
            return
        block = Block(series)
        with np.errstate(all="ignore"):
            for step in self.steps:
                doubtful = step.kernel.compute(block, step.tables, out[step.first : step.last])
                if doubtful is not None and doubtful.any():
                    _recompute(block, doubtful, step, out)
        if self.slow:
            say_slow(frozenset(feature.split("__", 1)[0] for feature in self.slow))
            out[len(out) - len(self.slow) :] = calculate_by_tsfresh(block.series, self.slow).T


@lru_cache(maxsize=256)
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
    return Plan(features, samples)


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
    return tuple(feature for feature in features if not _has_kernel(feature))


def _has_kernel(feature: str) -> bool:
    calculator, parameters = parse_feature(feature)
    return calculator in KERNELS and KERNELS[calculator].supports(parameters)


def _recompute(block: Block, doubtful: BoolArray, step: Step, out: FloatArray) -> None:
    rows = np.flatnonzero(doubtful)
    out[step.first : step.last, rows] = calculate_by_tsfresh(block.series[rows], step.features).T
