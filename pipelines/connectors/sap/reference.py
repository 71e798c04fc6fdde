"""The reference number of a notification, by which it is looked up: 20 characters, the same for the same event.

It is the channel's prefix and as much of the base32 of SHA-256 of the event's id as fits: 90 bits with a prefix of two
characters, so that among ten million notifications two have the same with a probability of 4e-8 (n squared over 2 to
the 91), and even then nothing is lost: what is found under a reference has to be of the same technical object, or the
event is refused. Base32 has capitals and digits only, as SAP turns the field into capitals.
"""

import base64
import hashlib

REFERENCE = "MaintNotifExtReferenceNumber"
_LENGTH = 20


def reference_number(event_id: str, prefix: str) -> str:
    """Return the reference number of an event.

    Examples
    --------
    >>> reference_number("8a3c0f5e-0000-5000-8000-000000000000", "FW")
    'FWKAACNNIS62O2CSDXAR'
    """
    digest = hashlib.sha256(event_id.encode()).digest()
    return (prefix + base64.b32encode(digest).decode())[:_LENGTH]
