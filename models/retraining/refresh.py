"""When a champion that keeps its promise is trained anew all the same.

There are two reasons. A training costs next to nothing beside the errors that it may spare: once these have cost a
declared number of times as much, it pays to look again at what is to be learned, even if that spares one error in so
many. And after a drift little of what was learned still holds: so follow-ups come after one, two and four cooldowns,
each time the new world has doubled.

A refresh claims no drift. It spends nothing of the tests' budgets, uses up no evidence, and its challenger has to win
the same comparison. All refreshes together cost no more than a declared share of what the errors cost.
"""

from dataclasses import dataclass
from typing import Annotated

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import configuration
from features.setting_types import Count, Number
from models.experiment.experiment import CostPlan
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
    """What has come since a challenger was last trained.

    Parameters
    ----------
    errors : float
        What the champion's errors have cost that have matured since.
    retraining : float or None
        What a retraining costs; None where nobody has said so.
    drift_answered : pd.Timestamp or None
        When a challenger was last trained because of drift.
    trained : int
        Trainings after that one.
    refreshed : int
        Refreshes in the year up to now.
    """

    errors: float = 0.0
    retraining: float | None = None
    drift_answered: pd.Timestamp | None = None
    trained: int = 0
    refreshed: int = 0


def refresh_due(new: SinceTraining, rule: RefreshRule, *, wait: pd.Timedelta, now: pd.Timestamp) -> str | None:
    """Say why a refresh is due.

    Parameters
    ----------
    new : SinceTraining
        What has come since the last training.
    rule : RefreshRule
        When that is enough.
    wait : pd.Timedelta
        From a training that answered a drift to its first follow-up; each later one comes after twice the time.
    now : pd.Timestamp
        The moment of deciding.

    Returns
    -------
    str or None
        A sentence; None while none is due, or none is left this year.
    """
    if new.refreshed >= rule.refresh_budget:
        return None
    answered = new.drift_answered
    if answered is not None and new.trained < rule.refresh_follow_ups and now >= answered + wait * 2**new.trained:
        return (
            f"The drift answered on {answered:%Y-%m-%d} is followed up: there is more to learn from since then "
            f"({new.trained + 1} of {rule.refresh_follow_ups})."
        )
    if new.retraining is not None and new.errors >= rule.refresh_pays_at * new.retraining and new.errors > 0:
        return (
            f"Errors have cost {new.errors:,.0f} since the last training. A refresh costs {new.retraining:,.0f}, and "
            f"pays if it spares one of {rule.refresh_pays_at:g}."
        )
    return None


def cost_of_errors(known: Outcomes, costs: CostPlan, since: pd.Timestamp) -> float:
    """Add up what matured errors have cost since a time.

    Parameters
    ----------
    known : Outcomes
        What became of a model's predictions.
    costs : CostPlan
        Of a missed failure and of a false alarm.
    since : pd.Timestamp
        Only failures and alarm episodes after it count.
    """
    failures, episodes = known.failures, known.episodes
    missed = (failures["state"] == "missed") & (failures["event_time"] > since)
    false = (episodes["state"] == "fp") & (episodes["opened"] > since)
    return float(missed.sum() * costs.missed_failure + false.sum() * costs.false_alarm)
