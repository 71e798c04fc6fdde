"""Who may ask for what: bearer tokens and their scopes."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import pandas as pd

from data_contracts.records.tokens import Token, digest_of
from serving.http.errors import FORBIDDEN, UNAUTHORIZED, ApiError

OPEN_PATHS = ("/livez", "/readyz", "/healthz")
"""Whoever keeps the endpoint running may ask for its health without a token."""
_SCOPES = {"/predict": ("predict",), "/worklist": ("predict",), "/work-orders": ("report",)}
_SCOPES_BELOW = {"/assets/": ("predict", "report"), "/why/": ("predict", "report")}
_REMEMBERED_SECONDS = 1.0
_MOST_REMEMBERED = 1_024
_LONGEST = 256


def tokens_needed(auth: str, host: str) -> bool:
    """Tell whether the endpoint asks for tokens.

    Parameters
    ----------
    auth
        ``"on"``, ``"off"``, or ``"auto"``: on, unless only this machine can ask.
    host
        The address that is listened on.

    Returns
    -------
    bool

    Examples
    --------
    >>> tokens_needed("auto", "127.0.0.1"), tokens_needed("auto", "0.0.0.0"), tokens_needed("on", "::1")
    (False, True, True)
    """
    if auth != "auto":
        return auth == "on"
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def scopes_for(path: str) -> tuple[str, ...]:
    """Return the scopes of which a token needs one; none at all where every token will do.

    Parameters
    ----------
    path
        The path that is asked for.

    Returns
    -------
    tuple of str
    """
    below = next((scopes for start, scopes in _SCOPES_BELOW.items() if path.startswith(start)), ())
    return _SCOPES.get(path, below)


class Access:
    """Check tokens against the records, remembering each good one for a second.

    Parameters
    ----------
    find
        Finds the token that is good at an instant, or None.
    clock
        Tells the time.
    """

    def __init__(self, find: Callable[[str, pd.Timestamp], Token | None], clock: Callable[[], pd.Timestamp]) -> None:
        self._find = find
        self._clock = clock
        self._good: OrderedDict[str, tuple[Token, float]] = OrderedDict()
        self._lock = Lock()

    def remembered(self, header: str | None) -> Token | None:
        """Return the token of a header if it was found good within the last second; this asks no database.

        Parameters
        ----------
        header
            The request's ``Authorization``.

        Returns
        -------
        Token or None
        """
        secret = _secret(header)
        with self._lock:
            token, until = self._good.get(digest_of(secret), (None, 0.0)) if secret else (None, 0.0)
        return token if time.monotonic() < until else None

    def check(self, header: str | None) -> Token:
        """Find the token of a header in the records.

        Parameters
        ----------
        header
            The request's ``Authorization``.

        Returns
        -------
        Token

        Raises
        ------
        ApiError
            Of status 401 if there is none, or none that is good.
        StorageError
            If the records could not be read.
        """
        secret = _secret(header)
        if secret is None:
            raise _unauthorized("no token" if header is None else "something else than a bearer token")
        token = self._find(secret, self._clock())
        if token is None:
            raise _unauthorized("a token that is unknown, revoked or expired")
        with self._lock:
            self._good[digest_of(secret)] = (token, time.monotonic() + _REMEMBERED_SECONDS)
            self._good.move_to_end(digest_of(secret))
            if len(self._good) > _MOST_REMEMBERED:
                self._good.popitem(last=False)
        return token


def check_scope(token: Token, path: str) -> None:
    """Refuse a token without the scope that a path asks for.

    Parameters
    ----------
    token
        The token.
    path
        The path.

    Raises
    ------
    ApiError
        Of status 403.
    """
    needed = scopes_for(path)
    if needed and not any(token.allows(scope) for scope in needed):
        raise ApiError(
            FORBIDDEN,
            None,
            f"a token that may {', '.join(sorted(token.scopes))}",
            f"one that may {' or '.join(needed)}",
            "Ask for a token with that scope",
        )


def _secret(header: str | None) -> str | None:
    scheme, _, secret = (header or "").partition(" ")
    fits = scheme.lower() == "bearer" and 0 < len(secret.strip()) <= _LONGEST
    return secret.strip() if fits else None


def _unauthorized(found: str) -> ApiError:
    expected = "the header Authorization: Bearer TOKEN, with a token that is good"
    return ApiError(UNAUTHORIZED, None, found, expected, "Ask the operator for a token")
