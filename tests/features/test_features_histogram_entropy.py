"""The entropy of a histogram: numpy's bins to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.kernels.arithmetic.histograms import count_ordered, lay_bins
from features.kernels.block import Block
from features.kernels.histogram_entropy import binned_entropy, prepare_entropies


@given(
    seed=st.integers(0, 2**32 - 1),
    samples=st.integers(1, 60),
    bins=st.integers(1, 40),
    step=st.sampled_from([0.1, 0.3, 1.0, 1e-7, 2.0**-33]),
    offset=st.sampled_from([0.0, -7.3, 1e6]),
)
def test_a_sample_on_an_edge_falls_where_numpy_puts_it(
    seed: int, samples: int, bins: int, step: float, offset: float
) -> None:
    """Quantised series, whose samples stand on the edges of bins, are counted as numpy counts them."""
    series = np.sort(np.random.default_rng(seed).integers(0, 41, samples) * step + offset)
    edges, counts = np.empty(bins + 1), np.empty(bins, np.int64)
    assert lay_bins(series[0], series[-1], edges)
    count_ordered(series, edges, counts)
    expected, expected_edges = np.histogram(series, bins)
    assert edges.tobytes() == expected_edges.tobytes()
    assert counts.tolist() == expected.tolist()


@pytest.mark.parametrize(("bins", "expected"), [(1, 0.0), (2, np.log(2)), (4, np.log(4))])
def test_equal_shares_have_the_logarithm_of_their_number(bins: int, expected: float) -> None:
    """The entropy of equal shares is log(bins)."""
    out = np.empty((1, 1))
    binned_entropy(Block(np.arange(8.0)[None, :]), prepare_entropies([{"max_bins": bins}], 8), out)
    assert out[0, 0] == pytest.approx(expected)


def test_bins_that_have_no_width_have_no_entropy() -> None:
    """Where numpy refuses a histogram, a range of a few last bits, there is no value; a constant has one bin."""
    series = np.array([[1e6, np.nextafter(1e6, 2e6)], [1e17, 1e17], [3.0, 3.0]])
    out = np.empty((1, 3))
    doubtful = binned_entropy(Block(series), prepare_entropies([{"max_bins": 10}], 2), out)
    np.testing.assert_array_equal(out, [[np.nan, np.nan, 0.0]])
    assert doubtful is not None
    assert not doubtful.any()


def test_a_range_beyond_the_numbers_is_doubted() -> None:
    """A range that overflows is left to tsfresh."""
    tables = prepare_entropies([{"max_bins": 3}], 2)
    with np.errstate(over="ignore"):  # as the plan has it
        doubtful = binned_entropy(Block(np.array([[-1e308, 1e308]])), tables, np.empty((1, 1)))
    assert doubtful is not None
    assert doubtful.all()
