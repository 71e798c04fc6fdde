"""Training samples have the states that alarms are evaluated by."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from data_contracts.tables.history import History
from models.experiment.experiment import Experiment
from models.training.samples import draw_samples

HOUR = pd.Timedelta(hours=1)
Place = tuple[str, pd.Timestamp]
Describe = Callable[..., Experiment]


def drawn(plant: History, describe: Describe) -> pd.DataFrame:
    return draw_samples(describe(), plant, plant.telemetry["known_time"].max()).train


def reaching(samples: pd.DataFrame, place: Place) -> pd.DataFrame:
    """Return the samples whose horizon of 48 hours reaches over an asset's time in question."""
    asset, at = place
    until = samples["as_of"] + 48 * HOUR
    return samples[(samples["asset"] == asset) & (samples["as_of"] < at) & (until >= at)]


@pytest.fixture(scope="module")
def place(plant: History) -> Place:
    """Return an asset, and a time three days after a failure; the next is at least six days after it."""
    failure = plant.failures[plant.failures["event_time"] > pd.Timestamp("2026-01-15", tz="UTC")].iloc[0]
    return failure["asset"], failure["event_time"] + 72 * HOUR


@pytest.mark.parametrize(
    ("finding", "prompted_by", "targets"),
    [
        (None, "alarm", set()),
        ("not_inspected", "alarm", set()),
        ("defect_confirmed", "alarm", {1.0}),
        ("no_fault_found", "alarm", {0.0}),
        ("defect_confirmed", "audit", {1.0}),
        (None, "schedule", {0.0}),
    ],
)
def test_windows_before_an_intervention_are_negative_only_if_it_says_so(
    plant: History, describe: Describe, place: Place, finding: str | None, prompted_by: str, targets: set[float]
) -> None:
    """What an intervention may have kept from failing is learned by the finding, and not at all without one."""
    assert set(reaching(drawn(plant, describe), place)["target"]) == {0.0}
    order = {
        "work_order_id": "w",
        "asset": place[0],
        "event_time": place[1],
        "known_time": place[1],
        "kind": "inspection",
    }
    order |= {"component": None, "finding": finding, "prompted_by": prompted_by}
    work = pd.concat([plant.work_orders, pd.DataFrame([order])], ignore_index=True)
    samples = drawn(replace(plant, work_orders=work), describe)
    assert set(reaching(samples, place)["target"]) == targets


def test_windows_that_reach_beyond_a_retirement_are_not_learned_from(
    plant: History, describe: Describe, place: Place
) -> None:
    """Of a retired asset nobody knows whether it would have failed."""
    asset, at = place
    record = plant.assets[plant.assets["asset"] == asset].assign(event_time=at, known_time=at, status="retired")
    assets = pd.concat([plant.assets, record], ignore_index=True)
    samples = drawn(replace(plant, assets=assets), describe)
    assert reaching(samples, place).empty
    later = samples[(samples["asset"] == asset) & (samples["as_of"] >= at)]
    assert not (later["target"] == 0.0).any()
