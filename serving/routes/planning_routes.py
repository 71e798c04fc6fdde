"""The routes around planning: the worklist, reports of finished work, assets, an asset's history, and why."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.http import idempotency, request_context
from serving.http.errors import ApiError
from serving.http.responses import JSON, error_response, read_body, respond_in_thread
from serving.schemas.answer_json import answer_json
from serving.schemas.answers import AssetsAnswer, HistoryAnswer, WhyAnswer, WorklistAnswer, WorkOrdersAnswer
from serving.schemas.planning_requests import WorklistRequest, WorkOrdersRequest
from serving.schemas.request_bodies import parse_body

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

# From a body to the answer's JSON.
Respond = Callable[["WorkerContext", bytes], str]


def routes(current_worker: "Callable[[], WorkerContext]") -> list[Route]:
    """Build the routes; the worker is looked up on each request, for it starts after the routes."""

    async def get_assets(request: Request) -> Response:
        """List the assets within a plant or line."""
        worker, query = current_worker(), dict(request.query_params)
        return await respond_in_thread(lambda: Response(_assets(worker, query), media_type=JSON), worker.settings)

    async def get_history(request: Request) -> Response:
        """List an asset's predictions, outcomes, failures and work orders."""
        worker, query, asset = current_worker(), dict(request.query_params), request.path_params["asset"]
        return await respond_in_thread(
            lambda: Response(_history(worker, asset, query), media_type=JSON), worker.settings
        )

    async def get_why(request: Request) -> Response:
        """Explain a stored prediction."""
        worker, prediction_id = current_worker(), request.path_params["prediction_id"]
        return await respond_in_thread(lambda: Response(_why(worker, prediction_id), media_type=JSON), worker.settings)

    return [
        _post_route(current_worker, "/worklist", _worklist),
        _post_route(current_worker, "/work-orders", _work_orders),
        Route("/assets", get_assets, methods=["GET"]),
        Route("/assets/{asset:path}/history", get_history, methods=["GET"]),
        Route("/why/{prediction_id}", get_why, methods=["GET"]),
    ]


def _post_route(current_worker: "Callable[[], WorkerContext]", path: str, respond: Respond) -> Route:
    """Build a route that answers once for each idempotency key."""

    async def post(request: Request) -> Response:
        worker = current_worker()
        try:
            body = await read_body(request, worker.settings.max_body_bytes)
        except ApiError as error:
            return error_response(error, worker.settings)
        keys = request.headers.getlist(idempotency.HEADER)
        return await respond_in_thread(lambda: _once(worker, path, keys, body, respond), worker.settings)

    return Route(path, post, methods=["POST"])


def _once(worker: "WorkerContext", path: str, keys: Sequence[str], body: bytes, respond: Respond) -> Response:
    """Answer once for each key; errors are not kept."""
    caller = request_context.current().caller
    keyed = idempotency.idempotent_request(keys, caller=caller, route=path, body=body)
    text = worker.predictor.stored_response(keyed)
    if text is None:
        # Kept only once it is true: a reply that says "stored" must not be kept for reports that are not.
        text = worker.predictor.store_response(respond(worker, body), keyed)
    return Response(text, media_type=JSON)


# Imported with the first request: the supervising process reads this file too, and needs no learner and no solver.
def _worklist(worker: "WorkerContext", body: bytes) -> str:
    from serving.routes.worklist import plan_worklist

    return answer_json(WorklistAnswer, plan_worklist(worker, parse_body(body, WorklistRequest)))


def _work_orders(worker: "WorkerContext", body: bytes) -> str:
    from serving.routes.work_orders import store_work_orders

    return answer_json(WorkOrdersAnswer, store_work_orders(worker, parse_body(body, WorkOrdersRequest)))


def _assets(worker: "WorkerContext", query: dict[str, str]) -> str:
    from serving.routes.asset_list import list_assets

    return answer_json(AssetsAnswer, list_assets(worker, query))


def _history(worker: "WorkerContext", asset: str, query: dict[str, str]) -> str:
    from serving.routes.asset_history import asset_history

    return answer_json(HistoryAnswer, asset_history(worker, asset, query))


def _why(worker: "WorkerContext", prediction_id: str) -> str:
    from serving.routes.why import explain_prediction

    return answer_json(WhyAnswer, explain_prediction(worker, prediction_id))
