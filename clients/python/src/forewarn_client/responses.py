"""Reading what came back: an answer, an error of the endpoint, or something that is neither."""

from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from forewarn_client.errors import EndpointError, IncompatibleError, RefusedError, UnexpectedAnswerError
from forewarn_client.requests import Request
from forewarn_client.version import HEADER, __version__

_NOT_FOUND, _NOT_ALLOWED = 404, 405


def content_of(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of a successful response; UnexpectedAnswerError for anything else."""
    content = _json_object(response)
    if content is None:
        kind = response.headers.get("Content-Type", "no content type")
        raise _not_forewarn(f"a status {response.status_code} with {kind} in place of a JSON object")
    return content


def error_of(request: Request, response: httpx.Response) -> EndpointError:
    """Return the error that a response of another status means."""
    status, content = response.status_code, _json_object(response) or {}
    if response.is_redirect:
        return _not_forewarn(f"a redirect to {response.headers.get('Location', 'another place')}")
    request_id = response.headers.get("X-Request-Id")
    known = is_ours(response)
    # The endpoint names the field where something that the request names is unknown.
    if status in (_NOT_FOUND, _NOT_ALLOWED) and known and content.get("field") is None and _is_unknown_path(content):
        version = response.headers.get(HEADER)
        endpoint = f"forewarn {version}" if version else "a forewarn of before versions were named"
        return IncompatibleError(
            status,
            {
                "error": "incompatible",
                "found": f"{endpoint}, which has no {request.method} /v1{request.path}",
                "expected": f"an endpoint that knows the requests of client {__version__}",
                "remedy": "Upgrade the endpoint, or install the client of its version",
            },
            request_id,
        )
    if status == _NOT_FOUND and not known:
        return _not_forewarn("a 404 that is not in forewarn's format")
    return RefusedError(status, content, request_id)


def is_ours(response: httpx.Response) -> bool:
    """Tell whether an error is in the format of the endpoint, and no proxy's."""
    return {"error", "found", "expected", "remedy"} <= (_json_object(response) or {}).keys()


def retry_after_of(response: httpx.Response) -> float | None:
    """Return the seconds of the header ``Retry-After``; a date counts from the response's own, as clocks differ."""
    text = str(response.headers.get("Retry-After", "")).strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        later, now = parsedate_to_datetime(text), parsedate_to_datetime(response.headers.get("Date", ""))
        return max(0.0, (later - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _is_unknown_path(content: dict[str, Any]) -> bool:
    return content["found"] in ("an unknown path", "a method that this path does not accept")


def _json_object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        content = response.json()
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _not_forewarn(found: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        found, "an answer of forewarn's endpoint", "Check the address, and what stands between: a proxy, a login page"
    )
