"""The BentoML service: each worker process holds one of these and answers from its own champion."""

import os
from typing import TYPE_CHECKING, Any, cast

import bentoml
import pandas as pd
from pydantic import PrivateAttr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data_contracts.workspace import open_workspace
from serving.openapi import complete
from serving.refusals import TOO_LARGE, UNAVAILABLE, Refusal, from_error, unavailable
from serving.schemas import ModelAnswer, PredictAnswer, PredictRequest, format_instant, parse_request
from serving.settings import from_environment
from serving.supervision import end_with_parent

if TYPE_CHECKING:
    from serving.champion import Champion

# A worker process is an entry point: here, and only here, its settings are read.
SETTINGS = from_environment(os.environ)
_HOUR = pd.Timedelta(hours=1)


class PredictBody(bentoml.IODescriptor, PredictRequest):  # type: ignore[misc] # bentoml ships no types
    """Ask about assets by name, from stored telemetry, or about windows of telemetry sent along."""

    # BentoML's own reader takes NaN and answers errors in another form, so the bytes are handed on unread.
    __root_input__ = True
    _raw: bytes | None = PrivateAttr(default=None)

    @classmethod
    def holding(cls, raw: bytes | None) -> "PredictBody":
        """Hold bytes as they came; None if there were too many."""
        unread = cls.model_construct()
        unread._raw = raw  # noqa: SLF001 - our own
        return unread

    @property
    def raw(self) -> bytes | None:
        """Return the bytes; None if there were too many."""
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
            Holding nothing but the bytes; none of them if there were too many.
        """
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > SETTINGS.max_body_bytes:
                return cls.holding(None)
        return cls.holding(bytes(body))


async def _get_model(_: Request) -> Response:
    """Say which model this process serves."""
    try:
        return JSONResponse(_described(_service().champion()).model_dump())
    except Refusal as refusal:
        return refuse(refusal)


async def _get_openapi(_: Request) -> Response:
    """Give the OpenAPI document: BentoML's, with what it leaves out."""
    return JSONResponse(complete(Forewarn.openapi_spec.asdict()))


_PAGES = Starlette(routes=[Route("/model", _get_model), Route("/docs.json", _get_openapi)])


@bentoml.asgi_app(_PAGES, path="/", name="pages")
class _Endpoint:
    """Failure predictions for maintenance scheduling."""

    def __init__(self) -> None:
        # Imported in the worker alone: the learners take seconds that the supervising process need not spend.
        from models.registry import Registry
        from serving.answering import Answering
        from serving.champion import ChampionWatch
        from serving.prediction_log import PredictionLog

        workspace = open_workspace(SETTINGS.workspace, os.environ)
        self.answering = Answering(workspace, SETTINGS, PredictionLog(workspace), _now)
        self.watch = ChampionWatch(Registry(workspace), SETTINGS.model or "", SETTINGS.poll_seconds, _now)
        self.watch.start()
        if self.watch.current is not None:
            # The first caller should not wait for the look at all telemetry.
            self.answering.warm_up(self.watch.current)
        end_with_parent()

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator] # bentoml ships no types
    def predict(self, body: PredictBody, /) -> PredictAnswer:
        """Predict for assets by name or for windows sent along; every prediction is stored before it is answered."""
        # BentoML sends a response as it is; the annotation is what it writes into the OpenAPI document.
        return cast("PredictAnswer", self._respond(body.raw))

    def champion(self) -> "Champion":
        """Return the champion, or refuse because there is none."""
        champion = self.watch.current
        if champion is None:
            raise unavailable(
                f"no champion of the model {self.watch.name!r} to answer with",
                "a version that was promoted and can be loaded",
                "Promote one with `forewarn models promote`, then try again",
            )
        return champion

    async def __is_ready__(self) -> bool:
        return self.watch.current is not None

    @bentoml.on_shutdown  # type: ignore[untyped-decorator] # bentoml ships no types
    def stop(self) -> None:
        """End the watch."""
        self.watch.stop()

    def _respond(self, raw: bytes | None) -> Response:
        try:
            if raw is None:
                limit = f"at most {SETTINGS.max_body_bytes} bytes"
                raise Refusal(TOO_LARGE, None, "a larger body", limit, "Send several requests")
            request = parse_request(raw, SETTINGS.max_batch)
            answer = self.answering.answer(request, self.champion())
        except Exception as error:  # whatever went wrong, the caller gets one shape and no stack
            return refuse(from_error(error))
        return Response(answer.model_dump_json(), media_type="application/json")


Forewarn: Any = bentoml.service(
    name="forewarn",
    workers=SETTINGS.workers,
    threads=SETTINGS.threads,
    traffic={"timeout": SETTINGS.timeout_seconds},
    metrics={"enabled": True, "namespace": "forewarn"},
)(_Endpoint)


def refuse(refusal: Refusal) -> Response:
    """Answer with a refusal.

    Parameters
    ----------
    refusal
        Why there is no answer.

    Returns
    -------
    Response
        With ``Retry-After`` if it is worth trying again.
    """
    later = {"Retry-After": str(SETTINGS.retry_after_seconds)} if refusal.status == UNAVAILABLE else None
    return JSONResponse(refusal.to_dict(), status_code=refusal.status, headers=later)


def _service() -> _Endpoint:
    return cast("_Endpoint", bentoml.get_current_service())


def _described(champion: "Champion") -> ModelAnswer:
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


def _now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC").as_unit("us")
