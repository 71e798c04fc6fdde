"""Durations in cycles, as an experiment's file may write them where the contract of its telemetry counts cycles."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from data_contracts.configuration.places import Source
from data_contracts.configuration.schemas import json_schema, property_at
from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.errors import UsageError
from features.clock import Clock, clock_of
from features.names import format_duration, parse_duration
from features.setting_types import CYCLE_WORD
from models.experiment.alarm_budget import SPANS

_CYCLES: Final = re.compile(r"(\d+(?:\.\d+)?) cycles?")
_HOURS: Final = re.compile(r"\d+(?:\.\d+)?(?:d|h|min|s|ms|us)")


@dataclass(frozen=True)
class _Text:
    """A duration or a time as the content of an experiment holds it."""

    key: str  # dotted
    text: str
    holder: Any  # the mapping or list that holds it
    place: Any  # where in the holder


def read_cycles(
    content: dict[str, Any], source: Source, schema: type, contracts: Path | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Turn what an experiment's content writes in cycles into durations and times, and say what stays otherwise.

    ``"30 cycles"`` is a duration and ``"cycle 30"`` a time where the contract of the experiment's asset type counts
    cycles, which is looked up in the folder `contracts` of a workspace and among the shipped ones; elsewhere it is a
    `UsageError`. `schema` is the class that the content is of. Durations written in hours count as the cycles of their
    length, and the sentences returned name them.
    """
    content = _copy(content)
    texts = list(_texts(content, json_schema(schema), ()))
    in_cycles = [text for text in texts if _CYCLES.search(text.text) or text.text.startswith(CYCLE_WORD)]
    asset_type = content.get("data", {}).get("asset_type") if isinstance(content.get("data"), Mapping) else None
    if not isinstance(asset_type, str):
        return content, ()  # the experiment is refused for that
    clock = clock_of(find_telemetry_contract(contracts, asset_type))
    if clock.cycle is None:
        if in_cycles:
            raise _no_cycles(in_cycles[0], source, asset_type)
        return content, ()
    for text in in_cycles:
        text.holder[text.place] = _converted(text.text, clock)
    return content, tuple(_said(texts, clock))


def _converted(text: str, clock: Clock) -> str:
    if (time := clock.parse(text)) is not None:
        return time.isoformat()
    return _CYCLES.sub(lambda match: format_duration((float(match[1]) * _cycle(clock)).as_unit("us")), text)


def _said(texts: Sequence[_Text], clock: Clock) -> Iterator[str]:
    """Name the durations that are written in hours, with the cycles they are."""
    hours = [(text, span) for text in texts if (span := _span_of(text.text)) is not None]
    if hours:
        each = ", ".join(f"{text.key} {text.text} is {clock.duration(span)}" for text, span in hours)
        yield f"durations may be in cycles; one counts {format_duration(_cycle(clock))}, so that {each}"


def _span_of(text: str) -> pd.Timedelta | None:
    """Return the duration that a text writes in hours or the like; for a budget the time that its alarms are in."""
    span = text.partition(" per ")[2] or text
    if span in SPANS:
        return SPANS[span]
    return parse_duration(span, zero=True) if _HOURS.fullmatch(span) else None


def _no_cycles(text: _Text, source: Source, asset_type: str) -> UsageError:
    return UsageError(
        f"{source.at(text.key)} is {text.text!r}, and no contract of {asset_type} counts cycles",
        'a duration such as "72h"' if _CYCLES.search(text.text) else "a time such as 2015-03-01",
        "Write it as time; or set the custom property clock to cycle in the telemetry's contract, and import with it",
    )


def _texts(value: Any, schema: Mapping[str, Any], location: tuple[str, ...]) -> Iterator[_Text]:
    """Yield the durations and times of a section, by what the schema says of their keys."""
    for key, held in value.items():
        here = (*location, key)
        if isinstance(held, Mapping):
            yield from _texts(held, schema, here)
            continue
        own = property_at(schema, here)
        if own is None or not any(CYCLE_WORD in pattern for pattern in _patterns(own)):
            continue
        if isinstance(held, str):
            yield _Text(".".join(here), held, value, key)
        elif isinstance(held, list):
            yield from (_Text(".".join(here), item, held, n) for n, item in enumerate(held) if isinstance(item, str))


def _patterns(schema: Mapping[str, Any]) -> Iterator[str]:
    if "pattern" in schema:
        yield str(schema["pattern"])
    for option in (*schema.get("anyOf", ()), *((schema["items"],) if "items" in schema else ())):
        yield from _patterns(option)


def _cycle(clock: Clock) -> pd.Timedelta:
    if clock.cycle is None:
        raise ValueError("times are no cycles")
    return clock.cycle


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list | tuple) else value
