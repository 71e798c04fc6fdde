"""How many of the alarms acted on would have been followed by a failure without acting.

Which alarms were held back was drawn at random. So given how many of all alarms would have failed without acting, the
number among those held back has a hypergeometric distribution, whatever assets, plants and months have in common: the
draw alone is at chance. Inverted, it gives an interval of the number among the others that holds without a model.

References
----------
J. Neyman, "On the application of probability theory to agricultural experiments", 1923, Statistical Science 5 (1990),
465-472: outcomes are fixed, the assignment is random. W. Wang, "Exact optimal confidence intervals for hypergeometric
parameters", JASA 110 (2015), 1491-1499, introduction: the interval of two one-sided tests that is used here.
"""

from dataclasses import dataclass

import numpy as np

from models.hold_back.acting_effect import Estimate

_AT_ONCE = 64


@dataclass(frozen=True)
class HeldBack:
    """Alarms that were held back at random, and how many of them a failure followed."""

    alarms: int
    failed: int


def failures_without_acting(held: HeldBack, announced: int, confidence: float) -> Estimate:
    """Estimate how many of the announced alarms a failure would have followed, had nobody acted; some were held back.

    Examples
    --------
    >>> failures_without_acting(HeldBack(10, 5), 90, 0.9)
    Estimate(value=45.0, low=19.0, high=71.0)
    """
    tail, all_ = (1 - confidence) / 2, held.alarms + announced
    sound = held.alarms - held.failed
    low = _fewest(held.failed, held.alarms, all_, tail) - held.failed
    # Those that would not have failed are counted in the same way, so that both ends follow from one rule.
    high = announced - (_fewest(sound, held.alarms, all_, tail) - sound)
    return Estimate(announced * held.failed / held.alarms, float(low), float(high))


def _fewest(seen: int, drawn: int, all_: int, tail: float) -> int:
    """Return the smallest number among all by which as many as were seen are drawn with a probability over `tail`."""
    from scipy import stats

    low, high = seen, all_ - drawn + seen  # with the last it is certain
    while low < high:
        # Many at once: a call of scipy takes as long for one.
        tried = np.unique(np.linspace(low, high, _AT_ONCE).astype(np.int64))
        first = int(np.argmax(stats.hypergeom.sf(seen - 1, all_, tried, drawn) > tail))
        low, high = int(tried[first - 1]) + 1 if first else low, int(tried[first])
    return low
