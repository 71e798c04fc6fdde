"""The pages for planning maintenance: the worklist, what comes back from the mechanics, history, and why."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.http import idempotency, request_context
from serving.http.errors import ApiError
from serving.http.responses import JSON, error_response, read_body, respond_in_thread
from serving.schemas.planning_schemas import WorklistRequest, WorkOrdersRequest, parse

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

Make = Callable[["WorkerContext", bytes], BaseModel]


def routes(worker: "Callable[[], WorkerContext]") -> list[Route]:
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
        from serving.routes.asset_history import tell_history

        asked, query = worker(), dict(request.query_params)
        asset = request.path_params["asset"]
        return await respond_in_thread(lambda: tell_history(asked, asset, query), asked.settings)

    async def get_why(request: Request) -> Response:
        """Tell why a prediction was made, and what became of it."""
        from serving.routes.why import tell_why

        asked, prediction_id = worker(), request.path_params["prediction_id"]
        return await respond_in_thread(lambda: tell_why(asked, prediction_id), asked.settings)

    return [
        _posted(worker, "/worklist", _worklist),
        _posted(worker, "/work-orders", _work_orders),
        Route("/assets/{asset:path}/history", get_history, methods=["GET"]),
        Route("/why/{prediction_id}", get_why, methods=["GET"]),
    ]


def _posted(worker: "Callable[[], WorkerContext]", route: str, make: Make) -> Route:
    """Make a page that answers a body, once for each key."""

    async def post(request: Request) -> Response:
        asked = worker()
        try:
            body = await read_body(request, asked.settings.max_body_bytes)
        except ApiError as refusal:
            return error_response(refusal, asked.settings)
        keys = request.headers.getlist(idempotency.HEADER)
        return await respond_in_thread(lambda: _once(asked, route, keys, body, make), asked.settings)

    return Route(route, post, methods=["POST"])


def _once(worker: "WorkerContext", route: str, keys: Sequence[str], body: bytes, make: Make) -> Response:
    """Answer, once for each key; what is refused is not kept."""
    caller = request_context.current().caller
    asked = idempotency.idempotent_request(keys, caller=caller, route=route, body=body)
    text = worker.predictor.stored_response(asked)
    if text is None:
        # Made first, kept afterwards: a reply that says "stored" must not stand there for reports that are not.
        text = worker.predictor.store_response(make(worker, body).model_dump_json(), asked)
    return Response(text, media_type=JSON)


# Imported when first asked: the supervising process reads this file too, and needs no learner and no solver.
def _worklist(worker: "WorkerContext", body: bytes) -> BaseModel:
    from serving.routes.worklist import make_worklist

    return make_worklist(worker, parse(body, WorklistRequest))


def _work_orders(worker: "WorkerContext", body: bytes) -> BaseModel:
    from serving.routes.work_orders import take_work_orders

    return take_work_orders(worker, parse(body, WorkOrdersRequest))
