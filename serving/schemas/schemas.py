"""What may be asked of the endpoint and what it answers: strict shapes, from which the OpenAPI document is made."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from serving.http.errors import ApiError, unprocessable
from serving.http.json_bodies import Numbers, Shape, check_fields
from serving.http.json_bodies import parse_json as parse_json
from serving.http.json_bodies import path_of as path_of
from serving.http.json_bodies import show as show

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT_EXPECTED = "an instant from 1970 on with its offset from UTC, such as 2015-03-05T06:00:00Z"


def parse_instant(value: object) -> datetime:
    """Read an instant with its offset from UTC.

    Parameters
    ----------
    value
        RFC 3339 text, to the microsecond.

    Returns
    -------
    datetime
        The instant, in UTC.

    Raises
    ------
    ValueError
        If the value is not such a text, has no offset, or lies before 1970.

    Examples
    --------
    >>> parse_instant("2015-03-05T08:00:00+02:00").isoformat()
    '2015-03-05T06:00:00+00:00'
    """
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError(INSTANT_EXPECTED)
    try:
        instant = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(INSTANT_EXPECTED) from error
    if instant < _EARLIEST:
        raise ValueError(INSTANT_EXPECTED)
    return instant


def _validate_instant(value: object) -> pd.Timestamp:
    try:
        return pd.Timestamp(parse_instant(value))
    except ValueError as error:
        # The rule is given as a value: the template of such an error must not take braces from a caller.
        raise PydanticCustomError("instant", "{expected}", {"expected": INSTANT_EXPECTED}) from error


Instant = Annotated[
    Any,
    BeforeValidator(_validate_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2015-03-05T06:00:00Z"]}),
]
# A database may refuse the character NUL.
_LONGEST_NAME = 255
Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME, pattern="^[^\\x00]*$", examples=["azure-01"])]
_ROWS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "title": "Reading",
        "description": "One instant: its time and a value for every channel of the model, null for no reading.",
        "properties": {"event_time": {"type": "string", "format": "date-time"}},
        "required": ["event_time"],
        "additionalProperties": {"type": "number", "nullable": True},
    },
    "example": [
        {"event_time": "2015-03-05T05:00:00Z", "volt": 171.2, "rotate": 446.6, "pressure": 98.9, "vibration": 40.1}
    ],
}
_COLUMNS = {
    "type": "object",
    "title": "Columns",
    "description": "The same by channel, each as long as event_time: less to write and to read.",
    "properties": {
        "event_time": {
            "type": "array",
            "minItems": 1,
            "description": "RFC 3339 with an offset, or whole microseconds since 1970.",
            "items": {"oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "minimum": 0}]},
        },
        "channels": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "number", "nullable": True}},
        },
    },
    "required": ["event_time", "channels"],
    "additionalProperties": False,
}

_LISTS_OF_NUMBERS: Shape = {"windows": [{"telemetry": {"event_time": Numbers(), "channels": {"*": Numbers()}}}]}


def _validate_telemetry(value: object) -> object:
    """Make sure of rows or columns; what is in them is read together with the model's channels."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list) or not value:
        raise PydanticCustomError("telemetry", "at least 1 item in a list of readings, or an object of columns")
    return value


Telemetry = Annotated[Any, BeforeValidator(_validate_telemetry), WithJsonSchema({"oneOf": [_ROWS, _COLUMNS]})]


class _Strict(BaseModel):
    """Take nothing that was not declared and convert nothing."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RequestEvent(_Strict):
    """An event of the asset, such as an error code."""

    event_time: Instant
    code: Name


class RequestWorkOrder(_Strict):
    """Work done on the asset."""

    event_time: Instant
    kind: Annotated[str, Field(pattern="^(routine|inspection|corrective)$")]
    component: Name | None = None
    work_order_id: Name | None = None


class Window(_Strict):
    """Telemetry of one asset up to a cut-off, with events and work orders that are not stored yet."""

    asset: Name
    as_of: Instant
    telemetry: Telemetry
    units: dict[Name, Name] = Field(
        default={}, description="The units of channels, checked against the contract.", examples=[{"volt": "V"}]
    )
    events: list[RequestEvent] = Field(default=[], fail_fast=True)
    work_orders: list[RequestWorkOrder] = Field(default=[], fail_fast=True)


class PredictRequest(_Strict):
    """Ask about assets by name, from stored telemetry, or about windows of telemetry sent along."""

    assets: Annotated[list[Name], Field(min_length=1, fail_fast=True)] | None = Field(
        default=None, description="The assets to predict for, from stored telemetry. Give these or windows."
    )
    as_of: Instant | None = Field(
        default=None,
        description="With assets: use only what was known by then. Each asset's latest telemetry if it is left out.",
    )
    features: Literal["latest", "stored"] = Field(
        default="latest",
        description="With assets: compute features from the latest telemetry, or take those the last scoring stored.",
    )
    windows: Annotated[list[Window], Field(min_length=1, fail_fast=True)] | None = Field(
        default=None, description="Telemetry sent along, one window an asset. Give these or assets."
    )
    explain: bool = Field(default=True, description="Whether to tell what drives each prediction.")

    @model_validator(mode="after")
    def _ask_one_way(self) -> Self:
        if (self.assets is None) == (self.windows is None):
            raise PydanticCustomError("one_of", "exactly one of assets and windows")
        if self.windows is not None and self.as_of is not None:
            raise PydanticCustomError("as_of_of_windows", "as_of inside each window, not beside the windows")
        if self.windows is not None and self.features != "latest":
            raise PydanticCustomError("features_of_windows", "features with assets, not with windows")
        return self


class HorizonAnswer(BaseModel):
    """The probability of a failure within one horizon."""

    hours: float = Field(description="How far ahead, after the lead.")
    probability: float = Field(ge=0, le=1)


class DriverAnswer(BaseModel):
    """What one channel has to do with a prediction."""

    channel: str = Field(description="A channel of the telemetry, or events, work_orders, failures or asset.")
    share: float = Field(description="Its part of all that moves the prediction away from the usual.", ge=0, le=1)
    raises: bool = Field(description="Whether it raises the risk; otherwise it lowers it.")
    words: str = Field(description="What was seen, and what is usual.")


Status = Literal["ok", "stale", "abstained"]


class PredictionAnswer(BaseModel):
    """What the model says of one asset at one cut-off."""

    prediction_id: str = Field(description="Tells this answer from every other; it is stored under this name.")
    asset: str
    status: Status = Field(
        description="stale: the telemetry is older than declared. abstained: nothing can be said, and no number is."
    )
    reason: str | None = Field(description="Why the status is not ok.")
    as_of: str | None = Field(description="Nothing known later was used.", examples=["2015-03-05T06:00:00Z"])
    last_reading_at: str | None = Field(
        description="When the latest reading used was taken.", examples=["2015-03-05T06:00:00Z"]
    )
    feature_age_seconds: float | None = Field(
        description="From the latest reading used to as_of, if that was asked for or sent, and otherwise to now."
    )
    valid_until: str | None = Field(description="From when on to ask again.", examples=["2015-03-05T12:00:00Z"])
    probability: float | None = Field(description="Of a failure within horizon_hours.", ge=0, le=1)
    horizons: list[HorizonAnswer] = Field(description="Of a failure within each horizon; it never falls.")
    horizon_hours: float | None = Field(description="The horizon by which alerts are decided, after the lead.")
    lead_hours: float = Field(description="The shortest warning that is of use.")
    remaining_life_hours: float | None = Field(description="Until the next failure, if the model foretells that.")
    threshold: float | None = Field(description="From where on it is an alert.")
    alert: bool | None = Field(description="Null where nothing can be said.")
    drivers: list[DriverAnswer] = Field(description="What drives the prediction, the largest share first.")
    model_name: str
    model_version: int
    model_digest: str = Field(description="Equal digests predict the same.")


class PredictAnswer(BaseModel):
    """One answer for each asset, in the order asked; every one is stored."""

    predictions: list[PredictionAnswer]


class ErrorAnswer(BaseModel):
    """Why there is no answer."""

    error: str = Field(examples=["unprocessable"])
    field: str | None = Field(examples=["windows[0].telemetry[3].volt"])
    found: str = Field(examples=["the text '171'"])
    expected: str = Field(examples=["a finite number, or null for no reading"])
    remedy: str = Field(examples=["Correct the field"])


def is_name(text: str) -> bool:
    """Tell whether a text may be the name of anything that is stored.

    Parameters
    ----------
    text
        What was asked for in a path.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_name("azure-01"), is_name("a" * 256)
    (True, False)
    """
    return 0 < len(text) <= _LONGEST_NAME and "\0" not in text


def format_instant(time: pd.Timestamp) -> str:
    """Write an instant as answers do.

    Parameters
    ----------
    time
        The instant.

    Returns
    -------
    str
        RFC 3339 in UTC.

    Examples
    --------
    >>> format_instant(pd.Timestamp("2015-03-05T08:00:00+02:00"))
    '2015-03-05T06:00:00Z'
    """
    return format_microseconds(microseconds_of(time))


def microseconds_of(time: pd.Timestamp) -> int:
    """Count the microseconds from 1970 to an instant."""
    # Through nanoseconds, as `value` goes, instants after 2262 would overflow.
    return int(time.as_unit("us").asm8.view("i8"))


@lru_cache(maxsize=4096)
def format_microseconds(instant: int) -> str:
    """Write an instant, given in microseconds since 1970, as `format_instant` does."""
    return (_EARLIEST + timedelta(microseconds=instant)).isoformat().replace("+00:00", "Z")


def parse_request(body: bytes, max_batch: int) -> PredictRequest:
    """Read a request's body.

    Parameters
    ----------
    body
        The body, JSON in UTF-8.
    max_batch
        The most assets or windows that are taken.

    Returns
    -------
    PredictRequest
        The request.

    Raises
    ------
    ApiError
        If it is not JSON (400), or not such a request (422, with the path of the first field at fault).
    """
    content = parse_json(body, _LISTS_OF_NUMBERS)
    check_fields(content)
    try:
        request = PredictRequest.model_validate(content)
    except ValidationError as error:
        raise _from_details(error.errors(include_url=False)[0]) from None
    _check_batch(request, max_batch)
    return request


def _check_batch(request: PredictRequest, max_batch: int) -> None:
    field = "assets" if request.assets is not None else "windows"
    asked = request.assets if request.assets is not None else [window.asset for window in request.windows or ()]
    if len(asked) > max_batch:
        raise unprocessable(
            field, f"{len(asked)} of them", f"at most {max_batch} in one request", "Send several requests"
        )
    seen: set[str] = set()
    for index, asset in enumerate(asked):
        if asset in seen:
            where = f"{field}[{index}]" if request.assets is not None else f"{field}[{index}].asset"
            raise unprocessable(where, f"{show(asset)} again", "each asset once in a request", "Send it once, or later")
        seen.add(asset)


def _from_details(details: ErrorDetails) -> ApiError:
    field = path_of(details["loc"])
    kind, value = details["type"], details["input"]
    if kind == "missing":
        return unprocessable(field, "nothing", "this field", "Add it")
    if kind == "extra_forbidden":
        return unprocessable(field, "an unknown field", _known_fields(details["loc"]), "Remove it")
    if kind in ("one_of", "as_of_of_windows", "features_of_windows"):
        return unprocessable(field, ", ".join(_names(value)) or "neither", details["msg"], "Send one of them")
    expected = details["msg"].removeprefix("Input should be ").removeprefix("Value should have ")
    return unprocessable(field, show(value), expected[:1].lower() + expected[1:])


def _names(value: object) -> list[str]:
    return [name[:80] for name in value] if isinstance(value, dict) else []


def _known_fields(location: tuple[int | str, ...]) -> str:
    models: dict[str, type[BaseModel]] = {"windows": Window, "events": RequestEvent, "work_orders": RequestWorkOrder}
    names = [part for part in location[:-1] if isinstance(part, str)]
    model = models.get(names[-1], PredictRequest) if names else PredictRequest
    return f"only {', '.join(model.model_fields)}"
