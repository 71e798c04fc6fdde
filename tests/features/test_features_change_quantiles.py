"""Corridors between quantiles, all at once and each alone."""

import numpy as np
import pandas as pd
import pytest

from features import slow_features
from features.calculators.calculate import calculate

CORRIDORS = ((0.0, 0.2), (0.2, 0.8), (0.0, 1.0), (0.25, 0.26), (0.5, 0.5), (0.8, 0.1), (1 / 3, 0.9))


def corridor_name(lower: float, upper: float, size: bool, aggregate: str) -> str:
    return f'change_quantiles__f_agg_"{aggregate}"__isabs_{size}__qh_{upper}__ql_{lower}'


def naive_corridor(x: np.ndarray, lower: float, upper: float, size: bool, aggregate: str) -> float:
    """Take the changes with both ends in the corridor, the slow and obvious way."""
    low, high = pd.Series(x).quantile([lower, upper])
    inside = (x >= low) & (x <= high)
    changes = np.diff(x)[inside[1:] & inside[:-1]]
    if lower >= upper or not len(changes):
        return 0.0
    changes = np.abs(changes) if size else changes
    return float(changes.mean() if aggregate == "mean" else changes.var())


def every_corridor() -> list[tuple[float, float, bool, str]]:
    return [(*corridor, size, name) for corridor in CORRIDORS for size in (True, False) for name in ("mean", "var")]


@pytest.mark.parametrize("samples", [1, 2, 3, 10, 41, 150])
def test_all_corridors_at_once_are_each_alone(samples: int) -> None:
    """Any corridors computed together have the values of separate loops."""
    corridors = every_corridor()
    noise = np.random.default_rng(samples).normal(size=(6, samples))
    block = np.concatenate([noise, np.round(noise, 1), np.round(noise), noise.cumsum(axis=1)])
    result = calculate(block, [corridor_name(*corridor) for corridor in corridors])
    expected = [[naive_corridor(series, *corridor) for corridor in corridors] for series in block]
    np.testing.assert_allclose(result, expected, rtol=1e-7, atol=1e-10)


def test_corridors_keep_numpy_s_rounding_where_nothing_else_is_left() -> None:
    """Changes that cancel, or that are all equal but for their last digits, give what numpy's own steps leave."""
    ramp = 1e9 * (0.1 * np.arange(60) + 3)
    steps = 1e12 * np.round(np.random.default_rng(7).normal(size=60), 1)
    corridors = every_corridor()
    result = calculate(np.array([ramp, steps]), [corridor_name(*corridor) for corridor in corridors])
    expected = [[naive_corridor(series, *corridor) for corridor in corridors] for series in (ramp, steps)]
    np.testing.assert_allclose(result, expected, rtol=1e-7)


def test_other_aggregates_are_left_to_tsfresh() -> None:
    """Mean and variance have a kernel, and quantiles between 0 and 1."""
    odd = (corridor_name(0.2, 0.8, True, "median"), corridor_name(-0.1, 0.8, True, "mean"))
    assert slow_features([*odd, corridor_name(0.2, 0.8, True, "var")]) == odd
