"""The routes of twins; a change needs ``If-Match`` with the revision that the caller has seen."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.http import idempotency, request_context
from serving.http.errors import PRECONDITION_REQUIRED, ApiError, unprocessable
from serving.http.responses import JSON, error_response, read_body, respond_in_thread
from serving.schemas.answer_json import answer_json
from serving.schemas.answers.twins import TwinAnswer, TwinChangeAnswer, TwinLogAnswer, TwinsAnswer
from serving.schemas.request_bodies import parse_body
from serving.schemas.twin_requests import RollBackRequest, TwinChangeRequest

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

# A proxy that compresses an answer weakens its tag; the revision is the same.
_TAG = re.compile(r'(?:W/)?"(\d{1,10})"', re.ASCII)
_ANY = "*"
# From an asset and a query to the answer's JSON, and from a body and the revision that was seen.
Read = Callable[["WorkerContext", str, Mapping[str, str]], str]
Change = Callable[["WorkerContext", str, bytes, int | None], str]


def routes(current_worker: "Callable[[], WorkerContext]") -> list[Route]:
    """Build the routes; the worker is looked up on each request, for it starts after the routes."""
    return [
        _get_route(current_worker, "/twins", _list),
        _get_route(current_worker, "/twins/{asset:path}/log", _log),
        _change_route(current_worker, "/twins/{asset:path}/rollback", "POST", _roll_back),
        _get_route(current_worker, "/twins/{asset:path}", _describe, tagged=True),
        _change_route(current_worker, "/twins/{asset:path}", "PATCH", _change),
    ]


def _get_route(current_worker: "Callable[[], WorkerContext]", path: str, read: Read, *, tagged: bool = False) -> Route:
    async def get(request: Request) -> Response:
        worker, query = current_worker(), dict(request.query_params)
        asset = request.path_params.get("asset", "")
        return await respond_in_thread(lambda: _response(read(worker, asset, query), tagged), worker.settings)

    return Route(path, get, methods=["GET"])


def _change_route(current_worker: "Callable[[], WorkerContext]", path: str, method: str, change: Change) -> Route:
    async def send(request: Request) -> Response:
        worker, asset = current_worker(), request.path_params["asset"]
        try:
            body = await read_body(request, worker.settings.max_body_bytes)
        except ApiError as error:
            return error_response(error, worker.settings)
        keys, tags = request.headers.getlist(idempotency.HEADER), request.headers.getlist("if-match")
        route = f"{method} {request.url.path}"
        return await respond_in_thread(
            lambda: _once(worker, route, keys, body, lambda: change(worker, asset, body, seen_revision(tags))),
            worker.settings,
        )

    return Route(path, send, methods=[method])


def seen_revision(tags: Sequence[str]) -> int | None:
    """Read the revision of the header ``If-Match``; None for any, ApiError 428 without one.

    Examples
    --------
    >>> seen_revision(['"7"']), seen_revision(["*"])
    (7, None)
    """
    expected = 'the ETag of the state that was seen, such as "7", or * for any'
    if not tags:
        raise ApiError(
            PRECONDITION_REQUIRED, "If-Match", "no such header", expected, "Read the state, and send its ETag"
        )
    if tags == [_ANY]:
        return None
    match = _TAG.fullmatch(tags[0].strip()) if len(tags) == 1 else None
    if match is None:
        raise unprocessable("If-Match", f"{', '.join(tags)[:80]!r}", expected, "Send one of them")
    return int(match[1])


def _once(
    worker: "WorkerContext", route: str, keys: Sequence[str], body: bytes, respond: Callable[[], str]
) -> Response:
    """Answer once for each key, so that a change whose answer was lost can be sent again; errors are not kept."""
    caller = request_context.current().caller
    keyed = idempotency.idempotent_request(keys, caller=caller, route=route, body=body)
    text = worker.predictor.stored_response(keyed)
    if text is None:
        text = worker.predictor.store_response(respond(), keyed)
    return _response(text, tagged=True)


def _response(text: str, tagged: bool) -> Response:
    # Readings move on with no new revision: a state must not be kept.
    headers = {"Cache-Control": "no-store"}
    if tagged:
        headers["ETag"] = f'"{json.loads(text)["revision"]}"'
    return Response(text, media_type=JSON, headers=headers)


# Imported with the first request, as the others are.
def _list(worker: "WorkerContext", _: str, query: Mapping[str, str]) -> str:
    from serving.routes.twins import list_all

    return answer_json(TwinsAnswer, list_all(worker, query))


def _describe(worker: "WorkerContext", asset: str, query: Mapping[str, str]) -> str:
    from serving.routes.twins import describe

    return answer_json(TwinAnswer, describe(worker, asset, query))


def _log(worker: "WorkerContext", asset: str, query: Mapping[str, str]) -> str:
    from serving.routes.twins import list_log

    return answer_json(TwinLogAnswer, list_log(worker, asset, query))


def _change(worker: "WorkerContext", asset: str, body: bytes, expected: int | None) -> str:
    from serving.routes.twins import change

    actor, request = request_context.current().caller, parse_body(body, TwinChangeRequest)
    return answer_json(TwinChangeAnswer, change(worker, asset, request, actor=actor, expected=expected))


def _roll_back(worker: "WorkerContext", asset: str, body: bytes, expected: int | None) -> str:
    from serving.routes.twins import go_back

    actor, request = request_context.current().caller, parse_body(body, RollBackRequest)
    return answer_json(TwinChangeAnswer, go_back(worker, asset, request, actor=actor, expected=expected))
