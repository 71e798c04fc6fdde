"""Responses: an error in the one format that all errors have, and the reading of a request's body."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from serving.http.errors import CLOSED, TOO_LARGE, UNAUTHORIZED, UNAVAILABLE, ApiError, to_api_error
from serving.settings import Settings

JSON = "application/json"
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
