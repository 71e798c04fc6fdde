"""A small MTConnect agent for tests: two devices, a bounded buffer, and an instance that changes when it starts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

DEVICES = ("mill-1", "mill-2")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ITEMS = (("load", "LOAD", "PERCENT", ""), ("vib", "DISPLACEMENT", "MILLIMETER", ' representation="TIME_SERIES"'))


@dataclass
class MtconnectTestAgent:
    """An agent whose observations a test adds."""

    buffer: int = 50
    instance: int = 1
    observations: list[tuple[int, str]] = field(default_factory=list)  # sequence number and element
    requests: list[str] = field(default_factory=list)
    port: int = 0
    answers: bool = True
    _next: int = 1

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def add(self, item: str, microseconds: int, text: str, attributes: str = "") -> None:
        """Observe something; the oldest leaves the buffer."""
        time = (_EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")
        element = f'<Load dataItemId="{item}" sequence="{self._next}" timestamp="{time}"{attributes}>{text}</Load>'
        self.observations = [*self.observations, (self._next, element)][-self.buffer :]
        self._next += 1

    def restart(self) -> None:
        """Forget everything, as a new process does."""
        self.instance += 1
        self.observations, self._next = [], 1

    def answer(self, path: str) -> tuple[int, str]:
        """Return status and document."""
        self.requests.append(path)
        asked = urlparse(path)
        if asked.path == "/probe":
            return 200, self._devices()
        if asked.path == "/current":
            return 200, self._streams([])
        if asked.path != "/sample":
            return 404, "<html>not here</html>"
        query = parse_qs(asked.query)
        first, count = int(query["from"][0]), int(query["count"][0])
        if not (self._first <= first <= self._next) or count > max(self.buffer, 10_000):
            return 404, (
                '<MTConnectError xmlns="urn:mtconnect.org:MTConnectError:1.7"><Header instanceId="1"/><Errors>'
                f'<Error errorCode="OUT_OF_RANGE">{first} is not between</Error></Errors></MTConnectError>'
            )
        return 200, self._streams([each for each in self.observations if each[0] >= first][:count], first)

    @property
    def _first(self) -> int:
        return self.observations[0][0] if self.observations else self._next

    def _streams(self, chosen: list[tuple[int, str]], first: int | None = None) -> str:
        following = chosen[-1][0] + 1 if chosen else (self._next if first is None else first)
        header = f'instanceId="{self.instance}" firstSequence="{self._first}" nextSequence="{following}"'
        body = "".join(element for _, element in chosen)
        return (
            '<?xml version="1.0"?><MTConnectStreams xmlns="urn:mtconnect.org:MTConnectStreams:1.7">'
            f'<Header {header} bufferSize="{self.buffer}"/><Streams><DeviceStream name="x"><ComponentStream>'
            f"<Samples>{body}</Samples></ComponentStream></DeviceStream></Streams></MTConnectStreams>"
        )

    def _devices(self) -> str:
        devices = "".join(
            f'<Device id="{name}-id" name="{name}" uuid="{name}-uuid"><Components><Linear><DataItems>'
            + "".join(
                f'<DataItem id="{name}.{item}" name="{item}" category="SAMPLE" type="{kind}" units="{units}"{more}/>'
                for item, kind, units, more in _ITEMS
            )
            + "</DataItems></Linear></Components></Device>"
            for name in DEVICES
        )
        return (
            '<MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.7"><Header instanceId="1"/><Devices>'
            f"{devices}</Devices></MTConnectDevices>"
        )


@contextmanager
def running_agent() -> Iterator[MtconnectTestAgent]:
    """Run one during the block."""
    agent = MtconnectTestAgent()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not agent.answers:
                self.close_connection = True
                return
            status, text = agent.answer(self.path)
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    agent.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield agent
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
