"""The BentoML service: each worker process holds one of these and answers from its own champion."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import bentoml
from pydantic import PrivateAttr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data_contracts.records.tokens import Token, TokenFinder
from serving.deployment.bundled_model import open_place
from serving.deployment.worker_status import balance_of
from serving.http import idempotency, request_context, request_log
from serving.http.authentication import Access, tokens_needed
from serving.http.errors import ApiError
from serving.http.load_balancing import Balance
from serving.http.middleware import RequestMiddleware
from serving.http.responses import JSON, answered, read_body
from serving.http.supervision import end_with_parent
from serving.routes import model_routes, planning_routes
from serving.schemas.answers import PredictAnswer
from serving.schemas.openapi import document
from serving.schemas.predict_request import PredictRequest, parse_request
from serving.settings import LISTENS, from_environment
from serving.worker_context import now, start_worker

if TYPE_CHECKING:
    import pandas as pd

    from serving.worker_context import WorkerContext

# A worker process is an entry point: here, and only here, its settings are read.
SETTINGS = from_environment(os.environ)
# Whoever asks would rather hear "try again" than wait.
_BUSY_SECONDS = 2.0
_SLACK_SECONDS = 5.0


class PredictBody(bentoml.IODescriptor, PredictRequest):  # type: ignore[misc] # bentoml ships no types
    """Ask about assets by name, from stored telemetry, or about windows of telemetry sent along."""

    # BentoML's own reader takes NaN and answers errors in another form, so the bytes are handed on unread.
    __root_input__ = True
    _raw: bytes | ApiError = PrivateAttr(default=b"")
    _keys: tuple[str, ...] = PrivateAttr(default=())

    @property
    def raw(self) -> bytes:
        """Return the bytes as they came, or refuse because there were too many."""
        if isinstance(self._raw, ApiError):
            raise self._raw
        return self._raw

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys that the request came under."""
        return self._keys

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> "PredictBody":  # noqa: ARG003 - BentoML's call
        """Take a request's body, up to the largest size allowed.

        Parameters
        ----------
        request
            The request.
        serde
            What BentoML would have read it with.

        Returns
        -------
        PredictBody
            Holding nothing but the bytes, or the refusal of too many.
        """
        unread = cls.model_construct()
        unread._keys = tuple(request.headers.getlist(idempotency.HEADER))  # noqa: SLF001 - our own
        try:
            unread._raw = await read_body(request, SETTINGS.max_body_bytes)  # noqa: SLF001 - our own
        except ApiError as refusal:
            unread._raw = refusal  # noqa: SLF001 - our own
        return unread


async def _get_openapi(_: Request) -> Response:
    """Give the OpenAPI document: ours, for BentoML's knows neither our errors nor the other pages."""
    return JSONResponse(document())


@lru_cache(maxsize=1)
def _tokens() -> TokenFinder:
    return TokenFinder(open_place(SETTINGS.workspace, os.environ).records_url, _BUSY_SECONDS)


@lru_cache(maxsize=1)
def _balance() -> Balance:
    workspace = open_place(SETTINGS.workspace, os.environ)
    return balance_of(workspace, SETTINGS.port, bentoml.server_context.worker_index or 0)


def _find_token(secret: str, at: "pd.Timestamp") -> Token | None:
    """Find a token; the workspace is opened when the first one is shown, not when this file is imported."""
    return _tokens()(secret, at)


def _worker() -> "WorkerContext":
    return cast("_Endpoint", bentoml.get_current_service()).worker


_PAGES = Starlette(
    routes=[Route("/docs.json", _get_openapi), *model_routes.routes(_worker), *planning_routes.routes(_worker)]
)


@bentoml.asgi_app(_PAGES, path="/", name="pages")
class _Endpoint:
    """Failure predictions for maintenance scheduling."""

    def __init__(self) -> None:
        request_log.write_json()
        self.worker = start_worker(SETTINGS, os.environ)
        end_with_parent()

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator] # bentoml ships no types
    def predict(self, body: PredictBody, /) -> PredictAnswer:
        """Predict for assets by name or for windows sent along; every prediction is stored before it is answered."""
        # BentoML sends a response as it is; the annotation is what it writes into the OpenAPI document.
        return cast("PredictAnswer", answered(lambda: self._answer(body), SETTINGS))

    async def __is_ready__(self) -> bool:
        return self.worker.watch.current is not None

    @bentoml.on_shutdown  # type: ignore[untyped-decorator] # bentoml ships no types
    def stop(self) -> None:
        """End what works beside the requests."""
        _balance().close()
        self.worker.stop()

    def _answer(self, body: PredictBody) -> Response:
        caller = request_context.current().caller
        asked = idempotency.idempotent_request(body.keys, caller=caller, route="/predict", body=body.raw)
        answering = self.worker.answering
        text = answering.replied(asked)
        if text is None:
            text = answering.reply(parse_request(body.raw, SETTINGS.max_batch), self.worker.champion(), asked)
        return Response(text, media_type=JSON)


# Spans that nobody takes cost a request a fiftieth of its time all the same, unless its address is left out.
_TRACING = {"excluded_urls": ".*"} if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" else {}
Forewarn: Any = bentoml.service(
    name="forewarn",
    workers=SETTINGS.workers,
    threads=SETTINGS.threads,
    # The door gives up first, and says so in the shape of all errors.
    traffic={"timeout": SETTINGS.timeout_seconds + _SLACK_SECONDS},
    metrics={"enabled": True, "namespace": "forewarn"},
    tracing=_TRACING,
    logging={"access": {"enabled": False}},  # the door logs every request, in a form that programs read
)(_Endpoint)
# Started by `bentoml serve`, nobody says where it listens: then tokens are asked for.
_HOST = os.environ.get(LISTENS, "")
_ACCESS = Access(_find_token, now) if tokens_needed(SETTINGS.auth, _HOST) else None
Forewarn.add_asgi_middleware(RequestMiddleware, settings=SETTINGS, access=_ACCESS, balance=_balance)
