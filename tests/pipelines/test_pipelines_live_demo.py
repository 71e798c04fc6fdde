"""The demonstration of live telemetry: nothing lost or doubled through an outage, the worn machine is found."""

from dataclasses import replace

import pandas as pd
import pytest

from data_contracts.tables.history import read_history
from data_contracts.workspace import Workspace
from models.artifact.scoring import score
from pipelines.demo.live import quiet_pump, wear_tests
from pipelines.demo.live.live_demo import LiveStory, run_live_demo
from pipelines.evidence.champion import load_champion
from tests.live_broker import why_not

pytestmark = pytest.mark.slow


MOSQUITTO = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.mark.parametrize("installed", [pytest.param(True, marks=MOSQUITTO), False])
def test_an_outage_loses_nothing_and_the_worn_machine_is_found(tmp_path, monkeypatch, installed) -> None:
    pytest.importorskip("amqtt")
    monkeypatch.setattr(wear_tests, "TESTS", 3)
    if not installed:
        monkeypatch.setattr("pipelines.live.broker.start_broker.mosquitto_program", lambda: None)
    at = {"worn_after": 40, "outage_at": 8, "outage": 3, "corrected_at": 2, "corrected_for": 40, "pump_clogs": 6}
    story = LiveStory(machines=8, seconds=45, **at)
    said: list[str] = []
    result = run_live_demo(tmp_path, story, say=said.append)
    assert result.exit_status == 0, result.to_dict()
    assert result.ended == "time is up"
    assert result.samples == (8 * 45 - 5) * 100 * 8  # a machine that has failed stands
    assert result.connections > int(installed)
    assert "the broker is back" in said
    # The embedded broker does not say what it passes on to nobody.
    assert not installed or not {"gap", "late"} & result.gaps.keys()
    assert result.indicators > 40
    assert result.predictions > 0
    # A computer that is far behind scores the machine when it has long failed.
    worn = next((alert for alert in result.alerts if alert.asset == "cnc-007"), None)
    assert worn is not None or result.lag_p99 > 10
    assert worn is None or worn.drivers
    # How long before is judged by the readings' own clock, the same on any computer.
    (foreseen,) = (each for each in result.foreseen if each.asset == "cnc-007")
    assert foreseen.seconds_before is not None
    assert 0 < foreseen.seconds_before <= 40
    effect = result.to_dict()
    assert effect["override"]["readings"] == 40 * 100
    assert effect["override"]["command"] == "acknowledged"
    assert "at most 100 degC a second" in effect["rejected"]["rejection"]
    assert [line.partition(":")[0] for line in said if "bearing_temperature" in line] == ["override", "rejected"]
    check_the_pump(result.workspace, story, said)


def check_the_pump(workspace: Workspace, story: LiveStory, said: list[str]) -> None:
    """By the event times of what is stored, whenever it arrived: quiet until it clogs up, and then unusual."""
    history = read_history(workspace, quiet_pump.ASSET_TYPE)
    assert (history.telemetry["event_time"].sort_values().diff().dropna() == pd.Timedelta("1s")).all()
    telemetry = history.telemetry.assign(known_time=history.telemetry["event_time"])
    ends = telemetry["event_time"].max()
    clogs = ends - pd.Timedelta(seconds=story.seconds - story.pump_clogs)
    times = pd.date_range(ends - pd.Timedelta(seconds=story.seconds), ends, freq="1s", unit="us")
    artifact = load_champion(workspace, "live-pump").model.artifact
    scored = score(artifact, replace(history, telemetry=telemetry), pd.DataFrame({"asset": "pump-001", "as_of": times}))
    alerts = scored.loc[scored["alert"], "as_of"]
    assert alerts.min() > clogs
    assert len(alerts) > 3
    # Where it was stored in time, it was said.
    assert sum("pump-001 is unusual" in line for line in said) <= 1
