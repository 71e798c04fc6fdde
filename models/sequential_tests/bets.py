"""Evidence by bets that need only the mean: valid however the events of a look depend on each other.

A stake of s on a look multiplies the capital by 1 - s + s x / m, x being the count and m the one promised. Whatever the
distribution, that is expected to be 1 at most while the mean, given the past, is m at most. A gambler who spreads his
capital over stakes has an e-process; one who starts anew with every look has an e-detector. The price is delay, for a
count far beyond the promised one is never as surprising as the model of a distribution would find it.

References
----------
I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting", Journal of the Royal Statistical
Society B 86, 2024, arXiv 2010.09686, section 4.

A. Podkopaev, A. Ramdas, "Tracking the risk of a deployed model and detecting harmful distribution shifts", ICLR 2022,
arXiv 2110.06177.
"""

import math

import numpy as np

from models.sequential_tests.count_models import FloatArray

STAKES = np.array([0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9])


def bet_evidence(events: FloatArray, expected: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the logs of the e-process since the first look and of the e-detector, (histories, looks).

    `events` and `expected`, the counts and those promised at most, are (histories, looks). A look at which nothing is
    expected changes nothing.
    """
    watched = expected > 0
    ratios = np.divide(events, expected, out=np.ones(events.shape), where=watched)
    gains = np.log1p(STAKES * (ratios[..., None] - 1))
    since = np.logaddexp.reduce(gains.cumsum(axis=1), axis=-1) - math.log(len(STAKES))
    recent, sums = np.full(events.shape, -np.inf), np.full((len(events), len(STAKES)), -np.inf)
    for look in range(events.shape[1]):
        started = np.logaddexp(sums, 0.0) + gains[:, look]
        sums = np.where(watched[:, look, None], started, sums)
        recent[:, look] = np.logaddexp.reduce(sums, axis=-1) - math.log(len(STAKES))
    return since, recent
