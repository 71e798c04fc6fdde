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

from models.sequential_tests.e_processes import Alternatives, FloatArray

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
