"""Replaying a history under a retraining rule: which model would have been champion when, and its predictions.

The replay is open-loop: it changes nothing in the history. Mechanics did what they did; an alarm of the replay sends
nobody. So a failure stays a failure, and every rule faces the same ones. A model trained at a time depends on that time
only, so that rules share their models.
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
from models.retraining.alpha_spending import AlphaWealth, accrue, first_wealth, spend
from models.retraining.comparison_plan import ComparisonPlan
from models.retraining.promotion_rules import DEFAULT_RULES, PromotionRules
from models.retraining.retraining_policy import ASK, REFRESH, RETRAIN


@dataclass(frozen=True)
class Version:
    """A model of the replay."""

    # When it was trained: nothing known later went into it; with the holdout it identifies the version.
    made_at: pd.Timestamp
    trained_until: pd.Timestamp  # its last training cut-off
    promised: ErrorRates | None  # the error rates of its evaluation
    # The last part of what was known then, which it was evaluated on.
    holdout: pd.Timedelta = field(default_factory=lambda: pd.Timedelta(0))
    refit: bool = False  # whether it was fitted once more after its evaluation, to the holdout too


@dataclass(frozen=True)
class Compared:
    """The result of a comparison."""

    promoted: bool  # whether the challenger earned its promotion
    alpha_spent: float = 0.0
    refit: Version | None = None  # the refit that takes the place of a promoted challenger; None without one


class ReplayModels(Protocol):
    """Trains, applies and compares models; each result depends on the arguments alone."""

    def train(self, at: pd.Timestamp, *, urgent: bool = False) -> Version:
        """Train a version on what was known at a time; with a short holdout where it is to answer a drift."""

    def predict(self, version: Version, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        """Return asset, as_of, alert for the cut-offs in (start, end]."""

    def diagnose(self, version: Version, at: pd.Timestamp) -> Diagnosis:
        """Diagnose the data, as known at a time, against what a version had learned from."""

    def plan(self, champion: Version, at: pd.Timestamp, wealth: AlphaWealth, *, urgent: bool) -> ComparisonPlan | None:
        """Plan the comparison of a challenger trained at a time; None if challengers are promoted without one."""

    def compare(self, champion: Version, challenger: Version, at: pd.Timestamp, alpha: float) -> Compared:
        """Compare a challenger with the champion at a level alpha, by what was known at a time."""


@dataclass(frozen=True)
class ReplaySchedule:
    """When the replay starts and ends, and how often the champion is looked at."""

    start: pd.Timestamp  # the first training, whose model is champion at once
    end: pd.Timestamp
    every: pd.Timedelta  # the time between looks
    person_retrains: bool = True  # whether a person whom a rule asks has the model retrained; otherwise nothing is done

    def __post_init__(self) -> None:
        if self.every <= pd.Timedelta(0) or self.start + self.every > self.end:
            raise UsageError(
                f"a back-test from {self.start:%Y-%m-%d} to {self.end:%Y-%m-%d} with looks every "
                f"{self.every / pd.Timedelta(days=1):g} days",
                "at least one look before the history ends",
                "Start earlier, look more often, or import more history",
            )

    @property
    def looks(self) -> tuple[pd.Timestamp, ...]:
        """Return the times of the looks."""
        count = int((self.end - self.start) // self.every)
        return tuple(self.start + (place + 1) * self.every for place in range(count))


@dataclass(frozen=True)
class ChampionTenure:
    """A version's time as champion, which ends when the next begins."""

    since: pd.Timestamp
    version: Version


@dataclass(frozen=True)
class ReplayResult:
    """The replay of one rule."""

    rule: Rule
    tenures: tuple[ChampionTenure, ...]  # in order of time
    retrainings: tuple[Retraining, ...]  # those the rule decided on
    asked_person_at: tuple[pd.Timestamp, ...]  # when the rule asked for a person
    postponed_at: tuple[pd.Timestamp, ...]  # when it decided on one whose comparison would have shown too little
    predictions: pd.DataFrame  # columns asset, as_of, alert, of the champion of the time


def replay(
    rule: Rule,
    history: History,
    models: ReplayModels,
    plan: ReplaySchedule,
    *,
    terms: Callable[[pd.Timestamp], Terms],
    gaps: Callable[[pd.Timestamp], pd.DataFrame | None] = lambda _: None,
    promotion: PromotionRules = DEFAULT_RULES,
    on_look: Callable[[], None] = lambda: None,
) -> ReplayResult:
    """Apply a rule at each look of the schedule; failures and work orders are used as known at each look.

    `terms` gives how alarms are judged, and `gaps` the times in which assets were retired or lost, both as known at a
    time; `on_look` is called after each look.
    """
    tenures = [ChampionTenure(plan.start, models.train(plan.start))]
    wealth = first_wealth(tenures[0].version.trained_until, promotion)
    past: list[Retraining] = []
    asked_person_at: list[pd.Timestamp] = []
    postponed_at: list[pd.Timestamp] = []
    predictions: list[pd.DataFrame] = []
    own, reached = [_predictions_before(models, tenures[-1], terms)], plan.start
    for at in plan.looks:
        champion = tenures[-1].version
        predictions.append(models.predict(champion, reached, at))
        own.append(predictions[-1])
        reached, rules = at, terms(at)
        since = max([tenures[-1].since, *(one.used_until for one in past[-1:])])
        known = outcomes(
            _concatenated(own),
            history.predicted_failures,
            history.work_orders,
            now=at,
            terms=rules,
            observation_gaps=gaps(at),
        )
        situation = Situation(
            begin=plan.start,
            at=at,
            every=plan.every,
            since=since,
            known=known,
            promise=ReferenceRates.of(champion.promised, "its evaluation"),
            past=tuple(past),
            diagnose=partial(models.diagnose, champion, at),
        )
        decision = rule.decide(situation)
        if decision.decision == ASK:
            asked_person_at.append(at)
        if decision.decision == RETRAIN or (decision.decision == ASK and plan.person_retrains):
            wealth = accrue(wealth, at, promotion)
            comparison = models.plan(champion, at, wealth, urgent=decision.urgent)
            if comparison is not None and not comparison.made:
                postponed_at.append(at)
            else:
                challenger = models.train(at, urgent=decision.urgent)
                alpha = promotion.largest_alpha if comparison is None else comparison.alpha
                result = models.compare(champion, challenger, at, alpha)
                wealth = spend(wealth, result.alpha_spent, urgent=decision.urgent)
                # A refresh rests on no evidence, so it uses none up.
                before = past[-1].used_until if past else plan.start
                used = before if decision.trigger == REFRESH else at - rules.maturity
                past.append(Retraining(at, result.promoted, used, decision.trigger))
                if result.promoted:
                    tenures.append(ChampionTenure(at, result.refit or challenger))
                    own = [_predictions_before(models, tenures[-1], terms)]
        on_look()
    if reached < plan.end:
        predictions.append(models.predict(tenures[-1].version, reached, plan.end))
    return ReplayResult(
        rule,
        tuple(tenures),
        tuple(past),
        tuple(asked_person_at),
        tuple(postponed_at),
        _concatenated(predictions),
    )


def _predictions_before(
    models: ReplayModels, tenure: ChampionTenure, terms: Callable[[pd.Timestamp], Terms]
) -> pd.DataFrame:
    """Return what a version would have predicted just before it became the champion.

    Otherwise alarms that stood already would all open on its first day, and early failures would have no warning.
    """
    known = terms(tenure.since)
    return models.predict(tenure.version, tenure.since - known.claim - known.gap, tenure.since)


def _concatenated(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True)
