"""A history replayed under a rule of retraining: which model would have been on duty when, and what it would have said.

The replay is open: it changes nothing in the history. Mechanics did what they did; an alarm of the replay sends nobody.
So a failure stays a failure, and every rule faces the same ones. A model trained at a time depends on that time only,
so that rules share their models.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from models.backtesting.retraining_rules import Retraining, Rule, Situation
from models.diagnosis.diagnosis import Diagnosis
from models.monitoring.drift import ReferenceRates
from models.outcomes.error_rates import ErrorRates
from models.outcomes.outcomes import Terms, outcomes
from models.retraining.retraining_policy import ASK, REFRESH, RETRAIN


@dataclass(frozen=True)
class Version:
    """A model of the replay.

    Parameters
    ----------
    made_at : pd.Timestamp
        When it was trained: nothing known later went into it. With the holdout it names the version.
    trained_until : pd.Timestamp
        Its last training cut-off.
    promised : ErrorRates or None
        The error rates of its evaluation.
    holdout : pd.Timedelta
        The last part of what was known then, which it was judged on.
    """

    made_at: pd.Timestamp
    trained_until: pd.Timestamp
    promised: ErrorRates | None
    holdout: pd.Timedelta = field(default_factory=lambda: pd.Timedelta(0))


class ReplayModels(Protocol):
    """Who trains, asks and compares models; each answer depends on its arguments alone."""

    def trained(self, at: pd.Timestamp, *, urgent: bool = False) -> Version:
        """Train a version on what was known at a time; with a short holdout where it is to answer a drift."""

    def told(self, version: Version, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        """Return asset, as_of, alert for the cut-offs in (start, end]."""

    def diagnosed(self, version: Version, at: pd.Timestamp) -> Diagnosis:
        """Name what is wrong with the data, as known at a time, against what a version had learned from."""

    def better(self, champion: Version, challenger: Version, at: pd.Timestamp) -> bool:
        """Say whether the challenger earned its promotion, by what was known at a time."""


@dataclass(frozen=True)
class ReplaySchedule:
    """What is replayed.

    Parameters
    ----------
    start : pd.Timestamp
        The first training; its model takes office at once.
    end : pd.Timestamp
        The end of the history.
    every : pd.Timedelta
        Between looks.
    answered : bool
        Whether a person whom a rule asks has the model retrained; else nobody comes.

    Raises
    ------
    UsageError
        If there is no look between start and end.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    every: pd.Timedelta
    answered: bool = True

    def __post_init__(self) -> None:
        if self.every <= pd.Timedelta(0) or self.start + self.every > self.end:
            raise UsageError(
                f"a back-test from {self.start:%Y-%m-%d} to {self.end:%Y-%m-%d} with looks every "
                f"{self.every / pd.Timedelta(days=1):g} days",
                "at least one look before the history ends",
                "Start earlier, look more often, or bring in more history",
            )

    @property
    def looks(self) -> tuple[pd.Timestamp, ...]:
        """Return the times of the looks."""
        count = int((self.end - self.start) // self.every)
        return tuple(self.start + (place + 1) * self.every for place in range(count))


@dataclass(frozen=True)
class ChampionTenure:
    """A version's time on duty, which ends when the next begins.

    Parameters
    ----------
    since : pd.Timestamp
        When it took office.
    version : Version
        The model.
    """

    since: pd.Timestamp
    version: Version


@dataclass(frozen=True)
class ReplayResult:
    """What became of a rule.

    Parameters
    ----------
    rule : Rule
        The rule.
    offices : tuple of ChampionTenure
        Who was on duty, in order of time.
    retrainings : tuple of Retraining
        What the rule decided.
    asked : tuple of pd.Timestamp
        When it asked for a person.
    told : pd.DataFrame
        Columns asset, as_of, alert: what whoever was on duty said.
    """

    rule: Rule
    offices: tuple[ChampionTenure, ...]
    retrainings: tuple[Retraining, ...]
    asked: tuple[pd.Timestamp, ...]
    told: pd.DataFrame


def replay(
    rule: Rule,
    history: History,
    versions: ReplayModels,
    plan: ReplaySchedule,
    *,
    terms: Callable[[pd.Timestamp], Terms],
    looked: Callable[[], None] = lambda: None,
) -> ReplayResult:
    """Walk a rule through the looks of a history.

    Parameters
    ----------
    rule : Rule
        Decides at each look.
    history : History
        Its failures and work orders are used, as known at each look.
    versions : ReplayModels
        Trains, asks and compares.
    plan : ReplaySchedule
        From when to when, and how often it is looked at.
    terms : callable
        How alarms are judged, as known at a time.
    looked : callable
        Called after each look.

    Returns
    -------
    ReplayResult
        The same arguments give the same course.
    """
    offices = [ChampionTenure(plan.start, versions.trained(plan.start))]
    past: list[Retraining] = []
    asked: list[pd.Timestamp] = []
    said: list[pd.DataFrame] = []
    own, reached = [_before(versions, offices[-1], terms)], plan.start
    for at in plan.looks:
        on_duty = offices[-1].version
        said.append(versions.told(on_duty, reached, at))
        own.append(said[-1])
        reached, rules = at, terms(at)
        since = max([offices[-1].since, *(one.used_until for one in past[-1:])])
        seen = Situation(
            begin=plan.start,
            at=at,
            every=plan.every,
            since=since,
            known=outcomes(_joined(own), history.failures, history.work_orders, now=at, terms=rules),
            promise=ReferenceRates.of(on_duty.promised, "its evaluation"),
            past=tuple(past),
            diagnose=partial(versions.diagnosed, on_duty, at),
        )
        answer = rule.decide(seen)
        if answer.decision == ASK:
            asked.append(at)
        if answer.decision == RETRAIN or (answer.decision == ASK and plan.answered):
            challenger = versions.trained(at, urgent=answer.urgent)
            promoted = versions.better(on_duty, challenger, at)
            # A refresh rests on no evidence, so it uses none up.
            before = past[-1].used_until if past else plan.start
            used = before if answer.occasion == REFRESH else at - rules.maturity
            past.append(Retraining(at, promoted, used, answer.occasion))
            if promoted:
                offices.append(ChampionTenure(at, challenger))
                own = [_before(versions, offices[-1], terms)]
        looked()
    if reached < plan.end:
        said.append(versions.told(offices[-1].version, reached, plan.end))
    return ReplayResult(rule, tuple(offices), tuple(past), tuple(asked), _joined(said))


def _before(versions: ReplayModels, office: ChampionTenure, terms: Callable[[pd.Timestamp], Terms]) -> pd.DataFrame:
    """Return what a version would have said just before it took office.

    Else alarms that stood already would open on its first day, all at once, and early failures would have no warning.
    """
    known = terms(office.since)
    return versions.told(office.version, office.since - known.claim - known.gap, office.since)


def _joined(said: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(said, ignore_index=True)
