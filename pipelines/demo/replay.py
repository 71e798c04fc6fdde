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
from pipelines.jobs.monitor import MonitorResult, monitor_champion
from pipelines.jobs.retrain import PROMOTED, RetrainResult, retrain_champion
from pipelines.reports.report import Mark
from pipelines.settings.settings import Settings


@dataclass(frozen=True)
class Swap:
    """A retraining, and the change of champion under traffic that followed if the challenger was better.

    Parameters
    ----------
    at : pd.Timestamp
        When.
    look : MonitorResult
        What called for it.
    result : RetrainResult
        What was trained, compared and decided.
    traffic : Traffic
        Requests sent all the while.
    seconds : float
        From the promotion to the endpoint's first answer by the new champion; NaN without a promotion.
    """

    at: pd.Timestamp
    look: MonitorResult
    result: RetrainResult
    traffic: Traffic
    seconds: float


@dataclass
class DemoReplay:
    """What was seen while the months were played.

    Parameters
    ----------
    looks : list of MonitorResult
        Each look at the error rates.
    swaps : list of Swap
        Each retraining.
    predictions, alerts, quarantined : int
        Counted over all days.
    """

    looks: list[MonitorResult] = field(default_factory=list)
    swaps: list[Swap] = field(default_factory=list)
    predictions: int = 0
    alerts: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class Stage:
    """Everything the replay acts on.

    Parameters
    ----------
    workspace : Workspace
        Where everything is kept.
    settings : Settings
        What the flows go by.
    fleet : Fleet
        The machines, and the mechanics who act on alarms.
    endpoint : Endpoint
        The running service.
    model : str
        The registered model's name.
    story : Story
        The script.
    """

    workspace: Workspace
    settings: Settings
    fleet: Fleet
    endpoint: Endpoint
    model: str
    story: Story


def play(stage: Stage, progress: ProgressCallback) -> DemoReplay:
    """Play the months after going live.

    Each day the fleet runs on, its rows are ingested, every machine is scored over HTTP and its alarms go to the
    mechanics. Every few days the error rates are looked at; when they have drifted, a challenger is trained.

    Parameters
    ----------
    stage : Stage
        Everything the replay acts on.
    progress : ProgressCallback
        Takes word of the days.

    Returns
    -------
    DemoReplay
        What was seen.
    """
    seen, story = DemoReplay(), stage.story
    alarms: list[tuple[str, pd.Timestamp]] = []
    for day, now in _days(story):
        progress("replay", day - story.history_days, story.days - story.history_days)
        stored = import_batch(stage.workspace, stage.fleet.advance(now, alarms), now=now)
        seen.quarantined += sum(table.quarantined for table in stored.tables.values())
        alarms = _score(stage, seen, now)
        if (day - story.history_days) % story.monitor_every == 0:
            _look(stage, seen, now)
    progress("replay", story.days - story.history_days, story.days - story.history_days)
    return seen


def _days(story: Story) -> Iterator[tuple[int, pd.Timestamp]]:
    for day in range(story.history_days + 1, story.days + 1):
        yield day, story.start + day * DAY


def _score(stage: Stage, seen: DemoReplay, now: pd.Timestamp) -> list[tuple[str, pd.Timestamp]]:
    predictions = stage.endpoint.predict(stage.fleet.machines.assets, now)
    alarms = [(str(prediction["asset"]), now) for prediction in predictions if prediction["alert"]]
    seen.predictions += len(predictions)
    seen.alerts += len(alarms)
    return alarms


def _look(stage: Stage, seen: DemoReplay, now: pd.Timestamp) -> None:
    changed = [Mark(stage.story.change, "change", "process change")] if now >= stage.story.change else []
    look = monitor_champion(stage.workspace, stage.model, now=now, settings=stage.settings, known_changes=changed)
    seen.looks.append(look)
    if look.decision == "retrain":
        seen.swaps.append(_retrain(stage, now, look))


def _retrain(stage: Stage, now: pd.Timestamp, look: MonitorResult) -> Swap:
    why, decision = " ".join(look.reasons), look.retraining
    with traffic(stage.endpoint, stage.fleet.machines.assets[:5], now) as requests:
        result = retrain_champion(
            stage.workspace,
            stage.model,
            now=now,
            settings=stage.settings,
            why=why,
            trigger=decision.trigger,
            urgent=decision.urgent,
        )
        promoted = result.decision == PROMOTED
        version = result.challenger_version
        waited = stage.endpoint.await_version(version) if promoted and version is not None else float("nan")
    return Swap(now, look, result, requests, waited)
