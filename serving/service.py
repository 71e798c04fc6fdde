"""The BentoML service: each worker process holds one instance and answers from its own champion."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import bentoml
from pydantic import PrivateAttr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from data_contracts.records.records_handle import RecordsHandle
from data_contracts.records.tokens import Token, find_token
from data_contracts.tracing.export import start_tracing, stop_tracing
from data_contracts.tracing.spans import traced
from features.names import parse_duration
from serving.deployment.bundled_model import open_endpoint_workspace
from serving.deployment.worker_status import open_worker_load
from serving.http import idempotency, metrics, request_context, request_log
from serving.http.callers.action_log import ActionLog
from serving.http.callers.authentication import Authenticator, tokens_needed
from serving.http.callers.sessions import Sessions
from serving.http.callers.sign_in import SignIn
from serving.http.errors import LOGGER, ApiError
from serving.http.load_balancing import WorkerLoad
from serving.http.middleware import RequestMiddleware
from serving.http.responses import JSON, read_body, respond
from serving.http.supervision import end_with_parent, ended_at_once
from serving.pages import all_routes
from serving.pages.frame.show import error_page
from serving.pages.public import routes as public_routes
from serving.routes import model_routes, planning_routes, twin_routes
from serving.schemas.answers import PredictAnswer
from serving.schemas.predict_request import PredictRequest, parse_request
from serving.settings import LISTENS, SUPERVISOR, from_environment
from serving.worker_context import now, start_worker

if TYPE_CHECKING:
    import pandas as pd

    from serving.worker_context import WorkerContext

# A worker process is an entry point: here, and only here, its settings are read.
SETTINGS = from_environment(os.environ)
# Callers are better served by "try again" than by a long wait for locked records.
_BUSY_SECONDS = 2.0
_SLACK_SECONDS = 5.0


class PredictBody(bentoml.IODescriptor, PredictRequest):  # type: ignore[misc] # bentoml ships no types
    """Ask about assets by name, from stored telemetry, or about windows of telemetry sent along."""

    # BentoML's own parser accepts NaN and has another error format, so the bytes are passed on unparsed.
    __root_input__ = True
    _raw: bytes | ApiError = PrivateAttr(default=b"")
    _keys: tuple[str, ...] = PrivateAttr(default=())

    @property
    def raw(self) -> bytes:
        """Return the request's bytes; ApiError if there were too many."""
        if isinstance(self._raw, ApiError):
            raise self._raw
        return self._raw

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the values of the header ``Idempotency-Key``."""
        return self._keys

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> "PredictBody":  # noqa: ARG003 - BentoML's call
        """Keep a request's bytes, or the error that there were too many."""
        body = cls.model_construct()
        body._keys = tuple(request.headers.getlist(idempotency.HEADER))  # noqa: SLF001 - our own
        try:
            body._raw = await read_body(request, SETTINGS.max_body_bytes)  # noqa: SLF001 - our own
        except ApiError as error:
            body._raw = error  # noqa: SLF001 - our own
        return body


@lru_cache(maxsize=1)
def _records() -> RecordsHandle:
    """Return the records; the workspace is opened when somebody has to be known, not when this module is imported."""
    return RecordsHandle(open_endpoint_workspace(SETTINGS.workspace, os.environ).records_url, _BUSY_SECONDS)


@lru_cache(maxsize=1)
def _worker_load() -> WorkerLoad:
    workspace = open_endpoint_workspace(SETTINGS.workspace, os.environ)
    return open_worker_load(workspace, SETTINGS.port, bentoml.server_context.worker_index or 0)


def _find_token(secret: str, at: "pd.Timestamp") -> Token | None:
    return find_token(_records().engine(), secret, at=at)


def _started_by() -> int | None:
    """Return the process that supervises this worker; None where BentoML was started without ours."""
    pid = os.environ.get(SUPERVISOR, "")
    return int(pid) if pid.isdecimal() else None


def _context() -> "WorkerContext":
    return cast("_Endpoint", bentoml.get_current_service()).context


# Started by `bentoml serve`, the host is unknown: then tokens are needed, as behind a proxy.
_IS_OPEN = not tokens_needed(SETTINGS.auth, os.environ.get(LISTENS, "")) and not SETTINGS.proxy_addresses
_AUTHENTICATOR = None if SETTINGS.auth == "off" or _IS_OPEN else Authenticator(_find_token, now)
_SESSIONS = Sessions(
    _records, now, idle=parse_duration(SETTINGS.session_idle), longest=parse_duration(SETTINGS.session_longest)
)
if SETTINGS.proxy_addresses:
    # The middleware believes proxies itself: it has to see who connects, in place of whom uvicorn would put the caller.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
_ROUTES = Starlette(
    routes=[
        *public_routes.routes(SETTINGS),
        *all_routes.routes(_context, SignIn(SETTINGS, _AUTHENTICATOR, _SESSIONS) if _AUTHENTICATOR else None),
        *model_routes.routes(_context),
        *planning_routes.routes(_context),
        *twin_routes.routes(_context),
    ]
)


@bentoml.asgi_app(_ROUTES, path="/", name="pages")
class _Endpoint:
    """Failure predictions for maintenance scheduling."""

    def __init__(self) -> None:
        request_log.log_as_json()
        refused = start_tracing("forewarn-endpoint", os.environ)
        if refused:
            LOGGER.warning(refused)
        with ended_at_once():
            end_with_parent(_started_by())
            self.context = start_worker(SETTINGS, os.environ)

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator] # bentoml ships no types
    def predict(self, body: PredictBody, /) -> PredictAnswer:
        """Predict for assets by name or for windows sent along; every prediction is stored before it is answered."""
        # BentoML sends a Response as it is; the annotation is what it writes into its OpenAPI document.
        return cast("PredictAnswer", respond(lambda: self._respond(body), SETTINGS))

    async def __is_ready__(self) -> bool:
        return self.context.watch.current is not None

    @bentoml.on_shutdown  # type: ignore[untyped-decorator] # bentoml ships no types
    def stop(self) -> None:
        """End the background threads."""
        _worker_load().close()
        self.context.stop()
        stop_tracing()
        metrics.forget_process()

    def _respond(self, body: PredictBody) -> Response:
        caller, predictor = request_context.current().caller, self.context.predictor
        keyed = idempotency.idempotent_request(body.keys, caller=caller, route="/predict", body=body.raw)
        text = predictor.stored_response(keyed)
        if text is None:
            request = _parse(body.raw, SETTINGS.max_batch)
            text = predictor.predict_json(request, self.context.champion(), keyed)
        return Response(text, media_type=JSON)


# Ours begin in the middleware; BentoML's own would be around them, unsampled, and so would be none of ours exported.
_TRACING = {"excluded_urls": ".*"}
_parse = traced("read request")(parse_request)
Forewarn: Any = bentoml.service(
    name="forewarn",
    workers=SETTINGS.workers,
    threads=SETTINGS.threads,
    # The middleware times out first, with an error in our format.
    traffic={"timeout": SETTINGS.timeout_seconds + _SLACK_SECONDS},
    metrics={"enabled": False},  # ours are in `serving.http.metrics`, which says why
    tracing=_TRACING,
    logging={"access": {"enabled": False}},  # the middleware logs every request, as JSON
)(_Endpoint)
Forewarn.add_asgi_middleware(
    RequestMiddleware,
    settings=SETTINGS,
    authenticator=_AUTHENTICATOR,
    load=_worker_load,
    sessions=_SESSIONS,
    error_page=error_page,
    actions=ActionLog(_records),
)
