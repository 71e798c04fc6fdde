"""Training a challenger, comparing it with the champion, and promoting the better of the two."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.leases import hold_lease, wall_clock
from data_contracts.records.records import Decision, add_decision, open_records
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.outcomes.outcomes import Terms
from models.registry.promotion import complete_ledger, promote
from models.registry.registry import CHALLENGER, Registry
from models.registry.revision import code_revision
from models.retraining.comparison import CHALLENGER as CHALLENGER_WINS
from models.retraining.comparison import Comparison, Contender, compare, no_comparison
from models.retraining.comparison_period import period_after, short_holdout
from models.retraining.promotion_rules import PromotionRules
from models.retraining.retraining_policy import CALENDAR, REFRESH, RetrainingTrigger
from models.training.training import train
from pipelines.evidence.champion import MonitoredModel, load_champion, monitored_model, terms
from pipelines.evidence.monitoring_snapshot import observation_gaps
from pipelines.settings.settings import Settings

PROMOTED = "promoted"
REJECTED = "rejected"
POSTPONED = "postponed"


@dataclass(frozen=True)
class RetrainResult:
    """What a retraining came to.

    Parameters
    ----------
    model_name : str
        Of the registered model.
    champion_version : int
        The champion before.
    challenger_version : int or None
        The one trained now; None when nothing was trained.
    decision : str
        "promoted" or "rejected"; "postponed" when there is not enough yet to compare a challenger on.
    reasons : tuple of str
        Plain sentences.
    comparison : Comparison
        The two side by side.
    """

    model_name: str
    champion_version: int
    challenger_version: int | None
    decision: str
    reasons: tuple[str, ...]
    comparison: Comparison

    @property
    def exit_status(self) -> int:
        """Return 1 when the answer is no: the challenger is not better, or there is none."""
        return 0 if self.decision == PROMOTED else 1

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "model_name": self.model_name,
            "champion_version": self.champion_version,
            "challenger_version": self.challenger_version,
            "decision": self.decision,
            "reasons": list(self.reasons),
            "comparison": self.comparison.to_dict(),
        }


def retrain_champion(
    workspace: Workspace,
    model_name: str,
    *,
    now: pd.Timestamp,
    settings: Settings,
    actor: str | None = None,
    why: str = "",
    occasion: RetrainingTrigger = CALENDAR,
    urgent: bool = False,
    rules: PromotionRules | None = None,
    progress: ProgressCallback = silent,
    clock: Callable[[], pd.Timestamp] = wall_clock,
) -> RetrainResult:
    """Train a challenger as the champion was trained, on newer data; promote it if it is better.

    The challenger learns from what was known up to the holdout. Both are compared on the holdout, as far as its
    outcomes have matured. Nothing is trained while the holdout has too few events to compare on. Only one retraining of
    a model runs at a time.

    Parameters
    ----------
    workspace : Workspace
        Telemetry, registry and records.
    model_name : str
        Of the registered model.
    now : pd.Timestamp
        Nothing known later is used.
    settings : Settings
        Holdout, history, what is asked of the challenger, and who promotes.
    actor : str, optional
        Who promotes, if not the one of the settings.
    why : str
        What led to the retraining, for the ledger.
    occasion : {"calendar", "drift", "refresh"}
        What asked for it; a refresh uses up no evidence.
    urgent : bool
        Whether the champion has drifted: the holdout is then as short as `retrain.drift_events` allow, so that the
        challenger learns from what is newest.
    rules : PromotionRules, optional
        What is asked of the challenger, if not what the settings say.
    progress : ProgressCallback
        Takes word of how far the work is.
    clock : callable
        Tells the time that the lease goes by.

    Returns
    -------
    RetrainResult
        The decision, with its reasons; recorded in either case.

    Raises
    ------
    ModelError
        If another retraining of this model is under way, or there is nothing to learn from.
    NotFoundError
        If there is no champion.
    """
    rules = promotion_rules(settings) if rules is None else rules
    records = open_records(workspace.records_url)
    with hold_lease(records, f"retrain/{model_name}", f"retraining of {model_name}", clock=clock):
        complete_ledger(Registry(workspace), records, model_name, now=now, clock=clock)
        champion = load_champion(workspace, model_name)
        data = champion.experiment.data
        history = read_history(workspace, data.asset_type, plant=data.plant, as_of=now)
        judged = terms(champion, history, settings, now=now)
        holdout = challenger_holdout(history, settings, judged, now=now, urgent=urgent)
        early = _too_early(champion, history, holdout, judged, rules, now)
        if early is not None:
            return _postpone(workspace, champion, early, why, now)
        challenger = _train_challenger(workspace, champion, history, settings, now, holdout, progress)
        compared = compare(
            _contender(champion),
            _contender(challenger),
            history,
            start=now - holdout,
            now=now,
            stride=champion.experiment.windows.stride,
            terms=judged,
            costs=champion.experiment.costs,
            rules=rules,
            observation_gaps=observation_gaps(workspace, history, settings, now=now),
        )
        won = compared.winner == CHALLENGER_WINS
        used = None if occasion == REFRESH else (now - judged.maturity).isoformat()
        evidence = {"comparison": compared.to_dict(), "why": why, "occasion": occasion, "used_until": used}
        result = RetrainResult(
            model_name=model_name,
            champion_version=champion.model.version,
            challenger_version=challenger.model.version,
            decision=PROMOTED if won else REJECTED,
            reasons=(why, *compared.reasons) if why else compared.reasons,
            comparison=compared,
        )
        if won:
            _promote(
                workspace,
                result,
                challenger.model.version,
                actor or settings.retrain_actor,
                evidence,
                history,
                now,
                clock,
            )
        _remember(workspace, result, evidence, now)
        return result


def promotion_rules(settings: Settings) -> PromotionRules:
    """Return what the settings ask of a challenger."""
    return PromotionRules(
        confidence=settings.promotion_confidence,
        missed_margin=settings.promotion_missed_margin,
        min_events=settings.promotion_min_events,
        slice_events=settings.promotion_slice_events,
        calibration_tolerance=settings.promotion_calibration_tolerance,
    )


def challenger_holdout(
    history: History, settings: Settings, judged: Terms, *, now: pd.Timestamp, urgent: bool
) -> pd.Timedelta:
    """Return how much of the latest history a challenger does not learn from, but is compared on.

    Parameters
    ----------
    history : History
        Everything known by now.
    settings : Settings
        The usual holdout, and how many events a short one must hold.
    judged : Terms
        How alarms are judged.
    now : pd.Timestamp
        Its end.
    urgent : bool
        Whether the champion has drifted; the holdout then is as short as its events allow.
    """
    usual, events = settings.retrain_holdout, settings.retrain_drift_events
    if not urgent or not events:
        return usual
    return short_holdout(history, usual=usual, events=events, now=now, terms=judged)


def challenger_experiment(
    experiment: Experiment, *, now: pd.Timestamp, holdout: pd.Timedelta, history: pd.Timedelta | None
) -> Experiment:
    """Derive the experiment of a challenger: all as before, judged on the holdout up to now.

    Parameters
    ----------
    experiment : Experiment
        The champion's.
    now : pd.Timestamp
        End of the holdout.
    holdout : pd.Timedelta
        Its length.
    history : pd.Timedelta or None
        How far back training data reach; None is all of it.

    Returns
    -------
    Experiment
        Split by time at now - holdout.
    """
    boundary = now - holdout
    start = experiment.data.start
    if history is not None:
        start = max(filter(None, [start, boundary - history]))
    recent = replace(experiment, data=replace(experiment.data, start=start, end=None))
    return recent.with_split(kind="time", test_start=boundary, test_end=None, score_at="all")


def _train_challenger(
    workspace: Workspace,
    champion: MonitoredModel,
    history: History,
    settings: Settings,
    now: pd.Timestamp,
    holdout: pd.Timedelta,
    progress: ProgressCallback,
) -> MonitoredModel:
    reach = settings.retrain_history
    experiment = challenger_experiment(champion.experiment, now=now, holdout=holdout, history=reach)
    # The name is the champion's, whatever the experiment was called.
    experiment = replace(experiment, model=champion.model.name)
    registry = Registry(workspace)
    version = registry.register(
        train(experiment, history, known_until=now, progress=progress), revision=code_revision()
    )
    registry.set_alias(champion.model.name, CHALLENGER, version)
    return monitored_model(registry.load(champion.model.name, version))


def _too_early(
    champion: MonitoredModel,
    history: History,
    holdout: pd.Timedelta,
    judged: Terms,
    rules: PromotionRules,
    now: pd.Timestamp,
) -> Comparison | None:
    """Tell what there would be to compare on, if that is not enough; training takes long, and counting does not."""
    period = period_after(
        history,
        champion.trained_until,
        start=now - holdout,
        now=now,
        stride=champion.experiment.windows.stride,
        terms=judged,
    )
    return no_comparison(period, rules) if len(period.events) < rules.min_events else None


def _postpone(
    workspace: Workspace, champion: MonitoredModel, early: Comparison, why: str, now: pd.Timestamp
) -> RetrainResult:
    told = (*early.reasons, "No challenger was trained: wait for more outcomes, or lengthen retrain.holdout.")
    result = RetrainResult(
        model_name=champion.model.name,
        champion_version=champion.model.version,
        challenger_version=None,
        decision=POSTPONED,
        reasons=(why, *told) if why else told,
        comparison=early,
    )
    # No evidence is used up by it: the next run may rest on the same outcomes.
    _remember(workspace, result, {"comparison": early.to_dict(), "why": why}, now)
    return result


def _contender(candidate: MonitoredModel) -> Contender:
    return Contender(candidate.model.version, candidate.model.artifact, candidate.trained_until)


def _promote(
    workspace: Workspace,
    result: RetrainResult,
    version: int,
    actor: str,
    evidence: dict[str, Any],
    history: History,
    now: pd.Timestamp,
    clock: Callable[[], pd.Timestamp],
) -> None:
    registry = Registry(workspace)
    promote(
        registry,
        open_records(workspace.records_url),
        result.model_name,
        expected_champion=result.champion_version,
        to_version=version,
        actor=actor,
        reason=" ".join(result.reasons),
        evidence=evidence,
        now=now,
        data_versions=history.versions,
        clock=clock,
    )
    # A rejected one keeps the alias, for whoever wants to look at it.
    registry.delete_alias(result.model_name, CHALLENGER)


def _remember(workspace: Workspace, result: RetrainResult, evidence: dict[str, Any], now: pd.Timestamp) -> None:
    add_decision(
        open_records(workspace.records_url),
        Decision(
            at=now,
            model_name=result.model_name,
            model_version=result.challenger_version,
            decision=result.decision,
            reasons=list(result.reasons),
            evidence=evidence,
        ),
    )
