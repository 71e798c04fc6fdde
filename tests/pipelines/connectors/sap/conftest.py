"""A workspace with a channel to an SAP system that runs beside the test."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.records.outbox.event_kinds import ALARM_OPENED, KINDS, event_id
from data_contracts.records.outbox.outbox import add_events, open_channel
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace, init_workspace
from pipelines.cli import app
from pipelines.connectors.channel_settings import FOLDER, read_channel
from pipelines.connectors.deliver import DeliverResult, deliver
from pipelines.connectors.sap.target import open_sap
from pipelines.terminal.stop_signals import StopFlag
from tests.sap_server import PASSWORD, USER, SapServer, running_sap

T = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
CHANNEL = """
{more}
[sap]
url = "{url}"
user = "{user}"
password_file = "sap.password"
notification_type = "M2"
time_zone = "Europe/Berlin"
{sap}
"""
WriteChannel = Callable[..., None]
WriteAlarms = Callable[..., list[OutboxEvent]]
Deliver = Callable[..., DeliverResult]


@pytest.fixture
def sap() -> Iterator[SapServer]:
    """Run an SAP system."""
    with running_sap() as sap:
        yield sap


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace whose channel `sap` has begun."""
    workspace = init_workspace(tmp_path / "plant")
    open_channel(open_records(workspace.records_url), "sap", T)
    return workspace


@pytest.fixture
def write_channel(workspace: Workspace, sap: SapServer) -> WriteChannel:
    """Write the channel's file, with more settings; without any it is written already."""

    def write(settings: str = "", more: str = "") -> None:
        (workspace.root / FOLDER).mkdir(exist_ok=True)
        (workspace.root / "sap.password").write_text(f"{PASSWORD}\n")
        text = CHANNEL.format(url=sap.url, user=USER, sap=settings, more=more)
        (workspace.root / FOLDER / "sap.toml").write_text(text)

    write()
    return write


@pytest.fixture
def write_alarms(workspace: Workspace) -> WriteAlarms:
    """Write an alarm of each asset into the outbox."""

    def write(*assets: str, at: pd.Timestamp = T, probability: float = 0.71) -> list[OutboxEvent]:
        events = [_alarm(asset, number, at, probability) for number, asset in enumerate(assets)]
        with open_records(workspace.records_url).begin() as connection:
            add_events(connection, events)
        return events

    return write


def _alarm(asset: str, number: int, at: pd.Timestamp, probability: float) -> OutboxEvent:
    as_of = at + pd.Timedelta(hours=number)
    data = {
        "asset": asset,
        "model": "fleet-failure",
        "model_version": 3,
        "prediction_id": f"p-{number}",
        "as_of": as_of.isoformat(),
        "began": as_of.isoformat(),
        "claim_ends": (as_of + pd.Timedelta(hours=76)).isoformat(),
        "lead_hours": 4.0,
        "horizon_hours": 72.0,
        "probability": probability,
        "remaining_life_hours": None,
        "threshold": 0.44,
    }
    identifier = event_id(ALARM_OPENED, "fleet-failure", asset, as_of.isoformat())
    return OutboxEvent(identifier, ALARM_OPENED, asset, at, data)


@pytest.fixture
def run(workspace: Workspace, write_channel: WriteChannel) -> Deliver:  # noqa: ARG001 - the channel's file
    """Deliver once, at a time."""

    def deliver_at(now: pd.Timestamp) -> DeliverResult:
        records, channel = open_records(workspace.records_url), read_channel(workspace.root, "sap")
        assert channel.sap is not None
        endpoint = "https://forewarn.plant.example"
        with open_sap(
            channel.sap, workspace.root, records, "sap", endpoint, check=lambda: None, clock=lambda: now
        ) as target:
            kinds = channel.kinds_of(KINDS)
            return deliver(records, "sap", channel, target, kinds, clock=lambda: now, stopping=StopFlag())

    return deliver_at


def forewarn(capsys: pytest.CaptureFixture[str], *words: str, exit_status: int = 0) -> dict[str, Any]:
    """Run a command, and return what it printed as JSON."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as leaving:
        app.main([*words, "--json"])
    assert (leaving.value.code or 0) == exit_status
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed
