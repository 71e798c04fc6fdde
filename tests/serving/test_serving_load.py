import http.server
import threading

from benchmarks.endpoints import Endpoint, load

CALLERS = 3


class _Answers(http.server.BaseHTTPRequestHandler):
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

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's word
        """Log nothing."""


def test_callers_end_quietly_when_the_server_is_gone() -> None:
    """A connection that breaks off is one failure of its caller and ends it; what was answered before counts."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        endpoint = Endpoint("hangs up", server.server_port, "/", [b"{}"])
        seen = load(endpoint, CALLERS, 30.0)
        server.shutdown()
        serving.join()
    assert (len(seen.seconds), seen.failed) == (2 * CALLERS, CALLERS)
    unanswered = load(endpoint, CALLERS, 30.0)
    assert (len(unanswered.seconds), unanswered.failed) == (0, CALLERS)
