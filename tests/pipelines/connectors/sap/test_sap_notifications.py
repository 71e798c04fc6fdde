"""Alarms as notifications of SAP plant maintenance: what they say, and that each is there once, whatever fails."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.records.alarm_marks.marks import silence
from data_contracts.records.answer_records import Answer, add_predictions
from data_contracts.records.outbox.event_kinds import MODEL_PROMOTED, event_id
from data_contracts.records.outbox.outbox import add_events, outbox_frame, replay_events
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.records import Prediction, open_records
from data_contracts.workspace import SETTINGS_FILE, Workspace
from pipelines.connectors.run_channels import deliver_all
from pipelines.connectors.sap.notification_text import LONGEST_TEXT, long_text, prediction_in, short_text, units
from pipelines.connectors.sap.reference import reference_number
from pipelines.terminal.stop_signals import StopFlag
from tests.pipelines.connectors.sap.conftest import Deliver, T, WriteAlarms, WriteChannel, forewarn
from tests.sap_server import NOTIFICATION, Fault, SapServer

MINUTE = pd.Timedelta(minutes=1)
SETTLED = 11 * MINUTE


def test_an_alarm_is_a_notification_with_its_reasons(
    workspace: Workspace, sap: SapServer, write_channel: WriteChannel, write_alarms: WriteAlarms, run: Deliver
) -> None:
    """It has the object of the plant's table, a priority, the mode and drivers in words, a link and the id."""
    write_channel(
        'objects = "objects.csv"\ncode_group = "PDM"\ncode = "0001"\n'
        'client = "100"\nfields = {MaintenancePlanningPlant = "1010"}\n'
        'priorities = [{priority = "1", probability = 0.9}, {priority = "2", probability = 0.6, within = "100h"}]'
    )
    (workspace.root / "objects.csv").write_text("asset;object\nSäge 1/a;210100094\n")
    (event,) = write_alarms("Säge 1/a")
    answer = {
        "drivers": [
            {"words": "spindle vibration peaks higher than usual: 9.1 mm/s"},
            {"words": "motor\nis hot"},
            {"channel": "old"},
        ],
        "modes": [{"mode": "bearing", "probability": 0.5325}, {"mode": "drive", "probability": 0.1775}],
    }
    add_predictions(
        open_records(workspace.records_url),
        [],
        [Answer("p-0", "Säge 1/a", T, T, "ok", None, "fleet-failure", 3, "d", json.dumps(answer))],
    )
    assert run(T).delivered == 1
    (stored,) = sap.notifications.values()
    assert stored["TechnicalObject"] == "000000000210100094"
    assert stored["TechObjIsEquipOrFuncnlLoc"] == "EAMS_EQUI"
    assert stored["NotificationText"] == "Failure likely by 2026-03-04 (71 %)"
    assert stored["MaintNotifLongTextForEdit"].splitlines() == [
        "Säge 1/a is expected to fail between 2026-03-01 11:00 and 2026-03-04 11:00 (Europe/Berlin), with a "
        "probability of 71 %; an alarm from 44 % on. By fleet-failure 3.",
        "- most probably bearing (75 % if it fails)",
        "- spindle vibration peaks higher than usual: 9.1 mm/s",
        "- motor is hot",
        "https://forewarn.plant.example/ui/machines/S%C3%A4ge%201%2Fa",
        "forewarn prediction p-0",
    ]
    assert stored["MaintNotifExtReferenceNumber"] == reference_number(event.event_id, "FW")
    assert (stored["MaintPriority"], stored["MaintNotificationCodeGroup"], stored["MaintNotificationCode"]) == (
        "2",
        "PDM",
        "0001",
    )
    assert (stored["RequiredStartTime"], stored["MaintenancePlanningPlant"]) == ("PT07H00M00S", "1010")
    assert run(T).delivered == 0


@pytest.mark.parametrize("fault", ["before", "after", "expired"])
def test_what_sap_answers_is_tried_again_at_once(
    sap: SapServer, write_alarms: WriteAlarms, run: Deliver, fault: Fault
) -> None:
    """An error in SAP's own words, before the write or after it, ends the request; a lost session does nothing."""
    write_alarms("m1")
    sap.fault = lambda _: fault if len(sap.posts) == 0 else ""
    first = run(T)
    if first.retrying:
        assert "Internal error" in first.problem
        assert run(T + pd.Timedelta(seconds=2)).delivered == 1
    assert len(sap.references()) == 1
    assert len(sap.posts) == (1 if fault == "after" else 2)


@pytest.mark.parametrize("fault", ["proxy", "cut before", "cut after", "cut half", "late", "slow"])
def test_a_request_that_was_cut_off_is_looked_up_once_it_has_settled(
    sap: SapServer, write_channel: WriteChannel, write_alarms: WriteAlarms, run: Deliver, fault: Fault
) -> None:
    """Nobody knows whether it is executed, and when: it is neither given up, posted nor looked up before that time."""
    write_channel('answer_within = "200ms"' if fault == "slow" else "", 'give_up_after = "1min"')
    write_alarms("m1")
    sap.fault = lambda _: fault if len(sap.posts) == 0 else ""
    assert run(T).retrying == 1
    looked_up = len(sap.reads)
    again = run(T + 9 * MINUTE)
    assert (again.delivered, again.retrying, len(sap.reads)) == (0, 0, looked_up)
    _wait_for(lambda: fault == "cut before" or sap.references() != [])
    assert run(T + SETTLED).delivered == 1
    assert len(sap.references()) == 1
    assert len(sap.posts) == (2 if fault == "cut before" else 1)


def test_what_was_being_posted_when_its_process_was_killed_settles_first(
    workspace: Workspace, sap: SapServer, write_alarms: WriteAlarms, run: Deliver
) -> None:
    """SAP goes on with a request whose sender is gone: a deliverer that begins at once must not post it again."""
    now = pd.Timestamp.now("UTC").as_unit("us")
    write_alarms("m1", at=now)
    process = subprocess.Popen(command_for(workspace))

    def kill(_: object) -> Fault:
        process.kill()
        process.wait()
        return "late"

    sap.fault = kill
    assert process.wait(120) == -9
    assert (run(now + MINUTE).delivered, len(sap.reads)) == (0, 2), "both of before it was killed"
    _wait_for(lambda: sap.references() != [])
    assert run(pd.Timestamp.now("UTC").as_unit("us") + SETTLED).delivered == 1
    assert (len(sap.posts), len(sap.references())) == (1, 1)


def command_for(workspace: Workspace, *more: str) -> list[str]:
    code = "import sys; from pipelines.cli import main; main(sys.argv[1:])"
    return [sys.executable, "-c", code, "outbox", "deliver", "--json", "--workspace", str(workspace.root), *more]


def test_a_refused_notification_is_a_dead_letter_with_saps_words(
    workspace: Workspace, sap: SapServer, write_alarms: WriteAlarms, run: Deliver
) -> None:
    """It holds up nothing; replayed when it can be taken, it is there once. A wrong password kills no letter."""
    write_alarms("m1", "m1", "m2")
    sap.password = "changed"  # noqa: S105 - of a server on loopback
    assert (run(T).retrying, run(T).dead) == (2, 0)
    sap.password = "geheim"  # noqa: S105 - of a server on loopback
    sap.fault = lambda fields: "refused" if fields["TechnicalObject"] == "m1" and len(sap.posts) == 0 else ""
    result = run(T + MINUTE)
    assert (result.delivered, result.dead) == (2, 1)
    records = open_records(workspace.records_url)
    dead = outbox_frame(records, "sap", state="dead")
    assert dead["problem"].tolist() == ["400 Bad Request: Technical object m1 does not exist (IW/123)"]
    assert replay_events(records, "sap") == 1
    complete(sap)
    assert run(T + MINUTE).delivered == 1
    assert len(set(sap.references())) == len(sap.references()) == 3


def complete(sap: SapServer) -> None:
    """Complete every notification."""
    with sap.lock:
        for number, each in sap.notifications.items():
            if each["NotifProcessingPhase"] != "4":
                sap.change(NOTIFICATION, number, NotifProcessingPhase="4")


def test_a_silenced_alarm_is_no_notification_unless_the_channel_says_so(
    workspace: Workspace, sap: SapServer, write_channel: WriteChannel, write_alarms: WriteAlarms, run: Deliver
) -> None:
    """Other machines' are; so is one that is opened once the silence has ended."""
    records, day = open_records(workspace.records_url), pd.Timedelta(days=1)
    (opened, _) = write_alarms("m1", "m2")
    alert = Prediction("p-0", "m1", T, T, 259200.0, 14400.0, 0.71, None, 0.44, True, opened.data["model"], 3, "batch")
    add_predictions(records, [alert])
    words = {"model_name": opened.data["model"], "asset": "m1", "began": T, "actor": "ada", "reason": "ordered"}
    silence(records, **words, at=T, expires_at=T + day)
    result = run(T)
    assert (result.delivered, result.silenced) == (1, 1)
    assert outbox_frame(records, "sap", state="silenced")["problem"].tolist() == [
        f"silenced by ada until {T + day}: ordered"
    ]
    write_alarms("m1", at=T + day)
    assert run(T + day).delivered == 1
    complete(sap)
    silence(records, **words, at=T + day, expires_at=T + 3 * day)
    write_channel("silenced = true")
    write_alarms("m1", at=T + 2 * day)
    assert run(T + 2 * day).delivered == 1
    assert [each["TechnicalObject"] for each in sap.posts] == ["m2", "m1", "m1"]


@pytest.mark.parametrize("name", ["cnc-07", "000210100094"])
def test_a_long_alarm_is_one_notification_until_that_is_completed(
    workspace: Workspace,
    sap: SapServer,
    write_channel: WriteChannel,
    write_alarms: WriteAlarms,
    run: Deliver,
    name: str,
) -> None:
    """Opened again with each claim, it adds none to one of ours that is open, but does to other people's."""
    write_channel('objects = "objects.csv"')
    (workspace.root / "objects.csv").write_text(f"asset,object\nm1,{name}\n")
    sap.add(NOTIFICATION, {"TechnicalObject": name, "MaintNotifExtReferenceNumber": "by hand"})
    day = pd.Timedelta(days=1)
    for days, posted in ((0, 1), (3, 1), (6, 1)):
        write_alarms("m1", at=T + days * day)
        assert run(T + days * day).delivered == 1
        assert len(sap.posts) == posted
    complete(sap)
    write_alarms("m1", at=T + 9 * day)
    assert run(T + 9 * day).delivered == 1
    assert len(sap.posts) == 2


def test_a_reference_in_use_for_another_object_is_refused(
    workspace: Workspace, sap: SapServer, write_alarms: WriteAlarms, run: Deliver
) -> None:
    """Were two events ever to have one reference, the second is a dead letter; somebody's copy harms nothing."""
    (event,) = write_alarms("m1")
    reference = reference_number(event.event_id, "FW")
    sap.add(NOTIFICATION, {"TechnicalObject": "m9", "MaintNotifExtReferenceNumber": reference})
    result = run(T)
    assert (result.dead, len(sap.posts)) == (1, 0)
    assert "is of M9, not of m1" in result.problem
    sap.add(NOTIFICATION, {"TechnicalObject": "m1", "MaintNotifExtReferenceNumber": reference})
    replay_events(open_records(workspace.records_url), "sap")
    assert (run(T).delivered, len(sap.posts)) == (1, 0)


def test_only_what_becomes_a_notification_goes_to_sap(workspace: Workspace, sap: SapServer, run: Deliver) -> None:
    promoted = OutboxEvent(event_id(MODEL_PROMOTED, "m"), MODEL_PROMOTED, "fleet", T, {})
    with open_records(workspace.records_url).begin() as connection:
        add_events(connection, [promoted])
    assert run(T).delivered == 0
    assert sap.posts == []


def test_a_worklist_becomes_notifications_of_machines_that_have_none(
    workspace: Workspace, sap: SapServer, write_alarms: WriteAlarms, run: Deliver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sent twice, or after an alarm of the same machine that is still open, an entry adds nothing."""
    write_alarms("m1")
    assert run(T).delivered == 1
    line = {
        "as_of": "2026-03-01T06:00:00Z",
        "begins": "2026-03-02T06:00:00Z",
        "latest": "2026-03-02T23:30:00Z",
        "probability_without": 0.4,
    }
    lines = [line | {"asset": name, "prediction_id": f"w-{name}"} for name in ("m1", "m2")]
    file = workspace.root / "worklist.json"
    file.write_text(json.dumps({"model_name": "fleet-failure", "model_version": 3, "lines": lines}))
    (workspace.root / SETTINGS_FILE).write_text('[link]\nendpoint = "https://plant.example"\n')
    first = forewarn(capsys, "sap", "notify", str(file), "--workspace", str(workspace.root))
    assert (first["entries"], first["new"], first["channels"][0]["delivered"]) == (2, 2, 2)
    again = forewarn(capsys, "sap", "notify", str(file), "--workspace", str(workspace.root))
    assert (again["entries"], again["new"], again["channels"][0]["delivered"]) == (2, 0, 0)
    assert [each["TechnicalObject"] for each in sap.notifications.values()] == ["m1", "m2"]
    assert list(sap.notifications.values())[1]["NotificationText"] == "Repair before 2026-03-03 (40 %)"
    assert "https://plant.example/ui/machines/m2" in list(sap.notifications.values())[1]["MaintNotifLongTextForEdit"]
    file.write_text(json.dumps({"lines": [line | {"asset": "m3", "prediction_id": ""}]}))
    wrong = forewarn(capsys, "sap", "notify", str(file), "--workspace", str(workspace.root), exit_status=2)
    assert "lines[0].prediction_id" in str(wrong["found"])


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ('token_file = "t"', "token_file"),
        ('code = "1"', "code"),
        ('settle = "10s"', "settle"),
        ('fields = {TechnicalObject = "x"}', "fields"),
        ('prefix = "fw"', "prefix"),
        ('objects = "twice.csv"', "twice.csv:3"),
        ('objects = "none.csv"', "none.csv"),
    ],
)
def test_a_wrong_channel_is_refused_before_anything_is_sent(
    workspace: Workspace, write_channel: WriteChannel, sap: SapServer, settings: str, found: str
) -> None:
    (workspace.root / "twice.csv").write_text("asset,object\nm1,0012\nm2,12\n")
    write_channel(settings)
    with pytest.raises(UsageError, match=found):
        deliver_all(workspace, None, stopping=StopFlag())
    assert sap.reads == []


@given(st.lists(st.text(max_size=400), max_size=30), st.text(min_size=1, max_size=250))
def test_texts_fit_and_name_their_prediction(drivers: list[str], asset: str) -> None:
    """Whatever names and reasons there are, the text is as long as SAP takes, and ends with link and id."""
    data = {
        "model": "m",
        "model_version": 1,
        "prediction_id": "0d1e" * 16,
        "as_of": T.isoformat(),
        "claim_ends": T.isoformat(),
        "lead_hours": 4.0,
        "remaining_life_hours": None,
        "probability": 0.5,
        "threshold": None,
    }
    event = OutboxEvent("e", "alarm.opened", asset, T, data)
    text = long_text(event, drivers, "", "UTC")
    assert units(text) <= LONGEST_TEXT
    assert prediction_in(text) == "0d1e" * 16
    assert units(short_text(event, "Europe/Berlin")) <= 40


@given(st.lists(st.uuids(), min_size=2, max_size=50, unique=True), st.from_regex(r"\A[A-Z0-9]{2,4}\Z"))
def test_references_are_saps_length_and_letters(identifiers: list[object], prefix: str) -> None:
    """They are the same for the same event, and others for others; capitals leave them as they are."""
    numbers = [reference_number(str(each), prefix) for each in identifiers]
    assert all(len(each) == 20 and each == each.upper() and each.isalnum() for each in numbers)
    assert len(set(numbers)) == len(numbers)
    assert numbers == [reference_number(str(each), prefix) for each in identifiers]


@pytest.mark.parametrize(("alarms", "kills"), [(25, 1), pytest.param(500, 10, marks=pytest.mark.verify)])
def test_each_alarm_is_one_notification_through_faults_and_kills(
    workspace: Workspace,
    sap: SapServer,
    write_channel: WriteChannel,
    write_alarms: WriteAlarms,
    alarms: int,
    kills: int,
) -> None:
    """Deliverers are killed at random places, a fifth of the requests fail in every way: none is there twice."""
    # What is written late is there long before it may be looked up, however busy this machine is.
    write_channel('answer_within = "1s"\nsettle = "4s"', 'longest_pause = "1s"')
    now = pd.Timestamp.now("UTC").as_unit("us")
    write_alarms(*(f"m{number % (alarms // 2)}" for number in range(alarms)), at=now)
    chance, killed = random.Random(7), 0
    faults: tuple[Fault, ...] = ("before", "after", "proxy", "cut before", "cut after", "cut half", "late", "expired")
    process: subprocess.Popen[bytes] | None = None

    def strike() -> None:
        nonlocal killed
        complete(sap)  # or a machine's second alarm would need none
        if process is not None and process.poll() is None and killed < kills and chance.random() < kills / alarms:
            killed += 1
            process.kill()

    def fault(_: object) -> Fault:
        strike()
        return chance.choice(faults) if chance.random() < 0.2 else ""

    sap.fault, sap.anywhere = fault, strike
    records, deadline = open_records(workspace.records_url), time.monotonic() + 500
    log = (workspace.root / "log").open("wb")
    while set(outbox_frame(records, "sap", limit=alarms)["state"]) != {"delivered"}:
        assert time.monotonic() < deadline, (Path(log.name).read_text(), outbox_frame(records, "sap")["problem"])
        if process is None or process.poll() is not None:
            assert process is None or process.returncode == -9, Path(log.name).read_text()
            process = subprocess.Popen(command_for(workspace, "--follow"), stdout=log, stderr=log)
        time.sleep(0.1)
    assert process is not None
    process.terminate()
    process.wait(60)
    for timer in sap.pending:
        timer.join()
    assert killed == kills
    assert len(sap.references()) == len(set(sap.references())) == alarms
    assert {each["fault"] for each in sap.posts} > {""}
    by_asset: dict[str, list[str]] = {}
    for each in sap.notifications.values():
        by_asset.setdefault(each["TechnicalObject"], []).append(str(prediction_in(each["MaintNotifLongTextForEdit"])))
    assert all(sorted(own, key=lambda name: int(name[2:])) == own for own in by_asset.values()), "in order per asset"


def _wait_for(condition: object) -> None:
    deadline = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)
