"""The limit of an anomaly detector at a declared rate of false alarms, by blocks of healthy time that were held out."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.anomalies.anomaly_model import bounded
from models.anomalies.blocks import N_BLOCKS, block_numbers
from models.anomalies.limits import blocked_limit, chance_of_block
from models.assessment.anomaly.run_ups import AlarmCount, Course, course
from models.assessment.thresholds import ChosenThreshold
from models.experiment.alarm_budget import SPANS
from models.outcomes.episodes import Terms

Vector = npt.NDArray[np.float64]

_FEWEST_ALARMS = 3.0
"""A rate is counted where it allows as many alarms in the healthy span; elsewhere it is extrapolated."""
_CANDIDATES = 400
_HIGHEST = float(np.nextafter(1.0, 0.0))


def limit_at_rate(
    train: pd.DataFrame,
    unusualness: Vector,
    *,
    per_asset_month: float,
    terms: Terms,
    window: pd.Timedelta,
) -> ChosenThreshold:
    """Choose the lowest limit at which held-out samples raise no more alarms per asset-month than declared.

    Takes samples (asset, as_of) of windows of one length, with how unusual each is to detectors that had not seen its
    block, NaN where none scored it. Alarm episodes are counted where enough are allowed, less those that were run-ups
    to failures nobody reported; elsewhere the limit follows from the highest sample of each asset in each block.
    """
    scored = ~np.isnan(unusualness)
    held_out = train.loc[scored, ["asset", "as_of"]].assign(unusualness=unusualness[scored])
    held_out = held_out.sort_values(["asset", "as_of"], ignore_index=True)
    scores = course(
        pd.factorize(held_out["asset"])[0],
        held_out["as_of"].dt.tz_localize(None).to_numpy().astype("datetime64[us]"),
        held_out["unusualness"].to_numpy(np.float64),
        window.to_timedelta64(),
    )
    months = float(scores.watched / SPANS["month"].to_timedelta64())
    if per_asset_month * months >= _FEWEST_ALARMS:
        return _by_counting(scores, per_asset_month, months, terms)
    return _by_highest(held_out, per_asset_month)


def _by_counting(scores: Course, per_asset_month: float, months: float, terms: Terms) -> ChosenThreshold:
    """Choose the lowest limit at which, and above which, no more alarms than declared are no run-ups."""
    allowed = per_asset_month * months
    limit, count = float(scores.score.max()) + 1.0, AlarmCount(0, 0)
    for candidate in _candidates(scores.score):
        counted = scores.count(candidate, terms)
        if counted.others > allowed:
            break
        limit, count = candidate, counted
    reason = (
        f"the lowest at which blocks held out raise at most {per_asset_month:g} alarms per asset-month: "
        f"{allowed:,.1f} alarms in {months:,.1f} asset-months of the healthy span"
    )
    if count.run_ups:
        reason += (
            f"; {count.run_ups:,} of {count.raised:,} alarms are not counted, because so many more rose slowly and "
            "ended at once than the reverse, as before failures that nobody reported"
        )
    return ChosenThreshold(_as_score(limit), pd.DataFrame(), reason)


def _by_highest(held_out: pd.DataFrame, per_asset_month: float) -> ChosenThreshold:
    """Extrapolate from the highest sample of each asset in each block, run-ups or not: too high rather than too low."""
    months, assets = _asset_months(held_out), max(held_out["asset"].nunique(), 1)
    seconds = (held_out["as_of"] - held_out["as_of"].min()).dt.total_seconds().to_numpy(np.float64)
    blocks = held_out.assign(block=block_numbers(seconds))
    highest = blocks.groupby(["asset", "block"])["unusualness"].max().to_numpy(np.float64)
    limit = blocked_limit(highest, chance_of_block(per_asset_month, months / (assets * N_BLOCKS)))
    how = "extrapolated from" if limit.extrapolated else "among"
    return ChosenThreshold(
        _as_score(limit.value),
        pd.DataFrame(),
        f"{per_asset_month:g} alarms per asset-month, {how} the highest scores of {limit.blocks} blocks held out: the "
        f"healthy span of {months:,.2f} asset-months is too short to count so few alarms",
    )


def _candidates(scores: Vector) -> list[float]:
    """Return limits midway between scores, from the highest down; denser where scores are high."""
    ranks = 1.0 - np.geomspace(1.0 / len(scores), 1.0, _CANDIDATES)
    ordered = np.unique(np.append(np.quantile(scores, ranks), scores.max()))[::-1]
    return [float(value) for value in (ordered[1:] + ordered[:-1]) / 2]


def _as_score(limit: float) -> float:
    return min(float(bounded(np.array([limit]))[0]), _HIGHEST)


def _asset_months(held_out: pd.DataFrame) -> float:
    watched = held_out.groupby("asset")["as_of"]
    watched_for = pd.Timedelta((watched.max() - watched.min()).sum())
    return float(watched_for / SPANS["month"])
