"""The same question is answered once: what a caller's ``Idempotency-Key`` stands for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from data_contracts.records.answer_records import Reply
from serving.http.errors import unprocessable

HEADER = "Idempotency-Key"
VALID_FOR = pd.Timedelta(hours=24)
"""How long a reply stands under its key."""
_MOST = 255
_EXPECTED = f"1 to {_MOST} printable ASCII characters"


@dataclass(frozen=True)
class IdempotentRequest:
    """A request that shall be answered once.

    Parameters
    ----------
    key
        SHA-256 of who asks, what route, and under what key, in hexadecimal digits.
    request
        SHA-256 of the request's body.
    """

    key: str
    request: str

    def reply(self, body: str, now: pd.Timestamp) -> Reply:
        """Make the record of what is replied.

        Parameters
        ----------
        body
            The reply's body.
        now
            The time.

        Returns
        -------
        Reply
        """
        return Reply(self.key, self.request, body, now)

    def check(self, before: Reply) -> str:
        """Give the reply there was before, if it was to the same request.

        Parameters
        ----------
        before
            What was replied under this key.

        Returns
        -------
        str
            Its body.

        Raises
        ------
        Refusal
            Of status 422 if the request was another one.
        """
        if before.request != self.request:
            raise unprocessable(
                HEADER,
                "a key that another request was made with",
                f"a new key for a new request, for {VALID_FOR // pd.Timedelta(hours=1)} hours",
                "Draw a new key, or send the same body again",
            )
        return before.reply


def idempotent_request(keys: Sequence[str], *, caller: str, route: str, body: bytes) -> IdempotentRequest | None:
    """Read the key of a request.

    Parameters
    ----------
    keys
        The values of the header ``Idempotency-Key``.
    caller
        Who asks; the keys of one caller are none of another's.
    route
        What he asks, such as ``"/predict"``.
    body
        The request's body.

    Returns
    -------
    IdempotentRequest or None
        None if there is no key.

    Raises
    ------
    Refusal
        Of status 422 if the key cannot be one.

    Examples
    --------
    >>> asked_under([], caller="scheduler", route="/predict", body=b"{}") is None
    True
    """
    if not keys:
        return None
    if len(keys) > 1:
        raise unprocessable(HEADER, f"{len(keys)} of these headers", "one", "Send one key")
    key = keys[0]
    if not 0 < len(key) <= _MOST or not (key.isascii() and key.isprintable()):
        found = f"{len(key)} characters" if key.isascii() and key.isprintable() else "other characters"
        raise unprocessable(HEADER, found, _EXPECTED, "Send a key such as a UUID")
    # A length before each part: no two different triples read the same.
    told = "".join(f"{len(part)}:{part}" for part in (caller, route, key))
    return IdempotentRequest(hashlib.sha256(told.encode()).hexdigest(), hashlib.sha256(body).hexdigest())
