"""Channels and properties of an interface; what of it is not read is a doubt."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from data_contracts.contract.dtdl_units import SYMBOLS
from data_contracts.errors import did_you_mean
from pipelines.importers.twins.description import ChannelType, Doubt, PropertyType, TwinChannel, TwinProperty
from pipelines.importers.twins.dtdl.interfaces import Documents, Element, Interface, all_contents, plain_names, types_of
from pipelines.importers.twins.raw_twins import localized

_NUMBERS: dict[str, ChannelType] = {"double": "number", "float": "number", "integer": "integer", "long": "integer"}
_OTHERS: dict[str, PropertyType] = {
    "boolean": "boolean",
    "string": "string",
    "date": "time",
    "dateTime": "time",
    "time": "time",
    "duration": "string",
}


def channels_of(
    documents: Documents, interface: Interface
) -> tuple[list[TwinChannel], list[TwinProperty], list[Doubt]]:
    """Return the channels and properties of an interface, inherited ones too, and doubts about them."""
    channels, properties, doubts = [], [], []
    contents = all_contents(documents, interface)
    for element in contents:
        kind = types_of(element)[0] if types_of(element) else ""
        if kind not in ("Telemetry", "Property"):
            continue
        name, schema = element["name"], element.get("schema")
        simple = schema.removeprefix("dtmi:dtdl:instance:Schema:").partition(";")[0] if isinstance(schema, str) else ""
        if kind == "Telemetry" and simple in _NUMBERS:
            channel, more = _channel(interface, element, _NUMBERS[simple])
            channels.append(channel)
            doubts += more
        elif simple in _NUMBERS or simple in _OTHERS:
            own: PropertyType = _NUMBERS.get(simple) or _OTHERS[simple]
            description = localized(element.get("description"))
            said = TwinProperty(name, own, description, _text(element, "sourcePath") or name)
            properties.append(_writable(said, element) if element.get("writable") is True else said)
            if kind == "Telemetry":
                doubts.append(Doubt(f"{interface.id} {name}", f"is telemetry of {simple}, no number: a property"))
        else:
            doubts.append(Doubt(f"{interface.id} {name}", "has a schema of several values, and is left out"))
    commands = [element for element in contents if "Command" in types_of(element)]
    if commands:
        doubts.append(Doubt(interface.id, f"its commands are left out: {plain_names(commands)}"))
    return channels, properties, doubts


def _channel(interface: Interface, element: Element, kind: ChannelType) -> tuple[TwinChannel, list[Doubt]]:
    name = element["name"]
    doubts = [Doubt(f"{interface.id} {name}", sentence) for sentence in _unit_doubts(element)]
    semantic = [each for each in types_of(element) if each != "Telemetry"]
    unit = element.get("unit")
    symbol = SYMBOLS.get(unit) if isinstance(unit, str) else None
    channel = TwinChannel(
        name=name,
        type=kind,
        unit=_text(element, "unitSymbol") or symbol,
        semantic_type=semantic[0] if semantic else None,
        description=localized(element.get("description")),
        source=_text(element, "sourcePath") or name,
        component=_text(element, "component"),
        minimum=_limit(element, "minimum"),
        maximum=_limit(element, "maximum"),
    )
    return channel, doubts


def _writable(said: TwinProperty, element: Element) -> TwinProperty:
    unit = element.get("unit")
    symbol = SYMBOLS.get(unit) if isinstance(unit, str) else None
    return replace(
        said,
        writable=True,
        unit=_text(element, "unitSymbol") or symbol,
        minimum=_limit(element, "minimum"),
        maximum=_limit(element, "maximum"),
    )


def _unit_doubts(element: Element) -> Iterator[str]:
    unit = element.get("unit")
    if _text(element, "unitSymbol"):
        return
    if unit is None:
        yield "names no unit"
    elif not isinstance(unit, str) or unit not in SYMBOLS:
        hint = did_you_mean(str(unit), SYMBOLS)
        yield f"has the unknown unit {str(unit)[:60]!r}. {hint}".rstrip()


def _text(element: Element, name: str) -> str | None:
    value: Any = element.get(name)
    return value if isinstance(value, str) and value else None


def _limit(element: Element, name: Literal["minimum", "maximum"]) -> float | None:
    value = element.get(name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None  # type: ignore[arg-type] # checked just now
