"""The worked example of another system: an alarm opens a ticket, once, and what was found comes back."""

import base64
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.contract.contract import load_contract
from data_contracts.contract.file_layout import PLAIN
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.outbox.alarm_events import AlarmTerms
from data_contracts.records.outbox.outbox_records import Delivery
from data_contracts.records.records import Prediction, open_records
from data_contracts.tables import tables
from data_contracts.workspace import Workspace
from pipelines.connectors.run_channels import deliver_all
from pipelines.jobs.ingest import ingest_files
from pipelines.terminal.stop_signals import StopFlag
from tests.serving.conftest import ASSETS, Endpoint

HOUR = pd.Timedelta(hours=1)
MACHINES = ASSETS[-2:]


@pytest.fixture
def desk(tmp_path: Path, repository: Path) -> Callable[..., list[str]]:
    """Return what runs a command of the desk."""
    command = [sys.executable, str(repository / "docs" / "how-to" / "ticket_desk.py"), str(tmp_path / "tickets.db")]

    def run(*words: str) -> list[str]:
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.splitlines()

    return run


def alarms(workspace: Workspace, as_of: pd.Timestamp) -> None:
    """Store an alert of each machine, as the endpoint would."""
    rows = [
        Prediction(f"desk-{name}", name, as_of, as_of, 86400.0, 0.0, 0.7, None, 0.5, True, "tiny", 1, "endpoint")
        for name in MACHINES
    ]
    add_predictions(open_records(workspace.records_url), rows, announce=AlarmTerms(HOUR, 24 * HOUR))


def test_an_alarm_opens_a_ticket_and_what_was_found_comes_back(
    workspace: Workspace, endpoint: Endpoint, desk: Callable[..., list[str]], repository: Path, tmp_path: Path
) -> None:
    """The commands of docs/how-to/connect.md, "Another system"; one ticket is reported by REST, the other by file."""
    (workspace.root / "channels").mkdir(exist_ok=True)
    channel, secret = workspace.root / "channels" / "desk.toml", tmp_path / "desk.secret"
    secret.write_text("whsec_" + base64.b64encode(bytes(range(32))).decode())
    script = [sys.executable, str(repository / "docs" / "how-to" / "ticket_desk.py"), str(tmp_path / "tickets.db")]
    process = subprocess.Popen([*script, "serve", str(secret), "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        channel.write_text(f'kinds = ["alarm.*"]\n[webhook]\nurl = "{url}"\nsecret_file = "{secret}"\n')
        deliver_all(workspace, ["desk"], stopping=StopFlag())
        at = pd.Timestamp.now("UTC").as_unit("us")
        alarms(workspace, at)
        assert deliver_all(workspace, ["desk"], stopping=StopFlag()).channels[0].delivered == 2
        records = open_records(workspace.records_url)
        with records.begin() as connection:
            connection.execute(sa.delete(Delivery.table).where(Delivery.table.c.channel == "desk"))
        assert deliver_all(workspace, ["desk"], stopping=StopFlag()).channels[0].delivered == 2, "as if unanswered"
        tickets = [line.split("\t")[:2] for line in desk("list")]
        forged = httpx.post(url, json={"type": "forewarn.alarm.opened"}, headers={"webhook-timestamp": "1"})
    finally:
        process.terminate()
        process.wait(20)
        channel.unlink(missing_ok=True)
    assert forged.status_code == 401
    assert tickets == [["1", MACHINES[0]], ["2", MACHINES[1]]]
    done = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    desk("close", "1", "defect_confirmed", "--at", done)
    assert desk("report", endpoint.url) == ["1 reported"]
    assert desk("report", endpoint.url) == ["0 reported"]
    desk("close", "2", "no_fault_found", "--at", done)
    assert desk("export", str(tmp_path / "work_orders.csv")) == ["1 exported"]
    now = pd.Timestamp.now("UTC").as_unit("us")
    ingest_files(workspace, [tmp_path / "work_orders.csv"], load_contract("work_orders"), PLAIN, now=now)
    stored = tables.read(workspace, "work_orders", assets=list(MACHINES))
    stored = stored[stored["work_order_id"].str.startswith("T-")].sort_values("work_order_id")
    assert stored["finding"].tolist() == ["defect_confirmed", "no_fault_found"]
    assert stored["prediction_id"].tolist() == [f"desk-{name}" for name in MACHINES]
    assert set(stored["prompted_by"]) == {"alarm"}
