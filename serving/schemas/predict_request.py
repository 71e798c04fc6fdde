"""Requests for predictions: assets by name, or windows of telemetry."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from serving.http.errors import unprocessable
from serving.http.json_bodies import Numbers, Shape, show
from serving.schemas.choices import FeatureSource, WorkKind
from serving.schemas.request_bodies import Instant, Name, RequestBody, fields_error, parse_body

_ROWS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "title": "Reading",
        "description": "One instant: its time and a value for every channel of the model, null for no reading.",
        "properties": {"event_time": {"type": "string", "format": "date-time"}},
        "required": ["event_time"],
        "additionalProperties": {"type": ["number", "null"]},
    },
    "example": [
        {"event_time": "2015-03-05T05:00:00Z", "volt": 171.2, "rotate": 446.6, "pressure": 98.9, "vibration": 40.1}
    ],
}
_COLUMNS = {
    "type": "object",
    "title": "Columns",
    "description": "The same by channel, each list as long as event_time: shorter to write and faster to read.",
    "properties": {
        "event_time": {
            "type": "array",
            "minItems": 1,
            "description": "RFC 3339 with an offset, or whole microseconds since 1970.",
            "items": {"oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "minimum": 0}]},
        },
        "channels": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": ["number", "null"]}},
        },
    },
    "required": ["event_time", "channels"],
    "additionalProperties": False,
}

# A table row of each is made, at some 10 microseconds.
_MAX_EVENTS = 100_000
_LISTS_OF_NUMBERS: Shape = {"windows": [{"telemetry": {"event_time": Numbers(), "channels": {"*": Numbers()}}}]}


def _validate_telemetry(value: object) -> object:
    """Accept rows or columns; their contents are read later, together with the model's channels."""
    if isinstance(value, dict) or (isinstance(value, list) and value):
        return value
    raise PydanticCustomError("telemetry", "at least 1 item in a list of readings, or an object of columns")


Telemetry = Annotated[Any, BeforeValidator(_validate_telemetry), WithJsonSchema({"oneOf": [_ROWS, _COLUMNS]})]


class RequestEvent(RequestBody):
    """An event of the asset, such as an error code."""

    event_time: Instant
    code: Name


class RequestWorkOrder(RequestBody):
    """Work done on the asset."""

    event_time: Instant
    kind: WorkKind
    component: Name | None = None
    work_order_id: Name | None = None


class Window(RequestBody):
    """Telemetry of one asset up to a cut-off, with events and work orders that are not stored yet."""

    asset: Name
    as_of: Instant
    telemetry: Telemetry
    units: dict[Name, Name] = Field(
        default={}, description="The units of channels, checked against the contract.", examples=[{"volt": "V"}]
    )
    events: list[RequestEvent] = Field(default=[], fail_fast=True)
    work_orders: list[RequestWorkOrder] = Field(default=[], fail_fast=True)


class PredictRequest(RequestBody):
    """Predict for assets by name, from stored telemetry, or for windows of telemetry in the request."""

    assets: Annotated[list[Name], Field(min_length=1, fail_fast=True)] | None = Field(
        default=None, description="The assets to predict for, from stored telemetry. Give these or windows."
    )
    as_of: Instant | None = Field(
        default=None,
        description="With assets: use only what was known by then. By default, each asset's latest telemetry.",
    )
    features: FeatureSource = Field(
        default="latest",
        description="With assets: compute features from the latest telemetry, or use those of the last scoring run.",
    )
    windows: Annotated[list[Window], Field(min_length=1, fail_fast=True)] | None = Field(
        default=None, description="Telemetry in the request, one window an asset. Give these or assets."
    )
    explain: bool = Field(default=True, description="Whether to answer what drives each prediction.")

    @model_validator(mode="before")
    @classmethod
    def _check_events(cls, content: Any) -> Any:
        if _count_events(content) > _MAX_EVENTS:
            raise PydanticCustomError(
                "events", "at most {most} events and work orders in one request", {"most": _MAX_EVENTS}
            )
        return content

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        if (self.assets is None) == (self.windows is None):
            raise fields_error("exactly one of assets and windows")
        if self.windows is not None and self.as_of is not None:
            raise fields_error("as_of inside each window, not beside the windows")
        if self.windows is not None and self.features != "latest":
            raise fields_error("features with assets, not with windows")
        return self


def _count_events(content: Any) -> int:
    """Count the events and work orders of a request that is not validated yet."""
    windows = content.get("windows") if isinstance(content, dict) else None
    valid = (window for window in windows if isinstance(window, dict)) if isinstance(windows, list) else ()
    lists = (window.get(name) for window in valid for name in ("events", "work_orders"))
    return sum(len(items) for items in lists if isinstance(items, list))


def parse_request(body: bytes, max_batch: int) -> PredictRequest:
    """Read and validate a body of at most `max_batch` assets or windows; an ApiError (400, 422) names the fault."""
    request = parse_body(body, PredictRequest, _LISTS_OF_NUMBERS)
    _check_assets(request, max_batch)
    return request


def _check_assets(request: PredictRequest, max_batch: int) -> None:
    field = "assets" if request.assets is not None else "windows"
    assets = request.assets if request.assets is not None else [window.asset for window in request.windows or ()]
    if len(assets) > max_batch:
        raise unprocessable(
            field, f"{len(assets)} of them", f"at most {max_batch} in one request", "Send several requests"
        )
    seen: set[str] = set()
    for index, asset in enumerate(assets):
        if asset in seen:
            path = f"{field}[{index}]" if request.assets is not None else f"{field}[{index}].asset"
            raise unprocessable(path, f"{show(asset)} again", "each asset once in a request", "Send it once, or later")
        seen.add(asset)
