"""Whether a request is repeated, and after how long; the same for both clients."""

import random
from dataclasses import dataclass

import httpx

from forewarn_client.errors import UnreachableError
from forewarn_client.requests import Request
from forewarn_client.responses import error_of, is_ours, retry_after_of

_RETRIED_STATUSES = (429, 502, 503, 504)
# The address or the request is at fault: no other try changes that.
_NEVER_RETRIED = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_REMEDY = "Check that the endpoint runs, and its address"


@dataclass(frozen=True)
class Retries:
    """How often a request is sent at most, and the pauses between, in seconds."""

    tries: int = 6
    first_pause: float = 0.25
    longest_pause: float = 60.0

    def pause_after(self, number: int, request: Request, outcome: httpx.Response | httpx.RequestError) -> float | None:
        """Return the pause after try `number`, from 1; None if it was answered. Raises what no other try changes."""
        retry_after = None
        if isinstance(outcome, httpx.Response):
            if outcome.is_success or (outcome.status_code in request.answers and is_ours(outcome)):
                return None
            error = error_of(request, outcome)
            if outcome.status_code not in _RETRIED_STATUSES:
                raise error
            failure, retry_after = str(error), retry_after_of(outcome)
        else:
            failure = f"{type(outcome).__name__}: {outcome}"
            if isinstance(outcome, _NEVER_RETRIED) or not isinstance(outcome, httpx.TransportError):
                raise UnreachableError(f"{_label(request)} failed with {failure}", "an answer", _REMEDY) from outcome
        found = f"{_label(request)} failed {number} times, last with {failure.rstrip('.')}"
        if number >= self.tries:
            raise UnreachableError(found, "an answer", _REMEDY, retry_after) from _cause(outcome)
        if retry_after is not None and retry_after > self.longest_pause:
            expected = f"an answer, or to be asked to wait no longer than {self.longest_pause:g} s"
            raise UnreachableError(found, expected, f"Try again after {retry_after:g} s", retry_after)
        return max(retry_after or 0.0, self._own_pause(number))

    def _own_pause(self, number: int) -> float:
        # Callers that were turned away together must not all come back together.
        pause = min(self.longest_pause, self.first_pause * 2.0 ** (number - 1))
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret is drawn


def _label(request: Request) -> str:
    return f"{request.method} {request.path}"


def _cause(outcome: httpx.Response | httpx.RequestError) -> httpx.RequestError | None:
    return outcome if isinstance(outcome, httpx.RequestError) else None
