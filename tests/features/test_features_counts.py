"""Counts, locations, runs and peaks beside plain loops."""

import itertools

import numpy as np
import pytest

from features import slow_features
from features.calculators.calculate import calculate


def quantised(samples: int) -> np.ndarray:
    return np.round(np.random.default_rng(samples).normal(size=(20, samples)), 1)


def naive_peaks(x: np.ndarray, n: int) -> int:
    return sum(all(x[i] > x[i - k] and x[i] > x[i + k] for k in range(1, n + 1)) for i in range(n, len(x) - n))


@pytest.mark.parametrize("samples", [1, 2, 3, 8, 21, 100])
def test_peaks_of_all_supports_are_found_together(samples: int) -> None:
    """For any supports, in any order, each count is that of a loop over the neighbours."""
    supports = (5, 1, 2, 50, 3, 1000)
    block = quantised(samples)
    result = calculate(block, [f"number_peaks__n_{n}" for n in supports])
    assert result.tolist() == [[naive_peaks(series, n) for n in supports] for series in block]


def test_a_peak_has_no_support_that_is_not_positive() -> None:
    """Zero neighbours make no peak: tsfresh decides what that means."""
    assert slow_features(["number_peaks__n_0", "number_peaks__n_1"]) == ("number_peaks__n_0",)


@pytest.mark.parametrize("samples", [1, 2, 7, 40])
def test_strikes_are_the_longest_runs(samples: int) -> None:
    """The longest strike is the longest group of samples on one side of the mean."""
    block = quantised(samples)
    result = calculate(block, ["longest_strike_above_mean", "longest_strike_below_mean"])
    for row, series in enumerate(block):
        for column, flags in enumerate((series > series.mean(), series < series.mean())):
            runs = [len(list(group)) for value, group in itertools.groupby(flags) if value]
            assert result[row, column] == max(runs, default=0)


def test_bounds_belong_to_a_range_as_tsfresh_has_it() -> None:
    """A range holds its lower bound and not its upper one; infinite bounds and NaN are bounds, too."""
    block = np.array([[-1.0, 0.0, np.nextafter(1, 0), 1.0, 1.0, 2.0]])
    features = {
        "range_count__max_1__min_-1": 3,
        "range_count__max_inf__min_1": 3,
        "range_count__max_-1__min_-inf": 0,
        "value_count__value_1": 2,
        "value_count__value_nan": 0,
        "count_above__t_1": 0.5,
        "count_below__t_0": 2 / 6,
        "count_below__t_-inf": 0,
    }
    np.testing.assert_allclose(calculate(block, list(features))[0], list(features.values()))


def test_an_extreme_has_a_first_and_a_last_place() -> None:
    """Locations are shares of the window; the last one is counted from behind the sample."""
    block = np.array([[1.0, 3.0, -2.0, 3.0, -2.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    features = ["first_location_of_maximum", "last_location_of_maximum"]
    features += ["first_location_of_minimum", "last_location_of_minimum", "has_duplicate_max", "has_duplicate_min"]
    np.testing.assert_allclose(calculate(block, features), [[0.2, 0.8, 0.4, 1.0, 1, 1], [0.0, 1.0, 0.0, 1.0, 1, 1]])


def test_only_no_query_has_a_kernel() -> None:
    """The sets of tsfresh ask for similarity to nothing, which is NaN; a true query is left to tsfresh."""
    nothing = "query_similarity_count__query_None__threshold_0.0"
    assert slow_features([nothing, "query_similarity_count__query_[1, 2, 3]__threshold_0.5"]) != ()
    assert slow_features([nothing]) == ()
    assert np.isnan(calculate(np.ones((2, 5)), [nothing])).all()
