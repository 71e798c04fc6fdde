"""The listener stores what arrives once, acknowledges what is stored, and goes on whatever arrives."""

import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import replace

import pandas as pd
import pytest

from data_contracts.contract.registered import register
from data_contracts.errors import ModelError, StorageError
from data_contracts.ingestion import quarantine
from data_contracts.records.leases import is_held
from data_contracts.records.leases.listen_leases import LISTEN
from data_contracts.records.records import open_records
from data_contracts.streams.held_messages import UNDECODED, payload_of
from data_contracts.streams.sessions import StreamGap
from data_contracts.streams.stream_gaps import read_gaps
from data_contracts.streams.stream_table import StreamTable
from data_contracts.tables import tables
from data_contracts.twin_state.current_readings import read_current
from pipelines.live.broker.start_broker import free_port, start_broker
from pipelines.live.listening import decoder, early_messages
from pipelines.live.listening.listen import listen
from pipelines.live.listening.listen_summary import Ending
from pipelines.live.payloads.arrow_payload import encode_arrow
from pipelines.live.payloads.confirmations import Confirmation
from pipelines.live.payloads.gap_notices import encode_gap
from pipelines.live.payloads.json_payload import encode_json
from pipelines.live.payloads.schemas import payload_schema
from pipelines.settings.sections import LiveSettings
from tests.live_presses import (
    COLUMNS,
    PRESS,
    ROWS,
    SCHEMA,
    START_US,
    PressEdge,
    configure_listener,
    message,
    press_workspace,
    start_listener,
)


@pytest.fixture
def workspace(tmp_path):
    return press_workspace(tmp_path / "ws")


@pytest.fixture
def edge(mosquitto):
    made = PressEdge(mosquitto.settings)
    yield made
    made.close()


@pytest.fixture
def settings(mosquitto):
    return LiveSettings(broker_port=mosquitto.port, metrics_port=0, flush_interval=pd.Timedelta("200ms"))


@contextmanager
def listening(workspace, settings, *, known=False):
    """Run a listener in a thread during the block; what it did is in the list once it has ended."""
    if not known:
        subscribe(workspace, settings)
    stopping, results = threading.Event(), []

    def run():
        results.append(listen(workspace, settings, stopping=stopping, environ={}))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield results
    finally:
        stopping.set()
        thread.join(240)


def subscribe(workspace, settings) -> None:
    """Let the broker know the listener's session."""
    listen(workspace, replace(settings, metrics_port=0), ending=Ending(after_s=0), environ={})


def test_what_arrives_is_stored_confirmed_and_acknowledged(workspace, settings, edge, recorded):
    """Arrow and JSON, before and while it listens; a second listener finds nothing left. Each flush is a trace."""
    subscribe(workspace, settings)
    edge.announce()
    edge.send(message(sequence=0), message(sequence=1))
    with listening(workspace, settings, known=True) as results:
        edge.raw("forewarn/json/p1/m2", encode_json(message("m2", 0, epoch=9)))
        edge.wait_for("m1", 5, 1)
        edge.wait_for("m2", 9, 0)
        edge.send(message(sequence=1), message(sequence=2))
        edge.wait_for("m1", 5, 2)
    (result,) = results
    assert (result.messages, result.rows, result.samples, result.duplicates) == (4, 4 * ROWS, 4 * ROWS, 1)
    assert (result.ended, result.exit_status, result.gaps) == ("signal", 0, {"start": 2})
    again = listen(workspace, settings, ending=Ending(idle_s=1), environ={})
    assert (again.messages, again.duplicates, again.ended) == (0, 0, "idle")
    assert tables.read(workspace, PRESS.table).groupby("asset").size().to_dict() == {"m1": 3 * ROWS, "m2": ROWS}
    spans = recorded.get_finished_spans()
    flushes = {span.context.span_id: span for span in spans if span.name == "flush"}
    # Messages that wait for earlier ones are in several flushes.
    assert sum(span.attributes["forewarn.message.count"] for span in flushes.values()) >= 5
    assert all(span.parent is None for span in flushes.values())
    for name in ("store messages", "confirm"):
        assert {span.parent.span_id for span in spans if span.name == name} == flushes.keys()


def test_whatever_cannot_be_stored_is_kept_with_its_reason(workspace, settings, edge):
    """Each kind of bad message is counted and in quarantine, and the good ones before and after are stored."""
    other = payload_schema("lathe", COLUMNS)
    good = encode_arrow(message(), SCHEMA)
    subscribe(workspace, settings)
    edge.announce()
    edge.announce(other)
    edge.send(message(sequence=0))
    edge.raw("forewarn/telemetry/p1/m2", good[:-7])
    edge.raw("forewarn/telemetry/p1/m3", b"hello")
    edge.raw("forewarn/telemetry/p1/m4", good[:8] + b"\x01" * 8 + good[16:])
    edge.raw("forewarn/json/p1/m5", b'{"epoch": NaN}')
    lathe = replace(message("m6"), asset_type="lathe")
    edge.raw("forewarn/telemetry/p1/m6", encode_arrow(lathe, other))
    edge.send(message("m7", force=1e9), message("m8", start_us=0), message("m9", start_us=START_US + 7_200_000_000))
    edge.raw("forewarn/gaps/p1/m1", encode_gap(StreamGap("m1", 5, "edge_dropped", 3, 4, detail="spool full")))
    edge.raw("forewarn/gaps/p1/m1", b"[]")
    edge.send(message(sequence=1), message(sequence=5))
    edge.send(message(sequence=0, epoch=6))
    result = listen(workspace, settings, ending=Ending(idle_s=2), environ={})
    assert result.messages == 7
    assert result.rows == 4 * ROWS
    assert result.refused == {
        "cut short": 2,
        "unknown asset type": 1,
        "range": ROWS,
        "earliest_time": ROWS,
        "time_order": ROWS,
        "wrong checksum": 1,
        "wrong format": 2,
    }
    held = quarantine.list_rows(workspace, UNDECODED)
    assert ("forewarn/telemetry/p1/m2", good[:-7]) in set(map(payload_of, held["row"]))
    assert result.undecoded == len(held) == 6
    assert result.quarantined == len(quarantine.list_rows(workspace, "press")) == 3 * ROWS
    gaps = read_gaps(workspace, assets=["m1"])
    assert {(row.kind, row.epoch, row.from_sequence, row.to_sequence) for row in gaps.itertuples()} == {
        ("start", 5, 0, 0),
        ("gap", 5, 2, 2),
        ("edge_dropped", 5, 3, 4),
        ("restart", 6, 0, 0),
    }


def test_a_message_waits_for_the_schema_that_it_names(workspace, settings, edge):
    """One that comes a moment later is in time."""
    with listening(workspace, settings) as results:
        edge.send(message(sequence=0))
        time.sleep(0.5)
        edge.announce()
        edge.wait_for("m1", 5, 0)
    assert results[0].undecoded == 0


def test_a_backlog_is_read_whose_schema_is_retained_at_the_broker(workspace, settings, edge, monkeypatch):
    """More waits than the broker may send unacknowledged, and none of it can be read before the schema has come."""
    subscribe(workspace, settings)
    edge.announce()
    edge.send(*(message(asset, number) for number in range(20) for asset in ("m1", "m2")))
    # It would wait for the schema for ever.
    monkeypatch.setattr(decoder, "SCHEMA_PATIENCE_S", 1e6)
    small = replace(settings, receive_maximum=10)
    result = listen(workspace, small, ending=Ending(idle_s=2, after_s=120), environ={})
    assert (result.messages, result.undecoded, result.gaps) == (40, 0, {"start": 2})


def test_what_comes_a_moment_before_what_precedes_it_leaves_no_gap(workspace, settings, edge, monkeypatch):
    """Clients that connect again send so; what does not come within that moment is a gap."""
    monkeypatch.setattr(early_messages, "ORDER_PATIENCE_S", 10.0)  # all of this test's own moments, on any machine
    with listening(workspace, settings) as results:
        edge.announce()
        edge.send(message(sequence=0), message("m2", 1), message("m3", 2))
        time.sleep(0.5)
        edge.send(message(sequence=3), message(sequence=2), message("m2", 0))
        time.sleep(0.5)
        assert edge.confirmed["m1"] == Confirmation(5, 0)
        edge.send(message(sequence=4), message(sequence=1), message("m3", 3))
        edge.wait_for("m1", 5, 4)
        edge.wait_for("m2", 5, 1)
        _until(lambda: "gap" in set(read_gaps(workspace, assets=["m3"])["kind"]))
    assert results[0].gaps == {"start": 3, "gap": 1}
    assert results[0].messages == 9
    stored = tables.read(workspace, PRESS.table)
    assert stored.groupby("asset").size().to_dict() == {"m1": 5 * ROWS, "m2": 2 * ROWS, "m3": 2 * ROWS}


def test_early_messages_do_not_keep_out_what_they_wait_for(workspace, settings, edge, monkeypatch):
    """They are stored, with a gap, where the broker would send no more before they are acknowledged."""
    subscribe(workspace, settings)
    edge.announce()
    edge.send(*(message(sequence=number) for number in (0, *range(2, 30), 1)))
    # They would wait for ever.
    monkeypatch.setattr(early_messages, "ORDER_PATIENCE_S", 1e6)
    ending = Ending(idle_s=2, after_s=120)
    result = listen(workspace, replace(settings, receive_maximum=8), ending=ending, environ={})
    assert (result.messages, result.gaps) == (30, {"start": 1, "gap": 1, "late": 1})


def test_what_could_not_be_read_is_stored_once_its_schema_is_known(workspace, settings, edge):
    """Also days later, and once; it is in quarantine until then."""
    subscribe(workspace, settings)
    other = payload_schema("lathe", COLUMNS)
    edge.send(message(sequence=0))
    edge.announce(other)
    edge.raw("forewarn/telemetry/p1/l1", encode_arrow(replace(message("l1"), asset_type="lathe"), other))
    first = listen(workspace, settings, ending=Ending(idle_s=7), environ={})
    assert (first.undecoded, first.messages) == (2, 0)
    assert len(quarantine.list_rows(workspace, UNDECODED)) == 2
    register(workspace.contracts, replace(PRESS, name="lathe", asset_type="lathe"), now=pd.Timestamp.now("UTC"))
    edge.announce()
    for messages in (2, 0):
        again = listen(workspace, settings, ending=Ending(idle_s=2), environ={})
        assert (again.undecoded, again.messages) == (0, messages)
    assert quarantine.list_rows(workspace).empty
    assert len(tables.read(workspace, PRESS.table)) == len(tables.read(workspace, "telemetry/lathe")) == ROWS


def test_a_full_disk_acknowledges_nothing_and_loses_nothing(workspace, settings, edge, monkeypatch):
    """It tries again until there is room, is not ready meanwhile, and says so."""
    port, append = free_port(), StreamTable.append
    full = threading.Event()
    full.set()

    def fail(table, rows, transactions):
        if full.is_set():
            raise StorageError("table telemetry/press cannot be used (No space left on device)", "room", "Free some")
        return append(table, rows, transactions)

    monkeypatch.setattr(StreamTable, "append", fail)
    with listening(workspace, replace(settings, metrics_port=port)) as results:
        edge.announce()
        edge.send(*(message(sequence=number) for number in range(3)))
        _until(lambda: "No space left" in _get(port, "/readyz")[1])
        assert _get(port, "/readyz")[0] == 503
        assert edge.confirmed == {}
        full.clear()
        edge.wait_for("m1", 5, 2)
        assert _get(port, "/readyz")[0] == 200
        shown = _get(port, "/metrics")[1]
    assert "forewarn_live_samples_total 30.0" in shown
    assert 'forewarn_live_gaps_total{kind="start"} 1.0' in shown
    assert "forewarn_live_lag_seconds_count 3.0" in shown
    assert results[0].failures >= 1
    assert len(tables.read(workspace, PRESS.table)) == 3 * ROWS


def test_a_broker_that_is_killed_loses_nothing_that_edges_send_again(workspace, settings, edge, mosquitto):
    """The listener connects again; what the broker had acknowledged and lost is a gap, filled by the edge."""
    port = free_port()
    with listening(workspace, replace(settings, metrics_port=port, gap_patience=pd.Timedelta("60s"))):
        edge.announce()
        edge.send(message(sequence=0))
        edge.wait_for("m1", 5, 0)
        mosquitto.kill()
        _until(lambda: _get(port, "/readyz")[0] == 503)
        mosquitto.start()
        _until(lambda: _get(port, "/readyz")[0] == 200)
        edge.announce()
        edge.send(message(sequence=3))
        time.sleep(1.5)
        assert edge.confirmed["m1"] == Confirmation(5, 0)
        edge.send(*(message(sequence=number) for number in (1, 2, 3)))
        edge.wait_for("m1", 5, 3)
    rows = tables.read(workspace, PRESS.table)
    assert len(rows) == 4 * ROWS
    assert not rows.duplicated(["asset", "event_time"]).any()


def test_it_listens_at_the_embedded_broker_too(workspace, settings, tmp_path):
    """Which knows MQTT 3.1.1 only, and keeps nothing beyond its process."""
    with start_broker(tmp_path / "embedded", embedded=True) as broker:
        own = replace(settings, broker_port=broker.port)
        with listening(workspace, own) as results:
            sender = PressEdge(broker)
            sender.announce()
            _until(lambda: sender.send(message()) or "m1" in sender.confirmed)
            sender.close()
    assert results[0].rows == ROWS
    assert len(tables.read(workspace, PRESS.table)) == ROWS


def test_a_second_listener_is_refused(workspace, settings, edge):  # noqa: ARG001 - the broker has to run
    """Two on one workspace would be in each other's way; one that died is no hindrance."""
    engine = open_records(workspace.records_url)
    with listening(workspace, settings):
        _until(lambda: is_held(engine, LISTEN, pd.Timestamp.now("UTC")))
        assert _is_refused(workspace, settings)
    assert listen(workspace, settings, ending=Ending(after_s=0), environ={}).ended == "time"


def _is_refused(workspace, settings) -> bool:
    try:
        listen(workspace, replace(settings, client_id="other"), ending=Ending(after_s=0), environ={})
    except ModelError as error:
        return "another listener" in error.found
    return False


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def _until(condition, seconds=120):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def _start(workspace, mosquitto, *options: str) -> "subprocess.Popen[bytes]":
    configure_listener(workspace, mosquitto)
    return start_listener(workspace, *options)


def _kill_under_load(workspace, mosquitto, edge, kills: int) -> None:
    """Send without pause while the listener is killed again and again; what is stored is what was sent."""
    assets, sent, done = [f"m{number}" for number in range(8)], [0], threading.Event()

    def publish():
        while not done.is_set():
            edge.send(*(message(asset, sent[0]) for asset in assets))
            sent[0] += 1
            time.sleep(0.02)

    process = _start(workspace, mosquitto)
    edge.announce()
    # The broker keeps nothing for a listener that it has never seen.
    _until(lambda: edge.send(message("first")) or "first" in edge.confirmed)
    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        for number in range(kills):
            before = edge.confirmed.get("m0")
            _until(lambda: edge.confirmed.get("m0") != before, seconds=180)  # noqa: B023 - called here
            time.sleep(0.05 * (number % 5))
            process.kill()
            process.wait(60)
            process = _start(workspace, mosquitto)
    finally:
        done.set()
        publisher.join()
    for asset in assets:
        edge.wait_for(asset, 5, sent[0] - 1, seconds=180)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
    rows = tables.read(workspace, PRESS.table)
    rows = rows[rows["asset"] != "first"]
    assert not rows.duplicated(["asset", "event_time"]).any()
    assert rows.groupby("asset").size().to_dict() == dict.fromkeys(assets, sent[0] * ROWS)
    assert "gap" not in set(read_gaps(workspace)["kind"])


@pytest.mark.slow
def test_killed_under_load_everything_is_stored_once(workspace, mosquitto, edge):
    """What was confirmed is stored, and nothing is stored twice, however often the listener is killed."""
    _kill_under_load(workspace, mosquitto, edge, kills=5)


@pytest.mark.verify
def test_killed_twenty_times_everything_is_stored_once(workspace, mosquitto, edge):
    """The same, twenty times."""
    _kill_under_load(workspace, mosquitto, edge, kills=20)


@pytest.mark.slow
def test_the_command_ends_by_itself_and_says_what_it_did(workspace, mosquitto, edge):
    """With --until-idle, as a cron job runs it; the summary is one JSON document."""
    edge.announce()
    process = _start(workspace, mosquitto, "--until-idle", "2s", "--json")
    _until(lambda: edge.send(message()) or "m1" in edge.confirmed)
    output, _ = process.communicate(timeout=240)
    summary = json.loads(output)
    assert process.returncode == 0
    assert summary["ended"] == "idle"
    assert summary["rows"] == ROWS
    assert os.listdir(workspace.tables_url)  # noqa: PTH208


def test_the_latest_readings_of_twins_are_kept_beside_what_is_stored(workspace, settings, edge):
    """Each machine's last value is in the records, for the table's latest version; a refused value is not."""
    with listening(workspace, settings):
        edge.announce()
        edge.send(message(sequence=0), message(sequence=1, force=2.0), message("m2", force=3.0))
        edge.wait_for("m1", 5, 1)
        edge.send(message(sequence=2, force=1e9))
        edge.wait_for("m1", 5, 2)
    kept = {
        asset: read_current(open_records(workspace.records_url), "telemetry/press", asset) for asset in ("m1", "m2")
    }
    assert {version for version, _ in kept.values()} == {tables.latest_version(workspace, "telemetry/press")}
    newest = {asset: [(each.value, each.event_time) for each in readings] for asset, (_, readings) in kept.items()}
    last = [pd.Timestamp(START_US + number * 10_000, unit="us", tz="UTC") for number in (19, 9)]
    assert newest == {"m1": [(2.0, last[0])], "m2": [(3.0, last[1])]}
