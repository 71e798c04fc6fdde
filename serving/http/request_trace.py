"""The trace of a request: its span, begun within the trace that the caller names."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from data_contracts.tracing.request_span import RequestSpan
from data_contracts.tracing.spans import is_tracing, request_span

HEADER = "traceresponse"
"""Names the request's span to the caller, in the form of ``traceparent`` (W3C Trace Context, Level 2 drafts)."""
# Trace Context, section 3.2: the version ff and identifiers of zeros alone are invalid.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.ASCII
)
_NO_SPAN = RequestSpan()
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT")


@dataclass(frozen=True)
class RequestTrace:
    """How a request is found in traces."""

    trace_id: str  # "" if the caller sent none and nothing is traced
    span: RequestSpan


def trace_request(scope: Scope, route: str, *, is_traced: bool) -> AbstractContextManager[RequestTrace]:
    """Return a context that traces a request of a route; untraced, its trace is the one that the caller names.

    The span has the route in place of the path, since a path holds what a caller wrote, and names no address.
    """
    if is_traced and is_tracing():
        return _traced(scope, route)
    return nullcontext(RequestTrace(_trace_id_of(scope), _NO_SPAN))


@contextmanager
def _traced(scope: Scope, route: str) -> Iterator[RequestTrace]:
    is_known = scope["method"] in _METHODS
    attributes = {
        "http.request.method": scope["method"] if is_known else "_OTHER",
        "url.path": route,
        "url.scheme": scope.get("scheme", "http"),
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    name = scope["method"] if is_known else "HTTP"
    if route.startswith("/"):
        attributes["http.route"], name = route, f"{name} {route}"
    with request_span(name, attributes, Headers(scope=scope)) as span:
        yield RequestTrace(span.trace_id, span)


def _trace_id_of(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            found = _TRACEPARENT.fullmatch(value.decode("latin-1"))
            return found[1] if found else ""
    return ""
