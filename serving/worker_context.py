"""What one worker process of the endpoint holds, and every page of it asks for."""

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.workspace import Workspace
from serving.deployment.bundled_model import find_bundled_model, open_place
from serving.http.errors import unavailable
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.deployment.champion import Champion, ChampionWatch
    from serving.deployment.worker_status import WorkerStatus
    from serving.prediction.predictor import Predictor
    from serving.prediction.shadow import Shadow

_OBJECTS_BETWEEN_COLLECTIONS = 20_000


@dataclass(frozen=True)
class WorkerContext:
    """Hold what a worker process answers from.

    Parameters
    ----------
    workspace
        Telemetry and records.
    settings
        The endpoint's settings.
    answering
        Answers requests for predictions.
    watch
        Follows the champion.
    shadow
        Challengers that score the same traffic.
    workers
        What the other workers serve.
    """

    workspace: Workspace
    settings: Settings
    answering: "Predictor"
    watch: "ChampionWatch"
    shadow: "Shadow"
    workers: "WorkerStatus"

    def champion(self) -> "Champion":
        """Return the champion, or refuse because there is none.

        Raises
        ------
        Refusal
            Of status 503.
        """
        champion, refused = self.watch.current, self.watch.refused
        if champion is None:
            why = f"; version {refused.version} was refused: {refused.reason}" if refused else ""
            raise unavailable(
                f"no champion of the model {self.watch.name!r} to answer with{why}",
                "a version that was promoted and can be loaded",
                "Promote one with `forewarn models promote`, then try again",
            )
        return champion

    def stop(self) -> None:
        """End what works beside the requests."""
        self.watch.stop()
        self.shadow.stop()
        self.workers.leave()


def start_worker(settings: Settings, environ: Mapping[str, str]) -> WorkerContext:
    """Start what a worker process answers from.

    Parameters
    ----------
    settings
        The endpoint's settings.
    environ
        Environment variables, as of `data_contracts.workspace.open_workspace`.

    Returns
    -------
    WorkerContext
        With its champion, if there is one that may answer.
    """
    # Imported in the worker alone: the learners take seconds that the supervising process need not spend.
    from models.registry.followed_registry import FollowedRegistry
    from serving.deployment.champion import ChampionWatch
    from serving.deployment.model_cache import ModelCache
    from serving.deployment.worker_status import workers_of
    from serving.prediction.prediction_log import PredictionLog
    from serving.prediction.predictor import Predictor
    from serving.prediction.shadow import Shadow, observe

    workspace, sealed = open_place(settings.workspace, environ), find_bundled_model()
    registry = sealed or FollowedRegistry(workspace)
    model = sealed.name if sealed else settings.model or ""
    versions = ModelCache(registry, model)
    shadow, workers = Shadow(workspace, versions, now), workers_of(workspace, settings.port)

    def look(aliases: Mapping[str, int]) -> None:
        shadow.follow(aliases)
        observe(watch, shadow, now)

    watch = ChampionWatch(
        registry,
        versions,
        settings.poll_seconds,
        now,
        warm=shadow.warm,
        on_change=workers.tell,
        on_aliases=look,
    )
    answering = Predictor(workspace, settings, PredictionLog(workspace), now, shadow)
    workers.sweep()
    watch.start()
    shadow.start()
    if watch.current is not None:
        # The first caller should not wait for the look at all telemetry.
        answering.warm_up(watch.current)
    # What is there now stays: to look for garbage among a million objects of it takes a quarter of a second.
    gc.freeze()
    # A request leaves hardly any, and looking after every 700 things that were made is a fiftieth of its time.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    return WorkerContext(workspace, settings, answering, watch, shadow, workers)


def now() -> pd.Timestamp:
    """Tell the time, in UTC to the microsecond."""
    return pd.Timestamp.now("UTC").as_unit("us")
