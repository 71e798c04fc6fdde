"""The pages for planning maintenance: the worklist, what comes back from the mechanics, history, and why."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.planning_schemas import WorklistRequest, WorkOrdersRequest, parse
from serving.refusals import Refusal
from serving.replies import answered_aside, read_body, refuse

if TYPE_CHECKING:
    from serving.worker import Worker

Make = Callable[["Worker", bytes], BaseModel]


def routes(worker: "Callable[[], Worker]") -> list[Route]:
    """Give the pages' routes.

    Parameters
    ----------
    worker
        Finds the worker that is asked.

    Returns
    -------
    list of starlette.routing.Route
    """

    async def get_history(request: Request) -> Response:
        """Tell the history of an asset."""
        from serving.asset_history import tell_history

        asked, query = worker(), dict(request.query_params)
        asset = request.path_params["asset"]
        return await answered_aside(lambda: tell_history(asked, asset, query), asked.settings)

    async def get_why(request: Request) -> Response:
        """Tell why a prediction was made, and what became of it."""
        from serving.why import tell_why

        asked, prediction_id = worker(), request.path_params["prediction_id"]
        return await answered_aside(lambda: tell_why(asked, prediction_id), asked.settings)

    return [
        Route("/worklist", _posted(worker, _worklist), methods=["POST"]),
        Route("/work-orders", _posted(worker, _work_orders), methods=["POST"]),
        Route("/assets/{asset:path}/history", get_history, methods=["GET"]),
        Route("/why/{prediction_id}", get_why, methods=["GET"]),
    ]


def _posted(worker: "Callable[[], Worker]", make: Make) -> Callable[[Request], Awaitable[Response]]:
    """Make a page that answers a body."""

    async def post(request: Request) -> Response:
        asked = worker()
        try:
            body = await read_body(request, asked.settings.max_body_bytes)
        except Refusal as refusal:
            return refuse(refusal, asked.settings)
        return await answered_aside(lambda: make(asked, body), asked.settings)

    return post


# Imported when first asked: the supervising process reads this file too, and needs no learner and no solver.
def _worklist(worker: "Worker", body: bytes) -> BaseModel:
    from serving.worklist import make_worklist

    return make_worklist(worker, parse(body, WorklistRequest))


def _work_orders(worker: "Worker", body: bytes) -> BaseModel:
    from serving.work_orders import take_work_orders

    return take_work_orders(worker, parse(body, WorkOrdersRequest))
