"""Score drift: whether a model's scores have moved, which can be seen before any outcome is known.

Scores that moved do not show that a model is wrong. They may warn, but never decide on a retraining or a promotion.
"""

from dataclasses import dataclass

import pandas as pd
from scipy.stats import ks_2samp


@dataclass(frozen=True)
class ScoreShift:
    """Two-sample Kolmogorov-Smirnov test between the reference and the recent period."""

    statistic: float  # largest distance between the two distributions, 0 to 1; NaN where a period has no scores
    p_value: float  # 1 where a period has no scores
    assets: int  # in the smaller of the two samples


def score_drift(reference: pd.DataFrame, recent: pd.DataFrame) -> ScoreShift:
    """Test whether the scores have moved; the frames have the columns asset and probability.

    The windows of one asset overlap and follow one another, so a thousand of them are not a thousand independent
    observations. Each asset therefore counts once a period, with its mean score: a score is nearly always low, and a
    median would not see the alarms. The same assets are in both samples; as an asset resembles itself, the distance is
    smaller than between strangers, and the test errs on the safe side.

    References
    ----------
    .. [1] S. Rabanser, S. Günnemann, Z. C. Lipton, "Failing loudly: an empirical study of methods for detecting dataset
       shift", NeurIPS 2019, arXiv 1810.11953: univariate tests, also of a model's outputs.
    """
    before, after = (frame.groupby("asset")["probability"].mean().dropna() for frame in (reference, recent))
    assets = min(len(before), len(after))
    if not assets:
        return ScoreShift(float("nan"), 1.0, 0)
    test = ks_2samp(before, after)
    return ScoreShift(float(test.statistic), float(test.pvalue), assets)
