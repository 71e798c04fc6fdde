"""The tests of a rate as monitoring uses them: counts in, evidence out, in every mode."""

import math
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from models.monitoring.drift import Budget
from models.sequential_tests.count_models import beta_binomial, negative_binomial
from models.sequential_tests.e_detectors import shiryaev_roberts
from models.sequential_tests.rate_tests import (
    RECENT,
    SINCE_PROMOTION,
    CountedRate,
    Dependence,
    LookCounts,
    Promised,
    log_evidence,
    log_thresholds,
)

MODES: tuple[Dependence, ...] = get_args(Dependence)
NONE = np.zeros((1, 0))
THRESHOLD = math.log(1000)


def _counts(
    missed: npt.ArrayLike = 0.0,
    failures: npt.ArrayLike = 0.0,
    false: npt.ArrayLike = 0.0,
    exposure: npt.ArrayLike = 0.0,
) -> LookCounts:
    columns = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(x, dtype=float)) for x in (missed, failures, false, exposure))
    )
    return LookCounts(*(column[None] for column in columns))


def _misses(counts: LookCounts) -> CountedRate:
    promised = Promised(0.2, 0.35, 0.2, np.ones(counts.missed.shape[1]))
    return CountedRate.of_misses(counts, promised, LookCounts(NONE, NONE, NONE, NONE), 0.1)


def _false_alarms(counts: LookCounts) -> CountedRate:
    promised = Promised(0.1, 0.15, 0.1, np.ones(counts.missed.shape[1]))
    return CountedRate.of_false_alarms(counts, promised, LookCounts(NONE, NONE, NONE, NONE), 0.6)


@pytest.mark.parametrize(
    "impossible",
    [
        {"missed": 2, "failures": 1},
        {"missed": -1, "failures": 1},
        {"failures": 1.5},
        {"failures": math.nan},
        {"false": 0.5, "exposure": 1.0},
        {"false": -1, "exposure": 1.0},
        {"exposure": -1.0},
        {"exposure": math.inf},
        {"exposure": math.nan},
    ],
)
def test_impossible_counts_are_refused(impossible: dict[str, float]) -> None:
    """More misses than failures, fractions of events, and infinite exposure are a usage error, in whichever look."""
    with pytest.raises(UsageError):
        _counts(**{name: [0.0, value, 0.0] for name, value in impossible.items()})


@pytest.mark.parametrize("dependence", MODES)
def test_a_false_alarm_where_nothing_was_watched_changes_nothing(dependence: Dependence) -> None:
    """An episode of the last week before a shutdown may mature in it: evidence goes on as if it had not."""
    watched = [6.0, 6.0, 0.0, 6.0]
    with_it, without = (
        log_evidence(_false_alarms(_counts(false=[1, 0, late, 2], exposure=watched)), dependence, THRESHOLD)
        for late in (1, 0)
    )
    for test in (SINCE_PROMOTION, RECENT):
        assert np.isfinite(with_it[test]).all()
        np.testing.assert_array_equal(with_it[test], without[test])


@given(looks=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8))
def test_evidence_of_independent_events_is_that_of_the_sums(looks: list[tuple[int, int]]) -> None:
    """How failures are split into looks, and looks without any, do not change the evidence since the promotion."""
    missed, caught = np.array(looks).T
    split = np.zeros((2, 2 * len(looks)))
    split[:, ::2] = missed, missed + caught
    values = log_evidence(_misses(_counts(*split)), "independent")[SINCE_PROMOTION]
    whole = log_evidence(_misses(_counts(missed.sum(), (missed + caught).sum())), "independent")[SINCE_PROMOTION]
    assert values[0, -1] == pytest.approx(whole[0, -1], abs=1e-9)


def test_evidence_of_the_recent_past_is_that_of_its_updates() -> None:
    """Look by look, with looks of nothing left out."""
    exposure = [10.0, 0.0, 30.0, 10.0]
    rate = _false_alarms(_counts(false=[2, 0, 5, 4], exposure=exposure))
    values = log_evidence(rate, "independent", THRESHOLD)[RECENT][0]
    alternatives = rate.model.independent(0.1, 0.15)
    sums = np.full(len(alternatives.rates), -np.inf)
    for look, (events, amount) in enumerate(zip([2, 0, 5, 4], exposure, strict=True)):
        if amount:
            sums = shiryaev_roberts(sums, events, amount, alternatives, THRESHOLD)
        assert values[look] == pytest.approx(alternatives.log_mixture(sums))


@pytest.mark.parametrize("dependence", MODES)
def test_looks_of_nothing_are_no_evidence(dependence: Dependence) -> None:
    """However many looks there were in which nothing matured, the evidence is that of the start."""
    for rate in (_misses(_counts(np.zeros(100))), _false_alarms(_counts(np.zeros(100)))):
        values = log_evidence(rate, dependence, THRESHOLD)
        np.testing.assert_allclose(values[SINCE_PROMOTION], 0, atol=1e-12)
        assert (values[RECENT] == -np.inf).all()


def test_the_thresholds_are_what_is_declared() -> None:
    """1 / alpha since the promotion, and the mean time between false decisions."""
    thresholds = log_thresholds(0.05, 500)
    assert math.exp(thresholds[SINCE_PROMOTION]) == pytest.approx(20)
    assert math.exp(thresholds[RECENT]) == pytest.approx(500)


@settings(max_examples=30)
@given(st.floats(0.01, 0.5), st.floats(0.05, 1.0))
def test_a_model_knows_dispersions_from_none_to_the_largest_allowed_for(correlation: float, variation: float) -> None:
    """Rising from independence to the declared correlation, or squared variation, without a gap between."""
    for model, largest in ((beta_binomial(correlation), correlation), (negative_binomial(variation), variation**2)):
        dispersions = np.array(model.dispersions)
        assert dispersions[0] == 0
        assert dispersions[-1] == pytest.approx(largest)
        assert (np.diff(dispersions) > 0).all()
        assert (dispersions[2:] / dispersions[1:-1] <= 2.25 + 1e-9).all()


def test_what_may_be_correlated_is_no_evidence_and_what_may_not_is() -> None:
    """A bad look is weaker evidence the more correlation is allowed for, and as strong as independent at hardly any."""
    bad = _counts([4, 4, 14, 4, 4, 13], 20)
    promised = Promised(0.2, 0.3, 0.2, np.ones(6))
    none = LookCounts(NONE, NONE, NONE, NONE)
    evidence = [
        log_evidence(CountedRate.of_misses(bad, promised, none, allowed), "auto", THRESHOLD)[RECENT][0, -1]
        for allowed in (Budget().correlation / 5, Budget().correlation, 0.3)
    ]
    assert evidence[0] > evidence[1] > evidence[2]
