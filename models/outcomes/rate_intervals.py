"""Rates with their intervals: by chance, by assets, and over what nobody could judge.

What happens to one asset hangs together: an asset that is hard to predict is missed again and again. Counted as if each
event were drawn anew, intervals are too narrow. So the trials (or the exposure) are divided by the design effect, how
many times larger the variance between assets makes the variance of the rate, and the usual interval is taken of this
effective number [1]_, [2]_. A bootstrap over assets would serve where assets are many; where they are few, or no error
was seen, it gives intervals that are far too narrow, down to none at all.

References
----------
.. [1] J. N. K. Rao and A. J. Scott, "A simple method for the analysis of clustered binary data", Biometrics 48 (1992),
   577-585, doi:10.2307/2532311; for counts "A simple method for analysing overdispersion in clustered Poisson data",
   Statistics in Medicine 18 (1999), 1373-1385.
.. [2] E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number of positive
   counts estimated from survey data", Survey Methodology 24 (1998), 193-201: the effective number and its correction
   by the degrees of freedom. Wilson's interval of it: N. Dean and M. Pagano, Journal of Survey Statistics and
   Methodology 3 (2015), 484-503, doi:10.1093/jssam/smv024.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bounds:
    """What a rate may be, whatever the cases are that nobody could judge.

    Parameters
    ----------
    unknown : int
        Such cases.
    lowest, highest : float
        The rate if all of them were the one thing, or all the other.
    low, high : float
        The lower end of the interval of the lowest and the upper end of that of the highest: chance and ignorance
        together.

    References
    ----------
    C. F. Manski, "Partial Identification of Probability Distributions", Springer 2003, chapter 1; J. L. Horowitz and
    C. F. Manski, JASA 95 (2000), 77-84, for the interval of the bounds.
    """

    unknown: int
    lowest: float
    highest: float
    low: float
    high: float


@dataclass(frozen=True)
class Rate:
    """A rate with what it was counted from and its interval.

    Parameters
    ----------
    count : int
        Errors seen.
    of : float
        Trials (a share) or exposure in asset-months (a rate of events).
    value : float
        count / of; NaN when nothing was watched.
    low, high : float
        Ends of the two-sided interval; what is possible at all when nothing was watched.
    bounds : Bounds, optional
        What the unknown cases leave open; None where nobody counted them.
    """

    count: int
    of: float
    value: float
    low: float
    high: float
    bounds: Bounds | None = None


def share(count: int, trials: int, confidence: float = 0.95) -> Rate:
    """Return a share with Wilson's score interval.

    Parameters
    ----------
    count, trials : int
        Successes and trials.
    confidence : float
        Of the two-sided interval.

    Examples
    --------
    >>> rate = share(1, 10)
    >>> round(rate.low, 3), round(rate.high, 3)
    (0.018, 0.404)

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927),
       209-212, doi:10.1080/01621459.1927.10502953.
    """
    if trials == 0:
        return Rate(0, 0, float("nan"), 0.0, 1.0)
    return Rate(count, trials, count / trials, *_wilson(count / trials, trials, confidence))


def occurrence(count: int, exposure: float, confidence: float = 0.95) -> Rate:
    """Return a rate of events per unit of exposure with Garwood's exact Poisson interval.

    Parameters
    ----------
    count : int
        Events.
    exposure : float
        Watched time, in asset-months.
    confidence : float
        Of the two-sided interval.

    Examples
    --------
    >>> rate = occurrence(3, 1.0)
    >>> round(rate.low, 3), round(rate.high, 3)
    (0.619, 8.767)

    References
    ----------
    .. [1] F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936), 437-442,
       doi:10.1093/biomet/28.3-4.437.
    """
    if exposure <= 0:
        return Rate(count, 0.0, float("nan"), 0.0, float("inf"))
    low, high = _garwood(count, confidence)
    return Rate(count, exposure, count / exposure, low / exposure, high / exposure)


def clustered_share(counts: npt.ArrayLike, trials: npt.ArrayLike, confidence: float = 0.95) -> Rate:
    """Return a share with Wilson's interval of the effective number of trials.

    Parameters
    ----------
    counts, trials : array of shape (n_assets,)
        Successes and trials of each asset.
    confidence : float
        Of the two-sided interval.

    Returns
    -------
    Rate
        With as many trials as were made. Where all or none succeeded nothing tells how assets differ; then each counts
        as one trial, as it also does at worst.

    Examples
    --------
    >>> alike, apart = clustered_share([1, 1, 1, 1], [2, 2, 2, 2]), clustered_share([2, 2, 0, 0], [2, 2, 2, 2])
    >>> round(alike.low, 2), round(apart.low, 2)
    (0.16, 0.1)
    """
    own, made = (np.asarray(values, dtype=np.float64) for values in (counts, trials))
    own, made = own[made > 0], made[made > 0]
    total = float(made.sum())
    if total == 0:
        return Rate(0, 0, float("nan"), 0.0, 1.0)
    value = float(own.sum()) / total
    effective = effective_trials(own - value * made, made, value, total, confidence)
    return Rate(round(own.sum()), total, value, *_wilson(value, effective, confidence))


def weighted_share(
    found: npt.ArrayLike, weights: npt.ArrayLike, assets: npt.ArrayLike, confidence: float = 0.95
) -> Rate:
    """Return a weighted share with Wilson's interval of the effective number of trials.

    Parameters
    ----------
    found : array of bool, shape (n_trials,)
        The successes.
    weights : array of shape (n_trials,)
        For how many each trial stands.
    assets : array of shape (n_trials,)
        Trials of one asset hang together.
    confidence : float
        Of the two-sided interval.

    Returns
    -------
    Rate
        Count and trials are those that were made; the value is weighted.

    Examples
    --------
    >>> round(weighted_share([True, False, False], [1.0, 3.0, 4.0], ["m1", "m2", "m3"]).value, 3)
    0.125
    """
    right, weight = np.asarray(found, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if not len(right):
        return Rate(0, 0, float("nan"), 0.0, 1.0)
    whose = np.unique(np.asarray(assets, dtype=str), return_inverse=True)[1]
    value = float(weight @ right / weight.sum())
    residuals: Floats = np.bincount(whose, weight * (right - value)).astype(np.float64)
    own: Floats = np.bincount(whose, weight).astype(np.float64)
    effective = effective_trials(residuals, own, value, len(right), confidence)
    return Rate(round(right.sum()), len(right), value, *_wilson(value, effective, confidence))


def effective_trials(residuals: Floats, weights: Floats, value: float, trials: float, confidence: float) -> float:
    """Return how many independent trials would tell as much about a share.

    Parameters
    ----------
    residuals : array of shape (n_clusters,)
        Of each cluster, the weighted sum of what its trials deviate from the share.
    weights : array of shape (n_clusters,)
        Of each cluster, the sum of the weights of its trials.
    value : float
        The share.
    trials : float
        Trials made.
    confidence : float
        For the correction by the degrees of freedom.

    Returns
    -------
    float
        At most `trials`, at least 1.
    """
    clusters = len(weights)
    fewest = float(weights.sum() ** 2 / (weights**2).sum())
    if clusters == 1 or not 0 < value < 1:
        return max(1.0, min(trials, fewest))
    variance = clusters / (clusters - 1) * float((residuals**2).sum() / weights.sum() ** 2)
    independent = value * (1 - value) / variance if variance > 0 else np.inf
    tail = (1 - confidence) / 2
    spread = stats.t.isf(tail, max(trials - 1, 1)) / stats.t.isf(tail, clusters - 1)
    return max(1.0, min(trials, max(independent, fewest)) * float(spread) ** 2)


def clustered_occurrence(counts: npt.ArrayLike, exposures: npt.ArrayLike, confidence: float = 0.95) -> Rate:
    """Return a rate of events with Garwood's interval of the effective number of events.

    Parameters
    ----------
    counts, exposures : array of shape (n_assets,)
        Events of each asset, and how long it was watched, in asset-months.
    confidence : float
        Of the two-sided interval.

    Returns
    -------
    Rate
        With as many events as there were.

    Examples
    --------
    >>> alike, apart = clustered_occurrence([2] * 8, [1.0] * 8), clustered_occurrence([16] + [0] * 7, [1.0] * 8)
    >>> round(alike.high, 1), round(apart.high, 1)
    (3.6, 11.1)
    """
    own, watched = (np.asarray(values, dtype=np.float64) for values in (counts, exposures))
    events, exposure = round(own.sum()), float(watched.sum())
    own, watched = own[watched > 0], watched[watched > 0]
    if exposure <= 0:
        return Rate(events, 0.0, float("nan"), 0.0, float("inf"))
    value = events / exposure
    effective = _effective_events(own, own - value * watched, confidence) if own.any() else float(events)
    if not effective:
        return occurrence(events, exposure, confidence)
    low, high = _garwood(effective, confidence)
    return Rate(events, exposure, value, value * low / effective, value * high / effective)


def _effective_events(counts: Floats, residuals: Floats, confidence: float) -> float:
    clusters, events = len(counts), float(counts.sum())
    # At worst all events of an asset are one.
    fewest = events**2 / float((counts**2).sum())
    if clusters == 1:
        return fewest
    variance = clusters / (clusters - 1) * float((residuals**2).sum())
    tail = (1 - confidence) / 2
    spread = stats.norm.isf(tail) / stats.t.isf(tail, clusters - 1)
    independent = events**2 / variance if variance > 0 else np.inf
    return max(1.0, min(events, max(independent, fewest)) * float(spread) ** 2)


def within(rate: Rate, lowest: Rate, highest: Rate, unknown: int) -> Rate:
    """Add to a rate what the unknown cases leave open.

    Parameters
    ----------
    rate : Rate
        Of the cases that were judged.
    lowest, highest : Rate
        If all unknown cases were the one thing, or all the other.
    unknown : int
        How many they are.

    Returns
    -------
    Rate
        With bounds.
    """
    low, high = min(rate.low, lowest.low), max(rate.high, highest.high)
    return replace(rate, bounds=Bounds(unknown, lowest.value, highest.value, low, high))


def _wilson(value: float, trials: float, confidence: float) -> tuple[float, float]:
    z = float(stats.norm.isf((1 - confidence) / 2))
    middle = (value + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(value * (1 - value) / trials + z**2 / (4 * trials**2))
    low = 0.0 if value == 0 else max(0.0, float(middle - half))
    high = 1.0 if value == 1 else min(1.0, float(middle + half))
    return low, high


def _garwood(count: float, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low = float(stats.chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return low, float(stats.chi2.isf(tail, 2 * count + 2)) / 2
