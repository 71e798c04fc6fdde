"""Which asset is part of which, by the submodel Hierarchical Structures enabling Bills of Material (IDTA 02011).

The nodes of its archetypes Full and OneDown hold their parts, that of OneUp what it is part of; relationships HasPart
and IsPartOf say it where nodes stand side by side.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.importers.twins.aas.semantics import last_key, semantic_ids
from pipelines.importers.twins.raw_twins import bad_file

if TYPE_CHECKING:
    from basyx.aas.model import Entity, Submodel

_MOST_NODES = 200_000


@dataclass
class Hierarchy:
    """Parents by node, and the parts that have no shell of their own, by identifier."""

    shells: Mapping[str, str]  # the nodes of shells by global asset id
    parents: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)  # the name of each part without a shell
    _stated: dict[str, str] = field(default_factory=dict)  # parents by relationships

    def add(self, submodel: "Submodel", shell: str) -> None:
        """Take in the hierarchy that a submodel of a shell describes."""
        from basyx.aas.model import Entity

        upwards = any(str(getattr(each, "value", "")) == "OneUp" for each in submodel.submodel_element)
        entries = [each for each in submodel.submodel_element if isinstance(each, Entity)]
        nodes: dict[str, list[str]] = {}
        for entry in sorted(entries, key=lambda each: each.id_short or ""):
            top = self.shells.get(entry.global_asset_id or "", shell)
            self._walk(entry, top, nodes, upwards=upwards)
        for child, parent in _related(submodel.submodel_element, entries):
            self._relate(nodes, child, parent, upwards=upwards)

    def all_parents(self) -> dict[str, str]:
        """Return the parent of each node that has one."""
        return self.parents | self._stated

    def _walk(self, entry: "Entity", top: str, nodes: dict[str, list[str]], *, upwards: bool) -> None:
        waiting = deque([(entry, top)])
        while waiting:
            entity, node = waiting.popleft()
            nodes.setdefault(entity.id_short or "", []).append(node)
            if len(self.parents) > _MOST_NODES:
                raise bad_file(top, "has a hierarchy of more than 200,000 nodes", "the parts of one plant")
            for part in sorted(_entities(entity.statement), key=lambda each: each.id_short or ""):
                below = self._node(part, node)
                child, parent = (node, below) if upwards else (below, node)
                if self.parents.setdefault(child, parent) != parent:
                    raise _two_parents(child, self.parents[child], parent)
                waiting.append((part, below))

    def _node(self, entity: "Entity", holder: str) -> str:
        own = self.shells.get(entity.global_asset_id or "")
        if own is not None:
            return own
        name = f"{holder}/{entity.id_short}"
        self.parts[name] = entity.id_short or name
        return name

    def _relate(self, nodes: Mapping[str, list[str]], child: str, parent: str, *, upwards: bool) -> None:
        below, above = nodes.get(child, []), nodes.get(parent, [])
        if len(below) != 1 or len(above) != 1 or upwards:
            return  # a name that several nodes have says nothing that their places do not
        if self._stated.setdefault(below[0], above[0]) != above[0]:
            raise _two_parents(below[0], self._stated[below[0]], above[0])


def _entities(statements: Iterable[Any]) -> Iterator["Entity"]:
    from basyx.aas.model import Entity

    return (each for each in statements if isinstance(each, Entity))


def _related(elements: Iterable[Any], entries: Iterable["Entity"]) -> Iterator[tuple[str, str]]:
    """Return child and parent of each relationship, by the names of their nodes."""
    from basyx.aas.model import RelationshipElement

    waiting = [*elements, *entries]
    seen: set[int] = set()
    while waiting:
        element = waiting.pop()
        if id(element) in seen:
            continue
        seen.add(id(element))
        waiting += list(getattr(element, "statement", ()))
        if isinstance(element, RelationshipElement):
            meaning = " ".join([*semantic_ids(element), element.id_short or ""]).lower()
            first, second = last_key(element.first), last_key(element.second)
            if "haspart" in meaning:
                yield second, first
            elif "ispartof" in meaning:
                yield first, second


def _two_parents(child: str, one: str, other: str) -> Exception:
    return bad_file(child, f"is part of {one} and of {other}", "one parent", "Remove it from one of them")
