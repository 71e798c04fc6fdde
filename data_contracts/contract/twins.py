"""Digital twins: DTDL v3 interfaces, from which the columns of a telemetry contract follow.

Language: https://azure.github.io/opendigitaltwins-dtdl/DTDL/v3/DTDL.v3.html, with its extension `quantitativeTypes;1`
for semantic types and units. Units the extension does not know (mm/s, degrees Rankine) stand in `unitSymbol`, a
property of our own extension, which the language lets a parser skip.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_contracts.errors import NotFoundError, UsageError, did_you_mean

INTERFACES = Path(__file__).parents[1] / "interfaces"
SOURCE_PRIORITY = ("manual_override", "physical", "simulation")
"""The sources of telemetry, the most trusted first."""

_SYMBOLS = {
    "ampere": "A",
    "bar": "bar",
    "degreeCelsius": "degC",
    "hour": "h",
    "kelvin": "K",
    "kilowatt": "kW",
    "litrePerMinute": "l/min",
    "metrePerSecond": "m/s",
    "newtonMetre": "N.m",
    "percent": "%",
    "poundPerSquareInch": "psi",
    "revolutionPerMinute": "rpm",
    "unity": "1",
    "volt": "V",
}
_NUMERIC_SCHEMAS = ("double", "float", "integer", "long")
_LANGUAGE = "dtmi:dtdl:context;3"


@dataclass(frozen=True)
class Channel:
    """One sensor of an asset.

    Parameters
    ----------
    name
        The column's name in telemetry.
    unit
        The unit's symbol; None where the source states none.
    semantic_type
        What is measured, in DTDL's words; None where it has no word for it.
    description
        What a person should know about it.
    """

    name: str
    unit: str | None
    semantic_type: str | None
    description: str


@dataclass(frozen=True)
class Twin:
    """What a digital-twin interface says of an asset type.

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
        Its telemetry.
    properties
        Names of its properties.
    relationships
        Names of its relationships, with the DTMI of what they lead to.
    """

    name: str
    identifier: str
    version: int
    description: str
    channels: tuple[Channel, ...]
    properties: tuple[str, ...]
    relationships: tuple[tuple[str, str], ...]


def twin_names() -> tuple[str, ...]:
    """List the shipped interfaces.

    Returns
    -------
    tuple of str
        Their names, ordered.
    """
    return tuple(sorted(path.stem for path in INTERFACES.glob("*.json")))


def load_twin(name: str | Path) -> Twin:
    """Read an interface.

    Parameters
    ----------
    name
        The name of a shipped interface, or the path of a DTDL v3 file.

    Returns
    -------
    Twin
        What it says.

    Raises
    ------
    NotFoundError
        If there is no such interface.
    UsageError
        If the file is not a DTDL v3 interface this reader understands.

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
        raise UsageError(f"{path} is not JSON ({error})", "a DTDL v3 interface", "Mend that line") from error
    contexts = content.get("@context", []) if isinstance(content, dict) else []
    if _LANGUAGE not in contexts or content.get("@type") != "Interface":
        raise UsageError(
            f"{path} is no DTDL v3 interface",
            f'"@type": "Interface" and "{_LANGUAGE}" in its "@context"',
            "Give one interface a file",
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
            "A channel is one number a reading; make anything else a property",
        )
    unit = element.get("unit")
    if unit is not None and unit not in _SYMBOLS and "unitSymbol" not in element:
        hint = did_you_mean(unit, _SYMBOLS) or "Add the symbol as unitSymbol"
        raise UsageError(f"{path}: telemetry {name!r} has the unknown unit {unit!r}", "a unit of DTDL", hint)
    semantic = [kind for kind in _types(element) if kind != "Telemetry"]
    return Channel(
        name=name,
        unit=element.get("unitSymbol", _SYMBOLS.get(unit) if unit else None),
        semantic_type=semantic[0] if semantic else None,
        description=str(element.get("description", "")),
    )
