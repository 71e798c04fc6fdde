"""The rules for transitions: what is stored as rejected, with its reason, and changes nothing."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.contract.contract_types import Column, Contract
from data_contracts.errors import did_you_mean
from data_contracts.records.twin_records import TwinEntry, Value
from data_contracts.twin_state.fold import is_in_force
from data_contracts.twin_state.state_types import COMMAND, OVERRIDE, RELEASE, ROLL_BACK, SET, SET_POINT, SIMULATED
from data_contracts.validation.checks import describe_range, row_detail
from data_contracts.validation.expectations import number_limits
from data_contracts.validation.text_formats import matches_format

LONGEST_OVERRIDE = pd.Timedelta(days=366)
"""An override that nobody looks at for longer than this is no correction any more, but the wrong sensor."""
LONGEST_COMMAND = pd.Timedelta(days=7)
"""A command that is carried out later than this is a surprise to everybody."""
CLOCK_TOLERANCE = pd.Timedelta(seconds=5)
"""How far a writer's clock may be ahead."""
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "number": ((float, int), "a number"),
    "integer": ((int,), "a whole number"),
    "string": ((str,), "a text"),
    "boolean": ((bool,), "true or false"),
}


@dataclass(frozen=True)
class Rejection:
    """Why a transition is rejected."""

    field: str  # of a change: "property", "value", "reason", "expires_at" or "event_time"
    found: str
    expected: str
    remedy: str = "Correct it"

    def __str__(self) -> str:
        return f"{self.found}; expected {self.expected}"


NOBODY_PUBLISHES = Rejection(
    "property",
    "a command, and no listener publishes any",
    "a workspace whose listener publishes commands",
    "Set commands = true in the section [live] of forewarn.toml, and start `forewarn listen`",
)


def first_rejection(
    entry: TwinEntry, contract: Contract | None, newest: TwinEntry | None, last: TwinEntry | None
) -> Rejection | None:
    """Return the first rule that an entry breaks; None if it keeps them all.

    `newest` is the accepted entry of the property and source that counts so far, `last` the newest with a value.
    """
    return next(_rejections(entry, contract, newest, last), None)


def _rejections(
    entry: TwinEntry, contract: Contract | None, newest: TwinEntry | None, last: TwinEntry | None
) -> Iterator[Rejection]:
    columns = _columns(entry, contract)
    column = columns.get(entry.property)
    if column is None:
        yield _unknown(entry, contract, tuple(columns))
        return
    if entry.source in (OVERRIDE, COMMAND) and not (entry.reason or "").strip():
        what = "overridden" if entry.source == OVERRIDE else "commanded"
        yield Rejection("reason", "no reason", f"why the value is {what}, in words", "Give a reason")
    yield from _times(entry, newest)
    if entry.value is not None:
        yield from _value(entry.value, column, contract)
        # A set-point is a step by nature: how fast it may be reached is the machine's business.
        if entry.source != COMMAND and not _was_rolled_back(newest):
            yield from _rate(entry.value, entry, column, last)
    elif entry.kind in (SET, SIMULATED, SET_POINT):
        yield Rejection("value", "no value", "a value")
    elif entry.kind == RELEASE and (newest is None or not is_in_force(newest, entry.event_time)):
        yield Rejection("value", "the end of an override", "an override that is in force", "There is nothing to end")


def _columns(entry: TwinEntry, contract: Contract | None) -> Mapping[str, Column]:
    if contract is None:
        return {}
    if entry.source == COMMAND:
        return {column.name: column for column in contract.settable}
    return {column.name: column for column in contract.columns if column.name in contract.channels}


def _unknown(entry: TwinEntry, contract: Contract | None, names: tuple[str, ...]) -> Rejection:
    name, hint = entry.property[:80], did_you_mean(entry.property, names) or "Name one of these"
    listed = ", ".join(names)
    if contract is None:
        listed = "a property of an asset whose telemetry has a contract, which this one has not"
    elif entry.source == COMMAND:
        listed = listed or f"a writable property, of which the interface of {contract.asset_type} has none"
        return Rejection("property", f"the property {name!r}, which is not writable", listed, hint)
    return Rejection("property", f"the unknown property {name!r}", listed, hint)


def _times(entry: TwinEntry, newest: TwinEntry | None) -> Iterator[Rejection]:
    if entry.event_time > entry.known_time + CLOCK_TOLERANCE:
        yield Rejection(
            "event_time",
            f"{_instant(entry.event_time)}, which has not come",
            f"a time up to now, {_instant(entry.known_time)}",
            "Leave it out if it holds from now on",
        )
    if newest is not None and entry.event_time < newest.event_time:
        yield Rejection(
            "event_time",
            f"{_instant(entry.event_time)}, before what is written of it already",
            f"a time from {_instant(newest.event_time)} on, when revision {newest.revision} began",
            "Time does not go backwards here: roll back, or let it hold from then on",
        )
    if entry.value is None:
        return
    if entry.expires_at is None and entry.kind == SET:
        yield Rejection("expires_at", "no expiry", "when the override ends by itself", "Say when it ends")
    if entry.expires_at is None and entry.kind == SET_POINT:
        yield Rejection("expires_at", "no expiry", "until when the command may be sent", "Say until when")
    if entry.expires_at is None:
        return
    begins = max(entry.event_time, entry.known_time)
    if entry.expires_at <= begins:
        expected = f"a time after {_instant(begins)}"
        yield Rejection("expires_at", f"the expiry {_instant(entry.expires_at)}, which is over", expected)
    if entry.source == OVERRIDE and entry.expires_at > entry.event_time + LONGEST_OVERRIDE:
        yield Rejection(
            "expires_at",
            f"the expiry {_instant(entry.expires_at)}",
            f"an override of at most {LONGEST_OVERRIDE.days} days",
            "Correct the sensor or its contract, if it is wrong for ever",
        )
    if entry.source == COMMAND and entry.expires_at > entry.known_time + LONGEST_COMMAND:
        yield Rejection(
            "expires_at",
            f"the expiry {_instant(entry.expires_at)}",
            f"a command that is carried out within {LONGEST_COMMAND.days} days",
            "Command it when it is to be carried out",
        )


def _value(value: Value, column: Column, contract: Contract | None) -> Iterator[Rejection]:
    types, words = _TYPES.get(column.type, ((), "a property whose values are numbers, texts or truth values"))
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        yield Rejection("value", _shown(value), words)
        return
    if isinstance(value, float | int) and not isinstance(value, bool):
        (low, above), (high, below) = number_limits(column)
        too_low, too_high = value <= low if above else value < low, value >= high if below else value > high
        if too_low or too_high or not math.isfinite(value):
            yield Rejection("value", _shown(value), describe_range(column))
        if column.multiple_of is not None and not _is_multiple(value, column.multiple_of):
            yield _broken("multiple_of", value, column, contract)
    if column.allowed is not None and value not in column.allowed:
        yield _broken("allowed", value, column, contract)
    if isinstance(value, str):
        low_length, high_length = column.min_length or 0, column.max_length
        if len(value) < low_length or (high_length is not None and len(value) > high_length):
            yield _broken("length", value, column, contract)
        if column.pattern is not None and not re.search(column.pattern, value):
            yield _broken("pattern", value, column, contract)
        if column.format is not None and not matches_format(value, column.format):
            yield _broken("format", value, column, contract)


def _rate(value: Value, entry: TwinEntry, column: Column, last: TwinEntry | None) -> Iterator[Rejection]:
    """Compare a value with the last one of its own source: an override exists to differ from what a sensor says."""
    limit = column.max_rate_per_second
    if (
        limit is None
        or last is None
        or entry.kind == ROLL_BACK
        or isinstance(value, str | bool)
        or isinstance(last.value, str | bool | None)
    ):
        return
    change, seconds = abs(value - last.value), (entry.event_time - last.event_time).total_seconds()
    # Written as a product, so that a change in no time at all is too fast, and one in negative time too.
    if change > limit * max(seconds, 0.0):
        unit = f" {column.unit}" if column.unit else ""
        found = f"a change of {change:g}{unit} within {seconds:g} s, from {last.value:g} to {value:g}"
        yield Rejection("value", found, f"at most {limit:g}{unit} a second", "Let it change more slowly")


def _was_rolled_back(newest: TwinEntry | None) -> bool:
    """Return whether what is compared with was taken back: a slip of the pen must not stand in its correction's way."""
    return newest is not None and newest.kind == ROLL_BACK and newest.value is None


def _broken(check: str, value: Value, column: Column, contract: Contract | None) -> Rejection:
    if contract is None:
        raise ValueError("a column without a contract")
    return Rejection("value", _shown(value), row_detail(check, column, contract))


def _is_multiple(value: float, step: float) -> bool:
    return math.isfinite(value) and bool(np.isclose(value / step, round(value / step), rtol=0, atol=1e-9))


def _shown(value: Value) -> str:
    return f"the value {value!r:.80}" if isinstance(value, str | bool) else f"the value {value:g}"


def _instant(time: pd.Timestamp) -> str:
    return time.isoformat().replace("+00:00", "Z")
