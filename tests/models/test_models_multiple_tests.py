import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from models.sequential_tests.multiple_tests import e_bh


def _by_definition(values: list[float], alpha: float) -> list[bool]:
    """Reject the k largest, for the largest k whose k-th largest value is n / (k alpha) or more."""
    ranked = sorted(values, reverse=True)
    fitting = [k for k in range(1, len(values) + 1) if k * ranked[k - 1] * alpha >= len(values)]
    if not fitting:
        return [False] * len(values)
    return [value >= ranked[max(fitting) - 1] for value in values]


@given(
    values=st.lists(st.floats(0.001, 500), min_size=1, max_size=12, unique=True),
    alpha=st.sampled_from([0.05, 0.1, 0.3]),
)
def test_discoveries_are_those_of_the_definition(values: list[float], alpha: float) -> None:
    """The discoveries are those of trying every k."""
    assert e_bh(np.log(values), alpha).tolist() == _by_definition(values, alpha)


def test_false_discoveries_are_held_under_full_dependence() -> None:
    """With every slice hit by the same chance, the false discovery rate is at most alpha, and often attained."""
    uniform = np.random.default_rng(1).random(4000)
    false = [e_bh(np.full(10, math.log(20) if u <= 0.05 else -math.inf), 0.05).any() for u in uniform]
    assert 0.03 < np.mean(false) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 4000)


def test_one_slice_is_tested_at_alpha() -> None:
    """With one test only, its e-value must reach 1 / alpha; with none, there is no discovery."""
    assert e_bh([math.log(20.001)], 0.05).all()
    assert not e_bh([math.log(19.999)], 0.05).any()
    assert not e_bh([], 0.05).size


@pytest.mark.parametrize(("values", "alpha"), [([0.0], 0.0), ([0.0], 1.0), ([math.nan], 0.05), ([[0.0]], 0.05)])
def test_invalid_e_values_are_refused(values: list[float], alpha: float) -> None:
    """An alpha outside 0 to 1, and values that are not numbers, are usage errors."""
    with pytest.raises(UsageError):
        e_bh(values, alpha)
