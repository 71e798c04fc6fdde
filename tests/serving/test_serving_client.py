"""The client: it repeats a request until it is answered, and its types are those of the endpoint."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from serving.client import Client, RefusedError, UnreachableError
from serving.schemas import answers
from serving.schemas.openapi import document

ANSWER = {"predictions": []}


@dataclass
class Server:
    """A server on the loopback interface that answers by a script, and records its requests."""

    url: str = ""
    script: list[tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def serving(*script: tuple[int, dict[str, Any], dict[str, str]]) -> Iterator[Server]:
    """Serve; status 0 drops the connection without an answer, and requests after the script succeed."""
    server = Server(script=list(script))

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.requests.append((self.command, self.path, dict(self.headers), body))
            status, content, headers = server.script.pop(0) if server.script else (200, ANSWER, {})
            if not status:
                self.connection.close()
                return
            text = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _answer  # noqa: N815 - what http.server calls

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def client(server: Server, pauses: list[float], **options: Any) -> Client:
    return Client(server.url, timeout=5.0, sleep=pauses.append, **options)


def test_it_repeats_the_same_request() -> None:
    """After dropped connections, 503 and 429 the same body goes out under the same key, until there is an answer."""
    pauses: list[float] = []
    unavailable = {"error": "unavailable"}
    with serving((0, {}, {}), (503, unavailable, {}), (429, unavailable, {}), (503, unavailable, {})) as server:
        assert client(server, pauses).predict(["m1"]) == ANSWER
    assert len(server.requests) == 5
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in server.requests}) == 1
    assert {body for *_, body in server.requests} == {b'{"assets":["m1"]}'}
    assert all(0.125 * 2**n <= pause <= 0.25 * 2**n for n, pause in enumerate(pauses))


def test_it_waits_as_long_as_the_endpoint_asks() -> None:
    """Retry-After is honoured where it is longer than its own pause, within reason."""
    pauses: list[float] = []
    with serving((503, {}, {"Retry-After": "7"}), (503, {}, {"Retry-After": "86400"})) as server:
        client(server, pauses).predict(["m1"])
    assert pauses == [7.0, 30.0]


def test_two_requests_have_two_keys_and_a_given_key_is_kept() -> None:
    """Each call is a request of its own, unless the caller gives it the key of another."""
    with serving() as server, client(server, []) as endpoint:
        endpoint.predict(["m1"])
        endpoint.predict(["m1"])
        endpoint.report([{"work_order_id": "w1"}], idempotency_key="shift-7")
    keys = [headers["Idempotency-Key"] for _, _, headers, _ in server.requests]
    assert keys[0] != keys[1]
    assert keys[2] == "shift-7"


def test_a_refused_request_is_not_repeated() -> None:
    """What the caller has to fix is raised at once, with the field's path."""
    refused = {
        "error": "unprocessable",
        "field": "assets[0]",
        "found": "the number 1",
        "expected": "a name",
        "remedy": "Correct the field",
    }
    with serving((422, refused, {})) as server, pytest.raises(RefusedError) as caught:
        client(server, []).predict(["m1"])
    assert (caught.value.status, caught.value.field) == (422, "assets[0]")
    assert len(server.requests) == 1


def test_it_gives_up_in_the_end() -> None:
    """After so many tries it raises with the last failure, and waits no longer."""
    pauses: list[float] = []
    with (
        serving(*[(503, {"found": "no champion"}, {})] * 9) as server,
        pytest.raises(UnreachableError, match="champion"),
    ):
        client(server, pauses, tries=3).model()
    assert (len(server.requests), len(pauses)) == (3, 2)
    with pytest.raises(UnreachableError, match="ConnectError"):
        Client("http://127.0.0.1:9", tries=2, sleep=pauses.append).model()


def test_names_are_quoted_and_the_token_is_shown() -> None:
    """An asset's name cannot become another path; the token goes out with every request."""
    with serving() as server, client(server, [], token="fw_abc") as endpoint:  # noqa: S106 - no real token
        endpoint.history("a/../b c", limit=3)
        endpoint.why("x?y")
    assert [path for _, path, *_ in server.requests] == ["/assets/a%2F..%2Fb%20c/history?limit=3", "/why/x%3Fy"]
    assert {headers["Authorization"] for _, _, headers, _ in server.requests} == {"Bearer fw_abc"}


METHODS = {
    "predict": ("/predict", "post"),
    "worklist": ("/worklist", "post"),
    "report": ("/work-orders", "post"),
    "assets": ("/assets", "get"),
    "history": ("/assets/{asset}/history", "get"),
    "why": ("/why/{prediction_id}", "get"),
    "model": ("/model", "get"),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_returns_the_answer_that_the_document_describes(name: str) -> None:
    """Its type is the declaration that the endpoint's schema of that route is generated from."""
    path, verb = METHODS[name]
    content = document()["paths"][path][verb]["responses"]["200"]["content"]
    declared = getattr(answers, getattr(Client, name).__annotations__["return"])
    assert content["application/json"]["schema"]["$ref"].endswith(f"/{declared.__name__}")


@pytest.mark.parametrize("module", ["serving.client", "serving.schemas.answers"])
def test_it_needs_nothing_of_the_endpoint(module: str) -> None:
    """A scheduler that imports the client, or its answers' types, loads neither the endpoint nor its platforms."""
    heavy = ["pandas", "numpy", "sqlalchemy", "bentoml", "lightgbm", "serving.http", "data_contracts"]
    script = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_it_asks_the_real_endpoint(endpoint: Any, fleet: Any) -> None:
    """Predictions, the model, and a repeated request under the same key, from the endpoint itself."""
    with Client(endpoint.url) as client:
        first = client.predict(fleet.assets[:3], as_of="2015-01-06T00:00:00Z", idempotency_key="one")
        again = client.predict(fleet.assets[:3], as_of="2015-01-06T00:00:00Z", idempotency_key="one")
        assert [entry["asset"] for entry in first["predictions"]] == list(fleet.assets[:3])
        assert again == first
        assert client.model()["version"] == first["predictions"][0]["model_version"]
        why = client.why(first["predictions"][0]["prediction_id"])
        assert why["probability"] == first["predictions"][0]["probability"]
        with pytest.raises(RefusedError) as caught:
            client.predict([])
        assert caught.value.field == "assets"
