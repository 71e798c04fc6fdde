"""Promises by plant where the mix of plants changes: false retrainings without and with them, and what they cost."""

import math

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from models.monitoring.budget import Budget
from pipelines.fleet.histories.mixed_plants import MixedPlants, decisions, delays, divided
from pipelines.fleet.histories.shocked_looks import budget_of

HISTORIES = 800
BUDGET = budget_of(52, Budget())
MOST = BUDGET + 2 * math.sqrt(BUDGET * (1 - BUDGET) / HISTORIES)
TIMED = 200
HEALTHY, LIMIT = 6, 40
BUDGETS = {"by plant": divided(Budget()), "overall": Budget()}
SHIFTED = [
    *(MixedPlants((evaluated, evaluated), per_look) for evaluated in (5, 30, 100) for per_look in (6, 20)),
    MixedPlants((30, 30), 20, part=1.0),
    MixedPlants((15, 15), 30, rates=(0.3, 1.2), false_alarms=True),
]
WORSE = [
    MixedPlants((evaluated, evaluated), per_look, part=0.5, looks=HEALTHY + LIMIT, worse_from=HEALTHY, varies=varies)
    for varies in (None, 45)
    for evaluated in (30, 100)
    for per_look in (6, 20)
]
HIDDEN = MixedPlants((100, 100), 20, part=0.25, looks=HEALTHY + LIMIT, worse_from=0)


@pytest.mark.usefixtures("benchmark")
@pytest.mark.timeout(7200)
def test_false_retrainings(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("evaluated of each", "a look", "part of the second", "false alarms", *BUDGETS, box=None)
    for plants in SHIFTED:
        shares = [decisions(plants, budget, HISTORIES, seed=41).any(axis=1).mean() for budget in BUDGETS.values()]
        table.add_row(*_setting(plants), *(f"{share:.3f}" for share in shares))
        assert shares[0] <= MOST
    _print(capsys, f"Refuted in vain within {plants.looks} looks, share of {HISTORIES} histories", table)


@pytest.mark.usefixtures("benchmark")
@pytest.mark.timeout(7200)
def test_delays(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("evaluated of each", "a look", "part of the second", "mix varies", *BUDGETS, box=None)
    for plants in WORSE:
        waits = [
            np.minimum(delays(decisions(plants, budget, TIMED, seed=43), HEALTHY), LIMIT) for budget in BUDGETS.values()
        ]
        cells = (f"{np.median(wait):.0f}, {wait.mean():.1f}" for wait in waits)
        table.add_row(*_setting(plants)[:3], str(plants.varies is not None), *cells)
    _print(capsys, f"Looks until a worse plant is found, median and mean ({LIMIT} at most)", table)
    found = [decisions(HIDDEN, budget, TIMED, seed=44).any(axis=1).mean() for budget in BUDGETS.values()]
    rows = Table(*BUDGETS, box=None)
    rows.add_row(*(f"{share:.3f}" for share in found))
    assert found[0] > found[1]
    _print(capsys, f"Found within {HIDDEN.looks} looks, the worse plant a quarter of the failures", rows)


def _setting(plants: MixedPlants) -> tuple[str, str, str, str]:
    return str(plants.evaluated[0]), str(plants.per_look), f"{plants.part:.0%}", str(plants.false_alarms)


def _print(capsys: pytest.CaptureFixture[str], title: str, table: Table) -> None:
    with capsys.disabled():
        Console(width=140).print("", title, table, sep="\n")
