"""ASGI middleware: authentication, rate limits, timeout, error format, access log."""

import asyncio
import json
import math
import re
import time
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http import metrics, request_context, request_log, version
from serving.http.callers.authentication import (
    OPEN_PATHS,
    PUBLIC_FOLDERS,
    PUBLIC_PATHS,
    Authenticator,
    check_scope,
    is_public,
)
from serving.http.callers.local_callers import check_local_caller
from serving.http.callers.rate_limits import RateLimit
from serving.http.errors import (
    NOT_ALLOWED,
    NOT_FOUND,
    TOO_LARGE,
    TOO_MANY,
    UNAVAILABLE,
    UNSUPPORTED,
    ApiError,
    to_api_error,
    unavailable,
)
from serving.http.load_balancing import WorkerLoad, single_worker
from serving.http.request_trace import HEADER, RequestTrace, trace_request
from serving.http.responses import API_ERROR_HEADER, error_response
from serving.settings import Settings

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_ROUTES = ("/predict", "/worklist", "/work-orders", "/twins", "/model", "/metrics", *PUBLIC_PATHS, *OPEN_PATHS)
_ROUTES_BY_PREFIX = {
    "/assets/": "/assets/{asset}/history",
    "/why/": "/why/{prediction_id}",
    "/twins/": "/twins/{asset}",
    **{folder: f"{folder}{{name}}" for folder in PUBLIC_FOLDERS},
    "/ui/machines/": "/ui/machines/{asset}",
    "/ui/": "/ui/{page}",
}
_FIRST_ERROR_STATUS = 400
_VERSION = "/v1"
_CONCURRENT_TOKEN_CHECKS = 4


class RequestMiddleware:
    """Admit requests to an ASGI app, and give every error one format.

    `authenticator` is None where no tokens are needed. `load` is called at the first request, when the worker knows its
    number.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        authenticator: Authenticator | None,
        load: Callable[[], WorkerLoad] = single_worker,
    ) -> None:
        self._app = app
        self._settings = settings
        self._authenticator = authenticator
        self._load = lru_cache(maxsize=1)(load)
        # Each worker sees its share of a caller's requests.
        self._rate_limit = RateLimit(settings.rate_per_second / settings.workers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI calls it."""
        if scope["type"] == "websocket":
            # There are none; BentoML must not see what was neither authenticated nor counted.
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = without_version(scope)
        route = route_of(scope["path"])
        with trace_request(scope, route, is_traced=route not in OPEN_PATHS) as trace:
            await self._answer(scope, receive, send, route, trace)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, route: str, trace: RequestTrace) -> None:
        started = time.perf_counter()
        request_id = Headers(scope=scope).get("x-request-id", "")
        own_id = request_id if _REQUEST_ID.fullmatch(request_id) else uuid.uuid4().hex
        context = request_context.begin(own_id, self._settings.timeout_seconds, trace.trace_id)
        load = self._load()
        sender = _ResponseSender(send, context.request_id, trace, load, self._settings.retry_after_seconds)
        load.enter()
        try:
            await self._admit(scope, context)
            async with asyncio.timeout(self._settings.timeout_seconds):
                await self._app(scope, receive, sender.send)
        except TimeoutError:
            if sender.status:
                raise  # the response has begun
            timeout = unavailable(f"no answer within {self._settings.timeout_seconds:g} s", "an answer by then")
            await error_response(timeout, self._settings)(scope, receive, sender.send)
        except Exception as error:
            if sender.status:
                raise  # the response has begun
            await error_response(to_api_error(error), self._settings)(scope, receive, sender.send)
        finally:
            load.leave()
            seconds = time.perf_counter() - started
            trace.span.end_with(sender.status)
            if route not in OPEN_PATHS:
                metrics.REQUEST_SECONDS.labels(route, str(sender.status)).observe(seconds)
                request_log.log_request(context, scope["method"], route, sender.status, seconds)

    async def _admit(self, scope: Scope, context: request_context.RequestContext) -> None:
        path, headers = scope["path"], Headers(scope=scope)
        if path in OPEN_PATHS:
            return
        client = scope["client"][0] if scope.get("client") else request_context.ANYONE
        if self._authenticator is None or is_public(path):
            if self._authenticator is None and self._settings.auth == "auto":
                check_local_caller(scope)
            self._check_rate(client)
        else:
            authorization = headers.get("authorization")
            token = self._authenticator.cached_token(authorization)
            if token is None:
                # Limited by address before the records are read, so that guessing tokens is slow.
                self._check_rate(client)
                check, limiter = self._authenticator.authenticate, _token_check_limiter()
                token = await to_thread.run_sync(check, authorization, limiter=limiter)
            context.caller, context.scopes = token.name, token.scopes
            check_scope(token, path, scope["method"])
            self._check_rate(token.name)
        size = headers.get("content-length", "")
        if size.isdigit() and int(size) > self._settings.max_body_bytes:
            limit = f"at most {self._settings.max_body_bytes} bytes"
            raise ApiError(TOO_LARGE, None, f"{size} bytes", limit, "Send several requests")

    def _check_rate(self, caller: str) -> None:
        seconds = self._rate_limit.take(caller)
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
def _token_check_limiter() -> CapacityLimiter:
    """Give token checks threads of their own, so that they do not wait for long requests such as worklists."""
    return CapacityLimiter(_CONCURRENT_TOKEN_CHECKS)


def without_version(scope: Scope) -> Scope:
    """Return a request of ``/v1/predict`` as one of ``/predict``: the paths from before there were versions stay."""
    path: str = scope["path"]
    if not path.startswith(_VERSION + "/"):
        return scope
    raw: bytes = scope.get("raw_path") or path.encode()
    return {**scope, "path": path.removeprefix(_VERSION), "raw_path": raw.removeprefix(_VERSION.encode())}


def route_of(path: str) -> str:
    """Return the route of a path, without anything a caller put into it; ``"other"`` if it is none of ours.

    Examples
    --------
    >>> route_of("/why/7f3a"), route_of("/predict"), route_of("/etc/passwd")
    ('/why/{prediction_id}', '/predict', 'other')
    """
    by_prefix = next((route for prefix, route in _ROUTES_BY_PREFIX.items() if path.startswith(prefix)), "other")
    return path if path in _ROUTES else by_prefix


class _ResponseSender:
    """Send a response on, its errors in our format, and keep its status."""

    def __init__(self, send: Send, request_id: str, trace: RequestTrace, load: WorkerLoad, retry_after: int) -> None:
        self.status = 0
        self._send = send
        self._request_id = request_id
        self._trace = trace
        self._load = load
        self._retry_after = retry_after
        self._replacement: bytes | None = None

    async def send(self, message: Message) -> None:
        """Send one ASGI message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": list(message.get("headers", ()))}
            headers = MutableHeaders(raw=message["headers"])
            headers["X-Request-Id"] = self._request_id
            if self._trace.span.traceresponse:
                headers[HEADER] = self._trace.span.traceresponse
            headers[version.HEADER] = version.VERSION
            # A caller over this worker's rate limit may reach another worker with its next connection.
            if self._load.is_busier() or self.status == TOO_MANY:
                headers["Connection"] = "close"
            is_ours = API_ERROR_HEADER in headers
            del headers[API_ERROR_HEADER]
            if self.status >= _FIRST_ERROR_STATUS and not is_ours:
                self._replacement = _error_body(self.status)
                headers["Content-Type"] = "application/json"
                headers["Content-Length"] = str(len(self._replacement))
                if self.status == UNAVAILABLE:
                    headers.setdefault("Retry-After", str(self._retry_after))
        elif message["type"] == "http.response.body" and self._replacement is not None:
            # BentoML's own error body is dropped: it has another format, and may reveal too much.
            message = {"type": "http.response.body", "body": self._replacement, "more_body": False}
            if not self._replacement:
                return
            self._replacement = b""
        await self._send(message)


def _error_body(status: int) -> bytes:
    found, expected, remedy = _MESSAGES.get(
        status, ("this request could not be answered", "an answer", "Tell the operator; see the log")
    )
    content: dict[str, Any] = ApiError(status, None, found, expected, remedy).to_dict()
    return json.dumps(content, separators=(",", ":")).encode()


_MESSAGES = {
    NOT_FOUND: ("an unknown path", "one that /docs.json describes", "See /docs.json"),
    UNSUPPORTED: ("a body of another content type", "application/json", "Send JSON with that content type"),
    NOT_ALLOWED: ("a method that this path does not accept", "one that /docs.json describes", "See /docs.json"),
}
