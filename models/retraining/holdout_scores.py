"""How one model did on a period: its errors, what they cost, and where, asset by asset."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.tables.history import History
from models.experiment.experiment import CostPlan
from models.outcomes.error_rates import Rate, error_rates, share
from models.outcomes.outcomes import Outcomes, Terms, outcomes
from models.retraining.comparison_period import Period
from models.retraining.counterfactual_outcomes import announced, settle_by_all_work
from models.retraining.paired_costs import COUNTS


@dataclass(frozen=True)
class HoldoutScore:
    """How one of the two did.

    Parameters
    ----------
    version : int
        Of the registered model.
    cost : float
        Missed events and false alarm episodes at their prices, over the whole period.
    missed : Rate
        Events that no alert announced in time.
    false_episodes : Rate
        False alarm episodes per asset-month.
    decision_fn, decision_fp : Rate
        The classical rates per decision.
    """

    version: int
    cost: float
    missed: Rate
    false_episodes: Rate
    decision_fn: Rate
    decision_fp: Rate


@dataclass(frozen=True)
class HoldoutOutcomes:
    """What became of one model's predictions over a period.

    Parameters
    ----------
    outcomes : Outcomes
        Episodes judged by all work.
    missed : pd.Series of bool
        Of each event of the period, whether no alert announced it.
    """

    outcomes: Outcomes
    missed: "pd.Series[bool]"


def holdout_outcomes(
    predictions: pd.DataFrame,
    history: History,
    period: Period,
    *,
    now: pd.Timestamp,
    terms: Terms,
    observation_gaps: pd.DataFrame | None = None,
) -> HoldoutOutcomes:
    """Tell what became of one model's alerts.

    Parameters
    ----------
    predictions : pd.DataFrame
        Columns asset, as_of, alert.
    history : History
        Its failures and work orders are used.
    period : Period
        Its events are what was to be announced.
    now : pd.Timestamp
        Nothing known later is used.
    terms : Terms
        Lead, horizon, gap and reporting delay.
    unwatched : pd.DataFrame, optional
        When assets were retired or lost; what was claimed of such a time is neither true nor false.

    Returns
    -------
    HoldoutOutcomes
        By the rule of `models.retraining.counterfactual_outcomes`.
    """
    known = outcomes(
        predictions, history.failures, history.work_orders, now=now, terms=terms, observation_gaps=observation_gaps
    )
    alerts = predictions[predictions["alert"].astype(bool)]
    return HoldoutOutcomes(settle_by_all_work(known, history.work_orders), ~announced(period.events, alerts, terms))


def holdout_score(version: int, judged: HoldoutOutcomes, period: Period, costs: CostPlan) -> HoldoutScore:
    """Tell what one model's alerts would have cost.

    Parameters
    ----------
    version : int
        Of the model.
    judged : HoldoutOutcomes
        What became of its alerts.
    period : Period
        The period.
    costs : CostPlan
        Of a missed failure and of a false alarm.

    Returns
    -------
    HoldoutScore
        Costs and rates.
    """
    rates = error_rates(judged.outcomes, start=period.start)
    missed = share(int(judged.missed.sum()), len(judged.missed))
    cost = missed.count * costs.missed_failure + rates.false_episodes.count * costs.false_alarm
    return HoldoutScore(version, cost, missed, rates.false_episodes, rates.decision_fn, rates.decision_fp)


def errors_by_asset(
    champion: HoldoutOutcomes, challenger: HoldoutOutcomes, scores: pd.DataFrame, period: Period
) -> pd.DataFrame:
    """Count both models' errors asset by asset.

    Parameters
    ----------
    champion, challenger : HoldoutOutcomes
        What became of their alerts.
    scores : pd.DataFrame
        Columns asset, as_of, probability: the challenger's.
    period : Period
        The period.

    Returns
    -------
    pd.DataFrame
        Columns `models.retraining.paired_costs.COUNTS`, indexed by asset; one row for each that was asked about.
    """
    events = period.events["asset"]
    counts: dict[str, pd.Series[Any]] = {"events": events.value_counts()}
    for name, judged in (("champion", champion), ("challenger", challenger)):
        episodes = judged.outcomes.episodes
        false = episodes[(episodes["state"] == "fp") & (episodes["opened"] > period.start)]
        counts[f"{name}_missed"] = events[judged.missed].value_counts()
        counts[f"{name}_false"] = false["asset"].value_counts()
    decided = challenger.outcomes.decisions.merge(scores[["asset", "as_of", "probability"]], on=["asset", "as_of"])
    decided = decided[decided["state"].isin(["tp", "fn", "fp", "tn"]) & decided["probability"].notna()]
    counts["expected"] = decided.groupby("asset")["probability"].sum()
    counts["observed"] = decided["state"].isin(["tp", "fn"]).astype("int64").groupby(decided["asset"]).sum()
    asked = pd.Index(np.unique(period.asked["asset"].astype("str")), name="asset")
    found = {name: counts[name].reindex(asked).fillna(0).astype(np.float64) for name in COUNTS}
    return pd.DataFrame(found, index=asked)
