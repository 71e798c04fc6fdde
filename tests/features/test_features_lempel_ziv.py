"""Complexity by compression: what the parity tests cannot see."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from features.kernels.block import Block
from features.kernels.lempel_ziv import KERNELS, _tries, most_words

KERNEL = KERNELS["lempel_ziv_complexity"]
BINS = (1, 2, 3, 5, 7, 10, 100, 1000)


def word_counts(series: np.ndarray, bins: tuple[int, ...] = BINS) -> tuple[np.ndarray, np.ndarray]:
    """Count the words, one column a number of bins, and flag the doubtful series."""
    block = Block(np.atleast_2d(series))
    out = np.empty((len(bins), block.n))
    tables = KERNEL.prepare([{"bins": number} for number in bins], block.samples)
    with np.errstate(all="ignore"):
        doubtful = KERNEL.compute(block, tables, out)
    assert doubtful is not None
    return out.T * block.samples, doubtful


def naive(x: np.ndarray, bins: int) -> int:
    """Put words into a set, as tsfresh does."""
    symbols = np.searchsorted(np.linspace(x.min(), x.max(), bins + 1)[1:], x)
    words: set[tuple[int, ...]] = set()
    word: tuple[int, ...] = ()
    for symbol in symbols:
        word = (*word, int(symbol))
        if word not in words:
            words.add(word)
            word = ()
    return len(words)


def test_the_example_of_the_definition() -> None:
    """100111 falls into 1, 0, 01 and 11."""
    counts, doubtful = word_counts(np.array([1.0, 0, 0, 1, 1, 1]), (2,))
    assert counts.round(12).tolist() == [[4]]
    assert not doubtful.any()


def test_tries_are_used_again_for_other_lengths_and_bins() -> None:
    """What a thread's tries have kept from other series, of other lengths and bins, is no word of this one."""
    rng = np.random.default_rng(5)
    for samples in (40, 7, 300, 40, 299, 13):
        for bins in ((2, 100), (100, 2, 3), (7,)):
            series = rng.integers(0, 4, size=(3, samples)).astype(float)
            expected = [[naive(x, number) for number in bins] for x in series]
            np.testing.assert_allclose(word_counts(series, bins)[0], expected, rtol=1e-12)


def test_numbers_of_nodes_start_again() -> None:
    """Before node numbers run out the tries are cleared."""
    series = np.random.default_rng(6).normal(size=(4, 50))
    expected = word_counts(series)[0]
    for left in (1, 10_000, 200_000):
        _tries.root[0] = 2**32 - 1 - left
        assert word_counts(series)[0].tolist() == expected.tolist()
        assert _tries.root[0] < 2**31


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 40)),
        elements=st.one_of(st.integers(0, 10).map(lambda tenths: tenths / 10), st.floats(-1e3, 1e3)),
    )
)
def test_words_are_those_of_the_naive_parsing(series: np.ndarray) -> None:
    """Tries that are used for one series after the other count what a fresh set of words counts, for any bins."""
    counts, doubtful = word_counts(series)
    expected = np.array([[naive(x, number) for number in BINS] for x in series])
    np.testing.assert_allclose(counts[~doubtful], expected[~doubtful], rtol=1e-12)


@pytest.mark.parametrize("bins", [2, 3, 5, 10, 100])
def test_samples_on_an_edge_fall_where_numpy_puts_them(bins: int) -> None:
    """A series made of the edges themselves, and of their neighbours by one bit, is binned as numpy.linspace rounds."""
    rng = np.random.default_rng(bins)
    for _ in range(20):
        low = rng.normal() * 10.0 ** rng.integers(-3, 4)
        edges = np.linspace(low, low + rng.exponential(), bins + 1)
        samples = np.concatenate([edges, np.nextafter(edges[1:], -np.inf), np.nextafter(edges[:-1], np.inf)])
        series = np.append(rng.permutation(np.tile(samples, 3)), edges[[0, -1]])
        counts, doubtful = word_counts(series, (bins,))
        assert not doubtful.any()
        assert counts.round(9).tolist() == [[naive(series, bins)]]


def test_doubt_is_rare() -> None:
    """Noise, walks, quantised and constant series are certain, with an offset too; a range of roundings is not."""
    noise = np.random.default_rng(0).normal(size=(30, 200))
    for series in (noise, noise.cumsum(axis=1), noise.round(1), noise > 0, 0 * noise + 0.1, 1e9 + noise, 1e-12 * noise):
        assert not word_counts(np.asarray(series, dtype=float))[1].any()
    assert word_counts(1e9 + 1e-5 * noise)[1].all()
    assert word_counts(np.sign(noise) * 1.7e308)[1].all()


@pytest.mark.parametrize("bins", [1, 2, 3, 5, 100])
def test_the_room_is_enough(bins: int) -> None:
    """No series falls into more words than the tries have room for, and the bound is reached."""
    for samples in range(1, 60):
        symbols = np.random.default_rng(samples).integers(0, bins, size=(50, samples)).astype(float)
        assert max(naive(x, bins) for x in symbols) <= most_words(bins, samples)
    assert most_words(2, 10) == 2 + 4
    assert most_words(1, 10) == 4
