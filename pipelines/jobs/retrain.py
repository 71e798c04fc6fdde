"""Train a challenger, compare it with the champion, and promote it if it is better."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.leases import hold_lease, wall_clock
from data_contracts.records.records import Decision, add_decision, open_records
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace
from models.experiment.condition_outcomes import with_predicted_failures
from models.experiment.experiment import Experiment
from models.outcomes.outcomes import Terms
from models.registry.promotion import Records, complete_ledger, promote
from models.registry.registry import CHALLENGER, Registry
from models.registry.revision import code_revision
from models.retraining.alpha_spending import AlphaWealth, spend
from models.retraining.comparison import CHALLENGER as CHALLENGER_WINS
from models.retraining.comparison import Comparison, Contender, compare, no_comparison, plan_on
from models.retraining.comparison_period import Period, period_after, short_holdout
from models.retraining.comparison_plan import ComparisonPlan
from models.retraining.retraining_policy import CALENDAR, REFRESH, RetrainingTrigger
from models.training.samples import observation_rule
from models.training.training import train
from pipelines.evidence.alpha_ledger import ALPHA_LEFT, alpha_wealth
from pipelines.evidence.champion import MonitoredModel, load_champion, monitored_model, terms
from pipelines.evidence.monitoring_snapshot import observation_gaps
from pipelines.evidence.promise_status import PromiseStatus, promise_status
from pipelines.settings.settings import Settings

PROMOTED = "promoted"
REJECTED = "rejected"
POSTPONED = "postponed"


@dataclass(frozen=True)
class RetrainResult:
    """What a retraining came to."""

    model_name: str
    champion_version: int  # before the retraining
    challenger_version: int | None  # None when nothing was trained
    decision: str  # "promoted" or "rejected"; "postponed" when the holdout has too few events to compare on
    reasons: tuple[str, ...]  # plain sentences
    comparison: Comparison
    promise: PromiseStatus | None = None  # what a promoted challenger is held to

    @property
    def exit_status(self) -> int:
        """0 if the challenger was promoted."""
        return 0 if self.decision == PROMOTED else 1

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "model_name": self.model_name,
            "champion_version": self.champion_version,
            "challenger_version": self.challenger_version,
            "decision": self.decision,
            "reasons": list(self.reasons),
            "comparison": self.comparison.to_dict(),
            "promise": None if self.promise is None else self.promise.to_dict(),
        }


@dataclass(frozen=True)
class _Holdout:
    """The champion, and the latest part of the history that a challenger is compared with it on."""

    champion: MonitoredModel
    history: History
    alarm_terms: Terms
    length: pd.Timedelta
    now: pd.Timestamp
    wealth: AlphaWealth  # what the comparison may spend
    urgent: bool  # whether it answers a drift

    @property
    def start(self) -> pd.Timestamp:
        return self.now - self.length


def retrain_champion(
    workspace: Workspace,
    model_name: str,
    *,
    now: pd.Timestamp,
    settings: Settings,
    why: str = "",
    trigger: RetrainingTrigger = CALENDAR,
    urgent: bool = False,
    progress: ProgressCallback = silent,
    clock: Callable[[], pd.Timestamp] = wall_clock,
) -> RetrainResult:
    """Train a challenger as the champion was trained, on newer data; promote it if it is better.

    The challenger learns from what was known up to the holdout. Both are compared on the holdout, as far as its
    outcomes have matured. Nothing is trained while the holdout has too few events to compare on, or while the
    comparison would have less power than wished and waiting adds to it. The decision is stored in any case.
    `ModelError` while another retraining of this model is under way: the lease goes by `clock`.

    `why` is for the ledger. A retraining whose trigger is "refresh" uses up no evidence. `urgent` (the champion has
    drifted) makes the holdout as short as `retrain.drift_events` allow, so that the challenger learns from the newest
    data.
    """
    records = open_records(workspace.records_url)
    with hold_lease(records, f"retrain/{model_name}", f"retraining of {model_name}", clock=clock):
        complete_ledger(Registry(workspace), records, model_name, now=now, clock=clock)
        holdout = _hold_out(workspace, model_name, settings, now=now, urgent=urgent)
        period, plan = _plan(holdout, settings)
        if not plan.made:
            undecided = no_comparison(period, plan)
            result = _result(holdout, None, undecided, why)
            # No evidence is used up, and no alpha spent: the next retraining may rest on the same outcomes.
            until = plan.check.figures["postponed_until"]
            evidence = {"comparison": undecided.to_dict(), "why": why, "postponed_until": until}
            _store_decision(records, result, evidence, now)
            return result
        challenger = _train_challenger(workspace, holdout, settings, progress)
        result = _result(holdout, challenger, _compare(workspace, holdout, challenger, settings), why)
        used = None if trigger == REFRESH else (now - holdout.alarm_terms.maturity).isoformat()
        evidence = {
            "comparison": result.comparison.to_dict(),
            "why": why,
            "occasion": trigger,
            "used_until": used,
            ALPHA_LEFT: spend(holdout.wealth, result.comparison.alpha_spent, urgent=urgent).to_dict(),
        }
        if result.decision == PROMOTED:
            promised = _promised(workspace, challenger, result.comparison, settings, now)
            result, evidence = replace(result, promise=promised), evidence | {"promise": promised.to_dict()}
            actor, reason = settings.retrain.actor, " ".join(result.reasons)
            _promote(workspace, holdout, challenger, actor=actor, reason=reason, evidence=evidence, clock=clock)
        _store_decision(records, result, evidence, now)
        return result


def challenger_holdout(
    history: History, settings: Settings, alarm_terms: Terms, *, now: pd.Timestamp, urgent: bool
) -> pd.Timedelta:
    """Return how much of the latest history a challenger does not learn from, but is compared on.

    If `urgent` (the champion has drifted), it is as short as its events allow.
    """
    usual, events = settings.retrain.holdout, settings.retrain.drift_events
    if not urgent or not events:
        return usual
    return short_holdout(history, usual=usual, events=events, now=now, terms=alarm_terms)


def challenger_experiment(
    experiment: Experiment, *, now: pd.Timestamp, holdout: pd.Timedelta, history: pd.Timedelta | None
) -> Experiment:
    """Derive a challenger's experiment from the champion's: split by time at now - holdout, the rest unchanged.

    `history` is how far the training data reach back before the holdout; None is all of it.
    """
    boundary = now - holdout
    start = experiment.data.start
    if history is not None:
        start = max(filter(None, [start, boundary - history]))
    recent = replace(experiment, data=replace(experiment.data, start=start, end=None))
    return recent.with_split(kind="time", test_start=boundary, test_end=None, score_at="all")


def _hold_out(
    workspace: Workspace, model_name: str, settings: Settings, *, now: pd.Timestamp, urgent: bool
) -> _Holdout:
    champion = load_champion(workspace, model_name)
    data = champion.experiment.data
    history = read_history(workspace, data.asset_type, plant=data.plant, as_of=now)
    history = with_predicted_failures(champion.experiment, history)
    alarm_terms = terms(champion, history, settings, now=now)
    length = challenger_holdout(history, settings, alarm_terms, now=now, urgent=urgent)
    records = open_records(workspace.records_url)
    until = champion.trained_until
    wealth = alpha_wealth(records, model_name, trained_until=until, now=now, rules=settings.promotion)
    return _Holdout(champion, history, alarm_terms, length, now, wealth, urgent)


def _plan(holdout: _Holdout, settings: Settings) -> tuple[Period, ComparisonPlan]:
    """Plan the comparison before anything is trained, as training takes long."""
    period = period_after(
        holdout.history,
        holdout.champion.trained_until,
        start=holdout.start,
        now=holdout.now,
        stride=holdout.champion.experiment.windows.stride,
        terms=holdout.alarm_terms,
        rule=observation_rule(holdout.champion.experiment),
    )
    costs, contender = holdout.champion.experiment.costs, _contender(holdout.champion)
    plan = plan_on(period, contender, settings.promotion, costs, wealth=holdout.wealth, urgent=holdout.urgent)
    return period, plan


def _train_challenger(
    workspace: Workspace, holdout: _Holdout, settings: Settings, progress: ProgressCallback
) -> MonitoredModel:
    """Train, register and alias a challenger of the champion."""
    champion = holdout.champion
    reach = settings.retrain.history
    experiment = challenger_experiment(champion.experiment, now=holdout.now, holdout=holdout.length, history=reach)
    # The name is the champion's, whatever the experiment was called.
    experiment = replace(experiment, model=champion.model.name)
    registry = Registry(workspace)
    trained = train(experiment, holdout.history, known_until=holdout.now, progress=progress)
    version = registry.register(trained, revision=code_revision())
    registry.set_alias(champion.model.name, CHALLENGER, version)
    return monitored_model(registry.load(champion.model.name, version))


def _compare(workspace: Workspace, holdout: _Holdout, challenger: MonitoredModel, settings: Settings) -> Comparison:
    champion, history, now = holdout.champion, holdout.history, holdout.now
    return compare(
        _contender(champion),
        _contender(challenger),
        history,
        start=holdout.start,
        now=now,
        stride=champion.experiment.windows.stride,
        terms=holdout.alarm_terms,
        costs=champion.experiment.costs,
        rule=observation_rule(champion.experiment),
        rules=settings.promotion,
        wealth=holdout.wealth,
        urgent=holdout.urgent,
        observation_gaps=observation_gaps(workspace, history, settings, now=now),
    )


def _contender(candidate: MonitoredModel) -> Contender:
    model = candidate.model
    return Contender(model.version, model.artifact, candidate.trained_until, model.reference)


def _result(holdout: _Holdout, challenger: MonitoredModel | None, comparison: Comparison, why: str) -> RetrainResult:
    """Return the result; without a challenger the retraining is postponed."""
    reasons = comparison.reasons
    if challenger is None:
        decision = POSTPONED
        reasons += ("No challenger was trained: wait for more outcomes, or lengthen retrain.holdout.",)
    else:
        decision = PROMOTED if comparison.winner == CHALLENGER_WINS else REJECTED
    return RetrainResult(
        model_name=holdout.champion.model.name,
        champion_version=holdout.champion.model.version,
        challenger_version=None if challenger is None else challenger.model.version,
        decision=decision,
        reasons=(why, *reasons) if why else reasons,
        comparison=comparison,
    )


def _promised(
    workspace: Workspace, challenger: MonitoredModel, comparison: Comparison, settings: Settings, now: pd.Timestamp
) -> PromiseStatus:
    return promise_status(
        workspace,
        challenger.model.name,
        challenger.model.version,
        settings=settings,
        now=now,
        comparison=comparison.to_dict(),
        hidden=True,
    )


def _promote(
    workspace: Workspace,
    holdout: _Holdout,
    challenger: MonitoredModel,
    *,
    actor: str,
    reason: str,
    evidence: dict[str, Any],
    clock: Callable[[], pd.Timestamp],
) -> None:
    registry = Registry(workspace)
    promote(
        registry,
        open_records(workspace.records_url),
        challenger.model.name,
        expected_champion=holdout.champion.model.version,
        to_version=challenger.model.version,
        actor=actor,
        reason=reason,
        evidence=evidence,
        now=holdout.now,
        data_versions=holdout.history.versions,
        clock=clock,
    )
    # A rejected challenger keeps the alias, for inspection.
    registry.delete_alias(challenger.model.name, CHALLENGER)


def _store_decision(records: Records, result: RetrainResult, evidence: dict[str, Any], now: pd.Timestamp) -> None:
    add_decision(
        records,
        Decision(
            at=now,
            model_name=result.model_name,
            model_version=result.challenger_version,
            decision=result.decision,
            reasons=list(result.reasons),
            evidence=evidence,
        ),
    )
