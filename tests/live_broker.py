"""A Mosquitto for tests: on a free port of the loopback interface, in a folder of its own, ended by its id."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.broker.start_broker import MosquittoProcess, free_port, mosquitto_program


def why_not() -> str | None:
    """Return why no Mosquitto can be run here; None if one can."""
    try:
        import paho.mqtt.client  # noqa: F401
    except ImportError:
        return "the extra forewarn[live] is not installed"
    return None if mosquitto_program() else "Mosquitto is not installed"


@contextmanager
def running_mosquitto(folder: Path) -> Iterator[MosquittoProcess]:
    """Run one during the block."""
    broker = MosquittoProcess(folder, free_port())
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class Subscribing:
    """An `on_connect` that subscribes: what is published before the broker has confirmed that need not arrive."""

    def __init__(self, topics: list[tuple[str, int]]) -> None:
        self._topics, self._confirmed = topics, threading.Event()

    def __call__(self, client: Any) -> None:
        """Subscribe."""
        client.on_subscribe = lambda *_: self._confirmed.set()
        client.subscribe(self._topics)

    def wait(self) -> None:
        """Wait until the broker has confirmed it; AssertionError if it does not."""
        assert self._confirmed.wait(60)


@contextmanager
def subscribed(broker: BrokerSettings, topics: str, take: Callable[[str, bytes], None]) -> Iterator[None]:
    """Hand what is published on some topics to `take`, by topic and payload, during the block."""
    subscribing = Subscribing([(topics, 1)])
    client = connect(
        broker,
        "subscriber of a test",
        on_message=lambda _, message: take(message.topic, bytes(message.payload)),
        on_connect=subscribing,
    )
    subscribing.wait()
    try:
        yield
    finally:
        disconnect(client)
