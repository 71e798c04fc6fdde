"""What a challenger learns from, and the latest part of the history that it is compared with the champion on."""

from dataclasses import dataclass, replace

import pandas as pd

from data_contracts.records.records import open_records
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.history import History, open_history
from data_contracts.workspace import Workspace
from models.experiment.condition_outcomes import with_predicted_failures
from models.experiment.experiment import Experiment
from models.outcomes.outcomes import Terms
from models.refitting.tags import refit_of
from models.retraining.alpha_spending import AlphaWealth
from models.retraining.comparison import Contender, plan_on
from models.retraining.comparison_period import Period, period_after, short_holdout
from models.retraining.comparison_plan import ComparisonPlan
from models.training.fitting import declared_rate
from models.training.samples import observation_rule
from pipelines.evidence.alpha_ledger import alpha_wealth
from pipelines.evidence.champion import MonitoredModel, load_champion, terms
from pipelines.settings.settings import Settings


@dataclass(frozen=True)
class Holdout:
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
        """Return when it begins."""
        return self.now - self.length


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


def after_refit(
    holdout: pd.Timedelta, trained_until: pd.Timestamp, alarm_terms: Terms, *, now: pd.Timestamp
) -> pd.Timedelta:
    """Shorten a holdout to what the champion, a refit, has not learned from: only that can be compared on."""
    return min(holdout, now - trained_until - alarm_terms.claim)


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


def hold_out(
    workspace: Workspace,
    model_name: str,
    settings: Settings,
    *,
    now: pd.Timestamp,
    urgent: bool,
    engine: BlockEngine | None = None,
) -> Holdout:
    """Hold out the latest part of what is known at `now` of a model's champion."""
    champion = load_champion(workspace, model_name)
    data = champion.experiment.data
    history = open_history(workspace, data.asset_type, plant=data.plant, as_of=now, engine=engine, checked=True)
    history = with_predicted_failures(champion.experiment, history)
    alarm_terms = terms(champion, history, settings, now=now)
    length = challenger_holdout(history, settings, alarm_terms, now=now, urgent=urgent)
    if refit_of(champion.model.tags) is not None:
        length = after_refit(length, champion.trained_until, alarm_terms, now=now)
    records = open_records(workspace.records_url)
    until = champion.trained_until
    wealth = alpha_wealth(records, model_name, trained_until=until, now=now, rules=settings.promotion)
    return Holdout(champion, history, alarm_terms, length, now, wealth, urgent)


def plan_comparison(holdout: Holdout, settings: Settings) -> tuple[Period, ComparisonPlan]:
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
    costs, champion = holdout.champion.experiment.costs, contender(holdout.champion)
    plan = plan_on(period, champion, settings.promotion, costs, wealth=holdout.wealth, urgent=holdout.urgent)
    return period, plan


def contender(candidate: MonitoredModel) -> Contender:
    """Return champion or challenger as the comparison takes it."""
    model, declared = candidate.model, declared_rate(candidate.experiment)
    return Contender(model.version, model.artifact, candidate.trained_until, model.reference, declared)


def nothing_new(holdout: Holdout) -> str | None:
    """Say why a challenger would learn nothing that the champion has not; None where it may.

    A declared healthy span does not move on with time.
    """
    experiment, label = holdout.champion.experiment, holdout.champion.experiment.label
    if experiment.target != "anomaly":
        return None
    learned = holdout.champion.trained_until
    if label.healthy_until is not None and label.healthy_until <= learned + max(experiment.windows.window):
        return f"its healthy span, label.healthy_until, ends at {label.healthy_until:%Y-%m-%d %H:%M}"
    if label.healthy_for is not None:
        blocks = holdout.history.blocks()
        first = pd.concat([block.telemetry.groupby("asset")["event_time"].min() for block in blocks])
        if not (first + label.healthy_for > learned + 2 * max(experiment.windows.window)).any():
            return "no asset is new since: label.healthy_for takes the first weeks of each"
    return None
