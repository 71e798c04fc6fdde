"""The page about the model that answers: in this worker, in the others, and in the shadow."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.deployment.worker_status import agree
from serving.http.responses import respond_in_thread
from serving.schemas.model_schemas import ModelAnswer, RefusedAnswer, ShadowAnswer, WorkerAnswer
from serving.schemas.schemas import format_instant
from serving.worker_context import now

if TYPE_CHECKING:
    from serving.prediction.shadow import Shadow
    from serving.worker_context import WorkerContext

_HOUR = pd.Timedelta(hours=1)
_SECOND = pd.Timedelta(seconds=1)


def routes(worker: "Callable[[], WorkerContext]") -> list[Route]:
    """Give the page's route.

    Parameters
    ----------
    worker
        Finds the worker that is asked.

    Returns
    -------
    list of starlette.routing.Route
    """

    async def get_model(_: Request) -> Response:
        """Say which model this process serves."""
        asked = worker()
        return await respond_in_thread(lambda: describe(asked), asked.settings)

    return [Route("/model", get_model)]


def describe(worker: "WorkerContext") -> ModelAnswer:
    """Describe the champion as the page does.

    Parameters
    ----------
    worker
        The worker that is asked.

    Returns
    -------
    ModelAnswer

    Raises
    ------
    Refusal
        If there is no champion.
    """
    champion, refused = worker.champion(), worker.watch.rejected
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
        refused=RefusedAnswer(version=refused.version, reason=refused.reason) if refused else None,
        workers=[WorkerAnswer(pid=s.pid, version=s.version, digest=s.digest, since=s.since) for s in states],
        agreed=agree(states),
        shadow=_shadow(worker.shadow),
    )


def _shadow(shadow: "Shadow") -> ShadowAnswer:
    return ShadowAnswer(
        versions=list(shadow.challengers),
        refused=[RefusedAnswer(version=version, reason=reason) for version, reason in shadow.rejected.items()],
        scored=shadow.scored,
        dropped=shadow.dropped,
        failed=shadow.failed,
        lag_seconds=shadow.lag_seconds,
    )
