"""Rate limits: one token bucket per caller."""

import time
from collections import OrderedDict
from collections.abc import Callable

_MAX_CALLERS = 10_000


class RateLimit:
    """A token bucket per caller, which holds two seconds' worth of requests, or `burst`; a rate of 0 is no limit.

    Not thread-safe: used from the event loop only, or under a lock.
    """

    def __init__(
        self, per_second: float, clock: Callable[[], float] = time.monotonic, *, burst: float | None = None
    ) -> None:
        self._rate = per_second
        self._capacity = max(1.0, 2 * per_second if burst is None else burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """Count one request of a caller; return 0 if it is allowed, else after how many seconds to try again."""
        if self._rate <= 0:
            return 0.0
        now = self._clock()
        tokens, updated = self._buckets.pop(caller, (self._capacity, now))
        tokens = min(self._capacity, tokens + (now - updated) * self._rate)
        allowed = tokens >= 1.0
        self._buckets[caller] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > _MAX_CALLERS:
            # The caller that was idle for longest most likely has a full bucket, as a new one has.
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / self._rate
