"""A data item as a channel or a property."""

import math
from typing import Any

from pipelines.importers.twins.description import TwinChannel, TwinProperty
from pipelines.importers.twins.identifiers import identifier
from pipelines.importers.twins.unit_words import MTCONNECT

_SERIES = (None, "VALUE", "TIME_SERIES")


def skipped_because(item: Any) -> str:
    """Say why a data item is neither a channel nor a property; empty if it is one."""
    category, units = item.get("category"), item.get("units") or ""
    if category == "CONDITION":
        return "conditions are left out"
    if category not in ("SAMPLE", "EVENT"):
        return f"data items of the category {str(category)[:40]} are left out"
    if item.get("representation") not in _SERIES:
        return f"data items of the representation {str(item.get('representation'))[:40]} are left out"
    return "data items of three numbers are left out" if units.endswith("_3D") else ""


def channel_of(item: Any, name: str, path: str) -> tuple[TwinChannel, list[str]]:
    """Return a data item with numbers as a channel, and doubts about it."""
    unit, doubts = _unit(item)
    limits = _limits(item)
    words = " ".join(word for word in (item.get("type"), item.get("subType")) if word).replace("_", " ").lower()
    channel = TwinChannel(
        name=name,
        type="number",
        unit=unit,
        description=f"{words[:1].upper()}{words[1:]}.".replace(":", " ") if words else "",
        source=f"{path}{item.get('name') or item.get('id')}",
        minimum=limits.get("Minimum"),
        maximum=limits.get("Maximum"),
    )
    return channel, doubts


def property_of(item: Any, name: str, path: str) -> TwinProperty:
    """Return a data item with words as a property."""
    return TwinProperty(identifier(name), "string", "", f"{path}{item.get('name') or item.get('id')}")


def kind_of(item: Any) -> str:
    """Return the type and sub-type of a data item as one word, by which one without a name is called."""
    return "_".join(word for word in (item.get("type"), item.get("subType")) if word)


def without_device(label: str, device: str) -> str:
    """Return the name of a data item without that of its device, which the names of agents often begin with.

    Examples
    --------
    >>> without_device("mill-1_load", "mill-1"), without_device("milling_load", "mill")
    ('load', 'milling_load')
    """
    rest = label.removeprefix(device)
    # Only as a word of its own.
    return rest.strip("._-/: ") or label if not rest[:1].isalnum() else label


def _unit(item: Any) -> tuple[str | None, list[str]]:
    units, native = item.get("units"), item.get("nativeUnits")
    if not units:
        also = f", only the native units {str(native)[:60]}, which the agent may convert" if native else ""
        return None, [f"names no units{also}"]
    if units not in MTCONNECT:
        return None, [f"has the unknown units {str(units)[:60]!r}"]
    scale = item.get("nativeScale")
    return MTCONNECT[units], [f"has the native scale {scale}, which is not applied"] if scale not in (
        None,
        "1",
        "1.0",
    ) else []


def _limits(item: Any) -> dict[str, float]:
    limits = {}
    for element in item.iter():
        name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
        if name in ("Minimum", "Maximum"):
            try:
                limits[name] = float((element.text or "").strip())
            except ValueError:
                continue
    return {name: value for name, value in limits.items() if math.isfinite(value)}
