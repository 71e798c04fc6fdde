"""Reference tables of configuration values in Markdown, from their JSON Schemas."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from data_contracts.configuration.schemas import describe, property_at

_HEAD = "| key | type | default | unit | meaning |\n|---|---|---|---|---|"


def reference(schema: Mapping[str, Any], *, prefix: str = "", suffix: str = "") -> str:
    """List every key of a schema, a table for each section; prefix and suffix surround a section's dotted name."""
    return "\n\n".join(_sections(schema, schema, "", prefix, suffix)) + "\n"


def _sections(
    schema: Mapping[str, Any], whole: Mapping[str, Any], path: str, prefix: str, suffix: str
) -> Iterator[str]:
    required, definitions = schema.get("required", ()), whole.get("$defs", {})
    nested: dict[str, dict[str, Any]] = {}
    rows: list[str] = []
    for name in schema["properties"]:
        own = property_at({**schema, "$defs": definitions}, (name,)) or {}
        inner = own
        if own.get("type") == "array":
            inner = property_at({"properties": {"item": own["items"]}, "$defs": definitions}, ("item",)) or {}
        if "properties" in inner:
            nested[f"{path}.{name}".strip(".") + ("[]" if inner is not own else "")] = inner
        elif own.get("type") or own.get("anyOf") or own.get("const"):
            rows.append(_row(name, own, name in required))
    if path:
        # In TOML a list of sections has a heading of its own.
        listed = prefix == "[" and path.endswith("[]")
        yield f"### `[[{path.removesuffix('[]')}]]`" if listed else f"### `{prefix}{path}{suffix}`"
        yield schema.get("description", "")
    if rows:
        yield "\n".join([_HEAD, *rows])
    for name, section in nested.items():
        yield from _sections(section, whole, name, prefix, suffix)


def _row(name: str, own: Mapping[str, Any], required: bool) -> str:
    default = "required" if required else f"`{_toml(own['default'])}`" if "default" in own else ""
    unit = own.get("unit") or next((item["unit"] for item in own.get("anyOf", ()) if "unit" in item), "")
    cells = (f"`{name}`", describe(own), default, unit, own.get("description", ""))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
