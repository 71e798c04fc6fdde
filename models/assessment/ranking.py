"""How well predictions rank samples before failures above the others, asset by asset.

Samples of one asset resemble each other, so the number of samples says nothing about how sure an area under the ROC
curve is. The unit here is an asset that failed: its placement is the mean share of the negative samples (of all assets)
that its positive samples rank above. The mean placement is the area, each failed asset weighing the same. If the
ranking were chance, a placement would be uniform on (0, 1), and the sum of n independent ones would have the
Irwin-Hall distribution: that gives the probability that chance ranks as well, exact however few failures there were.
One asset that failed must be ranked above 95 % of the negatives to be beyond chance at 5 %, four above 75 % on average.

References
----------
Hanley & Hajian-Tilaki, "Sampling variability of nonparametric estimates of the areas under receiver operating
characteristic curves", Academic Radiology 4 (1997), doi:10.1016/S1076-6332(97)80161-4 (placements). Hall, "The
distribution of means for samples of size N drawn from a population in which the variate takes values between 0 and 1,
all such values being equally probable", Biometrika 19 (1927), doi:10.1093/biomet/19.3-4.240. Obuchowski,
"Nonparametric analysis of clustered ROC curve data", Biometrics 53 (1997), doi:10.2307/2533958 (why by cluster).
"""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from sklearn.metrics import roc_auc_score

Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

# From here on the alternating sum loses digits, and the normal distribution is close.
_EXACT_UP_TO = 20


def placements(asset: npt.ArrayLike, truth: Rows, score: Vector) -> "pd.Series[float]":
    """Return, for each asset with positive samples, the mean share of all negative samples that they rank above.

    Takes n samples; a tie counts half. Empty without positive or without negative samples.
    """
    negative = np.sort(score[~truth])
    if not len(negative) or not truth.any():
        return pd.Series(dtype=np.float64)
    positive = score[truth]
    below = np.searchsorted(negative, positive, side="left") + np.searchsorted(negative, positive, side="right")
    of = pd.Series(below / (2 * len(negative)), index=np.asarray(asset, dtype=object)[truth])
    return of.groupby(level=0).mean()


def probability_by_chance(placement: npt.ArrayLike) -> float:
    """Return how probable it is that chance places n failed assets as high as this on average; NaN for none.

    Examples
    --------
    >>> round(probability_by_chance([0.97]), 3), round(probability_by_chance([0.7, 0.75, 0.8, 0.75]), 3)
    (0.03, 0.042)
    """
    values = np.asarray(placement, dtype=np.float64)
    n, short = len(values), float((1.0 - values).sum())
    if not n:
        return float("nan")
    if n > _EXACT_UP_TO:
        return float(stats.norm.cdf((short - n / 2) / math.sqrt(n / 12)))
    terms = ((-1) ** k * math.comb(n, k) * (short - k) ** n for k in range(math.floor(short) + 1))
    return min(1.0, max(0.0, math.fsum(terms) / math.factorial(n)))


def auc_within_assets(asset: npt.ArrayLike, truth: Rows, score: Vector) -> tuple[float, int]:
    """Return the mean area under the ROC curve over the assets with both classes, and the number of these assets.

    It leaves out what distinguishes assets: how well the model finds the time, not the asset.
    """
    frame = pd.DataFrame({"asset": np.asarray(asset, dtype=object), "truth": truth, "score": score})
    areas = [
        float(roc_auc_score(own["truth"], own["score"]))
        for _, own in frame.groupby("asset")
        if own["truth"].nunique() == 2
    ]
    return (float(np.mean(areas)) if areas else float("nan")), len(areas)


def recall_at(truth: Rows, score: Vector, false_positive_rate: float) -> float:
    """Return the largest recall of a threshold whose share of negative samples alerted is at most this.

    Examples
    --------
    >>> truth = np.array([True, True, False, False])
    >>> recall_at(truth, np.array([0.9, 0.4, 0.5, 0.1]), 0.0)
    0.5
    """
    if not truth.any() or truth.all():
        return float("nan")
    negative = np.sort(score[~truth])[::-1]
    allowed = math.floor(false_positive_rate * len(negative) + 1e-9)
    if allowed >= len(negative):
        return 1.0
    return float((score[truth] > negative[allowed]).mean())


def in_the_top(samples: pd.DataFrame, score: Vector, *, k: int, every: pd.Timedelta) -> tuple[float, float]:
    """Return precision and recall of inspecting, once in a while, the k assets that rank highest.

    The rounds are `every` apart, from the first cut-off on; in each, an asset's latest decided sample of the time since
    the round before counts. With rounds a horizon apart, the recall is the share of failures that would be found.
    Samples have asset, as_of and truth.
    """
    rounds = -((samples["as_of"].min() - samples["as_of"]) // every)
    frame = samples[["asset", "as_of", "truth"]].assign(score=score, round=rounds)
    latest = frame.sort_values("as_of", kind="stable").drop_duplicates(["asset", "round"], keep="last")
    ranked = latest.sort_values(["round", "score", "asset"], ascending=[True, False, True])
    inspected = ranked.groupby("round").head(k)
    positives = int(latest["truth"].sum())
    if not len(inspected):
        return float("nan"), float("nan")
    recall = float(inspected["truth"].sum()) / positives if positives else float("nan")
    return float(inspected["truth"].mean()), recall


def ranking_metrics(asset: npt.ArrayLike, truth: Rows, score: Vector) -> dict[str, float]:
    """Compute roc_auc_by_asset, assets_failed, ranking_by_chance, roc_auc_within_assets and assets_with_both."""
    placement = placements(asset, truth, score)
    within, both = auc_within_assets(asset, truth, score)
    return {
        "roc_auc_by_asset": float(placement.mean()),
        "assets_failed": float(len(placement)),
        "ranking_by_chance": probability_by_chance(placement),
        "roc_auc_within_assets": within,
        "assets_with_both": float(both),
    }


def inspection_metrics(
    samples: pd.DataFrame, score: Vector, *, false_positive_rate: float, k: int, every: pd.Timedelta
) -> dict[str, float]:
    """Compute roc_auc_within_assets, recall_at_fpr, precision_in_top and recall_in_top of samples with truth."""
    truth = samples["truth"].to_numpy(dtype=np.bool_)
    precision, recall = in_the_top(samples, score, k=k, every=every) if len(samples) else (math.nan, math.nan)
    return {
        "roc_auc_within_assets": auc_within_assets(samples["asset"], truth, score)[0],
        "recall_at_fpr": recall_at(truth, score, false_positive_rate),
        "precision_in_top": precision,
        "recall_in_top": recall,
    }
