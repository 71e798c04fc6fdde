"""From what the readers find to a description: levels, names, the channels of components given to their machines."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from data_contracts.asset_graph.graph_nodes import Level, find_circle, line_id
from pipelines.importers.twins.description import (
    Doubt,
    Standard,
    TwinAsset,
    TwinChannel,
    TwinDescription,
    TwinProperty,
    TwinType,
)
from pipelines.importers.twins.identifiers import identifier
from pipelines.importers.twins.levels import level_in_words, may_contain
from pipelines.importers.twins.raw_twins import RawNode, bad_file

_MACHINE: Final = "machine"
_DEEPEST = 32
_RESERVED = ("asset", "event_time", "known_time", "source", "stored_version")


@dataclass(frozen=True)
class Places:
    """Where machines stand that a description gives no place; and what their type is called."""

    plant: str | None = None
    line: str | None = None
    asset_type: str | None = None


def describe(
    standard: Standard, nodes: Sequence[RawNode], doubts: Iterable[Doubt] = (), places: Places | None = None
) -> TwinDescription:
    """Make one description of what a reader found; `UsageError` for what cannot be one."""
    places = places or Places()
    nodes = _with_places(nodes, places)
    by_id = _checked(nodes)
    building = _Building(standard, by_id, _children(nodes), list(doubts))
    levels = {node.id: building.level(node) for node in _parents_first(nodes, by_id)}
    machines = [node for node in nodes if levels[node.id] == _MACHINE]
    types, type_of = building.types(machines, places.asset_type)
    assets = [_asset(node, levels[node.id], type_of.get(node.id)) for node in nodes if not node.is_type]
    return TwinDescription(
        standard=standard,
        types=tuple(sorted(types, key=lambda each: each.name)),
        assets=tuple(sorted(assets, key=lambda each: each.asset)),
        doubts=tuple(dict.fromkeys(building.doubts)),
    )


@dataclass
class _Building:
    standard: Standard
    by_id: Mapping[str, RawNode]
    children: Mapping[str | None, list[RawNode]]
    doubts: list[Doubt]
    levels: dict[str, Level] = field(default_factory=dict)

    def level(self, node: RawNode) -> Level:
        """Return the level of a node whose parent's is known."""
        above = None if node.parent is None else self.levels[node.parent]
        level = node.level or self._guess(node, above)
        if above is not None and not may_contain(above, level):
            raise bad_file(
                node.id,
                f"is a {level}, and part of the {above} {node.parent}",
                "plants that hold lines, lines that hold machines, and machines that hold components",
            )
        self.levels[node.id] = level
        return level

    def _guess(self, node: RawNode, above: Level | None) -> Level:
        named = level_in_words(node.words)
        if above in (_MACHINE, "component"):
            # A line within a machine is one of coolant.
            return "plant" if named == "plant" else "component"
        if named in ("plant", "line") and (above is None or may_contain(above, named)):
            return named
        if node.channels or named == _MACHINE:
            return _MACHINE
        below = self.children.get(node.id, [])
        holds_machines = any(level_in_words(each.words) != "component" for each in below)
        guessed: Level = "line" if holds_machines else _MACHINE
        if not node.is_type:
            why = " for what it holds" if below else ""
            self.doubts.append(Doubt(node.id, f"nothing says what it is; it is taken for a {guessed}{why}"))
        return guessed

    def types(self, machines: Sequence[RawNode], wanted: str | None) -> tuple[list[TwinType], dict[str, str]]:
        """Return the asset types of machines, alike ones together, and each machine's."""
        types: dict[str, TwinType] = {}
        type_of: dict[str, str] = {}
        named: dict[str, list[str]] = {}
        for node in machines:
            name = identifier(wanted or node.type_name or node.model or node.id) or _MACHINE
            own = TwinType(name, node.type_description, *self._contents(node))
            # Of one name alone: machines of other names may only happen to have the same channels.
            variants = named.setdefault(name, [])
            alike = next((types[each] for each in variants if _essence(types[each]) == _essence(own)), None)
            if alike is None:
                if name in types:
                    own = replace(own, name=_free(name, types))
                    sentence = f"has other channels than others of the type {name}, and is of the type {own.name}"
                    self.doubts.append(Doubt(node.id, sentence))
                types[own.name] = alike = own
                variants.append(own.name)
            type_of[node.id] = alike.name
        return list(types.values()), type_of

    def _contents(self, machine: RawNode) -> tuple[tuple[TwinChannel, ...], tuple[TwinProperty, ...]]:
        channels, properties = list(machine.channels), list(machine.properties)
        waiting = deque(self.children.get(machine.id, []))
        while waiting:
            node = waiting.popleft()
            component = node.name or node.id.rpartition("/")[2]
            channels += [replace(each, component=each.component or component) for each in node.channels]
            waiting += self.children.get(node.id, [])
        named = self._named_channels(machine, channels)
        return named, _named_properties(machine, properties, {each.name for each in named})

    def _named_channels(self, machine: RawNode, channels: Sequence[TwinChannel]) -> tuple[TwinChannel, ...]:
        plain = [
            replace(each, name=identifier(each.name), component=_component(each), source=each.source or each.name)
            for each in channels
        ]
        for raw, each in zip(channels, plain, strict=True):
            if not each.name:
                raise bad_file(machine.id, f"has a channel named {raw.name!r}", "names with letters or digits")
        often = Counter(each.name for each in plain)
        named = []
        for each in plain:
            taken = often[each.name] > 1 or each.name in _RESERVED
            named.append(replace(each, name=f"{each.component or 'machine'}_{each.name}") if taken else each)
        often = Counter(each.name for each in named)
        twice = [each for each in named if often[each.name] > 1]
        if twice:
            found = f"has the channel {twice[0].name} {often[twice[0].name]} times: {_sources(twice, twice[0].name)}"
            raise bad_file(machine.id, found, "channels with names of their own", "Rename all but one in the file")
        return tuple(sorted(named, key=lambda each: each.name))


def _component(channel: TwinChannel) -> str | None:
    return None if channel.component is None else identifier(channel.component) or None


def _sources(channels: Iterable[TwinChannel], name: str) -> str:
    return ", ".join(each.source or "?" for each in channels if each.name == name)


def _named_properties(
    machine: RawNode, properties: Sequence[TwinProperty], channels: set[str]
) -> tuple[TwinProperty, ...]:
    named: dict[str, TwinProperty] = {}
    for each in properties:
        name = identifier(each.name)
        if not name:
            raise bad_file(machine.id, f"has a property named {each.name!r}", "names with letters or digits")
        while name in channels:
            name += "_property"
        if name in named:
            found = f"has the property {name} twice: {named[name].source}, {each.source}"
            raise bad_file(machine.id, found, "properties with names of their own", "Rename one in the file")
        named[name] = replace(each, name=name, source=each.source or each.name)
    return tuple(named[name] for name in sorted(named))


def _essence(kind: TwinType) -> tuple[object, ...]:
    """Return what machines of one type share: not where a file has it, as data items have ids of their own."""
    return (
        tuple(replace(each, source="") for each in kind.channels),
        tuple(replace(each, source="") for each in kind.properties),
    )


def _free(name: str, taken: Mapping[str, TwinType]) -> str:
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _asset(node: RawNode, level: Level, asset_type: str | None) -> TwinAsset:
    name = None if node.name == node.id else node.name
    return TwinAsset(node.id, level, node.parent, name or None, asset_type, node.model, node.source or node.id)


def _with_places(nodes: Sequence[RawNode], places: Places) -> list[RawNode]:
    """Put nodes that are part of nothing, and are no plants or lines, where the caller says that they are."""
    place, above = places.plant, []
    if places.plant is not None:
        above.append(RawNode(places.plant, level="plant"))
    if places.line is not None:
        place = line_id(places.plant, places.line)
        above.append(RawNode(place, parent=places.plant, level="line", name=places.line))
    if place is None:
        return list(nodes)
    known = {node.id for node in nodes}
    placed = [replace(node, parent=place) if _is_loose(node) else node for node in nodes]
    return [*(each for each in above if each.id not in known), *placed]


def _is_loose(node: RawNode) -> bool:
    is_place = (node.level or level_in_words(node.words)) in ("plant", "line")
    return node.parent is None and not node.is_type and not is_place


def _checked(nodes: Sequence[RawNode]) -> dict[str, RawNode]:
    counts = Counter(node.id for node in nodes)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise bad_file(twice[0], f"is described {counts[twice[0]]} times", "identifiers of their own")
    by_id = {node.id: node for node in nodes}
    for node in nodes:
        if not node.id.strip() or len(node.id) > 255 or "\0" in node.id:
            raise bad_file(repr(node.id[:60]), "is no identifier", "1 to 255 characters", "Name it in the file")
        if node.parent is not None and node.parent not in by_id:
            raise bad_file(node.id, f"is part of {node.parent}, which is not described", "a described parent")
    circle = find_circle({node.id: node.parent for node in nodes})
    if circle:
        raise bad_file(", ".join(circle), "are each part of the next", "a hierarchy without circles")
    return by_id


def _children(nodes: Iterable[RawNode]) -> dict[str | None, list[RawNode]]:
    children: dict[str | None, list[RawNode]] = {}
    for node in nodes:
        children.setdefault(node.parent, []).append(node)
    return children


def _parents_first(nodes: Sequence[RawNode], by_id: Mapping[str, RawNode]) -> list[RawNode]:
    return sorted(nodes, key=lambda node: _depth(node, by_id))


def _depth(node: RawNode, by_id: Mapping[str, RawNode]) -> int:
    depth, start = 0, node
    while node.parent is not None:
        node, depth = by_id[node.parent], depth + 1
        if depth > _DEEPEST:
            raise bad_file(start.id, "lies deeper than 32 levels", "a hierarchy of at most 32 levels")
    return depth
