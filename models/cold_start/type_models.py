"""Which models answer for which asset type."""

import json
from dataclasses import dataclass

from models.registry.registry import CHAMPION, Registry


@dataclass(frozen=True)
class TypeModel:
    """A champion, and what it is for."""

    name: str
    version: int
    target: str
    asset_type: str
    plant: str | None = None


def type_models(registry: Registry) -> tuple[TypeModel, ...]:
    """Return the champions, by name; those that were registered without an experiment are left out."""
    found = []
    for name in registry.names():
        version = registry.champion(name)
        if version is None:
            continue
        tags = registry.tags(name, CHAMPION)
        data = json.loads(tags.get("experiment", "{}")).get("data", {})
        if "asset_type" in data:
            target = tags.get("target", "failure")
            found.append(TypeModel(name, version, target, data["asset_type"], data.get("plant")))
    return tuple(found)
