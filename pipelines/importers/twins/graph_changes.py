"""What a description changes about the places of assets: rows of the graph, and records of its machines.

What is stored already is not stored again, and what a description does not say stays as it was. A machine's record gets
its plant and line where it has none, as a correction that is known from now on; one that names another place moves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.asset_graph.graph_nodes import GRAPH, GraphNode, find_circle, nodes_at
from data_contracts.contract.contract import empty_table
from data_contracts.tables import tables
from data_contracts.tables.corrections import latest_records
from data_contracts.tables.service_records import ASSETS, derived_records
from data_contracts.workspace import Workspace
from pipelines.importers.twins.description import Doubt, TwinAsset, TwinDescription
from pipelines.importers.twins.raw_twins import bad_file

_SAID = ("parent", "name", "asset_type", "model")


@dataclass(frozen=True)
class GraphChanges:
    """Rows to store."""

    graph: pd.DataFrame
    records: pd.DataFrame
    doubts: tuple[Doubt, ...]


def graph_changes(
    workspace: Workspace | None, description: TwinDescription, *, since: pd.Timestamp, now: pd.Timestamp
) -> GraphChanges:
    """Return what is new in a description about assets that are in their places since a time."""
    stored = _read(workspace, GRAPH)
    before = _latest(stored)
    rows = [row for asset in description.assets if (row := _changed(asset, before.get(asset.asset))) is not None]
    graph = _frame(GRAPH, rows, since, now)
    records = _read(workspace, ASSETS)
    together = pd.concat([stored, graph], ignore_index=True) if len(graph) else stored
    nodes = nodes_at(together, records, now)
    _check_circles(nodes)
    changed, doubts = _records(description.assets, nodes, records, since, now)
    return GraphChanges(graph, changed, tuple(doubts))


def _read(workspace: Workspace | None, table: str) -> pd.DataFrame:
    return empty_table(table) if workspace is None else tables.read(workspace, table)


def _latest(frame: pd.DataFrame) -> dict[str, Mapping[str, Any]]:
    """Return the latest row of each asset."""
    latest = latest_records(frame)
    rows = latest.astype(object).where(latest.notna(), None).to_dict("records")
    return {row["asset"]: {str(name): value for name, value in row.items()} for row in rows}


def _changed(asset: TwinAsset, stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    row = {"asset": asset.asset, "level": asset.level, **{name: getattr(asset, name) for name in _SAID}}
    if stored is None:
        return row
    kept = {name: row[name] if row[name] is not None else stored.get(name) for name in _SAID}
    row |= {**kept, "status": stored.get("status")}
    same = row["level"] == stored["level"] and all(row[name] == stored.get(name) for name in _SAID)
    return None if same else row


def _frame(table: str, rows: Iterable[Mapping[str, Any]], since: pd.Timestamp, now: pd.Timestamp) -> pd.DataFrame:
    filled = [{"event_time": since, "known_time": now, **row} for row in rows]
    columns = {
        name: pd.Series([row.get(str(name)) for row in filled], dtype=dtype)
        for name, dtype in empty_table(table).dtypes.items()
    }
    return pd.DataFrame(columns)


def _check_circles(nodes: Mapping[str, GraphNode]) -> None:
    circle = find_circle({node.asset: node.parent for node in nodes.values()})
    if circle:
        found = "are each part of the next, together with what the workspace has"
        raise bad_file(", ".join(circle), found, "a hierarchy without circles", "Correct the file, or the stored rows")


def _records(
    assets: Iterable[TwinAsset],
    nodes: Mapping[str, GraphNode],
    records: pd.DataFrame,
    since: pd.Timestamp,
    now: pd.Timestamp,
) -> tuple[pd.DataFrame, list[Doubt]]:
    derived = set(records.loc[derived_records(records), "asset"])
    latest = _latest(records)
    rows, doubts = [], list[Doubt]()
    for asset in assets:
        if asset.level != "machine":
            continue
        said = {"asset_type": asset.asset_type, "model": asset.model, **_place(asset.asset, nodes)}
        record = latest.get(asset.asset)
        if record is None:
            rows.append({"asset": asset.asset, **said})
            continue
        doubts += _contradictions(asset, record)
        changed = _changed_record(said, record)
        if changed is not None and asset.asset in derived:
            # What follows from readings gives way to what is stated: so state what it said, as known then.
            rows.append({name: record.get(name) for name in ("asset", "event_time", "known_time", "asset_type")})
        rows += [] if changed is None else [changed]
    return _frame(ASSETS, rows, since, now), doubts


def _place(asset: str, nodes: Mapping[str, GraphNode]) -> dict[str, str | None]:
    """Return what people call the plant and the line of an asset."""
    place: dict[str, str | None] = {"plant": None, "line": None}
    node = nodes.get(asset)
    while node is not None:
        if node.level in place and place[node.level] is None:
            place[node.level] = node.label
        node = None if node.parent is None else nodes.get(node.parent)
    return place


def _contradictions(asset: TwinAsset, record: Mapping[str, Any]) -> Iterable[Doubt]:
    for name, word in (("asset_type", "type"), ("model", "model")):
        said, recorded = getattr(asset, name), record.get(name)
        if said is not None and recorded is not None and said != recorded:
            hint = f"; --asset-type {recorded} takes it for that" if name == "asset_type" else ""
            yield Doubt(asset.asset, f"is recorded with the {word} {recorded}, not {said}; the record stays{hint}")


def _changed_record(said: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the record with what is new; as a correction, unless the machine stands elsewhere now."""
    place = {name: said[name] for name in ("plant", "line") if said[name] is not None}
    moved = any(record.get(name) is not None and record[name] != value for name, value in place.items())
    new = {name: value for name, value in place.items() if record.get(name) != value}
    if record.get("model") is None and said["model"] is not None:
        new["model"] = said["model"]
    if not new:
        return None
    kept = {name: record.get(name) for name in ("asset", "asset_type", "model", "plant", "line")}
    when = {} if moved else {"event_time": record["event_time"], "status": record.get("status")}
    return {**kept, **when, **new}
