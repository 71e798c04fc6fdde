"""False retrainings of the whole chain: machines, mechanics, late reports, outcomes, looks, tests."""

import math
from dataclasses import replace

import numpy as np
import pytest

from models.monitoring.drift import FN, FP, RECENT, SINCE_PROMOTION, Budget, ReferenceRates, detect_drift
from models.monitoring.looks import Grid, count_looks
from pipelines.fleet.histories.look_counts import rejections, tally_looks
from pipelines.fleet.histories.monitored import (
    HORIZON,
    SINCE,
    MonitoredPlant,
    measure_reference_rates,
    simulate,
    simulated_looks,
    simulated_outcomes,
)
from pipelines.fleet.histories.recorded import DAY

pytestmark = pytest.mark.verify

BUDGET = Budget()
HISTORIES = 150
PLANT = MonitoredPlant(assets=160)
"""About six failures a look."""


@pytest.fixture(scope="module")
def reference() -> ReferenceRates:
    return measure_reference_rates(MonitoredPlant(), np.random.default_rng(1), assets=8000)


def test_a_kept_promise_is_rarely_refuted(reference: ReferenceRates) -> None:
    """With delays and interventions, false rejections stay within the budget and three standard errors."""
    over = rejections(simulated_looks(PLANT, HISTORIES, seed=2), reference, BUDGET)
    half = BUDGET.part(0.5)
    for rate in (FN, FP):
        for test, budget in ((SINCE_PROMOTION, half.alpha), (RECENT, 24 / half.mean_time_between_false)):
            assert over[rate, test].any(axis=1).mean() <= budget + 3 * math.sqrt(budget / HISTORIES)


def test_a_broken_promise_is_detected(reference: ReferenceRates) -> None:
    """A champion that comes to miss 45 % instead of 20 % of the failures is rejected in nine of ten histories."""
    over = rejections(simulated_looks(replace(PLANT, worse_from=6), 60, seed=3), reference, BUDGET)
    assert (over[FN, SINCE_PROMOTION] | over[FN, RECENT]).any(axis=1).mean() > 0.9


def test_histories_side_by_side_are_the_histories_one_by_one(reference: ReferenceRates) -> None:
    """Counted and tested together, each history has the looks and the result that it has by itself."""
    plant, histories, grid = MonitoredPlant(assets=60, worse_from=4, false_alarm=0.02), 4, Grid(SINCE, 7 * DAY)
    outcomes = simulated_outcomes(plant, histories, np.random.default_rng(4))
    counts = tally_looks(outcomes, plant.assets, histories, grid)
    over = rejections(counts, reference, BUDGET)
    rejected = 0
    for history in range(histories):
        own = frozenset(f"m{number}" for number in range(history * plant.assets, (history + 1) * plant.assets))
        alone = count_looks(outcomes, grid, only=own)
        assert [look.missed for look in alone] == counts.missed[history].tolist()
        assert [look.failures_at_most for look in alone] == counts.failures[history].tolist()
        assert [look.false_at_least for look in alone] == counts.false_episodes[history].tolist()
        assert [look.exposure for look in alone] == pytest.approx(counts.exposure[history].tolist())
        parts = {
            name: frame[frame["asset"].isin(own)]
            for name, frame in (
                ("decisions", outcomes.decisions),
                ("episodes", outcomes.episodes),
                ("failures", outcomes.failures),
            )
        }
        result = detect_drift(replace(outcomes, **parts), reference, BUDGET, grid)
        for each in result.evidence:
            assert each.rejected == over[each.rate, each.test][history].any()
            rejected += each.rejected
    assert rejected


def test_interventions_and_delays_are_on() -> None:
    """Most announced failures are prevented, some reports are late, and some alarms go uninspected."""
    recorded = simulate(PLANT, 5, np.random.default_rng(5))
    outcomes = recorded.outcomes(PLANT.now, HORIZON)
    states = outcomes.failures["state"].value_counts()
    assert states["prevented"] > 1.3 * states["caught"]
    late = (recorded.failures["known_time"] - recorded.failures["event_time"]) > outcomes.terms.reporting_delay
    assert 0.01 < late.mean() < 0.15
    assert outcomes.terms.maturity > 28 * DAY
    assert (outcomes.episodes["state"] == "unknown").any()
