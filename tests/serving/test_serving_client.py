"""The client: it repeats a request until it is answered, is what the endpoint describes, and stands alone."""

import asyncio
import json
import pickle
import runpy
import shutil
import subprocess
import sys
import threading
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.requirements import Requirement

import forewarn_client
import serving.client
from forewarn_client import (
    AsyncClient,
    Client,
    EndpointVersionWarning,
    IncompatibleError,
    InvalidRequestError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from forewarn_client.responses import retry_after_of
from serving.http.version import VERSION
from serving.schemas.openapi import document

ANSWER = {"predictions": []}


@dataclass
class Server:
    """A server on the loopback interface that answers by a script, and records its requests."""

    url: str = ""
    script: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def scripted(*script: tuple[int, Any, dict[str, str]]) -> Iterator[Server]:
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
            text = content.encode() if isinstance(content, str) else json.dumps(content).encode()
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


class Awaited:
    """An asynchronous client whose methods are awaited, so that one test is for both clients."""

    def __init__(self, *arguments: Any, sleep: Any = None, **options: Any) -> None:
        async def pause(seconds: float) -> None:
            sleep(seconds)

        self._loop = asyncio.Runner()
        self._client = AsyncClient(*arguments, **options, sleep=pause)

    def __enter__(self) -> "Awaited":
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._client.aclose())
        self._loop.close()

    def __getattr__(self, name: str) -> Any:
        offered = getattr(self._client, name)
        return (lambda *a, **o: self._loop.run(offered(*a, **o))) if callable(offered) else offered


@pytest.fixture(params=[Client, Awaited])
def make(request: pytest.FixtureRequest) -> Any:
    """Return what makes a client of a scripted server, which notes its pauses instead of making them."""

    def make(server: Server, pauses: list[float], **options: Any) -> Any:
        return request.param(server.url, timeout=5.0, sleep=pauses.append, **options)

    return make


def test_it_repeats_the_same_request(make: Any) -> None:
    """After dropped connections, 503 and 429 the same body goes out under the same key, until there is an answer."""
    pauses: list[float] = []
    unavailable = {"error": "unavailable"}
    script = [(0, {}, {}), (503, unavailable, {}), (429, unavailable, {}), (503, unavailable, {})]
    with scripted(*script) as server, make(server, pauses) as client:
        assert client.predict(["m1"]) == ANSWER
    assert len(server.requests) == 5
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in server.requests}) == 1
    assert {body for *_, body in server.requests} == {b'{"assets":["m1"]}'}
    assert all(0.125 * 2**n <= pause <= 0.25 * 2**n for n, pause in enumerate(pauses))


def test_it_waits_as_long_as_the_endpoint_asks(make: Any) -> None:
    """Retry-After counts where it is longer than its own pause, and only where it is a number or a date."""
    pauses: list[float] = []
    script = [(503, {}, {"Retry-After": "7"}), (429, {}, {"Retry-After": "soon"}), (503, {}, {"Retry-After": "0"})]
    with scripted(*script) as server, make(server, pauses) as client:
        client.predict(["m1"])
    assert pauses[0] == 7.0
    assert max(pauses[1:]) <= 1.0


def test_a_date_to_wait_for_counts_from_that_of_the_answer() -> None:
    """A proxy may write one; the clocks of both machines need not agree."""
    headers = {"Date": "Mon, 02 Mar 2026 06:00:00 GMT", "Retry-After": "Mon, 02 Mar 2026 06:00:09 GMT"}
    assert retry_after_of(httpx.Response(503, headers=headers)) == 9.0
    assert retry_after_of(httpx.Response(503, headers={"Retry-After": headers["Retry-After"]})) is None


def test_it_does_not_come_back_before_it_was_asked_to(make: Any) -> None:
    """Where that is longer than a pause may be, it says when to try again, and sends nothing more."""
    pauses: list[float] = []
    with (
        scripted((503, {}, {"Retry-After": "86400"})) as server,
        make(server, pauses) as client,
        pytest.raises(UnreachableError) as caught,
    ):
        client.predict(["m1"])
    assert (caught.value.retry_after, len(server.requests), pauses) == (86400.0, 1, [])


def test_two_requests_have_two_keys_and_a_given_key_is_kept(make: Any) -> None:
    """Each call is a request of its own, unless the caller gives it the key of another."""
    with scripted() as server, make(server, []) as client:
        client.predict(["m1"])
        client.predict(["m1"])
        client.report([{"work_order_id": "w1"}], idempotency_key="shift-7")
    keys = [headers["Idempotency-Key"] for _, _, headers, _ in server.requests]
    assert keys[0] != keys[1]
    assert keys[2] == "shift-7"


REFUSED = {
    "error": "unprocessable",
    "field": "assets[0]",
    "found": "the number 1",
    "expected": "a name",
    "remedy": "Correct the field",
}


def test_a_refused_request_is_not_repeated(make: Any) -> None:
    """What the caller has to fix is raised at once, with the field's path; it survives a queue of other processes."""
    with (
        scripted((422, REFUSED, {"X-Request-Id": "r-1"})) as server,
        make(server, []) as client,
        pytest.raises(RefusedError) as caught,
    ):
        client.predict(["m1"])
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    for each in (caught.value, error):
        assert (each.status, each.field, each.remedy, each.request_id) == (422, "assets[0]", "Correct the field", "r-1")
    assert str(error) == str(caught.value)
    assert len(server.requests) == 1


def test_it_gives_up_in_the_end(make: Any) -> None:
    """After so many tries it raises with the last failure, and waits no longer; a wrong address is tried once."""
    pauses: list[float] = []
    with (
        scripted(*[(503, {"found": "no champion"}, {})] * 9) as server,
        make(server, pauses, tries=3) as client,
        pytest.raises(UnreachableError, match="champion"),
    ):
        client.model()
    assert (len(server.requests), len(pauses)) == (3, 2)
    with (
        make(Server("http://127.0.0.1:9"), pauses, tries=2) as client,
        pytest.raises(UnreachableError, match="ConnectError"),
    ):
        client.model()


def test_names_are_quoted_and_the_token_is_shown(make: Any) -> None:
    """An asset's name cannot become another path; the token goes out with every request, and into no text."""
    with scripted() as server, make(server, [], token="fw_abc") as client:  # noqa: S106 - no real token
        client.history("a/../b c", limit=3, since=datetime(2026, 1, 1, tzinfo=UTC))
        client.why("x?y")
        assert "fw_abc" not in repr(vars(client))
        with pytest.raises(InvalidRequestError, match="name"):
            client.history("..")
    assert [path.split("&since")[0] for _, path, *_ in server.requests] == [
        "/v1/assets/a%2F..%2Fb%20c/history?since=2026-01-01T00%3A00%3A00%2B00%3A00&limit=3",
        "/v1/why/x%3Fy",
    ]
    assert {headers["Authorization"] for _, _, headers, _ in server.requests} == {"Bearer fw_abc"}


WITHOUT_ZONE = datetime(2026, 1, 1)  # noqa: DTZ001 - what is wrong with it


@pytest.mark.parametrize("windows", [{"v": float("nan")}, {"v": object()}, {"v": "\ud800"}, {"v": WITHOUT_ZONE}])
def test_what_cannot_be_sent_is_said_before_it_is(windows: dict[str, Any]) -> None:
    """NaN, objects that JSON does not know, half a character, and a time without a zone; nothing goes out."""
    with scripted() as server, Client(server.url) as client, pytest.raises(InvalidRequestError) as caught:
        client.predict(windows=[windows])
    assert caught.value.remedy
    assert not server.requests


def test_arrays_and_times_are_sent_as_json() -> None:
    """Readings as they come from numpy and pandas need no loop of the caller's."""
    import numpy as np
    import pandas as pd

    with scripted() as server, Client(server.url) as client:
        client.predict(windows=[{"at": pd.Timestamp("2026-01-01T00:00Z"), "volt": np.array([1.5, 2.0])}])
    assert json.loads(server.requests[0][3]) == {"windows": [{"at": "2026-01-01T00:00:00+00:00", "volt": [1.5, 2.0]}]}


@pytest.mark.parametrize("arguments", [("localhost:3000",), ("ftp://x",), ("http://x", "fw_a\n"), ("http://x", "fw é")])
def test_an_address_or_a_token_that_is_none_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Client(*arguments)
    assert "fw_a" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>Log in</html>", {"Content-Type": "text/html"}),
        (200, "[1]", {}),
        (302, "", {"Location": "https://login"}),
        (404, "<html>nginx</html>", {}),
    ],
)
def test_something_else_at_the_address_is_named(make: Any, answer: tuple[int, Any, dict[str, str]]) -> None:
    """A page, a redirect, another program: no error of ours, nor one of Python's."""
    with (
        scripted(answer) as server,
        make(server, []) as client,
        pytest.raises(UnexpectedAnswerError, match="address") as caught,
    ):
        client.model()
    assert caught.value.found
    assert len(server.requests) == 1


def test_an_endpoint_of_another_release_is_named_once(make: Any) -> None:
    """Newer or older, with what that means; one of the same release is not."""
    newer = [(200, ANSWER, {"Forewarn-Version": "99.1.0"})] * 2
    with scripted(*newer) as server, make(server, []) as client:
        assert client.endpoint_version is None
        with pytest.warns(EndpointVersionWarning, match=r"newer than this client .* Install forewarn-client 99\.1"):
            client.model()
        client.model()  # another warning would be an error
        assert client.endpoint_version == "99.1.0"
    older = (200, ANSWER, {"Forewarn-Version": "0.0.7"})
    with scripted(older) as server, make(server, []) as client, pytest.warns(EndpointVersionWarning, match="older"):
        client.model()
    same = [
        (200, ANSWER, {"Forewarn-Version": f"{VERSION}rc1"}),
        (200, ANSWER, {}),
        (200, ANSWER, {"Forewarn-Version": "x"}),
    ]
    with scripted(*same) as server, make(server, []) as client:
        for _ in same:
            client.model()  # a warning would be an error


def test_a_request_that_an_older_endpoint_does_not_know_is_named(make: Any) -> None:
    """It is told apart from an unknown asset, which is 404 too."""
    unknown_path = {**REFUSED, "error": "not_found", "field": None, "found": "an unknown path"}
    unknown_asset = {**REFUSED, "error": "not_found", "field": "asset"}
    with scripted((404, unknown_path, {}), (404, unknown_asset, {})) as server, make(server, []) as client:
        with pytest.raises(IncompatibleError, match=r"no GET /v1/twins\. .*Upgrade the endpoint"):
            client.twins()
        with pytest.raises(RefusedError) as caught:
            client.twin("m1")
    assert not isinstance(caught.value, IncompatibleError)


def test_health_is_an_answer_also_where_it_is_bad(make: Any) -> None:
    """The endpoint's own 503 is not ready; a proxy's is no health of the endpoint."""
    own = {**REFUSED, "error": "unavailable"}
    named = {"Forewarn-Version": VERSION}
    script = [(200, "", named), (503, own, named), *[(503, "<html>", {})] * 2]
    with scripted(*script) as server, make(server, [], tries=2) as client:
        assert client.health() == forewarn_client.Health(ready=True, version=VERSION)
        assert client.health() == forewarn_client.Health(ready=False, version=VERSION)
        with pytest.raises(UnreachableError):
            client.health()


METHODS = {
    "predict": ("/predict", "post"),
    "worklist": ("/worklist", "post"),
    "report": ("/work-orders", "post"),
    "assets": ("/assets", "get"),
    "history": ("/assets/{asset}/history", "get"),
    "why": ("/why/{prediction_id}", "get"),
    "model": ("/model", "get"),
    "twins": ("/twins", "get"),
    "twin": ("/twins/{asset}", "get"),
    "twin_log": ("/twins/{asset}/log", "get"),
    "override": ("/twins/{asset}", "patch"),
    "roll_back": ("/twins/{asset}/rollback", "post"),
}


def test_every_request_of_the_document_has_a_method_of_its_type() -> None:
    """None is missing, and each returns the type that the document's schema of that answer was made into."""
    described = {
        (path, verb): operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        for path, operations in document()["paths"].items()
        for verb, operation in operations.items()
        if "application/json" in operation["responses"]["200"]["content"]
    }
    assert set(METHODS.values()) == set(described)
    for client in (Client, AsyncClient):
        returned = {route: getattr(client, name).__annotations__["return"] for name, route in METHODS.items()}
        assert {route: f"#/components/schemas/{kind.__name__}" for route, kind in returned.items()} == described
        assert all("Raises" in getattr(client, name).__doc__ for name in METHODS)


def test_its_generated_files_are_as_they_would_be_generated(repository: Path) -> None:
    """The types of answers from the document, the synchronous client from the other; `make reference` writes them."""
    script = runpy.run_path(str(repository / "clients" / "python" / "generate.py"))
    generated: dict[Path, str] = script["generated"]()
    for path, text in generated.items():
        assert path.read_text() == text, path
    folders = {path.parent for path in generated}
    assert {path for folder in folders for path in folder.glob("*.py")} - set(generated) == {
        repository / "clients/python/src/forewarn_client/synchronous/__init__.py"
    }


def test_it_has_the_endpoint_s_version(repository: Path) -> None:
    """Of forewarn, in its metadata, of the answers' header, and of the client: one version."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert {VERSION, forewarn_client.__version__} == {project["version"]}


def test_its_former_name_stays() -> None:
    """What was imported from `serving.client` is the same."""
    assert all(getattr(serving.client, name) is getattr(forewarn_client, name) for name in serving.client.__all__)


_ALONE = """
import asyncio, sys
from forewarn_client import AsyncClient, Client, IncompatibleError, RefusedError

url, asset = sys.argv[1:]
with Client(url) as endpoint:
    first = endpoint.predict([asset], as_of="2015-01-06T00:00:00Z", idempotency_key="alone")
    again = endpoint.predict([asset], as_of="2015-01-06T00:00:00Z", idempotency_key="alone")
    assert again == first and first["predictions"][0]["asset"] == asset
    made = first["predictions"][0]
    assert endpoint.why(made["prediction_id"])["probability"] == made["probability"]
    assert endpoint.model()["version"] == made["model_version"]
    assert asset in [each["asset"] for each in endpoint.assets(limit=1000)["assets"]]
    assert endpoint.history(asset, since="2015-01-01T00:00:00Z")["predictions"]
    assert asset in [each["asset"] for each in endpoint.twins(limit=1000)["twins"]]
    assert endpoint.twin(asset)["revision"] == 0 and endpoint.twin_log(asset)["entries"] == []
    plan = endpoint.worklist(
        days=2, crews={"machines_per_day": 1}, costs={"planned": 1.0, "failure": 20.0}, repair_hours=3.0,
        start="2015-01-06T00:00:00Z", assets=[asset],
    )
    assert plan["days"] == 2
    assert endpoint.health().ready and endpoint.endpoint_version == endpoint.health().version
    try:
        endpoint.predict([])
    except RefusedError as error:
        assert (error.status, error.field) == (422, "assets"), error
    else:
        raise AssertionError

async def ask():
    async with AsyncClient(url) as endpoint:
        return await asyncio.gather(*(endpoint.predict([asset], as_of="2015-01-06T00:00:00Z") for _ in range(3)))

assert {answer["predictions"][0]["probability"] for answer in asyncio.run(ask())} == {made["probability"]}
exec(sys.stdin.read())
print(*sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
"""


def _requirements(name: str) -> Iterator[str]:
    """Yield a distribution and what it needs, as far as it is needed here."""
    yield name
    for line in metadata.requires(name) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from _requirements(requirement.name)


@pytest.mark.slow
def test_it_stands_alone(endpoint: Any, fleet: Any, registry: Any, repository: Path, tmp_path: Path) -> None:
    """The wheel, built from its folder alone, asks the real endpoint in an environment that has httpx and no more."""
    registry.set_alias(fleet.model, "champion", 1)
    source = tmp_path / "python"
    shutil.copytree(repository / "clients" / "python", source, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-index", "--no-deps", "--no-build-isolation", str(source), "-w", str(tmp_path)]
    subprocess.run(build, check=True)
    [wheel] = tmp_path.glob("forewarn_client-*.whl")
    assert wheel.name.startswith(f"forewarn_client-{VERSION}-")
    venv.create(tmp_path / "alone", with_pip=False)
    [packages] = (tmp_path / "alone").glob("lib/python*/site-packages")
    subprocess.run([*pip, "install", "--no-index", "--no-deps", "--target", str(packages), str(wheel)], check=True)
    assert (packages / "forewarn_client" / "py.typed").exists()
    for name in set(_requirements("httpx")):
        for entry in {file.parts[0] for file in metadata.files(name) or () if ".." not in file.parts}:
            (packages / entry).symlink_to(Path(str(metadata.distribution(name).locate_file(entry))))
    example = (source / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    example = example.replace("http://127.0.0.1:3000", endpoint.url).replace("cnc-001", fleet.assets[0])
    command = [str(tmp_path / "alone" / "bin" / "python"), "-I", "-c", _ALONE, endpoint.url, fleet.assets[0]]
    done = subprocess.run(command, input=example, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *shown, imported = done.stdout.splitlines()
    assert any(fleet.assets[0] in line for line in shown), shown
    allowed = {"__main__", "__mp_main__", "forewarn_client", "httpx", "httpcore", "h11", "anyio", "certifi", "idna"}
    assert set(imported.split()) - allowed <= {"sniffio", "typing_extensions", "_distutils_hack"}, imported
