"""What an action says that it has done, on the page shown next: shown only in the browser that asked for it.

The key of its text goes along in the address, with a seal by the secret that the browser's forms are bound to. So a
link that somebody else has made says nothing in our name.
"""

import hashlib
import hmac
from typing import Final
from urllib.parse import urlencode

from serving.http import request_context

FIELD: Final = "notice"
SIGNED_OUT: Final = "sign_in.signed_out"
"""Has no seal, as the secret is gone; it is true of all to whom the page for signing in is shown."""
_SEAL_CHARACTERS = 32


def notice_query(key: str) -> str:
    """Return the query that has the next page show a text."""
    return urlencode({FIELD: f"{key}.{_seal(key)}"})


def notice_in(value: str) -> str | None:
    """Return the key of the text that an action of this viewer has left; None for anything else."""
    if value == SIGNED_OUT:
        return value
    key, _, seal = value.rpartition(".")
    sealed = request_context.current().form_secret and hmac.compare_digest(_seal(key).encode(), seal.encode())
    return key if sealed else None


def _seal(key: str) -> str:
    context = request_context.current()
    # On lines of their own, as no viewer's name has any: the token of a form is never a seal.
    text = f"{FIELD}\n{context.caller}\n{key}"
    return hmac.new(context.form_secret.encode(), text.encode(), hashlib.sha256).hexdigest()[:_SEAL_CHARACTERS]
