"""Cookies of the pages: which session a browser is in, and the secret that its forms are bound to.

Over TLS their names begin with ``__Host-``: then a browser takes them from this host alone, and over TLS alone, so that
neither another host of the domain nor somebody on the way can put in one of theirs (RFC 6265bis, section 4.1.3.2).
"""

from typing import Final

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

SESSION: Final = "forewarn-session"
FORM: Final = "forewarn-form"
_PREFIX = "__Host-"
_MAX_LENGTH = 256


def read_cookie(headers: Headers, name: str, *, secure: bool) -> str | None:
    """Return a cookie's value; None without one that could be ours."""
    cookies = cookie_parser(headers.get("cookie", ""))
    value = cookies.get(_named(name, secure=secure), "")
    return value if 0 < len(value) <= _MAX_LENGTH and value.isascii() and value.isprintable() else None


def write_cookie(name: str, value: str, *, secure: bool, seconds: int | None = None) -> str:
    """Return the value of ``Set-Cookie``, for so many seconds, or until the browser is closed; 0 removes it.

    Scripts cannot read it, and a browser sends it with requests of our own pages alone.
    """
    age = "" if seconds is None else f"; Max-Age={seconds}"
    return (
        f"{_named(name, secure=secure)}={value}; Path=/; HttpOnly; SameSite=Strict{age}{'; Secure' if secure else ''}"
    )


def _named(name: str, *, secure: bool) -> str:
    return f"{_PREFIX}{name}" if secure else name
