"""What the client raises when there is no answer."""

from collections.abc import Mapping
from typing import Any


class EndpointError(Exception):
    """There is no answer."""


class UnreachableError(EndpointError):
    """The endpoint could not be reached, or was not available, however often it was tried."""


class RefusedError(EndpointError):
    """The endpoint refused the request.

    Parameters
    ----------
    status
        The HTTP status.
    answer
        The body: ``error``, ``field``, ``found``, ``expected`` and ``remedy``, as far as it has them.
    """

    def __init__(self, status: int, answer: Mapping[str, Any]) -> None:
        self.status = status
        self.error = str(answer.get("error", "error"))
        self.field: str | None = answer.get("field")
        self.found = str(answer.get("found", "a refusal"))
        self.expected = str(answer.get("expected", "an answer"))
        self.remedy = str(answer.get("remedy", "Ask the operator"))
        where = f" at {self.field}" if self.field else ""
        super().__init__(f"{status} {self.error}{where}: {self.found}. Expected {self.expected}. {self.remedy}.")
