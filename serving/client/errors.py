"""Errors of the client.

EndpointError
├── RefusedError        the endpoint answered with an error
└── UnreachableError    no answer after several tries
"""

from collections.abc import Mapping
from typing import Any


class EndpointError(Exception):
    """Base of the client's errors: the request was not answered."""


class UnreachableError(EndpointError):
    """The endpoint was unreachable or unavailable on every try."""


class RefusedError(EndpointError):
    """The endpoint answered with an error that a retry does not change.

    Parameters
    ----------
    status : int
        The HTTP status.
    answer : mapping
        The body, a `serving.schemas.answers.ErrorAnswer`; what a proxy answers may lack its fields.

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
    """

    def __init__(self, status: int, answer: Mapping[str, Any]) -> None:
        self.status = status
        self.error = str(answer.get("error", "error"))
        self.field: str | None = answer.get("field")
        self.found = str(answer.get("found", "an error without details"))
        self.expected = str(answer.get("expected", "an answer"))
        self.remedy = str(answer.get("remedy", "Ask the operator"))
        where = f" at {self.field}" if self.field else ""
        super().__init__(f"{status} {self.error}{where}: {self.found}. Expected {self.expected}. {self.remedy}.")
