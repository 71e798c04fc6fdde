"""One listener at work: it gathers messages, stores them, and only then acknowledges and confirms them."""

import time
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import pandas as pd

from data_contracts.errors import ForewarnError, StorageError
from data_contracts.records.leases import HeldLease
from data_contracts.streams.held_messages import HeldMessage, held_undecoded, release_undecoded
from data_contracts.streams.messages import StreamMessage
from data_contracts.streams.stream_writer import FlushResult, StreamWriter
from data_contracts.tracing.spans import annotate, traced
from data_contracts.twin_state.current_readings import CurrentReadings
from data_contracts.workspace import Workspace
from pipelines.live.listening.broker_of_settings import broker_settings, patterns_of, subscriptions
from pipelines.live.listening.decoder import Decoded, Decoder
from pipelines.live.listening.early_messages import EarlyMessages
from pipelines.live.listening.intake import Arrived, Intake, Subscription
from pipelines.live.listening.listen_summary import Ending, ListenSummary, Stop
from pipelines.live.listening.listener_metrics import ListenerMetrics
from pipelines.live.listening.twin_readings import stored_flushes
from pipelines.live.payloads.confirmations import Confirmation, encode_confirmation
from pipelines.settings.sections import LiveSettings

_LONGEST_PAUSE_S = 10.0
_MAY_BE_READ_LATER = ("unknown schema id", "unknown asset type")
_MOST_RETRIED = 1000  # messages at once
Report = Callable[["ListenSummary"], None]


class Tasks(Protocol):
    """What is done beside storing, for the workspace as a whole."""

    def note(self, asset_types: Set[str], tables: Sequence[str]) -> None:
        """Know of what telemetry was stored, and in which tables."""

    def run(self) -> None:
        """Do what is due."""


class Listener:
    """Stores the messages of one session at the broker, as long as it holds its lease.

    What has lost its lease writes nothing more: that is checked before every commit. Between such a check and its
    commit to Delta the lease may be lost all the same; then another has stored the same streams, which the commit's own
    transactions notice, or nothing of them yet, and finds out that they are stored now.
    """

    def __init__(
        self,
        workspace: Workspace,
        settings: LiveSettings,
        environ: Mapping[str, str],
        lease: HeldLease,
        subscription: Subscription,
        metrics: ListenerMetrics,
        *,
        twins: CurrentReadings | None = None,
    ) -> None:
        self._settings, self._metrics, self._lease, self._twins = settings, metrics, lease, twins
        self.tasks: Tasks | None = None
        patterns = patterns_of(settings)
        self._confirmed = next((pattern for pattern in patterns if pattern.kind == "confirmed"), None)
        self._writer = StreamWriter(
            workspace,
            patience=settings.gap_patience,
            clock_tolerance=settings.clock_tolerance,
            may_write=self._check_lease,
        )
        self._decoder = Decoder(patterns, settings.sparkplug_asset_type or None)
        self._workspace, self._subscription = workspace, subscription
        self._early = EarlyMessages(self._find_early, settings.receive_maximum // 2)
        self._retried = -1  # how many schemas had been announced when held messages were read again
        self.summary = ListenSummary()
        self._intake = Intake(
            broker_settings(settings, environ),
            replace(subscription, may_connect=self._check_lease),
            subscriptions(patterns),
            retained=[pattern.subscription() for pattern in patterns if pattern.kind == "schemas"],
            receive_maximum=settings.receive_maximum,
            session_s=int(settings.session.total_seconds()),
        )

    def run(self, ending: Ending, stopping: Stop, report: Report) -> ListenSummary:
        """Store what arrives until it is to end; what is in hand is stored first."""
        began = last_message = time.monotonic()
        deferred: list[Arrived] = []
        interval = self._settings.flush_interval.total_seconds()
        while not self.summary.ended:
            arrived = self._intake.gather(interval, self._settings.receive_maximum, stopping)
            self._observe(len(arrived))
            if arrived or deferred or self._early:
                last_message = time.monotonic() if arrived else last_message
                deferred = self._flush([*deferred, *arrived], stopping)
            if self._decoder.schemas > self._retried:
                self._retry_held(stopping)
            if self.tasks is not None:
                self.tasks.run()
            now = time.monotonic()
            self.summary.seconds = now - began
            report(self.summary)
            if self._lease.lost.is_set():
                self._lease.check()
            if stopping.is_set():
                self.summary.ended = "signal"
            elif ending.after_s is not None and now - began >= ending.after_s:
                self.summary.ended = "time"
            elif ending.idle_s is not None and now - last_message >= ending.idle_s and not (deferred or self._early):
                self.summary.ended = "idle"
            elif self._intake.emptied and not (len(self._intake) or deferred or self._early):
                self.summary.ended = "emptied"
        self.summary.waiting = len(self._intake) + len(deferred) + len(self._early)
        return self.summary

    def close(self) -> None:
        """Disconnect from the broker."""
        self._intake.close()

    def _check_lease(self) -> None:
        """Raise a `LeaseLostError` if another process has the lease.

        Where the records are out of reach storing goes on: the streams' own transactions keep it from doubling.
        """
        with suppress(StorageError):
            self._lease.check()

    @traced("flush")
    def _flush(self, arrived: Sequence[Arrived], stopping: Stop) -> list[Arrived]:
        """Store messages, again and again if need be, acknowledge and confirm them; return those that wait."""
        annotate({"forewarn.message.count": len(arrived)})
        decoded = self._decoder.decode(arrived, time.time())
        self._keep_without_contract(decoded)
        waited = self._early.hold_back(decoded, time.time())
        result = self._store(decoded, stopping)
        if result is None:
            return []
        waiting = {id(message) for message in (*decoded.waiting, *decoded.early)}
        self._intake.acknowledge([message for message in (*waited, *arrived) if id(message) not in waiting])
        self._count(decoded, result)
        for topic, payload in decoded.requests.items():
            self._intake.publish(topic, payload, retain=False)
        self._confirm(result)
        self._fold(result)
        return decoded.waiting

    def _find_early(self, messages: Sequence[StreamMessage]) -> Sequence[StreamMessage]:
        return self._writer.early(messages, now=pd.Timestamp.now("UTC"))

    def _retry_held(self, stopping: Stop) -> None:
        """Read messages that were held for want of a schema or a contract again: at the start, and at each schema."""
        held = held_undecoded(self._workspace, _MAY_BE_READ_LATER, _MOST_RETRIED)
        if len(held) < _MOST_RETRIED:
            self._retried = self._decoder.schemas
        own = {entry: each for entry, each in held.items() if self._subscription.takes(each[0])}
        arrived = {entry: Arrived(topic, payload, 0.0, 0, 0, 0) for entry, (topic, payload) in own.items()}
        decoded = self._decoder.decode(list(arrived.values()), time.time())
        self._keep_without_contract(decoded)
        decoded.held, decoded.requests = [], {}
        if not decoded.messages:
            self._retried = self._decoder.schemas
            return
        result = self._store(decoded, stopping)
        if result is not None:
            read = {id(message) for message in decoded.arrived}
            names = [entry for entry, message in arrived.items() if id(message) in read]
            release_undecoded(self._workspace, names, pd.Timestamp.now("UTC").as_unit("us"))
            self._count(decoded, result)
            self._confirm(result)
            self._fold(result)

    def _fold(self, result: FlushResult) -> None:
        if self._twins is not None:
            self._twins.fold(stored_flushes(result), pd.Timestamp.now("UTC").as_unit("us"))

    @traced("confirm")
    def _confirm(self, result: FlushResult) -> None:
        if self._confirmed is not None:
            for asset, (epoch, sequence) in result.confirmed.items():
                payload = encode_confirmation(Confirmation(epoch, sequence))
                self._intake.publish(self._confirmed.topic(asset=asset), payload)

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

    @traced("store messages")
    def _store(self, decoded: Decoded, stopping: Stop) -> FlushResult | None:
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
        asset_types = {message.asset_type for message in decoded.messages}
        if self.tasks is not None and result.messages:
            changed = [each.flush.state.contract.table for each in result.tables]
            self.tasks.note(asset_types if result.rows else set(), changed)

    def _observe(self, in_hand: int) -> None:
        before = self.summary.connections
        self._metrics.others.inc(self._intake.others - self.summary.others)
        self.summary.others = self._intake.others
        self.summary.connections = self._intake.connections
        self._metrics.waiting.set(len(self._intake) + in_hand)
        self._metrics.observe_connection(
            connected=self._intake.connected, connections=self._intake.connections, before=before
        )
