"""Refreshes: retraining a champion that keeps its promise.

There are two reasons. A training costs next to nothing beside the errors that it may prevent: once these have cost a
declared number of times as much, a refresh pays even if it prevents only one error in that number. And after a drift
little of what was learned still holds: so follow-ups come after one, two and four cooldowns, each time the data since
the drift have doubled.

A refresh claims no drift. It spends nothing of the tests' budgets, uses up no evidence, and its challenger has to win
the same comparison. All refreshes together cost no more than a declared share of what the errors cost.
"""

from dataclasses import dataclass
from typing import Annotated

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import configuration
from features.setting_types import Count, Number
from models.experiment.plans import CostPlan
from models.outcomes.outcomes import Outcomes

RETRAINING_SHARE = 0.1
"""Default retraining cost, as a share of a false alarm."""


@dataclass(frozen=True)
class Prices:
    """What errors and retrainings cost, all in one currency."""

    errors: CostPlan
    retraining: float  # whether its challenger is promoted or not

    @classmethod
    def of(cls, errors: CostPlan, retraining: float | None) -> "Prices":
        """Take the default cost of a retraining, a share of a false alarm, where none is set."""
        return cls(errors, RETRAINING_SHARE * errors.false_alarm if retraining is None else retraining)


@configuration
class RefreshRule:
    """When a refresh is due, and how many there may be."""

    refresh_pays_at: Annotated[Number, Field(ge=0, le=1e9)] = 20.0
    """A champion that keeps its promise is trained anew once its errors since the last training have cost this many
    times as much as a retraining."""
    refresh_follow_ups: Count = 3
    """Trainings that follow one which answered a drift, after one, two, four cooldowns and so on; 0 for none."""
    refresh_budget: Count = 26
    """Most refreshes in a year, follow-ups included; 0 for none."""


NO_REFRESH = RefreshRule(refresh_budget=0)


@dataclass(frozen=True)
class SinceTraining:
    """What has happened since a challenger was last trained."""

    errors: float = 0.0  # cost of the champion's errors that have matured since
    retraining: float | None = None  # cost of one; None if unknown
    drift_answered: pd.Timestamp | None = None  # when a challenger was last trained because of drift
    trained: int = 0  # trainings after that one
    refreshed: int = 0  # refreshes in the year up to now


def refresh_due(since: SinceTraining, rule: RefreshRule, *, cooldown: pd.Timedelta, now: pd.Timestamp) -> str | None:
    """Return a sentence on why a refresh is due; None while none is due, or none is left this year.

    `cooldown` runs from a training that answered a drift to its first follow-up; each later follow-up takes twice as
    long.
    """
    if since.refreshed >= rule.refresh_budget:
        return None
    answered, follow_ups = since.drift_answered, rule.refresh_follow_ups
    if answered is not None and since.trained < follow_ups and now >= answered + cooldown * 2**since.trained:
        return (
            f"Follow-up {since.trained + 1} of {follow_ups} to the drift answered on {answered:%Y-%m-%d}: more "
            "data from after it are available by now."
        )
    if since.retraining is not None and since.errors >= rule.refresh_pays_at * since.retraining and since.errors > 0:
        return (
            f"Errors have cost {since.errors:,.0f} since the last training. A refresh costs {since.retraining:,.0f}, "
            f"and pays if it prevents one error in {rule.refresh_pays_at:g}."
        )
    return None


def cost_of_errors(known: Outcomes, costs: CostPlan, since: pd.Timestamp) -> float:
    """Return the cost of matured errors: failures, and alarm episodes opened, after `since`."""
    failures, episodes = known.failures, known.episodes
    missed = (failures["state"] == "missed") & (failures["event_time"] > since)
    false = (episodes["state"] == "fp") & (episodes["opened"] > since)
    return float(missed.sum() * costs.missed_failure + false.sum() * costs.false_alarm)
