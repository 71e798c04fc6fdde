"""How often a champion is replaced by its equal, and how surely by a better one, beside a fixed confidence.

The rule that was used before asks for a saving with a bootstrap probability of 90 %, however often is compared.
"""

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from models.retraining.paired_costs import cost_difference, draw_assets
from models.retraining.promotion_rules import PromotionRules, misses_not_inferior
from pipelines.fleet.histories.compared import ComparedPlant, compare_equals, draw_errors, simulated_power

RULES = PromotionRules(draws=600)
EVENTS = (15, 30, 60)
YEARS, COMPARISONS = 120, 600
FORTNIGHT, LARGEST = 14 / 365, 0.1
A_YEAR = 365 / 14


@pytest.mark.usefixtures("benchmark")
@pytest.mark.timeout(3600)
def test_false_promotions_and_power(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ("events", "fixed: false a year", "power", "ours: false a year", "compared", "power, 14 days", "37 days")
    table = Table(*columns, box=None)
    for events in EVENTS:
        plant, rng = ComparedPlant(events=events), np.random.default_rng(events)
        counts = compare_equals(plant, RULES, YEARS, rng)
        powers = [simulated_power(plant, 0.05, RULES, alpha, COMPARISONS, rng) for alpha in (FORTNIGHT, LARGEST)]
        table.add_row(
            str(events),
            f"{A_YEAR * _fixed_confidence(plant, plant.missed, rng):.2f}",
            f"{_fixed_confidence(plant, 0.05, rng):.2f}",
            f"{counts.a_year:.2f}",
            f"{counts.compared / YEARS:.1f}",
            *(f"{each:.2f}" for each in powers),
        )
        assert counts.spent <= YEARS * RULES.false_per_year
    with capsys.disabled():
        title = "Fortnightly comparisons; the better challenger misses 5 % where the champion misses 20 %"
        Console(width=120).print("", title, table, sep="\n")


def _fixed_confidence(plant: ComparedPlant, missed: float, rng: np.random.Generator) -> float:
    """Return the share of challengers that are cheaper with a bootstrap probability of 90 %, and miss no more."""
    return float(np.mean([_passes(draw_errors(plant, missed, rng), plant) for _ in range(COMPARISONS)]))


def _passes(errors: pd.DataFrame, plant: ComparedPlant) -> bool:
    drawn = draw_assets(errors, draws=RULES.draws, seed=RULES.seed)
    extra = cost_difference(errors, drawn, plant.costs, RULES.confidence)
    if extra.value >= 0 or extra.probability_cheaper < RULES.confidence:
        return False
    return misses_not_inferior(errors, drawn, RULES).passed is not False
