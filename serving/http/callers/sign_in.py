"""Signing in to the pages with a token: its session opened, and how often somebody may try."""

import math
from threading import Lock

from serving.http.callers.authentication import Authenticator
from serving.http.callers.rate_limits import RateLimit
from serving.http.callers.sessions import Sessions
from serving.http.errors import TOO_MANY, UNAUTHORIZED, ApiError
from serving.settings import Settings

_MINUTE_S = 60.0


class SignIn:
    """Open sessions for tokens, for so many attempts a minute and address."""

    def __init__(self, settings: Settings, authenticator: Authenticator, sessions: Sessions) -> None:
        self._authenticator = authenticator
        self.sessions = sessions
        self._most = settings.sign_in_attempts
        # Each worker sees its share of the attempts.
        burst = self._most / settings.workers
        self._limit = RateLimit(burst / _MINUTE_S, burst=burst)
        self._lock = Lock()

    def open(self, token: str, address: str) -> tuple[str, str]:
        """Return the name of a token, and the secret of a session of it; ApiError 401 or 429."""
        with self._lock:
            seconds = self._limit.take(address)
        if seconds:
            raise ApiError(
                TOO_MANY,
                None,
                "too many attempts to sign in from this address",
                f"at most {self._most} a minute",
                "Try again later",
                retry_after=math.ceil(seconds),
            )
        found = self._authenticator.find(token)
        if found is None:
            expected = "one that `forewarn tokens create` made"
            raise ApiError(UNAUTHORIZED, "token", "an unknown, revoked or expired token", expected, "Ask for one")
        return found.name, self.sessions.open(found.name)
