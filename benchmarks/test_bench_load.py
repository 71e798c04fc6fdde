"""The load generator itself: what it counts when a server hangs up."""

import http.server
import threading

import pytest

from benchmarks.endpoints import Endpoint, load

CALLERS = 3


class _HangsUp(http.server.BaseHTTPRequestHandler):
    """Answers two requests over each connection, then hangs up."""

    protocol_version = "HTTP/1.1"
    answered = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answered += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.close_connection = self.answered == 2

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Do not log."""


@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
def test_callers_end_quietly_when_the_server_is_gone() -> None:
    """A connection that breaks off is one failure of its caller and ends it; answers before it count."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _HangsUp) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        endpoint = Endpoint("hangs up", server.server_port, "/", [b"{}"])
        measured = load(endpoint, CALLERS, 30.0)
        server.shutdown()
        serving.join()
    assert (len(measured.seconds), measured.failed) == (2 * CALLERS, CALLERS)
    refused = load(endpoint, CALLERS, 30.0)
    assert (len(refused.seconds), refused.failed) == (0, CALLERS)
