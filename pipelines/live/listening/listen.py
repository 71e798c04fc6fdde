"""The listener: gathers messages, stores them, and only then acknowledges and confirms them."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from data_contracts.errors import ForewarnError, StorageError
from data_contracts.records.leases import hold_lease, release_if_dead
from data_contracts.records.records import open_records
from data_contracts.streams.held_messages import HeldMessage
from data_contracts.streams.stream_writer import FlushResult, StreamWriter
from data_contracts.workspace import Workspace
from pipelines.live.broker.broker_settings import BrokerSettings, read_password
from pipelines.live.listening.decoder import Decoded, Decoder, topic_patterns
from pipelines.live.listening.hourly_report import HourlyReports
from pipelines.live.listening.intake import Arrived, Intake
from pipelines.live.listening.listener_metrics import ListenerMetrics, served
from pipelines.live.payloads.confirmations import Confirmation, encode_confirmation
from pipelines.live.payloads.topics import TopicPattern
from pipelines.settings.sections import LiveSettings

LEASE = "listen"
_LEASE_LIFE = pd.Timedelta(seconds=30)
_LONGEST_PAUSE_S = 10.0
Report = Callable[["ListenSummary"], None]


@dataclass
class ListenSummary:
    """What a listener has done."""

    messages: int = 0  # stored, wholly or in part in quarantine
    rows: int = 0
    samples: int = 0
    duplicates: int = 0
    quarantined: int = 0  # rows
    undecoded: int = 0  # messages
    refused: Counter[str] = field(default_factory=Counter)  # by reason
    gaps: Counter[str] = field(default_factory=Counter)  # rows of stream_gaps by kind
    new_assets: int = 0
    flushes: int = 0
    failures: int = 0  # flushes that could not be stored at once
    connections: int = 0
    waiting: int = 0  # messages that had arrived and are not stored
    seconds: float = 0.0
    commit_seconds: float = 0.0
    lag_seconds: float = 0.0  # of the last flush, from its newest event to when it was stored
    examined: dict[str, tuple[str, ...]] = field(default_factory=dict)  # asset types examined row by row, and why
    metrics_port: int = 0
    ended: Literal["", "idle", "time", "signal"] = ""
    error: str = ""  # why what was waiting could not be stored

    @property
    def exit_status(self) -> int:
        """1 if it ended with messages that could not be stored; the broker and the edges have them."""
        return 1 if self.error else 0

    def add(self, result: FlushResult) -> None:
        """Add what became of a flush."""
        for name in ("messages", "rows", "samples", "duplicates", "quarantined", "undecoded", "new_assets"):
            setattr(self, name, getattr(self, name) + getattr(result, name))
        self.refused.update(result.refused)
        self.gaps.update(gap.kind for gap in result.gaps)
        self.commit_seconds += result.commit_seconds
        self.flushes += 1

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        examined = {name: list(why) for name, why in self.examined.items()}
        return {**vars(self), "refused": dict(self.refused), "gaps": dict(self.gaps), "examined": examined}


@dataclass(frozen=True)
class Ending:
    """When a listener ends by itself; by default only when it is told to."""

    idle_s: float | None = None  # after so long without a message
    after_s: float | None = None


def listen(
    workspace: Workspace,
    settings: LiveSettings,
    *,
    environ: Mapping[str, str] = os.environ,
    ending: Ending = Ending(),
    stopping: threading.Event | None = None,
    report: Report | None = None,
) -> ListenSummary:
    """Store what arrives until `stopping` is set or `ending` says so; what is in hand is stored first.

    `report` is called after each flush. `StorageError` if the broker is out of reach at the start, `ModelError` if
    another listener is at work on this workspace.
    """
    engine = open_records(workspace.records_url)
    release_if_dead(engine, LEASE)
    with hold_lease(engine, LEASE, "listener of this workspace", ttl=_LEASE_LIFE):
        metrics = ListenerMetrics()
        with served(metrics, settings.metrics_host, settings.metrics_port) as port:
            listener = _Listener(workspace, settings, environ, metrics)
            listener.summary.metrics_port = port
            try:
                return listener.run(ending, stopping or threading.Event(), report or (lambda _: None))
            finally:
                listener.close()


def broker_settings(settings: LiveSettings, environ: Mapping[str, str]) -> BrokerSettings:
    """Return where the broker is, with the password from the environment or its file."""
    password_file, ca, certificate, key = (
        Path(text) if text else None
        for text in (settings.password_file, settings.ca, settings.certificate, settings.key)
    )
    return BrokerSettings(
        host=settings.broker_host,
        port=settings.broker_port,
        user=settings.user or None,
        password=read_password(password_file, environ),
        tls=settings.tls,
        ca=ca,
        certificate=certificate,
        key=key,
    )


def patterns_of(settings: LiveSettings) -> tuple[TopicPattern, ...]:
    """Return the topics of the settings, schemas first: what is subscribed to first tends to come first."""
    kinds = ("schemas", "arrow", "json", "sparkplug", "gaps", "confirmed")
    return topic_patterns({kind: getattr(settings, f"{kind}_topic") for kind in kinds})


class _Listener:
    def __init__(
        self, workspace: Workspace, settings: LiveSettings, environ: Mapping[str, str], metrics: ListenerMetrics
    ) -> None:
        self._settings, self._metrics = settings, metrics
        patterns = patterns_of(settings)
        self._confirmed = next((pattern for pattern in patterns if pattern.kind == "confirmed"), None)
        self._writer = StreamWriter(workspace, patience=settings.gap_patience, clock_tolerance=settings.clock_tolerance)
        self._decoder = Decoder(patterns, settings.sparkplug_asset_type or None)
        self._reports = HourlyReports(workspace, enabled=settings.hourly_report)
        self.summary = ListenSummary()
        self._intake = Intake(
            broker_settings(settings, environ),
            settings.client_id,
            [pattern.subscription() for pattern in patterns if pattern.kind != "confirmed"],
            receive_maximum=settings.receive_maximum,
            session_s=int(settings.session.total_seconds()),
        )

    def run(self, ending: Ending, stopping: threading.Event, report: Report) -> ListenSummary:
        began = last_message = time.monotonic()
        deferred: list[Arrived] = []
        interval = self._settings.flush_interval.total_seconds()
        while not self.summary.ended:
            arrived = self._intake.gather(interval, self._settings.receive_maximum)
            self._observe(len(arrived))
            if arrived or deferred:
                last_message = time.monotonic() if arrived else last_message
                deferred = self._flush([*deferred, *arrived], stopping)
            self._reports.run(time.time())
            now = time.monotonic()
            self.summary.seconds = now - began
            report(self.summary)
            if stopping.is_set():
                self.summary.ended = "signal"
            elif ending.after_s is not None and now - began >= ending.after_s:
                self.summary.ended = "time"
            elif ending.idle_s is not None and now - last_message >= ending.idle_s and not deferred:
                self.summary.ended = "idle"
        self.summary.waiting = len(self._intake) + len(deferred)
        return self.summary

    def close(self) -> None:
        self._intake.close()
        self._reports.close()

    def _flush(self, arrived: Sequence[Arrived], stopping: threading.Event) -> list[Arrived]:
        """Store messages, again and again if need be, acknowledge and confirm them; return those that wait."""
        decoded = self._decoder.decode(arrived, time.time())
        self._keep_without_contract(decoded)
        result = self._store(decoded, stopping)
        if result is None:
            return []
        waiting = {id(message) for message in decoded.waiting}
        self._intake.acknowledge([message for message in arrived if id(message) not in waiting])
        self._count(decoded, result)
        for topic, payload in decoded.requests.items():
            self._intake.publish(topic, payload, retain=False)
        if self._confirmed is not None:
            for asset, (epoch, sequence) in result.confirmed.items():
                payload = encode_confirmation(Confirmation(epoch, sequence))
                self._intake.publish(self._confirmed.topic(asset=asset), payload)
        return decoded.waiting

    def _keep_without_contract(self, decoded: Decoded) -> None:
        """Hold the messages of asset types that have no contract, as they came."""
        now = pd.Timestamp.now("UTC")
        for kind in {message.asset_type for message in decoded.messages}:
            compiled = self._writer.contract_of(kind, now=now)
            if compiled is not None:
                if compiled.examined_because:
                    self.summary.examined[kind] = compiled.examined_because
                continue
            pairs = list(zip(decoded.messages, decoded.arrived, strict=True))
            detail = f"{kind!r} has no contract; register one, for instance by ingesting a file with it"
            decoded.held += [
                HeldMessage(arrived.topic, arrived.payload, "unknown asset type", detail)
                for message, arrived in pairs
                if message.asset_type == kind
            ]
            kept = [pair for pair in pairs if pair[0].asset_type != kind]
            decoded.messages, decoded.arrived = [pair[0] for pair in kept], [pair[1] for pair in kept]

    def _store(self, decoded: Decoded, stopping: threading.Event) -> FlushResult | None:
        """Store messages; while that cannot be, wait longer and longer. None if it had to be given up."""
        pause, held = 0.5, decoded.held
        while True:
            try:
                now = pd.Timestamp.now("UTC").as_unit("us")
                result = self._writer.store(decoded.messages, held, now=now)
                for gap in decoded.gaps:
                    rows = self._writer.note_gap(gap, now=now)
                    self.summary.gaps.update(row.kind for row in rows)
                    for row in rows:
                        self._metrics.gaps.labels(row.kind).inc()
                self.summary.error = ""
                return result
            except StorageError as error:
                self._fail(error)
            if stopping.wait(pause):
                return None
            self._observe(0)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _fail(self, error: ForewarnError) -> None:
        self.summary.failures += 1
        self.summary.error = self._metrics.failing = error.found
        self._metrics.failures.inc()

    def _count(self, decoded: Decoded, result: FlushResult) -> None:
        self._metrics.count(result)
        self.summary.add(result)
        stored_at, newest = time.time(), 0.0
        for message in decoded.messages:
            times = message.rows.column(0)
            if len(times):
                event = times[len(times) - 1].value / 1e6
                newest = max(newest, event)
                self._metrics.lag.observe(max(0.0, stored_at - event))
        self.summary.lag_seconds = stored_at - newest if newest else self.summary.lag_seconds
        self._reports.note({message.asset_type for message in decoded.messages})

    def _observe(self, in_hand: int) -> None:
        before = self.summary.connections
        self.summary.connections = self._intake.connections
        self._metrics.waiting.set(len(self._intake) + in_hand)
        self._metrics.observe_connection(
            connected=self._intake.connected, connections=self._intake.connections, before=before
        )
