"""The middleware: tokens, scopes, limits, one error format, and a log without secrets."""

import asyncio
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from data_contracts.errors import StorageError
from data_contracts.records.records import open_records
from data_contracts.records.records_handle import RecordsHandle
from data_contracts.records.tokens import create_token, find_token, revoke_token
from serving.http import request_context
from serving.http.callers.authentication import Authenticator, tokens_needed
from serving.http.callers.rate_limits import RateLimit
from serving.http.errors import LOGGER, ApiError
from serving.http.middleware import RequestMiddleware
from serving.http.responses import read_body
from serving.settings import Settings
from serving.worker_context import now

PATHS = {
    "predict": [("POST", "/predict"), ("POST", "/worklist")],
    "report": [("POST", "/work-orders")],
    "any": [("GET", "/model"), ("GET", "/metrics"), ("GET", "/nowhere"), ("GET", "/why/1")],
}
EVERY = [path for paths in PATHS.values() for path in paths]


async def _answer(request: Request) -> Response:
    context = request_context.current()
    context.predictions.extend(["p1", "p2"])
    return JSONResponse({"caller": context.caller, "size": len(await request.body())})


async def _break(_: Request) -> Response:
    raise RuntimeError("secret of /home/x")


async def _other_shape(request: Request) -> Response:
    status = int(request.query_params["status"])
    return JSONResponse(["Traceback of /home/x"], status_code=status)


async def _take_long(_: Request) -> Response:
    await asyncio.sleep(30.0)
    return JSONResponse({})


async def _plain_error(_: Request) -> Response:
    return PlainTextResponse("Traceback (most recent call last): /home/x", status_code=500)


BEHIND = Starlette(
    routes=[
        *(Route(path, _answer, methods=[method]) for method, path in EVERY if path != "/nowhere"),
        Route("/livez", _answer),
        Route("/broken", _break),
        Route("/plain", _plain_error),
        Route("/other", _other_shape),
        Route("/slow", _take_long),
    ]
)


@pytest.fixture
def records(tmp_path: Path) -> sa.Engine:
    return open_records(f"sqlite:///{tmp_path / 'records.db'}")


@pytest.fixture
def authenticator(records: sa.Engine) -> Authenticator:
    return Authenticator(lambda secret, at: find_token(records, secret, at=at), now)


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """Give what is logged while the test runs."""
    lines: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = lines.append  # type: ignore[method-assign] # the shortest handler there is
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    yield lines
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(level)


def ask(
    middleware: RequestMiddleware, method: str, path: str, *, token: str | None = None, **options: object
) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app=middleware, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        headers |= options.pop("headers", {})  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, headers=headers, **options)  # type: ignore[arg-type]

    return asyncio.run(go())


@pytest.mark.parametrize(("method", "path"), EVERY)
def test_every_path_needs_a_valid_token(
    authenticator: Authenticator, records: sa.Engine, method: str, path: str
) -> None:
    """No token, a made-up one, one that was revoked, and another scheme: 401 everywhere, unknown paths too."""
    middleware = RequestMiddleware(BEHIND, Settings(), authenticator)
    revoked = create_token(records, "gone", ["admin"], at=now())
    revoke_token(records, "gone", at=now())
    for token in (None, "fw_made-up", revoked, "", "x" * 5_000):
        answer = ask(middleware, method, path, token=token)
        assert answer.status_code == 401, token
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert set(answer.json()) == {"error", "field", "found", "expected", "remedy"}
    assert ask(middleware, method, path, headers={"Authorization": "Basic abc"}).status_code == 401


def test_a_revoked_token_is_refused_within_two_seconds(authenticator: Authenticator, records: sa.Engine) -> None:
    """A token that was just used is remembered for a second at most."""
    middleware = RequestMiddleware(BEHIND, Settings(), authenticator)
    secret = create_token(records, "scheduler", ["predict"], at=now())
    assert ask(middleware, "POST", "/predict", token=secret).status_code == 200
    revoke_token(records, "scheduler", at=now())
    ends = pd.Timestamp.now("UTC") + pd.Timedelta("2s")
    while ask(middleware, "POST", "/predict", token=secret).status_code != 401:
        assert pd.Timestamp.now("UTC") < ends


@pytest.mark.parametrize("scope", ["predict", "report", "admin"])
def test_scopes(authenticator: Authenticator, records: sa.Engine, scope: str) -> None:
    """A token opens what its scope names and what any token may see; admin opens all; the rest is 403."""
    middleware = RequestMiddleware(BEHIND, Settings(), authenticator)
    secret = create_token(records, "one", [scope], at=now())
    for needed, paths in PATHS.items():
        for method, path in paths:
            status = ask(middleware, method, path, token=secret).status_code
            opens = needed == "any" or scope in (needed, "admin")
            assert status == (404 if path == "/nowhere" else 200 if opens else 403), (needed, path)


def test_the_health_needs_no_token(authenticator: Authenticator) -> None:
    """Supervisors check the health without a token."""
    assert ask(RequestMiddleware(BEHIND, Settings(), authenticator), "GET", "/livez").status_code == 200


def test_the_caller_is_known_behind_the_middleware(authenticator: Authenticator, records: sa.Engine) -> None:
    """The token's name is in the request's context; without tokens it is anyone."""
    secret = create_token(records, "scheduler", ["predict"], at=now())
    assert (
        ask(RequestMiddleware(BEHIND, Settings(), authenticator), "POST", "/predict", token=secret).json()["caller"]
        == "scheduler"
    )
    assert (
        ask(RequestMiddleware(BEHIND, Settings(), None), "POST", "/predict").json()["caller"] == request_context.ANYONE
    )


def test_records_that_are_down_are_503() -> None:
    """Where tokens cannot be checked, callers are rejected and may try again."""

    def down(_: str, __: pd.Timestamp) -> None:
        raise StorageError("the records at /secret/place are down", "records", "Start them")

    answer = ask(RequestMiddleware(BEHIND, Settings(), Authenticator(down, now)), "POST", "/predict", token="fw_x")  # noqa: S106 - it is none
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "/secret" not in answer.text


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    """The size in the head of the request is enough to refuse it."""
    answer = ask(RequestMiddleware(BEHIND, Settings(max_body_bytes=10), None), "POST", "/predict", content=b"x" * 11)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    assert ask(
        RequestMiddleware(BEHIND, Settings(max_body_bytes=10), None), "POST", "/predict", content=b"x" * 10
    ).is_success


def test_a_caller_that_hangs_up_is_no_error_of_the_endpoint() -> None:
    """Before its body's end: an alert on 5xx must not wake anybody for it."""
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    with pytest.raises(ApiError) as error:
        asyncio.run(read_body(Request({"type": "http", "headers": []}, receive), 10))
    assert (error.value.status, error.value.to_dict()["error"]) == (499, "closed")


def test_a_web_socket_is_refused() -> None:
    """Nothing behind the middleware hears of it, for it came without a token."""
    sent: list[Any] = []

    async def note(message: Any) -> None:
        sent.append(message)

    async def never(*_: object) -> None:
        raise AssertionError

    middleware = RequestMiddleware(never, Settings(), None)
    asyncio.run(middleware({"type": "websocket", "path": "/predict", "headers": []}, never, note))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close"}]


def test_too_many_requests_get_retry_after() -> None:
    """A burst is let through, then 429 with Retry-After; other callers do not suffer for it."""
    middleware = RequestMiddleware(BEHIND, Settings(rate_per_second=2.0), None)
    statuses = [ask(middleware, "POST", "/predict").status_code for _ in range(6)]
    assert statuses[:4] == [200] * 4
    assert 429 in statuses[4:]
    answer = ask(middleware, "POST", "/predict")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) == 1


def test_the_bucket_fills_again() -> None:
    """Exactly the rate gets through in the long run, and a burst is two seconds' worth at most."""
    time = [0.0]
    limit = RateLimit(5.0, lambda: time[0])
    let_in = 0
    for step in range(10_000):
        time[0] = step / 100
        let_in += limit.take("one") == 0
    assert abs(let_in - (5 * 100 + 10)) <= 1
    time[0] += 1e6
    assert sum(limit.take("one") == 0 for _ in range(100)) == 10
    assert limit.take("other") == 0


@pytest.mark.parametrize("path", ["/nowhere", "/broken", "/plain"])
def test_every_error_has_our_format(path: str) -> None:
    """Unknown paths, exceptions and errors of the server below: JSON, and no path or stack."""
    answer = ask(RequestMiddleware(BEHIND, Settings(), None), "GET", path)
    assert answer.status_code == (404 if path == "/nowhere" else 500)
    assert set(answer.json()) == {"error", "field", "found", "expected", "remedy"}
    assert "/home" not in answer.text
    assert "Traceback" not in answer.text
    assert ask(RequestMiddleware(BEHIND, Settings(), None), "PUT", "/predict").json()["error"] == "not_allowed"


def test_the_log_names_predictions_and_no_secret(
    authenticator: Authenticator, records: sa.Engine, logged: list[logging.LogRecord]
) -> None:
    """A line a request: who, what, how long, which predictions; never the token, nor what was written into the path."""
    secret = create_token(records, "scheduler", ["admin"], at=now())
    middleware = RequestMiddleware(BEHIND, Settings(), authenticator)
    assert ask(middleware, "POST", "/predict", token=secret, headers={"X-Request-Id": "plan-7"}).is_success
    ask(middleware, "GET", "/why/1?token=" + secret, token=secret)
    ask(middleware, "GET", "/" + secret, token=secret)
    first = vars(logged[0])
    assert (first["request_id"], first["caller"], first["route"], first["status"]) == (
        "plan-7",
        "scheduler",
        "/predict",
        200,
    )
    assert first["prediction_ids"] == ["p1", "p2"]
    log = json.dumps([vars(line) for line in logged], default=str)
    assert "scheduler" in log
    assert secret not in log


def test_a_request_id_is_given_back() -> None:
    """The caller's own id comes back; what could break a log line is replaced."""
    middleware = RequestMiddleware(BEHIND, Settings(), None)
    assert ask(middleware, "GET", "/model", headers={"X-Request-Id": "plan-7"}).headers["X-Request-Id"] == "plan-7"
    assert len(ask(middleware, "GET", "/model", headers={"X-Request-Id": "a b{}"}).headers["X-Request-Id"]) == 32


@pytest.mark.parametrize(
    ("auth", "host", "needed"),
    [
        ("auto", "127.0.0.1", False),
        ("auto", "::1", False),
        ("auto", "localhost", False),
        ("auto", "0.0.0.0", True),  # noqa: S104 - that is the point
        ("auto", "10.0.0.7", True),
        ("off", "10.0.0.7", False),
        ("on", "127.0.0.1", True),
    ],
)
def test_tokens_are_needed_by_default_where_others_can_connect(auth: str, host: str, needed: bool) -> None:
    """On by default outside loopback."""
    assert tokens_needed(auth, host) is needed


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"X-Forwarded-For": "10.0.0.7"},
        {"X-Forwarded-Host": "plant.example"},
        {"X-Forwarded-Proto": "https"},
        {"Forwarded": "for=10.0.0.7"},
        {"Via": "1.1 proxy"},
        {"X-Real-IP": "10.0.0.7"},
        {"CF-Connecting-IP": "10.0.0.7"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:3001"},
        {"Origin": "null"},
        {"Host": "plant.example:3000"},
        {"Host": "[::1"},
    ],
)
def test_without_tokens_only_this_machine_may_call(headers: dict[str, str]) -> None:
    """A proxy and a browser's page are elsewhere, though the connection comes from here; tokens allow them."""
    refused = ask(RequestMiddleware(BEHIND, Settings(), None), "POST", "/work-orders", headers=headers)
    assert refused.status_code == 403
    assert "FOREWARN_SERVE_AUTH=on" in refused.json()["remedy"]
    assert (
        ask(RequestMiddleware(BEHIND, Settings(auth="off"), None), "POST", "/work-orders", headers=headers).status_code
        == 200
    )
    for host in ("localhost:3000", "127.0.0.1", "[::1]:3000"):
        answer = ask(RequestMiddleware(BEHIND, Settings(), None), "POST", "/work-orders", headers={"Host": host})
        assert answer.status_code == 200, host


@pytest.mark.parametrize(
    ("method", "path", "dest", "status"),
    [
        ("GET", "/ui/fleet", "document", 200),
        ("GET", "/ui/fleet", "iframe", 403),
        ("GET", "/ui/fleet", "empty", 403),
        ("POST", "/ui/fleet", "document", 403),
        ("GET", "/model", "document", 403),
    ],
)
def test_without_tokens_a_link_to_a_page_may_be_followed(method: str, path: str, dest: str, status: int) -> None:
    """From another site's page, by somebody on this machine: that page sees nothing of what is shown."""
    routes = [Route("/ui/fleet", _answer, methods=["GET", "POST"]), Route("/model", _answer)]
    middleware = RequestMiddleware(Starlette(routes=routes), Settings(), None)
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": dest}
    assert ask(middleware, method, path, headers=headers).status_code == status


def test_without_tokens_the_endpoint_s_own_pages_may_call() -> None:
    """A browser says of its own pages' requests where they come from."""
    headers = {"Host": "localhost:3000", "Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-origin"}
    assert ask(RequestMiddleware(BEHIND, Settings(), None), "POST", "/work-orders", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("client", "status"),
    [
        (("127.0.0.1", 4711), 200),
        (("::1", 4711), 200),
        (("::ffff:127.0.0.1", 4711), 200),
        (None, 200),  # a Unix socket
        (("10.0.0.7", 4711), 403),
        (("::ffff:10.0.0.7", 4711), 403),
        (("fd00::7", 4711), 403),
    ],
)
def test_without_tokens_the_connection_comes_from_here(client: tuple[str, int] | None, status: int) -> None:
    """Whatever the endpoint listens on."""
    middleware = RequestMiddleware(BEHIND, Settings(), None)

    async def go() -> int:
        transport = httpx.ASGITransport(app=middleware, client=client)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as sent:
            return (await sent.post("/work-orders")).status_code

    assert asyncio.run(go()) == status


def test_an_error_of_the_server_below_gets_our_format() -> None:
    """BentoML sends some errors as JSON too; the header that marks ours is removed."""
    below = (("/other?status=415", 415), ("/other?status=503", 503), ("/plain", 500), ("/broken", 500))
    for path, status in below:
        answer = ask(RequestMiddleware(BEHIND, Settings(), None), "GET", path)
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "field", "found", "expected", "remedy"}
        assert "/home" not in answer.text
        assert "x-forewarn-error" not in answer.headers
        assert ("retry-after" in answer.headers) == (status == 503)


def test_a_timeout_is_503_with_retry_after() -> None:
    """In the format of all errors, and logged as such."""
    answer = ask(RequestMiddleware(BEHIND, Settings(timeout_seconds=0.2), None), "GET", "/slow")
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert answer.json()["found"] == "no answer within 0.2 s"
    assert answer.headers["X-Request-Id"]


def test_tokens_are_looked_up_in_the_records_as_they_are_now(tmp_path: Path) -> None:
    """A file restored from a backup is another file: what was revoked in it is revoked."""
    path = tmp_path / "records.db"
    handle = RecordsHandle(f"sqlite:///{path}", 2.0)
    first = open_records(f"sqlite:///{path}")
    secret = create_token(first, "scheduler", ["predict"], at=now())
    assert find_token(handle.engine(), secret, at=now()) is not None
    first.dispose()
    backup = tmp_path / "backup.db"
    with sqlite3.connect(path) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    for name in ("records.db", "records.db-wal", "records.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    backup.rename(path)
    revoke_token(open_records(f"sqlite:///{path}"), "scheduler", at=now())
    assert find_token(handle.engine(), secret, at=now()) is None


def test_a_request_that_was_given_up_stops_computing() -> None:
    """Its caller has had its 503; what goes on in a thread ends at the next step, and stores nothing."""
    stopped, statuses = threading.Event(), []

    def compute() -> None:
        try:
            while True:
                request_context.stop_if_late()
                time.sleep(0.01)
        except ApiError as error:
            statuses.append(error.status)
            stopped.set()
            raise

    async def slow(_: Request) -> Response:
        await run_in_threadpool(compute)
        return Response("never")

    app = RequestMiddleware(Starlette(routes=[Route("/predict", slow)]), Settings(timeout_seconds=0.1), None)
    assert ask(app, "GET", "/predict").status_code == 503
    assert stopped.wait(30)
    assert statuses == [503]
    request_context.stop_if_late()  # outside of a request there is no deadline
