"""Error responses: a status, and one sentence each of what was found, what was expected and what to do."""

import logging
from typing import Any

from data_contracts.errors import ForewarnError, NotFoundError, StorageError
from serving.http.error_redaction import describe_error, error_location

LOGGER = logging.getLogger("bentoml.forewarn")
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED = 400, 401, 403, 404, 405
TOO_LARGE, UNSUPPORTED, UNPROCESSABLE, TOO_MANY, FAILED, UNAVAILABLE = 413, 415, 422, 429, 500, 503
PRECONDITION_FAILED, PRECONDITION_REQUIRED = 412, 428
CLOSED = 499
"""nginx's status for a caller that hung up: for the log and the metrics, nobody receives it."""
_CODES = {
    BAD_REQUEST: "bad_request",
    UNAUTHORIZED: "unauthorized",
    FORBIDDEN: "forbidden",
    NOT_FOUND: "not_found",
    NOT_ALLOWED: "not_allowed",
    PRECONDITION_FAILED: "precondition_failed",
    TOO_LARGE: "too_large",
    UNSUPPORTED: "unsupported_media_type",
    UNPROCESSABLE: "unprocessable",
    PRECONDITION_REQUIRED: "precondition_required",
    TOO_MANY: "too_many_requests",
    CLOSED: "closed",
    FAILED: "internal_error",
    UNAVAILABLE: "unavailable",
}


class ApiError(Exception):
    """A request that is not answered, and why.

    `field` is the path of the field at fault, such as ``"windows[0].telemetry[3].volt"``; None if it is no field.
    `retry_after` is in seconds; None where it is unknown.
    """

    def __init__(
        self,
        status: int,
        field: str | None,
        found: str,
        expected: str,
        remedy: str,
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(status, field, found, expected, remedy)
        self.status = status
        self.field = field
        self.found = found
        self.expected = expected
        self.remedy = remedy
        self.retry_after = retry_after

    def to_dict(self) -> dict[str, Any]:
        """Return the body of the response."""
        return {
            "error": _CODES.get(self.status, "error"),
            "field": self.field,
            "found": self.found,
            "expected": self.expected,
            "remedy": self.remedy,
        }


def unprocessable(field: str | None, found: str, expected: str, remedy: str = "Correct the field") -> ApiError:
    """Return the error for a request whose content breaks a rule: status 422."""
    return ApiError(UNPROCESSABLE, field, found, expected, remedy)


def unavailable(found: str, expected: str, remedy: str = "Try again later") -> ApiError:
    """Return the error for a request that may succeed later: status 503."""
    return ApiError(UNAVAILABLE, None, found, expected, remedy)


def to_api_error(error: Exception) -> ApiError:
    """Turn any exception into an error response that reveals no path, address or stack; log it likewise.

    Status 503 for a store that cannot be used, 404 for a missing thing, otherwise 500.
    """
    if isinstance(error, ApiError):
        return error
    if isinstance(error, StorageError):
        LOGGER.error("a store cannot be used: %s", describe_error(error))
        return unavailable("a store of this endpoint cannot be used", "records and telemetry within reach")
    if isinstance(error, NotFoundError):
        LOGGER.warning("not found: %s", describe_error(error))
        return ApiError(NOT_FOUND, None, "something that the request names does not exist", "known names", "Check them")
    LOGGER.error("a request failed: %s, raised in %s", describe_error(error), error_location(error))
    expected = "an answer" if not isinstance(error, ForewarnError) else "a model that can be applied to this request"
    return ApiError(FAILED, None, "this request could not be answered", expected, "Tell the operator; see the log")
