"""Idempotency keys: a request sent again under its ``Idempotency-Key`` gets the stored response."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from data_contracts.records.answer_records import Reply
from serving.http.errors import unprocessable

HEADER = "Idempotency-Key"
VALID_FOR = pd.Timedelta(hours=24)
"""How long a response is kept under its key."""
_MAX_LENGTH = 255
_EXPECTED = f"1 to {_MAX_LENGTH} printable ASCII characters"


@dataclass(frozen=True)
class IdempotentRequest:
    """A request that came with an idempotency key."""

    key: str  # SHA-256 of caller, route and key, in hexadecimal digits
    body_digest: str  # SHA-256 of the request's body

    def record(self, response: str, now: pd.Timestamp) -> Reply:
        """Return the record of a response to this request."""
        return Reply(self.key, self.body_digest, response, now)

    def replay(self, stored: Reply) -> str:
        """Return the response stored under this key; ApiError of status 422 if it answered another request."""
        if stored.request != self.body_digest:
            raise unprocessable(
                HEADER,
                "a key that was used for another request",
                f"a new key for a new request, for {VALID_FOR // pd.Timedelta(hours=1)} hours",
                "Draw a new key, or send the same body again",
            )
        return stored.reply


def idempotent_request(keys: Sequence[str], *, caller: str, route: str, body: bytes) -> IdempotentRequest | None:
    """Read the values of the header ``Idempotency-Key``; None without one, ApiError of status 422 for an invalid one.

    Each caller has keys of its own.

    Examples
    --------
    >>> idempotent_request([], caller="scheduler", route="/predict", body=b"{}") is None
    True
    """
    if not keys:
        return None
    if len(keys) > 1:
        raise unprocessable(HEADER, f"{len(keys)} of these headers", "one", "Send one key")
    key = keys[0]
    if not 0 < len(key) <= _MAX_LENGTH or not (key.isascii() and key.isprintable()):
        found = f"{len(key)} characters" if key.isascii() and key.isprintable() else "other characters"
        raise unprocessable(HEADER, found, _EXPECTED, "Send a key such as a UUID")
    # Each part is preceded by its length, so that no two different triples give the same text.
    text = "".join(f"{len(part)}:{part}" for part in (caller, route, key))
    return IdempotentRequest(hashlib.sha256(text.encode()).hexdigest(), hashlib.sha256(body).hexdigest())
