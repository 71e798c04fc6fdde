"""The page of alarms: what mechanics found goes in by button and comes out as any report; acknowledged, silenced."""

from collections.abc import Iterator
from typing import Any

import httpx
import pandas as pd
import pytest

from data_contracts.records.alarm_marks.marks import active_silences
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.draw_records import AlarmDraw
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace
from models.artifact.artifact import Artifact
from serving.deployment.champion import Champion
from serving.pages.alarms.routes import routes
from serving.routes.planning_routes import routes as planning_routes
from tests.serving.page_client import page_client
from tests.serving.test_serving_planning import HOUR, NOW, plant, predicted, store, worker_of

__all__ = ["plant"]
ASSET = "azure-03"


@pytest.fixture
def worker(plant: Workspace, artifacts: tuple[Artifact, Artifact]) -> Any:
    made = worker_of(plant, Champion("tiny", 1, artifacts[0], NOW))
    made.watch.name = "tiny"
    store(plant, *(predicted(f"alert-{ago}", ASSET, 0.8, ago, alert=True) for ago in (5, 3)))
    return made


@pytest.fixture
def client(worker: Any) -> Iterator[httpx.Client]:
    with page_client([*routes(lambda: worker), *planning_routes(lambda: worker)]) as made:
        yield made


def _send(client: httpx.Client, action: str, **fields: str) -> httpx.Response:
    done = client.post(f"/ui/alarms/{action}", data={"prediction_id": "alert-5", **fields}, follow_redirects=False)
    assert done.status_code == 303, done.text
    return client.get(done.headers["location"])


def _orders(client: httpx.Client) -> list[dict[str, Any]]:
    orders = client.get(f"/assets/{ASSET}/history").json()["work_orders"]
    return [order for order in orders if order["prompted_by"] == "alarm" or order["work_order_id"][:7] == "finding"]


def test_a_finding_by_button_is_a_report_and_is_corrected_and_taken_back(client: httpx.Client) -> None:
    """Of one work order, which the alarm prompted, by the alert that opened it."""
    before = client.get("/ui/alarms").text
    assert '<h2 id="open">Open alarms (1)' in before
    shown = _send(client, "finding", finding="not_inspected", note="<i>door locked</i>", component="comp1")
    assert "&lt;i&gt;door locked" in shown.text
    assert "<i>door" not in shown.text
    assert "(1)" in shown.text  # it is open until somebody has looked
    shown = _send(client, "finding", finding="defect_confirmed", kind="corrective", done_at="2015-01-08T22:10")
    (order,) = _orders(client)
    assert order == {
        **order,
        "work_order_id": "finding-alert-5",
        "prediction_id": "alert-5",
        "prompted_by": "alarm",
        "kind": "corrective",
        "finding": "defect_confirmed",
        "event_time": "2015-01-08T22:10:00Z",
        "note": None,
    }
    assert "Open alarms (0)" in shown.text
    shown = _send(client, "undo")
    (order,) = _orders(client)
    assert (order["kind"], order["finding"], order["prompted_by"]) == ("routine", None, None)
    assert "Open alarms (1)" in shown.text


def test_only_alarms_have_findings_and_times_are_checked(client: httpx.Client, plant: Workspace) -> None:
    """Not single alerts, nor what is held back; work is done after the alarm, and not in the future."""
    held = predicted("held", "azure-04", 0.9, 2, alert=True)
    draw = AlarmDraw("held", "tiny", "azure-04", held.as_of, held.as_of, held.as_of + 24 * HOUR, 0.1, held_back=True)
    add_predictions(open_records(plant.records_url), [held], (), [draw])
    assert "azure-04" not in client.get("/ui/alarms").text
    for identifier, status in {"alert-3": 404, "held": 404, "nothing": 404}.items():
        data = {"prediction_id": identifier, "finding": "no_fault_found"}
        assert client.post("/ui/alarms/finding", data=data).status_code == status, identifier
    for at in ("2015-01-08T18:59", "2015-01-09T02:00", "yesterday"):
        data = {"prediction_id": "alert-5", "finding": "no_fault_found", "done_at": at}
        assert client.post("/ui/alarms/finding", data=data).status_code == 422, at
    assert client.post("/ui/alarms/undo", data={"prediction_id": "alert-5"}).status_code == 404
    assert not _orders(client)


def test_an_alarm_is_acknowledged_and_silenced_and_both_are_withdrawn(
    client: httpx.Client,
    plant: Workspace,
) -> None:
    records = open_records(plant.records_url)
    assert "Acknowledged by anyone, 2015-01-09 00:00" in _send(client, "acknowledge").text
    shown = _send(client, "silence", reason="being repaired", hours="24")
    assert "Silenced by anyone until 2015-01-10 00:00: being repaired" in shown.text
    (mark,) = active_silences(records, NOW + HOUR)
    assert client.post("/ui/alarms/silence", data={"prediction_id": "alert-5", "hours": "24"}).status_code == 422
    assert "Silenced by" not in _send(client, "withdraw", mark_id=mark.mark_id).text
    assert not active_silences(records, NOW + HOUR)


@pytest.mark.parametrize(("scopes", "status"), [({"override"}, 403), ({"predict"}, 200)])
def test_who_may_not_report_has_no_buttons(worker: Any, scopes: set[str], status: int) -> None:
    """And is refused; who may not even predict sees nothing."""
    client = page_client(routes(lambda: worker), scopes)
    answer = client.get("/ui/alarms", params={"asset": ASSET}, headers={"accept-language": "de"})
    assert answer.status_code == status
    assert 'method="post"' not in answer.text
    data = {"prediction_id": "alert-5", "finding": "no_fault_found"}
    assert client.post("/ui/alarms/finding", data=data).status_code == 403


def test_one_returns_to_the_page_one_came_from_and_to_none_elsewhere(client: httpx.Client) -> None:
    for back, to in {"/ui/machines/a": "/ui/machines/a", "//evil.example": "/ui/alarms", "/x": "/ui/alarms"}.items():
        data = {"prediction_id": "alert-5", "back": back}
        done = client.post("/ui/alarms/acknowledge", data=data, follow_redirects=False)
        assert done.headers["location"].startswith(f"{to}?notice="), back


def test_an_alarm_whose_claim_is_over_takes_a_finding_of_then(client: httpx.Client, plant: Workspace) -> None:
    """By the end of the claim, so that it counts; a later inspection is stored, and says nothing of the alarm."""
    store(plant, predicted("old", "azure-05", 0.8, 60, alert=True))
    shown = _send(client, "finding", prediction_id="old", finding="no_fault_found")
    (order,) = client.get("/assets/azure-05/history").json()["work_orders"][:1]
    assert pd.Timestamp(order["event_time"]) == NOW - 60 * HOUR + 24 * HOUR
    assert "no fault found" in shown.text
    assert (
        "says nothing"
        in _send(client, "finding", prediction_id="old", finding="no_fault_found", done_at="2015-01-08T20:00").text
    )
