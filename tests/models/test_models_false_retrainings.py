"""False retrainings of the whole chain: machines, mechanics, late reports, outcomes, looks, tests."""

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.watched_fleet import DAY, SINCE, Plant, counted, decided_at, promised, simulate, watched
from models.monitoring.drift import FN, FP, RECENT, SINCE_PROMOTION, Budget, ReferenceRates, detect_drift
from models.monitoring.looks import Grid, count_looks

BUDGET = Budget()
HISTORIES = 150
PLANT = Plant(assets=160)
"""About six failures a look."""


@pytest.fixture(scope="module")
def promise() -> ReferenceRates:
    return promised(Plant(), np.random.default_rng(1), assets=8000)


def test_a_kept_promise_is_rarely_refuted(promise: ReferenceRates) -> None:
    """With delays and interventions, false rejections stay within the budget and three standard errors."""
    over = decided_at(watched(PLANT, HISTORIES, seed=2), promise, BUDGET)
    half = BUDGET.part(0.5)
    for rate in (FN, FP):
        for test, budget in ((SINCE_PROMOTION, half.alpha), (RECENT, 24 / half.mean_time_between_false)):
            assert over[rate, test].any(axis=1).mean() <= budget + 3 * math.sqrt(budget / HISTORIES)


def test_a_broken_promise_is_detected(promise: ReferenceRates) -> None:
    """A champion that comes to miss 45 % instead of 20 % of the failures is rejected in nine of ten histories."""
    over = decided_at(watched(replace(PLANT, worse_from=6), 60, seed=3), promise, BUDGET)
    assert (over[FN, SINCE_PROMOTION] | over[FN, RECENT]).any(axis=1).mean() > 0.9


def test_histories_side_by_side_are_the_histories_one_by_one(promise: ReferenceRates) -> None:
    """Counted and tested together, each history has the looks and the result that it has by itself."""
    plant, histories, grid = Plant(assets=60, worse_from=4, false_alarm=0.02), 4, Grid(SINCE, 7 * DAY)
    known = simulate(plant, histories, np.random.default_rng(4)).judged(plant.now)
    counts = counted(known, plant.assets, histories, grid)
    over = decided_at(counts, promise, BUDGET)
    rejections = 0
    for history in range(histories):
        own = frozenset(f"m{number}" for number in range(history * plant.assets, (history + 1) * plant.assets))
        seen = count_looks(known, grid, only=own)
        assert [look.missed for look in seen] == counts.missed[history].tolist()
        assert [look.failures for look in seen] == counts.failures[history].tolist()
        assert [look.false_episodes for look in seen] == counts.false_episodes[history].tolist()
        assert [look.exposure for look in seen] == pytest.approx(counts.exposure[history].tolist())
        parts = {
            name: frame[frame["asset"].isin(own)]
            for name, frame in (
                ("decisions", known.decisions),
                ("episodes", known.episodes),
                ("failures", known.failures),
            )
        }
        result = detect_drift(replace(known, **parts), promise, BUDGET, grid)
        for each in result.evidence:
            assert each.rejected == over[each.rate, each.test][history].any()
            rejections += each.rejected
    assert rejections


def test_interventions_and_delays_are_on() -> None:
    """Most announced failures are prevented, some reports are late, and some alarms go uninspected."""
    seen = simulate(PLANT, 5, np.random.default_rng(5))
    known = seen.judged(PLANT.now)
    states = known.failures["state"].value_counts()
    assert states["prevented"] > 1.3 * states["caught"]
    late = (seen.failures["known_time"] - seen.failures["event_time"]) > known.terms.reporting_delay
    assert 0.01 < late.mean() < 0.15
    assert known.terms.maturity > 28 * DAY
    assert (known.episodes["state"] == "unknown").any()
