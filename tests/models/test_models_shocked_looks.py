"""False retrainings where events have common causes or seasons, and how soon changes are seen, over many histories.

The same as a table, with more rows: `pytest benchmarks/test_bench_dependence.py --benchmark-only`.
"""

import math

import numpy as np
import pytest

from models.monitoring.drift import Budget
from pipelines.fleet.histories.shocked_looks import FalseAlarmLooks, MissedLooks, budget_of, decide

pytestmark = pytest.mark.verify

HISTORIES = 800
LOOKS = 52
BUDGET = budget_of(LOOKS, Budget())
MOST = BUDGET + 2 * math.sqrt(BUDGET * (1 - BUDGET) / HISTORIES)

KEPT = [
    *(
        MissedLooks(failures, correlation=correlation, evaluation=evaluation)
        for failures in (6, 20, 100)
        for correlation, evaluation in ((0.0, 52), (0.05, 52), (0.1, 52), (0.05, 0), (0.1, 0))
    ),
    *(
        FalseAlarmLooks(expected, shocks=0.2, evaluation=weeks, declared_season=0.0)
        for expected in (14, 50)
        for weeks in (52, 4)
    ),
    *(FalseAlarmLooks(expected, season=season, evaluation=4) for expected in (14, 50) for season in (0.2, 0.35)),
    FalseAlarmLooks(50, season=0.35, shocks=0.2, evaluation=4),
    FalseAlarmLooks(14, shocks=0.3, shape="lognormal", declared_season=0.0),
    *(FalseAlarmLooks(expected, shocks=0.3, shape="spikes", declared_season=0.0) for expected in (14, 50)),
    *(MissedLooks(failures, correlation=0.3, declared_correlation=0.3) for failures in (6, 20, 100)),
]


@pytest.mark.parametrize("plant", KEPT, ids=str)
def test_a_kept_promise_is_refuted_within_the_budget(plant: MissedLooks | FalseAlarmLooks) -> None:
    """Within a year, at every correlation, shock and season up to the declared one; and where one week is far worse."""
    assert decide(plant.draw(HISTORIES, np.random.default_rng(31)), Budget()).false_share <= MOST


@pytest.mark.parametrize(
    "plant",
    [
        MissedLooks(20, correlation=0.1, evaluation=0),
        MissedLooks(100, correlation=0.3),
        MissedLooks(100, spikes=0.7),
        FalseAlarmLooks(50, shocks=0.3, shape="spikes", declared_season=0.0),
        FalseAlarmLooks(50, season=0.35, shocks=0.2, evaluation=4),
    ],
    ids=str,
)
def test_bets_assume_nothing_about_dependence(plant: MissedLooks | FalseAlarmLooks) -> None:
    """Spikes that no model of "auto" has are within the budget too."""
    decided = decide(plant.draw(HISTORIES, np.random.default_rng(32)), Budget(dependence="any"))
    assert decided.false_share <= MOST


def test_correlated_events_refute_a_kept_promise_where_they_are_taken_for_independent() -> None:
    """The reason for all this."""
    plant = MissedLooks(100, correlation=0.05)
    independent = Budget(dependence="independent")
    assert decide(plant.draw(200, np.random.default_rng(33)), independent).false_share > 0.9


@pytest.mark.parametrize("failures", [2, 6, 20, 100])
@pytest.mark.parametrize("healthy", [6, 48])
def test_independent_events_are_tested_nearly_as_soon_as_if_that_were_known(failures: int, healthy: int) -> None:
    """From 20 % to 45 % missed, after a year of evaluation: the median delay is at most one look longer."""
    plant = MissedLooks(failures, healthy + 30, worse_from=healthy)
    known, estimated = (
        np.median(decide(plant.draw(HISTORIES, np.random.default_rng(34)), budget).delays(healthy))
        for budget in (Budget(dependence="independent"), Budget())
    )
    assert estimated <= known + 1
