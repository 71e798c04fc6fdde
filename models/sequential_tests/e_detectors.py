"""E-detector: evidence that a rate became worse recently, with a declared mean time between false detections.

An e-process weighs everything since the promotion, so a long good record hides a fresh change. An e-detector starts a
new e-process with every update and adds them all up (Shiryaev-Roberts): some of them start just when the change does.
While the promise is kept, each is expected to be one at most, so after t updates their sum is expected to be t at most.
Hence the first update at which the sum reaches a threshold comes, on average, no sooner than after that many updates:
threshold = mean time between false detections, whatever the rates up to the promised one, also for a rate that depends
on the past. The events of one update have to be independent, given its rate: where they have a common cause see
`models.sequential_tests.overdispersed` and `models.sequential_tests.bets`.

The largest of the e-processes (CUSUM) has the same guarantee with the same threshold. A maximum never exceeds the sum,
so CUSUM is never sooner, history by history; in simulations it is about one look later. Hence the sum.

An update that takes the sum far beyond the threshold wastes what lies beyond: the decision is the same. So each update
first multiplies the sum by the greatest factor with which it is still not expected to rise by more than one, counted up
to the threshold only. Without that factor the mean time between false detections is more than twice the declared one
where a single update carries much evidence, and a change is detected later.

Many updates of very little evidence each would let the sum creep to its threshold on starts alone: the mean time is
counted in updates, so declare it in the updates you make. An update of nothing changes nothing.

References
----------
J. Shin, A. Ramdas, A. Rinaldo, E-detectors: a nonparametric framework for sequential change detection, arXiv
2203.03532: sums and maxima of e-processes, their thresholds, and mixtures.

L. Fischer, A. Ramdas, Improving Wald's (approximate) sequential probability ratio test by avoiding overshoot, arXiv
2410.16076: the same factor, for sequential tests.

G. Lorden, Procedures for reacting to a change in distribution, Annals of Mathematical Statistics 42, 1971: for long
mean times no rule reacts, in the worst case, sooner than log(mean time between false detections) / KL divergence.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError
from models.sequential_tests.e_processes import RATES, Alternatives, FloatArray

CUTS = 32
NEGLIGIBLE = 1e-9


def shiryaev_roberts(
    log_sums: FloatArray, events: npt.ArrayLike, amount: float, alternatives: Alternatives, threshold: float
) -> FloatArray:
    """Start another e-process and update all of them; returns the logs of the sums, (..., rates).

    `log_sums`, (..., rates), are those before the update, minus infinity at the start; `events` (...) are counted over
    `amount` trials or exposure, above 0; `threshold` is the log at which one stops.
    """
    started = np.logaddexp(log_sums, 0.0)
    factor = overshoot_factor(started, amount, alternatives, threshold)
    sums: FloatArray = started + np.log(factor)[..., None] + alternatives.log_gains(events, amount)
    return sums


def overshoot_factor(log_sums: FloatArray, amount: float, alternatives: Alternatives, threshold: float) -> FloatArray:
    """Return the factors (...), 1 or more, for sums (..., rates) of which nothing beyond the threshold counts.

    With S the sum before the update, its new start included, X the sum after it and A the threshold, the factor b holds
    E[min(b X, A)] = S at the promised rate. Let S_c be the part of E[X] that c events or fewer contribute, and P_c the
    probability of more. As E[min(b X, A)] is the least of b S_c + A P_c over all c, b is the greatest of
    (S - A P_c) / S_c. The greatest over some of the c is no greater, and so is safe. A rate below the promised one
    brings fewer events, and X grows with events: there the expectation is lower still.
    """
    at_most, beyond = _tables(alternatives, amount)
    # Each share of a sum below the threshold is below it too; a sum that has passed it is left alone.
    shares = np.exp(np.minimum(log_sums + alternatives.log_weights - threshold, 0))
    whole = shares.sum(axis=-1, keepdims=True)
    below = shares @ at_most
    possible = (below > NEGLIGIBLE) & (whole < 1)
    factors = np.divide(whole - beyond, below, out=np.ones_like(below), where=possible)
    greatest: FloatArray = factors.max(axis=-1, initial=1.0)
    return greatest


@lru_cache(maxsize=256)
def _tables(alternatives: Alternatives, amount: float) -> tuple[FloatArray, FloatArray]:
    """Return (rates, cuts) probabilities of as many events or fewer, and (cuts) of more at the promised rate."""
    mean = amount * alternatives.promised
    cuts = np.unique(np.linspace(0, mean + 8 * math.sqrt(mean) + 8, CUTS).astype(int))
    at_most = alternatives.at_most(cuts, amount, alternatives.rates[:, None])
    return at_most, 1 - alternatives.at_most(cuts, amount, alternatives.promised)


class EDetector:
    """Detect that events have become more frequent than promised since some recent update.

    `mean_time_between_false` is in updates and above 1: false rejections are at least so far apart on average.

    Examples
    --------
    >>> from models.sequential_tests.e_processes import bernoulli_alternatives, poisson_alternatives
    >>> misses = EDetector(bernoulli_alternatives(promised=0.20, harmful=0.35), mean_time_between_false=100)
    >>> for missed in (1, 2, 0, 1, 1, 1, 4, 3, 4, 3):
    ...     misses.update(missed, 6)
    >>> misses.rejected, round(misses.log_e_value, 1), round(misses.threshold, 1)
    (True, 8.8, 4.6)

    >>> false_alarms = EDetector(poisson_alternatives(promised=0.1, harmful=0.15), mean_time_between_false=100)
    >>> for episodes in (5, 4, 6, 12, 9, 11):
    ...     false_alarms.update(episodes, 50.0)
    >>> false_alarms.rejected
    True
    """

    def __init__(self, alternatives: Alternatives, mean_time_between_false: float) -> None:
        if not 1 < mean_time_between_false < math.inf:
            raise UsageError(
                f"the mean time between false detections is {mean_time_between_false} updates",
                "a number above 1",
                "Give it in updates: 500 where one in 500 may be false.",
            )
        self._alternatives = alternatives
        self._threshold = math.log(mean_time_between_false)
        self._log_sums = np.full(RATES, -math.inf)
        self._log_e_value = -math.inf
        self._rejected = False

    @property
    def log_e_value(self) -> float:
        """The evidence now, as a natural log: of a sum of e-values, so no e-value itself; -inf before any update."""
        return self._log_e_value

    @property
    def threshold(self) -> float:
        """What `log_e_value` must reach to reject: log(mean time between false detections)."""
        return self._threshold

    @property
    def rejected(self) -> bool:
        """Whether the evidence has ever reached the threshold; once true, it stays so. Make a new one to start over."""
        return self._rejected

    def update(self, events: int, amount: float) -> None:
        """Add what has matured since the last update: events, and the trials or exposure they are counted over."""
        events, amount = self._alternatives.check_update(events, amount)
        if not amount:
            return
        self._log_sums = shiryaev_roberts(self._log_sums, events, amount, self._alternatives, self._threshold)
        self._log_e_value = float(self._alternatives.log_mixture(self._log_sums))
        self._rejected = self._rejected or self._log_e_value >= self._threshold
