"""What was valid a moment ago, so that not every request reads the records."""

import hashlib
import time
from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

_SECONDS = 1.0
_MOST = 1_024
Found = TypeVar("Found")


class Recent(Generic[Found]):
    """What secrets stood for in the last second; keeps their digests only."""

    def __init__(self) -> None:
        self._valid: OrderedDict[str, tuple[Found, float]] = OrderedDict()
        self._lock = Lock()

    def get(self, secret: str) -> Found | None:
        """Return what a secret stands for, if that was noted a second ago at most."""
        with self._lock:
            noted = self._valid.get(_digest(secret))
        return noted[0] if noted is not None and time.monotonic() < noted[1] else None

    def note(self, secret: str, found: Found) -> None:
        """Note what a secret stands for now."""
        digest = _digest(secret)
        with self._lock:
            self._valid[digest] = (found, time.monotonic() + _SECONDS)
            self._valid.move_to_end(digest)
            if len(self._valid) > _MOST:
                self._valid.popitem(last=False)

    def forget(self, secret: str) -> None:
        """Forget a secret, which stands for nothing any more."""
        with self._lock:
            self._valid.pop(_digest(secret), None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
