"""The routes of twins in the OpenAPI document."""

from collections.abc import Callable, Mapping
from typing import Any

from serving.schemas import openapi_examples as examples
from serving.schemas.answers.twins import TwinAnswer, TwinChangeAnswer, TwinLogAnswer, TwinsAnswer
from serving.schemas.twin_requests import RollBackRequest, TwinChangeRequest

_ASSET, _ROUTE = "azure-01", "/twins/"
_AS_OF = {
    "name": "as_of",
    "in": "query",
    "description": "The state by what was known then; now by default.",
    "schema": {"type": "string", "format": "date-time"},
    "example": "2015-03-05T06:00:00Z",
}
_REJECTED = {
    "name": "rejected",
    "in": "query",
    "description": "Only rejected entries, or only accepted ones.",
    "schema": {"type": "boolean"},
}
_BEFORE = {
    "name": "before",
    "in": "query",
    "description": "Only entries of a smaller number.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of the state that was seen, or * for any.",
    "schema": {"type": "string", "pattern": '^((W/)?"[0-9]{1,10}"|\\*)$'},
    "example": '"0"',
}
_TAG = {
    "ETag": {
        "description": "The revision in quotation marks; readings do not move it.",
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
        "required": True,
    }
}


def twin_paths(
    operation: Callable[..., dict[str, Any]],
    in_path: Callable[[str, str], dict[str, Any]],
    shared: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the paths; `shared` has the parameters ``key`` and ``limit`` of other routes."""
    asset, key, limit = in_path("asset", _ASSET), shared["key"], shared["limit"]
    return {
        "/twins": {
            "get": operation(
                "twins",
                "/twins",
                "List twins by name.",
                TwinsAnswer,
                parameters=[
                    _text("asset_type", "Only twins of this type."),
                    _text("after", "Only later names."),
                    limit,
                ],
                errors=(422,),
            )
        },
        "/twins/{asset}": {
            "get": operation(
                "twin",
                _ROUTE,
                "Describe a twin's state: each property with its source, times and what it covers.",
                TwinAnswer,
                parameters=[asset, _AS_OF],
                errors=(404, 422),
                headers=_TAG,
            ),
            "patch": operation(
                "change_twin",
                _ROUTE,
                "Override properties, or end overrides; what breaks a rule is kept as rejected, and is 422.",
                TwinChangeAnswer,
                request=TwinChangeRequest,
                request_examples=examples.TWIN_CHANGE,
                parameters=[asset, _IF_MATCH, key],
                errors=(404, 412, 428),
                method="PATCH",
                headers=_TAG,
            ),
        },
        "/twins/{asset}/log": {
            "get": operation(
                "twin_log",
                _ROUTE,
                "List a twin's log, accepted and rejected transitions, the newest first.",
                TwinLogAnswer,
                parameters=[asset, _REJECTED, _BEFORE, limit],
                errors=(404, 422),
            )
        },
        "/twins/{asset}/rollback": {
            "post": operation(
                "roll_back_twin",
                _ROUTE,
                "Make the overrides what they were at a revision, as new entries.",
                TwinChangeAnswer,
                request=RollBackRequest,
                request_examples=examples.ROLL_BACK,
                parameters=[asset, _IF_MATCH, key],
                errors=(404, 412, 428),
                method="POST",
                headers=_TAG,
            )
        },
    }


def _text(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    return {"name": name, "in": "query", "description": description, "schema": schema}
