"""What follows from telemetry as it is stored: indicators and predictions, once a stride."""

import pandas as pd
import pytest

from data_contracts.errors import StorageError
from data_contracts.records.records import open_records, predictions
from data_contracts.tables import tables
from features.indicators.plan import IndicatorPlan
from models.experiment.experiment_file import load_experiment
from models.hold_back.policy import PolicySettings
from pipelines.following.follow_ups import FollowUps
from pipelines.following.stream_follower import StreamFollower
from pipelines.indicators.definitions import define
from pipelines.jobs import score as scoring
from pipelines.jobs.train import train_experiment

pytestmark = pytest.mark.slow

RAW, HOURLY = "telemetry/azure_machine", "azure_machine_6h"
EXPERIMENT = """
name = "on-indicators"
target = "failure"
seed = 3
[data]
asset_type = "azure_machine_6h"
[label]
horizon = "24h"
[windows]
window = "24h"
stride = "12h"
[features]
tsfresh = ["mean", "maximum"]
events = false
ages = false
[estimator]
kind = "lightgbm"
params = {n_estimators = 10, num_leaves = 7, min_child_samples = 5}
[costs]
missed_failure = 10
false_alarm = 1
[split]
kind = "time"
test_start = 2026-02-05T00:00:00Z
"""


@pytest.fixture
def live(plant, tmp_path):
    """Return a plant with a champion on indicators, both up to day 60."""
    for_indicators = IndicatorPlan(
        name=HOURLY, asset_type="azure_machine", window="6h", features=("mean", "maximum"), channels=("vibration",)
    )
    define(plant.workspace, for_indicators, now=plant.at(60))
    follower = StreamFollower(plant.workspace)
    assert follower.follow({"azure_machine"}, now=plant.at(120)).windows[HOURLY] > 0
    file = tmp_path / "on_indicators.toml"
    file.write_text(EXPERIMENT)
    train_experiment(plant.workspace, load_experiment(file), now=plant.at(60), insist=True)
    return plant


def new_rows(plant, first: int, last: int) -> pd.DataFrame:
    """Return telemetry of some hours after day 120, in which machine-01 wears out."""
    stored = tables.read(plant.workspace, RAW, start=plant.at(100), end=plant.at(110)).drop(columns="stored_version")
    hours = ((stored["event_time"] - plant.at(100)) / pd.Timedelta(hours=1)).astype(int)
    rows = stored[(hours > first) & (hours <= last)].copy()
    rows["event_time"] += pd.Timedelta(days=20)
    rows["known_time"] = rows["event_time"] + pd.Timedelta(minutes=1)
    worn = rows["asset"] == "machine-01"
    rows.loc[worn, "vibration"] += 9.0
    return rows


def test_the_fleet_is_scored_once_a_stride_as_soon_as_the_indicators_are_there(live) -> None:
    results = []
    follower = StreamFollower(live.workspace, on_scored=results.append)
    follower.follow({"azure_machine"}, now=live.at(120))
    results.clear()
    scored = []
    for hour in range(0, 36, 3):
        tables.append(live.workspace, RAW, new_rows(live, hour, hour + 3), f"hours from {hour}")
        now = live.at(120) + pd.Timedelta(hours=hour + 4)
        result = follower.follow({"azure_machine"}, now=now)
        assert not result.errors
        scored += [(hour, each.model_name, each.as_of) for each in result.scored]
    own = [(hour, as_of) for hour, name, as_of in scored if name == "on-indicators"]
    # Indicators end every six hours and become known a minute later: at once, then once in twelve hours.
    assert [hour for hour, _ in own] == [3, 9, 21, 33]
    minute, day = pd.Timedelta(minutes=1), live.at(120)
    assert [as_of - day - minute for _, as_of in own] == [pd.Timedelta(hours=hours) for hours in (6, 12, 24, 36)]
    assert len(results) == len(scored)
    stored = predictions(open_records(live.workspace.records_url), model_name="on-indicators")
    assert "machine-01" in set(stored.loc[stored["alert"], "asset"])
    # A telemetry that says nothing new has no consequence.
    assert not follower.follow({"azure_machine"}, now=live.at(122)).scored


def test_a_failure_of_one_is_no_failure_of_the_others_and_is_tried_again(live, monkeypatch) -> None:
    follower = StreamFollower(live.workspace)
    follower.follow({"azure_machine"}, now=live.at(120))
    tables.append(live.workspace, RAW, new_rows(live, 0, 13), "half a day")
    score = scoring.score_fleet

    def failing(workspace, name, **values):
        if name == "on-indicators":
            raise StorageError("no room", "room", "Make some")
        return score(workspace, name, **values)

    monkeypatch.setattr(scoring, "score_fleet", failing)
    result = follower.follow({"azure_machine"}, now=live.at(121))
    assert [error.found for error in result.errors] == ["no room"]
    assert [each.model_name for each in result.scored] == ["plant"]
    monkeypatch.setattr(scoring, "score_fleet", score)
    assert [each.model_name for each in follower.follow({"azure_machine"}, now=live.at(121)).scored] == []
    again = follower.follow({HOURLY}, now=live.at(121))
    assert [each.model_name for each in again.scored] == ["on-indicators"]


def test_follow_ups_work_beside_and_end_with_everything_followed(live) -> None:
    results = []
    follow_ups = FollowUps(live.workspace, policy=PolicySettings(), on_scored=results.append)
    for hour in range(0, 24, 3):
        tables.append(live.workspace, RAW, new_rows(live, hour, hour + 3), f"hours from {hour}")
        follow_ups.note({"azure_machine"})
    summary = follow_ups.close()
    assert summary.error == ""
    # Twelve machines, four ends of six hours.
    assert summary.windows == 48
    assert summary.scored == sum(result.stored for result in results) > 0
    assert not FollowUps(live.workspace, policy=PolicySettings()).close().windows


def test_a_follow_up_that_fails_is_said_and_tried_again(live, monkeypatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(StreamFollower, "follow", failing)
    follow_ups = FollowUps(live.workspace, policy=PolicySettings())
    follow_ups.note({"azure_machine"})
    while not follow_ups.summary.failures:
        pass
    monkeypatch.undo()
    assert "broken" in follow_ups.summary.error
    follow_ups.note({"azure_machine"})
    assert follow_ups.close().error == ""
