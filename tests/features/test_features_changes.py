"""Complexity and crossings."""

import numpy as np
import pytest

from features.calculators.calculate import calculate
from features.kernels.block import Block
from features.kernels.changes import KERNELS


def test_complexity_is_measured_in_deviations_or_not() -> None:
    """The normalised complexity does not change with scale and offset, the other grows with the scale."""
    series = np.random.default_rng(4).normal(size=50)
    block = np.array([series, 100 * series + 7, np.full(50, 0.1)])
    normal, plain = calculate(block, ["cid_ce__normalize_True", "cid_ce__normalize_False"]).T
    assert normal[0] == pytest.approx(normal[1])
    assert plain[1] == pytest.approx(100 * plain[0])
    assert [normal[2], plain[2]] == [0, 0]


def test_a_sample_on_the_level_has_not_crossed_it() -> None:
    """Only over and not over count, on the level is not over."""
    block = np.array([[-1.0, 0.0, 1.0, 0.0, 0.0, 2.0]])
    result = calculate(block, ["number_crossing_m__m_0", "number_crossing_m__m_1", "number_crossing_m__m_-1"])
    assert result.tolist() == [[3, 1, 1]]


def test_squares_out_of_range_are_doubtful() -> None:
    """A constant is sure, and so are the scales of this world."""
    noise = np.random.default_rng(5).normal(size=30)
    block = Block(np.array([noise, 1e-12 * noise, 1e12 * noise, np.full(30, 0.1), 1e-150 * noise, 1e150 * noise]))
    out = np.empty((1, block.n))
    doubtful = KERNELS["cid_ce"].compute(block, np.array([True]), out)
    assert doubtful is not None
    assert doubtful.tolist() == [False, False, False, False, True, True]
