"""A description as DTDL: an interface for each asset type, and the graph as Azure Digital Twins Explorer reads it."""

import json
from typing import Any

from data_contracts.contract.dtdl_units import unit_name
from pipelines.importers.twins.description import TwinAsset, TwinChannel, TwinDescription, TwinProperty, TwinType

_CONTEXT = ("dtmi:dtdl:context;3", "dtmi:dtdl:extension:quantitativeTypes;1")
# What DTDL has no word for; the language lets a parser skip extensions that it does not know.
_OWN = ("dtmi:forewarn:extension:units;1", "dtmi:forewarn:extension:sources;1")
_CHANNEL_SCHEMAS = {"number": "double", "integer": "long"}
_PROPERTY_SCHEMAS = {
    "string": "string",
    "number": "double",
    "integer": "long",
    "boolean": "boolean",
    "time": "dateTime",
}
_PARTS = {
    "plant": "located_in_plant",
    "line": "part_of_line",
    "machine": "part_of_machine",
    "component": "part_of_component",
}
_PLACES = ("plant", "line", "component")


def interface_text(kind: TwinType) -> str:
    """Return the interface of an asset type, a line for each element."""
    head, contents = _interface(kind), _contents(kind)
    lines = [f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}," for name, value in head.items()]
    elements = ",\n".join(f"    {json.dumps(each, ensure_ascii=False)}" for each in contents)
    return "\n".join(["{", *lines, f'  "contents": [\n{elements}\n  ]', "}"]) + "\n"


def graph_document(description: TwinDescription) -> dict[str, Any]:
    """Return the whole description: models, twins and relationships."""
    models = [{**_interface(kind), "contents": _contents(kind)} for kind in description.types]
    levels = {each.asset: each.level for each in description.assets}
    relationships = [
        {
            "$relationshipId": f"{each.asset} in {each.parent}",
            "$sourceId": each.asset,
            "$targetId": each.parent,
            "$relationshipName": _PARTS[levels[each.parent]],
        }
        for each in description.assets
        if each.parent is not None
    ]
    return {
        "digitalTwinsFileInfo": {"fileVersion": "1.0.0"},
        "digitalTwinsGraph": {"digitalTwins": list(map(_twin, description.assets)), "relationships": relationships},
        "digitalTwinsModels": [*map(_place, _PLACES), *models],
    }


def _interface(kind: TwinType) -> dict[str, Any]:
    head = {"@context": [*_CONTEXT, *_OWN], "@id": _machine_id(kind.name), "@type": "Interface", "level": "machine"}
    return {**head, "displayName": kind.name, **({"description": kind.description} if kind.description else {})}


def _contents(kind: TwinType) -> list[dict[str, Any]]:
    parts = [_relationship(name) for name in ("plant", "line")]
    return [*map(_telemetry, kind.channels), *map(_property, kind.properties), *_free(kind, parts)]


def _free(kind: TwinType, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    taken = {each.name for each in kind.channels} | {each.name for each in kind.properties}
    return [each for each in parts if each["name"] not in taken]


def _telemetry(channel: TwinChannel) -> dict[str, Any]:
    types = ["Telemetry", channel.semantic_type] if channel.semantic_type else "Telemetry"
    element: dict[str, Any] = {"@type": types, "name": channel.name, "schema": _CHANNEL_SCHEMAS[channel.type]}
    if channel.unit is not None:
        name = unit_name(channel.unit, channel.semantic_type)
        element |= {"unitSymbol": channel.unit} if name is None else {"unit": name}
    limits = {"minimum": channel.minimum, "maximum": channel.maximum}
    element |= {name: value for name, value in limits.items() if value is not None}
    element |= {"component": channel.component} if channel.component else {}
    return element | _documented(channel)


def _property(own: TwinProperty) -> dict[str, Any]:
    limits = {"unitSymbol": own.unit, "minimum": own.minimum, "maximum": own.maximum}
    more = {"writable": True, **{name: value for name, value in limits.items() if value is not None}}
    element = {"@type": "Property", "name": own.name, "schema": _PROPERTY_SCHEMAS[own.type]}
    return element | (more if own.writable else {}) | _documented(own)


def _documented(element: TwinChannel | TwinProperty) -> dict[str, Any]:
    source = {"sourcePath": element.source} if element.source != element.name else {}
    return source | ({"description": element.description} if element.description else {})


def _place(level: str) -> dict[str, Any]:
    parts = {"plant": (), "line": ("plant", "line"), "component": ("machine", "component")}[level]
    words = [{"@type": "Property", "name": name, "schema": "string"} for name in ("name", "model", "source_id")]
    return {
        "@context": [*_CONTEXT, *_OWN],
        "@id": f"dtmi:forewarn:{level};1",
        "@type": "Interface",
        "level": level,
        "contents": [*words, *map(_relationship, parts)],
    }


def _relationship(level: str) -> dict[str, Any]:
    target = {} if level == "machine" else {"target": f"dtmi:forewarn:{level};1"}
    return {"@type": "Relationship", "name": _PARTS[level], **target, "maxMultiplicity": 1}


def _twin(asset: TwinAsset) -> dict[str, Any]:
    model = f"dtmi:forewarn:{asset.level};1" if asset.asset_type is None else _machine_id(asset.asset_type)
    words = {
        "name": asset.name,
        "model": asset.model,
        "source_id": None if asset.source == asset.asset else asset.source,
    }
    said = {name: value for name, value in words.items() if value is not None}
    return {"$dtId": asset.asset, "$metadata": {"$model": model}, **said}


def _machine_id(name: str) -> str:
    return f"dtmi:forewarn:machine:{name};1"
