"""Presses for tests of listeners: their contract and messages, a workspace that knows them, `forewarn listen`."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.contract.contract_types import Column, Contract
from data_contracts.contract.registered import register
from data_contracts.workspace import Workspace, init_workspace
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.broker.start_broker import MosquittoProcess
from pipelines.live.payloads.arrow_payload import encode_arrow
from pipelines.live.payloads.confirmations import Confirmation, decode_confirmation
from pipelines.live.payloads.message import TelemetryMessage
from pipelines.live.payloads.schemas import encode_schema, payload_schema
from tests.live_broker import Subscribing

ROWS = 10
KEY = (
    Column("asset", "string", required=True),
    Column("event_time", "timestamp", required=True),
    Column("known_time", "timestamp", required=True),
    Column("source", "string", required=True, allowed=("physical",)),
)
PRESS = Contract(
    "press",
    "1",
    "telemetry",
    (*KEY, Column("force", "number", maximum=100.0, max_rate_per_second=1e6)),
    ("asset", "event_time", "source", "known_time"),
    asset_type="press",
    earliest_time=pd.Timestamp("1990-01-01", tz="UTC"),
)
COLUMNS = pa.schema([("event_time", pa.timestamp("us", tz="UTC")), ("force", pa.float32())])
SCHEMA = payload_schema("press", COLUMNS)
START_US = int(pd.Timestamp.now("UTC").timestamp() * 1e6) - 3_600_000_000


def press_rows(sequence: int, *, force: float = 1.0, start_us: int = START_US) -> pa.RecordBatch:
    """Return the rows of a press's message; each sequence has times of its own."""
    times = start_us + (sequence * ROWS + np.arange(ROWS)) * 10_000
    columns = [pa.array(times, pa.timestamp("us", tz="UTC")), pa.array(np.full(ROWS, force, dtype="f4"))]
    return pa.record_batch(columns, schema=COLUMNS)


def message(
    asset: str = "m1",
    sequence: int = 0,
    *,
    epoch: int = 5,
    force: float = 1.0,
    start_us: int = START_US,
    asset_type: str = "press",
) -> TelemetryMessage:
    """Return a press's message."""
    rows = press_rows(sequence, force=force, start_us=start_us)
    return TelemetryMessage(asset, epoch, sequence, rows.column(0)[0].value, asset_type, rows)


def press_workspace(root: Path) -> Workspace:
    """Return a new workspace that knows presses."""
    made = init_workspace(root)
    register(made.contracts, PRESS, now=pd.Timestamp("2026-01-01", tz="UTC"))
    return made


def configure_listener(workspace: Workspace, broker: MosquittoProcess, **more: Any) -> None:
    """Write the settings of a listener that stores what comes every 200 ms."""
    live = {"broker_host": broker.host, "broker_port": broker.port, "metrics_port": 0, "flush_interval": "200ms"}
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in (live | more).items()]
    (workspace.root / "forewarn.toml").write_text("\n".join(["[live]", *lines, ""]))


def start_process(*words: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start a command of forewarn."""
    code = "import sys; from pipelines.cli import main; main(sys.argv[1:])"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "env": environment} | options
    return subprocess.Popen([sys.executable, "-c", code, *words], **options)


def start_listener(workspace: Workspace, *words: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start `forewarn listen`."""
    return start_process("listen", "-w", str(workspace.root), *words, **options)


class PressEdge:
    """Publishes what presses send, and hears what is confirmed."""

    def __init__(self, settings):
        self.confirmed = {}
        subscribing = Subscribing([("forewarn/confirmed/+", 1)])
        self._client = connect(settings, "edge", on_message=self._hear, on_connect=subscribing)
        subscribing.wait()

    def announce(self, schema=SCHEMA):
        self.raw(f"forewarn/schemas/{schema.id}", encode_schema(schema), retain=True)

    def send(self, *messages):
        for each in messages:
            self.raw(f"forewarn/telemetry/p1/{each.asset}", encode_arrow(each, SCHEMA))

    def raw(self, topic, payload, *, retain=False):
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(120)

    def wait_for(self, asset, epoch, sequence, seconds=120):
        ends = time.monotonic() + seconds
        while self.confirmed.get(asset) != Confirmation(epoch, sequence):
            assert time.monotonic() < ends, self.confirmed
            time.sleep(0.05)

    def close(self):
        disconnect(self._client)

    def _hear(self, _, heard):
        self.confirmed[heard.topic.rpartition("/")[2]] = decode_confirmation(heard.payload)
