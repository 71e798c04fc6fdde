"""The OpenAPI document: every page, what it takes, what it answers, and each error that it may answer with instead."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.http.authentication import OPEN_PATHS, scopes_for
from serving.http.idempotency import HEADER as IDEMPOTENCY_KEY
from serving.schemas import openapi_examples as examples
from serving.schemas.model_schemas import ModelAnswer
from serving.schemas.planning_schemas import (
    HistoryAnswer,
    WhyAnswer,
    WorklistAnswer,
    WorklistRequest,
    WorkOrdersAnswer,
    WorkOrdersRequest,
)
from serving.schemas.schemas import ErrorAnswer, PredictAnswer, PredictRequest

_REFERENCE = "#/components/schemas/{model}"
_ERRORS = {
    400: "The body is not JSON, or holds NaN or infinity.",
    401: "No token that is good.",
    403: "The token has not the scope for this; or no tokens are asked for, and the request came from elsewhere.",
    404: "What the path, or the field named, stands for is unknown.",
    413: "The body is too large.",
    415: "The body is said to be something else than JSON.",
    422: "The request breaks a rule; `field` is the path of what is at fault.",
    429: "Too many requests. Try again after `Retry-After` seconds.",
    500: "The fault is ours; the log says why.",
    503: "No champion, a store that cannot be used, or no answer in time. Try again after `Retry-After` seconds.",
}
_ALWAYS = (401, 403, 429, 500, 503)
_OF_A_BODY = (400, 413, 415, 422)
_KEY = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "Stands for this request for 24 hours: sent again, it gets the same answer; another gets 422.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
_SINCE = {
    "name": "since",
    "in": "query",
    "description": "Nothing earlier.",
    "schema": {"type": "string", "format": "date-time"},
    "example": "2015-03-05T06:00:00Z",
}
_LIMIT = {
    "name": "limit",
    "in": "query",
    "description": "The longest that each list may be.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
}


def document() -> dict[str, Any]:
    """Write the document.

    Returns
    -------
    dict
        OpenAPI 3.1, as JSON values.
    """
    asked = (PredictRequest, WorklistRequest, WorkOrdersRequest)
    answered = (ErrorAnswer, PredictAnswer, WorklistAnswer, WorkOrdersAnswer, HistoryAnswer, WhyAnswer, ModelAnswer)
    _, shapes = models_json_schema(
        [*((shape, "validation") for shape in asked), *((shape, "serialization") for shape in answered)],
        ref_template=_REFERENCE,
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "forewarn",
            "description": "Failure predictions for maintenance scheduling.",
            "version": _version(),
        },
        "servers": [{"url": "/"}],
        "paths": _paths(),
        "components": {
            "schemas": shapes["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "forewarn tokens create"}},
        },
    }


def _paths() -> dict[str, Any]:
    return {
        "/predict": {
            "post": _operation(
                "predict",
                "/predict",
                "Predict for assets by name or for windows sent along; every answer is stored before it leaves.",
                PredictAnswer,
                takes=PredictRequest,
                shown=examples.PREDICT,
                parameters=[_KEY],
            )
        },
        "/worklist": {
            "post": _operation(
                "worklist",
                "/worklist",
                "Say what to repair on which day, under the crews there are, so that the expected cost is least.",
                WorklistAnswer,
                takes=WorklistRequest,
                shown=examples.WORKLIST,
                parameters=[_KEY],
                errors=(404,),
            )
        },
        "/work-orders": {
            "post": _operation(
                "work_orders",
                "/work-orders",
                "Take what mechanics did and found; the same report twice counts once.",
                WorkOrdersAnswer,
                takes=WorkOrdersRequest,
                shown=examples.WORK_ORDERS,
                parameters=[_KEY],
                errors=(404,),
            )
        },
        "/assets/{asset}/history": {
            "get": _operation(
                "history",
                "/assets/",
                "Tell what was foretold of an asset, what happened to it and what was done.",
                HistoryAnswer,
                parameters=[_in_path("asset", "azure-01"), _SINCE, _LIMIT],
                errors=(404, 422),
            )
        },
        "/why/{prediction_id}": {
            "get": _operation(
                "why",
                "/why/",
                "Tell what was said under a prediction's id, from what, and what became of it.",
                WhyAnswer,
                parameters=[_in_path("prediction_id", "0b9b3a5e6a3d4f0c9d7e2f8f6f1c4a11")],
                errors=(404, 422),
            )
        },
        "/model": {"get": _operation("model", "/model", "Say which model answers, in every worker.", ModelAnswer)},
        "/metrics": {"get": _plain("metrics", "What Prometheus gathers.", needs_token=True)},
        **{path: {"get": _plain(path[1:], "The endpoint's health.", needs_token=False)} for path in OPEN_PATHS},
    }


def _operation(
    name: str,
    path: str,
    summary: str,
    answer: type[BaseModel],
    *,
    takes: type[BaseModel] | None = None,
    shown: Mapping[str, Any] | None = None,
    parameters: Sequence[Mapping[str, Any]] = (),
    errors: Sequence[int] = (),
) -> dict[str, Any]:
    scopes = scopes_for(path)
    statuses = {*_ALWAYS, *errors, *(_OF_A_BODY if takes else ())}
    needs = f" Needs the scope {' or '.join(scopes)}." if scopes else ""
    described: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "description": summary + needs,
        "security": [{"token": []}, {}],
        "parameters": list(parameters),
        "responses": {
            "200": {"description": "The answer.", "content": _json(answer)},
            **{str(status): _error(status) for status in sorted(statuses)},
        },
    }
    if takes is not None:
        body = _json(takes)
        body["application/json"]["examples"] = dict(shown or {})
        described["requestBody"] = {"required": True, "content": body}
    return described


def _plain(name: str, summary: str, *, needs_token: bool) -> dict[str, Any]:
    text = {"description": "Text.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    statuses = _ALWAYS if needs_token else (500, 503)
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"token": []}, {}] if needs_token else [],
        "responses": {"200": text, **{str(status): _error(status) for status in statuses}},
    }


def _in_path(name: str, example: str) -> dict[str, Any]:
    shape = {"type": "string", "minLength": 1, "maxLength": 255}
    return {"name": name, "in": "path", "required": True, "schema": shape, "example": example}


def _json(shape: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(model=shape.__name__)}}}


def _error(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _ERRORS[status], "content": _json(ErrorAnswer)}
    if status in (429, 503):
        seconds = {"description": "When to try again, in seconds.", "schema": {"type": "integer"}}
        answer["headers"] = {"Retry-After": seconds}
    return answer


def _version() -> str:
    try:
        return metadata.version("forewarn")
    except metadata.PackageNotFoundError:
        return "0"
