"""The interfaces of DTDL v3 documents, with what they inherit.

Language: https://azure.github.io/opendigitaltwins-dtdl/DTDL/v3/DTDL.v3.html. Documents hold one interface, an array of
them, or a graph as Azure Digital Twins Explorer exports it (models, twins, relationships).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.importers.twins.raw_twins import bad_file, localized

LANGUAGE = "dtmi:dtdl:context;3"
_OTHER_VERSIONS = "dtmi:dtdl:context;"
_MOST_INHERITANCE = 10  # the language's own limit
Element = Mapping[str, Any]


@dataclass(frozen=True)
class Interface:
    """An interface as it is written."""

    id: str
    display_name: str
    description: str
    level: str | None  # our own extension
    extends: tuple[str, ...]
    contents: tuple[Element, ...]

    @property
    def name(self) -> str:
        """Return the last segment of the identifier.

        Examples
        --------
        >>> Interface("dtmi:com:example:Mill;2", "", "", None, (), ()).name
        'Mill'
        """
        return self.id.partition(";")[0].rpartition(":")[2]


@dataclass
class Documents:
    """What a set of files holds."""

    interfaces: dict[str, Interface] = field(default_factory=dict)
    twins: list[Element] = field(default_factory=list)
    relationships: list[Element] = field(default_factory=list)

    def add(self, about: str, document: Any) -> None:
        """Take in one file's content."""
        if isinstance(document, dict) and ("digitalTwinsGraph" in document or "digitalTwinsModels" in document):
            graph = document.get("digitalTwinsGraph") or {}
            self._add_all(about, document.get("digitalTwinsModels"), "digitalTwinsModels")
            self.twins += _objects(about, _part(about, graph, "digitalTwins"), "digitalTwins")
            self.relationships += _objects(about, _part(about, graph, "relationships"), "relationships")
        elif isinstance(document, list):
            self._add_all(about, document, "its array")
        else:
            self._add_interface(about, document)

    def _add_all(self, about: str, models: Any, where: str) -> None:
        for model in _objects(about, models, where):
            self._add_interface(about, model)

    def _add_interface(self, about: str, content: Any) -> str:
        if not isinstance(content, dict) or types_of(content)[:1] != ["Interface"]:
            raise bad_file(about, "holds something that is no interface", 'objects with "@type": "Interface"')
        name = content.get("@id")
        if not isinstance(name, str) or not name.startswith("dtmi:"):
            raise bad_file(about, f"has an interface with the @id {name!r}", "a DTMI such as dtmi:com:example:Mill;1")
        _check_language(f"{about}: {name}", content)
        inner = [self._reference(about, each, content) for each in _listed(content.get("extends"))]
        contents = tuple(
            self._with_schema(about, each, content) for each in _objects(about, content.get("contents"), name)
        )
        interface = Interface(
            id=name,
            display_name=localized(content.get("displayName")),
            description=localized(content.get("description")),
            level=content.get("level") if isinstance(content.get("level"), str) else None,
            extends=tuple(inner),
            contents=contents,
        )
        if self.interfaces.setdefault(name, interface) != interface:
            raise bad_file(about, f"describes {name} another time, and otherwise", "each interface once")
        return name

    def _reference(self, about: str, value: Any, outer: Element) -> str:
        """Return the DTMI of an interface that is named or written out in place."""
        if isinstance(value, dict):
            return self._add_interface(about, {"@context": outer.get("@context"), **value})
        if not isinstance(value, str):
            raise bad_file(about, f"refers to {str(value)[:60]!r}", "a DTMI, or an interface in its place")
        return value

    def _with_schema(self, about: str, element: Element, outer: Element) -> Element:
        if "Component" not in types_of(element):
            return element
        return {**element, "schema": self._reference(about, element.get("schema"), outer)}


def types_of(element: Element) -> list[str]:
    """Return the types of an element, the class of the language first.

    Examples
    --------
    >>> types_of({"@type": ["Temperature", "dtmi:dtdl:class:Telemetry;3"]})
    ['Telemetry', 'Temperature']
    """
    names = [str(each) for each in _listed(element.get("@type"))]
    plain = [each.removeprefix("dtmi:dtdl:class:").partition(";")[0] if ":class:" in each else each for each in names]
    classes = ("Interface", "Telemetry", "Property", "Relationship", "Component", "Command")
    return sorted(plain, key=lambda each: each not in classes)


def find_interface(documents: Documents, name: str, needed_by: str) -> Interface:
    """Return an interface; `UsageError` if no file has it."""
    interface = documents.interfaces.get(name)
    if interface is None:
        found = f"refers to {name[:200]}, which none of the files has"
        raise bad_file(needed_by, found, "all interfaces that the files refer to", "Name the file that has it too")
    return interface


def ancestors(documents: Documents, interface: Interface) -> Sequence[Interface]:
    """Return an interface and those that it extends, directly or not, each once."""
    found = {interface.id: interface}
    level = found
    # Level by level, for there may be very many ways from one interface to another.
    for depth in range(_MOST_INHERITANCE + 2):
        level = {name: find_interface(documents, name, each.id) for each in level.values() for name in each.extends}
        if interface.id in level:
            raise bad_file(interface.id, "extends itself, through others or not", "interfaces without circles")
        if level and depth > _MOST_INHERITANCE:
            raise bad_file(interface.id, "extends interfaces more than ten deep", "at most ten, as the language has it")
        found = {**level, **found}
    return [interface, *(each for name, each in found.items() if name != interface.id)]


def all_contents(documents: Documents, interface: Interface) -> list[Element]:
    """Return the elements of an interface, those that it inherits last; `UsageError` if two have one name."""
    contents: dict[str, tuple[str, Element]] = {}
    for owner in ancestors(documents, interface):
        for element in owner.contents:
            name = element.get("name")
            if not isinstance(name, str) or not name:
                raise bad_file(owner.id, "has an element without a name", "a name for each of its contents")
            if name in contents:
                raise bad_file(interface.id, f"has {name} from {contents[name][0]} and {owner.id}", "each name once")
            contents[name] = (owner.id, element)
    return [element for _, element in contents.values()]


def used_by_others(documents: Documents) -> set[str]:
    """Return the interfaces that others extend or have as a component."""
    used = {name for each in documents.interfaces.values() for name in each.extends}
    elements = (element for each in documents.interfaces.values() for element in each.contents)
    return used | {str(element.get("schema")) for element in elements if "Component" in types_of(element)}


def _check_language(about: str, content: Element) -> None:
    contexts = [str(each) for each in _listed(content.get("@context"))]
    if LANGUAGE not in contexts:
        other = [each for each in contexts if each.startswith(_OTHER_VERSIONS)]
        found = f"is written in {other[0]}" if other else "names no language"
        raise bad_file(about, found, f'DTDL version 3: "{LANGUAGE}" in "@context"', "Convert it, or add the context")


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _part(about: str, graph: Any, name: str) -> Any:
    if not isinstance(graph, dict):
        raise bad_file(about, "has a digitalTwinsGraph that is no object", "twins and relationships")
    return graph.get(name)


def _objects(about: str, value: Any, where: str) -> list[Element]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise bad_file(about, f"has something in {where} that is no object", "an array of objects")
    return list(value)


def plain_names(elements: Iterable[Element]) -> str:
    """Return the names of elements for a sentence."""
    names = [str(each.get("name")) for each in elements]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
