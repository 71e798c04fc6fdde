"""Plants that differ, whose parts shift: no false verdicts beyond the budget, and a plant that is worse is found."""

import math
from dataclasses import replace

import numpy as np
import pytest

from models.monitoring.budget import Budget
from pipelines.fleet.histories.mixed_plants import MixedPlants, decisions, delays, divided
from pipelines.fleet.histories.shocked_looks import budget_of

pytestmark = pytest.mark.verify

HISTORIES = 800
BUDGET = budget_of(52, Budget())
MOST = BUDGET + 2 * math.sqrt(BUDGET * (1 - BUDGET) / HISTORIES)
ALARMS = {"rates": (0.3, 1.2), "false_alarms": True}
SHIFTED = [
    MixedPlants((100, 100), 20),
    MixedPlants((30, 30), 20),
    MixedPlants((5, 5), 20),
    MixedPlants((5, 5), 20, shifts_at=12),
    MixedPlants((6, 6), 12, **ALARMS),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("plants", SHIFTED, ids=str)
def test_another_mix_of_plants_refutes_no_promise(plants: MixedPlants) -> None:
    """From half and half to 20 and 80 %: within the budget, however few failures a plant was evaluated on."""
    assert decisions(plants, divided(Budget()), HISTORIES, seed=41).any(axis=1).mean() <= MOST


def test_without_strata_it_would() -> None:
    """The reason for all this."""
    assert decisions(SHIFTED[0], Budget(), HISTORIES, seed=41).any(axis=1).mean() > 0.4


def test_a_plant_evaluated_alone_is_held_to_its_own_counts() -> None:
    """All failures come from the worse plant, of which thirty were evaluated."""
    assert decisions(replace(SHIFTED[1], part=1.0), divided(Budget()), HISTORIES, seed=42).any(axis=1).mean() <= MOST


@pytest.mark.parametrize(("varies", "later"), [(None, 0), (45, 3)])
def test_a_plant_that_becomes_worse_is_found_about_as_soon(varies: int | None, later: int) -> None:
    """At the mix that was evaluated just as soon as without strata; three looks later where it varies around that."""
    plants = MixedPlants((100, 100), 20, part=0.5, looks=46, worse_from=6, varies=varies)
    plain, by_plant = (
        np.median(delays(decisions(plants, budget, 200, seed=43), 6)) for budget in (Budget(), divided(Budget()))
    )
    assert by_plant <= plain + later


def test_a_worse_plant_is_seen_although_its_part_shrinks() -> None:
    """The overall rate stays what was promised, for fewer failures come from the plant that misses more."""
    plants = MixedPlants((100, 100), 20, part=0.25, looks=46, worse_from=0, worse_rate=0.7)
    plain, by_plant = (
        decisions(plants, budget, 200, seed=44).any(axis=1).mean() for budget in (Budget(), divided(Budget()))
    )
    assert plain < 0.05
    assert by_plant > 0.3
