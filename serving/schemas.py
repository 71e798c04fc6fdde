"""What may be asked of the endpoint and what it answers: strict shapes, from which the OpenAPI document is made."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, Self

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from serving.refusals import BAD_REQUEST, Refusal, unprocessable

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT_EXPECTED = "an instant from 1970 on with its offset from UTC, such as 2015-03-05T06:00:00Z"
_SHOWN = 80


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
Name = Annotated[str, Field(min_length=1, max_length=255, examples=["azure-01"])]
Reading = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "title": "Reading",
            "description": "One instant: its time and a value for every channel of the model, null for no reading.",
            "properties": {"event_time": {"type": "string", "format": "date-time"}},
            "required": ["event_time"],
            "additionalProperties": {"type": "number", "nullable": True},
            "example": {
                "event_time": "2015-03-05T05:00:00Z",
                "volt": 171.2,
                "rotate": 446.6,
                "pressure": 98.9,
                "vibration": 40.1,
            },
        }
    ),
]


class _Strict(BaseModel):
    """Take nothing that was not declared and convert nothing."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SentEvent(_Strict):
    """An event of the asset, such as an error code."""

    event_time: Instant
    code: Name


class SentWorkOrder(_Strict):
    """Work done on the asset."""

    event_time: Instant
    kind: Annotated[str, Field(pattern="^(routine|inspection|corrective)$")]
    component: Name | None = None
    work_order_id: Name | None = None


class Window(_Strict):
    """Telemetry of one asset up to a cut-off, with events and work orders that are not stored yet."""

    asset: Name
    as_of: Instant
    telemetry: Annotated[list[Reading], Field(min_length=1)]
    events: list[SentEvent] = Field(default=[])
    work_orders: list[SentWorkOrder] = Field(default=[])


class PredictRequest(_Strict):
    """Ask about assets by name, from stored telemetry, or about windows of telemetry sent along."""

    assets: Annotated[list[Name], Field(min_length=1)] | None = Field(
        default=None, description="The assets to predict for, from stored telemetry. Give these or windows."
    )
    as_of: Instant | None = Field(
        default=None,
        description="With assets: use only what was known by then. Each asset's latest telemetry if it is left out.",
    )
    windows: Annotated[list[Window], Field(min_length=1)] | None = Field(
        default=None, description="Telemetry sent along, one window an asset. Give these or assets."
    )

    @model_validator(mode="after")
    def _ask_one_way(self) -> Self:
        if (self.assets is None) == (self.windows is None):
            raise PydanticCustomError("one_of", "exactly one of assets and windows")
        if self.windows is not None and self.as_of is not None:
            raise PydanticCustomError("as_of_of_windows", "as_of inside each window, not beside the windows")
        return self


class PredictionAnswer(BaseModel):
    """What the model says of one asset at one cut-off."""

    prediction_id: str = Field(description="Tells this prediction from every other; it is stored under this name.")
    asset: str
    as_of: str = Field(description="Nothing known later was used.", examples=["2015-03-05T06:00:00Z"])
    horizon_hours: float | None = Field(description="How far ahead the model looks, after the lead.")
    lead_hours: float = Field(description="The shortest warning that is of use.")
    probability: float | None = Field(description="Of a failure within the horizon.", ge=0, le=1)
    remaining_life_hours: float | None = Field(description="Until the next failure, if the model foretells that.")
    threshold: float | None = Field(description="From where on it is an alert.")
    alert: bool
    model_name: str
    model_version: int


class Unanswered(BaseModel):
    """An asset the model cannot say anything about, and why: no number is made up."""

    asset: str
    as_of: str | None
    reason: str


class PredictAnswer(BaseModel):
    """The predictions, in the order asked; every one is stored."""

    predictions: list[PredictionAnswer]
    unanswered: list[Unanswered] = Field(
        description="Assets without telemetry, or with too little of it, in the model's windows."
    )


class ErrorAnswer(BaseModel):
    """Why there is no answer."""

    error: str = Field(examples=["unprocessable"])
    field: str | None = Field(examples=["windows[0].telemetry[3].volt"])
    found: str = Field(examples=["the text '171'"])
    expected: str = Field(examples=["a finite number, or null for no reading"])
    remedy: str = Field(examples=["Correct the field"])


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
    Refusal
        If it is not JSON (400), or not such a request (422, with the path of the first field at fault).
    """
    content = parse_json(body)
    try:
        request = PredictRequest.model_validate(content)
    except ValidationError as error:
        raise _from_details(error.errors(include_url=False)[0]) from None
    _check_batch(request, max_batch)
    return request


def parse_json(body: bytes) -> dict[str, Any]:
    """Read a JSON object, without the NaN and Infinity that Python's reader would take and without repeated names.

    Parameters
    ----------
    body
        The text, in UTF-8.

    Returns
    -------
    dict
        The object.

    Raises
    ------
    Refusal
        If it is anything else.
    """
    try:
        content = json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise _not_json("a body that is not UTF-8") from error
    except RecursionError as error:
        raise _not_json("a body nested too deeply") from error
    except ValueError as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "a number"
        raise _not_json(f"a body that is not JSON, at {where}") from error
    if not isinstance(content, dict):
        raise unprocessable(None, show(content), "a JSON object", "Send an object with assets or windows")
    return content


def path_of(location: Iterable[str | int]) -> str | None:
    """Write where a field is, as a caller would.

    Parameters
    ----------
    location
        Names and indices from the outside in.

    Returns
    -------
    str or None
        The path; None for the whole body.

    Examples
    --------
    >>> path_of(["windows", 0, "telemetry", 3, "volt"])
    'windows[0].telemetry[3].volt'
    """
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_SHOWN]}" for part in location)
    return path.removeprefix(".") or None


def show(value: object) -> str:
    """Say what a value is, in a few words.

    Parameters
    ----------
    value
        A JSON value.

    Returns
    -------
    str
        The words.

    Examples
    --------
    >>> show("171"), show(True), show(None), show([1])
    ("the text '171'", 'true', 'null', 'a list')
    """
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, str):
        return f"the text {value[:_SHOWN]!r}"
    if isinstance(value, int | float):
        return f"the number {str(value)[:_SHOWN]}"
    return "a list" if isinstance(value, list) else "an object"


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
    return time.tz_convert("UTC").isoformat().replace("+00:00", "Z")


def _refuse_constant(name: str) -> NoReturn:
    raise Refusal(
        BAD_REQUEST, None, f"the number {name}", "finite numbers, as JSON has them", "Send null for no reading"
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal(
            BAD_REQUEST, None, f"the name {twice[:_SHOWN]!r} twice in one object", "every name once", "Remove one"
        )
    return content


def _not_json(found: str) -> Refusal:
    return Refusal(BAD_REQUEST, None, found, "a JSON object in UTF-8", "See the request's shape in /docs.json")


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


def _from_details(details: ErrorDetails) -> Refusal:
    field = path_of(details["loc"])
    kind, value = details["type"], details["input"]
    if kind == "missing":
        return unprocessable(field, "nothing", "this field", "Add it")
    if kind == "extra_forbidden":
        return unprocessable(field, "an unknown field", _known_fields(details["loc"]), "Remove it")
    if kind in ("one_of", "as_of_of_windows"):
        return unprocessable(field, ", ".join(_names(value)) or "neither", details["msg"], "Send one of them")
    expected = details["msg"].removeprefix("Input should be ").removeprefix("Value should have ")
    return unprocessable(field, show(value), expected[:1].lower() + expected[1:])


def _names(value: object) -> list[str]:
    return [name[:_SHOWN] for name in value] if isinstance(value, dict) else []


def _known_fields(location: tuple[int | str, ...]) -> str:
    models: dict[str, type[BaseModel]] = {"windows": Window, "events": SentEvent, "work_orders": SentWorkOrder}
    names = [part for part in location[:-1] if isinstance(part, str)]
    model = models.get(names[-1], PredictRequest) if names else PredictRequest
    return f"only {', '.join(model.model_fields)}"
