"""How often each caller may ask: a token bucket each."""

import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_CALLERS = 10_000


class RateLimit:
    """Let a caller ask so often a second, and save up for a burst of two seconds' worth.

    To be used from one thread: the event loop's.

    Parameters
    ----------
    per_second
        Requests a second, of one caller; 0 lets everything through.
    clock
        Seconds that only go forward.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._most = max(1.0, 2 * per_second)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str) -> float:
        """Take one request of a caller.

        Parameters
        ----------
        caller
            Who asks.

        Returns
        -------
        float
            0 if it may go on, else after how many seconds to try again.
        """
        if self._rate <= 0:
            return 0.0
        now = self._clock()
        left, then = self._left.pop(caller, (self._most, now))
        left = min(self._most, left + (now - then) * self._rate)
        allowed = left >= 1.0
        self._left[caller] = (left - 1.0 if allowed else left, now)
        if len(self._left) > _MOST_CALLERS:
            # Who has not asked for longest has most likely saved up everything again.
            self._left.popitem(last=False)
        return 0.0 if allowed else (1.0 - left) / self._rate
