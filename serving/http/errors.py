"""What a request that cannot be answered gets: a status and one sentence each of found, expected and what to do."""

import logging
from typing import Any

from data_contracts.errors import ForewarnError, NotFoundError, StorageError
from serving.http.error_redaction import cause_of, place_of

LOGGER = logging.getLogger("bentoml.forewarn")
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED = 400, 401, 403, 404, 405
TOO_LARGE, UNSUPPORTED, UNPROCESSABLE, TOO_MANY, FAILED, UNAVAILABLE = 413, 415, 422, 429, 500, 503
_WORDS = {
    BAD_REQUEST: "bad_request",
    UNAUTHORIZED: "unauthorized",
    FORBIDDEN: "forbidden",
    NOT_FOUND: "not_found",
    NOT_ALLOWED: "not_allowed",
    TOO_LARGE: "too_large",
    UNSUPPORTED: "unsupported_media_type",
    UNPROCESSABLE: "unprocessable",
    TOO_MANY: "too_many_requests",
    FAILED: "internal_error",
    UNAVAILABLE: "unavailable",
}


class ApiError(Exception):
    """Say why a request is not answered.

    Parameters
    ----------
    status
        The HTTP status.
    field
        The path of the field at fault, such as ``"windows[0].telemetry[3].volt"``; None if no field is.
    found
        What was found.
    expected
        What was expected.
    remedy
        What the caller can do.
    retry_after
        After how many seconds it is worth trying again, where that is known.
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
        """Return the body of the answer."""
        return {
            "error": _WORDS.get(self.status, "error"),
            "field": self.field,
            "found": self.found,
            "expected": self.expected,
            "remedy": self.remedy,
        }


def unprocessable(field: str | None, found: str, expected: str, remedy: str = "Correct the field") -> ApiError:
    """Refuse a request whose content breaks a rule.

    Parameters
    ----------
    field
        The path of the field at fault.
    found, expected, remedy
        As of a refusal.

    Returns
    -------
    ApiError
        A refusal of status 422.
    """
    return ApiError(UNPROCESSABLE, field, found, expected, remedy)


def unavailable(found: str, expected: str, remedy: str = "Try again later") -> ApiError:
    """Refuse a request that may well be answered later.

    Parameters
    ----------
    found, expected, remedy
        As of a refusal.

    Returns
    -------
    ApiError
        A refusal of status 503.
    """
    return ApiError(UNAVAILABLE, None, found, expected, remedy)


def from_error(error: Exception) -> ApiError:
    """Turn an error into a refusal that gives away no path, address or stack.

    The log says more, but none of those either.

    Parameters
    ----------
    error
        What was raised while answering.

    Returns
    -------
    ApiError
        Status 503 for a store that cannot be used, 404 for a thing that is not there, otherwise 500.
    """
    if isinstance(error, ApiError):
        return error
    if isinstance(error, StorageError):
        LOGGER.error("a store cannot be used: %s", cause_of(error))
        return unavailable("a store of this endpoint cannot be used", "records and telemetry within reach")
    if isinstance(error, NotFoundError):
        LOGGER.warning("not found: %s", cause_of(error))
        return ApiError(
            NOT_FOUND, None, "something the request names is not there", "names that are known", "Check them"
        )
    LOGGER.error("a request failed: %s, raised in %s", cause_of(error), place_of(error))
    expected = "an answer" if not isinstance(error, ForewarnError) else "a model that can be applied to this request"
    return ApiError(FAILED, None, "this request could not be answered", expected, "Tell the operator; the log says why")
