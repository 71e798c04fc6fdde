"""An edge and a real broker: everything arrives in order and is confirmed, whatever is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.start_broker import MosquittoProcess, free_port
from pipelines.live.edge.edge import Edge, open_edge
from pipelines.live.edge.edge_settings import SendingSettings, SpoolSettings
from pipelines.live.edge.segment import segment_files
from pipelines.live.payloads.message import TIME_TYPE
from tests.live_ingester import Ingester, wait_for

SOON = SendingSettings(confirmed_within=pd.Timedelta(seconds=1), reconnect_within=pd.Timedelta(milliseconds=500))
START = 1_790_000_000_000_000


def _rows(number: int, rows: int = 10) -> pa.RecordBatch:
    """Return rows by which a message can be recognised."""
    times = START + number * 1_000_000 + np.arange(rows) * 10_000
    return pa.record_batch({"event_time": pa.array(times, TIME_TYPE), "load": np.full(rows, float(number))})


def _put(edge: Edge, first: int, last: int, assets: tuple[str, ...] = ("cnc-001", "cnc-002")) -> None:
    for number in range(first, last):
        for asset in assets:
            edge.put(asset, "cnc", _rows(number), plant="plant-01")


def _spool(folder: Path, **options: Any) -> SpoolSettings:
    return SpoolSettings(folder=folder / "spool", **options)


def _all_in_order(ingester: Ingester, asset: str, epoch: int, count: int) -> bool:
    kept = ingester.messages.get((asset, epoch), [])
    values = [message.rows.column(1)[0].as_py() for message in kept]
    return [message.sequence for message in kept] == list(range(count)) and values == [float(n) for n in range(count)]


@pytest.fixture
def ingester(mosquitto: MosquittoProcess) -> Iterator[Ingester]:
    ingester = Ingester()
    ingester.start(mosquitto.settings)
    yield ingester
    ingester.stop()


def test_everything_arrives_in_order_and_leaves_the_disk(
    tmp_path: Path, mosquitto: MosquittoProcess, ingester: Ingester
) -> None:
    """Confirmed messages are deleted, and the schema is there before the first of them."""
    with open_edge(mosquitto.settings, _spool(tmp_path), client_id="edge") as edge:
        _put(edge, 0, 200)
        assert edge.wait_until_confirmed(120)
        counts = edge.counts()
    assert _all_in_order(ingester, "cnc-001", edge.epoch, 200)
    assert _all_in_order(ingester, "cnc-002", edge.epoch, 200)
    assert (ingester.unreadable, ingester.jumps, ingester.notices) == ([], [], [])
    assert counts.failures == 0
    assert (counts.messages, counts.confirmed, counts.pending, counts.dropped) == (400, 400, 0, 0)
    assert counts.rows == 4000
    assert len(segment_files(tmp_path / "spool")) <= 1


def test_a_killed_broker_loses_nothing(tmp_path: Path, mosquitto: MosquittoProcess, ingester: Ingester) -> None:
    """A broker that is killed forgets what it acknowledged, sessions, schemas and confirmations: all is sent again."""
    with open_edge(mosquitto.settings, _spool(tmp_path), client_id="edge", sending=SOON) as edge:
        ingester.confirms = False
        for kill in range(3):
            wait_for(lambda connections=kill + 1: edge.counts().connections == connections)
            sent_before = edge.counts().published
            _put(edge, 100 * kill, 100 * kill + 60)
            wait_for(lambda least=sent_before + 20: edge.counts().published >= least)
            mosquitto.kill()
            _put(edge, 100 * kill + 60, 100 * (kill + 1))
            mosquitto.start()
        ingester.confirm_all()
        assert edge.wait_until_confirmed(120)
        assert edge.counts().connections >= 4
    assert _all_in_order(ingester, "cnc-001", edge.epoch, 300)
    assert _all_in_order(ingester, "cnc-002", edge.epoch, 300)


def test_without_confirmations_the_edge_waits_and_sends_again(
    tmp_path: Path, mosquitto: MosquittoProcess, ingester: Ingester
) -> None:
    """The broker gets no more than the limit while nobody confirms; each time-out it gets that again."""
    sending = SendingSettings(max_unconfirmed=20, confirmed_within=pd.Timedelta(seconds=1))
    ingester.confirms = False
    with open_edge(mosquitto.settings, _spool(tmp_path), client_id="edge", sending=sending) as edge:
        _put(edge, 0, 100)
        # 10 of each of the two assets; then the same again.
        wait_for(lambda: ingester.arrivals >= 20)
        time.sleep(0.3)
        assert ingester.sequences("cnc-001", edge.epoch) == list(range(10))
        assert edge.counts().pending == 200
        wait_for(lambda: ingester.arrivals >= 40)
        assert ingester.sequences("cnc-001", edge.epoch) == list(range(10))
        ingester.confirm_all()
        assert edge.wait_until_confirmed(120)
    assert _all_in_order(ingester, "cnc-001", edge.epoch, 100)
    assert _all_in_order(ingester, "cnc-002", edge.epoch, 100)
    assert ingester.jumps == []


def test_one_asset_without_confirmations_does_not_hold_up_the_others(
    tmp_path: Path, mosquitto: MosquittoProcess, ingester: Ingester
) -> None:
    """A share of what may be unconfirmed is each asset's own."""
    sending = SendingSettings(max_unconfirmed=20)
    ingester.client.message_callback_add("forewarn/telemetry/plant-01/cnc-001", lambda *_: None)
    with open_edge(mosquitto.settings, _spool(tmp_path), client_id="edge", sending=sending) as edge:
        _put(edge, 0, 100)
        wait_for(lambda: len(ingester.sequences("cnc-002", edge.epoch)) == 100)
        wait_for(lambda: edge.counts().pending == 100)
    assert ingester.sequences("cnc-001", edge.epoch) == []


_EDGE_PROCESS = """
import sys, time
from pathlib import Path
from pipelines.live.broker.broker_settings import BrokerSettings
from tests.pipelines.live.test_live_edge import SOON, _put, _spool
from pipelines.live.edge.edge import open_edge
folder, port, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with open_edge(BrokerSettings(port=port), _spool(folder), client_id="edge", sending=SOON) as edge:
    print(edge.epoch, edge.counts().recovered, flush=True)
    for number in range(first, 1_000_000):
        _put(edge, number, number + 1)
        print(number, flush=True)
        time.sleep(0.002)
"""


def _kill_after(messages: int, folder: Path, port: int) -> tuple[int, int, int]:
    """Run an edge in a process and kill it; return its epoch, what it recovered, and how many messages it had kept."""
    command = [sys.executable, "-c", _EDGE_PROCESS, str(folder), str(port), "0"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        epoch, recovered = map(int, process.stdout.readline().split())
        kept = 0
        for line in process.stdout:
            kept = int(line) + 1
            if kept == messages:
                process.send_signal(signal.SIGKILL)
    return epoch, recovered, kept


@pytest.mark.slow
def test_a_killed_edge_loses_nothing(tmp_path: Path, mosquitto: MosquittoProcess, ingester: Ingester) -> None:
    """An edge that is killed goes on with what it had kept, session by session, before anything new."""
    ingester.confirms = False
    sessions = [_kill_after(messages, tmp_path, mosquitto.port) for messages in (50, 120)]
    assert sessions[1][1] >= 100  # of both assets, from the first session
    ingester.confirm_all()
    with open_edge(mosquitto.settings, _spool(tmp_path), client_id="edge", sending=SOON) as edge:
        _put(edge, 0, 30)
        assert edge.wait_until_confirmed(120)
    for asset in ("cnc-001", "cnc-002"):
        for epoch, _, kept in sessions:
            arrived = len(ingester.sequences(asset, epoch))
            assert arrived >= kept
            assert _all_in_order(ingester, asset, epoch, arrived)
        assert _all_in_order(ingester, asset, edge.epoch, 30)
        order = [epoch for name, epoch in ingester.messages if name == asset]
        assert order == [sessions[0][0], sessions[1][0], edge.epoch]


def test_what_an_earlier_session_left_goes_first(tmp_path: Path, mosquitto: MosquittoProcess) -> None:
    """The next session of an asset waits until the one before is confirmed."""
    nowhere = BrokerSettings(port=free_port())
    with open_edge(nowhere, _spool(tmp_path), client_id="edge") as before:
        _put(before, 0, 5)
        assert not before.counts().connected
    assert "out of reach" in before.counts().problem
    ingester = Ingester(confirms=False)
    ingester.start(mosquitto.settings)
    with open_edge(mosquitto.settings, _spool(tmp_path), client_id="edge", sending=SOON) as edge:
        assert edge.counts().recovered == 10
        _put(edge, 0, 5)
        wait_for(lambda: len(ingester.sequences("cnc-002", before.epoch)) == 5)
        time.sleep(0.3)
        assert ingester.sequences("cnc-002", edge.epoch) == []
        ingester.confirm_all()
        assert edge.wait_until_confirmed(120)
    ingester.stop()
    assert _all_in_order(ingester, "cnc-001", edge.epoch, 5)


def test_a_full_spool_drops_the_oldest_and_reports_it(tmp_path: Path, mosquitto: MosquittoProcess) -> None:
    """What was dropped is reported as a gap of exactly those messages, over a restart of the edge too."""
    nowhere = BrokerSettings(port=free_port())
    small = _spool(tmp_path, max_mb=2, segment_mb=1)
    with open_edge(nowhere, small, client_id="edge") as before:
        for number in range(600):
            before.put("cnc-001", "cnc", _rows(number, rows=400), plant="plant-01")
        counts = before.counts()
    assert counts.dropped > 0
    assert counts.spool_bytes <= 2_000_000
    assert (counts.waiting_notices, counts.pending) == (1, 600 - counts.dropped)
    ingester = Ingester(confirms=False)
    ingester.start(mosquitto.settings)
    with open_edge(mosquitto.settings, small, client_id="edge", sending=SOON) as edge:
        wait_for(lambda: len(ingester.jumps) > 0)
        ingester.messages["cnc-001", before.epoch] = []
        wait_for(lambda: edge.counts().waiting_notices == 0)
        assert edge.counts().gap_notices == 1
    ingester.stop()
    notice = ingester.notices[0]
    assert (notice.kind, notice.epoch) == ("edge_dropped", before.epoch)
    assert (notice.from_sequence, notice.to_sequence) == (0, counts.dropped - 1)
    assert notice.first_event_time == START
    assert notice.last_event_time == START + (counts.dropped - 1) * 1_000_000 + 399 * 10_000
    assert ingester.jumps[0] == ("cnc-001", 0, counts.dropped)


def test_what_the_broker_passed_on_to_nobody_is_sent_again(tmp_path: Path, mosquitto: MosquittoProcess) -> None:
    """A broker that lost its sessions acknowledges what nobody hears; nor does it keep that for a later listener."""
    ingester, sending = Ingester(), SendingSettings(confirmed_within=pd.Timedelta(hours=1))
    with open_edge(mosquitto.settings, _spool(tmp_path), client_id="edge", sending=sending) as edge:
        _put(edge, 0, 5)
        edge.report_gap("cnc-001", "gap", "lost", plant="plant-01", first_time=START, last_time=None)
        wait_for(lambda: edge.counts().unheard > 0)
        assert edge.counts().waiting_notices == 1
        assert "no listener" in edge.counts().problem
        ingester.start(mosquitto.settings)
        # Long before the confirmation is overdue.
        assert edge.wait_until_confirmed(120)
        assert edge.counts().problem == ""
    ingester.stop()
    assert _all_in_order(ingester, "cnc-001", edge.epoch, 5)
    assert len(ingester.notices) == 1


def test_a_gap_of_the_machine_is_reported(tmp_path: Path, mosquitto: MosquittoProcess, ingester: Ingester) -> None:
    """Readings that never reached the edge have no numbers, but a time."""
    with open_edge(mosquitto.settings, _spool(tmp_path), client_id="edge") as edge:
        edge.report_gap("cnc-001", "agent_buffer", "observations 5 to 9", plant="p", first_time=START, last_time=None)
        assert edge.wait_until_confirmed(120)
    wait_for(lambda: len(ingester.notices) == 1)
    notice = ingester.notices[0]
    assert (notice.asset, notice.epoch, notice.kind, notice.detail) == (
        "cnc-001",
        edge.epoch,
        "agent_buffer",
        "observations 5 to 9",
    )
    assert (notice.from_sequence, notice.first_event_time, notice.last_event_time) == (None, START, None)
