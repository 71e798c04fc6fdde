"""The options of a column's type: limits of numbers and times, lengths, patterns and formats of texts."""

import datetime
import math
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from data_contracts.contract.odcs.contract_yaml import invalid
from data_contracts.errors import did_you_mean

TEXT_FORMATS = ("uuid", "email", "uri", "hostname", "ipv4", "ipv6")
_OPTIONS = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"),
    "timestamp": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "timezone", "defaultTimezone"),
    "boolean": (),
}
_MICROSECOND = pd.Timedelta(microseconds=1)


def read_options(path: Path, name: str, kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """Read the options of a column's type as fields of `Column`."""
    _check_options(path, name, kind, options)
    read = {"number": _limits, "integer": _limits, "timestamp": _time_limits, "string": _text_rules}.get(kind)
    return {} if read is None else read(path, name, kind, options)


def typed_value(value: Any, kind: str) -> Any:
    """Return a value written in a contract as one of a column's type; `ValueError` says what was expected."""
    if kind == "string":
        if isinstance(value, str):
            return value
        written = str(value).lower() if isinstance(value, bool) else value
        raise ValueError(
            f"a text; {written} is none for YAML, as on, off, yes, no, dates and numbers are without quotes"
        )
    if kind == "boolean":
        if isinstance(value, bool):
            return value
        raise ValueError("true or false")
    if kind == "timestamp":
        return _time(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a number")
    try:
        number = float(value)
    except ValueError:
        raise ValueError("a number") from None
    if not math.isfinite(number) or (kind == "integer" and number % 1):
        raise ValueError("a whole number" if kind == "integer" else "a finite number")
    return int(number) if kind == "integer" else number


def typed_or_refused(path: Path, value: Any, kind: str, what: str) -> Any:
    """Return `typed_value`, or raise the `UsageError` that names what the value is."""
    try:
        return typed_value(value, kind)
    except ValueError as error:
        remedy = "Write it in quotes" if kind == "string" else f"Correct it, or the type {kind}"
        expected = str(error) if str(error).startswith(("a ", "true")) else f"a value of the type {kind}"
        raise invalid(path, f"has {value!r} as {what}", expected, remedy) from None


def _time(value: Any) -> pd.Timestamp:
    """Read an instant, in UTC where it names no zone."""
    if not isinstance(value, str | datetime.date) or not re.match(r"\d{4}-\d\d-\d\d", str(value)):
        raise ValueError("a time such as 2026-01-31T00:00:00Z")
    time = pd.Timestamp(value)
    return (time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")).as_unit("us")


def _check_options(path: Path, name: str, kind: str, options: dict[str, Any]) -> None:
    known = _OPTIONS[kind]
    for option, value in options.items():
        if option not in known:
            hint = did_you_mean(option, known)
            if not hint and option == "format":
                hint = "Leave it out; times are ISO 8601, or as the file's layout says"
            expected = f"for a {kind} {', '.join(known)}" if known else f"no options for a {kind}"
            found = f"has unsupported options of {name}: {option}: {value!r}"
            raise invalid(path, found, expected, hint or "Leave it out, or change the type")


def _limits(path: Path, name: str, kind: str, options: dict[str, Any]) -> dict[str, Any]:
    limits: dict[str, Any] = {
        field: _number(path, name, option, options.get(option))
        for field, option in (
            ("minimum", "minimum"),
            ("maximum", "maximum"),
            ("above", "exclusiveMinimum"),
            ("below", "exclusiveMaximum"),
            ("multiple_of", "multipleOf"),
        )
    }
    if limits["multiple_of"] is not None and limits["multiple_of"] <= 0:
        raise invalid(path, f"has multipleOf {options['multipleOf']!r} of {name}", "a number above 0")
    if options.get("format") is not None:
        low, high = _format_limits(path, name, kind, options["format"])
        limits["minimum"] = low if limits["minimum"] is None else max(low, limits["minimum"])
        limits["maximum"] = high if limits["maximum"] is None else min(high, limits["maximum"])
    return limits


def _format_limits(path: Path, name: str, kind: str, written: Any) -> tuple[float, float]:
    """Return the limits of a number's format: so many bits, with or without a sign."""
    if kind == "number" and written in ("f32", "f64"):
        largest = 3.4028234663852886e38 if written == "f32" else 1.7976931348623157e308
        return -largest, largest
    match = re.fullmatch(r"([iu])(8|16|32|64)", str(written))
    if kind != "integer" or match is None:
        known = "f32 or f64" if kind == "number" else "i8, i16, i32, i64, u8, u16, u32 or u64"
        raise invalid(path, f"has the format {written!r} of {name}", known, "Leave it out, or write limits")
    # A column of integers holds 64 bits with a sign.
    bits = int(match[2])
    largest = 2 ** min(bits - (match[1] == "i"), 63) - 1
    return (float(-(2 ** (bits - 1))) if match[1] == "i" else 0.0), float(largest)


def _number(path: Path, name: str, option: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
    except (ValueError, TypeError):
        number = math.nan
    if not math.isfinite(number):
        raise invalid(path, f"has {option} {value!r} of {name}", "a finite number")
    return number


def _time_limits(path: Path, name: str, _: str, options: dict[str, Any]) -> dict[str, Any]:
    times = {
        option: typed_or_refused(path, options[option], "timestamp", f"{option} of {name}")
        for option in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        if options.get(option) is not None
    }
    # Times are stored to the microsecond, so that an exclusive limit is an inclusive one beside it.
    step = {option: _MICROSECOND if option.startswith("exclusive") else pd.Timedelta(0) for option in times}
    earliest = [time + step[option] for option, time in times.items() if option.endswith("inimum")]
    latest = [time - step[option] for option, time in times.items() if option.endswith("aximum")]
    zone = options.get("defaultTimezone")
    if options.get("timezone") is False and zone is None:
        remedy = "Name their zone as defaultTimezone"
        raise invalid(path, f"says that the times of {name} name no zone", "a zone", remedy)
    if zone is not None:
        try:
            ZoneInfo(str(zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise invalid(path, f"has the defaultTimezone {zone!r} of {name}", "such as UTC or Europe/Berlin") from None
    return {
        "earliest": max(earliest, default=None),
        "latest": min(latest, default=None),
        "time_zone": None if zone is None or options.get("timezone") is True else str(zone),
    }


def _text_rules(path: Path, name: str, _: str, options: dict[str, Any]) -> dict[str, Any]:
    pattern, written = options.get("pattern"), options.get("format")
    lengths = {"min_length": options.get("minLength"), "max_length": options.get("maxLength")}
    for length in lengths.values():
        if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 0):
            raise invalid(path, f"has the length {length!r} of {name}", "a whole number from 0 on")
    if pattern is not None:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise invalid(path, f"has the pattern {pattern!r} of {name} ({error})", "a regular expression") from None
    if written is not None and written not in TEXT_FORMATS:
        hint = did_you_mean(str(written), TEXT_FORMATS) or "Write it as a pattern"
        raise invalid(path, f"has the format {written!r} of {name}", f"one of {', '.join(TEXT_FORMATS)}", hint)
    return {**lengths, "pattern": pattern, "format": written}
