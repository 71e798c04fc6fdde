"""A description from an MTConnect probe document: its devices, their components and data items.

MTConnect Part 2 (device information model), any version of its schema. Components that only order others (Axes,
Systems) are no assets of their own.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from data_contracts.contract.dtdl_units import usual_semantic_type
from pipelines.importers.twins.described import Places, describe
from pipelines.importers.twins.description import Doubt, TwinChannel, TwinDescription, TwinProperty
from pipelines.importers.twins.identifiers import identifier
from pipelines.importers.twins.mtconnect.data_items import (
    channel_of,
    kind_of,
    property_of,
    skipped_because,
    without_device,
)
from pipelines.importers.twins.raw_twins import RawNode, bad_file

_ORGANIZERS = (
    *("Adapters", "Auxiliaries", "Axes", "Controllers", "Interfaces", "Materials", "Parts", "Personnel", "Processes"),
    *("Resources", "Structures", "Systems", "Components"),
)
_MOST_NODES = 200_000


def read_probe(documents: Iterable[tuple[str, Any]], places: Places | None = None) -> TwinDescription:
    """Read the roots of probe documents, each with what to call it."""
    reading = _Reading()
    for about, root in documents:
        if local_name(root) != "MTConnectDevices":
            expected = "MTConnectDevices, an agent's answer to probe"
            raise bad_file(about, f"is a document {local_name(root)[:60]!r}", expected, "Save the answer to /probe")
        devices = [element for element in root.iter() if local_name(element) == "Device"]
        if not devices:
            raise bad_file(about, "describes no device", "at least one Device")
        for device in devices:
            reading.add_device(about, device)
    return describe("mtconnect", reading.nodes, reading.doubts, places)


def local_name(element: Any) -> str:
    """Return an element's name without its namespace, which tells the version of the schema."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


@dataclass
class _Part:
    """A device or component that is being read."""

    node: RawNode
    path: str
    channels: list[TwinChannel] = field(default_factory=list)
    properties: list[TwinProperty] = field(default_factory=list)


class _Reading:
    def __init__(self) -> None:
        self.nodes: list[RawNode] = []
        self.doubts: list[Doubt] = []
        self._ids: set[str] = set()

    def add_device(self, about: str, element: Any) -> None:
        """Read a device and all that it has."""
        name = element.get("name") or element.get("uuid") or element.get("id") or ""
        if not name:
            raise bad_file(about, "has a device without name, uuid and id", "a name for each device")
        description = next((each for each in element if local_name(each) == "Description"), None)
        said = {} if description is None else description.attrib
        text = " ".join(((description.text if description is not None else None) or "").split())
        device = _Part(
            RawNode(
                id=name,
                level="machine",
                type_name=said.get("model") or name,
                type_description=text,
                model=said.get("model"),
                source=element.get("uuid") or element.get("id") or name,
            ),
            "",
        )
        parts, skipped = [device], dict[str, list[str]]()
        waiting = deque([(element, device)])
        taken: set[str] = set()
        while waiting:
            holder, part = waiting.popleft()
            if len(self.nodes) + len(parts) > _MOST_NODES:
                raise bad_file(about, "describes more than 200,000 components", "the devices of one agent")
            items = list(_data_items(holder))
            kinds = Counter(kind_of(item) for item in items if not item.get("name"))
            for item in items:
                # Only an id tells two of one kind apart.
                label = item.get("name") or (kind_of(item) if kinds[kind_of(item)] == 1 else "") or item.get("id")
                self._add_item(about, label or "", item, part, device, skipped)
            for child in _components(holder):
                below = part if local_name(child) in _ORGANIZERS else self._component(child, part, parts, taken)
                waiting.append((child, below))
        own = replace(device.node, channels=tuple(device.channels), properties=tuple(device.properties))
        self.nodes += [own, *(replace(each.node, channels=tuple(each.channels)) for each in parts[1:])]
        for reason, items in skipped.items():
            more = f" and {len(items) - 6} more" if len(items) > 6 else ""
            self.doubts.append(Doubt(name, f"{reason}: {', '.join(items[:6])}{more}"))

    def _component(self, element: Any, above: _Part, parts: list[_Part], taken: set[str]) -> _Part:
        kind = local_name(element)
        name = element.get("name") or kind.lower()
        own = f"{above.node.id}/{name}"
        if own in taken:
            own = f"{above.node.id}/{element.get('id') or name}"
        taken.add(own)
        node = RawNode(
            id=own,
            parent=above.node.id,
            level="component",
            words=(kind,),
            name=name,
            source=element.get("uuid") or element.get("id") or own,
        )
        part = _Part(node, f"{above.path}{name}/")
        parts.append(part)
        return part

    def _add_item(
        self, about: str, label: str, item: Any, part: _Part, machine: _Part, skipped: dict[str, list[str]]
    ) -> None:
        own, device = item.get("id") or "", machine.node.id
        if not own or own in self._ids:
            found = f"has a data item {'without an id' if not own else f'with the id {own} a second time'}"
            raise bad_file(f"{about}: {device}", found, "an id of its own for each data item, as the standard demands")
        self._ids.add(own)
        reason = skipped_because(item)
        if reason:
            skipped.setdefault(reason, []).append(item.get("name") or own)
        elif item.get("category") == "EVENT" and not item.get("units"):
            made = property_of(item, without_device(label, device), part.path)
            if made.name in {identifier(each.name) for each in machine.properties}:
                made = replace(made, name=f"{part.node.name or device}_{made.name}")
            machine.properties.append(made)
        else:
            channel, sentences = channel_of(item, without_device(label, device), part.path)
            part.channels.append(replace(channel, semantic_type=usual_semantic_type(channel.unit)))
            self.doubts += [Doubt(f"{device} {channel.name}", sentence) for sentence in sentences]


def _data_items(holder: Any) -> Iterator[Any]:
    for group in holder:
        if local_name(group) == "DataItems":
            yield from (each for each in group if local_name(each) == "DataItem")


def _components(holder: Any) -> Iterator[Any]:
    for group in holder:
        if local_name(group) == "Components":
            yield from (each for each in group if local_name(each))
