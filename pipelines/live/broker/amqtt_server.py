"""``python -m pipelines.live.broker.amqtt_server PORT``: amqtt, until it is ended or its parent is gone."""

import asyncio
import logging
import os
import sys
import threading
from typing import Any

from amqtt.broker import Broker
from amqtt.mqtt.connect import ConnectPacket, ConnectPayload

_KNOWN_VERSION = 4  # MQTT 3.1.1


class PayloadOfKnownVersion(ConnectPayload):  # type: ignore[misc] # amqtt has no types
    """What a client says of itself, read in MQTT 3.1.1 only.

    amqtt takes the properties of MQTT 5 for the length of a name, and waits for the rest of it; as it is, the client is
    refused at once, and comes again with what is known here.
    """

    @classmethod
    async def from_stream(cls, reader: Any, fixed_header: Any, variable_header: Any) -> ConnectPayload:
        """Read it."""
        if variable_header is not None and variable_header.proto_level != _KNOWN_VERSION:
            return cls(client_id="of another version", will_topic="", will_message=b"")
        return await super().from_stream(reader, fixed_header, variable_header)


async def serve(port: int) -> None:
    """Serve on the loopback interface, for ever."""
    asyncio.get_running_loop().set_exception_handler(_leave)
    ConnectPacket.PAYLOAD = PayloadOfKnownVersion
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
