"""Validated versions of one model, each loaded once; and a throttle for loading them beside live traffic."""

import threading
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from models.artifact.artifact import Artifact
from serving.deployment.model_validation import VersionSource, load_validated

_MAX_RECENT = 4
_WORK_SHARE = 0.125
_MAX_PAUSE_SECONDS = 0.6


class ModelCache:
    """Load and keep the versions of a model that may answer.

    A version that is in use anywhere in this process is kept, and so are the last few that were requested: neither a
    challenger that is promoted nor the target of a rollback is loaded again.
    """

    def __init__(self, source: VersionSource, name: str) -> None:
        self.name = name
        self._source = source
        self._in_use: WeakValueDictionary[int, Artifact] = WeakValueDictionary()
        self._recent: dict[int, Artifact] = {}
        self._lock = threading.Lock()

    def get(self, version: int, pause: Callable[[], None]) -> Artifact:
        """Return a validated version, or raise VersionRejected; `pause` is called between the steps of loading it."""
        artifact = self._in_use.get(version) or load_validated(self._source, self.name, version, pause)
        with self._lock:
            self._in_use[version] = artifact
            self._recent.pop(version, None)
            self._recent[version] = artifact
            if len(self._recent) > _MAX_RECENT:
                del self._recent[next(iter(self._recent))]
        return artifact

    def clear(self) -> None:
        """Forget all versions: a model that was deleted may come back with the same numbers for other versions."""
        with self._lock:
            self._in_use.clear()
            self._recent.clear()


class Throttle:
    """Pause between the steps of some work seven times as long as they took, so that requests are hardly delayed.

    All pauses together take at most 0.6 s: a version of a large model has to answer within two seconds too.
    """

    def __init__(self) -> None:
        self._worked_until = time.thread_time()
        self._pause_left = _MAX_PAUSE_SECONDS

    def pause(self) -> None:
        """Pause for the work since the last pause."""
        seconds = min((time.thread_time() - self._worked_until) * (1 / _WORK_SHARE - 1), self._pause_left)
        self._pause_left -= seconds
        time.sleep(seconds)
        self._worked_until = time.thread_time()


def no_pause() -> None:
    """No pause: nothing is being served yet."""
