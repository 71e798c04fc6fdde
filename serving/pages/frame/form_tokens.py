"""A token in every form, by which we know that a page of ours sent it for whom it was shown to.

It is a keyed digest of the viewer's name (HMAC, RFC 2104), and the key is a secret that only the viewer's browser
sends: the session's, or that of a cookie of its own where there is none. So any worker can check it, and none keeps it.
Another site cannot have a page with the token of ours shown to it: its requests carry neither cookie (SameSite=Strict).
"""

import hashlib
import hmac
import re
import secrets
from typing import Final

from jinja2 import Environment
from jinja2.ext import Extension

from serving.http import request_context
from serving.http.callers.cookies import FORM, write_cookie
from serving.http.errors import FORBIDDEN, ApiError

FIELD: Final = "form_token"
_RANDOM_BYTES = 32
_FORM_TAG = re.compile(r'<form\b[^>]*\bmethod="post"[^>]*>', re.IGNORECASE)
_INPUT = f'<input type="hidden" name="{FIELD}" value="{{{{ {FIELD}() }}}}">'


def form_token() -> str:
    """Return the token of the viewer's forms; whose browser has no secret yet gets one with this response."""
    context = request_context.current()
    if not context.form_secret:
        context.form_secret = secrets.token_urlsafe(_RANDOM_BYTES)
        context.cookies.append(write_cookie(FORM, context.form_secret, secure=context.secure))
    return token_of(context.form_secret, context.caller)


def check_form_token(token: str) -> None:
    """Refuse a form that has not the token of its viewer: ApiError 403."""
    context = request_context.current()
    if not context.form_secret or not hmac.compare_digest(
        token_of(context.form_secret, context.caller).encode(), token.encode()
    ):
        found = "a form that was not opened by its sender, or before signing in"
        raise ApiError(FORBIDDEN, None, found, "one with a token of this session", "Open the page again, and send it")


def token_of(secret: str, name: str) -> str:
    """Return the token that a secret gives the forms of a viewer."""
    return hmac.new(secret.encode(), name.encode(), hashlib.sha256).hexdigest()


class FormTokens(Extension):
    """Puts the token into every form of a template that is posted, so that none can be forgotten."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals[FIELD] = form_token

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002 - Jinja's
        """Return a template with the token in each of its forms."""
        return _FORM_TAG.sub(lambda tag: tag[0] + _INPUT, source)
