"""Context of the request being answered: its id, its caller, its deadline, and the predictions in the response."""

import math
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, Protocol

from data_contracts.records.access.access_records import PageAction
from serving.http.errors import unavailable

ANYONE = "anyone"
"""The caller where no tokens are needed."""


class ActionRecorder(Protocol):
    """Where it is recorded what people change by pages."""

    def begin(self, action: PageAction) -> int:
        """Store an action that is about to be done, and return its number; what cannot be recorded is not done."""

    def end(self, number: int, action: PageAction) -> None:
        """Store how it ended."""


@dataclass
class RequestContext:
    """What is known about one request, for the log."""

    request_id: str = ""  # the caller's own, if it sent one
    caller: str = ANYONE  # the token's name
    scopes: frozenset[str] | None = None  # of the token; None where no tokens are needed
    signed_in_by: Literal["token", "proxy"] | None = None  # how a person signed in to the pages, if one did
    address: str = ANYONE  # the caller's, as far as proxies are believed
    secure: bool = False  # whether the caller's connection is TLS
    form_secret: str = ""  # what the forms of pages are bound to; "" until the caller has any
    cookies: list[str] = field(default_factory=list)  # to be set with the response
    action: str | None = None  # what a form is to do, and about what, for the record of it
    subject: str | None = None
    action_begun: bool = False  # whether it is recorded that it was begun; its end is then recorded by who does it
    actions: ActionRecorder | None = None  # where what is changed is recorded
    predictions: list[str] = field(default_factory=list)  # ids of the predictions in the response
    trace_id: str = ""  # of the trace that it is part of, if any
    deadline: float = math.inf  # of `time.monotonic`: by then the caller has been answered that there is no answer


_CURRENT: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def begin(request_id: str, seconds: float = math.inf, trace_id: str = "") -> RequestContext:
    """Begin the context of a request that is given up after so many seconds, visible in this task and its threads."""
    context = RequestContext(request_id, trace_id=trace_id, deadline=time.monotonic() + seconds)
    _CURRENT.set(context)
    return context


def stop_if_late() -> None:
    """Raise ApiError of status 503 if the current request has been given up: whatever is computed is for nobody."""
    if time.monotonic() > current().deadline:
        raise unavailable("no answer in time", "an answer by then")


def current() -> RequestContext:
    """Return the context of the current request; an empty one outside any request."""
    return _CURRENT.get() or RequestContext()
