"""The nodes of the graph at a time: what was recorded about places, and what the records of machines imply.

A record of a machine names its plant and line: these are nodes although nobody recorded them as such. Where a machine
has both, a row of the graph and a record with a place, the statement about the later time counts, and of one time the
one known last.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import pandas as pd

from data_contracts.tables.corrections import latest_records

Level = Literal["plant", "line", "machine", "component"]
LEVELS: tuple[Level, ...] = get_args(Level)
GRAPH = "asset_graph"
"""The table of the graph's rows."""
_USED = (
    *("asset", "level", "parent", "name", "asset_type", "model", "status", "plant", "line"),
    *("event_time", "known_time"),
)


@dataclass(frozen=True)
class GraphNode:
    """A plant, line, machine or component."""

    asset: str
    level: Level
    parent: str | None = None
    name: str | None = None  # what people call it; None if that is its identifier
    asset_type: str | None = None
    model: str | None = None
    status: str | None = None
    since: pd.Timestamp | None = None  # None of what records of machines merely imply
    known: pd.Timestamp | None = None

    @property
    def label(self) -> str:
        """Return what people call it."""
        return self.name or self.asset


def line_id(plant: str | None, line: str) -> str:
    """Return the identifier of a line that is known by its name alone, which other plants may have too.

    Examples
    --------
    >>> line_id("north", "line-1"), line_id(None, "line-1")
    ('north/line-1', 'line-1')
    """
    return line if plant is None else f"{plant}/{line}"


def nodes_at(graph: pd.DataFrame, records: pd.DataFrame, as_of: pd.Timestamp) -> dict[str, GraphNode]:
    """Return the nodes by asset as known at a time, from rows of the graph and records of machines."""
    nodes = {node.asset: node for node in map(_node, _known_rows(graph, as_of))}
    plants = {name: node.asset for node in nodes.values() if node.level == "plant" for name in (node.label, node.asset)}
    lines = _lines_by_place(nodes)
    implied: dict[str, GraphNode] = {}
    for record in _known_rows(records, as_of):
        place = _implied_place(record, plants, lines, implied)
        own = nodes.get(record["asset"])
        nodes[record["asset"]] = _machine(record, place) if own is None else _joined(own, record, place)
    return implied | nodes


def _known_rows(frame: pd.DataFrame, as_of: pd.Timestamp) -> Iterator[dict[str, Any]]:
    latest = latest_records(frame[(frame["known_time"] <= as_of) & (frame["event_time"] <= as_of)])
    names = [name for name in _USED if name in latest.columns]
    # Column by column: row by row takes three times as long.
    columns = (latest[name].astype(object).where(latest[name].notna(), None).tolist() for name in names)
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _node(row: Mapping[str, Any]) -> GraphNode:
    return GraphNode(
        row["asset"],
        row["level"],
        row.get("parent"),
        row.get("name"),
        row.get("asset_type"),
        row.get("model"),
        row.get("status"),
        row["event_time"],
        row["known_time"],
    )


def _machine(record: Mapping[str, Any], place: str | None) -> GraphNode:
    words = {name: record.get(name) for name in ("asset_type", "model", "status")}
    return GraphNode(record["asset"], "machine", place, since=record["event_time"], known=record["known_time"], **words)


def _joined(own: GraphNode, record: Mapping[str, Any], place: str | None) -> GraphNode:
    words = {name: record.get(name) or getattr(own, name) for name in ("asset_type", "model", "status")}
    later = (
        own.since is None or own.known is None or (record["event_time"], record["known_time"]) > (own.since, own.known)
    )
    if place is None or (own.parent is not None and not later):
        return replace(own, **words)
    return replace(own, parent=place, since=record["event_time"], known=record["known_time"], **words)


def _lines_by_place(nodes: Mapping[str, GraphNode]) -> dict[tuple[str | None, str], str]:
    """Return the recorded lines by plant and line, each by identifier or name."""
    lines: dict[tuple[str | None, str], str] = {}
    for node in nodes.values():
        if node.level == "line":
            above = nodes.get(node.parent) if node.parent is not None else None
            for plant in {None, node.parent, None if above is None else above.label}:
                for name in {node.asset, node.label}:
                    lines.setdefault((plant, name), node.asset)
    return lines


def _implied_place(
    record: Mapping[str, Any],
    plants: Mapping[str, str],
    lines: Mapping[tuple[str | None, str], str],
    implied: dict[str, GraphNode],
) -> str | None:
    """Return the node of the line or plant that a record names, which is added to `implied` if nobody recorded it."""
    plant, line = record.get("plant"), record.get("line")
    if line is not None and (plant, line) in lines:
        return lines[plant, line]
    above = None if plant is None else plants.get(plant, plant)
    if above is not None and plant not in plants:
        implied.setdefault(above, GraphNode(above, "plant"))
    if line is None:
        return above
    place = line_id(above, line)
    implied.setdefault(place, GraphNode(place, "line", above, None if place == line else line))
    return place


def graph_faults(nodes: Mapping[str, GraphNode]) -> tuple[str, ...]:
    """Say what keeps assets from their place: parents that are not recorded, and circles."""
    missing = Counter(node.parent for node in nodes.values() if node.parent is not None and node.parent not in nodes)
    faults = [f"{parent} is not recorded, and is the parent of {count:,}" for parent, count in sorted(missing.items())]
    circle = find_circle({node.asset: node.parent for node in nodes.values()})
    return (*faults, f"each is part of the next: {', '.join(circle)}") if circle else tuple(faults)


def find_circle(parents: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the first circle among the parents of assets, closed, in the order of the assets; empty if there is none.

    Examples
    --------
    >>> find_circle({"a": "b", "b": "c", "c": "b"})
    ('b', 'c', 'b')
    """
    done: set[str] = set()
    for start in parents:
        path: dict[str, None] = {}
        asset: str | None = start
        while asset is not None and asset in parents and asset not in done and asset not in path:
            path[asset] = None
            asset = parents[asset]
        if asset is not None and asset in path:
            around = [*path]
            return (*around[around.index(asset) :], asset)
        done.update(path)
    return ()
