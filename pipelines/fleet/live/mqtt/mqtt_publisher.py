"""Publishes the plant's messages to a broker, as Arrow or as JSON, each as often and as whole as its fault says."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from data_contracts.errors import StorageError
from pipelines.fleet.live.faults import MESSAGE_KINDS, FaultPlan
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE, LivePlant
from pipelines.fleet.live.machines.plant_second import PlantSecond
from pipelines.fleet.live.mqtt.messages import COLUMNS, MessageStream, OutgoingMessage, first_epoch
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.payloads.arrow_payload import encode_arrow
from pipelines.live.payloads.json_payload import encode_json
from pipelines.live.payloads.schemas import encode_schema, payload_schema
from pipelines.live.payloads.topics import DEFAULT_TOPICS

Payload = Literal["arrow", "json"]
MOST_WAITING = 2_000  # messages that the broker has not acknowledged, at most
PATIENCE_S = 10.0
_BROKE = -1  # among the numbers: what was on its way at QoS 0 is lost
_TOPICS = {pattern.kind: pattern for pattern in DEFAULT_TOPICS}
_SCHEMA = payload_schema(ASSET_TYPE, COLUMNS)


class MqttPublisher:
    """One connection for all machines; QoS 1."""

    def __init__(
        self, plant: LivePlant, faults: FaultPlan, broker: BrokerSettings, payload: Payload, *, began: int
    ) -> None:
        self.over: str = payload
        self.sent, self._payload = 0, payload
        epoch = first_epoch(plant, began)
        self._stream = MessageStream(plant, faults, payload, MESSAGE_KINDS, epoch)
        self._connection = AcknowledgedConnection(broker, f"forewarn-plant-{payload}-{epoch}")
        if payload == "arrow":
            self._connection.publish(_TOPICS["schemas"].topic(id=_SCHEMA.id), encode_schema(_SCHEMA), retain=True)

    async def send(self, second: PlantSecond) -> None:
        """Publish a second's messages, and wait while the broker is behind."""
        for outgoing in self._stream.messages(second):
            topic = _TOPICS[self._payload].topic(plant=outgoing.plant, asset=outgoing.message.asset)
            for payload in damaged(encode(outgoing, self._payload), outgoing):
                self._connection.publish(topic, payload)
                self.sent += 1
        await self._connection.room()

    async def close(self) -> None:
        """Wait until the broker has everything, and disconnect. `StorageError` if it does not take it."""
        await self._connection.close()


class AcknowledgedConnection:
    """A connection that knows what the broker has not acknowledged yet; one thread publishes."""

    def __init__(
        self,
        broker: BrokerSettings,
        client_id: str,
        *,
        on_connect: Callable[[Any], None] | None = None,
        **options: Any,
    ) -> None:
        self._broker, self._then = broker, on_connect
        self._unacknowledged: dict[int, int] = {}  # quality of service by number
        self._done: deque[int] = deque()  # numbers that are acknowledged, in the connection's thread
        self.connected = False
        self._client = connect(
            broker, client_id, on_connect=self._on_connect, on_disconnect=self._on_disconnect, **options
        )
        self._client.on_publish = lambda _, __, number, ___, ____: self._done.append(number)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish; what cannot be sent now is sent once the broker is back, and at QoS 0 lost."""
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        if qos or info.rc == 0:
            self._unacknowledged[info.mid] = qos

    @property
    def waiting(self) -> int:
        """Return how many messages the broker has not acknowledged."""
        while self._done:
            number = self._done.popleft()
            if number == _BROKE:
                self._unacknowledged = {mid: qos for mid, qos in self._unacknowledged.items() if qos}
            self._unacknowledged.pop(number, None)
        return len(self._unacknowledged)

    async def room(self) -> None:
        """Wait until the broker is not too far behind."""
        while self.waiting >= MOST_WAITING:
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Wait for the last acknowledgement, and disconnect."""
        ends = asyncio.get_running_loop().time() + PATIENCE_S
        while self.waiting and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.01)
        disconnect(self._client)
        if self.waiting:
            raise StorageError(
                f"the broker at {self._broker.address} did not acknowledge {self.waiting:,} messages",
                f"all of them within {PATIENCE_S:g} s",
                "See its log, and start the plant again",
            )

    def _on_connect(self, client: Any) -> None:
        self.connected = True
        if self._then is not None:
            self._then(client)

    def _on_disconnect(self, _: str) -> None:
        self.connected = False
        self._done.append(_BROKE)


def encode(outgoing: OutgoingMessage, payload: Payload) -> bytes:
    """Return a message as bytes. JSON has no NaN: a machine that sends it all the same is no JSON."""
    if payload == "arrow":
        return encode_arrow(outgoing.message, _SCHEMA)
    encoded = encode_json(outgoing.message)
    return encoded.replace(b"null", b"NaN") if outgoing.fault == "nan" else encoded


def damaged(payload: bytes, outgoing: OutgoingMessage) -> tuple[bytes, ...]:
    """Return what is really sent of a message."""
    if outgoing.fault == "lost":
        return ()
    if outgoing.fault == "doubled":
        return payload, payload
    return (payload[: len(payload) * 2 // 3],) if outgoing.fault == "cut_short" else (payload,)
