"""Skewness and kurtosis far from zero, samples just on a radius, and the rule for constants."""

from fractions import Fraction

import numpy as np
import pytest

from features.calculators.calculate import calculate
from features.kernels.block import Block
from features.kernels.moments import KERNELS


def exact_shape(series: np.ndarray) -> tuple[float, float]:
    """Compute skewness and kurtosis with fractions, the slow and obvious way."""
    samples = [Fraction(float(value)) for value in series]
    n, mean = len(samples), sum(samples) / len(samples)
    m2, m3, m4 = (float(sum((x - mean) ** power for x in samples)) for power in (2, 3, 4))
    skew = n * np.sqrt(n - 1) / (n - 2) * m3 / m2**1.5
    return skew, (n - 1) / ((n - 2) * (n - 3)) * (n * (n + 1) * m4 / m2**2 - 3 * (n - 1))


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e9, -1e12])
@pytest.mark.parametrize("samples", [4, 31, 128])
def test_the_shape_does_not_depend_on_where_zero_is(offset: float, samples: int) -> None:
    """An offset of a trillion times the spread costs no digit, however the mean was rounded."""
    series = offset + np.random.default_rng(samples).gamma(2, size=samples)
    result = calculate(series[None, :], ["skewness", "kurtosis"])[0]
    np.testing.assert_allclose(result, exact_shape(series), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e6 / 3, 1e-9])
def test_a_constant_has_no_shape(value: float) -> None:
    """A constant has NaN as skewness and kurtosis, though its deviation may be a rounding error over zero."""
    for samples in (3, 4, 10, 99, 1000):
        assert np.isnan(calculate(np.full((1, samples), value), ["skewness", "kurtosis"])).all()


def test_only_numbers_out_of_range_are_doubtful() -> None:
    """Scales from a billionth to a billion are sure; where fourth powers leave the range of numbers they are not."""
    noise = np.random.default_rng(3).normal(size=40)
    block = Block(noise * np.array([[1e-9], [1.0], [1e9], [1e-80], [1e80]]))
    out = np.empty((1, 5))
    for name in ("skewness", "kurtosis"):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            doubtful = KERNELS[name].compute(block, None, out)
        assert doubtful is not None
        assert doubtful.tolist() == [False, False, False, True, True]


def test_a_sample_on_the_radius_is_not_beyond_it() -> None:
    """Zeros and ones in equal parts lie exactly one deviation from their mean."""
    block = np.tile([0.0, 1.0], (1, 50))
    result = calculate(block, ["ratio_beyond_r_sigma__r_1", "ratio_beyond_r_sigma__r_0.5", "ratio_beyond_r_sigma__r_2"])
    assert result.tolist() == [[0.0, 1.0, 0.0]]
