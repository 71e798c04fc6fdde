"""False retrainings where the events of a look have common causes or seasons, and what protection from them costs.

Half of the default budget, that of one rate, and an exact promise of the weeks before, counted one by one unless it
says otherwise. Three modes of `drift.dependence` beside each other, on the same histories. The rows beyond what "auto"
allows for, higher correlations and looks in which most failures are missed, assert nothing of it.
"""

import math
from typing import get_args

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from models.monitoring.drift import Budget
from models.sequential_tests.rate_tests import Dependence
from pipelines.fleet.histories.shocked_looks import FalseAlarmLooks, MissedLooks, budget_of, decide

HISTORIES = 800
LOOKS = 52
MODES: tuple[Dependence, ...] = get_args(Dependence)
BUDGET = budget_of(LOOKS, Budget())
MOST = BUDGET + 2 * math.sqrt(BUDGET * (1 - BUDGET) / HISTORIES)
EVALUATIONS = (52, 12, 0)
KEPT: dict[str, list[MissedLooks | FalseAlarmLooks]] = {
    "misses, {0.failures} a look, correlation {0.correlation}, {0.evaluation} weeks evaluated": [
        MissedLooks(failures, correlation=correlation, evaluation=evaluation)
        for evaluation in EVALUATIONS
        for correlation in (0.0, 0.05, 0.1)
        for failures in (6, 20, 100)
    ],
    "false alarms, {0.expected} a look, {0.shape} shocks of {0.shocks}, {0.evaluation} weeks evaluated, no season": [
        FalseAlarmLooks(expected, shocks=shocks, shape=shape, evaluation=evaluation, declared_season=0.0)
        for evaluation in (52, 4)
        for shape, shocks in (("gamma", 0.0), ("gamma", 0.2), ("gamma", 0.4), ("lognormal", 0.3))
        for expected in (14, 50)
    ],
    "false alarms, {0.expected} a look, season {0.season}, shocks {0.shocks}, {0.evaluation} weeks evaluated": [
        FalseAlarmLooks(expected, season=season, shocks=shocks, evaluation=evaluation)
        for evaluation in (4, 26, 52)
        for season in (0.2, 0.35)
        for shocks in (0.0, 0.2)
        for expected in (14, 50)
    ],
    "false alarms, {0.expected} a look, {0.shape} of {0.shocks}": [
        FalseAlarmLooks(expected, shocks=0.3, shape="spikes", declared_season=0.0) for expected in (14, 50)
    ],
}
BEYOND: dict[str, list[MissedLooks | FalseAlarmLooks]] = {
    "misses, {0.failures} a look, correlation {0.correlation}, up to {0.declared_correlation} allowed for": [
        MissedLooks(failures, correlation=correlation, declared_correlation=declared)
        for declared in (Budget().correlation, 0.3)
        for correlation in (0.2, 0.3)
        for failures in (6, 20, 100)
    ],
    "misses, {0.failures} a look, {0.spikes} missed in one of twenty": [
        MissedLooks(failures, spikes=0.7) for failures in (6, 20, 100)
    ],
}


@pytest.mark.usefixtures("benchmark")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", [*KEPT, *BEYOND])
def test_false_retrainings(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("history", *MODES, box=None)
    for plant in (KEPT | BEYOND)[name]:
        shares = {
            mode: decide(plant.draw(HISTORIES, np.random.default_rng(21)), Budget(dependence=mode)).false_share
            for mode in MODES
        }
        table.add_row(name.format(plant), *(f"{share:.3f}" for share in shares.values()))
        if name in KEPT:
            assert shares["auto"] <= MOST
        assert shares["any"] <= MOST
    title = f"Retrained in vain within {LOOKS} looks, budget {BUDGET:.3f}: share of {HISTORIES} histories"
    _print(capsys, title, table)


@pytest.mark.usefixtures("benchmark")
@pytest.mark.timeout(7200)
def test_delays(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("history", *MODES, box=None)
    for evaluation in EVALUATIONS:
        for failures in (2, 6, 20, 100):
            for healthy in (6, 48):
                plant = MissedLooks(failures, healthy + 40, evaluation=evaluation, worse_from=healthy)
                name = f"misses 20 % to 45 %, {failures} a look, after {healthy}, {evaluation} weeks evaluated"
                medians = _delays(plant, healthy, table, name)
                if evaluation == max(EVALUATIONS):
                    assert medians["auto"] <= medians["independent"] + 1
    for evaluation in (52, 4):
        for expected in (3, 14):
            for healthy in (6, 26, 48):
                worse = FalseAlarmLooks(expected, healthy + 40, evaluation=evaluation, worse_from=healthy)
                name = f"false alarms doubled, {expected} a look, after {healthy}, {evaluation} weeks evaluated"
                _delays(worse, healthy, table, name)
    _print(capsys, "Looks from the change to the decision, median and mean (40 at most)", table)


def _delays(plant: MissedLooks | FalseAlarmLooks, healthy: int, table: Table, name: str) -> dict[str, float]:
    medians, cells = {}, []
    for mode in MODES:
        rate = plant.draw(HISTORIES, np.random.default_rng(22))
        delays = np.minimum(decide(rate, Budget(dependence=mode)).delays(healthy), 40)
        medians[mode] = float(np.median(delays))
        cells.append(f"{medians[mode]:.0f}, {delays.mean():.1f}")
    table.add_row(name, *cells)
    return medians


def _print(capsys: pytest.CaptureFixture[str], title: str, table: Table) -> None:
    with capsys.disabled():
        Console(width=140).print("", title, table, sep="\n")
