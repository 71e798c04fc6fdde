"""Canaries on models that were trained: a plant as it is, and with leaks planted into its history."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data_contracts.tables.history import History
from models.canaries.check import check_leaks
from models.canaries.report import LeakReport
from models.experiment.experiment import Experiment
from models.registry.registration.model_card import model_card
from models.registry.registration.run_record import version_tags
from models.registry.revision import Revision
from models.training.training import Trained, train

pytestmark = pytest.mark.slow

HOUR = pd.Timedelta("1h")
Describe = Callable[..., Experiment]


def checked(experiment: Experiment, history: History) -> tuple[Trained, LeakReport]:
    trained = train(experiment, history)
    return trained, check_leaks(experiment, history, trained)


def test_an_honest_plant_is_not_accused_and_its_model_not_changed(plant: History, describe: Describe) -> None:
    """Without a leak none is found; the report is the same each time, and the model keeps its bits."""
    trained, report = checked(describe(), plant)
    before = trained.artifact.digest, trained.predictions_digest
    assert not report.leaks, report.verdict
    assert report.figures["shuffled_mean"] < 0.65 < report.figures["small_model"]
    assert check_leaks(describe(), plant, trained) == report
    again = train(describe(), plant)
    assert before == (again.artifact.digest, again.predictions_digest)
    assert before[0] == trained.artifact.digest
    tagged = replace(trained, tags=report.tags)
    card = model_card(tagged, version_tags(tagged, Revision("0" * 40, "0" * 16)))
    assert "## Leaks" in card
    assert "shuffled target" in card


def test_a_channel_that_holds_the_label_is_found(plant: History, describe: Describe) -> None:
    """A channel that is 1 in the 48 hours before a failure, which somebody filled in later, is found at that edge."""
    history = replace(plant, channels=(*plant.channels, "state"), telemetry=_with_state(plant, 48 * HOUR))
    _, report = checked(describe(), history)
    assert [finding.kind for finding in report.leaks] == ["edge"]
    assert all(column.startswith("state") for column in report.leaks[0].columns)


def test_an_event_booked_with_the_failure_is_found(plant: History, describe: Describe) -> None:
    """The exchange of a part, booked under the six hours in which it failed and known at once, is found."""
    failed = plant.failures.assign(event_time=plant.failures["event_time"] + 1 * HOUR)
    booked = pd.DataFrame(
        {
            "event_id": "x-" + plant.failures["failure_id"],
            "asset": plant.failures["asset"],
            "event_time": plant.failures["event_time"].dt.floor("6h"),
            "known_time": plant.failures["event_time"].dt.floor("6h"),
            "code": "exchanged",
        }
    )
    history = replace(plant, failures=failed, events=pd.concat([plant.events, booked], ignore_index=True))
    _, report = checked(describe("features.events=true"), history)
    assert "the event exchanged" in {name for finding in report.leaks for name in finding.columns}


def test_a_machine_that_stands_still_before_its_booked_failure_is_found(plant: History, describe: Describe) -> None:
    """Where failures are booked hours after the stop, and nothing announces them, the model reads the stop."""
    rng = np.random.default_rng(0)
    telemetry = plant.telemetry.assign(vibration=rng.normal(40, 1, len(plant.telemetry)))
    stopped = _hours_to_failure(plant) <= 3
    telemetry = telemetry.assign(vibration=np.where(stopped, 0.0, telemetry["vibration"]))
    often = ("windows={window='3h', stride='3h'}", "label.horizon='72h'", "features.ages=false")
    _, report = checked(describe(*often), replace(plant, telemetry=telemetry))
    assert {finding.kind for finding in report.leaks} & {"newest", "booking"}, report


def test_a_countdown_to_the_end_is_found(plant: History, describe: Describe) -> None:
    """A channel that counts down to the failure is the answer to a question about remaining life."""
    left = _hours_to_failure(plant)
    telemetry = plant.telemetry.assign(countdown=np.where(np.isnan(left), 500.0, left))
    history = replace(plant, channels=(*plant.channels, "countdown"), telemetry=telemetry)
    life = ("target='remaining_life'", "label={cap='200h'}", "evaluation.interval_level=0.0", "windows.window='3h'")
    _, report = checked(describe(*life), history)
    assert "answer" in {finding.kind for finding in report.leaks}, report
    _, honest = checked(describe(*life), plant)
    assert not honest.leaks, honest.verdict


def _hours_to_failure(plant: History) -> np.ndarray:
    """Return the hours from each reading to the next failure of its asset, NaN after the last."""
    left = np.full(len(plant.telemetry), np.nan)
    for asset, at in plant.failures.sort_values("event_time", ascending=False)[["asset", "event_time"]].itertuples(
        index=False
    ):
        before = (plant.telemetry["asset"] == asset) & (plant.telemetry["event_time"] <= at)
        left = np.where(before, (at - plant.telemetry["event_time"]) / HOUR, left)
    return left


def _with_state(plant: History, horizon: pd.Timedelta) -> pd.DataFrame:
    noise = np.random.default_rng(0).normal(0, 0.05, len(plant.telemetry))
    return plant.telemetry.assign(state=(_hours_to_failure(plant) <= horizon / HOUR) + noise)
