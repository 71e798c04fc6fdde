"""The page of a machine: what is known of it at a time, from reads of that machine and that span alone."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data_contracts.records.answer_records import Answer, add_predictions
from data_contracts.records.outcome_records import OutcomeRow, append_outcome_rows
from data_contracts.records.records import open_records
from data_contracts.tables import table_access, tables
from data_contracts.workspace import Workspace
from serving.http.errors import ApiError
from serving.pages.all_routes import routes
from serving.pages.machine.machine_view import MachineView, machine_view
from serving.routes.twins import change
from serving.schemas.request_bodies import parse_body
from serving.schemas.twin_requests import TwinChangeRequest
from tests.serving.test_serving_pages_fleet import DAY, HOUR, NOW, ODD, plant, predicted, worker_of

__all__ = ["plant"]  # a fixture
MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def busy_plant(plant: Workspace) -> Workspace:
    """Return the plant with alarms, drivers, work and an outcome of m-1; stored texts have markup."""
    alerts = [predicted("m-1", 0.9, hours_ago=float(hours)) for hours in (9 * 24, 30, 20, 1)]
    content = {
        "prediction_id": alerts[-1].prediction_id,
        "last_reading_at": (NOW - 2 * HOUR).isoformat(),
        "drivers": [{"channel": "tool_load", "share": 0.6, "raises": True, "words": f"{MARKUP} is high"}],
        "provenance": {"overridden": 0.25, "simulated": 0.0},
        "modes": [{"mode": MARKUP, "probability": 0.54}, {"mode": "other", "probability": 0.36}],
    }
    made = alerts[-1]
    answer = Answer(made.prediction_id, "m-1", made.as_of, NOW, "ok", None, "a", 1, "d", json.dumps(content))
    records = open_records(plant.records_url)
    add_predictions(records, alerts, [answer])
    opened = alerts[0].as_of
    row = OutcomeRow("episode", "m-1", opened, "fp", opened + 5 * DAY, ["work_order:w1"])
    append_outcome_rows(records, [row], model_name="a", model_version=1, known_at=NOW - DAY)
    done = {"event_time": NOW - 8 * DAY, "known_time": NOW - 8 * DAY, "kind": "inspection", "prompted_by": "alarm"}
    order = {"work_order_id": MARKUP, "asset": "m-1", "component": MARKUP, "finding": "no_fault_found", **done}
    late = order | {"work_order_id": "later", "known_time": NOW + DAY}
    tables.append(plant, "work_orders", pd.DataFrame([order, late]), "orders")
    return plant


def view_of(workspace: Workspace, asset: str = "m-1", **query: str) -> MachineView:
    return machine_view(worker_of(workspace), asset, query)


def test_a_machine_as_it_is_known(busy_plant: Workspace) -> None:
    """Its risk, alarm, drivers, history with outcomes, and what was set by hand; nothing that became known later."""
    worker = worker_of(busy_plant)
    body = {"properties": {"tool_load": {"value": 55.0}}, "reason": MARKUP, "expires_at": "2026-03-02T00:00:00Z"}
    request: Any = parse_body(json.dumps(body).encode(), TwinChangeRequest)
    change(worker, "m-1", request, actor="ann", expected=0)
    view = machine_view(worker, "m-1", {})
    assert view.risk is not None
    assert (view.risk.probability, [driver.channel for driver in view.drivers]) == (0.9, ["tool_load"])
    assert [alarm.since for alarm in view.alarms] == [NOW - 30 * HOUR]
    known = [(row.kind, row.identifier, row.finding, row.outcome) for row in view.history if row.kind != "alarm"]
    assert known == [("work", MARKUP, "no_fault_found", None)]
    assert [row.outcome for row in view.history if row.kind == "alarm"] == [None, "fp"]
    own = next(row for row in view.twin.rows if row.name == "tool_load")
    assert own.current is not None
    assert (own.current.value, own.current.actor, own.covered[0].value) == (55.0, "ann", 20.0)
    assert view.unknown is not None
    assert (view.unknown.overridden, view.unknown.age, view.unknown.nothing) == (0.25, HOUR, False)
    earlier = machine_view(worker, "m-1", {"as_of": "2026-02-20T12:00:00Z"})
    assert [row.kind for row in earlier.history] == ["alarm"]
    assert earlier.history[0].outcome is None
    assert earlier.twin.overridden == 0


def test_the_days_and_the_channel_are_chosen(busy_plant: Workspace) -> None:
    narrow, wide = view_of(busy_plant, days="1"), view_of(busy_plant, days="30", channel="tool_load")
    assert [len(view.courses[0].rows) for view in (narrow, wide)] == [2, 4]
    assert [trend.channel for trend in wide.trends] == ["tool_load"]
    assert sum(row.readings for row in narrow.trends[0].rows) == 23
    assert {one.kind for one in wide.trends[0].chart.drawn} == {"alarm", "work"}
    for wrong, status in (({"days": "0"}, 422), ({"days": "1e3"}, 422), ({"channel": "nothing"}, 404)):
        with pytest.raises(ApiError) as error:
            view_of(busy_plant, **wrong)
        assert (error.value.status, error.value.field) == (status, next(iter(wrong)))


def test_a_gap_and_what_reads_nothing_are_named(busy_plant: Workspace) -> None:
    hours = pd.date_range(NOW - 10 * HOUR, NOW - HOUR, freq="h", unit="us")
    rows = pd.DataFrame({"asset": "m-5", "event_time": hours, "known_time": hours, "source": "physical"})
    rows = rows.assign(tool_load=np.where(np.arange(10) % 2, 1.0, np.nan)).drop(index=[4, 5, 6, 7])
    tables.append(busy_plant, "telemetry/cnc_machine", rows, "gap")
    add_predictions(open_records(busy_plant.records_url), [predicted("m-5", 0.2)])
    unknown = view_of(busy_plant, "m-5", days="1").unknown
    assert unknown is not None
    assert unknown.gaps[-1] == (NOW - 7 * HOUR, NOW - 2 * HOUR)


def test_reads_name_the_machine_and_the_span(busy_plant: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of telemetry nothing else is read, however long the table is, and the same again only when there is more."""
    statements: list[str] = []
    query = table_access.query

    def noted(delta: Any, statement: str) -> Any:
        statements.append(statement)
        return query(delta, statement)

    worker = worker_of(busy_plant)
    machine_view(worker, "m-1", {})  # reads what is the same for all pages
    monkeypatch.setattr(tables, "query", noted)
    monkeypatch.setattr("data_contracts.twin_state.latest_readings.query", noted)
    machine_view(worker, "m-1", {"days": "3"})
    of_telemetry = [each for each in statements if "tool_load" in each or "count" in each]
    assert len(of_telemetry) >= 2
    for statement in of_telemetry:
        assert "\"asset\" IN ('m-1')" in statement, statement
        assert "event_time >" in statement, statement
    statements.clear()
    before = machine_view(worker, "m-1", {"days": "3"})
    assert not [each for each in statements if "tool_load" in each and "known_time <=" not in each]
    late = {"asset": "m-1", "event_time": NOW - HOUR / 2, "known_time": NOW, "source": "physical", "tool_load": 77.0}
    tables.append(busy_plant, "telemetry/cnc_machine", pd.DataFrame([late]), "late")
    after = machine_view(worker, "m-1", {"days": "3"})
    assert [view.trends[0].chart.last for view in (before, after)] == [20.0, 77.0]
    then = machine_view(worker, "m-1", {"days": "3", "as_of": "2026-03-01T05:45:00Z"})
    assert then.trends[0].chart.last == 20.0


@pytest.mark.parametrize("language", ["en", "de"])
def test_stored_texts_are_text(busy_plant: Workspace, language: str) -> None:
    """Whatever a model, a mechanic or a person wrote."""
    worker = worker_of(busy_plant)
    with TestClient(Starlette(routes=routes(lambda: worker))) as client:
        answer = client.get("/ui/machines/m-1", headers={"accept-language": language})
        odd = client.get("/ui/machines/m%3Cb%3E1%3C/b%3E/%26")
        missing = client.get("/ui/machines/nobody")
    assert (answer.status_code, odd.status_code, missing.status_code) == (200, 200, 404)
    assert MARKUP not in answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; is high" in answer.text
    assert "<b>" not in odd.text
    assert ODD not in odd.text
    assert "nobody" in missing.text


def test_a_machine_of_which_nothing_is_known_has_a_page(plant: Workspace) -> None:
    view = view_of(plant, "m-5")
    assert (view.risk, view.trends, view.history, view.unknown) == (None, (), (), None)
