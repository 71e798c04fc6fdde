"""Requests that no well-meaning client sends, byte by byte over a socket, and what each costs the endpoint."""

import http.client
import itertools
import json
import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from tests.serving.hostile_bodies import encoded_bodies, large_bodies, mutated, valid_bodies

PATIENCE = 120.0
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "x" * 300)
_TEXTS = (
    *("", " ", "\0", "é", "日" * 300, "x" * 5_000, "..", "../../x", "a/b", "'; --", "%", "\x7f", "{}", "${x}"),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2024-02-30T00:00:00Z", "2015-01-05T12:00:00+00:00"),
    *("\r\nA: b", "0", "-1", "1", "1000", "9" * 400, "1e3", "nan", "inf", "٣", "true", "null", "\ud800"),
)
_HEADERS: tuple[tuple[str, str], ...] = (
    *(("Idempotency-Key", "k" * 300), ("Idempotency-Key", ""), ("Idempotency-Key", "é"), ("Idempotency-Key", "one")),
    *(("If-Match", '"0"'), ("If-Match", "*"), ("If-Match", '"99999999999"'), ("If-Match", 'W/"1", "2"')),
    *(("X-Request-Id", "x" * 9_000), ("X-Request-Id", "a b"), ("Authorization", "Bearer " + "x" * 5_000)),
    *(("Authorization", "Basic e"), ("Expect", "100-continue"), ("Expect", "nothing"), ("Range", "bytes=0-1,5-")),
    *(("Host", ""), ("Host", "[::1"), ("Host", "x" * 9_000), ("Host", "127.0.0.1:99999999"), ("Origin", "null")),
    *(("Accept", "a" * 9_000), ("Accept-Encoding", "gzip;q=x"), ("Cookie", "a=" + "b" * 9_000), ("Via", "1.1 x")),
    *(("Connection", "upgrade"), ("Upgrade", "h2c"), ("TE", "trailers, x;q=9")),
    *(("traceparent", "00-" + "f" * 32 + "-" + "0" * 16 + "-zz"), ("traceparent", "é"), ("baggage", "a=" * 5_000)),
    *(("Content-Type", "application/json; charset=é"), ("Content-Type", "application/x-www-form-urlencoded")),
    *(("X-Forwarded-For", "1.2.3.4"), ("Forwarded", 'for="[::1'), ("Sec-Fetch-Site", "cross-site"), ("é", "é")),
)


@dataclass(frozen=True)
class HostileRequest:
    """Pieces that are sent one after the other; `ends` if the sending side is closed after them."""

    kind: str
    pieces: Sequence[bytes]
    method: str = "POST"
    ends: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a request: its status, 0 if the connection was closed without one, and the processor time."""

    request: HostileRequest
    status: int
    text: str
    cpu_seconds: float


def hostile_requests(
    draw: random.Random, parameters: Mapping[str, Sequence[str]], asset: str, channels: tuple[str, ...]
) -> Iterator[HostileRequest]:
    """Yield requests without end; `parameters` has, by path, the parameters of a query."""
    yield from _large(asset, channels)
    makers: Sequence[Callable[[], HostileRequest]] = (
        *[lambda: _mutated(draw, asset, channels)] * 6,
        lambda: _encoded(draw, asset, channels),
        lambda: _transferred(draw, asset, channels),
        lambda: _with_headers(draw, asset, channels),
        *[lambda: _queried(draw, parameters)] * 2,
    )
    while True:
        yield draw.choice(makers)()


def send(address: tuple[str, int], request: HostileRequest, workers: Iterable[int]) -> Outcome:
    """Send a request over a connection of its own; the cost is that of all workers while it was answered."""
    before = sum(map(cpu_seconds, workers))
    status, text = 0, ""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):  # it may answer, and hang up, before it has read everything
            for piece in request.pieces:
                connection.sendall(piece)
            if request.ends:
                connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError, http.client.HTTPException):
            response = http.client.HTTPResponse(connection, method=request.method)
            response.begin()
            status = response.status
            text = response.read().decode(errors="replace")
    return Outcome(request, status, text, sum(map(cpu_seconds, workers)) - before)


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, to the nanosecond; it does not grow with what others do."""
    clock_of_process = 2  # CPUCLOCK_SCHED of Linux: clock_getcpuclockid(3) makes its numbers so
    return time.clock_gettime((~pid << 3) | clock_of_process)


def _request(
    kind: str,
    line: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    *,
    version: str = "HTTP/1.1",
) -> HostileRequest:
    """Write a request whose connection ends with its answer; headers replace the usual ones."""
    method, _, target = line.partition(" ")
    given = list(headers.items() if isinstance(headers, Mapping) else headers)
    usual = {"Host": "127.0.0.1", "Connection": "close"}
    if body is not None:
        usual |= {"Content-Type": "application/json", "Content-Length": str(len(body)), "If-Match": "*"}
    names = {name.lower() for name, _ in given}
    lines = [*((name, value) for name, value in usual.items() if name.lower() not in names), *given]
    head = f"{method} {target.strip()} {version}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
    return HostileRequest(kind, [head.encode("utf-8", "replace") + b"\r\n", body or b""], method)


def _large(asset: str, channels: tuple[str, ...]) -> Iterator[HostileRequest]:
    for line, body in large_bodies(asset, channels):
        yield _request("large", line, body)
    many = "&".join(f"n{number}=1" for number in range(5_000))
    for target in (f"/assets?{many}", "/" + "x" * 60_000, "/" + "%2e%2e/" * 9_000, "/assets?plant=" + "%C3%A9" * 9_000):
        yield _request("large", f"GET {target}")
    yield _request("large", "GET /model", headers=[(f"X-{number}", "x" * 20) for number in range(2_000)])
    yield _request("large", "GET /model", headers={"X-A": "x" * 1_000_000})


def _body(draw: random.Random, asset: str, channels: tuple[str, ...]) -> tuple[str, bytes]:
    line, content = draw.choice(list(valid_bodies(asset, channels).items()))
    return line, json.dumps(content).encode()


def _mutated(draw: random.Random, asset: str, channels: tuple[str, ...]) -> HostileRequest:
    line, body = _body(draw, asset, channels)
    return _request("mutated", line, mutated(draw, body))


def _encoded(draw: random.Random, asset: str, channels: tuple[str, ...]) -> HostileRequest:
    line, body = _body(draw, asset, channels)
    headers, content = draw.choice(_encodings(body))
    return _request("encoded", line, content, headers)


def _transferred(draw: random.Random, asset: str, channels: tuple[str, ...]) -> HostileRequest:
    """Return a request whose body comes in chunks, byte by byte, with another length than it says, or not at all."""
    line, body = _body(draw, asset, channels)
    chunked = {"Transfer-Encoding": "chunked", "Content-Length": ""}
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in _parts(draw, body)) + b"0\r\n\r\n"
    broken = draw.choice((chunks, chunks[:-7], b"zz\r\n" + body, b"-1\r\n", b"f" * 40 + b"\r\n", b"5;" + b"x" * 20_000))
    how = draw.randrange(6)
    if how == 0:
        head = _request("chunked", line, b"", [("Transfer-Encoding", "chunked")]).pieces[0]
        head = b"\r\n".join(part for part in head.split(b"\r\n") if not part.startswith(b"Content-Length"))
        return HostileRequest("chunked", [head, broken], ends=broken is not chunks)
    if how == 1:
        return HostileRequest("both lengths", [*_request("", line, body, chunked).pieces[:1], broken], ends=True)
    if how == 2:
        length = draw.choice(("-1", "+5", "5, 5", "²", "9" * 30, "1e3", "0x10", str(len(body) + 9), "33554433"))
        return HostileRequest("lengths", [*_request("", line, body, {"Content-Length": length}).pieces], ends=True)
    head, _ = _request("", line, body).pieces
    if how == 3:
        return HostileRequest("dripped", [head, *(body[at : at + 1] for at in range(min(len(body), 200))), body[200:]])
    if how == 4:
        return HostileRequest("given up", [head[: draw.randrange(len(head))]], ends=True)
    return HostileRequest("given up", [head, body[: len(body) // 2]], ends=True)


def _parts(draw: random.Random, body: bytes) -> Iterator[bytes]:
    size = draw.choice((1, 7, 1_000))
    for at in range(0, len(body), size):
        yield body[at : at + size]


def _with_headers(draw: random.Random, asset: str, channels: tuple[str, ...]) -> HostileRequest:
    line, body = _body(draw, asset, channels)
    headers = draw.choices(_HEADERS, k=draw.choice((1, 1, 2, 5)))
    version = draw.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""))
    return _request("headers", line, body, headers, version=version)


def _queried(draw: random.Random, parameters: Mapping[str, Sequence[str]]) -> HostileRequest:
    """Return a request without a body: any method, paths and queries of odd texts, well and badly escaped."""
    path = draw.choice([*parameters, "/docs/{asset}", "/", "//", "/v1", "/v1/v1/model", "*", "http://x/model", "/%ff"])

    def text() -> str:
        value = draw.choice(_TEXTS)
        raw = value.replace("\r", "").replace("\n", "").replace(" ", "").replace("\0", "%00")
        return draw.choice((quote(value.encode(errors="replace"), safe=""), raw))

    for name in ("asset", "prediction_id"):
        path = path.replace(f"{{{name}}}", draw.choice((text(), "azure-01")))
    names = draw.choices([*parameters.get(path, ()), "as_of", "limit", "since"], k=draw.randrange(4))
    query = "&".join(f"{name}={text()}" for name in names)
    method = draw.choice((*itertools.repeat("GET", 9), *_METHODS))
    return _request("queried", f"{method} {path}{'?' if query else ''}{query}")


_BODIES: dict[bytes, list[tuple[Mapping[str, str], bytes]]] = {}


def _encodings(body: bytes) -> list[tuple[Mapping[str, str], bytes]]:
    """Encode a body once: bombs take a second to make."""
    if body not in _BODIES:
        _BODIES[body] = list(encoded_bodies(body))
    return _BODIES[body]
