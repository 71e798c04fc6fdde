"""What comes back from SAP: failures and work orders as a file would bring them, once; what is not known is named."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.contract.contract import load_contract
from data_contracts.contract.file_layout import PLAIN
from data_contracts.errors import StorageError, UsageError
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.reported_work import report_work_orders
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.outbox.alarm_events import AlarmTerms
from data_contracts.records.outcome_records import outcome_rows
from data_contracts.records.record_types import Prediction
from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.tables.corrections import last_corrections
from data_contracts.workspace import Workspace, init_workspace
from models.outcomes.episodes import Terms
from models.outcomes.outcome_ledger import append_outcomes, latest_outcomes
from models.outcomes.outcomes import outcomes
from pipelines.connectors.channel_settings import read_channel
from pipelines.connectors.sap.inbound.codes import read_codes
from pipelines.connectors.sap.inbound.pull import pull_sap
from pipelines.connectors.sap.inbound.pull_result import SapPull
from pipelines.connectors.sap.inbound.stored_rows import _since
from pipelines.jobs.ingest import ingest_files
from tests.pipelines.connectors.sap.conftest import Deliver, T, WriteChannel, forewarn
from tests.sap_server import NOTIFICATION, ORDER, SapServer

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
TERMS = Terms(lead=4 * HOUR, horizon=72 * HOUR, gap=12 * HOUR, reporting_delay=24 * HOUR)
SETTINGS = 'codes = "codes.csv"\norder_kinds = {PM01 = "corrective", PM02 = "routine"}\n'
CODES = """catalog,code_group,code,mode,finding,component
damage,BEAR,0010,VIB,defect_confirmed,spindle
damage,BEAR,0020,bearing seized,defect_confirmed,
activity,FIND,0002,,no_fault_found,
activity,FIND,0003,,not_inspected,
"""


def wall(day: str) -> str:
    """Return a date on the wall as SAP writes it."""
    return f"/Date({int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)})/"


def item(
    damage: tuple[str, str] = ("", ""), cause: tuple[str, str] = ("", ""), activity: tuple[str, str] = ("", "")
) -> list[dict[str, Any]]:
    return [
        {
            "MaintNotifDamageCodeGroup": damage[0],
            "MaintNotificationDamageCode": damage[1],
            "to_ItemCause": [{"MaintNotifCauseCodeGroup": cause[0], "MaintNotificationCauseCode": cause[1]}],
            "to_ItemActivity": [
                {"MaintNotifActivityCodeGroup": activity[0], "MaintNotificationActivityCode": activity[1]}
            ],
        }
    ]


@pytest.fixture
def system(workspace: Workspace, sap: SapServer, write_channel: WriteChannel) -> SapServer:
    """Return the system with a plant's channel, six machines and a table of codes."""
    write_channel(SETTINGS)
    (workspace.root / "codes.csv").write_text(CODES)
    know_assets(workspace)
    sap.clock = lambda: T
    return sap


def know_assets(workspace: Workspace) -> None:
    names = [f"m{number}" for number in range(1, 7)]
    known = pd.DataFrame({"asset": names, "event_time": T - 90 * DAY, "known_time": T - 90 * DAY})
    known = known.assign(asset_type="azure_machine", model="x", plant="p", line="a")
    tables.append(workspace, "assets", known, "all")


def predict(workspace: Workspace, alerts: Sequence[str], silent: Sequence[str]) -> None:
    """Store predictions with their alarms, as the endpoint would."""
    rows = [
        Prediction(
            f"p-{name}", name, T, T, 72 * 3600.0, 4 * 3600.0, 0.7, None, 0.4, name in alerts, "plant", 1, "endpoint"
        )
        for name in (*alerts, *silent)
    ]
    records = open_records(workspace.records_url)
    add_predictions(records, rows, announce=AlarmTerms(TERMS.gap, TERMS.claim))


def pull(workspace: Workspace, now: pd.Timestamp, since: pd.Timestamp | None = None) -> SapPull:
    section = read_channel(workspace.root, "sap").sap
    assert section is not None
    return pull_sap(workspace, "sap", section, now=now, since=since)


def ledger(workspace: Workspace, now: pd.Timestamp) -> pd.DataFrame:
    """Return the outcomes that the ledger has once everything has matured."""
    records = open_records(workspace.records_url)
    predictions = pd.DataFrame([{"asset": f"m{n}", "as_of": T, "alert": n != 4} for n in range(1, 7)]).astype(
        {"as_of": "datetime64[us, UTC]"}
    )
    facts = (tables.read(workspace, name) for name in ("failures", "work_orders"))
    found = outcomes(predictions, *facts, now=now, terms=TERMS)
    append_outcomes(records, found, model_name="plant", model_version=1, now=now)
    latest = latest_outcomes(outcome_rows(records, model_name="plant"))
    return latest[["unit", "asset", "at", "state", "evidence"]]


def test_what_comes_back_moves_the_ledger_as_the_same_facts_by_file_do(
    workspace: Workspace, system: SapServer, run: Deliver, tmp_path: Path
) -> None:
    """Alarms go out, what was found comes back, and each outcome is that of a file with the same rows."""
    alarmed = ("m1", "m2", "m3", "m5", "m6")
    predict(workspace, alarmed, ("m4",))
    assert run(T).delivered == 5
    by_object = {each["TechnicalObject"]: each for each in system.notifications.values()}
    system.clock = lambda: T + 2 * DAY
    done = {"MaintOrderReferenceDateTime": T + DAY, "MaintenanceOrderType": "PM01", "SystemStatusText": "TECO PRT"}
    for name, items in (
        ("m1", item(damage=("BEAR", "0010"))),
        ("m5", item(activity=("FIND", "0003"))),
        ("m6", item()),
    ):
        number = by_object[name][NOTIFICATION]
        status = {"SystemStatusText": "REL"} if name == "m6" else {}
        order = system.add(ORDER, {"TechnicalObject": name, NOTIFICATION: number, **done, **status})
        system.change(NOTIFICATION, number, MaintenanceOrder=order[ORDER], to_Item=items)
    closed = {"NotificationCompletionDate": wall("2026-03-02"), "CompletionTime": "PT07H00M00S"}
    found = item(activity=("FIND", "0002"))
    system.change(NOTIFICATION, by_object["m2"][NOTIFICATION], NotifProcessingPhase="4", to_Item=found, **closed)
    stopped = {
        "MaintenanceObjectIsDown": True,
        "MalfunctionStartDate": wall("2026-03-02"),
        "MalfunctionStartTime": "PT00H30M00S",
        "to_Item": item(damage=("BEAR", "0020")),
    }
    system.change(NOTIFICATION, by_object["m3"][NOTIFICATION], **stopped)
    own = system.add(NOTIFICATION, {"TechnicalObject": "m4", **stopped})
    first = pull(workspace, T + 3 * DAY)
    assert {name: table.accepted for name, table in first.tables.items()} == {"failures": 2, "work_orders": 3}
    assert (first.unknown_codes, first.without_mode, first.problems) == ({}, 0, ())
    again = pull(workspace, T + 4 * DAY)
    assert all(table.accepted == 0 for table in again.tables.values())
    numbers = {name: each[NOTIFICATION].lstrip("0") for name, each in by_object.items()}
    orders = {each["TechnicalObject"]: each[ORDER].lstrip("0") for each in system.entities[ORDER].values()}
    by_file = init_workspace(tmp_path / "by-file")
    know_assets(by_file)
    predict(by_file, alarmed, ("m4",))
    changed, work_done = "2026-03-03T06:00:00Z", "2026-03-02T06:00:00Z"
    (tmp_path / "failures.csv").write_text(
        "failure_id,asset,event_time,known_time,mode\n"
        f"{numbers['m3']},m3,2026-03-01T23:30:00Z,{changed},bearing seized\n"
        f"{own[NOTIFICATION].lstrip('0')},m4,2026-03-01T23:30:00Z,{changed},bearing seized\n"
    )
    (tmp_path / "work_orders.csv").write_text(
        "work_order_id,asset,event_time,known_time,kind,component,finding,prompted_by,prediction_id\n"
        f"{orders['m1']},m1,{work_done},{changed},corrective,spindle,defect_confirmed,alarm,p-m1\n"
        f"{orders['m5']},m5,{work_done},{changed},corrective,,not_inspected,alarm,p-m5\n"
        f"notification-{numbers['m2']},m2,{work_done},{changed},inspection,,no_fault_found,alarm,p-m2\n"
    )
    for name in ("failures", "work_orders"):
        ingest_files(by_file, [tmp_path / f"{name}.csv"], load_contract(name), PLAIN, now=T + 3 * DAY)
        key = ["failure_id" if name == "failures" else "work_order_id"]
        stored = [
            last_corrections(tables.read(each, name), key).reset_index(drop=True) for each in (workspace, by_file)
        ]
        columns = [column.name for column in load_contract(name).columns]
        pd.testing.assert_frame_equal(stored[0][columns], stored[1][columns])
    outcome = ledger(workspace, T + 30 * DAY)
    pd.testing.assert_frame_equal(outcome, ledger(by_file, T + 30 * DAY))
    states = dict(zip(outcome["unit"] + " " + outcome["asset"], outcome["state"], strict=True))
    assert states == {
        "episode m1": "tp_prevented",
        "episode m2": "fp",
        "episode m3": "tp",
        "episode m5": "unknown",
        "episode m6": "fp",
        "failure m1": "prevented",
        "failure m3": "caught",
        "failure m4": "missed",
    }


def test_codes_that_nobody_explained_are_named_and_corrected_once_they_are(
    workspace: Workspace, system: SapServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A breakdown is a fact without its mode; an order of a type that nobody explained waits in quarantine."""
    stopped = {
        "MaintenanceObjectIsDown": True,
        "MalfunctionStartDate": wall("2026-02-20"),
        "MaintObjectDowntimeDuration": 90.0,
        "MaintObjDowntimeDurationUnit": "MIN",
        "NotificationTimeZone": "EST",
        "to_Item": item(damage=("BEAR", "0099"), cause=("WEAR", "0001")),
    }
    breakdown = system.add(NOTIFICATION, {"TechnicalObject": "m1", **stopped})
    system.add(NOTIFICATION, {"TechnicalObject": "m1", "MaintenanceObjectIsDown": False})
    system.add(NOTIFICATION, {"TechnicalObject": "pump-9", **stopped})
    done = {"MaintOrderReferenceDateTime": T - DAY, "SystemStatusText": "CLSD"}
    system.add(ORDER, {"TechnicalObject": "m2", "MaintenanceOrderType": "PM02", **done})
    system.add(ORDER, {"TechnicalObject": "m3", "MaintenanceOrderType": "PM77", **done})
    first = pull(workspace, T + DAY)
    assert first.unknown_codes == {"cause WEAR/0001": 1, "damage BEAR/0099": 1}
    assert (first.without_mode, first.other_objects, first.other_zones) == (1, {"PUMP-9": 1}, {"EST": 1})
    assert (first.tables["failures"].accepted, first.tables["work_orders"].accepted) == (1, 1)
    assert first.tables["work_orders"].quarantined == 1
    (failure,) = tables.read(workspace, "failures").to_dict("records")
    assert (failure["mode"], failure["downtime_hours"]) == ("unknown", 1.5)
    assert any("damage BEAR/0099" in sentence for sentence in first.sentences())
    (workspace.root / "codes.csv").write_text(f"{CODES},BEAR,0099,OHE,,\n,WEAR,0001,,,\n")
    assert pull(workspace, T + 2 * DAY).tables["failures"].accepted == 1, "within the overlap"
    second = pull(workspace, T + 3 * DAY, since=T - DAY)
    assert (second.unknown_codes, second.tables["failures"].accepted) == ({}, 0)
    counts = last_corrections(tables.read(workspace, "failures"), ["failure_id"])
    assert counts["mode"].tolist() == ["overheating"]
    assert counts["known_time"].tolist() == [T + 2 * DAY], "known since the table says so"
    system.clock = lambda: T + 3 * DAY
    system.change(NOTIFICATION, breakdown[NOTIFICATION], MaintenanceObjectIsDown=False)
    printed = forewarn(capsys, "sap", "pull", "sap", "--since", "2026-03-01", "--workspace", str(workspace.root))
    (result,) = printed["channels"]
    assert (result["notifications"], result["no_failures"]) == (3, [breakdown[NOTIFICATION].lstrip("0")])
    assert len(quarantine.list_rows(workspace)) == 1, "however often it is read"


def test_what_a_planner_corrects_here_stays_until_sap_changes(workspace: Workspace, system: SapServer) -> None:
    """An order that is read again tells nothing new; one that has changed since does."""
    done = {"MaintOrderReferenceDateTime": T - DAY, "SystemStatusText": "TECO", "MaintenanceOrderType": "PM01"}
    notification = system.add(NOTIFICATION, {"TechnicalObject": "m1"})
    linked = {NOTIFICATION: notification[NOTIFICATION]}
    order = system.add(ORDER, {"TechnicalObject": "m1", **done, **linked})
    system.change(NOTIFICATION, notification[NOTIFICATION], MaintenanceOrder=order[ORDER])
    pull(workspace, T + HOUR)
    (row,) = tables.read(workspace, "work_orders").to_dict("records")
    report = pd.DataFrame([row | {"finding": "no_fault_found", "known_time": T + DAY}])
    names = [column.name for column in load_contract("work_orders").columns]
    report_work_orders(workspace, report[names], now=T + DAY)
    pull(workspace, T + 2 * DAY, since=T - DAY)
    assert findings(workspace) == ["no_fault_found"]
    system.clock = lambda: T + 3 * DAY
    system.change(NOTIFICATION, notification[NOTIFICATION], to_Item=item(damage=("BEAR", "0010")))
    pull(workspace, T + 4 * DAY)
    assert findings(workspace) == ["defect_confirmed"]


def findings(workspace: Workspace) -> list[str]:
    return last_corrections(tables.read(workspace, "work_orders"), ["work_order_id"])["finding"].tolist()


def test_every_change_is_read_once_however_pages_fall(
    workspace: Workspace, system: SapServer, write_channel: WriteChannel
) -> None:
    """Many changed in a second, the system's pages are shorter than ours, and one changes while they are read."""
    write_channel(f"{SETTINGS}page = 7\n")
    system.page = 5
    times = [T + number // 9 * pd.Timedelta(seconds=1) for number in range(40)]
    for number, at in enumerate(times):
        system.clock = lambda at=at: at
        down = {"MaintenanceObjectIsDown": True, "MalfunctionStartDate": wall(f"2026-01-{1 + number % 28:02d}")}
        system.add(NOTIFICATION, {"TechnicalObject": f"m{1 + number % 6}", **down})
    system.clock = lambda: T + HOUR
    first = next(iter(system.notifications))

    def while_reading() -> None:
        if len(system.reads) == 3:
            system.change(NOTIFICATION, first, NotificationText="changed meanwhile")

    system.anywhere = while_reading
    result = pull(workspace, T + DAY)
    assert result.notifications == 41
    assert result.tables["failures"].accepted == 40
    system.anywhere = lambda: None
    system.clock = lambda: T + 2 * HOUR
    system.change(NOTIFICATION, first, MalfunctionStartTime="PT01H00M00S")
    again = pull(workspace, T + DAY)
    assert (again.notifications, again.tables["failures"].accepted) == (1, 1)


def test_a_system_that_cannot_be_read_says_why_and_the_next_run_goes_on(
    workspace: Workspace, system: SapServer
) -> None:
    system.add(
        NOTIFICATION,
        {"TechnicalObject": "m1", "MaintenanceObjectIsDown": True, "MalfunctionStartDate": wall("2026-01-01")},
    )
    system.refuse_reads = "<html>maintenance</html>"
    with pytest.raises(StorageError, match="503"):
        pull(workspace, T + DAY)
    system.refuse_reads = ""
    assert pull(workspace, T + DAY).tables["failures"].accepted == 1


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("damage,BEAR,0010,x,,", "codes.csv:6"),
        ("colour,BEAR,0011,x,,", "catalog"),
        (",BEAR,0012,x,broken,", "finding"),
        (",,0012,x,,", "code"),
        (",A,B,x,,,more", "cells"),
    ],
)
def test_a_wrong_table_of_codes_is_refused_with_its_line(workspace: Workspace, row: str, found: str) -> None:
    (workspace.root / "codes.csv").write_text(f"{CODES}{row}\n")
    section = read_channel(workspace.root, "sap").sap
    assert section is not None
    with pytest.raises(UsageError, match=found):
        read_codes(section, workspace.root)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), min_size=1, max_size=12))
def test_reading_again_tells_nothing_and_what_counts_is_what_sap_says(history: list[tuple[str, int]]) -> None:
    """However often each state of SAP is read before the next: the last correction stored has its content."""
    stored: list[dict[str, Any]] = []
    for step, (content, again) in enumerate(history):
        read = {"value": content, "known_time": T + step * HOUR}
        for repeated in range(again + 1):
            row = _since(read, sorted(stored, key=lambda each: each["known_time"]), ["value"], T + step * HOUR)
            assert row is None or repeated == 0
            stored += [] if row is None else [row]
        assert max(stored, key=lambda each: each["known_time"])["value"] == content
