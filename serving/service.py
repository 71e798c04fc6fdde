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

from data_contracts.records import open_records
from data_contracts.workspace import open_workspace
from serving import model_pages, request_log
from serving.access import Access, tokens_needed
from serving.door import Door
from serving.openapi import complete
from serving.refusals import Refusal
from serving.replies import answered, read_body
from serving.schemas import PredictAnswer, PredictRequest, parse_request
from serving.settings import from_environment
from serving.supervision import end_with_parent
from serving.worker import now

if TYPE_CHECKING:
    import sqlalchemy as sa

    from serving.worker import Worker

# A worker process is an entry point: here, and only here, its settings are read.
SETTINGS = from_environment(os.environ)
# Whoever asks would rather hear "try again" than wait.
_BUSY_SECONDS = 2.0


class PredictBody(bentoml.IODescriptor, PredictRequest):  # type: ignore[misc] # bentoml ships no types
    """Ask about assets by name, from stored telemetry, or about windows of telemetry sent along."""

    # BentoML's own reader takes NaN and answers errors in another form, so the bytes are handed on unread.
    __root_input__ = True
    _raw: bytes | Refusal = PrivateAttr(default=b"")

    @property
    def raw(self) -> bytes:
        """Return the bytes as they came, or refuse because there were too many."""
        if isinstance(self._raw, Refusal):
            raise self._raw
        return self._raw

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
        try:
            unread._raw = await read_body(request, SETTINGS.max_body_bytes)  # noqa: SLF001 - our own
        except Refusal as refusal:
            unread._raw = refusal  # noqa: SLF001 - our own
        return unread


async def _get_openapi(_: Request) -> Response:
    """Give the OpenAPI document: BentoML's, with what it leaves out."""
    return JSONResponse(complete(Forewarn.openapi_spec.asdict()))


@lru_cache(maxsize=1)
def _records() -> "sa.Engine":
    """Open the records, once it succeeds for good."""
    return open_records(open_workspace(SETTINGS.workspace, os.environ).records_url, busy_seconds=_BUSY_SECONDS)


def _worker() -> "Worker":
    return cast("_Endpoint", bentoml.get_current_service()).worker


_PAGES = Starlette(routes=[Route("/docs.json", _get_openapi), *model_pages.routes(_worker)])


@bentoml.asgi_app(_PAGES, path="/", name="pages")
class _Endpoint:
    """Failure predictions for maintenance scheduling."""

    def __init__(self) -> None:
        # Imported in the worker alone: the learners take seconds that the supervising process need not spend.
        from models.followed_registry import FollowedRegistry
        from serving.answering import Answering
        from serving.champion import ChampionWatch
        from serving.prediction_log import PredictionLog
        from serving.shadow import Shadow
        from serving.worker import Worker
        from serving.workers import workers_of

        request_log.write_json()
        workspace = open_workspace(SETTINGS.workspace, os.environ)
        registry, model = FollowedRegistry(workspace), SETTINGS.model or ""
        shadow, workers = Shadow(workspace, registry, model, now), workers_of(workspace, SETTINGS.port)
        watch = ChampionWatch(
            registry,
            model,
            SETTINGS.poll_seconds,
            now,
            warm=shadow.warm,
            on_change=workers.tell,
            on_aliases=shadow.follow,
        )
        self.worker = Worker(
            workspace=workspace,
            settings=SETTINGS,
            answering=Answering(workspace, SETTINGS, PredictionLog(workspace), now),
            watch=watch,
            shadow=shadow,
            workers=workers,
        )
        workers.sweep()
        watch.start()
        shadow.start()
        if self.worker.watch.current is not None:
            # The first caller should not wait for the look at all telemetry.
            self.worker.answering.warm_up(self.worker.watch.current)
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
        """End the watch and the shadow."""
        self.worker.watch.stop()
        self.worker.shadow.stop()
        self.worker.workers.leave()

    def _answer(self, body: PredictBody) -> PredictAnswer:
        request = parse_request(body.raw, SETTINGS.max_batch)
        return self.worker.answering.answer(request, self.worker.champion())


Forewarn: Any = bentoml.service(
    name="forewarn",
    workers=SETTINGS.workers,
    threads=SETTINGS.threads,
    traffic={"timeout": SETTINGS.timeout_seconds},
    metrics={"enabled": True, "namespace": "forewarn"},
    logging={"access": {"enabled": False}},  # the door logs every request, in a form that programs read
)(_Endpoint)
Forewarn.add_asgi_middleware(
    Door, settings=SETTINGS, access=Access(_records, now) if tokens_needed(SETTINGS.auth, SETTINGS.host) else None
)
