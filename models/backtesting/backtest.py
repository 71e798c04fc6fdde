"""Replaying a history under a retraining rule: which model would have been champion when, and its predictions.

The replay is open-loop: it changes nothing in the history. Mechanics did what they did; an alarm of the replay sends
nobody. So a failure stays a failure, and every rule faces the same ones. A model trained at a time depends on that time
only, so that rules share their models.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from data_contracts.errors import UsageError
from models.backtesting.outcome_sources import OutcomeSources
from models.backtesting.replay_models import Compared, ReplayModels, Version
from models.backtesting.retraining_rules import Retraining, Rule, Situation
from models.backtesting.tenures import ChampionTenure, begin_tenure, settle_promise
from models.monitoring.drift import Budget
from models.monitoring.looks import Grid, count_looks
from models.outcomes.outcomes import Terms
from models.retraining.alpha_spending import AlphaWealth, accrue, first_wealth, spend
from models.retraining.promotion_rules import DEFAULT_RULES, PromotionRules
from models.retraining.retraining_policy import ASK, REFRESH, RETRAIN, RetrainingDecision

DEFAULT_MONITORING = Budget()


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
class ReplayResult:
    """The replay of one rule."""

    rule: Rule
    tenures: tuple[ChampionTenure, ...]  # in order of time
    retrainings: tuple[Retraining, ...]  # those the rule decided on
    asked_person_at: tuple[pd.Timestamp, ...]  # when the rule asked for a person
    postponed_at: tuple[pd.Timestamp, ...]  # when it decided on one whose comparison would have shown too little
    predictions: pd.DataFrame  # columns asset, as_of, alert, of the champion of the time


@dataclass(frozen=True)
class _Inputs:
    """What a replay is made from; the same at every look."""

    rule: Rule
    models: ReplayModels
    schedule: ReplaySchedule
    sources: Callable[[pd.Timestamp], OutcomeSources]
    promotion: PromotionRules
    monitoring: Budget


@dataclass(frozen=True)
class _Progress:
    """What has come of a replay up to a time."""

    reached: pd.Timestamp
    tenures: tuple[ChampionTenure, ...]
    wealth: AlphaWealth  # what comparisons may spend
    own: tuple[pd.DataFrame, ...]  # predictions of the present champion, and what it would have said just before
    predictions: tuple[pd.DataFrame, ...] = ()  # of the champion of each time
    retrainings: tuple[Retraining, ...] = ()
    asked_person_at: tuple[pd.Timestamp, ...] = ()
    postponed_at: tuple[pd.Timestamp, ...] = ()

    @property
    def champion(self) -> ChampionTenure:
        return self.tenures[-1]

    @property
    def used_until(self) -> pd.Timestamp | None:
        """Return the end of the evidence that has led to a retraining."""
        return self.retrainings[-1].used_until if self.retrainings else None


def replay(
    rule: Rule,
    models: ReplayModels,
    schedule: ReplaySchedule,
    sources: Callable[[pd.Timestamp], OutcomeSources],
    *,
    promotion: PromotionRules = DEFAULT_RULES,
    monitoring: Budget = DEFAULT_MONITORING,
    on_look: Callable[[], None] = lambda: None,
) -> ReplayResult:
    """Apply a rule at each look of the schedule.

    `sources` gives what alarms are judged by, as known at a time. `monitoring` says how sure promises have to be, by
    which every rule's champions are held to them; `on_look` is called after each look.
    """
    inputs = _Inputs(rule, models, schedule, sources, promotion, monitoring)
    progress = _install_first(inputs)
    for at in schedule.looks:
        progress = _predict(inputs, progress, at)
        situation = _observe(inputs, progress, at)
        progress = _settle(inputs, progress, situation)
        decision = rule.decide(situation)
        progress = _follow(inputs, progress, situation, decision)
        on_look()
    return _finish(inputs, progress)


def _install_first(inputs: _Inputs) -> _Progress:
    """Train the first model, which is champion at once."""
    start = inputs.schedule.start
    version = inputs.models.train(start)
    tenure = begin_tenure((), version, start, inputs.monitoring.certainty)
    wealth = first_wealth(version.trained_until, inputs.promotion)
    return _Progress(start, (tenure,), wealth, (_predictions_before(inputs, version, start),))


def _predict(inputs: _Inputs, progress: _Progress, until: pd.Timestamp) -> _Progress:
    """Let the champion predict up to a time."""
    new = inputs.models.predict(progress.champion.version, progress.reached, until)
    return replace(progress, reached=until, own=(*progress.own, new), predictions=(*progress.predictions, new))


def _observe(inputs: _Inputs, progress: _Progress, at: pd.Timestamp) -> Situation:
    """Return what can be seen of the champion at a look."""
    tenure, schedule, sources = progress.champion, inputs.schedule, inputs.sources(at)
    return Situation(
        begin=schedule.start,
        at=at,
        every=schedule.every,
        since=max(filter(None, [tenure.since, progress.used_until])),
        known=sources.outcomes(_concatenated(progress.own)),
        promise=tenure.promise.rates,
        past=progress.retrainings,
        diagnose=partial(inputs.models.diagnose, tenure.version, at),
        membership=sources.membership,
    )


def _settle(inputs: _Inputs, progress: _Progress, situation: Situation) -> _Progress:
    """Record whether the champion's own outcomes have made a provisional promise tighter."""
    budget = inputs.monitoring
    grid = Grid(situation.since, budget.every, one_per_asset=budget.one_per_asset, membership=situation.membership)
    tenure = settle_promise(progress.champion, count_looks(situation.known, grid), budget)
    if tenure is progress.champion:
        return progress
    # A diagnosis takes long, and is needed only here: outcomes of assets whose data are in doubt do not count.
    grid = replace(grid, set_aside=situation.diagnose().set_aside)
    tenure = settle_promise(progress.champion, count_looks(situation.known, grid), budget)
    return replace(progress, tenures=(*progress.tenures[:-1], tenure))


def _follow(inputs: _Inputs, progress: _Progress, situation: Situation, decision: RetrainingDecision) -> _Progress:
    """Do what the rule has decided on."""
    if decision.decision == ASK:
        progress = replace(progress, asked_person_at=(*progress.asked_person_at, situation.at))
    if decision.decision == RETRAIN or (decision.decision == ASK and inputs.schedule.person_retrains):
        return _retrain(inputs, progress, situation, decision)
    return progress


def _retrain(inputs: _Inputs, progress: _Progress, situation: Situation, decision: RetrainingDecision) -> _Progress:
    """Train a challenger and compare it with the champion, unless the comparison would show too little."""
    at, urgent, champion = situation.at, decision.urgent, progress.champion.version
    progress = replace(progress, wealth=accrue(progress.wealth, at, inputs.promotion))
    plan = inputs.models.plan(champion, at, progress.wealth, urgent=urgent)
    if plan is not None and not plan.made:
        return replace(progress, postponed_at=(*progress.postponed_at, at))
    challenger = inputs.models.train(at, urgent=urgent)
    alpha = inputs.promotion.largest_alpha if plan is None else plan.alpha
    compared = inputs.models.compare(champion, challenger, at, alpha)
    progress = _record(inputs, progress, situation, decision, compared)
    return _promote(inputs, progress, challenger, compared) if compared.promoted else progress


def _record(
    inputs: _Inputs, progress: _Progress, situation: Situation, decision: RetrainingDecision, compared: Compared
) -> _Progress:
    """Record a retraining with the evidence and the alpha that it has used up."""
    # A refresh rests on no evidence, so it uses none up.
    before = progress.used_until or inputs.schedule.start
    used = before if decision.trigger == REFRESH else situation.at - situation.known.terms.maturity
    retraining = Retraining(situation.at, compared.promoted, used, decision.trigger)
    wealth = spend(progress.wealth, compared.alpha_spent, urgent=decision.urgent)
    return replace(progress, wealth=wealth, retrainings=(*progress.retrainings, retraining))


def _promote(inputs: _Inputs, progress: _Progress, challenger: Version, compared: Compared) -> _Progress:
    """Make a challenger, or its refit, the champion; the refit promises what the challenger does."""
    at, certainty, version = progress.reached, inputs.monitoring.certainty, compared.refit or challenger
    tenure = begin_tenure(progress.tenures, version, at, certainty, compared.figures)
    own = (_predictions_before(inputs, version, at),)
    return replace(progress, tenures=(*progress.tenures, tenure), own=own)


def _finish(inputs: _Inputs, progress: _Progress) -> ReplayResult:
    """Predict up to the end, and return what has come of the replay."""
    end = inputs.schedule.end
    if progress.reached < end:
        progress = _predict(inputs, progress, end)
    return ReplayResult(
        inputs.rule,
        progress.tenures,
        progress.retrainings,
        progress.asked_person_at,
        progress.postponed_at,
        _concatenated(progress.predictions),
    )


def _predictions_before(inputs: _Inputs, version: Version, at: pd.Timestamp) -> pd.DataFrame:
    """Return what a version would have predicted just before it became the champion.

    Otherwise alarms that stood already would all open on its first day, and early failures would have no warning.
    """
    terms: Terms = inputs.sources(at).terms
    return inputs.models.predict(version, at - terms.claim - terms.gap, at)


def _concatenated(frames: tuple[pd.DataFrame, ...]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True)
