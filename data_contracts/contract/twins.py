"""Digital twins: DTDL v3 interfaces, which define the channels of telemetry contracts.

Language: https://azure.github.io/opendigitaltwins-dtdl/DTDL/v3/DTDL.v3.html, with its extension `quantitativeTypes;1`
for semantic types and units. Units that the extension does not know (mm/s, degrees Rankine) are in `unitSymbol`, a
property of our own extension, which the language allows a parser to skip.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data_contracts.contract.dtdl_units import SYMBOLS
from data_contracts.errors import NotFoundError, UsageError, did_you_mean

INTERFACES = Path(__file__).parents[1] / "interfaces"
SOURCE_PRIORITY = ("manual_override", "physical", "simulation")
"""The sources of telemetry, from the most to the least trusted."""
WritableType = Literal["number", "integer", "boolean", "string"]

_NUMERIC_SCHEMAS = ("double", "float", "integer", "long")
_WRITABLE_SCHEMAS: dict[str, WritableType] = {
    **dict.fromkeys(("double", "float"), "number"),
    **dict.fromkeys(("integer", "long"), "integer"),
    "boolean": "boolean",
    "string": "string",
}
_LANGUAGE = "dtmi:dtdl:context;3"


@dataclass(frozen=True)
class Channel:
    """One measured quantity of an asset.

    Parameters
    ----------
    name
        The column's name in telemetry.
    unit
        The unit's symbol; None if the interface states none.
    semantic_type
        The DTDL semantic type of the quantity; None if it has none.
    description
        What the values mean.
    """

    name: str
    unit: str | None
    semantic_type: str | None
    description: str


@dataclass(frozen=True)
class WritableProperty:
    """A property of an asset that may be commanded."""

    name: str
    type: WritableType
    unit: str | None
    description: str
    minimum: float | None = None  # limits are of our own extension, as DTDL has none
    maximum: float | None = None


@dataclass(frozen=True)
class Twin:
    """A digital-twin interface: the description of an asset type.

    Parameters
    ----------
    name
        The interface's name, such as ``"cnc_machine"``.
    identifier
        Its DTMI.
    version
        Its version, the last part of the DTMI.
    description
        What it is a twin of.
    channels
        Its telemetry, in order.
    properties
        The names of its properties.
    relationships
        The names of its relationships, each with the DTMI of its target.
    writable
        Those of its properties that may be commanded; of the types that a command can carry.
    """

    name: str
    identifier: str
    version: int
    description: str
    channels: tuple[Channel, ...]
    properties: tuple[str, ...]
    relationships: tuple[tuple[str, str], ...]
    writable: tuple[WritableProperty, ...] = ()


def twin_names() -> tuple[str, ...]:
    """List the shipped interfaces, sorted."""
    return tuple(sorted(path.stem for path in INTERFACES.glob("*.json")))


def load_twin(name: str | Path) -> Twin:
    """Load an interface.

    Parameters
    ----------
    name
        The name of a shipped interface, or the path of a DTDL v3 file.

    Returns
    -------
    Twin
        The interface.

    Raises
    ------
    NotFoundError
        If there is no such interface.
    UsageError
        If the file is not a DTDL v3 interface, or uses what this reader does not support.

    Examples
    --------
    >>> [channel.unit for channel in load_twin("cnc_machine").channels][:2]
    ['mm/s', 'degC']
    """
    path = Path(name) if str(name).endswith(".json") else INTERFACES / f"{name}.json"
    if not path.is_file():
        hint = did_you_mean(str(name), twin_names()) or "Name a shipped interface or give the path of a DTDL file"
        raise NotFoundError(f"no twin interface {str(name)!r}", f"one of {', '.join(twin_names())}", hint)
    return _read(path)


@functools.cache
def _read(path: Path) -> Twin:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not JSON ({error})", "a DTDL v3 interface", "Fix that line") from error
    contexts = content.get("@context", []) if isinstance(content, dict) else []
    if _LANGUAGE not in contexts or content.get("@type") != "Interface":
        raise UsageError(
            f"{path} is not a DTDL v3 interface",
            f'"@type": "Interface" and "{_LANGUAGE}" in its "@context"',
            "Put one interface in the file",
        )
    contents = content.get("contents", [])
    identifier = str(content.get("@id", ""))
    return Twin(
        name=path.stem,
        identifier=identifier,
        version=int(identifier.rpartition(";")[2] or 1),
        description=str(content.get("description", "")),
        channels=tuple(_channel(path, element) for element in contents if "Telemetry" in _types(element)),
        properties=tuple(element["name"] for element in contents if "Property" in _types(element)),
        relationships=tuple(
            (element["name"], str(element.get("target", "")))
            for element in contents
            if "Relationship" in _types(element)
        ),
        writable=tuple(_writable(path, element) for element in contents if _is_writable(element)),
    )


def _types(element: dict[str, Any]) -> list[str]:
    types = element.get("@type", [])
    return [types] if isinstance(types, str) else list(types)


def _channel(path: Path, element: dict[str, Any]) -> Channel:
    name = str(element.get("name", ""))
    if element.get("schema") not in _NUMERIC_SCHEMAS:
        raise UsageError(
            f"{path}: telemetry {name!r} has the schema {element.get('schema')!r}",
            f"one of {', '.join(_NUMERIC_SCHEMAS)}",
            "A channel is one number per reading; make anything else a property",
        )
    unit = element.get("unit")
    if unit is not None and unit not in SYMBOLS and "unitSymbol" not in element:
        hint = did_you_mean(unit, SYMBOLS) or "Add the symbol as unitSymbol"
        raise UsageError(f"{path}: telemetry {name!r} has the unknown unit {unit!r}", "a unit of DTDL", hint)
    semantic = [kind for kind in _types(element) if kind != "Telemetry"]
    return Channel(
        name=name,
        unit=element.get("unitSymbol", SYMBOLS.get(unit) if unit else None),
        semantic_type=semantic[0] if semantic else None,
        description=str(element.get("description", "")),
    )


def _is_writable(element: dict[str, Any]) -> bool:
    schema = element.get("schema")
    return (
        "Property" in _types(element)
        and element.get("writable") is True
        and isinstance(schema, str)
        and schema in _WRITABLE_SCHEMAS
    )


def _writable(path: Path, element: dict[str, Any]) -> WritableProperty:
    unit = element.get("unit")
    return WritableProperty(
        name=str(element["name"]),
        type=_WRITABLE_SCHEMAS[element["schema"]],
        unit=element.get("unitSymbol", SYMBOLS.get(unit) if unit else None),
        description=str(element.get("description", "")),
        minimum=_limit(path, element, "minimum"),
        maximum=_limit(path, element, "maximum"),
    )


def _limit(path: Path, element: dict[str, Any], name: str) -> float | None:
    value = element.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        found = f"{path}: property {element['name']!r} has the {name} {value!r}"
        raise UsageError(found, "a number", "Correct it, or leave it out")
    return float(value)
