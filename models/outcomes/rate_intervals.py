"""Rates with their intervals: by chance, by differences between assets, and over the cases that stayed unknown.

What happens to one asset is correlated: an asset that is hard to predict is missed again and again. Treated as
independent events, intervals are too narrow. So the trials (or the exposure) are divided by the design effect, how
many times larger the variance between assets makes the variance of the rate, and the usual interval is taken of this
effective number [1]_, [2]_. A bootstrap over assets would serve where assets are many; where they are few, or no error
was seen, its intervals are far too narrow, or of no width at all.

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

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bounds:
    """What a rate may be, over all possible outcomes of the unknown cases.

    References
    ----------
    C. F. Manski, "Partial Identification of Probability Distributions", Springer 2003, chapter 1; J. L. Horowitz and
    C. F. Manski, JASA 95 (2000), 77-84, for the interval of the bounds.
    """

    unknown: int  # number of unknown cases
    lowest: float  # the rate if all of them went one way
    highest: float  # the rate if all of them went the other way
    low: float  # lower end of the interval of `lowest`: chance and unknown cases together
    high: float  # upper end of the interval of `highest`


@dataclass(frozen=True)
class Rate:
    """A rate with the counts it comes from and its two-sided interval."""

    count: int  # errors seen
    of: float  # trials (for a share), or exposure in asset-months (for a rate of events)
    value: float  # count / of; NaN without trials or exposure
    low: float  # the interval; all that is possible without trials or exposure
    high: float
    bounds: Bounds | None = None  # None where unknown cases were not counted


def share(count: int, trials: int, confidence: float = 0.95) -> Rate:
    """Return a share with Wilson's score interval.

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
    """Return events per asset-month of exposure with Garwood's exact Poisson interval.

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
    """Return a share with Wilson's interval of the effective number of trials, from arrays of shape (n_assets,).

    Where all or no trials succeeded, nothing shows how assets differ; then each asset counts as one trial, which is
    also the worst case otherwise.

    Examples
    --------
    >>> alike, apart = clustered_share([1, 1, 1, 1], [2, 2, 2, 2]), clustered_share([2, 2, 0, 0], [2, 2, 2, 2])
    >>> round(alike.low, 2), round(apart.low, 2)
    (0.16, 0.1)
    """
    hits, tried = (np.asarray(values, dtype=np.float64) for values in (counts, trials))
    hits, tried = hits[tried != 0], tried[tried != 0]
    total = float(tried.sum())
    if total <= 0:
        return Rate(0, 0, float("nan"), 0.0, 1.0)
    value = float(hits.sum()) / total
    effective = _effective_trials(hits - value * tried, tried, value, total, confidence)
    return Rate(round(hits.sum()), total, value, *_wilson(value, effective, confidence))


def weighted_share(
    successes: npt.ArrayLike, weights: npt.ArrayLike, assets: npt.ArrayLike, confidence: float = 0.95
) -> Rate:
    """Return a weighted share with Wilson's interval of the effective number of trials, from arrays of (n_trials,).

    Trials of one asset are correlated. Count and trials of the rate are unweighted; its value is weighted.

    Examples
    --------
    >>> round(weighted_share([True, False, False], [1.0, 3.0, 4.0], ["m1", "m2", "m3"]).value, 3)
    0.125
    """
    hits, weight = np.asarray(successes, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if not len(hits):
        return Rate(0, 0, float("nan"), 0.0, 1.0)
    asset = np.unique(np.asarray(assets, dtype=str), return_inverse=True)[1]
    value = float(weight @ hits / weight.sum())
    residuals: Floats = np.bincount(asset, weight * (hits - value)).astype(np.float64)
    asset_weights: Floats = np.bincount(asset, weight).astype(np.float64)
    effective = _effective_trials(residuals, asset_weights, value, len(hits), confidence)
    return Rate(round(hits.sum()), len(hits), value, *_wilson(value, effective, confidence))


def _effective_trials(residuals: Floats, weights: Floats, value: float, trials: float, confidence: float) -> float:
    """Return how many independent trials would be as informative about a share, from 1 to `trials`.

    Residuals and weights have the shape (n_clusters,): of each cluster, the weighted sum of its trials' deviations
    from the share, and the sum of their weights.
    """
    from scipy import stats

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
    """Return events per asset-month with Garwood's interval of the effective number of events; arrays (n_assets,).

    Examples
    --------
    >>> alike, apart = clustered_occurrence([2] * 8, [1.0] * 8), clustered_occurrence([16] + [0] * 7, [1.0] * 8)
    >>> round(alike.high, 1), round(apart.high, 1)
    (3.6, 11.1)
    """
    own, exposed = (np.asarray(values, dtype=np.float64) for values in (counts, exposures))
    total, exposure = max(float(own.sum()), 0.0), float(exposed.sum())
    events = round(total)
    own, exposed = own[exposed > 0], exposed[exposed > 0]
    if exposure <= 0:
        return Rate(events, 0.0, float("nan"), 0.0, float("inf"))
    value = total / exposure
    if not total:
        return occurrence(0, exposure, confidence)
    effective = _effective_events(own, own - value * exposed, confidence) if own.any() else total
    low, high = _garwood(effective, confidence)
    return Rate(events, exposure, value, value * low / effective, value * high / effective)


def _effective_events(counts: Floats, residuals: Floats, confidence: float) -> float:
    from scipy import stats

    clusters, events = len(counts), float(counts.sum())
    # In the worst case all events of an asset are one.
    fewest = events**2 / float((counts**2).sum())
    if clusters == 1:
        return fewest
    variance = clusters / (clusters - 1) * float((residuals**2).sum())
    tail = (1 - confidence) / 2
    spread = stats.norm.isf(tail) / stats.t.isf(tail, clusters - 1)
    independent = events**2 / variance if variance > 0 else np.inf
    return max(1.0, min(events, max(independent, fewest)) * float(spread) ** 2)


def effective_share(trials: int, value: float, effective: float, confidence: float = 0.95) -> Rate:
    """Return a share of so many trials, with Wilson's interval of their effective number."""
    return Rate(round(value * trials), trials, value, *_wilson(value, effective, confidence))


def effective_occurrence(exposure: float, value: float, effective: float, confidence: float = 0.95) -> Rate:
    """Return events per asset-month of exposure, with Garwood's interval of the effective exposure."""
    low, high = _garwood(value * effective, confidence)
    return Rate(round(value * exposure), exposure, value, low / effective, high / effective)


def with_bounds(rate: Rate, lowest: Rate, highest: Rate, unknown: int) -> Rate:
    """Add bounds to a rate of the known cases, given the rates if all unknown cases went one way, or the other."""
    low, high = min(rate.low, lowest.low), max(rate.high, highest.high)
    return replace(rate, bounds=Bounds(unknown, lowest.value, highest.value, low, high))


def _wilson(value: float, trials: float, confidence: float) -> tuple[float, float]:
    from scipy import stats

    z = float(stats.norm.isf((1 - confidence) / 2))
    middle = (value + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(value * (1 - value) / trials + z**2 / (4 * trials**2))
    low = 0.0 if value == 0 else max(0.0, float(middle - half))
    high = 1.0 if value == 1 else min(1.0, float(middle + half))
    return low, high


def _garwood(count: float, confidence: float) -> tuple[float, float]:
    from scipy import stats

    tail = (1 - confidence) / 2
    low = float(stats.chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return low, float(stats.chi2.isf(tail, 2 * count + 2)) / 2
