"""Execution plans: what to run for a list of features and a series length, worked out once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from features.calculators.tsfresh_calculators import calculate_by_tsfresh, warn_slow
from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.kernel import Kernel, Parameters
from features.kernels.registry import KERNELS
from features.names import parse_feature

_DECIMALS = {
    "agg_autocorrelation": "maxlag",
    "ar_coefficient": "k",
    "friedrich_coefficients": "m",
    "max_langevin_fixed_point": "m",
}


@dataclass(frozen=True)
class Step:
    """One kernel and the features it computes."""

    kernel: Kernel
    features: tuple[str, ...]  # names without the kind
    parameters: tuple[Parameters, ...]
    first: int  # the row of the plan's result where its values begin
    tables: Any = None  # what the kernel prepared for a series length; None before that

    @property
    def rows(self) -> slice:
        """The rows of the plan's result that it fills."""
        return slice(self.first, self.first + len(self.features))

    def prepared(self, samples: int) -> "Step":
        """Prepare the kernel's tables for series of one length."""
        return replace(self, tables=self.kernel.prepare(self.parameters, samples))


@dataclass(frozen=True)
class Layout:
    """The kernel behind each feature, for series of any length."""

    steps: tuple[Step, ...]  # one for each calculator that has a kernel
    slow: tuple[str, ...]  # the features without a kernel: computed by tsfresh, a thousand times slower
    order: npt.NDArray[np.int64] | None  # where each requested feature stands in `filled`; None when the orders agree

    @cached_property
    def filled(self) -> tuple[str, ...]:
        """The features in the order in which they are filled."""
        return tuple(feature for step in self.steps for feature in step.features) + self.slow


@dataclass(frozen=True)
class Plan:
    """A plan for series of one length.

    A stage that several calculators share (the sorted series, moments, the spectrum, lagged products) is run for the
    first of them that needs it, and not at all when none does.
    """

    layout: Layout  # prepared for the length
    samples: int

    def run(self, series: FloatArray, hours: FloatArray | None = None, out: FloatArray | None = None) -> FloatArray:
        """Compute the features, (n_features, n), of series (n, samples) with at least one sample.

        A series' values depend on that series alone, bit for bit, whatever else is in the block. NaN and infinity get
        what tsfresh's functions give for them. `hours` (n, samples) since each series' first sample: without them,
        features that need times are NaN. `out` is filled and returned if given; nothing is copied when it is contiguous
        and the features are in the plan's order.
        """
        if out is None:
            values = np.empty((len(self.layout.filled), len(series)))
            self._run(series, hours, values)
            return values if self.layout.order is None else values[self.layout.order]
        if out.flags.c_contiguous and self.layout.order is None:
            self._run(series, hours, out)
        else:
            out[:] = self.run(series, hours)
        return out

    def _run(self, series: FloatArray, hours: FloatArray | None, out: FloatArray) -> None:
        filled = self.layout.filled
        # In most cases one sum shows that all values are finite.
        if np.isfinite(series.sum()) or (finite := np.isfinite(series).all(axis=1)).all():
            self._fill(series, hours, out)
        else:
            finite_values = np.empty((len(out), int(finite.sum())))
            self._fill(series[finite], None if hours is None else hours[finite], finite_values)
            out[:, finite] = finite_values
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
            warn_slow(frozenset(feature.split("__", 1)[0] for feature in slow))
            out[len(out) - len(slow) :] = calculate_by_tsfresh(block.series, slow, hours).T


@lru_cache(maxsize=512)
def plan_for(features: tuple[str, ...], samples: int) -> Plan:
    """Build the plan for features, named without the kind, and a series length of at least 1."""
    layout = build_layout(features)
    return Plan(replace(layout, steps=tuple(step.prepared(samples) for step in layout.steps)), samples)


@lru_cache(maxsize=64)
def build_layout(features: tuple[str, ...]) -> Layout:
    """Find the kernel of each feature."""
    by_calculator: dict[str, list[tuple[str, Parameters]]] = {}
    slow = []
    for feature in features:
        calculator, parameters = parse_feature(feature)
        if (
            calculator in KERNELS
            and KERNELS[calculator].supports(parameters)
            and not _is_decimal(calculator, parameters)
        ):
            by_calculator.setdefault(calculator, []).append((feature, parameters))
        else:
            slow.append(feature)
    steps: list[Step] = []
    first = 0
    for calculator, chosen in by_calculator.items():
        names, parameter_sets = zip(*chosen, strict=True)
        steps.append(Step(KERNELS[calculator], names, parameter_sets, first))
        first += len(names)
    layout = Layout(tuple(steps), tuple(slow), None)
    place = {feature: number for number, feature in enumerate(layout.filled)}
    order = np.array([place[feature] for feature in features], dtype=np.int64)
    return layout if np.array_equal(order, np.arange(len(order))) else replace(layout, order=order)


def slow_features(features: Sequence[str]) -> tuple[str, ...]:
    """Return the features that have no kernel and are computed by tsfresh, a thousand times slower.

    Parameters
    ----------
    features
        Names without the kind.

    Returns
    -------
    tuple of str
    """
    return build_layout(tuple(features)).slow


def _is_decimal(calculator: str, parameters: Parameters) -> bool:
    # tsfresh takes 2.0 for these, and kernels only 2.
    return isinstance(parameters.get(_DECIMALS.get(calculator, "")), float)


def _recompute(block: Block, doubtful: BoolArray, step: Step, out: FloatArray) -> None:
    rows = np.flatnonzero(doubtful)
    hours = None if block.hours is None else block.hours[rows]
    out[step.rows, rows] = calculate_by_tsfresh(block.series[rows], step.features, hours).T
