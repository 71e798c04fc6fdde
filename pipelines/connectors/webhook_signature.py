"""Signatures of webhooks, with which a receiver knows that a request is from here, unchanged and new.

References
----------
*Standard Webhooks* 1.0.0 (standardwebhooks.com), sections "Signature scheme" and "Webhook headers": HMAC with SHA-256
of id, time stamp and body.
"""

import base64
import binascii
import hashlib
import hmac

from data_contracts.errors import UsageError

_PREFIX = "whsec_"
_SHORTEST = 24


def parse_secret(text: str, place: str) -> bytes:
    """Read a secret, ``whsec_`` and base64; `UsageError` with its place if it is none, or shorter than 24 bytes."""
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if not text.startswith(_PREFIX) or len(secret) < _SHORTEST:
        made = f'echo "{_PREFIX}$(openssl rand -base64 32)"'
        expected = f"{_PREFIX} and the base64 of {_SHORTEST} bytes or more"
        raise UsageError(f"{place} has no secret for webhooks in its first line", expected, f"Make one with `{made}`")
    return secret


def signed_headers(secret: bytes, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a signed request; `timestamp` is in seconds since 1970."""
    content = f"{event_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
    return {"webhook-id": event_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
