"""Replies of the endpoint's pages: an answer's JSON, or a refusal in the one shape that all of them have."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serving.http.errors import TOO_LARGE, UNAUTHORIZED, UNAVAILABLE, ApiError, from_error
from serving.settings import Settings

JSON = "application/json"
OURS = "X-Forewarn-Refusal"
"""Marks a refusal on its way to the door, where errors in any other shape are replaced; nobody outside sees it."""


def error_response(refusal: ApiError, settings: Settings) -> Response:
    """Answer with a refusal.

    Parameters
    ----------
    refusal
        Why there is no answer.
    settings
        Tell when to try again.

    Returns
    -------
    Response
        With ``Retry-After`` if it is worth trying again.
    """
    headers = {OURS: "1"}
    if refusal.status == UNAVAILABLE or refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after or settings.retry_after_seconds)
    if refusal.status == UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(refusal.to_dict(), status_code=refusal.status, headers=headers)


def answered(make: Callable[[], Response], settings: Settings) -> Response:
    """Run what makes an answer; whatever goes wrong, the caller gets one shape and no stack.

    Parameters
    ----------
    make
        Makes the answer.
    settings
        Tell when to try again.

    Returns
    -------
    Response
    """
    try:
        return make()
    except Exception as error:
        return error_response(from_error(error), settings)


async def answered_aside(make: Callable[[], Response], settings: Settings) -> Response:
    """Do as `answered` in a thread, so that other requests go on meanwhile.

    Parameters
    ----------
    make
        Makes the answer.
    settings
        Tell when to try again.

    Returns
    -------
    Response
    """
    return await run_in_threadpool(answered, make, settings)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read a request's body.

    Parameters
    ----------
    request
        The request.
    max_bytes
        The largest size that is taken.

    Returns
    -------
    bytes
        The body.

    Raises
    ------
    ApiError
        Of status 413 if it is larger.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise ApiError(TOO_LARGE, None, "a larger body", f"at most {max_bytes} bytes", "Send several requests")
    return bytes(body)
