"""`GET /model`: the champion in this worker and in the others, and the challengers in the shadow."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.deployment.worker_status import agree
from serving.http.responses import JSON, respond_in_thread
from serving.schemas.answer_json import answer_json
from serving.schemas.answers import ModelAnswer, RejectedVersionAnswer, ShadowAnswer, WorkerAnswer
from serving.schemas.instants import format_instant
from serving.worker_context import now

if TYPE_CHECKING:
    from serving.prediction.shadow import Shadow
    from serving.worker_context import WorkerContext

_HOUR = pd.Timedelta(hours=1)
_SECOND = pd.Timedelta(seconds=1)


def routes(current_worker: "Callable[[], WorkerContext]") -> list[Route]:
    """Build the route; the worker is looked up on each request, for it starts after the routes."""

    async def get_model(_: Request) -> Response:
        """Describe the model that this process serves."""
        worker = current_worker()
        return await respond_in_thread(
            lambda: Response(answer_json(ModelAnswer, describe_model(worker)), media_type=JSON), worker.settings
        )

    return [Route("/model", get_model)]


def describe_model(worker: "WorkerContext") -> ModelAnswer:
    """Describe the champion and who serves it; ApiError 503 without a champion."""
    champion, rejected = worker.champion(), worker.watch.rejected
    artifact, states = champion.artifact, worker.worker_status.states()
    return ModelAnswer(
        name=champion.name,
        version=champion.version,
        digest=artifact.digest,
        since=format_instant(champion.since),
        asset_type=artifact.recipe.asset_type,
        target=artifact.target,
        horizon_hours=None if artifact.horizon is None else artifact.horizon / _HOUR,
        lead_hours=artifact.lead / _HOUR,
        channels=list(artifact.recipe.measured_channels),
        swap_age_seconds=(now() - champion.since) / _SECOND,
        refused=RejectedVersionAnswer(version=rejected.version, reason=rejected.reason) if rejected else None,
        workers=[WorkerAnswer(pid=s.pid, version=s.version, digest=s.digest, since=s.since) for s in states],
        agreed=agree(states),
        shadow=_describe_shadow(worker.shadow),
    )


def _describe_shadow(shadow: "Shadow") -> ShadowAnswer:
    return ShadowAnswer(
        versions=list(shadow.challengers),
        refused=[RejectedVersionAnswer(version=version, reason=reason) for version, reason in shadow.rejected.items()],
        scored=shadow.scored,
        dropped=shadow.dropped,
        failed=shadow.failed,
        lag_seconds=shadow.lag_seconds,
    )
