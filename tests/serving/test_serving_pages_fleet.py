"""The fleet page: machines by risk, each kind of record read once, and what helps where there is nothing yet."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data_contracts.records.alarm_marks.marks import acknowledge, silence, withdraw
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.draw_records import AlarmDraw
from data_contracts.records.records import Prediction, open_records
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from models.planning.cost_settings import CostSettings
from serving.http.errors import ApiError
from serving.pages.all_routes import routes
from serving.pages.fleet.fleet_view import FleetView, fleet_view
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.settings import Settings

NOW = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
ODD = "m<b>1</b>/&"
MACHINES = ("m-1", "m-2", "m-3", "m-4", "m-5", ODD)


def worker_of(workspace: Workspace) -> Any:
    settings = Settings(stale_after="6h")
    predictor = Predictor(workspace, settings, PredictionLog(workspace), lambda: NOW)
    watch = SimpleNamespace(current=None, name="m")
    costs = CostSettings()
    return SimpleNamespace(workspace=workspace, settings=settings, predictor=predictor, watch=watch, costs=costs)


def predicted(asset: str, probability: float, hours_ago: float = 1.0, **more: Any) -> Prediction:
    as_of = NOW - hours_ago * HOUR
    plain = {"horizon_s": 72 * 3600.0, "lead_s": 0.0, "remaining_life_h": None, "threshold": 0.5, "model_name": "a"}
    own = {"asset": asset, "as_of": as_of, "made_at": as_of, "probability": probability, "alert": probability >= 0.5}
    chosen = plain | own | {"model_version": 1, "origin": "batch"} | more
    return Prediction(prediction_id=f"{asset}/{chosen['model_name']}/{as_of.isoformat()}", **chosen)


@pytest.fixture
def plant(tmp_path: Path) -> Workspace:
    """Return a workspace of six machines: of two plants, one failed, one retired, one silent, one with markup."""
    made = init_workspace(tmp_path / "plant")
    rows = [
        {"asset": asset, "plant": f"plant-{1 + number % 2}", "line": f"plant-{1 + number % 2}/line-1"}
        for number, asset in enumerate(MACHINES)
    ]
    past = {"event_time": NOW - 90 * DAY, "known_time": NOW - 90 * DAY, "asset_type": "cnc_machine", "model": "x"}
    records = pd.DataFrame([row | past | {"status": None} for row in rows])
    retired = records[records["asset"] == "m-4"].assign(event_time=NOW - DAY, known_time=NOW - DAY, status="retired")
    tables.append(made, "assets", pd.concat([records, retired]), "assets")
    hours = pd.date_range(NOW - 2 * DAY, NOW - HOUR, freq="h", unit="us")
    telemetry = pd.DataFrame(
        [
            {"asset": asset, "event_time": at, "known_time": at, "source": "physical", "tool_load": 20.0}
            for asset in MACHINES
            if asset != "m-5"
            for at in hours
            if asset != "m-2" or at < NOW - DAY
        ]
    )
    tables.append(made, "telemetry/cnc_machine", telemetry, "telemetry")
    failure = {"failure_id": "f1", "asset": "m-3", "event_time": NOW - HOUR, "known_time": NOW, "mode": "bearing"}
    tables.append(made, "failures", pd.DataFrame([failure]), "failures")
    return made


@pytest.fixture
def client(plant: Workspace) -> Iterator[TestClient]:
    worker = worker_of(plant)
    with TestClient(Starlette(routes=routes(lambda: worker))) as made:
        yield made


def store(plant: Workspace, *made: Prediction, draws: tuple[AlarmDraw, ...] = ()) -> None:
    add_predictions(open_records(plant.records_url), made, draws=draws)


def order(view: FleetView) -> list[str]:
    return [row.machine.place.asset for row in view.rows]


def test_machines_with_an_alarm_come_first_then_by_risk(plant: Workspace) -> None:
    """Of several models each counts by its own threshold; an alarm is open as long as its last alert claims."""
    store(
        plant,
        *(predicted("m-1", 0.9, hours_ago=hours) for hours in (30.0, 20.0, 6.0)),
        predicted("m-1", 0.1, hours_ago=8.0),
        predicted("m-2", 0.3),
        predicted("m-2", 0.04, threshold=0.05, model_name="b"),
        predicted(ODD, 0.45),
        predicted("m-5", 0.9, hours_ago=80.0),
        predicted("m-4", 0.9, hours_ago=2.0),
    )
    view = fleet_view(worker_of(plant), {})
    machines = {row.machine.place.asset: row.machine for row in view.rows}
    # The claim of m-5 is over; m-4 is retired.
    assert list(machines) == ["m-1", ODD, "m-2", "m-5", "m-4", "m-3"]
    alarm = machines["m-1"].alarm
    assert alarm is not None
    assert (alarm.since, alarm.closes) == (NOW - 30 * HOUR, NOW + 66 * HOUR)
    assert [risk.model for risk in machines["m-2"].risks] == ["b", "a"]
    assert view.alarms == 1
    assert view.models == ("a", "b")
    store(plant, predicted("m-1", 0.1))
    assert fleet_view(worker_of(plant), {}).alarms == 0


def test_a_machine_that_failed_or_was_held_back_has_no_alarm(plant: Workspace) -> None:
    """What was claimed has happened; and on an alarm that is held back nobody is to act."""
    alert, held = predicted("m-3", 0.9, hours_ago=3.0), predicted("m-1", 0.9)
    draw = AlarmDraw(held.prediction_id, "a", "m-1", held.as_of, held.as_of, held.as_of + 3 * DAY, 0.5, True)
    store(plant, alert, held, draws=(draw,))
    view = fleet_view(worker_of(plant), {})
    assert view.alarms == 0
    risks = {row.machine.place.asset: row.machine.risk for row in view.rows}
    assert risks["m-1"] is not None
    assert (risks["m-1"].held_back, risks["m-1"].grade(NOW)) == (True, "medium")


def test_who_has_seen_an_alarm_stands_beside_it(client: TestClient, plant: Workspace) -> None:
    """On both pages, as long as the mark holds; an acknowledgement is of one alarm, a silence also of later ones."""
    store(plant, *(predicted(asset, 0.9, hours_ago=hours) for asset in ("m-1", ODD) for hours in (100.0, 3.0, 2.0)))
    records = open_records(plant.records_url)
    by = {"model_name": "a", "actor": "Ida <i>", "at": NOW - HOUR}
    seen = acknowledge(records, asset="m-1", began=NOW - 3 * HOUR, **by)
    acknowledge(records, asset=ODD, began=NOW - 100 * HOUR, **by)
    silence(records, asset=ODD, began=NOW - 100 * HOUR, reason="in work", expires_at=NOW + HOUR, **by)
    machines = {row.machine.place.asset: row.machine for row in fleet_view(worker_of(plant), {}).rows}
    marks = {asset: (alarm.acknowledged, alarm.silenced) for asset, one in machines.items() if (alarm := one.alarm)}
    assert {asset: tuple(map(bool, both)) for asset, both in marks.items()} == {
        "m-1": (True, False),
        ODD: (False, True),
    }
    assert order(fleet_view(worker_of(plant), {"alarm": "unacknowledged"})) == [ODD]
    for address in ("/ui/fleet", "/ui/machines/m-1", "/ui/alarms"):
        assert "acknowledged by ida &lt;i&gt;" in client.get(address).text.lower()
    german = {"accept-language": "de"}
    for address in ("/ui/fleet", "/ui/machines/m%3Cb%3E1%3C/b%3E/%26", "/ui/alarms"):
        shown = client.get(address, headers=german).text.lower()
        assert "stumm geschaltet von ida &lt;i&gt; bis 01.03.2026 07:00" in shown
    withdraw(records, seen.mark_id, actor="Ida", at=NOW)
    assert set(order(fleet_view(worker_of(plant), {"alarm": "unacknowledged"}))) == {"m-1", ODD}
    then = {"alarm": "unacknowledged", "as_of": "2026-03-01T05:30:00Z"}
    assert order(fleet_view(worker_of(plant), then)) == [ODD]


def test_the_status_is_what_predictions_go_by(plant: Workspace) -> None:
    view = fleet_view(worker_of(plant), {"size": "all"})
    status = {row.machine.place.asset: row.machine.status.code for row in view.rows}
    expected = {"m-1": "running", "m-2": "stale", "m-3": "failed", "m-4": "retired", "m-5": "no_telemetry"}
    assert status == expected | {ODD: "running"}
    earlier = fleet_view(worker_of(plant), {"as_of": (NOW - 26 * HOUR).isoformat().replace("+00:00", "Z")})
    then = {row.machine.place.asset: row.machine.status.code for row in earlier.rows}
    assert then == dict.fromkeys(MACHINES, "running") | {"m-5": "no_telemetry"}


def test_filters_search_and_pages(plant: Workspace) -> None:
    worker = worker_of(plant)
    store(plant, predicted("m-1", 0.9), predicted("m-2", 0.2, model_name="b"))

    def shown(**query: str) -> set[str]:
        return set(order(fleet_view(worker, query)))

    assert shown(plant="plant-2") == {"m-2", "m-4", ODD}
    assert shown(line="plant-1/line-1", status="running") == {"m-1"}
    assert shown(model="b") == {"m-2"}
    assert shown(alarm="open") == {"m-1"}
    assert shown(q="M<B>") == {ODD}
    assert shown(q="line-1", alarm="none") == set(MACHINES) - {"m-1"}
    for wrong in ({"status": "broken"}, {"page": "0"}, {"size": "7"}, {"as_of": "yesterday"}, {"q": "x" * 300}):
        with pytest.raises(ApiError) as error:
            fleet_view(worker, wrong)
        assert error.value.status == 422
        assert error.value.field == next(iter(wrong))


def test_the_number_of_reads_does_not_grow_with_the_fleet(plant: Workspace) -> None:
    """Of each kind of record one statement, however many machines are shown."""
    statements: list[str] = []

    def counted(of: tuple[Prediction, ...]) -> int:
        store(plant, *of)
        worker = worker_of(plant)
        engine = worker.predictor.log.commit.engine()
        sa.event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        statements.clear()
        fleet_view(worker, {"size": "all"})
        return len(statements)

    one = counted((predicted("m-1", 0.9),))
    assert counted(tuple(predicted(asset, 0.8, hours_ago=2.0) for asset in MACHINES)) == one > 0


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_page_shows_stored_texts_as_text(client: TestClient, plant: Workspace, language: str) -> None:
    """Names with markup are shown, linked to and searched for as they are."""
    store(plant, predicted(ODD, 0.9))
    answer = client.get("/ui/fleet?q=%3Cb%3E", headers={"accept-language": language})
    assert answer.status_code == 200
    assert "<b>" not in answer.text
    assert "m&lt;b&gt;1&lt;/b&gt;/&amp;</a>" in answer.text
    assert 'href="/ui/machines/m%3Cb%3E1%3C/b%3E/%26"' in answer.text
    assert 'value="&lt;b&gt;"' in answer.text


def test_where_there_is_nothing_the_page_says_what_to_run(tmp_path: Path, client: TestClient) -> None:
    assert "forewarn score" in client.get("/ui/fleet").text
    worker = worker_of(init_workspace(tmp_path / "empty"))
    with TestClient(Starlette(routes=routes(lambda: worker))) as nobody:
        empty = nobody.get("/ui/fleet")
    assert empty.status_code == 200
    assert "forewarn ingest" in empty.text


def test_a_long_page_is_packed_for_who_can_unpack_it(client: TestClient, plant: Workspace) -> None:
    store(plant, *(predicted(asset, 0.2) for asset in MACHINES))
    packed = client.get("/ui/fleet", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    plain = client.get("/ui/fleet", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) * 3 < int(plain.headers["content-length"])
