"""Which twin is part of which, by the relationships of a graph."""

from collections.abc import Mapping, Sequence

from data_contracts.asset_graph.graph_nodes import LEVELS, Level
from pipelines.importers.twins.description import Doubt
from pipelines.importers.twins.dtdl.interfaces import Element
from pipelines.importers.twins.identifiers import identifier
from pipelines.importers.twins.levels import level_in_words
from pipelines.importers.twins.raw_twins import bad_file

_UP = ("part_of", "located_in", "component_of", "belongs_to", "contained_in")
_DOWN = ("contains", "consists_of", "includes")
_PARTS = (
    "has_child",
    "has_children",
    "has_asset",
    "has_assets",
    "has_components",
    "has_parts",
    "has_machines",
    "has_lines",
)


def parents_of(
    twins: Sequence[str], relationships: Sequence[Element], levels: Mapping[str, Level | None]
) -> tuple[dict[str, str], list[Doubt]]:
    """Return the parent of each twin that has one; relationships that are no hierarchy are doubts."""
    above: dict[str, set[str]] = {name: set() for name in twins}
    others: dict[str, int] = {}
    for each in relationships:
        source, target, name = (each.get(key) for key in ("$sourceId", "$targetId", "$relationshipName"))
        for end in (source, target):
            if not isinstance(end, str) or end not in above:
                raise bad_file(
                    f"relationship {name!r}", f"has an end {str(end)[:60]!r} that is no twin", "twins of the file"
                )
        direction = _direction(str(name))
        if direction == 0:
            others[str(name)] = others.get(str(name), 0) + 1
        else:
            child, parent = (source, target) if direction > 0 else (target, source)
            above[str(child)].add(str(parent))
    doubts = [Doubt(name, f"is no hierarchy, {count:,} relationships are not read") for name, count in others.items()]
    return _single_parents(above, levels), doubts


def _direction(name: str) -> int:
    """Return 1 for a relationship from a part to what it is part of, -1 for the other way, 0 for another one.

    >>> [_direction(name) for name in ("isPartOf", "located_in_plant", "hasComponent", "contains", "feeds")]
    [1, 1, -1, -1, 0]
    """
    plain = identifier(name).removeprefix("rel_").removeprefix("is_")
    if plain.startswith(_UP):
        return 1
    is_part = plain.startswith("has_") and level_in_words([plain]) is not None
    return -1 if plain.startswith(_DOWN) or plain in _PARTS or is_part else 0


def _single_parents(above: Mapping[str, set[str]], levels: Mapping[str, Level | None]) -> dict[str, str]:
    """Keep the nearest of several parents; a plant beside a line is the line's, where that has none."""
    parents = {child: next(iter(own)) for child, own in above.items() if len(own) == 1}
    for child in sorted(child for child, own in above.items() if len(own) > 1):
        nearest, *further = sorted(above[child], key=lambda each: (-_rank(levels.get(each)), each))
        parents[child] = nearest
        for each in further:
            if _rank(levels.get(each)) == _rank(levels.get(nearest)):
                raise _two_parents(child, nearest, each)
            line = parents.get(nearest) or next(iter(above[nearest]), None)
            if line is None:
                parents[nearest] = each
            elif not _lies_in(nearest, each, parents):
                raise _two_parents(child, nearest, each)
    return parents


def _lies_in(asset: str, place: str, parents: Mapping[str, str]) -> bool:
    seen = set()
    while asset in parents and asset not in seen:
        seen.add(asset)
        asset = parents[asset]
        if asset == place:
            return True
    return False


def _rank(level: Level | None) -> int:
    return LEVELS.index(level) if level is not None else len(LEVELS)


def _two_parents(child: str, one: str, other: str) -> Exception:
    found = f"is part of {one} and of {other}, which does not hold that"
    return bad_file(child, found, "one parent, or several that hold each other", "Remove a relationship")
