"""The months after going live, day by day, against the running endpoint."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pandas as pd

from data_contracts.progress import ProgressCallback
from data_contracts.workspace import Workspace
from pipelines.demo.endpoint import Endpoint, Traffic, traffic
from pipelines.demo.story import DAY, Story
from pipelines.fleet.simulation import Fleet
from pipelines.importers.batch import import_batch
from pipelines.jobs.monitor import MonitorResult, monitor_alarms
from pipelines.jobs.retrain import PROMOTED, RetrainResult, retrain_champion
from pipelines.reports.report import Mark
from pipelines.settings.settings import Settings


@dataclass(frozen=True)
class Swap:
    """A retraining, and the swap of the champion under traffic that followed if the challenger was better."""

    at: pd.Timestamp
    look: MonitorResult  # that called for it
    result: RetrainResult
    traffic: Traffic  # sent all the while
    seconds: float  # from the promotion until the endpoint served the new champion; NaN without a promotion


@dataclass
class DemoReplay:
    """What happened in the months after going live; the counts are over all days."""

    looks: list[MonitorResult] = field(default_factory=list)
    swaps: list[Swap] = field(default_factory=list)  # one for each retraining
    predictions: int = 0
    alerts: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class Stage:
    """Everything the replay acts on."""

    workspace: Workspace
    settings: Settings
    fleet: Fleet
    endpoint: Endpoint
    model: str  # its registered name
    story: Story


def play(stage: Stage, progress: ProgressCallback) -> DemoReplay:
    """Play the months after going live.

    Each day the fleet runs on, its rows are ingested, every machine is scored over HTTP and its alarms go to the
    mechanics. Every few days the error rates are looked at; when they have drifted, a challenger is trained.
    """
    replay, story = DemoReplay(), stage.story
    alarms: list[tuple[str, pd.Timestamp]] = []
    for day, now in _days(story):
        progress("replay", day - story.history_days, story.days - story.history_days)
        imported = import_batch(stage.workspace, stage.fleet.advance(now, alarms), now=now)
        replay.quarantined += sum(table.quarantined for table in imported.tables.values())
        alarms = _score(stage, replay, now)
        if (day - story.history_days) % story.monitor_every == 0:
            _look(stage, replay, now)
    progress("replay", story.days - story.history_days, story.days - story.history_days)
    return replay


def _days(story: Story) -> Iterator[tuple[int, pd.Timestamp]]:
    for day in range(story.history_days + 1, story.days + 1):
        yield day, story.start + day * DAY


def _score(stage: Stage, replay: DemoReplay, now: pd.Timestamp) -> list[tuple[str, pd.Timestamp]]:
    predictions = stage.endpoint.predict(stage.fleet.machines.assets, now)
    alarms = [(str(prediction["asset"]), now) for prediction in predictions if prediction["alert"]]
    replay.predictions += len(predictions)
    replay.alerts += len(alarms)
    return alarms


def _look(stage: Stage, replay: DemoReplay, now: pd.Timestamp) -> None:
    changed = [Mark(stage.story.change, "change", "process change")] if now >= stage.story.change else []
    look = monitor_alarms(stage.workspace, stage.model, now=now, settings=stage.settings, known_changes=changed)
    replay.looks.append(look)
    if look.decision == "retrain":
        replay.swaps.append(_retrain(stage, now, look))


def _retrain(stage: Stage, now: pd.Timestamp, look: MonitorResult) -> Swap:
    decision = look.retraining
    with traffic(stage.endpoint, stage.fleet.machines.assets[:5], now) as requests:
        result = retrain_champion(
            stage.workspace,
            stage.model,
            now=now,
            settings=stage.settings,
            why=" ".join(look.reasons),
            trigger=decision.trigger,
            urgent=decision.urgent,
        )
        promoted = result.decision == PROMOTED
        version = result.new_champion
        seconds = stage.endpoint.await_version(version) if promoted and version is not None else float("nan")
    return Swap(now, look, result, requests, seconds)
