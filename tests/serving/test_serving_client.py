"""The client: it asks the same question again until it is answered, and its types are those of the endpoint."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel

from serving.client import Client, RefusedError, UnreachableError, answers
from serving.schemas import model_schemas, planning_schemas, schemas

ANSWER = {"predictions": []}


@dataclass
class Server:
    """A server on the loopback interface that answers as told, and remembers what it was asked."""

    url: str = ""
    script: list[tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def serving(*script: tuple[int, dict[str, Any], dict[str, str]]) -> Iterator[Server]:
    """Serve; status 0 drops the connection without an answer, and what comes after the script is answered well."""
    server = Server(script=list(script))

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.asked.append((self.command, self.path, dict(self.headers), body))
            status, content, headers = server.script.pop(0) if server.script else (200, ANSWER, {})
            if not status:
                self.connection.close()
                return
            told = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(told)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = _answer  # noqa: N815 - what http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

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


def test_it_asks_the_same_question_again() -> None:
    """After dropped connections, 503 and 429 the same body goes out under the same key, until there is an answer."""
    pauses: list[float] = []
    unavailable = {"error": "unavailable"}
    with serving((0, {}, {}), (503, unavailable, {}), (429, unavailable, {}), (503, unavailable, {})) as server:
        assert client(server, pauses).predict(["m1"]) == ANSWER
    assert len(server.asked) == 5
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in server.asked}) == 1
    assert {body for *_, body in server.asked} == {b'{"assets":["m1"]}'}
    assert all(0.125 * 2**n <= pause <= 0.25 * 2**n for n, pause in enumerate(pauses))


def test_it_waits_as_long_as_it_is_told() -> None:
    """Retry-After is honoured where it is longer than its own pause, within reason."""
    pauses: list[float] = []
    with serving((503, {}, {"Retry-After": "7"}), (503, {}, {"Retry-After": "86400"})) as server:
        client(server, pauses).predict(["m1"])
    assert pauses == [7.0, 30.0]


def test_two_questions_have_two_keys_and_a_given_key_is_kept() -> None:
    """Each call is a question of its own, unless the caller says that it is the same."""
    with serving() as server, client(server, []) as endpoint:
        endpoint.predict(["m1"])
        endpoint.predict(["m1"])
        endpoint.report([{"work_order_id": "w1"}], idempotency_key="shift-7")
    keys = [headers["Idempotency-Key"] for _, _, headers, _ in server.asked]
    assert keys[0] != keys[1]
    assert keys[2] == "shift-7"


def test_a_refusal_is_not_asked_again() -> None:
    """What the caller has to mend is raised at once, with the field's path."""
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
    assert len(server.asked) == 1


def test_it_gives_up_in_the_end() -> None:
    """After so many tries it says what kept it, and waits no longer."""
    pauses: list[float] = []
    with (
        serving(*[(503, {"found": "no champion"}, {})] * 9) as server,
        pytest.raises(UnreachableError, match="champion"),
    ):
        client(server, pauses, tries=3).model()
    assert (len(server.asked), len(pauses)) == (3, 2)
    with pytest.raises(UnreachableError, match="ConnectError"):
        Client("http://127.0.0.1:9", tries=2, sleep=pauses.append).model()


def test_names_are_quoted_and_the_token_is_shown() -> None:
    """An asset's name cannot become another path; the token goes out with every request."""
    with serving() as server, client(server, [], token="fw_abc") as endpoint:  # noqa: S106 - it is none
        endpoint.history("a/../b c", limit=3)
        endpoint.why("x?y")
    assert [path for _, path, *_ in server.asked] == ["/assets/a%2F..%2Fb%20c/history?limit=3", "/why/x%3Fy"]
    assert {headers["Authorization"] for _, _, headers, _ in server.asked} == {"Bearer fw_abc"}


SHAPES = [
    shape
    for module in (schemas, planning_schemas, model_schemas)
    for shape in vars(module).values()
    if isinstance(shape, type) and issubclass(shape, BaseModel) and shape.__module__ == module.__name__
]
ANSWERS = {name: shape for name, shape in vars(answers).items() if isinstance(shape, type) and name[0].isupper()}


@pytest.mark.parametrize("name", sorted(set(ANSWERS) - {"Any", "Literal", "TypedDict"}))
def test_its_types_are_those_of_the_endpoint(name: str) -> None:
    """Each type of an answer has exactly the fields of the endpoint's own shape of that name."""
    shape = next(shape for shape in SHAPES if shape.__name__ == name)
    assert list(get_type_hints(ANSWERS[name])) == list(shape.model_fields)


def test_it_needs_nothing_of_the_endpoint() -> None:
    """A scheduler that imports the client loads neither the endpoint nor what that is built on."""
    heavy = ["pandas", "numpy", "sqlalchemy", "bentoml", "lightgbm", "serving.schemas", "data_contracts"]
    asked = f"import sys, serving.client; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.slow
def test_it_asks_the_real_endpoint(endpoint: Any, fleet: Any) -> None:
    """Predictions, the model, and the same question under the same key, from the endpoint itself."""
    with Client(endpoint.url) as asking:
        first = asking.predict(fleet.assets[:3], as_of="2015-01-06T00:00:00Z", idempotency_key="one")
        again = asking.predict(fleet.assets[:3], as_of="2015-01-06T00:00:00Z", idempotency_key="one")
        assert [entry["asset"] for entry in first["predictions"]] == list(fleet.assets[:3])
        assert again == first
        assert asking.model()["version"] == first["predictions"][0]["model_version"]
        why = asking.why(first["predictions"][0]["prediction_id"])
        assert why["probability"] == first["predictions"][0]["probability"]
        with pytest.raises(RefusedError) as caught:
            asking.predict([])
        assert caught.value.field == "assets"
