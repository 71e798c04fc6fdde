"""The versions of one model that this process has proven, each proven once; and the pace at which it is done."""

import threading
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from models.artifact.artifact import Artifact
from serving.deployment.model_validation import VersionSource, prepare

_KEPT = 4
_SHARE = 0.125
_MOST_REST = 0.6


class ModelCache:
    """Hold the versions that may answer.

    A version that scored in the shadow is not loaded again when it is promoted, nor one that a rollback goes back to:
    what is in use anywhere in this process is here, and the last few that were asked for.

    Parameters
    ----------
    source
        The registry.
    name
        The model's name.
    """

    def __init__(self, source: VersionSource, name: str) -> None:
        self.name = name
        self._source = source
        self._in_use: WeakValueDictionary[int, Artifact] = WeakValueDictionary()
        self._latest: dict[int, Artifact] = {}
        self._lock = threading.Lock()

    def get(self, version: int, rest: Callable[[], None]) -> Artifact:
        """Return a version, proven.

        Parameters
        ----------
        version
            Which one.
        rest
            Called between the steps of loading and proving one that is not here.

        Returns
        -------
        Artifact
            Ready to answer.

        Raises
        ------
        VersionRefused
            If it does not load, score or agree.
        """
        found = self._in_use.get(version) or prepare(self._source, self.name, version, rest)
        with self._lock:
            self._in_use[version] = found
            self._latest.pop(version, None)
            self._latest[version] = found
            if len(self._latest) > _KEPT:
                del self._latest[next(iter(self._latest))]
        return found

    def forget(self) -> None:
        """Hold nothing any more: a model that was deleted may come back with the same numbers for other versions."""
        with self._lock:
            self._in_use.clear()
            self._latest.clear()


class Throttle:
    """Rest between the steps of some work seven times as long as they took, so that who asks hardly feels them.

    In all it rests no longer than 0.6 s: a version of a large model is to answer within two seconds too.
    """

    def __init__(self) -> None:
        self._worked = time.thread_time()
        self._left = _MOST_REST

    def rest(self) -> None:
        """Rest for the work since the last time."""
        rest = min((time.thread_time() - self._worked) * (1 / _SHARE - 1), self._left)
        self._left -= rest
        time.sleep(rest)
        self._worked = time.thread_time()


def hurry() -> None:
    """Rest not at all, where there is nobody yet to be disturbed."""
