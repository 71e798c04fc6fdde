"""What one worker process of the endpoint holds: workspace, settings, predictor, champion and challengers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.configuration.garbage import collect_new_garbage
from data_contracts.workspace import Workspace
from serving.deployment.bundled_model import find_bundled_model, open_endpoint_workspace
from serving.http.errors import unavailable
from serving.settings import Settings

if TYPE_CHECKING:
    from models.monitoring.budget import DriftSettings
    from models.parts.orders.order_terms import OrderTerms
    from models.planning.cost_settings import CostSettings
    from models.planning.planning_settings import PlanningSettings
    from models.value.settings import CountingSettings, ValueSettings
    from serving.deployment.champion import Champion, ChampionWatch
    from serving.deployment.worker_status import WorkerStatus
    from serving.prediction.predictor import Predictor
    from serving.prediction.shadow import Shadow

_OBJECTS_BETWEEN_COLLECTIONS = 20_000


@dataclass(frozen=True)
class WorkerContext:
    """Everything that the routes of a worker process need."""

    workspace: Workspace
    settings: Settings
    predictor: "Predictor"
    watch: "ChampionWatch"
    shadow: "Shadow"
    worker_status: "WorkerStatus"
    planning: "PlanningSettings"
    drift: "DriftSettings"
    costs: "CostSettings"
    orders: "OrderTerms"
    value: "ValueSettings"
    counting: "CountingSettings"

    def champion(self) -> "Champion":
        """Return the champion; ApiError of status 503 if there is none."""
        champion, rejected = self.watch.current, self.watch.rejected
        if champion is None:
            reason = f"; version {rejected.version} was refused: {rejected.reason}" if rejected else ""
            raise unavailable(
                f"no champion of the model {self.watch.name!r} to answer with{reason}",
                "a version that was promoted and can be loaded",
                "Promote one with `forewarn models promote VERSION --reason ...`, then try again",
            )
        return champion

    def stop(self) -> None:
        """End the background threads and withdraw this worker's status."""
        self.watch.stop()
        self.shadow.stop()
        self.worker_status.withdraw()


def start_worker(settings: Settings, environ: Mapping[str, str]) -> WorkerContext:
    """Start a worker: load its champion, if there is one that may answer, and begin to follow the registry."""
    # Imported in workers only: the parent process must not spend seconds on importing the learners.
    from models.hold_back.policy import read_policy
    from models.monitoring.budget import read_drift
    from models.parts.orders.order_terms import read_order_terms
    from models.planning.cost_settings import read_costs
    from models.planning.planning_settings import read_planning
    from models.registry.followed_registry import FollowedRegistry
    from models.value.settings import read_counting, read_value_settings
    from serving.deployment.champion import ChampionWatch
    from serving.deployment.model_cache import ModelCache
    from serving.deployment.worker_status import open_worker_status
    from serving.prediction.prediction_log import PredictionLog
    from serving.prediction.predictor import Predictor
    from serving.prediction.shadow import Shadow, update_gauges

    workspace = open_endpoint_workspace(settings.workspace, environ)
    bundle = find_bundled_model(signing=workspace.signing)
    registry = bundle or FollowedRegistry(workspace)
    models = ModelCache(registry, bundle.name if bundle else settings.model or "")
    shadow, worker_status = Shadow(workspace, models, now), open_worker_status(workspace, settings.port)

    def on_aliases(aliases: Mapping[str, int]) -> None:
        shadow.follow(aliases)
        update_gauges(watch, shadow, now)

    watch = ChampionWatch(
        registry,
        models,
        settings.poll_seconds,
        now,
        warm=shadow.warm,
        on_change=worker_status.publish,
        on_aliases=on_aliases,
    )
    policy = read_policy(workspace, environ)
    predictor = Predictor(workspace, settings, PredictionLog(workspace), now, shadow, policy)
    worker_status.remove_stale()
    watch.start()
    shadow.start()
    if watch.current is not None:
        # Spares the first request the scan of all telemetry.
        predictor.warm_up(watch.current)
    # A request leaves hardly any garbage; a collection after every 700 new objects takes a fiftieth of its time.
    collect_new_garbage(_OBJECTS_BETWEEN_COLLECTIONS)
    return WorkerContext(
        workspace=workspace,
        settings=settings,
        predictor=predictor,
        watch=watch,
        shadow=shadow,
        worker_status=worker_status,
        planning=read_planning(workspace, environ),
        drift=read_drift(workspace, environ),
        costs=read_costs(workspace, environ),
        orders=read_order_terms(workspace, environ),
        value=read_value_settings(workspace, environ),
        counting=read_counting(workspace, environ),
    )


def now() -> pd.Timestamp:
    """Return the current time, in UTC to the microsecond."""
    return pd.Timestamp.now("UTC").as_unit("us")
