"""Quantiles and bins to the last bit, the ends of the sorted series, repeated values."""

import numpy as np
import pandas as pd
import pytest

from features.calculators.calculate import calculate
from features.kernels.arithmetic.quantiles import are_different, equal_fractions, places_of, quantiles_at

FRACTIONS = (0.0, 0.05, 0.1, 0.2, 0.3, 1 / 3, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
LENGTHS = (1, 2, 3, 5, 11, 30, 62, 100, 128, 200, 257, 1024)


def some_series(samples: int) -> list[np.ndarray]:
    rng = np.random.default_rng(samples)
    noise = rng.normal(size=samples)
    return [noise, 1e5 + noise, np.round(noise, 1), np.round(noise), 1e-9 * noise, np.full(samples, 0.1)]


def quantiles(series: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    result = np.empty(len(fractions))
    quantiles_at(np.sort(series), places_of(fractions, len(series)), result)
    return result


@pytest.mark.parametrize("samples", LENGTHS)
def test_quantiles_have_the_bits_of_numpy_and_pandas(samples: int) -> None:
    """A sample on an edge changes its bin with the last bit of the edge, so that has to be theirs."""
    for series in some_series(samples):
        result = quantiles(series, np.array(FRACTIONS))
        assert result.tolist() == [np.quantile(series, fraction) for fraction in FRACTIONS]
        assert result.tolist() == pd.Series(series).quantile(list(FRACTIONS)).tolist()


@pytest.mark.parametrize("bins", [1, 3, 7, 30])
@pytest.mark.parametrize("samples", LENGTHS)
def test_equal_bins_are_those_of_pandas(samples: int, bins: int) -> None:
    """Edges are those of pandas.qcut, which refuses exactly where two edges are equal."""
    for series in some_series(samples):
        edges = quantiles(series, equal_fractions(bins))
        # pandas takes two equal edges, but not three or more of which two are equal.
        if bins > 1 and not are_different(edges):
            with pytest.raises(ValueError, match="unique"):
                pd.qcut(series, bins)
            continue
        _, expected_edges = pd.qcut(series, bins, labels=False, retbins=True)
        assert edges.tolist() == expected_edges.tolist()


def test_a_quantile_outside_its_range_is_refused() -> None:
    """There is no 1.5 quantile, and no value stands in for it."""
    with pytest.raises(ValueError, match="does not lie between 0 and 1"):
        calculate(np.zeros((1, 5)), ["quantile__q_1.5"])


@pytest.mark.parametrize("number", [1, 2, 7, 19, 20])
def test_the_largest_absolute_samples_stand_at_the_ends(number: int) -> None:
    """The mean of the n largest absolute samples, wherever zero lies among the samples."""
    block = np.random.default_rng(1).normal(size=(5, 20)) + np.array([[-9.0], [-0.5], [0.0], [0.5], [9.0]])
    result = calculate(block, [f"mean_n_absolute_max__number_of_maxima_{number}"])[:, 0]
    expected = np.sort(np.abs(block), axis=1)[:, -number:].mean(axis=1) if number < 20 else np.full(5, np.nan)
    np.testing.assert_allclose(result, expected)


def test_sums_of_repeated_values_are_numpy_s_where_all_cancels() -> None:
    """What rounding leaves of a sum that cancels is all there is: it has to be numpy's."""
    block = 1e12 * np.round(np.random.default_rng(2).normal(size=(50, 300)), 1)
    values, points = calculate(block, ["sum_of_reoccurring_values", "sum_of_reoccurring_data_points"]).T
    for row, series in enumerate(block):
        unique, counts = np.unique(series, return_counts=True)
        assert values[row] == np.sum(np.where(counts > 1, 1, 0) * unique)
        assert points[row] == np.sum(np.where(counts > 1, counts, 0) * unique)
