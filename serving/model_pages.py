"""The page about the model that answers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.replies import answered_aside
from serving.schemas import ModelAnswer, format_instant

if TYPE_CHECKING:
    from serving.champion import Champion
    from serving.worker import Worker

_HOUR = pd.Timedelta(hours=1)


def routes(worker: "Callable[[], Worker]") -> list[Route]:
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
        return await answered_aside(lambda: describe(asked.champion()), asked.settings)

    return [Route("/model", get_model)]


def describe(champion: "Champion") -> ModelAnswer:
    """Describe the champion as the page does.

    Parameters
    ----------
    champion
        The champion.

    Returns
    -------
    ModelAnswer
    """
    artifact = champion.artifact
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
    )
