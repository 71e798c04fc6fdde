"""Context of the request being answered: its id, its caller, and the predictions in the response."""

from contextvars import ContextVar
from dataclasses import dataclass, field

ANYONE = "anyone"
"""The caller where no tokens are needed."""


@dataclass
class RequestContext:
    """What is known about one request, for the log."""

    request_id: str = ""  # the caller's own, if it sent one
    caller: str = ANYONE  # the token's name
    predictions: list[str] = field(default_factory=list)  # ids of the predictions in the response


_CURRENT: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def begin(request_id: str) -> RequestContext:
    """Begin the context of a request, visible in this task and the threads it starts."""
    context = RequestContext(request_id)
    _CURRENT.set(context)
    return context


def current() -> RequestContext:
    """Return the context of the current request; an empty one outside any request."""
    return _CURRENT.get() or RequestContext()
