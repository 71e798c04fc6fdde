"""Failed and retired assets at the endpoint: no number, no alert, a status of their own; as in batch scoring."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data_contracts.records import records
from data_contracts.records.answer_records import find_answers
from data_contracts.tables import readings, tables
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace, init_workspace
from models.artifact.absences import ObservationTerms, absent_assets
from models.artifact.artifact import Artifact
from serving.deployment.champion import Champion
from serving.http import metrics
from serving.prediction.asset_states import AssetStates
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.prediction.stored_fleet import StoredFleet
from serving.prediction.stored_telemetry import LatestTelemetry
from serving.routes.planning_routes import routes
from serving.schemas.answers import PredictionAnswer
from serving.schemas.predict_request import parse_request
from serving.settings import Settings
from tests.serving.test_serving_planning import REQUEST, worker_of

HOUR, MINUTE = pd.Timedelta("1h"), pd.Timedelta("1min")
TYPE, TELEMETRY = "azure_machine", "telemetry/azure_machine"
Ask = Callable[..., dict[str, PredictionAnswer]]


@pytest.fixture
def plant(tmp_path: Path, history: History, fleet: Any) -> Workspace:
    """Store four machines' telemetry up to different hours before the end."""
    workspace = init_workspace(tmp_path / "plant")
    names = list(fleet.assets[:4])
    tables.append(workspace, "assets", history.assets[history.assets["asset"].isin(names)], "assets")
    rows = history.telemetry[history.telemetry["asset"].isin(names)]
    tables.append(workspace, TELEMETRY, rows, "telemetry")
    return workspace


def fail(
    workspace: Workspace, asset: str, at: pd.Timestamp, known: pd.Timestamp | None = None, name: str = "f"
) -> None:
    row = {"failure_id": name, "asset": asset, "event_time": at, "known_time": at if known is None else known}
    tables.append(workspace, "failures", pd.DataFrame([row | {"mode": "comp1"}]), f"{asset}/{name}/{at}/{known}")


def retire(workspace: Workspace, asset: str, at: pd.Timestamp, status: str = "retired") -> None:
    record = tables.read(workspace, "assets", assets=[asset]).tail(1)
    row = record.assign(event_time=at, known_time=at, status=status)[[*record.columns.difference(["status"]), "status"]]
    tables.append(workspace, "assets", row, f"{asset}/{at}/{status}")


def read(workspace: Workspace, asset: str, at: pd.Timestamp, value: float | None = 100.0) -> None:
    """Store one reading, or a row without a value."""
    row = {"asset": asset, "event_time": at, "known_time": at, "source": "physical"}
    row |= dict.fromkeys(("volt", "rotate", "pressure", "vibration"), value)
    frame = pd.DataFrame([row]).astype(dict.fromkeys(("volt", "rotate", "pressure", "vibration"), "float64"))
    tables.append(workspace, TELEMETRY, frame, f"{asset}/{at}")


@pytest.fixture
def ask(plant: Workspace, artifacts: tuple[Artifact, Artifact], fleet: Any) -> Ask:
    """Ask one predictor, three hours after the last telemetry; the answers by asset."""
    predictor = Predictor(plant, Settings(), PredictionLog(plant), lambda: fleet.end + 3 * HOUR)

    def asking(down: pd.Timedelta = 0 * HOUR, **content: Any) -> dict[str, PredictionAnswer]:
        champion = Champion("states", 1, replace(artifacts[0], down_after_failure=down), fleet.end)
        body = {"assets": list(fleet.assets[:4])} if "windows" not in content else {}
        text = predictor.predict_json(parse_request(json.dumps(body | content).encode(), 100), champion)
        return {one["asset"]: one for one in json.loads(text)["predictions"]}

    return asking


def statuses(answers: dict[str, PredictionAnswer]) -> list[str]:
    return [answer["status"] for answer in answers.values()]


def test_a_failed_and_a_retired_machine_get_a_status_and_no_number(ask: Ask, plant: Workspace, fleet: Any) -> None:
    """The reason names the time; it is stored as every answer, and no outcome can be held against it."""
    failed, retired, *others = fleet.assets[:4]
    fail(plant, failed, fleet.end + HOUR)
    retire(plant, retired, fleet.end + HOUR)
    counted = {name: metrics.ABSTENTIONS.labels(name)._value.get() for name in ("failed", "retired")}
    answers = ask()
    assert statuses(answers) == ["failed", "retired", "ok", "ok"]
    assert answers[failed]["reason"] == (
        "it failed at 2015-01-09 00:00 UTC, and no reading since shows that it runs again"
    )
    assert (answers[failed]["reason_code"], answers[retired]["reason_code"]) == ("failed", "retired")
    for asset in (failed, retired):
        answer = answers[asset]
        numbers = ("probability", "remaining_life_hours", "threshold", "alert", "valid_until", "last_reading_at")
        assert [answer[name] for name in numbers] == [None] * 6  # type: ignore[literal-required]
        kept = find_answers(records.open_records(plant.records_url), prediction_id=answer["prediction_id"])[0]
        assert (kept.status, kept.reason, kept.content) == (answer["status"], answer["reason"], answer)
    stored = records.predictions(records.open_records(plant.records_url), model_name="states")
    assert set(stored["asset"]) == set(others)
    for name, before in counted.items():
        assert metrics.ABSTENTIONS.labels(name)._value.get() == before + 1


def test_a_reading_after_the_failure_brings_it_back(ask: Ask, plant: Workspace, fleet: Any) -> None:
    """One with a value: a controller that goes on sending nulls says nothing of its machine."""
    asset = fleet.assets[0]
    fail(plant, asset, fleet.end + HOUR)
    read(plant, asset, fleet.end + 2 * HOUR, None)
    assert ask()[asset]["status"] == "failed"
    read(plant, asset, fleet.end + 2 * HOUR + MINUTE)
    assert ask()[asset]["status"] == "ok"
    # It counts as down for a while after its failure, whatever it sends.
    assert ask(down=90 * MINUTE)[asset]["status"] == "failed"
    again = ask(down=6 * HOUR)[asset]
    assert (again["status"], again["reason"]) == (
        "failed",
        "it failed at 2015-01-09 00:00 UTC, and counts as down for 6 h",
    )


def test_a_second_booking_of_one_breakdown_does_not_stop_a_machine_again(
    ask: Ask, plant: Workspace, artifacts: tuple[Artifact, Artifact], fleet: Any
) -> None:
    """As in training: the mechanic's booking, after the reading that showed it back, is the controller's breakdown."""
    asset = fleet.assets[0]
    fail(plant, asset, fleet.end + HOUR, name="controller")
    read(plant, asset, fleet.end + HOUR + MINUTE)
    fail(plant, asset, fleet.end + 2 * HOUR, name="mechanic")
    assert ask()[asset]["status"] == "ok"
    # Where it is down for less than lies between the bookings, they are two breakdowns.
    assert ask(down=10 * MINUTE)[asset]["status"] == "failed"
    terms = ObservationTerms.of(artifacts[0])
    assert (terms.down, terms.breakdown) == (0 * HOUR, min(artifacts[0].claim, 24 * HOUR))


def test_a_machine_in_the_place_of_a_failed_one_is_not_failed(ask: Ask, plant: Workspace, fleet: Any) -> None:
    """It has no telemetry of its own yet, which is what is said; and it runs with its first reading."""
    asset = fleet.assets[0]
    fail(plant, asset, fleet.end + HOUR)
    retire(plant, asset, fleet.end + 2 * HOUR, status="in_service")
    answer = ask()[asset]
    assert (answer["status"], answer["probability"], answer["reason_code"]) == ("abstained", None, "no_telemetry")
    # Before it came the old one stood there.
    assert ask(as_of=(fleet.end + 2 * HOUR - MINUTE).isoformat())[asset]["status"] == "failed"
    read(plant, asset, fleet.end + 2 * HOUR + MINUTE)
    assert ask()[asset]["status"] in ("ok", "abstained")
    fail(plant, asset, fleet.end + 3 * HOUR, name="own")
    assert ask()[asset]["status"] == "failed"


def test_the_past_is_judged_as_it_was_known(ask: Ask, plant: Workspace, fleet: Any) -> None:
    """No look-ahead: before a failure is reported it runs, and then it does not until its next reading."""
    asset, end = fleet.assets[0], fleet.end
    fail(plant, asset, end - 25 * HOUR, known=end + HOUR)
    fail(plant, fleet.assets[1], end - 40 * HOUR - MINUTE, known=end - 40 * HOUR)
    retire(plant, fleet.assets[2], end - 5 * HOUR)
    retire(plant, fleet.assets[2], end - 3 * HOUR, status="in_service")

    def at(time: pd.Timestamp) -> list[str]:
        first = statuses(ask(as_of=time.isoformat()))
        # What was kept from one request changes none of the next.
        assert statuses(ask(as_of=time.isoformat())) == first
        return first

    assert at(end + HOUR - MINUTE) == ["ok"] * 4
    assert at(end + HOUR) == ["ok"] * 4  # the reading at the end is later than the failure
    assert at(end - 40 * HOUR - MINUTE) == ["ok"] * 4
    assert at(end - 4 * HOUR)[2] == "retired"
    assert at(end - 3 * HOUR)[2] == "ok"
    fail(plant, asset, end + 90 * MINUTE, name="second")
    assert at(end + 2 * HOUR) == ["failed", "ok", "ok", "ok"]
    assert at(end + HOUR) == ["ok"] * 4


def test_a_correction_that_takes_a_failure_back_counts(ask: Ask, plant: Workspace, fleet: Any) -> None:
    """The failure was another hour's: by then the machine has read something since."""
    asset = fleet.assets[0]
    fail(plant, asset, fleet.end + HOUR)
    assert ask()[asset]["status"] == "failed"
    fail(plant, asset, fleet.end - 5 * HOUR, known=fleet.end + 2 * HOUR)
    assert ask()[asset]["status"] == "ok"
    assert ask(as_of=(fleet.end + HOUR).isoformat())[asset]["status"] == "failed"


def window(history: History, fleet: Any, asset: str, until: pd.Timestamp) -> dict[str, Any]:
    rows = history.telemetry[(history.telemetry["asset"] == asset) & history.telemetry["source"].eq("physical")]
    rows = rows[rows["event_time"] > fleet.end - 24 * HOUR].fillna(100.0)
    last = rows.tail(1).assign(event_time=until)
    rows = pd.concat([rows, last[last["event_time"] > fleet.end]])
    telemetry = {
        "event_time": [time.isoformat() for time in rows["event_time"]],
        "channels": {channel: rows[channel].tolist() for channel in fleet.channels},
    }
    return {"asset": asset, "as_of": (fleet.end + 3 * HOUR).isoformat(), "telemetry": telemetry}


def test_telemetry_sent_along_brings_a_machine_back(ask: Ask, plant: Workspace, history: History, fleet: Any) -> None:
    """The request knows more than the tables; for the others it is as stored."""
    first, second, third, fourth = fleet.assets[:4]
    for asset in (first, second):
        fail(plant, asset, fleet.end + HOUR)
    retire(plant, third, fleet.end)
    sent = {first: fleet.end, second: fleet.end + 2 * HOUR, third: fleet.end, fourth: fleet.end}
    answers = ask(windows=[window(history, fleet, asset, until) for asset, until in sent.items()])
    assert statuses(answers) == ["failed", "ok", "retired", "ok"]
    assert answers[first]["as_of"] == "2015-01-09T02:00:00Z"


def test_stored_features_of_a_machine_that_failed_since_are_not_answered(
    ask: Ask, plant: Workspace, fleet: Any
) -> None:
    """A scoring run before the failure knows nothing of it."""
    fail(plant, fleet.assets[0], fleet.end + HOUR)
    assert statuses(ask(features="stored")) == ["failed", "abstained", "abstained", "abstained"]


def test_a_request_in_the_present_looks_nothing_up(
    ask: Ask, plant: Workspace, fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept of the tables answers it; for a cut-off in the past telemetry is looked up once."""
    looked: list[Any] = []
    real = readings.last_readings

    def counting(*arguments: Any, **named: Any) -> Any:
        looked.append(named["as_of"])
        return real(*arguments, **named)

    monkeypatch.setattr("models.artifact.absences.last_readings", counting)
    for asset in fleet.assets[:4]:
        fail(plant, asset, fleet.end - 100 * HOUR)
    assert statuses(ask()) == ["ok"] * 4
    assert looked == []
    for _ in range(3):
        assert statuses(ask(as_of=(fleet.end - 5 * HOUR).isoformat())) == ["ok"] * 4
    assert looked == [fleet.end - 5 * HOUR]


def test_failed_machines_are_on_no_worklist(plant: Workspace, artifacts: Any, fleet: Any) -> None:
    """They are listed with their status, in a plan for today and in one for tomorrow; the others are planned for."""
    failed, back = fleet.assets[:2]
    for asset in (failed, back):
        fail(plant, asset, fleet.end + 10 * MINUTE)
    read(plant, back, fleet.end + 20 * MINUTE)
    now = fleet.end + 30 * MINUTE
    worker = worker_of(plant, Champion("tiny", 1, artifacts[0], now), lambda: now)
    with TestClient(Starlette(routes=routes(lambda: worker))) as client:
        for more in ({}, {"start": (now + 8 * HOUR).isoformat()}):
            content = planned(client, more)
            left = {line["asset"]: (line["why"], line["reason"]) for line in content["left_out"]}
            assert left[failed][0] == "failed"
            assert "2015-01-08 23:10 UTC" in left[failed][1]
            assert failed not in {line["asset"] for line in content["lines"]}
            # Its stored prediction is from before its failure: it is predicted for anew.
            assert left.get(back, ("saves_less_than_it_costs",))[0] == "saves_less_than_it_costs"


def planned(client: httpx.Client, more: dict[str, Any]) -> Any:
    answer = client.post("/worklist", json=REQUEST | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


_times = st.integers(0, 60 * 24 * 8)


@given(
    failures=st.lists(st.tuples(st.integers(0, 2), _times, st.integers(0, 3000)), max_size=6),
    records_=st.lists(st.tuples(st.integers(0, 2), _times, st.sampled_from(["retired", "in_service"])), max_size=3),
    gaps=st.lists(st.tuples(st.integers(0, 2), _times, st.integers(60, 5000)), max_size=3),
    asked=st.lists(_times, min_size=1, max_size=4),
    down=st.sampled_from([0, 45, 600]),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batch_and_endpoint_see_the_same_machines_run(
    tmp_path_factory: pytest.TempPathFactory,
    history: History,
    artifacts: tuple[Artifact, Artifact],
    fleet: Any,
    failures: Any,
    records_: Any,
    gaps: Any,
    asked: list[int],
    down: int,
) -> None:
    """Batch equals online: at any cut-off, in any order of cut-offs, with late reports, silences and corrections."""
    workspace = init_workspace(tmp_path_factory.mktemp("same"))
    names = list(fleet.assets[:3])
    artifact = replace(artifacts[0], down_after_failure=down * MINUTE)
    rows = history.telemetry[history.telemetry["asset"].isin(names)]
    for asset, start, length in gaps:
        begin = fleet.begin + start * MINUTE
        silent = rows["event_time"].between(begin, begin + length * MINUTE) & (rows["asset"] == names[asset])
        rows = rows[~silent]
    tables.append(workspace, TELEMETRY, rows, "t")
    tables.append(workspace, "assets", history.assets[history.assets["asset"].isin(names)], "a")
    for number, (asset, minute, late) in enumerate(failures):
        at = fleet.begin + minute * MINUTE
        fail(workspace, names[asset], at, at + late * MINUTE, name=f"f{number % 4}")
    for asset, minute, status in records_:
        retire(workspace, names[asset], fleet.begin + minute * MINUTE, status)
    states = AssetStates(workspace, StoredFleet(workspace, TYPE), LatestTelemetry(workspace, TYPE))
    for minute in asked:
        as_of = fleet.begin + minute * MINUTE
        online = states.reasons(dict.fromkeys(names, as_of), ObservationTerms.of(artifact))
        cut_offs = pd.DataFrame({"asset": names, "as_of": as_of.as_unit("us")})
        for start in (None, as_of - artifact.recipe.lookback):
            known = read_history(workspace, TYPE, as_of=as_of, start=start)
            assert online == absent_assets(workspace, artifact, known, cut_offs)
