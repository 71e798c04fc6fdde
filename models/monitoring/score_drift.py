"""What can be seen before any outcome: features and scores that have moved, and what the scores themselves expect.

None of it says that a model is wrong. It may warn, raise the audit rate or prepare a challenger; it never promotes one.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import false_discovery_control, ks_2samp

Procedure = Literal["bh", "by"]


@dataclass(frozen=True)
class Shift:
    """How far one feature, or the score, has moved from the reference to the recent period.

    Parameters
    ----------
    name : str
        The feature, or "score".
    statistic : float
        Kolmogorov and Smirnov's distance between the assets' medians, 0 to 1; NaN where a period has none.
    p_value : float
        Of no difference; 1 where it cannot be told.
    adjusted : float
        The smallest false discovery rate at which it would count as moved.
    assets : int
        Assets in the smaller of the two samples.
    """

    name: str
    statistic: float
    p_value: float
    adjusted: float
    assets: int


@dataclass(frozen=True)
class FeatureDrift:
    """Which of a model's features have moved.

    Parameters
    ----------
    shifts : tuple of Shift
        One for each feature, the surest first.
    false_discovery : float
        The share of false ones accepted among those that have moved.
    """

    shifts: tuple[Shift, ...]
    false_discovery: float

    @property
    def moved(self) -> tuple[str, ...]:
        """Return the features that have moved, the surest first."""
        return tuple(shift.name for shift in self.shifts if shift.adjusted <= self.false_discovery)


@dataclass(frozen=True)
class Interval:
    """A figure between two ends."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Expected:
    """What scores, taken as probabilities, say of their own decisions.

    Parameters
    ----------
    decisions, alerts : int
        Decisions in all, and those that were alerts.
    missed : Interval
        Share of positive decisions that were no alerts: sum of p over the silent by sum of p over all.
    precision : Interval
        Share of alerts that were positive: mean p over alerts.
    confidence : float
        Of the intervals, by bootstrap over assets.
    """

    decisions: int
    alerts: int
    missed: Interval
    precision: Interval
    confidence: float


def feature_drift(
    reference: pd.DataFrame, recent: pd.DataFrame, *, false_discovery: float = 0.05, procedure: Procedure = "by"
) -> FeatureDrift:
    """Test which features have moved, with the share of false findings bounded.

    Parameters
    ----------
    reference, recent : pd.DataFrame
        Indexed by asset and as_of; the columns are the features. Columns that only one of them has are left out.
    false_discovery : float
        The share of false ones accepted among those found.
    procedure : {"by", "bh"}
        Benjamini and Yekutieli's holds however the features hang together; Benjamini and Hochberg's finds more, and
        holds where they are independent or positively dependent.

    Returns
    -------
    FeatureDrift
        A verdict on each feature.

    Notes
    -----
    The windows of one asset overlap and follow one another: a thousand of them are not a thousand witnesses, and a test
    that takes them so finds drift wherever a machine has worn. So each asset speaks once a period, with its median.
    The same assets are in both samples; as an asset is like itself, the distance is then smaller than between
    strangers, and the test errs on the safe side.

    References
    ----------
    .. [1] Y. Benjamini, D. Yekutieli, "The control of the false discovery rate in multiple testing under dependency",
       Annals of Statistics 29 (2001) 1165-1188.
    .. [2] S. Rabanser, S. Günnemann, Z. C. Lipton, "Failing loudly: an empirical study of methods for detecting dataset
       shift", NeurIPS 2019, arXiv 1810.11953: univariate tests, corrected for their number.
    """
    names = [str(name) for name in reference.columns if name in recent.columns]
    before, after = (frame[names].groupby(level="asset").median() for frame in (reference, recent))
    shifts = [_shift(name, before[name], after[name]) for name in names]
    if not shifts:
        return FeatureDrift((), false_discovery)
    adjusted = false_discovery_control([shift[2] for shift in shifts], method=procedure)
    told = [
        Shift(name, distance, p, float(q), assets)
        for (name, distance, p, assets), q in zip(shifts, adjusted, strict=True)
    ]
    return FeatureDrift(
        tuple(sorted(told, key=lambda shift: (shift.adjusted, shift.p_value, shift.name))), false_discovery
    )


def score_drift(reference: pd.DataFrame, recent: pd.DataFrame, *, score: str = "probability") -> Shift:
    """Test whether the scores have moved.

    Parameters
    ----------
    reference, recent : pd.DataFrame
        Columns asset and the score.
    score : str
        The column with the score.

    Returns
    -------
    Shift
        By the assets' mean scores, for the reasons of `feature_drift`: means, because a score is low nearly always, and
        a median would not see the alarms.
    """
    before, after = (frame.groupby("asset")[score].mean() for frame in (reference, recent))
    _, distance, p_value, assets = _shift("score", before, after)
    return Shift("score", distance, p_value, p_value, assets)


def expected_performance(
    scores: pd.DataFrame, *, confidence: float = 0.9, repeats: int = 500, seed: int = 0
) -> Expected:
    """Return the misses and the precision that the scores themselves expect.

    Parameters
    ----------
    scores : pd.DataFrame
        Columns asset, probability and alert: one row a decision; rows without a probability are left out.
    confidence : float
        Of the intervals.
    repeats : int
        Samples of the bootstrap over assets.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Expected
        Per decision, not per failure: one failure makes many decisions positive.

    Notes
    -----
    A decision with probability p is positive with probability p, so that an alert adds p to the expected true positives
    and 1 - p to the false ones, and silence adds p to the expected misses. NannyML calls it confidence-based
    performance estimation (CBPE), and discusses when it holds [1]_: as long as the probabilities are calibrated, that
    is, while only the mix of cases changes (covariate shift) and not what they lead to. When failures begin to announce
    themselves otherwise, the scores do not know, and neither does this estimate: it can find that the work has become
    harder, never that the model has become wrong.

    References
    ----------
    .. [1] "We don't need no labels: estimating post-deployment model performance under covariate shift without ground
       truth", arXiv 2401.08348.
    """
    told = scores.dropna(subset=["probability"])
    p, alert = told["probability"], told["alert"].astype(bool)
    parts = pd.DataFrame({"caught": p.where(alert, 0.0), "missed": p.where(~alert, 0.0), "alerts": alert.astype(float)})
    by_asset = parts.groupby(told["asset"]).sum().to_numpy(np.float64)
    # How often each asset is drawn, rather than which.
    count = max(len(by_asset), 1)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), repeats)[:, : len(by_asset)]
    caught, missed, alerts = np.vstack([by_asset.sum(axis=0), drawn @ by_asset]).T
    return Expected(
        decisions=len(told),
        alerts=int(alert.sum()),
        missed=_interval(missed, caught + missed, confidence),
        precision=_interval(caught, alerts, confidence),
        confidence=confidence,
    )


def _shift(name: str, before: "pd.Series[float]", after: "pd.Series[float]") -> tuple[str, float, float, int]:
    first, second = before.dropna(), after.dropna()
    assets = min(len(first), len(second))
    if not assets:
        return name, float("nan"), 1.0, 0
    found = ks_2samp(first, second)
    return name, float(found.statistic), float(found.pvalue), assets


def _interval(count: npt.NDArray[np.float64], of: npt.NDArray[np.float64], confidence: float) -> Interval:
    """Return the first ratio with the quantiles of the others."""
    shares = np.divide(count, of, out=np.full(len(of), np.nan), where=of > 0)
    drawn = shares[1:][np.isfinite(shares[1:])]
    if not len(drawn) or not np.isfinite(shares[0]):
        return Interval(float("nan"), 0.0, 1.0)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(shares[0]), float(low), float(high))
