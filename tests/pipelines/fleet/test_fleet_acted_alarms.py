"""The ledger of value on simulated fleets, where what acting avoided is known."""

import numpy as np
import pytest

from models.planning.cost_settings import CostSettings
from models.value.ledger import value_ledger
from pipelines.fleet.histories.acted_alarms import ActedFleet, simulate_acted
from pipelines.fleet.histories.value_coverage import coverage

PRICES = CostSettings()
HISTORIES = 100


def test_an_alarm_that_is_held_back_has_the_outcome_without_acting() -> None:
    """The copy that lives on without acting is the fleet itself where nobody acts; elsewhere acting prevents some."""
    simulated = simulate_acted(ActedFleet(machines=16, days=24, hold_back=0.5), 3, seed=1)
    alarms = [truth for _, truth in simulated.split()]
    held, announced = [
        np.concatenate([part.loc[part["held_back"] == flag, ["failed", "would_fail"]] for part in alarms])
        for flag in (True, False)
    ]
    assert len(held) > 5
    assert (held[:, 0] == held[:, 1]).all()
    assert announced[:, 0].sum() < announced[:, 1].sum()
    assert simulated.failures.sum() < simulated.failures_without.sum()


@pytest.mark.verify
@pytest.mark.parametrize("kind", ["usual", "rare failures", "many false alarms", "alarms acted on late"])
def test_the_interval_holds_what_was_avoided(kind: str) -> None:
    """Of 90 % intervals nine in ten hold the failures and the hours of downtime that acting truly saved."""
    found = coverage(kind, HISTORIES, seed=20_261)
    shares = found.covered
    # Of 100 histories; a share of nine in ten has a standard error of .03.
    assert min(shares["failures"], shares["hours"]) >= 0.9 - 1.645 * 0.03
    assert shares["rows"] >= 0.9


@pytest.mark.verify
def test_without_holding_back_nothing_is_identified() -> None:
    """No number is shown anywhere, and with few held back the interval is wide."""
    none = simulate_acted(ActedFleet(hold_back=0.0, days=40), 20, seed=3)
    for known, _ in none.split():
        ledger = value_ledger(known, PRICES)
        assert {row.state for row in (*ledger.rows, *ledger.plants, ledger.total)} == {"not identified"}
    few, many = (coverage(kind, 20, seed=5).width for kind in ("few held back", "usual"))
    assert few > 1.5 * many
