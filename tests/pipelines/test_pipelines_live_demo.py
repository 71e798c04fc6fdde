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
    story = LiveStory(machines=8, seconds=45, worn_after=40, outage_at=8, outage=3, pump_clogs=12)
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
    alerts = {alert.asset: alert for alert in result.alerts}
    unusual = alerts["pump-001"]
    assert unusual.anomaly_score is not None
    assert "flow" in " ".join(unusual.drivers)
    assert "alert: pump-001 is unusual, though none of its type has ever failed" in said
    worn = alerts["cnc-007"]
    assert 0 < worn.to_dict()["seconds_before"] <= 40
    assert worn.drivers
