"""The connection that commands go out by, and answers come in by."""

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.connection import connect, disconnect, speaks_mqtt5

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

_MOST_UNACKNOWLEDGED = 1_000


@dataclass(frozen=True)
class ArrivedAnswer:
    """An answer as it came."""

    topic: str
    payload: bytes
    correlation: bytes | None
    mid: int
    qos: int
    client: "Client"  # that it came by: numbers mean something else to another one


class CommandConnection:
    """A client of its own at each connection: paho sends again what an earlier one had, expired or not."""

    def __init__(
        self, broker: BrokerSettings, client_id: str, answers: str, *, session_s: int, wake: Callable[[], None]
    ) -> None:
        self._broker, self._client_id, self._session_s = broker, client_id, session_s
        self._subscription, self._wake = answers, wake
        self._arrived: queue.SimpleQueue[ArrivedAnswer] = queue.SimpleQueue()
        self._client: Client | None = None
        self._lost = False

    @property
    def is_open(self) -> bool:
        """Return whether something can be published."""
        return self._client is not None and not self._lost

    def open(self) -> None:
        """Connect; errors as those of `connect`."""
        self.close()
        self._lost = False
        self._client = connect(
            self._broker,
            self._client_id,
            on_message=self._take,
            on_connect=self._subscribe,
            on_disconnect=self._end,
            session_s=self._session_s,
            receive_maximum=_MOST_UNACKNOWLEDGED,
            manual_ack=True,
        )

    def publish(self, topic: str, payload: bytes, *, command_id: str, answer_topic: str, expires_s: int) -> bool:
        """Publish at QoS 1; return whether it went out. A broker of MQTT 5 drops it when it expires."""
        client = self._client
        if client is None or self._lost:
            return False
        properties = _properties(command_id, answer_topic, expires_s) if speaks_mqtt5(client) else None
        return bool(client.publish(topic, payload, qos=1, properties=properties).rc == 0)

    def answers(self) -> list[ArrivedAnswer]:
        """Return what has arrived."""
        return [self._arrived.get_nowait() for _ in range(self._arrived.qsize())]

    def acknowledge(self, answer: ArrivedAnswer) -> None:
        """Tell the broker that an answer is recorded; where the connection was lost it comes again."""
        if answer.qos and answer.client is self._client and not self._lost:
            answer.client.ack(answer.mid, answer.qos)

    def close(self) -> None:
        """Disconnect; the broker keeps what comes until the next time."""
        client, self._client = self._client, None
        if client is not None:
            disconnect(client)

    def _take(self, client: "Client", message: "MQTTMessage") -> None:
        correlation = getattr(message.properties, "CorrelationData", None)
        arrived = ArrivedAnswer(message.topic, bytes(message.payload), correlation, message.mid, message.qos, client)
        self._arrived.put(arrived)
        self._wake()

    def _subscribe(self, client: "Client") -> None:
        client.subscribe(self._subscription, qos=1)

    def _end(self, _: str) -> None:
        self._lost = True
        if self._client is not None:
            self._client.disconnect()  # or it would connect again by itself
        self._wake()


def _properties(command_id: str, answer_topic: str, expires_s: int) -> Any:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.CorrelationData = command_id.encode()
    properties.ResponseTopic = answer_topic
    properties.MessageExpiryInterval = max(1, expires_s)
    properties.ContentType = "application/json"
    properties.PayloadFormatIndicator = 1
    return properties
