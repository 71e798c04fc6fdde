"""Responses: an error in the one format that all errors have, and the reading of a request's body."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Send

from serving.http import version
from serving.http.errors import (
    CLOSED,
    NOT_ALLOWED,
    NOT_FOUND,
    TOO_LARGE,
    TOO_MANY,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNSUPPORTED,
    ApiError,
    to_api_error,
)
from serving.http.load_balancing import WorkerLoad
from serving.http.request_context import RequestContext
from serving.http.request_trace import HEADER, RequestTrace
from serving.settings import Settings

JSON = "application/json"
_FIRST_ERROR_STATUS = 400
API_ERROR_HEADER = "X-Forewarn-Error"
"""Marks our own errors for the middleware, which replaces all others and removes the header."""


def error_response(error: ApiError, settings: Settings) -> Response:
    """Respond with an error; with ``Retry-After`` if trying again makes sense."""
    headers = {API_ERROR_HEADER: "1"}
    if error.status == UNAVAILABLE or error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after or settings.retry_after_seconds)
    if error.status == UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.to_dict(), status_code=error.status, headers=headers)


def respond(build: Callable[[], Response], settings: Settings) -> Response:
    """Build a response; any exception becomes an error in our format, without a stack trace."""
    try:
        return build()
    except Exception as error:
        return error_response(to_api_error(error), settings)


async def respond_in_thread(build: Callable[[], Response], settings: Settings) -> Response:
    """Do as `respond` in a thread, so that the event loop serves other requests meanwhile."""
    return await run_in_threadpool(respond, build, settings)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read a request's body; ApiError of status 413 if it is too large, 499 if the caller hung up before its end."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise ApiError(TOO_LARGE, None, "a larger body", f"at most {max_bytes} bytes", "Send several requests")
    except ClientDisconnect as error:
        # No error of the endpoint, which an alert would wake somebody for.
        raise ApiError(CLOSED, None, "a connection that was closed", "the whole body", "Send it again") from error
    return bytes(body)


class ResponseSender:
    """Send a response on, its errors in our format, and keep its status."""

    def __init__(
        self,
        send: Send,
        context: RequestContext,
        trace: RequestTrace,
        load: WorkerLoad,
        retry_after: int,
        note: Callable[[int], Awaitable[None]],
    ) -> None:
        self.status = 0
        self._send = send
        self._context = context
        self._note = note
        self._trace = trace
        self._load = load
        self._retry_after = retry_after
        self._replacement: bytes | None = None

    async def send(self, message: Message) -> None:
        """Send one ASGI message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._note(self.status)
            message = {**message, "headers": list(message.get("headers", ()))}
            headers = MutableHeaders(raw=message["headers"])
            headers["X-Request-Id"] = self._context.request_id
            for cookie in self._context.cookies:
                headers.append("Set-Cookie", cookie)
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
