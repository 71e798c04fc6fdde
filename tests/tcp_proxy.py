"""A connection that can be cut: a TCP proxy on the loopback interface."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class TcpProxy:
    """Passes bytes on to a port, unless it is cut."""

    target: int
    port: int = 0
    is_cut: bool = False
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        self.is_cut = True
        self.loop.call_soon_threadsafe(self._break)

    def restore(self) -> None:
        """Let connections through again."""
        self.is_cut = False

    async def start(self) -> None:
        """Listen on a free port."""
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    def _break(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        both = {writer, far_writer}
        self._open |= both
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        self._open -= both

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.close()


@contextmanager
def running_proxy(target: int) -> Iterator[TcpProxy]:
    """Run one during the block."""
    proxy = TcpProxy(target)
    thread = threading.Thread(target=proxy.loop.run_forever, daemon=True)
    thread.start()
    start: Any = asyncio.run_coroutine_threadsafe(proxy.start(), proxy.loop)
    start.result(60)
    try:
        yield proxy
    finally:
        proxy.cut()
        proxy.loop.call_soon_threadsafe(proxy.loop.stop)
        thread.join(60)
