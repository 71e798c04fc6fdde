"""The OpenAPI document: every route with its requests, answers and errors."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from serving.http.callers.authentication import OPEN_PATHS, scopes_for
from serving.http.idempotency import HEADER as IDEMPOTENCY_KEY
from serving.http.version import VERSION
from serving.schemas import openapi_examples as examples
from serving.schemas.answer_json import adapter_of
from serving.schemas.answers import (
    AssetsAnswer,
    ErrorAnswer,
    HistoryAnswer,
    ModelAnswer,
    PredictAnswer,
    WhyAnswer,
    WorklistAnswer,
    WorkOrdersAnswer,
)
from serving.schemas.answers.twins import TwinAnswer, TwinChangeAnswer, TwinLogAnswer, TwinsAnswer
from serving.schemas.openapi_twins import twin_paths
from serving.schemas.planning_requests import WorklistRequest, WorkOrdersRequest
from serving.schemas.predict_request import PredictRequest
from serving.schemas.twin_requests import RollBackRequest, TwinChangeRequest

_REQUESTS: tuple[type[BaseModel], ...] = (
    PredictRequest,
    WorklistRequest,
    WorkOrdersRequest,
    TwinChangeRequest,
    RollBackRequest,
)
_ANSWERS: tuple[type[Mapping[str, Any]], ...] = (
    ErrorAnswer,
    PredictAnswer,
    WorklistAnswer,
    WorkOrdersAnswer,
    AssetsAnswer,
    HistoryAnswer,
    WhyAnswer,
    ModelAnswer,
    TwinsAnswer,
    TwinAnswer,
    TwinLogAnswer,
    TwinChangeAnswer,
)
_REFERENCE = "#/components/schemas/{model}"
_ERRORS = {
    400: "The body is not JSON, or holds NaN or infinity.",
    401: "No valid token.",
    403: "The token lacks the scope; or no tokens are required and the request came from elsewhere.",
    404: "The path, or the field named, refers to something unknown.",
    412: "The state has another revision than the one that was seen; nothing is stored.",
    413: "The body is too large.",
    415: "The body's content type is not JSON.",
    422: "The request breaks a rule; `field` is the path of the field at fault.",
    428: "The header If-Match is missing.",
    429: "Too many requests. Try again after `Retry-After` seconds.",
    500: "An error of the endpoint; see its log.",
    503: "No champion, a store is unavailable, or no answer in time. Try again after `Retry-After` seconds.",
}
_ALWAYS = (401, 403, 429, 500, 503)
_OF_A_BODY = (400, 413, 415, 422)
_KEY = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "Identifies this request for 24 hours: repeated, it gets the same answer; a different one gets 422.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
_SINCE = {
    "name": "since",
    "in": "query",
    "description": "Only what is later.",
    "schema": {"type": "string", "format": "date-time"},
    "example": "2015-03-05T06:00:00Z",
}
_LIMIT = {
    "name": "limit",
    "in": "query",
    "description": "Maximum length of each list.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
}

_ASSET_FILTERS = (
    ("plant", "Only what is in this plant, by its identifier or name.", "azure"),
    ("line", "Only what is in this line, by its identifier or name.", "line1"),
    ("asset_type", "Only machines of this type.", "azure_machine"),
    ("after", "Only identifiers that follow this one: the `next` of the page before.", "azure-01"),
)
_LEVEL = {
    "name": "level",
    "in": "query",
    "description": "What to list.",
    "schema": {"type": "string", "enum": ["plant", "line", "machine", "component", "any"], "default": "machine"},
}
_AS_OF = {
    "name": "as_of",
    "in": "query",
    "description": "As was known at this time; now by default.",
    "schema": {"type": "string", "format": "date-time"},
}

_TAGS = {
    "predictions": "What will fail, and why.",
    "planning": "What to repair when, and what mechanics found.",
    "assets": "Plants, lines, machines and components, and what happened to them.",
    "twins": "The state of each machine's twin: read, corrected, rolled back.",
    "operations": "The model served, health and metrics.",
}
_TAG_OF = {"predict": "predictions", "why": "predictions", "worklist": "planning", "work-orders": "planning"}


def document() -> dict[str, Any]:
    """Generate the document, OpenAPI 3.1, from the declarations of requests and answers."""
    _, schemas = TypeAdapter.json_schemas(
        [
            *((request.__name__, "validation", TypeAdapter(request)) for request in _REQUESTS),
            *((answer.__name__, "serialization", adapter_of(answer)) for answer in _ANSWERS),
        ],
        ref_template=_REFERENCE,
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "forewarn",
            "description": "Failure predictions for maintenance scheduling.",
            "version": VERSION,
        },
        "servers": [{"url": "/v1"}],
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "paths": {path: _tagged(path, methods) for path, methods in _paths().items()},
        "components": {
            "schemas": _with_named_values(schemas["$defs"]),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "forewarn tokens create"}},
        },
    }


def _tagged(path: str, methods: Mapping[str, Any]) -> dict[str, Any]:
    """Put the operations of a path under the tag of its first part."""
    first = path.split("/")[1]
    tag = first if first in _TAGS else _TAG_OF.get(first, "operations")
    return {method: {"tags": [tag], **operation} for method, operation in methods.items()}


def _with_named_values(schema: Any) -> Any:
    """Write `patternProperties` of one pattern as `additionalProperties`, which more generators of clients know."""
    if isinstance(schema, list):
        return [_with_named_values(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    written = {name: _with_named_values(value) for name, value in schema.items()}
    # An object may have a property of this name.
    if isinstance(patterns := written.get("patternProperties"), dict) and written.get("type") == "object":
        del written["patternProperties"]
        [(pattern, values)] = patterns.items()
        written |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
    return written


def _paths() -> dict[str, Any]:
    return {
        "/predict": {
            "post": _operation(
                "predict",
                "/predict",
                "Predict for assets by name or for windows of telemetry; predictions are stored before they are sent.",
                PredictAnswer,
                request=PredictRequest,
                request_examples=examples.PREDICT,
                parameters=[_KEY],
            )
        },
        "/worklist": {
            "post": _operation(
                "worklist",
                "/worklist",
                "Plan which assets to repair on which day, at the least expected cost the crews allow.",
                WorklistAnswer,
                request=WorklistRequest,
                request_examples=examples.WORKLIST,
                parameters=[_KEY],
                errors=(404,),
            )
        },
        "/work-orders": {
            "post": _operation(
                "work_orders",
                "/work-orders",
                "Store what mechanics did and found; a repeated report counts once.",
                WorkOrdersAnswer,
                request=WorkOrdersRequest,
                request_examples=examples.WORK_ORDERS,
                parameters=[_KEY],
                errors=(404,),
            )
        },
        "/assets": {
            "get": _operation(
                "assets",
                "/assets",
                "List the assets within a plant or line, sorted by identifier, page by page.",
                AssetsAnswer,
                parameters=[*(_filter(*each) for each in _ASSET_FILTERS), _LEVEL, _AS_OF, _LIMIT],
                errors=(404, 422),
            )
        },
        "/assets/{asset}/history": {
            "get": _operation(
                "history",
                "/assets/",
                "List an asset's predictions, outcomes, failures and work orders.",
                HistoryAnswer,
                parameters=[_in_path("asset", "azure-01"), _SINCE, _LIMIT],
                errors=(404, 422),
            )
        },
        "/why/{prediction_id}": {
            "get": _operation(
                "why",
                "/why/",
                "Explain a stored prediction: the model, the data, the drivers, and the outcome.",
                WhyAnswer,
                parameters=[_in_path("prediction_id", "0b9b3a5e6a3d4f0c9d7e2f8f6f1c4a11")],
                errors=(404, 422),
            )
        },
        **twin_paths(_operation, _in_path, {"key": _KEY, "limit": _LIMIT}),
        "/model": {"get": _operation("model", "/model", "Describe the model served, by worker.", ModelAnswer)},
        "/metrics": {"get": _text("metrics", "Metrics for Prometheus.", needs_token=True)},
        **{path: {"get": _text(path[1:], "The endpoint's health.", needs_token=False)} for path in OPEN_PATHS},
    }


def _operation(
    name: str,
    path: str,
    summary: str,
    answer: type[Mapping[str, Any]],
    *,
    request: type[BaseModel] | None = None,
    request_examples: Mapping[str, Any] | None = None,
    parameters: Sequence[Mapping[str, Any]] = (),
    errors: Sequence[int] = (),
    method: str = "GET",
    headers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    scopes = scopes_for(path, method)
    statuses = {*_ALWAYS, *errors, *(_OF_A_BODY if request else ())}
    needs = f" Needs the scope {' or '.join(scopes)}." if scopes else ""
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "description": summary + needs,
        "security": [{"token": []}, {}],
        "parameters": list(parameters),
        "responses": {
            "200": {"description": "The answer.", "content": _json(answer)} | ({"headers": headers} if headers else {}),
            **{str(status): _error(status) for status in sorted(statuses)},
        },
    }
    if request is not None:
        body = _json(request)
        body["application/json"]["examples"] = dict(request_examples or {})
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _text(name: str, summary: str, *, needs_token: bool) -> dict[str, Any]:
    text = {"description": "Text.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    statuses = _ALWAYS if needs_token else (500, 503)
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"token": []}, {}] if needs_token else [],
        "responses": {"200": text, **{str(status): _error(status) for status in statuses}},
    }


def _in_path(name: str, example: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": example}


def _filter(name: str, description: str, example: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    return {"name": name, "in": "query", "description": description, "schema": schema, "example": example}


def _json(declaration: type[Any]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(model=declaration.__name__)}}}


def _error(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _ERRORS[status], "content": _json(ErrorAnswer)}
    if status in (429, 503):
        seconds = {"description": "When to try again, in seconds.", "schema": {"type": "integer"}}
        answer["headers"] = {"Retry-After": seconds}
    return answer
