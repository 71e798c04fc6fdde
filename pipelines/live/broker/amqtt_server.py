"""``python -m pipelines.live.broker.amqtt_server PORT``: amqtt, until it is ended or its parent is gone."""

import asyncio
import logging
import os
import sys
import threading

from amqtt.broker import Broker


async def serve(port: int) -> None:
    """Serve on the loopback interface, for ever."""
    asyncio.get_running_loop().set_exception_handler(_leave)
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await asyncio.Event().wait()


def _leave(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Leave out the traces of clients that hang up, which amqtt knows no handling for."""
    if not isinstance(context.get("exception"), OSError):
        loop.default_exception_handler(context)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    # It logs every client that comes and goes as a warning.
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.ERROR)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asyncio.run(serve(int(sys.argv[1])))
