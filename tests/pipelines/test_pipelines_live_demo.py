"""The demonstration of live telemetry: nothing lost or doubled through an outage, the worn machine is found."""

import pytest

from pipelines.demo.live import wear_tests
from pipelines.demo.live.live_demo import LiveStory, run_live_demo
from tests.live_broker import why_not

pytestmark = pytest.mark.slow


MOSQUITTO = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.mark.parametrize("installed", [pytest.param(True, marks=MOSQUITTO), False])
def test_an_outage_loses_nothing_and_the_worn_machine_is_found(tmp_path, monkeypatch, installed) -> None:
    pytest.importorskip("amqtt")
    monkeypatch.setattr(wear_tests, "TESTS", 3)
    if not installed:
        monkeypatch.setattr("pipelines.live.broker.start_broker.mosquitto_program", lambda: None)
    story = LiveStory(machines=8, seconds=45, worn_after=40, outage_at=8, outage=3, corrected_at=2, corrected_for=40)
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
