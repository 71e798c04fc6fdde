"""Channels and properties of a shell's submodels, and what its nameplate says.

No submodel of the standard holds "the telemetry". Read are the records of time series (IDTA 02008) and every submodel
that is not known to hold something else; in them a property of numbers is a channel, unless its category says that it
is constant. Collections are components.
"""

import decimal
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from data_contracts.contract.dtdl_units import usual_semantic_type
from pipelines.importers.twins.aas.semantics import meaning_of, semantic_ids, unit_of, words_of
from pipelines.importers.twins.description import Doubt, PropertyType, TwinChannel, TwinProperty
from pipelines.importers.twins.raw_twins import localized

if TYPE_CHECKING:
    from basyx.aas.model import DictIdentifiableStore, Submodel

HIERARCHY = ("hierarchicalstructures", "billofmaterial")
_NAMEPLATE = ("nameplate",)
_TIME_SERIES = ("timeseries",)
_OTHERS = (
    *("technicaldata", "documentation", "contactinformation", "carbonfootprint", "softwarenameplate", "simulation"),
    *("assetinterfaces", "capability", "maintenance", "functionalsafety", "reliability", "provisionofmodel"),
)
_CONSTANT = ("CONSTANT", "PARAMETER")
_MODELS = ("ManufacturerProductType", "ManufacturerProductDesignation", "OrderCodeOfManufacturer")
_RECORD = ("Metadata", "Record")


@dataclass
class ShellContents:
    """What the submodels of one shell say."""

    channels: list[TwinChannel] = field(default_factory=list)
    properties: list[TwinProperty] = field(default_factory=list)
    model: str | None = None
    left_out: list[str] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)


def is_about(submodel: "Submodel", words: tuple[str, ...]) -> bool:
    """Return whether a submodel's meaning, or else its name, holds one of some words."""
    texts = [*semantic_ids(submodel), submodel.id_short or ""]
    plain = ["".join(character for character in text.lower() if character.isalnum()) for text in texts]
    return any(word in text for text in plain for word in words)


def add_submodel(
    contents: ShellContents, store: "DictIdentifiableStore[Any]", submodel: "Submodel", shell: str
) -> None:
    """Add what a submodel says to a shell's contents."""
    name = submodel.id_short or submodel.id
    if is_about(submodel, HIERARCHY):
        return
    if is_about(submodel, _OTHERS):
        contents.left_out.append(name)
    elif is_about(submodel, _NAMEPLATE):
        contents.model = contents.model or _model(submodel)
    else:
        only_record = is_about(submodel, _TIME_SERIES)
        for element, path in _elements(submodel):
            if not only_record or path[: len(_RECORD)] == _RECORD:
                _add_element(contents, store, shell, element, (name, *path))


def _elements(submodel: "Submodel") -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Go through the elements of a submodel with the names of the collections around them."""
    from basyx.aas.model import SubmodelElementCollection

    first = sorted(submodel.submodel_element, key=lambda each: each.id_short or "")
    waiting: deque[tuple[Any, tuple[str, ...]]] = deque((element, ()) for element in first)
    while waiting:
        element, path = waiting.popleft()
        yield element, path
        if isinstance(element, SubmodelElementCollection):
            below = sorted(element.value, key=lambda each: each.id_short or "")
            waiting += [(each, (*path, element.id_short or "")) for each in below]


def _add_element(
    contents: ShellContents, store: "DictIdentifiableStore[Any]", shell: str, element: Any, path: tuple[str, ...]
) -> None:
    from basyx.aas.model import Property, SubmodelElementCollection, SubmodelElementList

    source = "/".join((*path, element.id_short or "?"))
    if isinstance(element, SubmodelElementList):
        contents.doubts.append(Doubt(f"{shell} {source}", "is a list, whose elements have no names, and is left out"))
    if not isinstance(element, Property) or isinstance(element, SubmodelElementCollection) or not element.id_short:
        return
    kind, is_constant = _kind(element.value_type), str(element.category).upper() in _CONSTANT
    if any("timeseries" in name.lower() and "time" in element.id_short.lower() for name in semantic_ids(element)):
        return  # the time of a record
    if kind in ("number", "integer") and not is_constant:
        unit, sentences = unit_of(store, element)
        collections = [name for name in path[1:] if name not in _RECORD]
        contents.channels.append(
            TwinChannel(
                name=element.id_short,
                type="integer" if kind == "integer" else "number",
                unit=unit,
                semantic_type=usual_semantic_type(unit),
                description=meaning_of(store, element),
                source=source,
                component=collections[-1] if collections else None,
            )
        )
        contents.doubts += [Doubt(f"{shell} {source}", sentence) for sentence in sentences]
    else:
        contents.properties.append(TwinProperty(element.id_short, kind, words_of(element), source))


def _kind(value_type: type) -> PropertyType:
    if issubclass(value_type, bool):
        return "boolean"
    if issubclass(value_type, int):
        return "integer"
    if issubclass(value_type, (float, decimal.Decimal)):
        return "number"
    return "string" if issubclass(value_type, (str, bytes, bytearray)) else "time"


def _model(nameplate: "Submodel") -> str | None:
    said = {element.id_short: getattr(element, "value", None) for element, _ in _elements(nameplate)}
    for name in _MODELS:
        value = said.get(name)
        text = localized(
            value if isinstance(value, str) else dict(value.items()) if isinstance(value, Mapping) else None
        )
        if text:
            return text
    return None
