"""The endpoint's door, which every request and every answer passes.

It knows tokens and limits, gives every error one shape, and logs.
"""

import asyncio
import json
import math
import re
import time
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http import metrics, request_context, request_log
from serving.http.authentication import OPEN_PATHS, Access, check_scope, tokens_needed
from serving.http.errors import (
    FORBIDDEN,
    NOT_ALLOWED,
    NOT_FOUND,
    TOO_LARGE,
    TOO_MANY,
    UNAVAILABLE,
    UNSUPPORTED,
    ApiError,
    from_error,
    unavailable,
)
from serving.http.load_balancing import Balance, alone
from serving.http.rate_limits import RateLimit
from serving.http.responses import OURS, error_response
from serving.settings import Settings

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_ROUTES = ("/predict", "/worklist", "/work-orders", "/model", "/docs.json", "/metrics", *OPEN_PATHS)
_ROUTES_BELOW = {"/assets/": "/assets/{asset}/history", "/why/": "/why/{prediction_id}"}
_ERRORS_FROM = 400
_FROM_ELSEWHERE: Final = ("origin", "forwarded", "x-forwarded-for")
_CHECKS_AT_ONCE = 4


class RequestMiddleware:
    """Let requests in, or say why not.

    Parameters
    ----------
    app
        What is behind the door.
    settings
        The endpoint's settings.
    access
        Checks tokens; None where none are asked for.
    balance
        Tells how busy the workers are; called with the first request, when the worker knows its number.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, access: Access | None, balance: Callable[[], Balance] = alone
    ) -> None:
        self._app = app
        self._settings = settings
        self._access = access
        # Each worker sees its share of a caller's requests.
        self._balance = lru_cache(maxsize=1)(balance)
        self._rate = RateLimit(settings.rate_per_second / settings.workers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks for it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        notes = request_context.begin(given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex)
        balance = self._balance()
        told = _ResponseSender(send, notes.request_id, balance, self._settings.retry_after_seconds)
        balance.enter()
        try:
            await self._admit(scope, notes)
            async with asyncio.timeout(self._settings.timeout_seconds):
                await self._app(scope, receive, told.send)
        except TimeoutError:
            if told.status:
                raise  # too late to say anything else
            late = unavailable(f"no answer within {self._settings.timeout_seconds:g} s", "an answer by then")
            await error_response(late, self._settings)(scope, receive, told.send)
        except Exception as error:
            if told.status:
                raise  # too late to say anything else
            await error_response(from_error(error), self._settings)(scope, receive, told.send)
        finally:
            balance.leave()
            seconds = time.perf_counter() - started
            route = route_of(scope["path"])
            if route not in OPEN_PATHS:
                metrics.REQUEST_SECONDS.labels(route, str(told.status)).observe(seconds)
                request_log.tell(notes, scope["method"], route, told.status, seconds)

    async def _admit(self, scope: Scope, notes: request_context.RequestContext) -> None:
        path, headers = scope["path"], Headers(scope=scope)
        if path in OPEN_PATHS:
            return
        client = scope["client"][0] if scope.get("client") else request_context.ANYONE
        if self._access is None:
            if self._settings.auth == "auto":
                _check_from_here(headers)
            self._limit(client)
        else:
            shown = headers.get("authorization")
            token = self._access.remembered(shown)
            if token is None:
                # Whoever tries out tokens is held up before the records are asked.
                self._limit(client)
                token = await to_thread.run_sync(self._access.check, shown, limiter=_checking())
            notes.caller = token.name
            check_scope(token, path)
            self._limit(token.name)
        size = headers.get("content-length", "")
        if size.isdigit() and int(size) > self._settings.max_body_bytes:
            limit = f"at most {self._settings.max_body_bytes} bytes"
            raise ApiError(TOO_LARGE, None, f"{size} bytes", limit, "Send several requests")

    def _limit(self, caller: str) -> None:
        seconds = self._rate.wait(caller)
        if seconds:
            raise ApiError(
                TOO_MANY,
                None,
                "too many requests",
                f"at most {self._settings.rate_per_second:g} a second",
                "Try again later",
                retry_after=math.ceil(seconds),
            )


@lru_cache(maxsize=1)
def _checking() -> CapacityLimiter:
    """Give those who check tokens threads of their own: they shall not wait for those who plan."""
    return CapacityLimiter(_CHECKS_AT_ONCE)


def _check_from_here(headers: Headers) -> None:
    """Refuse what comes from elsewhere, where no tokens are asked for because only this machine can ask.

    A proxy on this machine lets others in, and so does a browser that shows their pages: both say so.
    """
    told = next((name for name in _FROM_ELSEWHERE if name in headers), None)
    if told is None and not tokens_needed("auto", _host_named(headers.get("host", "localhost"))):
        return
    found = f"a request with the header {told}" if told else "a request to another host's name"
    expected = "a program of this machine, since no tokens are asked for"
    raise ApiError(FORBIDDEN, None, found, expected, "Serve with FOREWARN_SERVE_AUTH=on, and show a token")


def _host_named(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def route_of(path: str) -> str:
    """Return the route of a path, without what a caller put into it.

    Parameters
    ----------
    path
        The path.

    Returns
    -------
    str
        One of a few; ``"other"`` for what is none of ours.

    Examples
    --------
    >>> route_of("/why/7f3a"), route_of("/predict"), route_of("/etc/passwd")
    ('/why/{prediction_id}', '/predict', 'other')
    """
    below = next((route for start, route in _ROUTES_BELOW.items() if path.startswith(start)), "other")
    return path if path in _ROUTES else below


class _ResponseSender:
    """Pass an answer on, in our shape, and remember its status."""

    def __init__(self, send: Send, request_id: str, balance: Balance, retry_after: int) -> None:
        self.status = 0
        self._send = send
        self._request_id = request_id
        self._balance = balance
        self._retry_after = retry_after
        self._instead: bytes | None = None

    async def send(self, message: Message) -> None:
        """Pass one message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": list(message.get("headers", ()))}
            headers = MutableHeaders(raw=message["headers"])
            headers["X-Request-Id"] = self._request_id
            # Who was refused for asking this worker too often may find another with his next connection.
            if self._balance.is_busier() or self.status == TOO_MANY:
                headers["Connection"] = "close"
            is_ours = OURS in headers
            del headers[OURS]
            if self.status >= _ERRORS_FROM and not is_ours:
                self._instead = _in_our_shape(self.status)
                headers["Content-Type"] = "application/json"
                headers["Content-Length"] = str(len(self._instead))
                if self.status == UNAVAILABLE:
                    headers.setdefault("Retry-After", str(self._retry_after))
        elif message["type"] == "http.response.body" and self._instead is not None:
            # What the server below wrote about an error is for nobody: its shape is another, and it may tell too much.
            message = {"type": "http.response.body", "body": self._instead, "more_body": False}
            if not self._instead:
                return
            self._instead = b""
        await self._send(message)


def _in_our_shape(status: int) -> bytes:
    found, expected, remedy = _WORDS.get(
        status, ("this request could not be answered", "an answer", "Tell the operator; the log says why")
    )
    content: dict[str, Any] = ApiError(status, None, found, expected, remedy).to_dict()
    return json.dumps(content, separators=(",", ":")).encode()


_WORDS = {
    NOT_FOUND: ("an unknown path", "one of those that /docs.json describes", "Look there"),
    UNSUPPORTED: ("a body of another content type", "application/json", "Send JSON, and say so"),
    NOT_ALLOWED: ("a method that this path does not take", "one that /docs.json describes", "Look there"),
}
