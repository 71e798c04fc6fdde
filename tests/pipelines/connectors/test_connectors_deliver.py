"""Delivery by webhook to a real receiver: order, signatures, faults, a receiver that is down, and kills."""

import base64
import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.errors import ModelError, UsageError
from data_contracts.ingestion.reported_work import report_work_orders
from data_contracts.records.leases import hold_lease
from data_contracts.records.outbox.event_kinds import ALARM_OPENED, KINDS, MODEL_PROMOTED, event_id
from data_contracts.records.outbox.outbox import add_events, due_events, open_channel, outbox_frame, replay_events
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace, init_workspace, open_workspace
from pipelines.cli import app
from pipelines.connectors.channel_settings import FOLDER, Channel, read_channel
from pipelines.connectors.deliver import DeliverResult, deliver
from pipelines.connectors.run_channels import deliver_all, deliver_in_turn
from pipelines.connectors.webhook import open_webhook
from pipelines.terminal.stop_signals import StopFlag
from tests.pipelines.connectors.webhook_receiver import Receiver, Request, running_receiver

T = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def workspace(tmp_path: Path, receiver: Receiver) -> Workspace:
    workspace = init_workspace(tmp_path / "plant")
    write_channel(workspace, f'secret_file = "secret.txt"\nurl = "{receiver.url}"')
    (workspace.root / "secret.txt").write_text(SECRET + "\n")
    open_channel(open_records(workspace.records_url), "eam", T)
    return workspace


def write_channel(workspace: Workspace, webhook: str, more: str = "") -> None:
    (workspace.root / FOLDER).mkdir(exist_ok=True)
    (workspace.root / FOLDER / "eam.toml").write_text(f"{more}\n[webhook]\n{webhook}\n")


def write_events(workspace: Workspace, *subjects: str, at: pd.Timestamp = T, kind: str = ALARM_OPENED) -> sa.Engine:
    records = open_records(workspace.records_url)
    rows = [
        OutboxEvent(event_id(kind, subject, str(n)), kind, subject, at, {"n": n, "why": "Spindel heiß"})
        for n, subject in enumerate(subjects)
    ]
    with records.begin() as connection:
        add_events(connection, rows)
    return records


def run(workspace: Workspace, now: pd.Timestamp) -> DeliverResult:
    channel: Channel = read_channel(workspace.root, "eam")
    records = open_records(workspace.records_url)
    with open_webhook(channel.webhook, workspace.root, "/plants/north") as target:
        kinds = channel.kinds_of(KINDS)
        return deliver(records, "eam", channel, target, kinds, clock=lambda: now, stopping=StopFlag())


def test_an_event_arrives_as_a_signed_cloud_event(workspace: Workspace, receiver: Receiver) -> None:
    """It has the attributes that one standard requires, and the signature that receivers check by another."""
    write_events(workspace, "m1")
    assert run(workspace, T).delivered == 1
    (request,) = receiver.taken
    assert request.headers["content-type"].startswith("application/cloudevents+json")
    assert request.event == {
        "specversion": "1.0",
        "id": event_id(ALARM_OPENED, "m1", "0"),
        "source": "/plants/north",
        "type": "forewarn.alarm.opened",
        "subject": "m1",
        "time": "2026-03-01T06:00:00Z",
        "datacontenttype": "application/json",
        "sequence": f"{1:020d}",
        "data": {"n": 0, "why": "Spindel heiß"},
    }
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert request.headers["webhook-id"] == request.event["id"]
    assert run(workspace, T) == DeliverResult("eam")


def test_a_receiver_that_is_down_gets_everything_in_order_afterwards(workspace: Workspace, receiver: Receiver) -> None:
    """For an hour nobody listens, and then it answers 503: few attempts are made, none is given up, each arrives once.

    Events that are written meanwhile wait behind those of before.
    """
    records = write_events(workspace, *("m1", "m2", "m3", "m4", "m5") * 2)
    receiver.answer = lambda _: (503, {"retry-after": "240"})
    now, tried, half = T, 0, T + pd.Timedelta(minutes=30)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # nobody else takes the port, and nobody listens on it
        write_channel(workspace, f'url = "http://127.0.0.1:{held.getsockname()[1]}/"')
        while now < half:
            tried += run(workspace, now).retrying
            now += pd.Timedelta(minutes=2)
    assert tried < 5 * 16
    assert outbox_frame(records, "eam", state="retrying")["problem"].str.startswith("ConnectError").all()
    write_channel(workspace, f'url = "{receiver.url}"')
    write_events(workspace, *("m1", "m2", "m3", "m4", "m5") * 4)  # ten of them are there already
    tried = 0
    while now < T + pd.Timedelta(hours=1):
        tried += run(workspace, now).retrying
        now += pd.Timedelta(minutes=2)
    assert 0 < len(receiver.refused) == tried < 5 * 16
    assert set(outbox_frame(records, "eam")["state"]) == {"waiting", "retrying"}
    receiver.answer = lambda _: (200, {})
    while due_events(records, "eam", KINDS, now + pd.Timedelta(minutes=5), 1):
        run(workspace, now)
        now += pd.Timedelta(minutes=5)
    arrived = [(each.event["subject"], each.event["data"]["n"]) for each in receiver.taken]
    assert sorted(n for _, n in arrived) == list(range(20))
    for subject in ("m1", "m2", "m3", "m4", "m5"):
        own = [n for name, n in arrived if name == subject]
        assert own == sorted(own)


def test_a_refused_event_is_a_dead_letter_at_once_and_an_old_one_in_time(
    workspace: Workspace, receiver: Receiver
) -> None:
    """A 400 is final and holds up nothing; what fails for longer than the channel's patience is given up too."""
    write_channel(workspace, f'url = "{receiver.url}"', 'give_up_after = "1h"')
    records = write_events(workspace, "m1", "m1", "m2")
    wrong = event_id(ALARM_OPENED, "m1", "0")
    receiver.answer = lambda request: (400 if request.event["id"] == wrong else 500, {})
    first = run(workspace, T)
    assert (first.dead, first.retrying) == (1, 2)
    last = run(workspace, T + pd.Timedelta(minutes=59.99))
    assert last.dead == 2
    receiver.answer = lambda _: (202, {})
    assert outbox_frame(records, "eam", state="dead")["problem"].str[:3].tolist() == ["500", "500", "400"]
    assert replay_events(records, "eam") == 3
    assert run(workspace, T).delivered == 3


def test_a_channel_sends_the_kinds_it_is_for(workspace: Workspace, receiver: Receiver) -> None:
    write_channel(workspace, f'url = "{receiver.url}"', 'kinds = ["model.*"]')
    write_events(workspace, "m1")
    write_events(workspace, "fleet", kind=MODEL_PROMOTED)
    run(workspace, T)
    assert [each.event["type"] for each in receiver.taken] == ["forewarn.model.promoted"]


def test_a_copy_tells_nobody_until_it_takes_over(
    workspace: Workspace, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, `doctor` too; then it delivers what happens from then on, and the rest if it is asked to."""
    deliver_all(workspace, None, stopping=StopFlag())
    write_events(workspace, "m1", at=pd.Timestamp.now("UTC").as_unit("us"))
    copy = open_workspace(shutil.copytree(workspace.root, tmp_path / "copy"), {})
    words = ["--workspace", str(copy.root), "--json"]
    withheld = forewarn(capsys, "outbox", "deliver", *words, exit_status=1)
    assert [(each["delivered"], each["withheld"]) for each in withheld["channels"]] == [(0, True)]
    listed = {"channel": "eam", "waiting": 1, "dead": 0, "withheld": True}
    assert forewarn(capsys, "doctor", *words)["channels"] == [listed]
    assert receiver.taken == []
    assert forewarn(capsys, "twins", "take-over", *words)["set_aside"] == {"eam": 1}
    assert forewarn(capsys, "doctor", *words)["channels"] == [listed | {"waiting": 0, "dead": 1, "withheld": False}]
    assert forewarn(capsys, "outbox", "replay", "eam", *words)["replayed"] == 1
    assert forewarn(capsys, "outbox", "deliver", *words)["channels"][0]["delivered"] == 1
    assert deliver_all(workspace, None, stopping=StopFlag()).channels[0].delivered == 1, "the original goes on"
    assert len({each.event["id"] for each in receiver.taken}) == 1


def test_a_finding_goes_out(workspace: Workspace, receiver: Receiver) -> None:
    """Nothing but the table has it: whoever delivers finds it there, once."""
    deliver_all(workspace, None, stopping=StopFlag())
    now = pd.Timestamp.now("UTC").as_unit("us")
    work = {"work_order_id": "w1", "asset": "m1", "event_time": now, "known_time": now, "kind": "inspection"}
    report = {**work, "component": None, "finding": "no_fault_found", "prompted_by": "alarm", "prediction_id": None}
    report_work_orders(workspace, pd.DataFrame([report]), now=now)
    for _ in range(2):
        deliver_all(workspace, None, stopping=StopFlag())
    ((kind, finding),) = [(each.event["type"], each.event["data"]["finding"]) for each in receiver.taken]
    assert (kind, finding) == ("forewarn.finding.reported", "no_fault_found")


def test_a_channel_that_is_being_delivered_by_is_left_to_who_does(workspace: Workspace, receiver: Receiver) -> None:
    """A command says so and ends with 1; a flow, which comes again, goes on."""
    records = write_events(workspace, "m1")
    with hold_lease(records, "deliver/eam", "delivery by eam"):
        with pytest.raises(ModelError, match="under way"):
            deliver_all(workspace, None, stopping=StopFlag())
        assert "under way" in deliver_in_turn(workspace, "eam", stopping=StopFlag()).problem
    assert receiver.taken == []
    assert deliver_in_turn(workspace, "eam", stopping=StopFlag()).delivered == 1


def forewarn(capsys: pytest.CaptureFixture[str], *words: str, exit_status: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as leaving:
        app.main(list(words))
    assert (leaving.value.code or 0) == exit_status
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


@pytest.mark.parametrize(
    ("webhook", "more", "found"),
    [
        ('url = "ftp://plant"', "", "webhook.url"),
        ('url = "http://127.0.0.1:1/"', "kinds = []", "kinds"),
        ('url = "http://127.0.0.1:1/"\nsecret_file = "none"', "", "none"),
        ('url = "http://127.0.0.1:1/"\nca = "none.pem"', "", "none.pem"),
        ('url = "http://127.0.0.1:1/"\nsecret_file = "short"', "", "secret"),
        ('adress = "http://127.0.0.1:1/"', "", "adress"),
    ],
)
def test_a_wrong_channel_is_refused_before_anything_is_sent(
    workspace: Workspace, webhook: str, more: str, found: str
) -> None:
    (workspace.root / "short").write_text("whsec_c2hvcnQ=\n")
    write_channel(workspace, webhook, more)
    with pytest.raises(UsageError, match=found):
        deliver_all(workspace, None, stopping=StopFlag())


@pytest.mark.verify
def test_killed_twenty_times_each_event_arrives_in_order(workspace: Workspace, receiver: Receiver) -> None:
    """The deliverer is killed as the receiver answers, between its commit and ours: all arrive, none before its turn.

    Those at which it was killed arrive again, with the same id, and no other one twice.
    """
    records = write_events(workspace, *[f"m{n % 3}" for n in range(60)])
    code = "import sys; from pipelines.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "outbox", "deliver", "--json", "--workspace", str(workspace.root)]
    killed: set[str] = set()
    process: subprocess.Popen[bytes] | None = None

    def answer(request: Request) -> tuple[int, dict[str, str]]:
        identifier = request.event["id"]
        if len(killed) < 20 and identifier not in killed and request.event["data"]["n"] % 3 == 0:
            killed.add(identifier)
            assert process is not None
            process.kill()
        return 200, {}

    receiver.answer = answer
    for _ in range(25):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate(timeout=120)
        if process.returncode == 0:
            break
        assert process.returncode == -9, errors
    assert process is not None
    assert json.loads(output)["channels"][0]["problem"] == ""
    assert len(killed) == 20
    assert outbox_frame(records, "eam")["state"].tolist() == ["delivered"] * 60
    arrived = [each.event for each in receiver.taken]
    first = list(dict.fromkeys(each["id"] for each in arrived))
    assert len(first) == 60
    assert {each["id"] for n, each in enumerate(arrived) if each["id"] in {e["id"] for e in arrived[:n]}} <= killed
    by_id = {each["id"]: each for each in arrived}
    for subject in ("m0", "m1", "m2"):
        own = [by_id[identifier]["data"]["n"] for identifier in first if by_id[identifier]["subject"] == subject]
        assert own == sorted(own)
