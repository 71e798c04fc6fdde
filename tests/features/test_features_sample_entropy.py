"""Entropies of templates: what the parity tests cannot see."""

import numpy as np
import pytest

from features.kernels.block import Block
from features.kernels.sample_entropy import KERNELS

SHARES = (0.0, 0.1, 0.2, 0.9, 3.0)


def compute(calculator: str, series: np.ndarray, parameters: list[dict[str, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Give the values, one column a set of parameters, and the doubtful series."""
    block, kernel = Block(np.atleast_2d(series)), KERNELS[calculator]
    out = np.empty((len(parameters), block.n))
    with np.errstate(all="ignore"):
        doubtful = kernel.compute(block, kernel.prepare(parameters, block.samples), out)
    assert doubtful is not None
    return out.T, doubtful


def alike(x: np.ndarray, length: int, tolerance: float) -> np.ndarray:
    """Count, for each template, those with no sample further away than the tolerance; the slow and obvious way."""
    templates = np.array([x[i : i + length] for i in range(len(x) - length + 1)])
    return np.array([(np.abs(templates - one).max(axis=1) <= tolerance).sum() for one in templates], dtype=float)


def naive_approximate(x: np.ndarray, m: int, r: float) -> float:
    phi = [np.log(counts / len(counts)).mean() for counts in (alike(x, m + k, r * x.std()) for k in (0, 1))]
    return float(np.abs(phi[0] - phi[1]))


@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("samples", [7, 64, 65, 66, 128, 200])
def test_counts_are_those_of_the_naive_comparison(samples: int, m: int) -> None:
    """With any template length and tolerance, on both sides of a word's end, the counts are exact: ties too."""
    rng = np.random.default_rng(samples)
    series = np.array(
        [rng.normal(size=samples), np.round(rng.normal(size=samples).cumsum()) / 10, np.full(samples, 0.1)]
    )
    values, doubtful = compute("approximate_entropy", series, [{"m": m, "r": r} for r in SHARES])
    expected = [[naive_approximate(x, m, r) for r in SHARES] for x in series]
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-12)
    assert not doubtful.any()


def test_distances_at_the_tolerance_itself_are_alike() -> None:
    """Differences that equal the tolerance to the last bit count as numpy compares them: the sorted order decides."""
    rng = np.random.default_rng(0)
    series = rng.integers(0, 4, size=(200, 16)) * 0.1 + rng.choice([0.0, 1e3, 1e6], size=(200, 1))
    parameters = [{"m": 2, "r": 0.1 / x.std()} for x in series[:5]]
    values, _ = compute("approximate_entropy", series, parameters)
    expected = [[naive_approximate(x, 2, p["r"]) for p in parameters] for x in series]
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-12)


def test_long_windows_are_taken_in_pieces() -> None:
    """A window with more words of times than are held at once has the same counts."""
    x = np.round(np.random.default_rng(3).normal(size=2500), 2)
    pairs, longer = alike(x, 2, 0.2 * x.std()).sum() - 2499, alike(x, 3, 0.2 * x.std()).sum() - 2498
    assert compute("sample_entropy", x, [{}])[0][0, 0] == -np.log(longer / pairs)
    value = compute("approximate_entropy", x, [{"m": 3, "r": 0.3}])[0][0, 0]
    assert value == pytest.approx(naive_approximate(x, 3, 0.3), rel=1e-11)


def test_values_at_the_ends_of_what_is_defined() -> None:
    """Without a pair sample entropy is NaN, without a longer pair infinite; few samples have approximate entropy 0."""
    assert np.isnan(compute("sample_entropy", np.array([1.0, 2.0]), [{}])[0]).all()
    assert np.isposinf(compute("sample_entropy", np.array([1.0, 1.0, 1.0]), [{}])[0]).all()
    assert np.isnan(compute("sample_entropy", np.array([1.0, 2.0, 4.0, 8.0]), [{}])[0]).all()
    assert compute("approximate_entropy", np.array([1.0, 2.0, 4.0]), [{"m": 2, "r": 0.2}])[0].tolist() == [[0.0]]


def test_only_a_deviation_that_overflows_is_doubtful() -> None:
    """Every series whose standard deviation is a number is certain; the others do not disturb their neighbours."""
    noise = np.random.default_rng(1).normal(size=(4, 90))
    alone, _ = compute("sample_entropy", noise[2:], [{}])
    series = noise.copy()
    series[0] *= 1e200
    series[1] = np.sign(noise[1]) * 1.7e308
    values, doubtful = compute("sample_entropy", series, [{}])
    assert doubtful.tolist() == [True, True, False, False]
    assert values[2:].tobytes() == alone.tobytes()
    assert compute("approximate_entropy", series, [{"m": 2, "r": 0.1}])[1].tolist() == [True, True, False, False]


@pytest.mark.parametrize(("m", "r", "here"), [(2, 0.1, True), (4, 3, True), (1, 0.1, False), (2, -0.1, False)])
def test_parameters_computed_here(m: int, r: float, here: bool) -> None:
    """Templates of one sample, and radii that tsfresh refuses, are left to tsfresh."""
    assert KERNELS["approximate_entropy"].supports({"m": m, "r": r}) is here
