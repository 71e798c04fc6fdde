"""Requests as data: what a method of the client asks, before it becomes HTTP."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from forewarn_client.errors import InvalidRequestError

_IDEMPOTENCY_KEY = "Idempotency-Key"


@dataclass(frozen=True)
class Request:
    """A request; its path is that after ``/v1``."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[int, ...] = ()  # statuses of errors that are answers to this request


def read(path: str, **query: Any) -> Request:
    """Ask for a page; what is None is left out of the query."""
    return Request("GET", path, {name: _query_value(value) for name, value in query.items() if value is not None})


def write(
    path: str,
    body: Mapping[str, Any],
    key: str | None,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> Request:
    """Send a body under an idempotency key, drawn if there is none; its fields that are None are left out."""
    given = {name: value for name, value in body.items() if value is not None}
    sent = {_IDEMPOTENCY_KEY: uuid.uuid4().hex if key is None else key, "Content-Type": "application/json"}
    return Request(method, path, content=_json(given), headers={**sent, **(headers or {})})


def seen(revision: int | None) -> dict[str, str]:
    """Return the header that makes a change depend on the revision that was seen; None for any."""
    return {"If-Match": "*" if revision is None else f'"{revision}"'}


def segment(name: str) -> str:
    """Quote a name as one segment of a path, so that it cannot become another path.

    >>> segment("a/../b")
    'a%2F..%2Fb'
    """
    if name in ("", ".", ".."):
        raise InvalidRequestError(f"the name {name!r}", "the name of something", "Correct it")
    return quote(name, safe="")


def _query_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _instant(value) if isinstance(value, datetime) else str(value)


def _json(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(
            body, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_json_value
        ).encode()
    except InvalidRequestError:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        remedy = "Correct it; a gap in telemetry is None"
        raise InvalidRequestError(
            f"a body that JSON cannot hold ({error})", "texts, finite numbers, None", remedy
        ) from error


def _json_value(value: object) -> Any:
    """Convert what `json` does not know: datetimes, and arrays and numbers of numpy and pandas."""
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not one of its types")


def _instant(time: datetime) -> str:
    if time.tzinfo is None:
        raise InvalidRequestError(f"the time {time.isoformat()}", "one with its offset from UTC", "Name its time zone")
    return time.isoformat()
