"""What is noted about a request while it is answered: who asks, and which predictions it got."""

from contextvars import ContextVar
from dataclasses import dataclass, field

ANYONE = "anyone"


@dataclass
class RequestContext:
    """Notes about one request.

    Parameters
    ----------
    request_id
        Tells this request from every other; the caller's own, if it sent one.
    caller
        The name of the token that was shown; `ANYONE` where none is asked for.
    predictions
        The predictions that were answered.
    """

    request_id: str = ""
    caller: str = ANYONE
    predictions: list[str] = field(default_factory=list)


_NOTES: ContextVar[RequestContext | None] = ContextVar("notes", default=None)


def begin(request_id: str) -> RequestContext:
    """Begin the notes of a request; whatever answers it, in this task or a thread of it, finds them.

    Parameters
    ----------
    request_id
        Its id.

    Returns
    -------
    RequestContext
    """
    notes = RequestContext(request_id)
    _NOTES.set(notes)
    return notes


def current() -> RequestContext:
    """Return the notes of the request that is being answered; blank ones outside any request."""
    return _NOTES.get() or RequestContext()
