"""Counts of a look whose events are correlated: beta-binomial misses, negative-binomial false alarms.

A hot week or a batch of material moves the rate of a whole look, so its counts scatter more than those of independent
events do. The dispersion says how much: for shares it is the correlation of two trials of one look, for counts the
squared coefficient of variation of their rate from look to look. With a dispersion of zero the counts are binomial or
Poisson. A model knows some dispersions up to the largest one that is allowed for.

References
----------
J. G. Skellam, A probability distribution derived from the binomial distribution by regarding the probability of success
as variable between the sets of trials, Journal of the Royal Statistical Society B 10, 1948: beta-binomial.

J. F. Lawless, Negative binomial and mixed Poisson regression, Canadian Journal of Statistics 15, 1987.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.sequential_tests.e_processes import Alternatives, bernoulli_alternatives, poisson_alternatives
from models.sequential_tests.e_processes import FloatArray as FloatArray

RATES = 8
TYPICAL = 2
"""The place of the rate up to which stakes are much the same."""
CUTS = 32
HIGHEST_SHARE = 0.95
HIGHEST_FOLD = 10.0
LARGEST_TABLE = 2000
LEAST_DISPERSION = 0.01
MOST_GAIN_OF_MISSES = 32.0
MOST_GAIN_OF_FALSE_ALARMS = 10.0
"""With the default mean time between false decisions two looks of misses, three of false alarms, have to agree. More
would detect misses later by more than a look."""
STEP = 2.25
"""The most by which a dispersion is larger than the one before."""


@dataclass(frozen=True)
class CountModel:
    """How counts scatter around a rate, at each of some dispersions."""

    name: str
    scatter: float  # the most that is allowed for: a correlation, or a coefficient of variation
    dispersions: tuple[float, ...]  # rising from zero, which is independence
    log_likelihood: Callable[[FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]
    """Of events, amount, rate and dispersion, up to a term of events and amount alone; broadcasts."""
    log_frequency: Callable[[FloatArray, float], FloatArray]  # that term, of events and amount
    spread: Callable[[float, float], FloatArray]  # rates to bet on, from the harmful one upwards, of null and harmful
    most: Callable[[float, float], int]  # events of interest, of an amount and a rate
    divergence: Callable[[FloatArray, float], FloatArray]  # Kullback-Leibler, of independent events at rates, from one
    highest_rate: float
    most_gain: float  # by how much a single look may multiply evidence
    independent: Callable[[float, float], Alternatives]  # to a null and a harmful rate, of independent events

    def log_stakes(self, null: float, rates: FloatArray) -> FloatArray:
        """Return the log of each rate's share of the stake; the further a rate, the sooner it is seen with less."""
        divergences = self.divergence(rates, null)
        stakes = 1 / (divergences + divergences[TYPICAL])
        return np.asarray(np.log(stakes / stakes.sum()))


def _beta_binomial(events: FloatArray, trials: FloatArray, rate: FloatArray, dispersion: FloatArray) -> FloatArray:
    from scipy.special import gammaln, xlog1py, xlogy

    size = (1 - dispersion) / np.where(dispersion > 0, dispersion, 1)
    hits, others = rate * size, (1 - rate) * size
    with np.errstate(invalid="ignore"):  # where the dispersion is zero, so is the size
        shocked = (gammaln(hits + events) - gammaln(hits)) + (gammaln(others + trials - events) - gammaln(others))
        shocked = shocked - (gammaln(size + trials) - gammaln(size))
    independent = xlogy(events, rate) + xlog1py(trials - events, -rate)
    return np.asarray(np.where(dispersion > 0, shocked, independent))


def _negative_binomial(events: FloatArray, amount: FloatArray, rate: FloatArray, dispersion: FloatArray) -> FloatArray:
    from scipy.special import gammaln, xlogy

    mean, size = amount * rate, 1 / np.where(dispersion > 0, dispersion, 1)
    shocked = (
        gammaln(size + events) - gammaln(size) - size * np.log1p(mean / size) + xlogy(events, mean / (mean + size))
    )
    return np.asarray(np.where(dispersion > 0, shocked, xlogy(events, mean) - mean))


def _ways(events: FloatArray, trials: float) -> FloatArray:
    from scipy.special import gammaln

    return np.asarray(gammaln(trials + 1) - gammaln(events + 1) - gammaln(trials - events + 1))


def _orders(events: FloatArray, _amount: float) -> FloatArray:
    from scipy.special import gammaln

    return np.asarray(-gammaln(events + 1))


def _spread_shares(null: float, harmful: float) -> FloatArray:
    from scipy.special import expit, logit

    lowest = logit(max(harmful, null))
    return np.asarray(expit(np.linspace(lowest, max(logit(HIGHEST_SHARE), lowest + 2), RATES)))


def _spread_counts(_null: float, harmful: float) -> FloatArray:
    return np.geomspace(harmful, HIGHEST_FOLD * harmful, RATES)


def _share_divergence(rates: FloatArray, null: float) -> FloatArray:
    from scipy.special import rel_entr

    return np.asarray(rel_entr(rates, null) + rel_entr(1 - rates, 1 - null))


def _count_divergence(rates: FloatArray, null: float) -> FloatArray:
    from scipy.special import kl_div

    return np.asarray(kl_div(rates, null))


def _all_trials(trials: float, _rate: float) -> int:
    return int(trials)


def _most_counts(amount: float, rate: float) -> int:
    return int(3 * amount * rate + 8 * np.sqrt(amount * rate) + 8)


@lru_cache(maxsize=64)
def beta_binomial(correlation: float) -> CountModel:
    """Return the model of misses, two of one look being correlated by at most so much."""
    return CountModel(
        "beta-binomial",
        correlation,
        _dispersions(correlation),
        _beta_binomial,
        _ways,
        _spread_shares,
        _all_trials,
        _share_divergence,
        1.0,
        MOST_GAIN_OF_MISSES,
        bernoulli_alternatives,
    )


@lru_cache(maxsize=64)
def negative_binomial(variation: float) -> CountModel:
    """Return the model of false alarms, whose rate varies from look to look by at most so much of its mean."""
    return CountModel(
        "negative binomial",
        variation,
        _dispersions(variation**2),
        _negative_binomial,
        _orders,
        _spread_counts,
        _most_counts,
        _count_divergence,
        math.inf,
        MOST_GAIN_OF_FALSE_ALARMS,
        poisson_alternatives,
    )


def _dispersions(largest: float) -> tuple[float, ...]:
    if largest <= LEAST_DISPERSION:
        return (0.0, largest)
    steps = math.ceil(math.log(largest / LEAST_DISPERSION, STEP))
    return (0.0, *np.geomspace(LEAST_DISPERSION, largest, steps + 1).tolist())


@lru_cache(maxsize=512)
def overshoot_tables(
    model: CountModel, amount: float, null: float, rates: tuple[float, ...]
) -> tuple[FloatArray, FloatArray] | None:
    """Return what counts up to each cut contribute to a likelihood ratio, and P(count > cut), at the null rate.

    The first, (cuts, dispersions, rates x dispersions), is E[ratio; count <= cut] under each dispersion of the null;
    the denominator of a ratio has the larger of the two dispersions, that of the null or that of the numerator. The
    second is (cuts, dispersions). None for counts so large that the tables would be; the tests then go without.
    """
    most = model.most(amount, null)
    if most > LARGEST_TABLE:
        return None
    events, dispersions = np.arange(most + 1.0), np.array(model.dispersions)
    every = np.array([*rates, null])
    logs = model.log_likelihood(events[:, None, None], np.array(amount), every[:, None], dispersions)
    logs += model.log_frequency(events, amount)[:, None, None]
    numerators, nulls = np.exp(logs[:, :-1]), np.exp(logs[:, -1])
    ratios = np.exp(logs[:, :-1] - logs[:, -1:])
    cuts = np.unique(np.linspace(0, most, CUTS).astype(int))
    counted = (events <= cuts[:, None, None]) * nulls.T
    below = counted.reshape(-1, len(events)) @ ratios.reshape(len(events), -1)
    below = below.reshape(len(cuts), len(dispersions), *ratios.shape[1:])
    own = np.broadcast_to(numerators.cumsum(axis=0)[cuts, None], below.shape)
    larger = dispersions > dispersions[:, None]
    parts = np.where(larger[:, None, :], below, own).reshape(len(cuts), len(dispersions), -1)
    # Sums of many terms err on the safe side.
    return parts * (1 + 1e-9), np.clip(1 - nulls.cumsum(axis=0)[cuts], 0, 1) + 1e-12
