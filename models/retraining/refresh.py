"""Refreshes: retraining a champion that keeps its promise.

There are two reasons. A training costs next to nothing beside the errors that it may prevent: once these have cost a
declared number of times as much, a refresh pays even if it prevents only one error in that number. And after a drift
little of what was learned still holds: so follow-ups come after one, two and four cooldowns, each time the data since
the drift have doubled.

A refresh claims no drift. It spends nothing of the tests' budgets, uses up no evidence, and its challenger has to win
the same comparison. All refreshes together cost no more than a declared share of what the errors cost.
"""

from dataclasses import dataclass

import pandas as pd

from data_contracts.errors import UsageError
from models.experiment.experiment import CostPlan
from models.outcomes.outcomes import Outcomes


@dataclass(frozen=True)
class Prices:
    """What a thing costs, all in one currency.

    Parameters
    ----------
    errors : CostPlan
        A missed failure, and a false alarm.
    retraining : float
        A retraining, whether its challenger is promoted or not.
    """

    errors: CostPlan
    retraining: float


@dataclass(frozen=True)
class RefreshRule:
    """When a refresh is due, and how many there may be.

    Parameters
    ----------
    pays_at : float
        How many times as much as a retraining the errors since the last one must have cost.
    follow_ups : int
        Trainings that follow one which answered a drift; 0 for none.
    yearly : int
        Refreshes in a year at most, follow-ups included; 0 for none.

    Raises
    ------
    UsageError
        If a number is below zero.
    """

    pays_at: float = 20.0
    follow_ups: int = 3
    yearly: int = 26

    def __post_init__(self) -> None:
        for name in ("pays_at", "follow_ups", "yearly"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name):g}", "0 or more", "Mend the rule of refreshes")


NO_REFRESH = RefreshRule(yearly=0)


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
    if since.refreshed >= rule.yearly:
        return None
    answered = since.drift_answered
    if answered is not None and since.trained < rule.follow_ups and now >= answered + cooldown * 2**since.trained:
        return (
            f"Follow-up {since.trained + 1} of {rule.follow_ups} to the drift answered on {answered:%Y-%m-%d}: more "
            "data from after it are available by now."
        )
    if since.retraining is not None and since.errors >= rule.pays_at * since.retraining and since.errors > 0:
        return (
            f"Errors have cost {since.errors:,.0f} since the last training. A refresh costs {since.retraining:,.0f}, "
            f"and pays if it prevents one error in {rule.pays_at:g}."
        )
    return None


def cost_of_errors(known: Outcomes, costs: CostPlan, since: pd.Timestamp) -> float:
    """Return the cost of matured errors: failures, and alarm episodes opened, after `since`."""
    failures, episodes = known.failures, known.episodes
    missed = (failures["state"] == "missed") & (failures["event_time"] > since)
    false = (episodes["state"] == "fp") & (episodes["opened"] > since)
    return float(missed.sum() * costs.missed_failure + false.sum() * costs.false_alarm)
