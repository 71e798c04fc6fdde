"""Bets that need only the mean."""

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.sequential_tests.bets import bet_evidence


@given(
    values=st.lists(st.floats(0, 40), min_size=2, max_size=4),
    weights=st.lists(st.floats(0.01, 1), min_size=4, max_size=4),
    kept=st.floats(0.2, 1),
)
def test_evidence_is_expected_to_be_one_at_most(values: list[float], weights: list[float], kept: float) -> None:
    """Whatever the distribution of the counts, if their mean is the promised one or less: over all outcomes."""
    shares = np.array(weights[: len(values)]) / sum(weights[: len(values)])
    mean = float(shares @ np.array(values))
    if mean < 1e-6:
        return
    looks = 3
    outcomes = np.array(list(itertools.product(range(len(values)), repeat=looks)))
    probabilities = shares[outcomes].prod(axis=1)
    since, recent = bet_evidence(np.array(values)[outcomes], np.full(outcomes.shape, mean / kept))
    assert probabilities @ np.exp(since[:, -1]) <= 1 + 1e-9
    assert probabilities @ np.exp(recent[:, -1]) <= looks + 1e-9
    assert probabilities @ (recent >= math.log(10)).any(axis=1) <= looks / 10


def test_twice_the_promised_is_detected_and_nothing_expected_changes_nothing() -> None:
    """Evidence grows while twice as much comes as promised; looks at which nothing is expected leave it."""
    events, expected = np.array([[10.0] * 5 + [0.0] + [20.0] * 20]), np.array([[10.0] * 5 + [0.0] + [10.0] * 20])
    since, recent = bet_evidence(events, expected)
    np.testing.assert_allclose(since[0, :6], 0, atol=1e-12)
    assert recent[0, 5] == recent[0, 4]
    assert since[0, -1] > math.log(40)
    assert recent[0, -1] > math.log(1000)
