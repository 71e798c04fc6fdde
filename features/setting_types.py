"""Types of configuration values: durations, times, shares, glob patterns, cron expressions and time zones.

Each is read from a file's text, or given in code as what it becomes; its JSON Schema lets an editor complete and check.
Numbers and truth values are strict: ``"8"`` is no number, and ``true`` is not 1.
"""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    SerializationInfo,
    Strict,
    WithJsonSchema,
)
from pydantic_core import core_schema

from data_contracts.configuration.schemas import FOR_PEOPLE
from data_contracts.errors import UsageError
from features.names import format_duration, parse_duration

_NONE = pd.Timedelta(0)
_SHARE: dict[str, Any] = {"title": "a share", "unit": "share"}
_UNITS = "d, h, min, s, ms, us"
_SPAN_UNITS = f"{_UNITS}, cycles"
_DURATION_PATTERN = r"^(start|\d+(\.\d+)?(d|h|min|s|ms|us))$"
CYCLE_WORD = "cycle"
_SPAN_PATTERN = r"^(start|\d+(\.\d+)?(d|h|min|s|ms|us| cycles?))$"
_INSTANT_PATTERN = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})?)?$"


def _timedelta(*, lowest: Callable[[pd.Timedelta], bool]) -> Callable[[Any], pd.Timedelta]:
    def parse(value: Any) -> pd.Timedelta:
        if isinstance(value, pd.Timedelta):
            duration = value
        elif isinstance(value, str):
            try:
                duration = parse_duration(value, zero=True)
            except UsageError as error:
                raise ValueError(str(error)) from error
        else:
            raise ValueError("not a duration")
        if not lowest(duration):
            raise ValueError("too short")
        return duration

    return parse


def _instant(value: Any) -> pd.Timestamp:
    """Read a time; without a zone it is UTC."""
    if not isinstance(value, str | dt.date) or value is pd.NaT:
        raise ValueError("not a time")
    # Not pandas' own parser: to it "March" and "now" are times, and other ones tomorrow.
    instant = pd.Timestamp(dt.datetime.fromisoformat(value) if isinstance(value, str) else value)
    utc = instant.tz_localize("UTC") if instant.tzinfo is None else instant.tz_convert("UTC")
    return utc.as_unit("us")


def _glob(pattern: str) -> str:
    if not pattern or re.sub(r"\[!?\]?[^\]]*\]", "", pattern).count("["):
        raise ValueError("not a pattern")
    return pattern


def _cron(text: str) -> str:
    if text and len(text.split()) != 5:
        raise ValueError("not five fields")
    return text


def _time_zone(text: str) -> str:
    try:
        pd.Timestamp("2026-01-01", tz=text)
    except Exception as error:  # zoneinfo raises whatever its file system access raises
        raise ValueError("not a time zone") from error
    return text


def format_setting(duration: pd.Timedelta) -> str:
    """Write a duration as a person would: in days from two days on.

    Examples
    --------
    >>> [format_setting(pd.Timedelta(hours=hours)) for hours in (24, 72, 50)]
    ['24h', '3d', '50h']
    """
    days, rest = divmod(duration, pd.Timedelta(days=1))
    return f"{days}d" if rest == _NONE and days > 1 else format_duration(duration)


def _text(title: str, pattern: str | None, *examples: str, unit: str | None = None) -> WithJsonSchema:
    extra = {name: value for name, value in (("pattern", pattern), ("unit", unit)) if value is not None}
    return WithJsonSchema({"type": "string", "title": title, **extra, "examples": list(examples)})


def _write(duration: pd.Timedelta, info: SerializationInfo) -> str:
    return format_setting(duration) if info.context == FOR_PEOPLE else format_duration(duration)


_AS_DURATION = PlainSerializer(_write)

Duration = Annotated[
    pd.Timedelta,
    PlainValidator(_timedelta(lowest=lambda each: each >= _NONE)),
    _AS_DURATION,
    _text("a duration", _DURATION_PATTERN, "72h", unit=_UNITS),
]
"""A number and a unit (d, h, min, s, ms, us), zero included; ``"start"`` reaches back to the first reading."""

PositiveDuration = Annotated[
    pd.Timedelta,
    PlainValidator(_timedelta(lowest=lambda each: each > _NONE)),
    _AS_DURATION,
    _text("a duration above zero", _DURATION_PATTERN, "72h", unit=_UNITS),
]

Span = Annotated[
    pd.Timedelta,
    PlainValidator(_timedelta(lowest=lambda each: each >= _NONE)),
    _AS_DURATION,
    _text("a duration", _SPAN_PATTERN, "72h", unit=_SPAN_UNITS),
]
"""A duration of event time, which a file may write in cycles too where the telemetry's contract counts those."""

PositiveSpan = Annotated[
    pd.Timedelta,
    PlainValidator(_timedelta(lowest=lambda each: each > _NONE)),
    _AS_DURATION,
    _text("a duration above zero", _SPAN_PATTERN, "72h", unit=_SPAN_UNITS),
]

Instant = Annotated[
    pd.Timestamp,
    PlainValidator(_instant),
    PlainSerializer(lambda time: time.isoformat()),
    _text("a time", _INSTANT_PATTERN, "2015-03-01", "2015-03-01T06:00:00Z", unit="UTC"),
]
"""A time in UTC, in microseconds."""

Moment = Annotated[
    pd.Timestamp,
    PlainValidator(_instant),
    PlainSerializer(lambda time: time.isoformat()),
    _text("a time", rf"{_INSTANT_PATTERN}|^cycle \d+(\.\d+)?$", "2015-03-01", "2015-03-01T06:00:00Z", unit="UTC"),
]
"""An event time, which a file may write as the number of a cycle where the telemetry's contract counts those."""

Flag = Annotated[bool, Strict()]
Number = Annotated[float, Strict()]
Count = Annotated[int, Strict(), Field(ge=0)]
PositiveCount = Annotated[int, Strict(), Field(ge=1)]
Integer = Annotated[int, Strict()]
Share = Annotated[float, Strict(), Field(ge=0, le=1, json_schema_extra=_SHARE)]
InnerShare = Annotated[float, Strict(), Field(gt=0, lt=1, json_schema_extra=_SHARE)]
"""A share that is neither nothing nor all."""
Amount = Annotated[float, Strict(), Field(ge=0, le=1e15, json_schema_extra={"unit": "currency"})]
"""Money, in the currency of the experiment's costs."""
Name = Annotated[
    str,
    Field(pattern=r"^[\w.-]+$"),
    WithJsonSchema({"type": "string", "title": "letters, digits, - _ . only", "pattern": r"^[\w.-]+$"}),
]
Glob = Annotated[str, AfterValidator(_glob), _text("a glob pattern", r"^.+$", "FD001-test-*")]
Cron = Annotated[
    str,
    AfterValidator(_cron),
    _text('a cron expression of five fields, or "" for never,', r"^(\s*\S+(\s+\S+){4}\s*)?$", "0 6 * * *"),
]
TimeZone = Annotated[str, AfterValidator(_time_zone), _text("a time zone", None, "UTC", "Europe/Berlin")]


@dataclass(frozen=True)
class OrWord:
    """Marks an optional value: a word such as "auto" in a file stands for None."""

    word: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Read the word as None."""
        return core_schema.no_info_before_validator_function(
            lambda value: None if value == self.word else value, handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        """Allow the word."""
        inner = handler(schema)
        return {"anyOf": [*inner.get("anyOf", [inner]), {"const": self.word, "type": "string"}]}


class OneOrMore:
    """Marks a tuple: a file may hold one value instead of a list."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Read one value as a tuple of it."""
        return core_schema.no_info_before_validator_function(
            lambda value: value if value is None or isinstance(value, list | tuple) else (value,), handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        """Allow an item."""
        inner = handler(schema)
        return {"anyOf": [inner["items"], inner]}
