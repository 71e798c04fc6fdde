"""The threshold that makes errors cheapest, chosen on predictions of samples the model had not learned from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.labels import LabelState
from models.outcomes import Terms

Matrix = npt.NDArray[np.float64]
_CANDIDATES = 200


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold with the curve it was chosen from.

    Parameters
    ----------
    value
        Alert at a probability of at least this.
    curve
        Columns ``threshold``, ``missed``, ``false_episodes``, ``cost``, ``f1``, one row per candidate, on the
        validation samples; empty when there was nothing to choose by.
    reason
        How it was chosen, in a sentence.
    """

    value: float
    curve: pd.DataFrame
    reason: str


def choose_threshold(
    predictions: pd.DataFrame,
    failures: pd.DataFrame,
    *,
    terms: Terms,
    missed_failure: float,
    false_alarm: float,
) -> ChosenThreshold:
    """Choose the threshold at which missed failures and false alarm episodes cost least.

    A handful of failures cannot tell neighbouring thresholds apart. So of those whose cost exceeds the least by no more
    than one standard error (of the difference, over assets) the one whose single decisions are most often right
    (greatest F1) is taken, and of equals the middle one.

    Parameters
    ----------
    predictions
        Columns ``asset``, ``as_of``, ``probability`` and ``state`` (`LabelState`), of samples that the model had not
        learned from.
    failures
        Known failures: ``asset``, ``event_time``.
    terms
        Lead, horizon and the gap that parts alarm episodes.
    missed_failure, false_alarm
        What one costs, in any one currency.

    Returns
    -------
    ChosenThreshold

    References
    ----------
    Elkan, "The foundations of cost-sensitive learning", IJCAI 2001: without a failure to choose by, the threshold of
    a calibrated probability, false_alarm / (false_alarm + missed_failure). One standard error: Breiman, Friedman,
    Olshen & Stone, *Classification and Regression Trees* (1984), section 3.4.3.
    """
    ordered = predictions.sort_values(["asset", "as_of"], ignore_index=True)
    peaks = peak_before(ordered, failures, terms)
    if not len(peaks):
        value = false_alarm / (false_alarm + missed_failure)
        return ChosenThreshold(value, pd.DataFrame(), "no failure to choose by: the ratio of the costs")
    curve, by_asset = _curve(ordered, peaks, terms.gap, missed_failure, false_alarm)
    close = curve[_as_good_as_cheapest(by_asset)]
    best = close[np.isclose(close["f1"], close["f1"].max())]
    value = float(best["threshold"].iloc[len(best) // 2])
    return ChosenThreshold(value, curve, f"least cost on {len(ordered)} samples with {len(peaks)} failures")


def peak_before(ordered: pd.DataFrame, failures: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """Find for each failure the highest probability given in time for it.

    Parameters
    ----------
    ordered
        Columns ``asset``, ``as_of``, ``probability``, sorted by asset and as_of.
    failures
        Columns ``asset``, ``event_time``; failures of an asset at one instant are one.
    terms
        Lead and horizon.

    Returns
    -------
    DataFrame
        ``asset`` and ``peak``, one row per failure that at least one prediction could have announced.
    """
    times = {asset: (own["as_of"], own["probability"].to_numpy()) for asset, own in ordered.groupby("asset")}
    peaks = []
    events = failures[["asset", "event_time"]].drop_duplicates().sort_values(["asset", "event_time"])
    for asset, event in events.itertuples(index=False):
        if asset not in times:
            continue
        as_of, probability = times[asset]
        first, last = as_of.searchsorted(event - terms.claim), as_of.searchsorted(event - terms.lead)
        if last > first:
            peaks.append((asset, float(probability[first:last].max())))
    return pd.DataFrame(peaks, columns=["asset", "peak"])


def _curve(
    ordered: pd.DataFrame, peaks: pd.DataFrame, gap: pd.Timedelta, missed_failure: float, false_alarm: float
) -> tuple[pd.DataFrame, Matrix]:
    """Count errors and costs at each candidate, in all and per asset, shape (n_candidates, n_assets)."""
    probability = ordered["probability"].to_numpy(dtype=np.float64)
    codes, assets = pd.factorize(ordered["asset"])
    whose, peak = assets.get_indexer(peaks["asset"]), peaks["peak"].to_numpy(dtype=np.float64)
    positive = (ordered["state"] == LabelState.POSITIVE).to_numpy()
    negative = (ordered["state"] == LabelState.NEGATIVE).to_numpy()
    rows, costs = [], []
    for threshold in _candidates(probability, peak):
        alert = probability >= threshold
        missed = np.bincount(whose[peak < threshold], minlength=len(assets))
        false = np.bincount(_false_episodes(ordered, codes, alert, negative, gap), minlength=len(assets))
        right, wrong = int((alert & positive).sum()), int((alert & negative).sum() + (~alert & positive).sum())
        costs.append(missed * missed_failure + false * false_alarm)
        f1 = 2 * right / (2 * right + wrong) if right else 0.0
        rows.append((float(threshold), int(missed.sum()), int(false.sum()), float(costs[-1].sum()), f1))
    curve = pd.DataFrame(rows, columns=["threshold", "missed", "false_episodes", "cost", "f1"])
    return curve, np.asarray(costs, dtype=np.float64)


def _as_good_as_cheapest(by_asset: Matrix) -> npt.NDArray[np.bool_]:
    """Tell which candidates cost no more than the cheapest but for what chance among the assets explains."""
    totals = by_asset.sum(axis=1)
    extra = by_asset - by_asset[totals.argmin()]
    error = np.sqrt(by_asset.shape[1] * extra.var(axis=1, ddof=1)) if by_asset.shape[1] > 1 else np.zeros(len(totals))
    return np.asarray(extra.sum(axis=1) <= error + 1e-9 * totals.max(), dtype=np.bool_)


def _candidates(probability: npt.NDArray[np.float64], peaks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # Between neighbours, so that a rounding error does not flip a decision; denser where scores are high.
    ranks = 1.0 - np.geomspace(1.0 / len(probability), 1.0, _CANDIDATES)
    seen = np.unique(np.concatenate([np.quantile(probability, ranks), peaks, [probability.min(), probability.max()]]))
    return (seen[1:] + seen[:-1]) / 2 if len(seen) > 1 else seen


def _false_episodes(
    ordered: pd.DataFrame,
    codes: npt.NDArray[np.intp],
    alert: npt.NDArray[np.bool_],
    negative: npt.NDArray[np.bool_],
    gap: pd.Timedelta,
) -> npt.NDArray[np.intp]:
    """Give the asset of each alarm episode of which no alert was anything but false."""
    asset, as_of = codes[alert], ordered["as_of"].dt.tz_localize(None).to_numpy()[alert]
    if not len(asset):
        return asset
    starts = np.flatnonzero(np.concatenate([[True], (asset[1:] != asset[:-1]) | (np.diff(as_of) > gap.to_numpy())]))
    return asset[starts][np.logical_and.reduceat(negative[alert], starts)]
