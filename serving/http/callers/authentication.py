"""Bearer tokens and their scopes: which caller may use which path."""

import ipaddress
from collections.abc import Callable

import pandas as pd

from data_contracts.records.tokens import Token
from serving.http.callers.recent import Recent
from serving.http.errors import FORBIDDEN, UNAUTHORIZED, ApiError

OPEN_PATHS = ("/livez", "/readyz", "/healthz")
"""Health checks, which need no token."""
PUBLIC_PATHS, PUBLIC_FOLDERS = ("/", "/docs", "/docs.json"), ("/docs/", "/ui/static/")
"""What is the same for everybody and says nothing of a plant: the description of the endpoint."""
_SCOPES = {
    "/predict": ("predict",),
    "/worklist": ("predict",),
    "/work-orders": ("report",),
    "/assets": ("predict", "report"),
}
_SCOPES_BY_PREFIX = {"/assets/": ("predict", "report"), "/why/": ("predict", "report")}
_TWINS, _TWIN_READERS, _TWIN_WRITERS = "/twins", ("predict", "report", "override"), ("override",)
_READING = ("GET", "HEAD")
_MAX_SECRET_LENGTH = 256


def tokens_needed(auth: str, host: str) -> bool:
    """Tell whether callers need tokens when the endpoint listens on a host.

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


def is_public(path: str) -> bool:
    """Tell whether a path needs no token, as it says nothing of a plant.

    >>> is_public("/docs/swagger-ui.css"), is_public("/model")
    (True, False)
    """
    return path in PUBLIC_PATHS or path.startswith(PUBLIC_FOLDERS)


def scopes_for(path: str, method: str = "GET") -> tuple[str, ...]:
    """Return the scopes of which a token needs one; empty where any token will do.

    Examples
    --------
    >>> scopes_for("/twins/cnc-001", "PATCH")
    ('override',)
    """
    if path == _TWINS or path.startswith(f"{_TWINS}/"):
        return _TWIN_READERS if method in _READING else _TWIN_WRITERS
    by_prefix = next((scopes for prefix, scopes in _SCOPES_BY_PREFIX.items() if path.startswith(prefix)), ())
    return _SCOPES.get(path, by_prefix)


class Authenticator:
    """Check tokens against the records; each valid one is cached for a second."""

    def __init__(self, find: Callable[[str, pd.Timestamp], Token | None], clock: Callable[[], pd.Timestamp]) -> None:
        self._find = find
        self._clock = clock
        self._recent: Recent[Token] = Recent()

    def cached_token(self, header: str | None) -> Token | None:
        """Return the token of an ``Authorization`` header if it was valid a second ago; reads no database."""
        secret = _secret(header)
        return self._recent.get(secret) if secret else None

    def authenticate(self, header: str | None) -> Token:
        """Find the token of an ``Authorization`` header in the records; ApiError of status 401 without a valid one."""
        secret = _secret(header)
        if secret is None:
            raise _unauthorized("no token" if header is None else "something other than a bearer token")
        token = self.find(secret)
        if token is None:
            raise _unauthorized("a token that is unknown, revoked or expired")
        self._recent.note(secret, token)
        return token

    def find(self, secret: str) -> Token | None:
        """Find a token in the records; None if it is unknown, revoked or expired."""
        return self._find(secret, self._clock()) if len(secret) <= _MAX_SECRET_LENGTH else None


def check_scope(token: Token, path: str, method: str) -> None:
    """Reject a token that lacks the scope of a path: ApiError of status 403."""
    needed = scopes_for(path, method)
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
    well_formed = scheme.lower() == "bearer" and 0 < len(secret.strip()) <= _MAX_SECRET_LENGTH
    return secret.strip() if well_formed else None


def _unauthorized(found: str) -> ApiError:
    expected = "the header Authorization: Bearer TOKEN, with a valid token"
    return ApiError(UNAUTHORIZED, None, found, expected, "Ask the operator for a token")
