"""Messages from the broker, acknowledged by hand: what is not stored is delivered again."""

import queue
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.listening.listen_summary import Stop

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

_POLL_S = 0.1
_MARKED = ("subscribed", "unsubscribed")  # before the mark is sent


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as it came."""

    topic: str
    payload: bytes
    at: float  # seconds since 1970
    mid: int
    qos: int
    connection: int  # the number of the connection that it came by


@dataclass(frozen=True)
class Subscription:
    """A session at the broker, and which of the messages that wait there are to be stored."""

    client_id: str
    takes: Callable[[str], bool] = lambda _: True  # by topic; others are acknowledged at once, as another has them too
    ending: bool = False  # whether nothing more is to come into the session, and it ends once it is empty
    may_connect: Callable[[], None] = lambda: None  # raises a ForewarnError if another process has the session


class Intake:
    """A subscription whose messages wait, in order and no more than so many, until they are gathered.

    What is retained comes by a connection of its own, without a session: on the same one it would queue behind a
    backlog whose messages are not acknowledged before it has come, for they cannot be read without.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        subscription: Subscription,
        topics: Sequence[str],
        *,
        retained: Sequence[str] = (),
        receive_maximum: int,
        session_s: int,
    ) -> None:
        self._topics = list(topics)
        self._retained: queue.SimpleQueue[Arrived] = queue.SimpleQueue()
        # A broker that knows no receive maximum is slowed down by the connection itself.
        self._waiting: queue.Queue[Arrived] = queue.Queue(2 * receive_maximum)
        self._connection = 0
        self._closed = False
        self._subscription = subscription
        self._end_mark = f"forewarn/listeners/{subscription.client_id}"
        self.others = 0  # messages of other partitions
        self.emptied = False  # whether a session that is to end has nothing more
        self.connected = False
        self.connections = 0
        with ExitStack() as opened:
            if retained:
                client = connect(
                    settings,
                    f"{subscription.client_id}-retained",
                    on_message=self._take_retained,
                    may_connect=subscription.may_connect,
                    on_connect=lambda each: subscribe(each, retained),
                )
                opened.callback(disconnect, client)
            self._client = connect(
                settings,
                subscription.client_id,
                on_message=self._take,
                may_connect=subscription.may_connect,
                on_connect=self._subscribe,
                on_disconnect=self._lost,
                session_s=session_s,
                receive_maximum=receive_maximum,
                manual_ack=True,
            )
            opened.callback(disconnect, self._client)
            self._opened = opened.pop_all()

    def gather(self, seconds: float, most: int, stopping: Stop) -> list[Arrived]:
        """Return what arrives within some seconds; sooner when there are so many messages, or when it is to stop.

        What is retained comes first, and beyond that number.
        """
        arrived: list[Arrived] = []
        ends = time.monotonic() + seconds
        ended = False
        while not ended and len(arrived) < most:
            # Most of the time many have arrived at once: one wait for all of them.
            ended = stopping.wait(max(0.0, min(ends - time.monotonic(), _POLL_S))) or time.monotonic() >= ends
            while len(arrived) < most:
                try:
                    arrived.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
        return [*self._new_retained(), *arrived]

    def acknowledge(self, messages: Sequence[Arrived]) -> None:
        """Tell the broker that messages are stored; those of an earlier connection it has sent again since."""
        for message in messages:
            # Numbers are used again after a connection was lost, and may stand for another message now.
            if message.qos and message.connection == self._connection:
                self._client.ack(message.mid, message.qos)

    def publish(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        """Publish without waiting."""
        self._client.publish(topic, payload, qos=0, retain=retain)

    def __len__(self) -> int:
        """Return how many messages wait."""
        return self._waiting.qsize()

    def close(self) -> None:
        """Disconnect; what is not acknowledged stays at the broker."""
        self._closed = True
        self._opened.close()

    def _take(self, client: "Client", message: "MQTTMessage") -> None:
        at = time.time()
        if self._subscription.ending and message.topic == self._end_mark:
            self.emptied = True  # what waited came before it
        elif not self._subscription.takes(message.topic):
            self.others += 1
        else:
            self._keep(message, at)
            return
        if message.qos:
            client.ack(message.mid, message.qos)

    def _keep(self, message: "MQTTMessage", at: float) -> None:
        arrived = Arrived(message.topic, bytes(message.payload), at, message.mid, message.qos, self._connection)
        while not self._closed:
            with suppress(queue.Full):
                self._waiting.put(arrived, timeout=_POLL_S)
                return

    def _take_retained(self, _: "Client", message: "MQTTMessage") -> None:
        self._retained.put(Arrived(message.topic, bytes(message.payload), time.time(), 0, 0, 0))

    def _new_retained(self) -> list[Arrived]:
        return [self._retained.get_nowait() for _ in range(self._retained.qsize())]

    def _subscribe(self, client: "Client") -> None:
        self._connection += 1
        self.connections += 1
        self.connected = True
        if self._subscription.ending:
            self._empty(client)
        else:
            subscribe(client, self._topics)

    def _empty(self, client: "Client") -> None:
        """Have nothing more come into the session, and then a mark behind what waits in it."""
        answered = list[int]()

        def note(_: "Client", __: Any, mid: int, *___: Any) -> None:
            answered.append(mid)
            if len(answered) == len(_MARKED):
                client.publish(self._end_mark, b"", qos=1)

        client.on_subscribe = client.on_unsubscribe = note
        client.subscribe(self._end_mark, 1)
        client.unsubscribe(self._topics)

    def _lost(self, _: str) -> None:
        self.connected = False


def subscribe(client: "Client", topics: Sequence[str]) -> None:
    """Subscribe at QoS 1."""
    client.subscribe([(topic, 1) for topic in topics])
