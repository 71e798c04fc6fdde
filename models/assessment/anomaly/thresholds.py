"""The limit of an anomaly detector at a declared rate of false alarms, by blocks of healthy time that were held out."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.anomalies.anomaly_model import bounded
from models.anomalies.blocks import N_BLOCKS, block_numbers
from models.anomalies.limits import blocked_limit, chance_of_block
from models.assessment.thresholds import ChosenThreshold, within_budget
from models.experiment.alarm_budget import SPANS, AlarmBudget
from models.outcomes.episodes import Terms

_FEWEST_ALARMS = 3.0
"""A rate is counted where it allows as many alarms in the healthy span; elsewhere it is extrapolated."""
_HIGHEST = float(np.nextafter(1.0, 0.0))


def limit_at_rate(
    train: pd.DataFrame,
    unusualness: npt.NDArray[np.float64],
    *,
    per_asset_month: float,
    terms: Terms,
) -> ChosenThreshold:
    """Choose the lowest limit at which held-out samples raise no more alarms per asset-month than declared.

    Takes samples (asset, as_of) with how unusual each is to detectors that had not seen its block, NaN where none
    scored it. Alarm episodes are counted where enough are allowed; elsewhere the limit follows from the highest sample
    of each asset in each block. Samples unlike the rest count: if they are bad, the limit is too high, not too low.
    """
    scored = ~np.isnan(unusualness)
    held_out = train.loc[scored, ["asset", "as_of"]].assign(probability=bounded(unusualness[scored]), state="negative")
    months = _asset_months(held_out)
    assets = max(held_out["asset"].nunique(), 1)
    if per_asset_month * months >= _FEWEST_ALARMS:
        budget = AlarmBudget(per_asset_month * assets, SPANS["month"])
        chosen = within_budget(
            held_out,
            pd.DataFrame({"asset": pd.Series(dtype="str"), "event_time": pd.Series(dtype="datetime64[us, UTC]")}),
            terms=terms,
            budget=budget,
            n_assets=assets,
            missed_failure=1.0,
            false_alarm=1.0,
        )
        counted = f"{per_asset_month * months:,.1f} alarms in {months:,.1f} asset-months of the healthy span"
        reason = (
            f"the lowest at which blocks held out raise at most {per_asset_month:g} alarms per asset-month: {counted}"
        )
        return ChosenThreshold(min(chosen.value, _HIGHEST), pd.DataFrame(), reason)
    seconds = (held_out["as_of"] - held_out["as_of"].min()).dt.total_seconds().to_numpy(np.float64)
    blocks = pd.DataFrame(
        {"asset": held_out["asset"].array, "block": block_numbers(seconds), "score": unusualness[scored]}
    )
    highest = blocks.groupby(["asset", "block"])["score"].max().to_numpy(np.float64)
    limit = blocked_limit(highest, chance_of_block(per_asset_month, months / (assets * N_BLOCKS)))
    how = "extrapolated from" if limit.extrapolated else "among"
    return ChosenThreshold(
        min(float(bounded(np.array([limit.value]))[0]), _HIGHEST),
        pd.DataFrame(),
        f"{per_asset_month:g} alarms per asset-month, {how} the highest scores of {limit.blocks} blocks held out: the "
        f"healthy span of {months:,.2f} asset-months is too short to count so few alarms",
    )


def _asset_months(held_out: pd.DataFrame) -> float:
    watched = held_out.groupby("asset")["as_of"]
    watched_for = pd.Timedelta((watched.max() - watched.min()).sum())
    return float(watched_for / SPANS["month"])
