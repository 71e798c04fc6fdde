"""What the alerts of one version were worth on the shared samples, asset by asset and failure by failure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.tables.history import History
from models.experiment.plans import CostPlan
from models.labels.observation_gaps import unobserved_spans
from models.outcomes.error_rates import MONTH
from models.outcomes.outcomes import Terms, outcomes
from models.training.evaluation import failures_to_announce, hours_of_warning

_DECIDED = ("caught", "prevented", "missed")


@dataclass(frozen=True)
class AlarmTruth:
    """What happened to the assets, the same for all versions that are compared."""

    known: History  # as of `known_until`
    terms: Terms
    costs: CostPlan
    known_until: pd.Timestamp
    gaps: pd.DataFrame  # times in which assets were not observed

    @classmethod
    def of(cls, known: History, terms: Terms, costs: CostPlan, known_until: pd.Timestamp) -> "AlarmTruth":
        """Return it, with the times in which assets were not observed."""
        return cls(known, terms, costs, known_until, unobserved_spans(known, now=known_until))


@dataclass(frozen=True)
class AlarmRecord:
    """Errors by asset, and the warning before each failure."""

    by_asset: pd.DataFrame  # index asset; failures, missed, warned_h, false, asset_months, cost
    failures: pd.DataFrame  # asset, event_time, mode, caught, warned_h (NaN without a timely alert)


def alarm_record(predictions: pd.DataFrame, truth: AlarmTruth, assets: "pd.Index[str]") -> AlarmRecord:
    """Count what the alerts of predictions (asset, as_of, alert) missed, and raised falsely.

    Failures and alarms count as in the evaluation of a training (`models.training.evaluation`).
    """
    known, terms = truth.known, truth.terms
    matured = outcomes(
        predictions, known.failures, known.work_orders, now=truth.known_until, terms=terms, observation_gaps=truth.gaps
    )
    failures = failures_to_announce(predictions, known, terms, truth.known_until)
    failures = failures[failures["state"].isin(_DECIDED)].reset_index(drop=True)
    caught = failures["state"] != "missed"
    warned = hours_of_warning(predictions, failures, terms)
    failures = failures[["asset", "event_time"]].assign(
        mode=_modes(failures, known.failures),
        caught=caught,
        warned_h=np.where(failures["state"] == "caught", warned, np.nan),
    )
    episodes = matured.episodes
    false = episodes[(episodes["state"] == "fp") & (episodes["opened"] <= matured.matured_until)]
    inside = matured.decisions[matured.decisions["as_of"] <= matured.matured_until]
    exposure: Any = inside.groupby("asset")["covered"].sum()
    counts = {
        "failures": failures["asset"].value_counts(),
        "missed": failures.loc[~caught, "asset"].value_counts(),
        "warned_h": failures.groupby("asset")["warned_h"].sum(),
        "false": false["asset"].value_counts(),
        "asset_months": exposure / MONTH,
    }
    by_asset = pd.DataFrame({name: own.reindex(assets).fillna(0.0).astype(np.float64) for name, own in counts.items()})
    cost = by_asset["missed"] * truth.costs.missed_failure + by_asset["false"] * truth.costs.false_alarm
    return AlarmRecord(by_asset.assign(cost=cost), failures)


def _modes(failures: pd.DataFrame, booked: pd.DataFrame) -> list[str]:
    """Return the mode that each failure was booked with; empty where none was."""
    if "mode" not in booked:
        return [""] * len(failures)
    rows = booked.sort_values("known_time").drop_duplicates(["asset", "event_time"], keep="last")
    modes = {(str(row.asset), row.event_time): row.mode for row in rows[["asset", "event_time", "mode"]].itertuples()}
    found = (modes.get((str(asset), time)) for asset, time in failures[["asset", "event_time"]].itertuples(index=False))
    return [mode if isinstance(mode, str) else "" for mode in found]
