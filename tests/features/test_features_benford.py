"""First digits as they are printed, and when their correlation is sure."""

import numpy as np

from features.kernels.benford import KERNELS, first_digit
from features.kernels.block import Block


def printed_digit(value: float) -> int:
    return int(np.format_float_scientific(value)[0])


def test_the_first_digit_is_the_printed_one() -> None:
    """Numbers with one digit, their neighbours and numbers of all sizes have the digit that is printed."""
    steps = KERNELS["benford_correlation"].prepare([{}], 1)
    ones = [float(f"{digit}e{power}") for power in (-307, -30, -5, -1, 0, 1, 17, 22, 23, 300) for digit in range(1, 10)]
    random = np.random.default_rng(8).normal(size=3000) * 10.0 ** np.random.default_rng(9).integers(-300, 300, 3000)
    near = [value for one in ones for value in (np.nextafter(one, 0), one, np.nextafter(one, np.inf))]
    for value in np.abs(np.array([*near, *random, 1.7e308, 2.3e-308])):
        exponent = np.array(value).view(np.int64) >> 52
        assert first_digit(value, steps[exponent]) == printed_digit(value)
    assert first_digit(0.0, steps[0]) == 0


def test_digits_are_doubtful_when_subnormal_or_all_as_frequent() -> None:
    """Noise, steps and constants are sure; a correlation with nine equal shares is rounding only."""
    noise = np.random.default_rng(10).normal(size=9)
    rows = [noise, np.round(noise), np.full(9, 0.1), np.zeros(9), np.arange(1.0, 10), 5e-324 * np.arange(9.0)]
    out = np.empty((1, len(rows)))
    kernel = KERNELS["benford_correlation"]
    doubtful = kernel.compute(Block(np.array(rows)), kernel.prepare([{}], 9), out)
    assert doubtful is not None
    assert doubtful.tolist() == [False, False, False, False, True, True]
    assert np.isnan(out[0, 3])
