"""The test of which model is cheaper, against an obvious one, and its level."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.retraining.sign_flips import sign_flips

# Whole numbers, as costs of whole errors: sums tie.
differences = st.lists(st.integers(-4, 4), min_size=1, max_size=9)


def _all_sums(values: list[int]) -> list[int]:
    """Return the sums over all signs, one by one."""
    return [sum(sign * value for sign, value in zip(signs, values, strict=True)) for signs in _signs(len(values))]


def _signs(count: int) -> list[tuple[int, ...]]:
    return list(itertools.product((-1, 1), repeat=count))


@given(differences, st.sampled_from([0.02, 0.1, 0.3]))
def test_few_differences_are_enumerated(values: list[int], alpha: float) -> None:
    """The p-value is the share of all signs with a sum as low; the size the largest such share within alpha."""
    result = sign_flips(np.array(values, dtype=float), alpha=alpha, draws=100, seed=0)
    sums = np.array(_all_sums(values))
    shares = [float((sums <= value).mean()) for value in sums if value < 0]
    assert result.p_value == pytest.approx(float((sums <= sum(values)).mean()))
    assert result.size == pytest.approx(max([share for share in shares if share <= alpha], default=0.0))


@given(differences, st.sampled_from([0.05, 0.1, 0.25]))
def test_the_level_is_exact_over_all_signs(values: list[int], alpha: float) -> None:
    """Were each difference as likely plus as minus, the test would reject exactly as often as it says."""
    rejected = [
        sign_flips(np.array(values, dtype=float) * signs, alpha=alpha, draws=100, seed=0).rejects(alpha)
        for signs in _signs(len(values))[:: 1 if len(values) < 8 else 4]
    ]
    size = sign_flips(np.array(values, dtype=float), alpha=alpha, draws=100, seed=0).size
    assert size <= alpha
    if len(values) < 8:
        assert np.mean(rejected) == pytest.approx(size)


def test_many_differences_are_drawn() -> None:
    """With many assets random signs give nearly the normal tail, the same for the same seed, and never zero."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=80) - 0.2
    one, same = (sign_flips(values, alpha=0.1, draws=20_000, seed=1) for _ in range(2))
    assert one == same
    z = values.sum() / np.sqrt((values**2).sum())
    assert one.p_value == pytest.approx(_normal_below(z), abs=0.01)
    assert one.size == pytest.approx(0.1, abs=0.005)
    assert sign_flips(np.full(80, -1.0), alpha=0.1, draws=1000, seed=0).p_value == pytest.approx(1 / 1001)


def test_models_that_err_alike_are_never_told_apart() -> None:
    """Without a difference the p-value is one, and nothing is spent."""
    result = sign_flips(np.zeros(5), alpha=0.1, draws=100, seed=0)
    assert (result.p_value, result.size, result.rejects(0.1)) == (1.0, 0.0, False)


def _normal_below(value: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(value))
