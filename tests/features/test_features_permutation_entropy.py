"""The entropy of ordinal patterns: what the parity tests cannot see."""

from math import factorial, log

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from features.kernels.block import Block
from features.kernels.permutation_entropy import KERNELS

KERNEL = KERNELS["permutation_entropy"]
PARAMETERS = [{"tau": tau, "dimension": dimension} for tau in (1, 2, 5) for dimension in range(2, 9)]


def entropies(series: np.ndarray) -> np.ndarray:
    block = Block(np.atleast_2d(series))
    out = np.empty((len(PARAMETERS), block.n))
    assert KERNEL.compute(block, KERNEL.prepare(PARAMETERS, block.samples), out) is None
    return out


def naive(x: np.ndarray, tau: int, dimension: int) -> float:
    """Compute as tsfresh does, but with a sort that is stable; tsfresh's is numpy's default."""
    if len(x) < dimension:
        return np.nan
    windows = sliding_window_view(x, dimension)[::tau]
    ranks = np.argsort(np.argsort(windows, kind="stable"), kind="stable")
    _, counts = np.unique(ranks, axis=0, return_counts=True)
    shares = counts / len(ranks)
    return float(-np.sum(shares * np.log(shares)))


@pytest.mark.parametrize("samples", [1, 2, 3, 5, 7, 8, 9, 30, 61, 200])
def test_ties_stand_in_the_order_of_time(samples: int) -> None:
    """On series with ties the entropy is that of stable sorts, for every dimension and stride.

    tsfresh's own value is not the same everywhere: for `REPEATING` and dimension 4 it is 2.257577 where numpy sorts
    with AVX2 or AVX-512, and 2.330540, the stable one, where it does not (NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4").
    """
    rng = np.random.default_rng(samples)
    steps = rng.integers(0, 4, size=(20, samples)).astype(float)
    steps[:5] = np.round(rng.normal(size=(5, samples)).cumsum(axis=1))
    steps[5:8] = rng.choice([0.0, -0.0, 1.0], size=(3, samples))
    steps[8] = 0.1
    expected = [[naive(x, **given) for x in steps] for given in PARAMETERS]
    np.testing.assert_allclose(entropies(steps), expected, rtol=1e-12, atol=1e-12)


REPEATING = np.tile([1, 1, 0, 2, 2, 1, 0, 0, 3, 3, 1, 2, 0, 1, 1, 2, 3, 3, 0, 1], 3).astype(float)


def test_the_stable_value_where_processors_differ() -> None:
    """Of the two values that tsfresh gives for one series on two kinds of processors, ours is the stable one."""
    value = entropies(REPEATING)[PARAMETERS.index({"tau": 1, "dimension": 4}), 0]
    assert value == pytest.approx(2.330540, abs=1e-6)


def test_bounds_of_the_entropy() -> None:
    """A ramp, up or down, has one order and no entropy; noise comes near the logarithm of their number."""
    assert (entropies(np.array([np.arange(50.0), -np.arange(50.0)])) == 0).all()
    noise = entropies(np.random.default_rng(0).normal(size=5000))
    value = noise[PARAMETERS.index({"tau": 1, "dimension": 3}), 0]
    assert log(factorial(3)) - 0.01 < value < log(factorial(3))
