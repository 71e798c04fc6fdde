"""Promises that were themselves estimated: the declared budget holds, and what matters is seen."""

import math

import numpy as np
import pandas as pd
import pytest

from models.monitoring.drift import FN, Budget, evidence_in_phases
from models.monitoring.looks import Look
from models.outcomes.error_rates import occurrence, share
from models.outcomes.rate_intervals import effective_share
from models.promises.chain import VersionPromise, bind
from models.promises.limits import limit
from models.promises.reference_rates import MISSED, ReferenceRates
from pipelines.fleet.histories.look_counts import LookCounts, rejections
from pipelines.fleet.histories.promised import (
    TRUTH,
    Draw,
    Monitored,
    evaluated,
    evaluated_alarms,
    evaluated_by_asset,
    false_rejections,
    succession,
    won,
)

pytestmark = pytest.mark.verify

BUDGET = Budget()
HISTORIES = 800
START = pd.Timestamp("2026-01-01", tz="UTC")
EQUALS = succession([evaluated(30), *[won(30, 0.0)] * 5], BUDGET)


@pytest.mark.parametrize(
    ("draw", "monitored"),
    [
        pytest.param(evaluated(11), Monitored(6, 24), id="11 failures"),
        pytest.param(evaluated(30), Monitored(20, 52), id="30 failures"),
        pytest.param(won(30, 0.0), Monitored(6, 52), id="promoted on them, 6 a look"),
        pytest.param(won(30, 0.0), Monitored(20, 52), id="promoted on them, 20 a look"),
        pytest.param(won(30, 0.5), Monitored(20, 52), id="promoted on them, half alike"),
        pytest.param(succession([evaluated(30), won(30, 0.0)], BUDGET), Monitored(20, 52), id="the tighter of two"),
        pytest.param(EQUALS, Monitored(20, 52), id="the tightest of six"),
        pytest.param(evaluated_by_asset(20, 3, 0.3), Monitored(20, 52), id="clustered by asset"),
        pytest.param(evaluated_alarms(11.0), Monitored(6, 24), id="11 false alarms"),
        pytest.param(evaluated_alarms(30.0), Monitored(20, 52), id="30 false alarms"),
    ],
)
def test_an_estimated_promise_keeps_the_declared_budget(draw: Draw, monitored: Monitored) -> None:
    """A champion that has not changed is found worse no more often than declared, and two standard errors."""
    budget = BUDGET.part(BUDGET.missed_share)
    declared = budget.alpha + monitored.looks / budget.mean_time_between_false
    rejected = false_rejections(draw, monitored, BUDGET, HISTORIES, seed=20261130)
    assert rejected.mean() <= declared + 2 * math.sqrt(declared / HISTORIES)


@pytest.mark.parametrize("failures", [6, 11])
def test_a_provisional_promise_keeps_the_budget_when_it_is_made_tighter(failures: int) -> None:
    """Settled by its own first looks, a promise by few failures is refuted no more often than declared."""
    budget, histories, looks, per_look = BUDGET.part(BUDGET.missed_share), 250, 52, 6
    declared, rng = budget.alpha + looks / budget.mean_time_between_false, np.random.default_rng(20261202)
    rejected = settled = 0
    for _ in range(histories):
        promise = ReferenceRates(share(int(rng.binomial(failures, TRUTH)), failures), occurrence(0, 0.0))
        missed = rng.binomial(per_look, TRUTH, looks)
        counted = [Look(START + n * BUDGET.every, int(each), per_look, 0, 0.0) for n, each in enumerate(missed, 1)]
        evidence, counts = evidence_in_phases(counted, promise, BUDGET)
        rejected += any(each.rejected for each in evidence)
        settled += counts.missed.of > failures
    assert settled > histories / 2
    assert rejected / histories <= declared + 2 * math.sqrt(declared / histories)


def test_the_selection_is_what_breaks_the_budget() -> None:
    """Uncorrected, the failures that promoted a champion are held against it more often than declared."""
    rejected = false_rejections(won(30, 0.0, corrected=False), Monitored(20, 52), BUDGET, HISTORIES, seed=20261130)
    assert rejected.mean() > 0.15


def test_after_a_promotion_on_few_failures_the_old_promise_still_sees_a_drift() -> None:
    """As in the demonstration: ten failures promoted the second champion; a miss rate of 40 % is seen in 26 looks."""
    evaluated_on, settled, second = (
        ReferenceRates(effective_share(of, missed / of, effective), occurrence(0, 0.0))
        for missed, of, effective in DEMO_PROMISES
    )
    chain = [VersionPromise(1, evaluated_on), VersionPromise(1, settled), VersionPromise(2, second)]
    bound = bind(chain, BUDGET.certainty)
    assert bound.missed_from == 1
    assert limit(bound.rates, MISSED, BUDGET.certainty) <= limit(evaluated_on, MISSED, BUDGET.certainty)
    assert _seen(bound.rates) > 0.8
    assert _seen(second) < 0.1


DEMO_PROMISES = ((6, 36, 26.9), (11, 68, 58.9), (5, 23, 20.0))
"""Missed, of how many failures, of how many effective ones: the evaluation of the demonstration's first champion, the
same settled by its own first looks, and what its second champion promises by itself."""
DEMO_FAILURES_A_LOOK = 7


def _seen(promise: ReferenceRates) -> float:
    shape = (HISTORIES, 26)
    missed = np.random.default_rng(20261201).binomial(DEMO_FAILURES_A_LOOK, 0.4, shape).astype(float)
    failures, none = np.full(shape, float(DEMO_FAILURES_A_LOOK)), np.zeros(shape)
    promise = ReferenceRates(promise.missed, occurrence(1, 1.0), missed_place=promise.missed_place)
    over = rejections(LookCounts(missed, failures, none, none), promise, BUDGET)
    return float(np.any([looks.any(axis=1) for (rate, _), looks in over.items() if rate == FN], axis=0).mean())
