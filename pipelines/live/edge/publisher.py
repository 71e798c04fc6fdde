"""Publishes what is spooled: in order for each asset, again until the ingester confirms it."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from data_contracts.errors import ForewarnError
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.connection import connect, disconnect, server_limits
from pipelines.live.edge.edge_settings import SendingSettings
from pipelines.live.edge.notices import Notice
from pipelines.live.edge.outbox import Outbox, Shipment
from pipelines.live.payloads.confirmations import Confirmation, decode_confirmation
from pipelines.live.payloads.gap_notices import encode_gap
from pipelines.live.payloads.payload_error import PayloadError

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

_TICK_S = 0.5
_FIRST_PAUSE_S = 0.25
_TOPICS_A_SUBSCRIPTION = 100
NO_MATCHING_SUBSCRIBERS = 16  # MQTT 5, section 3.4.2.1
_HEADER_BYTES = 64  # of an MQTT packet around topic and payload


@dataclass(frozen=True)
class Acknowledged:
    """The broker has acknowledged a message, or refused it."""

    message_id: int
    refusal: str
    unheard: bool = False  # the broker passed it on to nobody: since it started no listener has been connected


@dataclass(frozen=True)
class Confirmed:
    """The ingester's word on an asset."""

    asset: str
    confirmation: Confirmation


@dataclass(frozen=True)
class Disconnected:
    """The connection is gone."""

    reason: str


class Publisher(threading.Thread):
    """The thread that sends; it alone moves the outbox's cursors.

    paho's callbacks run in a thread of its own and hold its locks: they only put events into a queue.
    """

    def __init__(self, outbox: Outbox, broker: BrokerSettings, sending: SendingSettings, client_id: str) -> None:
        super().__init__(name="edge publisher", daemon=True)
        self.counts: Counter[str] = Counter()
        self.problem = ""  # why nothing can be sent at present
        self._unheard = f"no listener has been connected to {broker.address} since it started"
        self._outbox, self._broker, self._sending, self._client_id = outbox, broker, sending, client_id
        self._events: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self._stopping = threading.Event()
        self._client: Client | None = None
        self._connection = 0  # events of earlier connections are ignored
        self._on_the_way: dict[int, Shipment | Notice | None] = {}
        self._limit = sending.max_in_flight
        self._packet_bytes: int | None = None
        self._subscribed: set[str] = set()
        self._announced: set[str] = set()
        self._pause_s = _FIRST_PAUSE_S
        self._looked = 0.0  # when what is overdue was looked for

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the edge."""
        return self._client is not None

    def wake(self) -> None:
        """Look for something to send."""
        if self._events.empty():
            self._events.put((-1, None))

    def stop(self, patience_s: float) -> None:
        """End the thread; what is not confirmed stays in the spool."""
        self._stopping.set()
        self.wake()
        self.join(patience_s)

    def run(self) -> None:
        """Connect, send, and begin again, until stopped."""
        while not self._stopping.is_set():
            try:
                self._work()
            except Exception as error:  # what is kept must go on being sent, whatever one message or packet does
                self.problem = f"{type(error).__name__}: {error}"
                self.counts["failures"] += 1
                self._hang_up()
                self._pause()
        self._hang_up()

    def _work(self) -> None:
        if self._client is None and not self._connect():
            self._pause()
            return
        self._handle_events()
        if self._client is not None:
            self._send(self._client)

    def _pause(self) -> None:
        self._stopping.wait(self._pause_s)
        self._pause_s = min(2 * self._pause_s, self._sending.reconnect_within.total_seconds())

    def _connect(self) -> bool:
        self._connection += 1
        number = self._connection
        try:
            client = connect(
                self._broker,
                self._client_id,
                on_message=lambda _, message: self._received(number, message),
                in_flight=self._sending.max_in_flight,
                on_disconnect=lambda reason: self._events.put((number, Disconnected(reason))),
            )
        except ForewarnError as error:
            self.problem = error.found
            return False
        client.on_publish = lambda _, __, message_id, code, ___: self._events.put(
            (
                number,
                Acknowledged(message_id, str(code) if code.is_failure else "", code.value == NO_MATCHING_SUBSCRIBERS),
            )
        )
        limits = server_limits(client)
        self._limit = min(self._sending.max_in_flight, limits.receive_maximum)
        self._packet_bytes = limits.packet_bytes
        self._client, self.problem, self._pause_s = client, "", _FIRST_PAUSE_S
        self.counts["connections"] += 1
        self._outbox.rewind_all()
        return True

    def _received(self, number: int, message: "MQTTMessage") -> None:
        asset = self._outbox.topics.asset_of_confirmation(message.topic)
        try:
            confirmation = decode_confirmation(bytes(message.payload))
        except PayloadError:
            self.counts["unreadable_confirmations"] += 1
            return
        if asset:
            self._events.put((number, Confirmed(asset, confirmation)))

    def _handle_events(self) -> None:
        """Wait for an event, then handle all that are there."""
        try:
            number, event = self._events.get(timeout=_TICK_S)
            while True:
                if number == self._connection:
                    self._handle(event)
                number, event = self._events.get_nowait()
        except Empty:
            pass
        if time.monotonic() - self._looked > _TICK_S:
            self._looked = time.monotonic()
            self.counts["overdue"] += self._outbox.rewind_overdue()

    def _handle(self, event: Any) -> None:
        if isinstance(event, Confirmed):
            confirmation = event.confirmation
            self.counts["confirmed"] += self._outbox.confirm(event.asset, confirmation.epoch, confirmation.sequence)
        elif isinstance(event, Acknowledged):
            self._acknowledged(event)
        elif isinstance(event, Disconnected):
            self.problem = f"the connection to {self._broker.address} broke ({event.reason})"
            self._hang_up()

    def _acknowledged(self, event: Acknowledged) -> None:
        what = self._on_the_way.pop(event.message_id, None)
        if event.refusal:
            self.counts["refused"] += 1
            self.problem = f"the broker at {self._broker.address} refused a message ({event.refusal})"
        elif event.unheard:
            if what is not None:  # a schema is retained for whoever comes
                self.counts["unheard"] += 1
                self.problem = self._unheard
                self._outbox.rest(what)
        elif isinstance(what, Notice):
            self._outbox.notice_is_out(what)
            self.counts["gap_notices"] += 1
        elif self.problem == self._unheard:
            self.problem = ""

    def _send(self, client: "Client") -> None:
        self._subscribe(client)
        self._announce(client)
        for notice in self._outbox.unsent_notices(self._on_the_way.values()):
            if len(self._on_the_way) >= self._limit:
                return
            topic = self._outbox.topics.gaps(notice.plant, notice.gap.asset)
            self._publish(client, topic, encode_gap(notice.gap), notice)
        while self._client is not None and len(self._on_the_way) < self._limit:
            shipment = self._outbox.next_shipment()
            if shipment is None:
                return
            if self._packet_bytes is not None and len(shipment.payload) + _HEADER_BYTES > self._packet_bytes:
                reason = f"larger than the {self._packet_bytes:,} bytes that the broker takes"
                self._outbox.give_up(shipment.asset, shipment.run, shipment.sequence, reason)
                continue
            self._publish(client, shipment.topic, shipment.payload, shipment)
            self.counts["published"] += 1

    def _subscribe(self, client: "Client") -> None:
        new = sorted(self._outbox.assets() - self._subscribed)
        for start in range(0, len(new), _TOPICS_A_SUBSCRIPTION):
            names = new[start : start + _TOPICS_A_SUBSCRIPTION]
            client.subscribe([(self._outbox.topics.confirmed(name), 1) for name in names])
        self._subscribed |= set(new)

    def _announce(self, client: "Client") -> None:
        """Publish schemas, retained, before the first message that needs them."""
        for schema_id, encoded in self._outbox.schemas().items():
            if schema_id not in self._announced:
                self._publish(client, self._outbox.topics.schema(schema_id), encoded, None, retain=True)
                self._announced.add(schema_id)

    def _publish(
        self, client: "Client", topic: str, payload: bytes, what: Shipment | Notice | None, *, retain: bool = False
    ) -> None:
        info = client.publish(topic, payload, qos=1, retain=retain)
        if info.rc != 0:
            self._events.put((self._connection, Disconnected(f"error {info.rc}")))
            self._on_the_way[-info.mid] = what
        else:
            self._on_the_way[info.mid] = what

    def _hang_up(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            disconnect(client)
        self._on_the_way.clear()
        self._subscribed.clear()
        self._announced.clear()
