"""Events of findings and refused rows follow from what is stored: each once, whoever writes it, whenever it died."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.contract.contract import load_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.records import list_records, open_records
from data_contracts.table_events import follow_tables
from data_contracts.table_events.follow_tables import add_table_events
from data_contracts.validation.report import ContractError
from data_contracts.workspace import Workspace, init_workspace

NOW = pd.Timestamp("2026-03-01T12:00Z").as_unit("us")
HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "plant")


def store(workspace: Workspace, *orders: tuple[str, str | None, pd.Timestamp]) -> None:
    rows = pd.DataFrame(orders, columns=["work_order_id", "finding", "known_time"])
    more = {"asset": "m1", "kind": "inspection", "component": None, "prompted_by": "alarm", "prediction_id": None}
    rows = rows.assign(event_time=rows["known_time"] - HOUR, **more)
    ingest(workspace, rows, load_contract("work_orders"), now=NOW + 30 * DAY)


def written(engine: sa.Engine) -> list[dict[str, Any]]:
    return list_records(engine, OutboxEvent).to_dict("records")


def test_findings_are_events_of_their_reports(workspace: Workspace) -> None:
    """One event a report with a finding, in order; none of what was there before, of history, or of other work."""
    engine = open_records(workspace.records_url)
    store(workspace, ("w0", "no_fault_found", NOW))
    assert add_table_events(workspace, engine, NOW) == 0
    old = NOW - 8 * DAY
    store(workspace, ("w2", "defect_confirmed", NOW + HOUR), ("w1", "no_fault_found", NOW), ("w3", None, NOW))
    store(workspace, ("w4", "defect_confirmed", old), ("w2", "no_fault_found", NOW + 2 * HOUR))
    assert add_table_events(workspace, engine, NOW + DAY) == 3
    assert add_table_events(workspace, engine, NOW + DAY) == 0
    events = written(engine)
    assert [event["data"]["work_order_id"] for event in events] == ["w1", "w2", "w2"]
    assert {(event["kind"], event["subject"], event["at"]) for event in events} == {
        ("finding.reported", "m1", NOW + DAY)
    }
    assert events[1]["data"] == {
        "asset": "m1",
        "work_order_id": "w2",
        "finding": "defect_confirmed",
        "kind": "inspection",
        "component": None,
        "prompted_by": "alarm",
        "prediction_id": None,
        "event_time": "2026-03-01T12:00:00+00:00",
        "known_time": "2026-03-01T13:00:00+00:00",
    }


def test_a_table_that_comes_later_is_read_from_its_beginning(workspace: Workspace) -> None:
    engine = open_records(workspace.records_url)
    assert add_table_events(workspace, engine, NOW) == 0
    store(workspace, ("w1", "no_fault_found", NOW))
    assert add_table_events(workspace, engine, NOW) == 1


def test_of_two_that_write_at_once_one_does(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its read and its commit another one wrote the same and more: nothing is written twice, nothing lost."""
    engine = open_records(workspace.records_url)
    add_table_events(workspace, engine, NOW)
    store(workspace, ("w1", "no_fault_found", NOW))
    read = follow_tables.stored_since

    def beaten(*arguments: Any) -> Any:
        found = read(*arguments)
        monkeypatch.undo()
        store(workspace, ("w2", "no_fault_found", NOW))
        assert add_table_events(workspace, engine, NOW) == 2
        return found

    monkeypatch.setattr(follow_tables, "stored_since", beaten)
    assert add_table_events(workspace, engine, NOW) == 0
    assert [event["data"]["work_order_id"] for event in written(engine)] == ["w1", "w2"]


def test_a_process_that_dies_before_it_commits_leaves_the_event_to_the_next(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had noted is undone with its transaction; then the events are written, with the ids they would have."""
    engine = open_records(workspace.records_url)
    add_table_events(workspace, engine, NOW)
    store(workspace, ("w1", "no_fault_found", NOW))

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow_tables, "add_events", die)
    with pytest.raises(KeyboardInterrupt):
        add_table_events(workspace, engine, NOW)
    monkeypatch.undo()
    assert written(engine) == []
    assert add_table_events(workspace, engine, NOW) == 1


def test_refused_rows_are_counted_by_contract_and_reason_once_an_hour(workspace: Workspace) -> None:
    """The first are reported at once, and those of the hour after it together, with the batches they were of."""
    engine = open_records(workspace.records_url)
    add_table_events(workspace, engine, NOW)
    store(workspace, ("w1", "no_fault_found", NOW), ("w2", "nothing", NOW), ("w3", "nothing", NOW))
    assert add_table_events(workspace, engine, NOW) == 2
    event = written(engine)[1]
    assert (event["kind"], event["subject"]) == ("data.quarantined", "work_orders")
    data = event["data"]
    assert (data["rows"], data["batches"], data["refused_batches"]) == (2, 1, 0)
    assert list(data["batch_ids"].values()) == [2]
    ((reason, count),) = data["reasons"].items()
    assert ("finding" in reason, count) == (True, 2)
    for number in (4, 5):
        with pytest.raises(ContractError):
            store(workspace, (f"w{number}", "nothing", NOW))
    assert add_table_events(workspace, engine, NOW + HOUR / 2) == 0
    assert add_table_events(workspace, engine, NOW + HOUR) == 1
    data = written(engine)[2]["data"]
    assert (data["rows"], data["batches"], data["refused_batches"]) == (2, 2, 2)
    assert add_table_events(workspace, engine, NOW + 3 * HOUR) == 0
