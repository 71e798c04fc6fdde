"""Train a challenger, compare it with the champion, and promote it if it is better."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.leases import HeldLease, hold_lease, wall_clock
from data_contracts.records.records import Decision, Promotion, add_decision, open_records
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tracing.spans import traced
from data_contracts.workspace import Workspace
from models.canaries.check import check_leaks
from models.canaries.report import ALLOWED_TAG
from models.registry.promise_status import PromiseStatus, promise_status
from models.registry.promotion import Records, carry_out, complete_ledger
from models.registry.registry import CHALLENGER, Registry
from models.registry.revision import code_revision
from models.retraining.alpha_spending import spend
from models.retraining.comparison import CHALLENGER as CHALLENGER_WINS
from models.retraining.comparison import Comparison, compare, no_comparison
from models.retraining.retraining_policy import CALENDAR, REFRESH, RetrainingTrigger
from models.retraining.stored_comparison import read_comparison
from models.training.samples import observation_rule
from models.training.training import train
from pipelines.evidence.alpha_ledger import ALPHA_LEFT
from pipelines.evidence.champion import MonitoredModel, monitored_model
from pipelines.evidence.monitoring_snapshot import observation_gaps
from pipelines.retraining.challenger import (
    Holdout,
    challenger_experiment,
    contender,
    hold_out,
    nothing_new,
    plan_comparison,
)
from pipelines.retraining.refit import Refit, refit_promoted
from pipelines.retraining.result import POSTPONED as POSTPONED
from pipelines.retraining.result import PROMOTED as PROMOTED
from pipelines.retraining.result import REJECTED as REJECTED
from pipelines.retraining.result import RetrainResult as RetrainResult
from pipelines.retraining.unfinished import Unfinished, find_unfinished, write_down
from pipelines.settings.settings import Settings


@traced("retrain")
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
    engine: BlockEngine | None = None,
) -> RetrainResult:
    """Train a challenger as the champion was trained, on newer data; promote it if it is better.

    The challenger learns from what was known up to the holdout. Both are compared on the holdout, as far as its
    outcomes have matured. Nothing is trained while the holdout has too few events to compare on, or while the
    comparison would have less power than wished and waiting adds to it. The decision is stored in any case.
    `ModelError` while another retraining of this model is under way: the lease goes by `clock`.

    `why` is for the ledger. A retraining whose trigger is "refresh" uses up no evidence. `urgent` (the champion has
    drifted) makes the holdout as short as `retrain.drift_events` allow, so that the challenger learns from the newest
    data.

    With `retrain.refit` a promoted challenger is fitted once more, to all that is known at `now`; the refit takes its
    place if it behaves as the challenger. A retraining of which that was cut off is gone on with, and nothing else is
    done. Features are computed by `engine`, in this process if None.
    """
    database = open_records(workspace.records_url)
    with hold_lease(database, f"retrain/{model_name}", f"retraining of {model_name}", clock=clock) as lease:
        registry, records = Registry(workspace), lease.records
        complete_ledger(registry, records, model_name, now=now, clock=clock)
        if settings.retrain.refit:
            unfinished = find_unfinished(registry, records, model_name, now=now)
            if unfinished is not None and unfinished.retraining:
                return _go_on(workspace, unfinished, settings, progress, clock, lease, engine)
        holdout = hold_out(workspace, model_name, settings, now=now, urgent=urgent, engine=engine)
        period, plan = plan_comparison(holdout, settings)
        if not plan.made or (stands_still := nothing_new(holdout)) is not None:
            undecided = no_comparison(period, plan)
            result = _result(holdout, None, undecided, why, stands_still if plan.made else None)
            # No evidence is used up, and no alpha spent: the next retraining may rest on the same outcomes.
            until = plan.check.figures["postponed_until"]
            evidence = {"comparison": undecided.to_dict(), "why": why, "postponed_until": until}
            _store_decision(records, result, evidence, now)
            return result
        challenger = _train_challenger(workspace, holdout, settings, progress, lease)
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
            version = challenger.model.version
            promised = _promised(workspace, model_name, version, result.comparison.to_dict(), settings, now)
            result, evidence = replace(result, promise=promised), evidence | {"promise": promised.to_dict()}
            promotion = _promotion(holdout, result, version, evidence, settings)
            return _promote_and_refit(Refit(workspace, promotion, settings, lease, progress, clock, engine), result)
        _store_decision(records, result, evidence, now)
        return result


def _promote_and_refit(job: Refit, result: RetrainResult) -> RetrainResult:
    """Promote the challenger; with `retrain.refit` refit it too, which is written down before."""
    records, promotion, refitted = job.records, job.promotion, job.settings.retrain.refit
    if refitted:
        write_down(records, promotion, list(result.reasons))
    _promote(job.workspace, records, promotion, clock=job.clock)
    _store_decision(records, result, dict(promotion.evidence), promotion.at)
    return replace(result, refit=refit_promoted(job)) if refitted else result


def _train_challenger(
    workspace: Workspace, holdout: Holdout, settings: Settings, progress: ProgressCallback, lease: HeldLease
) -> MonitoredModel:
    """Train, register and alias a challenger of the champion.

    A holder that is stopped right between a check and its write, and has lost its lease when it goes on, leaves no more
    than a version that nobody uses, or the alias on it, which is for inspection.
    """
    champion = holdout.champion
    reach = settings.retrain.history
    experiment = challenger_experiment(champion.experiment, now=holdout.now, holdout=holdout.length, history=reach)
    # The name is the champion's, whatever the experiment was called.
    experiment = replace(experiment, model=champion.model.name)
    registry = Registry(workspace)
    registry.refuse_unusable_key(needed=True)
    trained = train(experiment, holdout.history, known_until=holdout.now, progress=progress)
    leaks = check_leaks(experiment, holdout.history, trained, progress=progress)
    if ALLOWED_TAG not in champion.model.tags:
        leaks.refuse()
    trained = replace(trained, tags={**trained.tags, **leaks.tags, **_allowed(champion.model.tags)})
    lease.check()
    version = registry.register(trained, revision=code_revision())
    lease.check()
    registry.set_alias(champion.model.name, CHALLENGER, version)
    return monitored_model(registry.load(champion.model.name, version))


def _allowed(tags: Mapping[str, str]) -> dict[str, str]:
    """Return that a leak was allowed, where it was with the champion: its challengers learn from the same columns."""
    return {ALLOWED_TAG: tags[ALLOWED_TAG]} if ALLOWED_TAG in tags else {}


def _compare(workspace: Workspace, holdout: Holdout, challenger: MonitoredModel, settings: Settings) -> Comparison:
    champion, history, now = holdout.champion, holdout.history, holdout.now
    return compare(
        contender(champion),
        contender(challenger),
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


def _result(
    holdout: Holdout,
    challenger: MonitoredModel | None,
    comparison: Comparison,
    why: str,
    stands_still: str | None = None,
) -> RetrainResult:
    """Return the result; without a challenger the retraining is postponed."""
    reasons = comparison.reasons
    if challenger is None:
        decision = POSTPONED
        nothing = (
            "wait for more outcomes, or lengthen retrain.holdout."
            if stands_still is None
            else f"it would learn from nothing newer than the champion, as {stands_still}. Train a version of a later "
            "healthy span with `forewarn train`, and promote it."
        )
        reasons += (f"No challenger was trained: {nothing}",)
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
    workspace: Workspace,
    name: str,
    version: int,
    comparison: dict[str, Any],
    settings: Settings,
    now: pd.Timestamp,
) -> PromiseStatus:
    return promise_status(workspace, name, version, budget=settings.drift, now=now, comparison=comparison, hidden=True)


def _promotion(
    holdout: Holdout, result: RetrainResult, version: int, evidence: dict[str, Any], settings: Settings
) -> Promotion:
    """Return the row of the ledger that a challenger's promotion is to be."""
    return Promotion(
        at=holdout.now,
        model_name=result.model_name,
        from_version=result.champion_version,
        to_version=version,
        actor=settings.retrain.actor,
        reason=" ".join(result.reasons),
        evidence=evidence,
        data_versions=holdout.history.versions,
    )


def _promote(
    workspace: Workspace, records: Records, promotion: Promotion, *, clock: Callable[[], pd.Timestamp]
) -> None:
    registry = Registry(workspace)
    carry_out(registry, records, promotion, clock=clock)
    # A rejected challenger keeps the alias, for inspection.
    registry.delete_alias(promotion.model_name, CHALLENGER)


def _go_on(
    workspace: Workspace,
    unfinished: Unfinished,
    settings: Settings,
    progress: ProgressCallback,
    clock: Callable[[], pd.Timestamp],
    lease: HeldLease,
    engine: BlockEngine | None,
) -> RetrainResult:
    """Go on with a retraining from where it was cut off, to the same end."""
    promotion, records = unfinished.promotion, lease.records
    if not unfinished.promoted:
        _promote(workspace, records, promotion, clock=clock)
    Registry(workspace).delete_alias(promotion.model_name, CHALLENGER)
    result = _stored_result(workspace, unfinished, settings)
    if not unfinished.decided:
        _store_decision(records, result, dict(promotion.evidence), promotion.at)
    refit = refit_promoted(Refit(workspace, promotion, settings, lease, progress, clock, engine))
    went_on = f"A retraining of {promotion.at:%Y-%m-%d %H:%M} had been cut off; this one went on with it."
    return replace(result, refit=refit, reasons=(went_on, *result.reasons))


def _stored_result(workspace: Workspace, unfinished: Unfinished, settings: Settings) -> RetrainResult:
    promotion = unfinished.promotion
    name, version, comparison = promotion.model_name, promotion.to_version, promotion.evidence["comparison"]
    return RetrainResult(
        model_name=name,
        champion_version=cast("int", promotion.from_version),  # a retraining replaces a champion
        challenger_version=version,
        decision=PROMOTED,
        reasons=unfinished.reasons,
        comparison=read_comparison(comparison),
        promise=_promised(workspace, name, version, comparison, settings, promotion.at),
    )


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
