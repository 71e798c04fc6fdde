"""The drift of a series: the rules of the fit that comparisons with tsfresh do not show one by one."""

import numpy as np
import pytest

from features.kernels.dynamics import empty_ladder, fit_polynomial, place_in_bins


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("points", [6, 7, 29, 30])
def test_the_fit_is_that_of_numpy_within_the_error_it_states(degree: int, points: int) -> None:
    """Coefficients are those of ``numpy.polyfit`` within three times the error stated."""
    rng = np.random.default_rng(100 * degree + points)
    for offset in (0.0, 1.0, 10.0):
        x, values = offset + np.sort(rng.normal(size=points)), rng.normal(size=points)
        coefficients, errors = np.empty(degree + 1), np.empty(degree + 1)
        scratch, expansions = np.empty((degree + 4, points)), np.empty((degree + 2, degree + 2))
        fit_polynomial(x, values, scratch, expansions, coefficients, errors)
        assert (abs(coefficients - np.polyfit(x, values, degree)) <= 3 * errors).all()


def test_coinciding_points_are_never_sure() -> None:
    """Points that all lie in one place have no polynomial: the error is not a number, or without bounds."""
    coefficients, errors = np.empty(4), np.empty(4)
    fit_polynomial(np.ones(8), np.arange(8.0), np.empty((7, 8)), np.empty((5, 5)), coefficients, errors)
    assert not (errors < 1.0).any()


@pytest.mark.parametrize("bins", [2, 3, 8, 9, 30, 33])
def test_a_bin_is_the_number_of_edges_under_a_sample(bins: int) -> None:
    """A sample on an edge lies in the bin under it, for any number of bins."""
    rng = np.random.default_rng(bins)
    edges = np.arange(1.0, bins)
    series = np.append(rng.integers(-1, 2 * bins + 2, 100) / 2, 0.0)
    ladder, place = empty_ladder(bins), np.empty(100, np.uint64)
    ladder[: bins - 1] = edges
    place_in_bins(series, ladder, place)
    np.testing.assert_array_equal(place, (series[:-1, None] > edges).sum(axis=1))
