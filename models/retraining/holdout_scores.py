"""One model's results on a comparison period: its errors and their cost, in total and by asset."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.tables.history import History
from models.experiment.plans import CostPlan
from models.outcomes.error_rates import Rate, error_rates, share
from models.outcomes.outcomes import Outcomes, Terms, outcomes
from models.retraining.comparison_period import Period
from models.retraining.counterfactual_outcomes import announced, reclassify_by_other_work
from models.retraining.paired_costs import COUNTS


@dataclass(frozen=True)
class HoldoutScore:
    """One model's errors over the period, and what they cost."""

    version: int
    cost: float  # missed events and false alarm episodes at their prices, over the whole period
    missed: Rate  # events that no alert announced in time
    false_episodes: Rate  # false alarm episodes per asset-month
    decision_fn: Rate  # the classical rates per decision
    decision_fp: Rate


@dataclass(frozen=True)
class HoldoutOutcomes:
    """The outcomes of one model's predictions over a period."""

    outcomes: Outcomes  # episodes classified by all work
    missed: "pd.Series[bool]"  # of each event of the period, whether no alert announced it


def holdout_outcomes(
    predictions: pd.DataFrame,
    history: History,
    period: Period,
    *,
    now: pd.Timestamp,
    terms: Terms,
    observation_gaps: pd.DataFrame | None = None,
) -> HoldoutOutcomes:
    """Return the outcomes of one model's predictions (asset, as_of, alert), by the rule of `counterfactual_outcomes`.

    Claims about a time in `observation_gaps`, when assets were retired or lost, are neither true nor false.
    """
    known = outcomes(
        predictions,
        history.predicted_failures,
        history.work_orders,
        now=now,
        terms=terms,
        observation_gaps=observation_gaps,
    )
    alerts = predictions[predictions["alert"].astype(bool)]
    reclassified = reclassify_by_other_work(known, history.work_orders)
    return HoldoutOutcomes(reclassified, ~announced(period.events, alerts, terms))


def holdout_score(version: int, holdout: HoldoutOutcomes, period: Period, costs: CostPlan) -> HoldoutScore:
    """Return error rates and costs of one model's alerts over the period."""
    rates = error_rates(holdout.outcomes, start=period.start)
    missed = share(int(holdout.missed.sum()), len(holdout.missed))
    cost = missed.count * costs.missed_failure + rates.false_episodes.count * costs.false_alarm
    return HoldoutScore(version, cost, missed, rates.false_episodes, rates.decision_fn, rates.decision_fp)


def settled_probabilities(holdout: HoldoutOutcomes, scores: pd.DataFrame) -> pd.DataFrame:
    """Return asset, probability, came_true of the decisions whose outcome is settled.

    `scores` has columns asset, as_of, probability: those of the same model.
    """
    settled = holdout.outcomes.decisions.merge(scores[["asset", "as_of", "probability"]], on=["asset", "as_of"])
    settled = settled[settled["state"].isin(["tp", "fn", "fp", "tn"]) & settled["probability"].notna()]
    return settled.assign(came_true=settled["state"].isin(["tp", "fn"]))[["asset", "probability", "came_true"]]


def errors_by_asset(
    champion: HoldoutOutcomes, challenger: HoldoutOutcomes, settled: pd.DataFrame, period: Period
) -> pd.DataFrame:
    """Count both models' errors by asset: columns `paired_costs.COUNTS`, one row for each asset with a cut-off.

    `settled` are the challenger's `settled_probabilities`.
    """
    events = period.events["asset"]
    counts: dict[str, pd.Series[Any]] = {"events": events.value_counts()}
    for name, holdout in (("champion", champion), ("challenger", challenger)):
        episodes = holdout.outcomes.episodes
        false = episodes[(episodes["state"] == "fp") & (episodes["opened"] > period.start)]
        counts[f"{name}_missed"] = events[holdout.missed].value_counts()
        counts[f"{name}_false"] = false["asset"].value_counts()
    counts["expected"] = settled.groupby("asset")["probability"].sum()
    counts["observed"] = settled["came_true"].astype("int64").groupby(settled["asset"]).sum()
    assets = pd.Index(np.unique(period.cut_offs["asset"].astype("str")), name="asset")
    columns = {name: counts[name].reindex(assets).fillna(0).astype(np.float64) for name in COUNTS}
    return pd.DataFrame(columns, index=assets)
