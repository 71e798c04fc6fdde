"""The pages for planning: the worklist, work orders that come back, history and why; over HTTP, in one process."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from data_contracts.errors import StorageError
from data_contracts.records.answer_records import Answer, add_predictions
from data_contracts.records.outcome_records import OutcomeRow, append_outcome_rows
from data_contracts.records.records import Prediction, open_records, predictions
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from models.artifact.artifact import Artifact
from models.planning.cost_settings import CostSettings
from serving.deployment.champion import Champion
from serving.http import request_context
from serving.prediction import stored_fleet
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.prediction.stored_fleet import StoredTables
from serving.routes.planning_routes import routes
from serving.settings import Settings
from tests.serving.conftest import END

HOUR = pd.Timedelta(hours=1)
NOW = pd.Timestamp("2015-01-09T00:00Z").as_unit("us")
START = "2015-01-09T00:00:00Z"
REQUEST: dict[str, Any] = {
    "days": 2,
    "crews": {"machines_per_day": 2},
    "costs": {"planned": 1000, "failure": 20000, "downtime_per_hour": 1000, "unplanned_hours": 10},
    "repair_hours": 6,
}
ORDER: dict[str, Any] = {
    "work_order_id": "w1",
    "asset": "azure-03",
    "event_time": "2015-01-08T12:00:00Z",
    "kind": "inspection",
    "prompted_by": "alarm",
}


@pytest.fixture
def plant(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Copy the workspace, for these tests write."""
    made = init_workspace(tmp_path / "workspace")
    shutil.copytree(workspace.tables_url, made.tables_url, dirs_exist_ok=True)
    return made


def worker_of(plant: Workspace, champion: Champion | None, clock: Callable[[], pd.Timestamp] = lambda: NOW) -> Any:
    log = PredictionLog(plant)
    predictor = Predictor(plant, Settings(), log, clock)
    return SimpleNamespace(
        workspace=plant,
        settings=Settings(),
        predictor=predictor,
        watch=SimpleNamespace(current=champion),
        champion=lambda: champion,
        costs=CostSettings(),
    )


@pytest.fixture
def client(plant: Workspace, artifacts: tuple[Artifact, Artifact]) -> Iterator[httpx.Client]:
    worker = worker_of(plant, Champion("tiny", 1, artifacts[0], NOW))
    with TestClient(Starlette(routes=routes(lambda: worker))) as made:
        yield made


def predicted(prediction_id: str, asset: str, probability: float, hours_ago: float = 1.0, **more: Any) -> Prediction:
    plain = {"horizon_s": 86400.0, "lead_s": 0.0, "remaining_life_h": None, "threshold": 0.5, "model_name": "tiny"}
    as_of = NOW - hours_ago * HOUR
    own = {"asset": asset, "as_of": as_of, "made_at": as_of, "probability": probability, "alert": probability >= 0.5}
    return Prediction(prediction_id=prediction_id, **plain | own | {"model_version": 1, "origin": "batch"} | more)


def store(plant: Workspace, *made: Prediction, answers: Sequence[Answer] = ()) -> None:
    add_predictions(open_records(plant.records_url), made, answers)


def answered(made: Prediction, **content: Any) -> Answer:
    """Build the stored answer of a prediction, as the endpoint and the scheduled scoring do."""
    text = json.dumps({"prediction_id": made.prediction_id} | content)
    return Answer(made.prediction_id, made.asset, made.as_of, made.made_at, "ok", None, "tiny", 1, "d", text)


def test_the_list_rests_on_the_newest_stored_prediction_of_each_asset(client: httpx.Client, plant: Workspace) -> None:
    """Of several the newest counts, another version's none; each line names its prediction; nothing is made anew."""
    store(
        plant,
        predicted("old", "azure-01", 0.9, hours_ago=5),
        predicted("new", "azure-01", 0.4),
        predicted("sure", "azure-02", 0.8),
        predicted("slight", "azure-03", 0.01),
        predicted("other", "azure-02", 0.1, hours_ago=0.5, model_version=2),
    )
    body = REQUEST | {"assets": ["azure-01", "azure-02", "azure-03"], "crews": {"machines_per_day": 1}}
    answer = client.post("/worklist", json=body)
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert [(line["asset"], line["day"], line["prediction_id"]) for line in content["lines"]] == [
        ("azure-02", 0, "sure"),
        ("azure-01", 1, "new"),
    ]
    assert [(left["asset"], left["why"], left["prediction_id"]) for left in content["left_out"]] == [
        ("azure-03", "saves_less_than_it_costs", "slight")
    ]
    assert content["expected_cost"] + content["saves"] == pytest.approx(content["expected_cost_without"])
    assert content["start"] == START
    assert len(predictions(open_records(plant.records_url))) == 5


def test_assets_without_a_stored_prediction_are_predicted_now(client: httpx.Client, plant: Workspace) -> None:
    """All of the type are planned for, and every line's prediction is in the records."""
    content = client.post("/worklist", json=REQUEST).json()
    stored = predictions(open_records(plant.records_url)).set_index("prediction_id")
    assert len(content["lines"]) + len(content["left_out"]) == 60
    for line in [*content["lines"], *content["left_out"]]:
        assert stored.loc[line["prediction_id"], "asset"] == line["asset"]
    assert len(content["lines"]) <= 4


def test_several_horizons_are_used_where_they_were_answered(client: httpx.Client, plant: Workspace) -> None:
    """A risk that only begins after the first day can wait for it."""
    horizons = [{"hours": 24.0, "probability": 0.0}, {"hours": 72.0, "probability": 0.6}]
    late = predicted("late", "azure-01", 0.6, hours_ago=0.0)
    store(plant, late, answers=[answered(late, horizons=horizons)])
    line = client.post("/worklist", json=REQUEST | {"assets": ["azure-01"]}).json()["lines"][0]
    assert line["probability_without"] == pytest.approx(0.6)
    assert line["probability_before"] == 0


def test_retired_repaired_and_silent_assets_are_left_out_with_the_reason(
    client: httpx.Client, plant: Workspace
) -> None:
    """Nothing is invented for an asset that is retired, or was repaired since its last telemetry."""
    store(plant, *(predicted(f"p{number}", f"azure-0{number}", 0.9) for number in (1, 2, 3)))
    record = tables.read(plant, "assets", assets=["azure-01"])
    gone = record.assign(event_time=NOW - HOUR, known_time=NOW - HOUR, status="retired")
    tables.append(plant, "assets", gone, "retired")
    done = ORDER | {"asset": "azure-02", "event_time": "2015-01-08T23:30:00Z", "finding": "defect_confirmed"}
    assert client.post("/work-orders", json={"work_orders": [done]}).status_code == 200
    body = REQUEST | {"assets": ["azure-01", "azure-02", "azure-03"]}
    content = client.post("/worklist", json=body).json()
    assert [line["asset"] for line in content["lines"]] == ["azure-03"]
    reasons = {left["asset"]: (left["why"], left["reason"]) for left in content["left_out"]}
    assert reasons["azure-01"] == ("retired", "asset retired")
    assert reasons["azure-02"][0] == "abstained"
    assert "2015-01-08 23:30" in reasons["azure-02"][1]
    late = client.post("/worklist", json=body | {"start": "2015-01-20T00:00:00Z"}).json()
    # A plan for a later day rests on what is known now, unless the request says how old that may be by then.
    assert [line["asset"] for line in late["lines"]] == ["azure-03"]
    assert {left["asset"]: left["why"] for left in late["left_out"]} == {"azure-01": "retired", "azure-02": "abstained"}
    aged = client.post("/worklist", json=body | {"start": "2015-01-20T00:00:00Z", "max_age_hours": 24}).json()
    assert {left["asset"]: left["why"] for left in aged["left_out"]}["azure-03"] == "stale"


def test_a_machine_that_stands_is_not_planned_by_an_older_reading(client: httpx.Client, plant: Workspace) -> None:
    """All are scored at one cut-off: what counts is the telemetry behind it, which ended with the failure."""
    scored = [predicted(f"p{number}", f"azure-0{number}", 0.9) for number in (1, 2, 3)]
    read_at = {"azure-01": NOW - 4 * HOUR, "azure-02": NOW - 2 * HOUR, "azure-03": NOW - 30 * HOUR}
    store(plant, *scored, answers=[answered(one, last_reading_at=read_at[one.asset].isoformat()) for one in scored])
    failed = {"failure_id": "f1", "event_time": NOW - 3 * HOUR, "known_time": NOW - 3 * HOUR, "mode": "comp1"}
    for asset in ("azure-01", "azure-02"):
        tables.append(plant, "failures", pd.DataFrame([failed | {"asset": asset}]), f"f1/{asset}")
    body = REQUEST | {"assets": ["azure-01", "azure-02", "azure-03"]}
    content = client.post("/worklist", json=body).json()
    chosen = {line["asset"]: line["prediction_id"] for line in [*content["lines"], *content["left_out"]]}
    # One has telemetry since; the others are predicted anew from their latest.
    assert chosen["azure-02"] == "p2"
    assert chosen["azure-01"] != "p1"
    assert chosen["azure-03"] != "p3"


def test_without_a_start_the_latest_telemetry_counts(plant: Workspace, artifacts: Any) -> None:
    """The clock goes on while a plan is made: that does not turn the present into a cut-off that has passed."""
    now = [END + 20 * HOUR]

    def clock() -> pd.Timestamp:
        now[0] += pd.Timedelta("1ms")
        return now[0]

    failed = {"failure_id": "f1", "asset": "azure-01", "event_time": END + HOUR, "known_time": END + HOUR}
    tables.append(plant, "failures", pd.DataFrame([failed | {"mode": "comp1"}]), "f1")
    worker = worker_of(plant, Champion("tiny", 1, artifacts[0], NOW), clock)
    with TestClient(Starlette(routes=routes(lambda: worker))) as ticking:
        body = REQUEST | {"assets": ["azure-01", "azure-02"]}
        content = ticking.post("/worklist", json=body).json()
        reasons = {left["asset"]: (left["why"], left["reason"]) for left in content["left_out"]}
        assert reasons["azure-01"] == (
            "failed",
            "it failed at 2015-01-09 00:00 UTC, and no reading since shows that it runs again",
        )
        assert all(line["as_of"] == "2015-01-08T23:00:00Z" for line in content["lines"])
        old = ticking.post("/worklist", json=body | {"max_age_hours": 2}).json()["left_out"]
        assert {left["asset"]: (left["why"], left["reason"]) for left in old} == {
            "azure-01": reasons["azure-01"],
            "azure-02": ("stale", "stale: the latest telemetry is from 2015-01-08 23:00 UTC"),
        }
        past = {"start": "2015-01-09T12:00:00Z", "max_age_hours": 2}
        assert len(ticking.post("/worklist", json=body | past).json()["left_out"]) == 2


def test_a_correction_counts_also_where_it_moves_the_work(client: httpx.Client, plant: Workspace) -> None:
    """Neither plan nor history goes by a time that was taken back."""
    store(plant, predicted("p1", "azure-03", 0.9))
    done = ORDER | {"finding": "defect_confirmed"}
    for time, known in (("2015-01-08T23:30:00Z", "2015-01-08T23:40:00Z"), ("2015-01-02T12:00:00Z", START)):
        reported = {"work_orders": [done | {"event_time": time, "known_time": known}]}
        assert client.post("/work-orders", json=reported).status_code == 200
    content = client.post("/worklist", json=REQUEST | {"assets": ["azure-03"]}).json()
    assert [line["prediction_id"] for line in content["lines"]] == ["p1"]
    for since, times in (("2015-01-08T00:00:00Z", []), ("2015-01-02T11:00:00Z", ["2015-01-02T12:00:00Z"])):
        history = client.get("/assets/azure-03/history", params={"since": since}).json()
        assert [one["event_time"] for one in history["work_orders"] if one["work_order_id"] == "w1"] == times


def test_costs_and_repair_hours_may_differ_from_asset_to_asset(client: httpx.Client, plant: Workspace) -> None:
    """The dearer failure goes first, and a repair longer than a day of the crews is left out as such."""
    store(plant, *(predicted(f"p{number}", f"azure-0{number}", 0.5) for number in (1, 2, 3)))
    body = REQUEST | {
        "assets": ["azure-01", "azure-02", "azure-03"],
        "crews": {"machines_per_day": 1, "hours_per_day": 16},
        "days": 1,
        "per_asset": {"azure-02": {"downtime_per_hour": 9000}, "azure-03": {"repair_hours": 20}},
    }
    content = client.post("/worklist", json=body).json()
    assert [line["asset"] for line in content["lines"]] == ["azure-02"]
    assert [(left["asset"], left["why"]) for left in content["left_out"]] == [
        ("azure-01", "no_crew_free"),
        ("azure-03", "too_long_for_a_day"),
    ]


def test_machines_that_do_not_alert_may_be_left_to_tomorrow(client: httpx.Client, plant: Workspace) -> None:
    """On demand the list is of alerts only; the others are named with their prediction."""
    store(plant, predicted("loud", "azure-01", 0.6), predicted("quiet", "azure-02", 0.4))
    body = REQUEST | {"assets": ["azure-01", "azure-02"], "alerts_only": True}
    content = client.post("/worklist", json=body).json()
    assert [line["asset"] for line in content["lines"]] == ["azure-01"]
    assert [(left["asset"], left["why"], left["prediction_id"]) for left in content["left_out"]] == [
        ("azure-02", "no_alert", "quiet")
    ]


def test_a_plan_for_tomorrow_counts_from_now(client: httpx.Client, plant: Workspace) -> None:
    """What is likely to fail before the first day saves less than if somebody came at once."""
    store(plant, predicted("p", "azure-01", 0.6))
    body = REQUEST | {"assets": ["azure-01"]}
    now = client.post("/worklist", json=body).json()
    tomorrow = client.post("/worklist", json=body | {"start": "2015-01-09T12:00:00Z"}).json()
    assert (tomorrow["start"], tomorrow["counted_from"]) == ("2015-01-09T12:00:00Z", START)
    assert now["lines"][0]["probability_before"] == 0
    assert tomorrow["lines"][0]["probability_before"] == pytest.approx(1 - 0.4**0.5)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": "2"}, "days"),
        ({"days": 2.5}, "days"),
        ({"crews": {}}, "crews"),
        ({"crews": {"machines": 2}}, "crews.machines"),
        ({"crews": {"hours_per_day": -1}}, "crews.hours_per_day"),
        ({"costs": {"planned": 1}}, "costs.failure"),
        ({"costs": {"planned": 1, "failure": 10**400}}, "costs.failure"),
        ({"repair_hours": 0}, "repair_hours"),
        ({"start": "tomorrow"}, "start"),
        ({"start": "2019-01-09T00:00:00Z"}, "start"),
        ({"per_asset": {"azure-01": {"cost": 1}}}, "per_asset.azure-01.cost"),
        ({"horizon": 3}, "horizon"),
        ({"assets": ["azure-01", "azure-01"]}, "assets[1]"),
    ],
)
def test_a_wrong_worklist_request_is_refused_with_the_path(
    client: httpx.Client, change: dict[str, Any], field: str
) -> None:
    """422, the one shape of errors, and the field at fault."""
    answer = client.post("/worklist", json=REQUEST | change)
    assert answer.status_code == 422, answer.text
    content = answer.json()
    assert set(content) == {"error", "field", "found", "expected", "remedy"}
    assert content["field"] == field


@pytest.mark.parametrize("content", [b"", b"{", b'{"days": NaN}', b'{"days": 1, "days": 1}'])
def test_what_is_no_json_is_refused(client: httpx.Client, content: bytes) -> None:
    """400, in the one shape of errors."""
    for page in ("/worklist", "/work-orders"):
        answer = client.post(page, content=content)
        assert answer.status_code == 400
        assert set(answer.json()) == {"error", "field", "found", "expected", "remedy"}


def test_an_unknown_asset_of_a_worklist_is_named(client: httpx.Client) -> None:
    """404 with the path, and what was likely meant."""
    for change, field in (({"assets": ["azure-0x"]}, "assets[0]"), ({"per_asset": {"m": {}}}, "per_asset.m")):
        answer = client.post("/worklist", json=REQUEST | change)
        assert (answer.status_code, answer.json()["field"]) == (404, field)


def test_work_comes_back_once_and_is_corrected_by_a_later_report(client: httpx.Client, plant: Workspace) -> None:
    """The same report twice is one row; another finding is a correction; the ledger's readers see the last."""
    body = {"work_orders": [ORDER, ORDER | {"work_order_id": "w2", "component": "comp2"}]}
    first = client.post("/work-orders", json=body)
    assert first.status_code == 200, first.text
    assert [one["state"] for one in first.json()["work_orders"]] == ["stored", "stored"]
    again = client.post("/work-orders", json=body).json()["work_orders"]
    assert [one["state"] for one in again] == ["already_there", "already_there"]
    assert [one["known_time"] for one in again] == [one["known_time"] for one in first.json()["work_orders"]]
    corrected = {"work_orders": [ORDER | {"finding": "defect_confirmed"}]}
    assert client.post("/work-orders", json=corrected).json()["work_orders"][0]["state"] == "corrected"
    rows = tables.read(plant, "work_orders", assets=["azure-03"])
    assert sorted(rows.loc[rows["prompted_by"] == "alarm", "work_order_id"]) == ["w1", "w1", "w2"]
    content = client.get("/assets/azure-03/history").json()["work_orders"]
    assert {one["work_order_id"]: one["finding"] for one in content}["w1"] == "defect_confirmed"


def test_a_component_is_not_spelt_in_two_ways(client: httpx.Client) -> None:
    """It would be another one in every feature and plan; one of a new name is another one."""
    for component in ("Comp1", "comp 1", "COMP-1", "comp_1"):
        answer = client.post("/work-orders", json={"work_orders": [ORDER | {"component": component}]})
        assert (answer.status_code, answer.json()["field"]) == (422, "work_orders[0].component")
        assert answer.json()["remedy"] == "Did you mean 'comp1'?"
    for order, component in (("w1", "comp1"), ("w2", "comp11"), ("w3", None)):
        content = {"work_orders": [ORDER | {"work_order_id": order, "component": component}]}
        assert client.post("/work-orders", json=content).status_code == 200
    answer = client.post("/work-orders", json={"work_orders": [ORDER | {"component": "Comp11"}]})
    assert answer.json()["remedy"] == "Did you mean 'comp11'?"


def test_of_the_components_in_use_only_new_rows_are_read(plant: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many work orders are stored, a report reads those since the one before."""
    stored, read = StoredTables(plant), list[tuple[int | None, frozenset[str]]]()

    def values_since(*arguments: Any, after: int | None) -> tuple[frozenset[str], int | None]:
        found = tables.values_since(*arguments, after=after)
        read.append((after, found[0]))
        return found

    monkeypatch.setattr(stored_fleet, "tables", SimpleNamespace(**vars(tables) | {"values_since": values_since}))
    before = stored.components()
    version = tables.latest_version(plant, "work_orders")
    assert stored.components() == before
    assert read[-1] == (None, before)
    rows = tables.read(plant, "work_orders").head(1).assign(work_order_id="w9", component="gasket")
    tables.append(plant, "work_orders", rows, "w9")
    assert stored.components() == before | {"gasket"}
    assert read[-1] == (version, frozenset({"gasket"}))


def test_a_clock_a_little_ahead_does_not_make_a_correction_of_a_resend(client: httpx.Client, plant: Workspace) -> None:
    """Work keeps the time it was reported for, and is known from then on."""
    ahead = (NOW + pd.Timedelta("3s")).isoformat()
    for state in ("stored", "already_there", "already_there"):
        content = client.post("/work-orders", json={"work_orders": [ORDER | {"event_time": ahead}]}).json()
        assert [(one["state"], one["known_time"]) for one in content["work_orders"]] == [
            (state, "2015-01-09T00:00:03Z")
        ]
    rows = tables.read(plant, "work_orders", assets=["azure-03"])
    assert rows.loc[rows["work_order_id"] == "w1", "event_time"].tolist() == [pd.Timestamp(ahead)]


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"asset": "azure-0x"}, 404, "work_orders[1].asset"),
        ({"event_time": "2015-01-10T00:00:00Z"}, 422, "work_orders[1].event_time"),
        ({"event_time": "2015-01-08"}, 422, "work_orders[1].event_time"),
        ({"known_time": "2015-01-08T11:00:00Z"}, 422, "work_orders[1].event_time"),
        ({"known_time": "2015-01-19T11:00:00Z"}, 422, "work_orders[1].known_time"),
        ({"kind": "repair"}, 422, "work_orders[1].kind"),
        ({"finding": "nothing"}, 422, "work_orders[1].finding"),
        ({"prediction_id": "none"}, 404, "work_orders[1].prediction_id"),
        ({"work_order_id": "w1"}, 422, "work_orders[1].work_order_id"),
        ({"work_order_id": ""}, 422, "work_orders[1].work_order_id"),
        ({"cost": 3}, 422, "work_orders[1].cost"),
    ],
)
def test_one_bad_report_refuses_all_of_them(
    client: httpx.Client, plant: Workspace, change: dict[str, Any], status: int, field: str
) -> None:
    """422 with the path, 404 for what is unknown, and nothing half-done."""
    before = len(tables.read(plant, "work_orders"))
    answer = client.post("/work-orders", json={"work_orders": [ORDER, ORDER | {"work_order_id": "w2"} | change]})
    assert answer.status_code == status, answer.text
    assert answer.json()["field"] == field
    assert len(tables.read(plant, "work_orders")) == before


def test_work_needs_no_champion(plant: Workspace) -> None:
    """Findings are taken whatever model there is, or none."""
    with TestClient(Starlette(routes=routes(lambda: worker_of(plant, None)))) as client:
        assert client.post("/work-orders", json={"work_orders": [ORDER]}).status_code == 200


def test_reports_from_two_workers_at_once_are_stored_once(plant: Workspace) -> None:
    """Two processes' worth of workers with the same and with their own reports lose and double nothing."""
    workers = [worker_of(plant, None) for _ in range(2)]
    clients = [TestClient(Starlette(routes=routes(lambda worker=worker: worker))) for worker in workers]

    def report(number: int) -> httpx.Response:
        own = [ORDER, ORDER | {"work_order_id": f"own-{number}"}]
        return clients[number % 2].post("/work-orders", json={"work_orders": own})

    with ThreadPoolExecutor(4) as pool:
        assert [answer.status_code for answer in pool.map(report, range(6))] == [200] * 6
    rows = tables.read(plant, "work_orders", assets=["azure-03"])
    names = rows.loc[rows["prompted_by"] == "alarm", "work_order_id"]
    assert sorted(names) == sorted(["w1", *(f"own-{number}" for number in range(6))])


def test_a_plan_is_made_once_for_each_key(client: httpx.Client, plant: Workspace) -> None:
    """The same key gets the same bytes though predictions came since; without one, or under another, it is anew."""
    body, headers = REQUEST | {"assets": ["azure-01"]}, {"Idempotency-Key": "monday"}
    store(plant, predicted("early", "azure-01", 0.6))
    first = client.post("/worklist", json=body, headers=headers)
    assert first.status_code == 200, first.text
    store(plant, predicted("late", "azure-01", 0.9, hours_ago=0.5))
    again = client.post("/worklist", json=body, headers=headers)
    assert (again.status_code, again.headers["Content-Type"]) == (200, "application/json")
    assert again.content == first.content
    for other in ({}, {"Idempotency-Key": "tuesday"}):
        anew = client.post("/worklist", json=body, headers=other).json()
        assert [line["prediction_id"] for line in anew["lines"]] == ["late"]


def test_reports_are_answered_once_for_each_key(client: httpx.Client, plant: Workspace) -> None:
    """The same key gets the same bytes though a correction came since, and does not take that back."""
    body, headers = {"work_orders": [ORDER]}, {"Idempotency-Key": "shift-7"}
    first = client.post("/work-orders", json=body, headers=headers)
    assert [one["state"] for one in first.json()["work_orders"]] == ["stored"]
    corrected = {"work_orders": [ORDER | {"finding": "defect_confirmed"}]}
    assert client.post("/work-orders", json=corrected).json()["work_orders"][0]["state"] == "corrected"
    rows = tables.read(plant, "work_orders")
    assert client.post("/work-orders", json=body, headers=headers).content == first.content
    assert len(tables.read(plant, "work_orders")) == len(rows)


def test_a_crash_before_the_reply_was_kept_doubles_no_report(client: httpx.Client, plant: Workspace) -> None:
    """A repeated request gets that they are there, and the same from then on."""
    body, headers = {"work_orders": [ORDER]}, {"Idempotency-Key": "shift-7"}

    def crash(*_: Any) -> None:
        raise StorageError("the records are down", "records", "Try again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PredictionLog, "store", crash)
        assert client.post("/work-orders", json=body, headers=headers).status_code == 503
    rows = tables.read(plant, "work_orders")
    answers = [client.post("/work-orders", json=body, headers=headers) for _ in range(2)]
    assert [answer.json()["work_orders"][0]["state"] for answer in answers] == ["already_there"] * 2
    assert len(tables.read(plant, "work_orders")) == len(rows)


KEYED = [("/worklist", REQUEST | {"assets": ["azure-01", "azure-02"]}), ("/work-orders", {"work_orders": [ORDER]})]


@pytest.mark.parametrize(("page", "body"), KEYED)
def test_a_key_stands_for_one_request(client: httpx.Client, page: str, body: dict[str, Any]) -> None:
    """Another body under it is 422; what was refused is not kept; each page has keys of its own."""
    headers = {"Idempotency-Key": "k"}
    assert client.post(page, json={}, headers=headers).status_code == 422
    for other, sent in KEYED:
        assert client.post(other, json=sent, headers=headers).status_code == 200
    refused = client.post(page, json=body | {"more": 1}, headers=headers)
    assert (refused.status_code, refused.json()["field"]) == (422, "Idempotency-Key")
    assert client.post(page, json=body, headers={"Idempotency-Key": ""}).status_code == 422
    assert client.post(page, json=body, headers=headers).status_code == 200


def test_a_key_is_its_callers_own(plant: Workspace) -> None:
    """Two callers with the same key get their own replies."""
    worker = worker_of(plant, None)
    pages = Starlette(routes=routes(lambda: worker))

    async def as_caller(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            request_context.begin("").caller = Headers(scope=scope)["Authorization"]
        await pages(scope, receive, send)

    body, states = {"work_orders": [ORDER]}, []
    with TestClient(as_caller) as client:
        for caller in ("one", "another", "one"):
            headers = {"Idempotency-Key": "k", "Authorization": caller}
            states.append(client.post("/work-orders", json=body, headers=headers).json()["work_orders"][0]["state"])
    assert states == ["stored", "already_there", "stored"]


@pytest.mark.parametrize(("page", "body"), KEYED)
def test_two_workers_asked_at_once_under_a_key_give_one_reply(
    plant: Workspace, artifacts: tuple[Artifact, Artifact], page: str, body: dict[str, Any]
) -> None:
    """Both look before either has replied; the first to be done is believed, by the other and after a restart."""
    both = threading.Barrier(2, timeout=60)

    def find_none(*_: Any) -> None:
        both.wait()

    workers = [worker_of(plant, Champion("tiny", 1, artifacts[0], NOW)) for _ in range(3)]
    for worker in workers[:2]:
        worker.predictor.log.find = find_none
    clients = [TestClient(Starlette(routes=routes(lambda worker=worker: worker))) for worker in workers]

    def ask(client: TestClient) -> httpx.Response:
        return client.post(page, json=body, headers={"Idempotency-Key": "k"})

    with ThreadPoolExecutor(2) as pool:
        answers = [*pool.map(ask, clients[:2]), ask(clients[2])]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.content for answer in answers}) == 1


def test_history_lists_predictions_outcomes_failures_and_work(client: httpx.Client, plant: Workspace) -> None:
    """The newest first; since and limit are kept; outcomes come from the ledger."""
    store(plant, *(predicted(f"p{number}", "azure-05", 0.9, hours_ago=number) for number in range(1, 6)))
    failed = {"failure_id": "f1", "asset": "azure-05", "event_time": NOW - HOUR, "known_time": NOW, "mode": "comp1"}
    tables.append(plant, "failures", pd.DataFrame([failed]), "f1")
    known = [OutcomeRow("episode", "azure-05", NOW - 5 * HOUR, "tp", NOW, ["failure:f1"])]
    records = open_records(plant.records_url)
    append_outcome_rows(records, known, model_name="tiny", model_version=1, known_at=NOW)
    content = client.get("/assets/azure-05/history").json()
    assert [one["prediction_id"] for one in content["predictions"]] == ["p1", "p2", "p3", "p4", "p5"]
    assert [(one["state"], one["evidence"]) for one in content["episodes"]] == [("tp", ["failure:f1"])]
    assert [one["failure_id"] for one in content["failures"]] == ["f1"]
    assert [one["work_order_id"] for one in content["work_orders"]] == ["order/azure-05"]
    later = client.get("/assets/azure-05/history", params={"since": "2015-01-08T20:30:00Z", "limit": "2"}).json()
    assert [one["prediction_id"] for one in later["predictions"]] == ["p1", "p2"]
    assert not later["episodes"]
    assert not later["work_orders"]


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/assets/azure-0x/history", 404, "asset"),
        ("/assets/azure-01/history?limit=0", 422, "limit"),
        ("/assets/azure-01/history?limit=%C2%B2", 422, "limit"),
        ("/assets/azure-01/history?since=yesterday", 422, "since"),
        ("/assets/azure-01/history?until=1", 422, "until"),
        ("/assets/azure-0x/history?since=2810-05-08T05:45:26.594289Z", 404, "asset"),
        ("/assets/a%00/history", 404, "asset"),
        ("/why/nothing", 404, "prediction_id"),
        ("/why/a%00", 404, "prediction_id"),
    ],
)
def test_a_wrong_request_gets_the_one_error_format(client: httpx.Client, path: str, status: int, field: str) -> None:
    """404 for what is not there, 422 for what cannot be understood."""
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "field", "found", "expected", "remedy"}
    assert answer.json()["field"] == field


@pytest.mark.ml_test("Infra 5")
def test_why_answers_model_telemetry_and_outcome(client: httpx.Client, plant: Workspace) -> None:
    """For an alert the ledger's outcome, without one whether it failed, and until then that it is not known."""
    store(
        plant,
        predicted("alert", "azure-05", 0.9, hours_ago=50),
        predicted("silent", "azure-05", 0.1, hours_ago=49),
        predicted("not_monitored", "azure-06", 0.9, hours_ago=50),
        predicted("fine", "azure-06", 0.1, hours_ago=50),
        predicted("young", "azure-06", 0.1),
    )
    failed = NOW - 30 * HOUR
    row = {"failure_id": "f1", "asset": "azure-05", "event_time": failed, "known_time": failed, "mode": "comp1"}
    tables.append(plant, "failures", pd.DataFrame([row]), "f1")
    known = [OutcomeRow("episode", "azure-05", NOW - 60 * HOUR, "tp", NOW, ["failure:f1"])]
    append_outcome_rows(open_records(plant.records_url), known, model_name="tiny", model_version=1, known_at=NOW)
    names = ("alert", "silent", "not_monitored", "fine", "young")
    answers = {name: client.get(f"/why/{name}").json() for name in names}
    assert {name: content["outcome"] for name, content in answers.items()} == {
        "alert": "tp",
        "silent": "failed",
        "not_monitored": "not_known_yet",
        "fine": "no_failure",
        "young": "not_known_yet",
    }
    content = answers["alert"]
    assert content["evidence"] == ["failure:f1"]
    assert (content["model_name"], content["model_version"]) == ("tiny", 1)
    assert content["model_digest"]
    assert content["as_of"] == "2015-01-06T22:00:00Z"
    text = " ".join(content["sentences"])
    assert "0.900" in text
    assert "alerts at a probability of 0.500 or more" in text
    assert "The alarm was right" in text
    assert "2015-01-09 23:00" in answers["young"]["sentences"][-1]


def test_no_failure_is_concluded_once_one_would_have_been_reported(client: httpx.Client, plant: Workspace) -> None:
    """Failures are reported late: at the end of the claimed period it is too early to conclude that there was none."""
    store(plant, predicted("ended", "azure-06", 0.1, hours_ago=26), predicted("older", "azure-06", 0.1, hours_ago=36))
    happened = NOW - 72 * HOUR
    row = {"failure_id": "f1", "asset": "azure-09", "event_time": happened, "known_time": happened + 6 * HOUR}
    tables.append(plant, "failures", pd.DataFrame([row | {"mode": "comp1"}]), "f1")
    answers = {name: client.get(f"/why/{name}").json() for name in ("ended", "older")}
    assert {name: content["outcome"] for name, content in answers.items()} == {
        "ended": "not_known_yet",
        "older": "no_failure",
    }
    assert "2015-01-09 04:00" in answers["ended"]["sentences"][-1]


def test_an_alert_of_remaining_life_claimed_something(client: httpx.Client, plant: Workspace) -> None:
    """It claims a failure, which comes true or not; a remaining life without an alert claims nothing."""
    life = {"remaining_life_h": 40.0, "threshold": 72.0, "horizon_s": 72 * 3600.0}
    near = replace(predicted("near", "azure-05", 0.0, hours_ago=100, **life), probability=None, alert=True)
    far = replace(predicted("far", "azure-05", 0.0, hours_ago=99, **life), probability=None)
    store(plant, near, far)
    known = [OutcomeRow("episode", "azure-05", near.as_of, "tp", NOW, ["failure:f1"])]
    append_outcome_rows(open_records(plant.records_url), known, model_name="tiny", model_version=1, known_at=NOW)
    content = {name: client.get(f"/why/{name}").json() for name in ("near", "far")}
    assert {name: one["outcome"] for name, one in content.items()} == {"near": "tp", "far": "nothing_claimed"}
    assert any(
        "alerts at 72 hours of remaining life or less: this was an alert" in one for one in content["near"]["sentences"]
    )


def test_why_names_the_work_that_a_prediction_prompted(client: httpx.Client, plant: Workspace) -> None:
    """The mechanics' finding is answered before the ledger holds it."""
    store(plant, predicted("p", "azure-03", 0.9, hours_ago=20))
    done = ORDER | {"prediction_id": "p", "finding": "no_fault_found"}
    assert client.post("/work-orders", json={"work_orders": [done]}).status_code == 200
    content = client.get("/why/p").json()
    assert any("w1" in sentence and "no fault found" in sentence for sentence in content["sentences"])


def test_why_leaves_out_drivers_that_an_earlier_version_stored_without_words(
    client: httpx.Client, plant: Workspace
) -> None:
    """The rest of the answer is as good as it was."""
    whole = {"channel": "volt", "share": 0.6, "raises": True, "words": "volt was high"}
    made = predicted("older", "azure-03", 0.9)
    store(plant, made, answers=[answered(made, drivers=[{"channel": "rotate", "share": 0.3}, whole])])
    answer = client.get("/why/older")
    assert (answer.status_code, answer.json()["drivers"]) == (200, [whole])


@pytest.mark.slow
def test_the_real_endpoint_serves_these_pages(endpoint: Any) -> None:
    """A plan, the history of what is on it, and why: each leads to the next."""
    body = REQUEST | {"start": START, "assets": ["azure-07", "azure-08"]}
    planned = endpoint.client.post("/worklist", json=body)
    assert planned.status_code == 200, planned.text
    content = [*planned.json()["lines"], *planned.json()["left_out"]]
    assert {line["asset"] for line in content} == {"azure-07", "azure-08"}
    history = endpoint.client.get(f"/assets/{content[0]['asset']}/history").json()
    assert content[0]["prediction_id"] in {one["prediction_id"] for one in history["predictions"]}
    why = endpoint.client.get(f"/why/{content[0]['prediction_id']}").json()
    assert why["asset"] == content[0]["asset"]
    assert why["sentences"]
    refused = endpoint.client.post("/work-orders", json={"work_orders": [ORDER | {"asset": "nobody"}]})
    assert (refused.status_code, refused.json()["field"]) == (404, "work_orders[0].asset")
