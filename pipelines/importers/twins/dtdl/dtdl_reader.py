"""A description from DTDL: the twins of a graph, and the interfaces of machines."""

from collections.abc import Iterable, Mapping
from typing import Any

from data_contracts.asset_graph.graph_nodes import LEVELS, Level
from pipelines.importers.twins.described import Places, describe
from pipelines.importers.twins.description import Doubt, TwinDescription
from pipelines.importers.twins.dtdl.contents import channels_of
from pipelines.importers.twins.dtdl.interfaces import (
    Documents,
    Interface,
    all_contents,
    ancestors,
    find_interface,
    types_of,
    used_by_others,
)
from pipelines.importers.twins.dtdl.placements import parents_of
from pipelines.importers.twins.levels import level_in_words
from pipelines.importers.twins.raw_twins import RawNode, bad_file

_MOST_NODES = 200_000
_DEEPEST = 16


def read_dtdl(documents: Iterable[tuple[str, Any]], places: Places | None = None) -> TwinDescription:
    """Read the contents of DTDL files, each with what to call it."""
    together = Documents()
    for about, content in documents:
        together.add(about, content)
    for interface in together.interfaces.values():
        ancestors(together, interface)
    reading = _Reading(together)
    nodes = [*reading.twins(), *reading.types()]
    if not nodes:
        found = "hold no interface with telemetry, and no twin"
        raise bad_file("The files", found, "interfaces of machines", "Name the file with the machines' interface too")
    return describe("dtdl", nodes, reading.doubts, places)


class _Reading:
    """Nodes of the twins and types of some documents."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.doubts: list[Doubt] = []
        self._used: set[str] = set()
        self._parts: dict[str, list[tuple[str, Interface]]] = {}
        self._contents: dict[str, tuple[Any, Any]] = {}
        self._count = 0

    def twins(self) -> list[RawNode]:
        """Return the nodes of all twins and their components."""
        named = {_twin_id(twin): twin for twin in self.documents.twins}
        if len(named) < len(self.documents.twins):
            raise bad_file("digitalTwins", "hold two twins of one $dtId", "identifiers of their own")
        models = {name: self._model(name, twin) for name, twin in named.items()}
        levels = {name: _level(model) or level_in_words(_words(model, name)) for name, model in models.items()}
        parents, doubts = parents_of(list(named), self.documents.relationships, levels)
        self.doubts += doubts
        nodes = []
        for name, twin in named.items():
            nodes += self._nodes(name, models[name], parents.get(name), twin)
        return nodes

    def types(self) -> list[RawNode]:
        """Return nodes for the interfaces of machines of which there is no twin."""
        within = used_by_others(self.documents) | self._used
        nodes: list[RawNode] = []
        for interface in self.documents.interfaces.values():
            if interface.id in within or _level(interface) not in (None, "machine"):
                continue
            own = self._nodes(interface.id, interface, None, None)
            is_machine = level_in_words(_words(interface, "")) not in ("plant", "line", "component")
            if _level(interface) == "machine" or (is_machine and any(node.channels for node in own)):
                nodes += own
        return nodes

    def _model(self, name: str, twin: Mapping[str, Any]) -> Interface:
        metadata = twin.get("$metadata")
        model = metadata.get("$model") if isinstance(metadata, dict) else None
        if not isinstance(model, str):
            raise bad_file(f"twin {name}", "names no model", '"$metadata": {"$model": ...}')
        return find_interface(self.documents, model, f"twin {name}")

    def _nodes(
        self, name: str, interface: Interface, parent: str | None, twin: Mapping[str, Any] | None, depth: int = 0
    ) -> list[RawNode]:
        """Return the node of a twin or type, and those of its components."""
        self._count += 1
        if depth > _DEEPEST or self._count > _MOST_NODES:
            raise bad_file(interface.id, "holds components without end", f"components at most {_DEEPEST} deep")
        if twin is not None and interface.id not in self._used:
            self._used |= {each.id for each in ancestors(self.documents, interface)}
        channels, properties = self._content(interface)
        said = {} if twin is None else twin
        node = RawNode(
            id=name,
            parent=parent,
            level="component" if depth else _level(interface),
            words=_words(interface, name),
            name=_said(said, "name") if not depth else name.rpartition("/")[2],
            type_name=interface.name,
            type_description=interface.description,
            model=None if depth else _said(said, "model"),
            source=(None if depth else _said(said, "source_id")) or name,
            channels=channels,
            properties=properties if not depth else (),
            is_type=twin is None,
        )
        nodes = [node]
        for part, schema in self._components(interface):
            nodes += self._nodes(f"{name}/{part}", schema, name, twin, depth + 1)
        return nodes

    def _components(self, interface: Interface) -> list[tuple[str, Interface]]:
        if interface.id not in self._parts:
            elements = [each for each in all_contents(self.documents, interface) if "Component" in types_of(each)]
            self._parts[interface.id] = [
                (each["name"], find_interface(self.documents, str(each["schema"]), interface.id)) for each in elements
            ]
        return self._parts[interface.id]

    def _content(self, interface: Interface) -> tuple[Any, Any]:
        if interface.id not in self._contents:
            channels, properties, doubts = channels_of(self.documents, interface)
            self._contents[interface.id] = (tuple(channels), tuple(properties))
            self.doubts += doubts
        return self._contents[interface.id]


def _twin_id(twin: Mapping[str, Any]) -> str:
    name = twin.get("$dtId")
    if not isinstance(name, str):
        raise bad_file("digitalTwins", f"hold a twin with the $dtId {name!r}", "a text")
    return name


def _level(interface: Interface) -> Level | None:
    if interface.level is not None and interface.level not in LEVELS:
        raise bad_file(interface.id, f"has the level {interface.level!r}", f"one of {', '.join(LEVELS)}")
    return next((level for level in LEVELS if level == interface.level), None)


def _words(interface: Interface, name: str) -> tuple[str, ...]:
    return interface.name, interface.display_name, name


def _said(twin: Mapping[str, Any], name: str) -> str | None:
    value = twin.get(name)
    return value if isinstance(value, str) and value else None
