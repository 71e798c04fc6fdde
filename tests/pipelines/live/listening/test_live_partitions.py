"""Several listeners of one workspace: each asset has one, whoever dies or is stopped, and however many there are."""

import json
import re
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import ModelError
from data_contracts.records.leases import acquire_lease, release_lease
from data_contracts.records.leases.lease_table import read_lease
from data_contracts.records.leases.listen_leases import ListenPartitions, listen_partitions, write_layout
from data_contracts.records.records import open_records
from data_contracts.streams.stream_gaps import read_gaps
from data_contracts.tables import tables
from data_contracts.workspace import Workspace
from pipelines.cli import app
from pipelines.live.broker.start_broker import MosquittoProcess
from pipelines.live.listening.listen import listen
from pipelines.live.listening.listen_summary import Ending, ListenSummary
from pipelines.live.listening.partitions.partition import Partition, TopicFilter, number_of, partitions
from pipelines.live.payloads.topics import DEFAULT_TOPICS
from pipelines.settings.sections import LiveSettings
from tests.live_presses import PRESS, ROWS, PressEdge, configure_listener, message, press_workspace, start_listener

ASSETS = tuple(f"m{number}" for number in range(6))
NAMES = st.text(st.characters(exclude_characters="/+#\x00", exclude_categories=["Cs"]), min_size=1)


@given(names=st.lists(NAMES, min_size=3, max_size=3), of=st.integers(1, 9))
def test_each_message_is_of_one_partition(names: list[str], of: int) -> None:
    """An asset's telemetry and notices are together, whatever its plant; so is a Sparkplug node with its devices."""
    plant, asset, other = names
    together = [
        [f"forewarn/{kind}/{where}/{asset}" for kind in ("telemetry", "json", "gaps") for where in (plant, other)],
        [f"spBv1.0/{plant}/{kind}/{asset}{device}" for kind in ("NDATA", "DDATA") for device in ("", f"/{other}")],
    ]
    for topics in together:
        takers = [
            each.number for topic in topics for each in partitions(of) if TopicFilter(each, DEFAULT_TOPICS)(topic)
        ]
        assert len(takers) == len(topics)
        assert len(set(takers)) == 1


def test_assets_are_spread_and_stay_where_they_are() -> None:
    """Numbered names spread evenly; which partition has a name is the same in every version."""
    counts = pd.Series([number_of(f"cnc-{number:04}", 4) for number in range(4000)]).value_counts()
    assert counts.between(900, 1100).all()
    assert [number_of(name, 7) for name in ("cnc-001", "press", "ü")] == [6, 2, 3]
    assert Partition().lease == "listen"
    assert Partition().client_id("plant") == "plant"


def test_doctor_names_partitions_that_nobody_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With several, and where the settings have another number; with the one that all have it says nothing."""
    workspace = press_workspace(tmp_path / "ws")
    records, found = open_records(workspace.records_url), []
    for partitions_there in (1, 3):
        write_layout(records, partitions_there)
        acquire_lease(records, "listen/1", "another process", None, pd.Timedelta(minutes=1))
        for words in ((), ("--json",)):
            with pytest.raises(SystemExit):
                app.main(["doctor", "--workspace", str(workspace.root), *words])
            found.append(" ".join(capsys.readouterr().out.split()))
    silent, one, said, three = found
    assert "no listener holds" not in silent
    assert json.loads(one)["listeners"] == {"set": 1, "partitions": 1, "unheld": [0]}
    assert "of 3 partitions no listener holds 0, 2" in said
    assert "live.partitions is 1, and the listeners have 3" in said
    assert json.loads(three)["listeners"] == {"set": 1, "partitions": 3, "unheld": [0, 2]}


def test_a_change_of_the_number_loses_and_doubles_nothing(
    tmp_path: Path, mosquitto: MosquittoProcess, postgres: Any
) -> None:
    """What waits by the earlier number is stored first, in order, whether the number rises or falls."""
    workspace = press_workspace(tmp_path / "ws")
    workspace = replace(workspace, records_url=postgres.make_database("partitions"))
    settings = LiveSettings(broker_port=mosquitto.port, metrics_port=0, flush_interval=pd.Timedelta("200ms"))
    records = open_records(workspace.records_url)

    def run(of: int, **ending: float) -> ListenSummary:
        return listen(workspace, replace(settings, partitions=of), ending=Ending(**ending), environ={})

    run(1, after_s=0)
    edge = PressEdge(mosquitto.settings)
    edge.announce()
    sent = 0
    for of in (2, 3, 1):
        edge.send(*(message(asset, sent + number) for number in range(5) for asset in ASSETS))
        sent += 5
        done = run(of, after_s=0)
        assert (done.moved, done.partition, done.partitions, done.ended) == (5 * len(ASSETS), 0, of, "time")
        assert listen_partitions(records).partitions == of
    edge.send(*(message(asset, sent) for asset in ASSETS))
    assert run(1, idle_s=2).messages == len(ASSETS)
    edge.close()
    _assert_stored_once_in_order(workspace, dict.fromkeys(ASSETS, sent + 1))
    assert run(2, after_s=0).moved == 0
    assert acquire_lease(records, "listen/1", "another process", None, pd.Timedelta(minutes=1))
    assert listen_partitions(records).unheld == (0,)
    with pytest.raises(ModelError, match="divide the assets into 2 partitions"):
        run(1, after_s=0)
    assert acquire_lease(records, "listen/0", "another process", None, pd.Timedelta(minutes=1))
    waited = run(2, idle_s=0.1)
    assert (waited.partition, waited.ended, waited.exit_status) == (None, "idle", 0)
    release_lease(records, "listen/1", "another process")
    assert run(2, after_s=0).partition == 1


def test_one_of_several_does_what_is_done_once(tmp_path: Path, mosquitto: MosquittoProcess) -> None:
    """What follows from telemetry follows once, whoever stored it; when the one who saw to it ends, the other does."""
    workspace = press_workspace(tmp_path / "ws")
    settings = LiveSettings(
        broker_port=mosquitto.port, metrics_port=0, flush_interval=pd.Timedelta("200ms"), partitions=2
    )
    edge = PressEdge(mosquitto.settings)
    edge.announce()
    noted: list[set[str]] = [set(), set()]
    stopping = [threading.Event(), threading.Event()]

    def run(which: int) -> None:
        stored = noted[which].update
        summaries[which] = listen(workspace, settings, environ={}, stopping=stopping[which], stored=stored)

    summaries: dict[int, ListenSummary] = {}
    threads = [threading.Thread(target=run, args=(which,)) for which in (0, 1)]
    records = open_records(workspace.records_url)
    try:
        for thread in threads:
            thread.start()
        _until(lambda: listen_partitions(records) == ListenPartitions(2, ()))
        edge.send(*(message(asset) for asset in ASSETS))
        for asset in ASSETS:
            edge.wait_for(asset, 5, 0)
        _until(lambda: any(noted))
        first = 0 if noted[0] else 1
        assert noted == ([{"press"}, set()] if first == 0 else [set(), {"press"}])
        stopping[first].set()
        threads[first].join(120)
        _until(lambda: noted[1 - first] == {"press"})
    finally:
        for event, thread in zip(stopping, threads, strict=True):
            event.set()
            thread.join(120)
        edge.close()
    assert sorted(each.partition or 0 for each in summaries.values()) == [0, 1]
    assert sum(each.messages for each in summaries.values()) == len(ASSETS)
    assert sum(each.others for each in summaries.values()) == len(ASSETS)


def test_listeners_that_are_killed_or_stopped_lose_and_double_nothing(
    tmp_path: Path, mosquitto: MosquittoProcess
) -> None:
    """Of three with two partitions one stands by and takes over; one that was stopped and wakes writes nothing."""
    workspace = press_workspace(tmp_path / "ws")
    configure_listener(workspace, mosquitto, partitions=2)
    records, edge, sending = open_records(workspace.records_url), PressEdge(mosquitto.settings), _Sending()
    listeners = [_start(workspace) for _ in range(3)]
    try:
        edge.announce()
        # The broker keeps nothing for a partition that nobody has ever listened to.
        firsts = [next(f"first {n}" for n in range(99) if number_of(f"first {n}", 2) == of) for of in (0, 1)]
        _until(lambda: [edge.send(message(first)) for first in firsts] and set(firsts) <= edge.confirmed.keys())
        with sending.from_edge(edge):
            for partition in (0, 1):
                _wait_for_all(edge)
                process = _holder(records, partition, listeners)
                process.kill()
                process.wait(60)
                listeners[listeners.index(process)] = _start(workspace)
                _until(lambda: _holder(records, partition, listeners))  # noqa: B023 - called here
            _wait_for_all(edge)
            stopped = _holder(records, 0, listeners)
            stopped.send_signal(signal.SIGSTOP)
            with records.begin() as connection:  # as if half a minute had passed
                connection.execute(sa.text("UPDATE leases SET expires_at = 0"))
            _until(lambda: _holder(records, 0, listeners) not in (None, stopped))
            _wait_for_all(edge)
            stopped.send_signal(signal.SIGCONT)
            assert stopped.wait(120) == 1
            assert "this listener of partition 0 of 2 has lost its lease" in _said(stopped)
            _wait_for_all(edge)
        for asset in ASSETS:
            edge.wait_for(asset, 5, sending.sent - 1, seconds=180)
    finally:
        edge.close()
        for process in listeners:
            process.send_signal(signal.SIGTERM)
        ended = [process.wait(120) for process in listeners]
    assert sorted(ended) == [0, 0, 1]
    _assert_stored_once_in_order(workspace, dict.fromkeys(ASSETS, sending.sent))


class _Sending:
    """Sends without pause; how much is known once it has ended."""

    def __init__(self) -> None:
        self.sent, self._done = 0, threading.Event()

    def from_edge(self, edge: PressEdge) -> "_Sending":
        self._thread = threading.Thread(target=self._run, args=(edge,))
        return self

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self, edge: PressEdge) -> None:
        while not self._done.wait(0.05):
            edge.send(*(message(asset, self.sent) for asset in ASSETS))
            self.sent += 1


def _start(workspace: Workspace) -> "subprocess.Popen[bytes]":
    return start_listener(workspace, "--no-follow", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _said(process: "subprocess.Popen[bytes]") -> str:
    assert process.stderr is not None
    return process.stderr.read().decode()


def _holder(
    records: sa.Engine, partition: int, listeners: "list[subprocess.Popen[bytes]]"
) -> "subprocess.Popen[bytes]":
    row = read_lease(records, f"listen/{partition}")
    match = row and re.match(r"process (\d+)", row.holder)
    found = [each for each in listeners if match and each.pid == int(match[1])]
    return found[0] if found else None  # type: ignore[return-value]


def _wait_for_all(edge: PressEdge) -> None:
    """Wait until something new of every asset is stored."""
    before = {asset: edge.confirmed.get(asset) for asset in ASSETS}
    _until(lambda: all(edge.confirmed.get(asset) != before[asset] for asset in ASSETS))


def _assert_stored_once_in_order(workspace: Workspace, messages: dict[str, int]) -> None:
    rows = tables.read(workspace, PRESS.table)
    rows = rows[rows["asset"].isin(list(messages))]
    assert not rows.duplicated(["asset", "event_time"]).any()
    assert rows.groupby("asset").size().to_dict() == {asset: count * ROWS for asset, count in messages.items()}
    stored = rows.sort_values(["asset", "event_time"]).groupby("asset")["known_time"]
    assert stored.apply(lambda times: times.is_monotonic_increasing).all()
    gaps = read_gaps(workspace)
    assert set(gaps["kind"]) == {"start"}


def _until(condition: Any, seconds: float = 180) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)
