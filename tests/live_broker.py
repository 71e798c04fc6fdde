"""A Mosquitto for tests: on a free port of the loopback interface, in a folder of its own, ended by its id."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def subscribed(broker: BrokerSettings, topics: str, take: Callable[[str, bytes], None]) -> Iterator[None]:
    """Hand what is published on some topics to `take`, by topic and payload, during the block."""
    client = connect(
        broker,
        "subscriber of a test",
        on_message=lambda _, message: take(message.topic, bytes(message.payload)),
        on_connect=lambda client: client.subscribe(topics, qos=1),
    )
    time.sleep(0.2)
    try:
        yield
    finally:
        disconnect(client)
