"""An edge: what reads machines gives it rows; it numbers, keeps and sends them."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from data_contracts.errors import StorageError
from data_contracts.streams.sessions import GapKind, StreamGap
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.edge.edge_settings import SendingSettings, SpoolSettings
from pipelines.live.edge.edge_topics import EdgeTopics
from pipelines.live.edge.notices import Notice, notice_of, read_notices
from pipelines.live.edge.outbox import Outbox
from pipelines.live.edge.publisher import Publisher
from pipelines.live.edge.record import Record
from pipelines.live.edge.session_files import locked_folder
from pipelines.live.edge.spool import Lost, open_spool
from pipelines.live.payloads.arrow_payload import encode_arrow
from pipelines.live.payloads.message import TelemetryMessage
from pipelines.live.payloads.schemas import PayloadSchema, encode_schema, payload_schema

_CLOSING_S = 20.0
_POLL_S = 0.05


@dataclass(frozen=True)
class EdgeCounts:
    """What an edge has done in its session, and what waits."""

    messages: int  # that were made
    rows: int
    published: int  # with what was sent again
    confirmed: int
    pending: int
    spool_bytes: int
    dropped: int  # messages that were lost, each in a gap notice
    gap_notices: int  # that the broker has acknowledged
    waiting_notices: int
    connections: int
    refused: int  # publications that the broker refused
    unheard: int  # publications that the broker acknowledged and had nobody to pass on to; they are sent again
    failures: int  # of the publisher itself; it goes on
    recovered: int  # messages of earlier sessions that were found unconfirmed
    torn_bytes: int
    connected: bool
    problem: str  # why nothing can be sent at present

    def to_dict(self) -> dict[str, Any]:
        """Return the counts by name."""
        return asdict(self)


class Edge:
    """A session of an edge; made by `open_edge`. Any thread may call it."""

    def __init__(self, outbox: Outbox, publisher: Publisher, clock: Callable[[], int]) -> None:
        self.epoch = outbox.spool.epoch
        self._outbox, self._publisher, self._clock = outbox, publisher, clock
        self._next: Counter[str] = Counter()
        self._schemas: dict[tuple[str, pa.Schema], PayloadSchema] = {}
        self._made: Counter[str] = Counter()
        self._refused: dict[str, Notice] = {}  # what the disk refused, by asset, to be reported once it takes notices

    @property
    def last_times(self) -> dict[str, int]:
        """Return by asset the event time of the last row that was put into this session or one before."""
        with self._outbox.lock:
            return dict(self._outbox.spool.last_times)

    def put(self, asset: str, asset_type: str, rows: pa.RecordBatch, *, plant: str, historical: bool = False) -> None:
        """Keep the rows as the asset's next message, to be sent as soon as possible.

        Where the disk refuses them they are lost, and reported as a gap once it takes anything again.
        """
        if not rows.num_rows:
            return
        schema = self._schema(asset_type, rows.schema)
        with self._outbox.lock:
            number = self._next[asset]
            self._next[asset] += 1
            message = TelemetryMessage(
                asset, self.epoch, number, self._clock() // 1000, asset_type, rows, historical
            )  # fmt: skip
            times = np.asarray(rows.column(0).cast(pa.int64()))
            record = Record(
                plant, asset, self.epoch, number, int(times.min()), int(times.max()), encode_arrow(message, schema)
            )
            self._made["messages"] += 1
            self._made["rows"] += rows.num_rows
            self._keep(record)
        self._publisher.wake()

    def report_gap(
        self, asset: str, kind: GapKind, detail: str, *, plant: str, first_time: int | None, last_time: int | None
    ) -> None:
        """Report readings that the machine gave and that never reached the edge; times in microseconds since 1970."""
        gap = StreamGap(asset, self.epoch, kind, None, None, first_time, last_time, detail)
        self._outbox.add_notices([Notice(plant, gap)])
        self._publisher.wake()

    def counts(self) -> EdgeCounts:
        """Count."""
        sent, spool = self._publisher.counts, self._outbox.spool
        with self._outbox.lock:
            return EdgeCounts(
                messages=self._made["messages"],
                rows=self._made["rows"],
                published=sent["published"],
                confirmed=sent["confirmed"],
                pending=spool.pending,
                spool_bytes=spool.size,
                dropped=spool.dropped + self._made["refused by the disk"],
                gap_notices=sent["gap_notices"],
                waiting_notices=len(self._outbox.notices.waiting) + len(self._refused),
                connections=sent["connections"],
                refused=sent["refused"],
                unheard=sent["unheard"],
                failures=sent["failures"],
                recovered=self._outbox.recovered,
                torn_bytes=spool.recovered.torn_bytes,
                connected=self._publisher.connected,
                problem=self._publisher.problem,
            )

    def wait_until_confirmed(self, patience_s: float) -> bool:
        """Wait until the ingester has confirmed everything; return whether it has."""
        ends = time.monotonic() + patience_s
        while not self._outbox.is_empty:
            if time.monotonic() > ends:
                return False
            time.sleep(_POLL_S)
        return True

    def _schema(self, asset_type: str, columns: pa.Schema) -> PayloadSchema:
        known = self._schemas.get((asset_type, columns))
        if known is None:
            known = self._schemas[asset_type, columns] = payload_schema(asset_type, columns)
            self._outbox.add_schema(known.id, encode_schema(known))
        return known

    def _keep(self, record: Record) -> None:
        try:
            self._outbox.append(record)
        except StorageError as error:
            self._made["refused by the disk"] += 1
            self._note_refusal(record, error.found)
            return
        if self._refused:
            refused, self._refused = list(self._refused.values()), {}
            self._outbox.add_notices(refused)

    def _note_refusal(self, record: Record, reason: str) -> None:
        before = self._refused.get(record.asset)
        first = before.gap if before else None
        lost = Lost(
            record.plant,
            record.asset,
            record.epoch,
            record.sequence if first is None or first.from_sequence is None else first.from_sequence,
            record.sequence,
            record.first_time if first is None else first.first_event_time,
            record.last_time,
            reason,
        )
        self._refused[record.asset] = notice_of(lost)


@contextmanager
def open_edge(
    broker: BrokerSettings,
    spool: SpoolSettings,
    *,
    client_id: str,
    sending: SendingSettings | None = None,
    topics: EdgeTopics | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Iterator[Edge]:
    """Open an edge: what earlier sessions left is sent first, then what is put into this one.

    Parameters
    ----------
    broker
        Where to publish; it need not be in reach yet.
    spool
        Where to keep what is not confirmed.
    client_id
        The edge's name for the broker; no two may have the same.
    sending, topics
        How to send, and where to.
    clock
        Nanoseconds since 1970.
    """
    with locked_folder(spool.folder):
        notices = read_notices(spool.folder / "notices.json")
        opened = open_spool(
            spool.folder,
            max_bytes=spool.max_bytes,
            segment_bytes=spool.segment_bytes,
            on_lost=lambda lost: notices.add(map(notice_of, lost)),
            is_lost=notices.tells_of,
            now=clock,
        )
        sync_s = spool.sync.total_seconds()
        outbox = Outbox(opened, notices, topics or EdgeTopics(), sending or SendingSettings(), sync_each=not sync_s)
        publisher = Publisher(outbox, broker, outbox.sending, client_id)
        publisher.start()
        try:
            with _synced(outbox, sync_s):
                yield Edge(outbox, publisher, clock)
        finally:
            publisher.stop(_CLOSING_S)
            outbox.close()


@contextmanager
def _synced(outbox: Outbox, every_s: float) -> Iterator[None]:
    """Have the disk write what was appended, again and again, without keeping others from appending meanwhile."""
    stop = threading.Event()

    def sync() -> None:
        while not stop.wait(every_s):
            with outbox.lock:
                handle = outbox.spool.sync_handle()
            if handle is not None:
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)

    if not every_s:
        yield
        return
    thread = threading.Thread(target=sync, name="edge sync", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_CLOSING_S)
