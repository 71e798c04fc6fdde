"""What is to be sent next: the spool's messages, fairly by asset and within limits; gap notices; schemas."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.live.edge.edge_settings import SendingSettings
from pipelines.live.edge.edge_topics import EdgeTopics
from pipelines.live.edge.notices import Notice, Notices
from pipelines.live.edge.record import DamagedRecordError, Record
from pipelines.live.edge.segment import Run
from pipelines.live.edge.session_files import write_durably
from pipelines.live.edge.spool import Lost, Spool

_LONGEST_PATIENCE_S = 600.0
_REST_S = 0.5
_CONFIRMED_FILE = "confirmed.json"


@dataclass(frozen=True)
class Shipment:
    """A message to publish, and where it is kept."""

    asset: str
    run: Run
    sequence: int
    topic: str
    payload: bytes


@dataclass(slots=True)
class _Waiting:
    """Since when an asset's messages wait for a confirmation, and how long they may, in seconds."""

    since: float
    patience: float


@dataclass(eq=False)
class Outbox:
    """Spool, notices and schemas behind one lock: the reader of machines adds, the publisher takes."""

    spool: Spool
    notices: Notices
    topics: EdgeTopics
    sending: SendingSettings
    sync_each: bool = False
    clock: Callable[[], float] = time.monotonic
    recovered: int = 0  # messages that earlier sessions left
    lock: threading.RLock = field(default_factory=threading.RLock)
    _schemas: dict[str, bytes] = field(default_factory=dict)
    _ready: dict[str, None] = field(default_factory=dict)  # assets that may have something to send, in turn
    _waiting: dict[str, _Waiting] = field(default_factory=dict)
    _confirmed: dict[str, tuple[int, int]] = field(default_factory=dict)  # epoch and sequence by asset
    _resting: dict[str, float] = field(default_factory=dict)  # until when nothing of an asset is sent
    _notices_rest: float = 0.0  # until when no notice is sent

    def __post_init__(self) -> None:
        """Read the schemas of what earlier sessions left, and what of that they knew to be confirmed."""
        self._schema_folder.mkdir(exist_ok=True)
        for file in sorted(self._schema_folder.glob("*.arrow")):
            self._schemas[file.stem] = file.read_bytes()
        for asset, (epoch, sequence) in _read_confirmed(self.spool.folder / _CONFIRMED_FILE).items():
            self.spool.confirm(asset, epoch, sequence)
        self.recovered = self.spool.pending

    def append(self, record: Record) -> None:
        """Keep a message to be sent; StorageError if the disk refuses it."""
        with self.lock:
            self.spool.append(record)
            if self.sync_each:
                self.spool.sync()
            self._ready[record.asset] = None

    def add_schema(self, schema_id: str, encoded: bytes) -> None:
        """Keep a schema as long as the spool: what waits in it cannot be read without."""
        with self.lock:
            if schema_id not in self._schemas:
                write_durably(self._schema_folder / f"{schema_id}.arrow", encoded)
                self._schemas[schema_id] = encoded

    def add_notices(self, notices: Iterable[Notice]) -> None:
        """Keep notices to be sent."""
        with self.lock:
            self.notices.add(notices)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be sent, acknowledged or confirmed."""
        with self.lock:
            return not self.spool.pending and not self.notices.waiting

    def schemas(self) -> dict[str, bytes]:
        """Return the schemas by id."""
        with self.lock:
            return dict(self._schemas)

    def assets(self) -> set[str]:
        """Return the assets that messages are or were kept of."""
        with self.lock:
            return set(self.spool.lanes)

    def unsent_notices(self, on_the_way: Iterable[object]) -> list[Notice]:
        """Return the notices that are not among those on their way."""
        with self.lock:
            if not self.notices.waiting or self.clock() < self._notices_rest:
                return []
            sent = [each for each in on_the_way if isinstance(each, Notice)]
            return [notice for notice in self.notices.waiting if notice not in sent]

    def notice_is_out(self, notice: Notice) -> None:
        """Forget a notice that the broker acknowledged."""
        with self.lock:
            self.notices.remove(notice)

    def next_shipment(self) -> Shipment | None:
        """Return the next message to publish, the assets in turn; None if nothing may be sent now."""
        with self.lock:
            share = max(1, self.sending.max_unconfirmed // max(1, len(self.spool.lanes)))
            while self._ready:
                asset = next(iter(self._ready))
                del self._ready[asset]
                if asset in self._resting:
                    continue
                lane = self.spool.lanes[asset]
                following = lane.next_unsent() if lane.sent < share else None
                if following is None:
                    continue
                self._ready[asset] = None  # its turn comes again after the others
                shipment = self._read(asset, *following)
                if shipment is not None:
                    lane.mark_sent()
                    self._waiting.setdefault(asset, self._patience())
                    return shipment
            return None

    def rest(self, what: Shipment | Notice) -> None:
        """Send again in a moment what the broker acknowledged although no listener was there to pass it on to."""
        with self.lock:
            until = self.clock() + _REST_S
            if isinstance(what, Notice):
                self._notices_rest = until
            elif what.asset not in self._resting:
                self._resting[what.asset] = until

    def give_up(self, asset: str, run: Run, sequence: int, reason: str) -> None:
        """Drop a message that cannot be sent, and report it."""
        with self.lock:
            lost = Lost(run.plant, asset, run.epoch, sequence, sequence, None, None, reason)
            self.spool.skip(lost)

    def confirm(self, asset: str, epoch: int, sequence: int) -> int:
        """Forget what the ingester has stored; return how many messages."""
        with self.lock:
            count = self.spool.confirm(asset, epoch, sequence)
            if count:
                self._confirmed[asset] = (epoch, sequence)
                self._waiting.pop(asset, None)
                lane = self.spool.lanes[asset]
                if lane.pending:
                    self._ready[asset] = None
                if lane.sent:
                    self._waiting[asset] = self._patience()
            return count

    def close(self) -> None:
        """Close the spool, and note what is confirmed: a session that ends in order sends nothing twice."""
        with self.lock:
            if self._confirmed:
                write_durably(self.spool.folder / _CONFIRMED_FILE, json.dumps(self._confirmed).encode())
            self.spool.close()

    def rewind_all(self) -> None:
        """Send everything that is unconfirmed again, as after a new connection."""
        with self.lock:
            self._waiting.clear()
            self._resting.clear()
            for asset in self.spool.lanes:
                self._rewind(asset)

    def rewind_overdue(self) -> int:
        """Send an asset's messages again where no confirmation has come in time; return of how many assets."""
        with self.lock:
            now, overdue = self.clock(), 0
            for asset in [asset for asset, until in self._resting.items() if now >= until]:
                del self._resting[asset]
                self._rewind(asset)
            for asset, waiting in list(self._waiting.items()):
                if not self.spool.lanes[asset].sent:
                    del self._waiting[asset]
                elif now - waiting.since > waiting.patience:
                    self._rewind(asset)
                    waiting.since, waiting.patience = now, min(2 * waiting.patience, _LONGEST_PATIENCE_S)
                    overdue += 1
            return overdue

    @property
    def _schema_folder(self) -> Path:
        return self.spool.folder / "schemas"

    def _patience(self) -> _Waiting:
        return _Waiting(self.clock(), self.sending.confirmed_within.total_seconds())

    def _rewind(self, asset: str) -> None:
        lane = self.spool.lanes[asset]
        lane.rewind()
        if lane.pending:
            self._ready[asset] = None

    def _read(self, asset: str, run: Run, index: int) -> Shipment | None:
        """Read a message to send; one that the disk has damaged is reported and passed over."""
        try:
            record = self.spool.read(run, index)
        except DamagedRecordError:
            self.give_up(asset, run, run.first + index, "damaged on the edge's disk")
            return None
        return Shipment(asset, run, record.sequence, self.topics.telemetry(record.plant, asset), record.payload)


def _read_confirmed(file: Path) -> dict[str, tuple[int, int]]:
    """Read what was confirmed; without the file the broker's retained confirmations say it."""
    try:
        return {asset: (int(epoch), int(sequence)) for asset, (epoch, sequence) in json.loads(file.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
