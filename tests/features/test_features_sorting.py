"""Sorting by runs and merges is sorting."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.kernels.arithmetic.sorting import sort_rows

FloatArray = npt.NDArray[np.float64]

LENGTHS = (1, 2, 30, 255, 256, 257, 258, 511, 512, 513, 700, 1023, 1024, 1025, 2048, 2049)


def noise(n: int, samples: int) -> FloatArray:
    return np.random.default_rng(samples + n).normal(size=(n, samples))


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_any_length_and_number_of_series(samples: int, n: int) -> None:
    """Every series comes out as numpy sorts it, however many runs it has and however many stand beside it."""
    series = noise(n, samples)
    np.testing.assert_array_equal(sort_rows(series), np.sort(series, axis=1))


@pytest.mark.parametrize("samples", LENGTHS)
def test_ties_infinities_and_nan(samples: int) -> None:
    """Equal samples are all there, infinities stand at the ends, and NaN behind them."""
    series = np.round(noise(6, samples))
    series[1, ::3], series[2, ::5], series[3, ::4], series[4, ::2] = np.inf, -np.inf, np.nan, -0.0
    series[3, 1::4] = np.inf
    np.testing.assert_array_equal(sort_rows(series), np.sort(series, axis=1))


def test_the_series_stay_as_they_are() -> None:
    """What is sorted is a copy, and contiguous."""
    for samples in LENGTHS:
        series = noise(2, samples)
        ordered = sort_rows(series)
        np.testing.assert_array_equal(series, noise(2, samples))
        assert ordered.flags.c_contiguous


@given(st.integers(257, 1100), st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 50, 10**6]))
def test_sorted_or_not_before(samples: int, seed: int, values: int) -> None:
    """Samples that are in order already, upwards or downwards or in long runs, take nothing but a merge."""
    rng = np.random.default_rng(seed)
    series = rng.integers(0, values, size=(3, samples)).astype(np.float64)
    series[0].sort()
    series[1] = -np.sort(-series[1])
    np.testing.assert_array_equal(sort_rows(series), np.sort(series, axis=1))
