"""A broker inside this process, amqtt: MQTT 3.1.1 without persistence, for where no Mosquitto is installed."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from data_contracts.errors import StorageError
from pipelines.live.broker.connection import need_extra

_PATIENCE_S = 20.0


@contextmanager
def embedded_broker(port: int) -> Iterator[None]:
    """Run it on a port of the loopback interface during the block, in a thread of its own."""
    try:
        from amqtt.broker import Broker
    except ImportError as error:
        raise need_extra("amqtt") from error
    # It logs every client that comes and goes as a warning.
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.ERROR)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True, name="embedded broker")
    thread.start()

    async def start() -> Broker:
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await broker.start()
        return broker

    try:
        broker = _started(asyncio.run_coroutine_threadsafe(start(), loop), port)
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(broker.shutdown(), loop).result(_PATIENCE_S)
            # It leaves its clients' connections behind.
            asyncio.run_coroutine_threadsafe(_cancel_others(), loop).result(_PATIENCE_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE_S)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _started(starting: "Future[Any]", port: int) -> Any:
    try:
        return starting.result(_PATIENCE_S)
    except Exception as error:  # amqtt has errors of its own around those of the system
        raise StorageError(
            f"no broker could be started on port {port} ({error})", "a free port", "Choose another port"
        ) from error
