"""Maintenance seasons on the simulated fleet: they cost what happens, and visits prevent only what had begun."""

import pytest

from data_contracts.errors import UsageError
from models.artifact.artifact import Artifact
from pipelines.fleet.seasons.priced_fleet import PricedFleet, make_priced_fleet, train_model
from pipelines.fleet.seasons.rules import Crews, Morning, first_come, most_likely, worklist
from pipelines.fleet.seasons.season import SeasonCost, run_season

pytestmark = pytest.mark.verify

DAYS = 8
CREWS = Crews(machines=2, hours=16.0)


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    params = "estimator.params={n_estimators=30, num_leaves=7}"
    return train_model(30, 60, params, "split.test_start=2025-02-10T00:00:00Z")


@pytest.fixture(scope="module")
def small() -> PricedFleet:
    return make_priced_fleet(5, 30)


@pytest.fixture(scope="module")
def untouched(artifact: Artifact, small: PricedFleet) -> SeasonCost:
    return run_season(small, no_visits, CREWS, DAYS, artifact)


def no_visits(morning: Morning, crews: Crews) -> list[str]:
    """Send no crew anywhere."""
    del morning, crews
    return []


def test_a_season_without_visits_costs_its_failures_alone(
    artifact: Artifact, small: PricedFleet, untouched: SeasonCost
) -> None:
    """The same season again costs the same: the fleet is left as it was."""
    assert untouched.failures > 0
    assert untouched.total == untouched.failed
    assert (untouched.visits, untouched.visited) == (0, 0)
    assert run_season(small, no_visits, CREWS, DAYS, artifact) == untouched


def test_visits_prevent_failures_and_those_in_vain_cost_as_much(
    artifact: Artifact, small: PricedFleet, untouched: SeasonCost
) -> None:
    """Visits after alerts prevent failures; visits to any machine cost as much and prevent few."""

    def least_likely(morning: Morning, crews: Crews) -> list[str]:
        del crews
        sound = sorted(set(morning.probability) - morning.alerts, key=lambda asset: morning.probability[asset])
        return sound[:1]

    vain = run_season(small, least_likely, CREWS, DAYS, artifact)
    assert vain.visits > 0
    assert vain.visited > 0
    assert vain.in_vain >= 0.8 * vain.visits
    planned = run_season(small, worklist, CREWS, DAYS, artifact)
    assert planned.visits > planned.in_vain
    assert planned.failed < untouched.failed


def test_every_rule_keeps_to_what_crews_can_do(artifact: Artifact, small: PricedFleet) -> None:
    """No rule names more machines or hours than there are, and one that does is refused."""
    for rule in (first_come, most_likely, worklist):
        assert run_season(small, rule, Crews(machines=1, hours=8.0), 3, artifact).visits <= 3
    with pytest.raises(UsageError):
        run_season(small, lambda morning, _: sorted(morning.probability)[:3], CREWS, 1, artifact)
