"""ASGI middleware: authentication, rate limits, timeout, error format, access log, the record of who did what."""

import asyncio
import math
import re
import time
import uuid
from collections.abc import Callable
from functools import lru_cache

import pandas as pd
from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http import metrics, request_context, request_log
from serving.http.callers.action_log import ActionLog
from serving.http.callers.authentication import (
    OPEN_PATHS,
    PUBLIC_FOLDERS,
    PUBLIC_PATHS,
    Authenticator,
    check_scope,
    is_public,
)
from serving.http.callers.local_callers import check_local_caller
from serving.http.callers.page_access import PageAccess
from serving.http.callers.page_answers import ErrorPage, page_action, page_error
from serving.http.callers.page_paths import is_page
from serving.http.callers.proxies import Proxies
from serving.http.callers.rate_limits import RateLimit
from serving.http.callers.sessions import Sessions
from serving.http.errors import (
    TOO_LARGE,
    TOO_MANY,
    ApiError,
    to_api_error,
    unavailable,
)
from serving.http.load_balancing import WorkerLoad, single_worker
from serving.http.request_trace import RequestTrace, trace_request
from serving.http.responses import ResponseSender
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
_VERSION = "/v1"
_CONCURRENT_TOKEN_CHECKS = 4


class RequestMiddleware:
    """Admit requests to an ASGI app, and give every error one format.

    `authenticator` is None where no tokens are needed. `load` is called at the first request, when the worker knows its
    number. `sessions` are those of people at the pages; `error_page` shows them an error, `actions` keeps what they do.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        authenticator: Authenticator | None,
        load: Callable[[], WorkerLoad] = single_worker,
        *,
        sessions: Sessions | None = None,
        error_page: ErrorPage | None = None,
        actions: ActionLog | None = None,
    ) -> None:
        self._app = app
        self._settings = settings
        self._authenticator = authenticator
        self._load = lru_cache(maxsize=1)(load)
        self._proxies = Proxies.of(settings)
        self._pages = PageAccess(settings, authenticator, sessions, self._proxies)
        self._error_page = error_page
        self._actions = actions
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
        scope = self._proxies.resolve(without_version(scope))
        route = route_of(scope["path"])
        with trace_request(scope, route, is_traced=route not in OPEN_PATHS) as trace:
            await self._answer(scope, receive, send, route, trace)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, route: str, trace: RequestTrace) -> None:
        started = time.perf_counter()
        request_id = Headers(scope=scope).get("x-request-id", "")
        own_id = request_id if _REQUEST_ID.fullmatch(request_id) else uuid.uuid4().hex
        context = request_context.begin(own_id, self._settings.timeout_seconds, trace.trace_id)
        context.address = scope["client"][0] if scope.get("client") else request_context.ANYONE
        context.secure = scope.get("scheme") == "https"
        context.actions = self._actions
        load = self._load()

        async def note(status: int) -> None:
            await self._note(scope, context, status, route)

        sender = ResponseSender(send, context, trace, load, self._settings.retry_after_seconds, note)
        load.enter()
        try:
            await self._admit(scope, context)
            async with asyncio.timeout(self._settings.timeout_seconds):
                await self._app(scope, receive, sender.send)
        except TimeoutError:
            if sender.status:
                raise  # the response has begun
            timeout = unavailable(f"no answer within {self._settings.timeout_seconds:g} s", "an answer by then")
            await self._error(scope, timeout)(scope, receive, sender.send)
        except Exception as error:
            if sender.status:
                raise  # the response has begun
            await self._error(scope, to_api_error(error))(scope, receive, sender.send)
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
        client = context.address
        if is_page(path) and not is_public(path):
            await self._pages.admit(scope, context, self._check_rate)
        elif self._authenticator is None or is_public(path):
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

    def _error(self, scope: Scope, error: ApiError) -> ASGIApp:
        return page_error(scope, error, self._settings, self._error_page)

    async def _note(self, scope: Scope, context: request_context.RequestContext, status: int, route: str) -> None:
        """Record what a page's request was to change, unless who did it has, before it is answered."""
        action = page_action(scope, context, status, route, pd.Timestamp.now("UTC").as_unit("us"))
        if action is not None and self._actions is not None:
            await to_thread.run_sync(self._actions.add, action)

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
    """Return a request of ``/v1/predict`` as one of ``/predict``: the paths from before there were versions stay.

    Pages have one path each: by that a proxy knows whom to ask to sign in.
    """
    path: str = scope["path"]
    if not path.startswith(_VERSION + "/") or is_page(path.removeprefix(_VERSION)):
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
