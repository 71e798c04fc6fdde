"""What BentoML's OpenAPI document leaves out: our errors, the page about the model, and examples."""

from collections.abc import Mapping
from importlib import metadata
from typing import Any

from pydantic.json_schema import models_json_schema

from serving.model_schemas import ModelAnswer
from serving.schemas import ErrorAnswer

_REFERENCE = "#/components/schemas/{model}"
_ERRORS = {
    "400": "The body is not JSON, or holds NaN or infinity.",
    "404": "An asset is unknown.",
    "413": "The body is too large.",
    "422": "The request breaks a rule; `field` is the path of what is at fault.",
    "500": "The fault is ours; the log says why.",
    "503": "No champion, or a store cannot be used; nothing was stored. Try again after `Retry-After` seconds.",
}
_EXAMPLES = {
    "stored": {
        "summary": "Assets by name, from stored telemetry",
        "value": {"assets": ["azure-01"], "as_of": "2015-03-05T06:00:00Z"},
    },
    "sent": {
        "summary": "A window of telemetry sent along",
        "value": {
            "windows": [
                {
                    "asset": "azure-01",
                    "as_of": "2015-03-05T06:00:00Z",
                    "telemetry": [
                        {
                            "event_time": "2015-03-05T05:00:00Z",
                            "volt": 171.2,
                            "rotate": 446.6,
                            "pressure": 98.9,
                            "vibration": 40.1,
                        }
                    ],
                    "events": [{"event_time": "2015-03-05T04:00:00Z", "code": "error1"}],
                }
            ]
        },
    },
}


def complete(document: Mapping[str, Any]) -> dict[str, Any]:
    """Complete BentoML's OpenAPI document.

    Parameters
    ----------
    document
        The document as BentoML makes it.

    Returns
    -------
    dict
        The same with our version, errors, examples and the page about the model.
    """
    paths = dict(document["paths"])
    paths["/predict"] = {"post": _predict(paths["/predict"]["post"])}
    paths["/model"] = {"get": _model()}
    _, shapes = models_json_schema(
        [(ErrorAnswer, "serialization"), (ModelAnswer, "serialization")], ref_template=_REFERENCE
    )
    schemas = {**document["components"]["schemas"], **shapes["$defs"]}
    about = {
        "title": "forewarn",
        "description": "Failure predictions for maintenance scheduling.",
        "version": _version(),
    }
    return {**document, "info": about, "paths": paths, "components": {"schemas": schemas}}


def _predict(operation: Mapping[str, Any]) -> dict[str, Any]:
    body = dict(operation["requestBody"])
    content = {**body["content"]["application/json"], "examples": _EXAMPLES}
    body |= {"required": True, "content": {"application/json": content}}
    answers = {"200": operation["responses"].get("200") or operation["responses"].get(200)}
    errors = {status: _error(status) for status in _ERRORS}
    return {**operation, "requestBody": body, "responses": answers | errors}


def _model() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REFERENCE.format(model="ModelAnswer")}}}
    answers = {"200": {"description": "The model that answers.", "content": content}, "503": _error("503")}
    return {
        "tags": ["Service APIs"],
        "operationId": "forewarn__model",
        "description": "The model",
        "responses": answers,
    }


def _error(status: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="ErrorAnswer")}
    answer: dict[str, Any] = {"description": _ERRORS[status], "content": {"application/json": {"schema": schema}}}
    if status == "503":
        seconds = {"description": "When to try again, in seconds.", "schema": {"type": "integer"}}
        answer["headers"] = {"Retry-After": seconds}
    return answer


def _version() -> str:
    try:
        return metadata.version("forewarn")
    except metadata.PackageNotFoundError:
        return "0"
