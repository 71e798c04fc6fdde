"""What the listener counts, for Prometheus, and whether it is ready, on a port of its own."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from data_contracts.errors import UsageError
from data_contracts.streams.stream_writer import FlushResult

_LAGS_S = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86_400.0)
_COMMITS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ListenerMetrics:
    """Counters of one listener, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        options: dict[str, Any] = {"registry": self.registry}
        self.messages = Counter("forewarn_live_messages", "Messages stored, or in quarantine.", **options)
        self.samples = Counter("forewarn_live_samples", "Values stored.", **options)
        self.rows = Counter("forewarn_live_rows", "Rows stored.", **options)
        self.duplicates = Counter("forewarn_live_duplicates", "Messages that had been stored before.", **options)
        self.refused = Counter(
            "forewarn_live_refused", "Rows, or messages that cannot be read, in quarantine.", ["reason"], **options
        )
        self.gaps = Counter("forewarn_live_gaps", "Rows of stream_gaps.", ["kind"], **options)
        self.commands = Counter(
            "forewarn_live_commands", "Commands to machines and their answers.", ["what"], **options
        )
        self.nulled = Counter("forewarn_live_nulled", "Readings that are null because of their quality.", **options)
        self.lag = Histogram(
            "forewarn_live_lag_seconds",
            "From the last event of a message to when it was stored.",
            buckets=_LAGS_S,
            **options,
        )
        self.commit = Histogram(
            "forewarn_live_commit_seconds", "Storing what arrived in a flush.", buckets=_COMMITS_S, **options
        )
        self.failures = Counter("forewarn_live_commit_failures", "Flushes that could not be stored yet.", **options)
        self.waiting = Gauge("forewarn_live_waiting_messages", "Messages that wait to be stored.", **options)
        self.last_commit = Gauge(
            "forewarn_live_last_commit_timestamp_seconds", "When something was stored last.", **options
        )
        self.connected = Gauge("forewarn_live_connected", "Whether the broker is connected.", **options)
        self.connections = Counter("forewarn_live_connections", "Connections to the broker.", **options)
        self.others = Counter("forewarn_live_others_messages", "Messages of other partitions, ignored.", **options)
        self.partition = Gauge(
            "forewarn_live_partition", "The partition of this listener; -1 while it waits for one.", **options
        )
        self.unheld = Gauge("forewarn_live_partitions_unheld", "Partitions that no listener holds.", **options)
        self.failing = ""  # why the last flush could not be stored

    def count(self, result: FlushResult) -> None:
        """Count what became of a flush."""
        self.messages.inc(result.messages)
        self.samples.inc(result.samples)
        self.rows.inc(result.rows)
        self.duplicates.inc(result.duplicates)
        self.nulled.inc(result.nulled)
        for reason, count in result.refused.items():
            self.refused.labels(reason).inc(count)
        for gap in result.gaps:
            self.gaps.labels(gap.kind).inc()
        self.commit.observe(result.commit_seconds)
        self.last_commit.set(time.time())
        self.failing = ""

    def count_command(self, what: str) -> None:
        """Count a command that was published, or what became of one."""
        self.commands.labels(what).inc()

    def observe_connection(self, *, connected: bool, connections: int, before: int) -> None:
        """Note whether the broker is there, and how often it was connected since."""
        self.connected.set(int(connected))
        self._connected = connected
        self.connections.inc(connections - before)

    _connected = False

    @property
    def obstacles(self) -> list[str]:
        """Say what keeps the listener from storing; empty if it is ready."""
        return [
            *([] if self._connected else ["the broker is not connected"]),
            *([f"the last flush could not be stored: {self.failing}"] if self.failing else []),
        ]


@contextmanager
def served(metrics: ListenerMetrics, host: str, port: int, *, ports: int = 1) -> Iterator[int]:
    """Serve ``/metrics`` and ``/readyz`` during the block; yield the port, 0 if nothing is to be served.

    It is the first free one of so many: where several listeners run on one machine, each has its own.
    """
    if not port:
        yield 0
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
            elif self.path == "/readyz":
                obstacles = metrics.obstacles
                body = json.dumps({"ready": not obstacles, "obstacles": obstacles}).encode()
                self._answer(503 if obstacles else 200, "application/json", body)
            else:
                self._answer(404, "text/plain", b"/metrics or /readyz\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    try:
        server = _first_free(host, range(port, port + ports), Handler)
    except OSError as error:
        raise UsageError(
            f"the metrics cannot be served on {host}:{port} ({error.strerror or error})",
            "a free port",
            "Choose another with --metrics-port or metrics_port in the section [live]; 0 serves none",
        ) from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True, name="metrics").start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def _first_free(host: str, ports: range, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    for port in ports[:-1]:
        with suppress(OSError):
            return ThreadingHTTPServer((host, port), handler)
    return ThreadingHTTPServer((host, ports[-1]), handler)
