"""Errors of the client; each says what was found, what was expected, and what to do.

EndpointError
├── InvalidRequestError     the request cannot be sent as it is
├── RefusedError            the endpoint answered with an error
│   └── IncompatibleError   the endpoint, of another version, does not know the request
├── UnexpectedAnswerError   what answered is no endpoint of forewarn
└── UnreachableError        no answer after several tries
"""

from collections.abc import Mapping
from typing import Any


class EndpointError(Exception):
    """Base of the client's errors: the request was not answered.

    Parameters
    ----------
    found, expected, remedy : str
        What was found, what was expected, and what to do.

    Attributes
    ----------
    found, expected, remedy : str
        What was found, what was expected, and what to do.
    """

    def __init__(self, found: str, expected: str, remedy: str) -> None:
        self.found, self.expected, self.remedy = found, expected, remedy
        super().__init__(f"{found}. Expected {expected}. {remedy}.")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.found, self.expected, self.remedy)


class InvalidRequestError(EndpointError, ValueError):
    """The request cannot be sent as it is, such as one with NaN in it; nothing was sent."""


class UnexpectedAnswerError(EndpointError):
    """What answered is no endpoint of forewarn: a page, a redirect, or another program."""


class UnreachableError(EndpointError):
    """The endpoint was unreachable or unavailable on every try.

    Parameters
    ----------
    found, expected, remedy : str
        As for `EndpointError`; `found` has what became of the last try.
    retry_after : float, optional
        Seconds after which to try again, if the endpoint said so.

    Attributes
    ----------
    retry_after : float or None
        Seconds after which to try again; None if the endpoint did not say.
    """

    def __init__(self, found: str, expected: str, remedy: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(found, expected, remedy)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.found, self.expected, self.remedy, self.retry_after)


class RefusedError(EndpointError):
    """The endpoint answered with an error that a retry does not change.

    Parameters
    ----------
    status : int
        The HTTP status.
    answer : mapping
        The body, an `ErrorAnswer`; what a proxy answers may lack its fields.
    request_id : str, optional
        The request's id.

    Attributes
    ----------
    status : int
        The HTTP status.
    error : str
        The kind of error, such as ``"unprocessable"``.
    field : str or None
        The path of the field at fault, such as ``"windows[0].telemetry[3].volt"``; None if no field is.
    found, expected, remedy : str
        What was found, what was expected, and what to do.
    request_id : str or None
        The request's id, by which the operator finds it in the endpoint's log.
    """

    def __init__(self, status: int, answer: Mapping[str, Any], request_id: str | None = None) -> None:
        self.status = status
        self.error = str(answer.get("error", "error"))
        self.field: str | None = answer.get("field")
        self.request_id = request_id
        super().__init__(
            str(answer.get("found", "an error without details")),
            str(answer.get("expected", "an answer")),
            str(answer.get("remedy", "Ask the operator")),
        )

    def __str__(self) -> str:
        where = f" at {self.field}" if self.field else ""
        return f"{self.status} {self.error}{where}: {self.found}. Expected {self.expected}. {self.remedy}."

    def __reduce__(self) -> tuple[Any, ...]:
        names = ("error", "field", "found", "expected", "remedy")
        return type(self), (self.status, {name: getattr(self, name) for name in names}, self.request_id)


class IncompatibleError(RefusedError):
    """The endpoint does not know the request: it is of another version than the client."""
