"""The alert threshold of least cost, or the lowest within an alarm budget, chosen on out-of-fold predictions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit

from models.experiment.alarm_budget import AlarmBudget
from models.labels.labels import LabelState
from models.outcomes.episodes import Terms, episode_starts

Rows = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]
_CANDIDATES = 200
# A failure within the lead came too soon for the alert to be useful, so it does not justify it.
_IN_VAIN = (LabelState.NEGATIVE, LabelState.TOO_LATE)


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold with the curve it was chosen from."""

    value: float  # alert at a probability of at least this
    # Columns threshold, missed, in_vain, cost, f1 and close, one row per candidate, on the validation samples; empty
    # when there was nothing to choose by. Close are those that cost at most one standard error more than the cheapest.
    curve: pd.DataFrame
    reason: str  # how it was chosen

    @property
    def cheapest(self) -> "pd.Series[float]":
        """Return the candidate of least cost."""
        return cheapest_of(self.curve)


def choose_threshold(
    predictions: pd.DataFrame,
    failures: pd.DataFrame,
    *,
    terms: Terms,
    missed_failure: float,
    false_alarm: float,
) -> ChosenThreshold:
    """Choose the threshold at which missed failures and inspections in vain cost least.

    A handful of failures cannot separate neighbouring thresholds. So of those whose cost exceeds the least by no more
    than one standard error (over assets), the one is chosen whose log-odds are nearest to the threshold that the costs
    alone imply for a calibrated probability: false_alarm / (false_alarm + missed_failure).

    Takes out-of-fold predictions (asset, as_of, probability, state) and known failures (asset, event_time).

    References
    ----------
    Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, section 1.2 (the ratio of the costs). Breiman,
    Friedman, Olshen & Stone, *Classification and Regression Trees* (1984), section 3.4.3 (one standard error).
    """
    ordered = predictions.sort_values(["asset", "as_of"], ignore_index=True)
    peaks = peak_before(ordered, failures, terms)
    ratio = false_alarm / (false_alarm + missed_failure)
    if not len(peaks):
        return ChosenThreshold(ratio, pd.DataFrame(), "no failure to choose by: the ratio of the costs")
    curve = _curve(ordered, peaks, terms, missed_failure, false_alarm)
    close = curve.loc[curve["close"], "threshold"].to_numpy()
    value = float(close[np.abs(_log_odds(close) - _log_odds(ratio)).argmin()])
    return ChosenThreshold(value, curve, _why_close(curve, value, ratio, len(ordered), len(peaks)))


def cheapest_of(curve: pd.DataFrame) -> "pd.Series[float]":
    """Return the candidate of least cost, the first of several."""
    least: pd.Series[float] = curve.iloc[int(curve["cost"].to_numpy().argmin())]
    return least


def _amount(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:.4g}"


def _why_close(curve: pd.DataFrame, value: float, ratio: float, n_samples: int, n_failures: int) -> str:
    """Say what the threshold costs on the validation samples, and the cheapest."""
    cheapest = cheapest_of(curve)
    cost = float(curve.loc[curve["threshold"] == value, "cost"].iloc[0])
    counted = f"on {n_samples:,} samples with {n_failures:,} failures"
    if cost <= cheapest["cost"]:
        return f"least cost {counted}"
    return (
        f"it costs {_amount(cost)} {counted}, the least is {_amount(cheapest['cost'])} at {cheapest['threshold']:.3g}; "
        f"of those that chance may have made dearer than the least it is nearest to {ratio:.3g}, the ratio of the costs"
    )


def within_budget(
    predictions: pd.DataFrame,
    failures: pd.DataFrame,
    *,
    terms: Terms,
    budget: AlarmBudget,
    n_assets: int,
    missed_failure: float,
    false_alarm: float,
) -> ChosenThreshold:
    """Choose the lowest threshold at which, and above which, the alarm episodes keep to a budget.

    The budget is of a fleet of `n_assets`; of the out-of-fold predictions it allows the share that their assets and
    times are of the fleet's. All else as for `choose_threshold`, whose curve it returns.
    """
    ordered = predictions.sort_values(["asset", "as_of"], ignore_index=True)
    if ordered.empty:
        return ChosenThreshold(
            1.0, pd.DataFrame(), f"nothing to count the alarms of {budget} on: only certain failures"
        )
    allowed = budget.within(_fleet_time(ordered, n_assets))
    probability = ordered["probability"].to_numpy(dtype=np.float64)
    highest = float(probability.max())
    value, alarms = (1.0 + highest) / 2 if highest < 1.0 else float(np.nextafter(1.0, 2.0)), 0
    for threshold in _candidates(probability, probability[:0])[::-1]:
        raised = _count_alarms(ordered, probability >= threshold, terms)
        if raised > allowed:
            break
        value, alarms = float(threshold), raised
    peaks = peak_before(ordered, failures, terms)
    curve = _curve(ordered, peaks, terms, missed_failure, false_alarm) if len(peaks) else pd.DataFrame()
    reason = f"the lowest within the budget of {budget}: {alarms} alarms where it allows {allowed:,.1f}, out of fold"
    return ChosenThreshold(value, curve, reason)


def _fleet_time(ordered: pd.DataFrame, n_assets: int) -> pd.Timedelta:
    """Return how long the whole fleet would have been watched in the time that its predicted assets were."""
    watched = ordered.groupby("asset")["as_of"]
    return pd.Timedelta((watched.max() - watched.min()).sum() / max(n_assets, 1))


def _count_alarms(ordered: pd.DataFrame, alert: Rows, terms: Terms) -> int:
    """Count the alarm episodes of alerts; rows are sorted by asset and as_of."""
    codes = pd.factorize(ordered["asset"])[0]
    as_of = ordered["as_of"].dt.tz_localize(None).to_numpy()
    return int(episode_starts(codes[alert], as_of[alert], terms).sum())


def peak_before(ordered: pd.DataFrame, failures: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """Return asset and peak, the highest probability in time, of each failure that a prediction could have announced.

    Predictions are sorted by asset and as_of; failures of an asset at one instant are one.
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


def cost_by_threshold(
    predictions: pd.DataFrame, failures: pd.DataFrame, *, terms: Terms, missed_failure: float, false_alarm: float
) -> pd.DataFrame:
    """Count errors and costs at candidate thresholds, in the columns of `ChosenThreshold.curve`; empty if no failure.

    Takes predictions (asset, as_of, probability, state) and known failures (asset, event_time).
    """
    ordered = predictions.sort_values(["asset", "as_of"], ignore_index=True)
    peaks = peak_before(ordered, failures, terms)
    return _curve(ordered, peaks, terms, missed_failure, false_alarm) if len(peaks) else pd.DataFrame()


def _curve(
    ordered: pd.DataFrame, peaks: pd.DataFrame, terms: Terms, missed_failure: float, false_alarm: float
) -> pd.DataFrame:
    """Count errors and costs at each candidate."""
    probability = ordered["probability"].to_numpy(dtype=np.float64)
    assets = pd.Index(ordered["asset"].unique())
    peak_asset, peak = assets.get_indexer(pd.Index(peaks["asset"])), peaks["peak"].to_numpy(dtype=np.float64)
    positive = (ordered["state"] == LabelState.POSITIVE).to_numpy()
    negative = (ordered["state"] == LabelState.NEGATIVE).to_numpy()
    unfulfilled = ordered["state"].isin(_IN_VAIN).to_numpy()
    rows, costs = [], []
    for threshold in _candidates(probability, peak):
        alert = probability >= threshold
        missed = np.bincount(peak_asset[peak < threshold], minlength=len(assets))
        in_vain = count_in_vain(ordered, alert, unfulfilled, terms)
        right, wrong = int((alert & positive).sum()), int((alert & negative).sum() + (~alert & positive).sum())
        costs.append(missed * missed_failure + in_vain * false_alarm)
        f1 = 2 * right / (2 * right + wrong) if right else 0.0
        rows.append((float(threshold), int(missed.sum()), int(in_vain.sum()), float(costs[-1].sum()), f1))
    curve = pd.DataFrame(rows, columns=["threshold", "missed", "in_vain", "cost", "f1"])
    return curve.assign(close=_as_good_as_cheapest(np.asarray(costs, dtype=np.float64)))


def _as_good_as_cheapest(by_asset: Matrix) -> npt.NDArray[np.bool_]:
    """Mark the candidates that cost at most one standard error, over assets, more than the cheapest."""
    totals = by_asset.sum(axis=1)
    cheapest = by_asset[totals.argmin()]
    error = float(np.sqrt(len(cheapest) * cheapest.var(ddof=1))) if len(cheapest) > 1 else 0.0
    return np.asarray(totals <= totals.min() + error + 1e-9 * totals.max(), dtype=np.bool_)


def _log_odds(probability: Any) -> Any:
    return logit(np.clip(probability, 1e-12, 1.0 - 1e-12))


def _candidates(probability: npt.NDArray[np.float64], peaks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # Midway between scores, so that a rounding error does not flip a decision; denser where scores are high.
    ranks = 1.0 - np.geomspace(1.0 / len(probability), 1.0, _CANDIDATES)
    scores = np.unique(np.concatenate([np.quantile(probability, ranks), peaks, [probability.min(), probability.max()]]))
    return (scores[1:] + scores[:-1]) / 2 if len(scores) > 1 else scores


def count_in_vain(ordered: pd.DataFrame, alert: Rows, unfulfilled: Rows, terms: Terms) -> npt.NDArray[np.intp]:
    """Count the false alarm episodes of each asset, in order of appearance; each prompts an inspection in vain.

    Rows are sorted by asset and as_of; the masks (n_rows,) mark those that alert, and those not followed by a failure
    that an alert there would have claimed. This is what `error_rates` counts, fast enough to run for each candidate;
    interventions count as in the labels.
    """
    codes, assets = pd.factorize(ordered["asset"])
    asset, as_of = codes[alert], ordered["as_of"].dt.tz_localize(None).to_numpy()[alert]
    if not len(asset):
        return np.zeros(len(assets), dtype=np.intp)
    starts = np.flatnonzero(episode_starts(asset, as_of, terms))
    in_vain = asset[starts][np.logical_and.reduceat(unfulfilled[alert], starts)]
    return np.bincount(in_vain, minlength=len(assets))
