"""The graph in SQL: assets within plants and lines, and what each is part of, by recursive queries."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from data_contracts.asset_graph.graph_nodes import GraphNode, Level, graph_faults
from data_contracts.errors import NotFoundError, did_you_mean

_DEEPEST = 32  # levels above an asset; what was recorded by hand may go in circles
_COLUMNS = ("asset", "level", "parent", "name", "asset_type", "model", "status")
_CREATE = """\
CREATE TABLE node (asset TEXT PRIMARY KEY, level TEXT NOT NULL, parent TEXT, name TEXT, asset_type TEXT, model TEXT,
                   status TEXT) WITHOUT ROWID;
CREATE INDEX node_parent ON node (parent);
CREATE INDEX node_level ON node (level, asset);
"""
# UNION, unlike UNION ALL, visits each asset once: circles end. CROSS JOIN keeps the small side outside.
_WITHIN = """\
WITH RECURSIVE within(asset) AS (
    SELECT value FROM json_each(:roots) UNION
    SELECT node.asset FROM within CROSS JOIN node ON node.parent = within.asset
)
"""
_ABOVE = """\
WITH RECURSIVE above(asset, ancestor, distance) AS (
    SELECT node.asset, node.parent, 1 FROM json_each(:assets) CROSS JOIN node ON node.asset = value
    WHERE node.parent IS NOT NULL
    UNION
    SELECT above.asset, node.parent, distance + 1 FROM above CROSS JOIN node ON node.asset = above.ancestor
    WHERE node.parent IS NOT NULL AND distance < :deepest
)
SELECT above.asset, node.asset, node.level, coalesce(node.name, node.asset)
FROM above CROSS JOIN node ON node.asset = above.ancestor ORDER BY above.asset, distance DESC
"""


class UnknownPlaceError(NotFoundError):
    """A plant, line or asset type of which no asset is recorded; `field` is the part of the query that names it."""

    def __init__(self, field: str, found: str, expected: str, remedy: str) -> None:
        super().__init__(found, expected, remedy)
        self.field = field


@dataclass(frozen=True)
class AssetQuery:
    """Which assets are wanted; all that is given has to hold."""

    plant: str | None = None  # by identifier or name
    line: str | None = None  # by identifier or name
    level: Level | None = "machine"  # None for every level
    asset_type: str | None = None
    after: str | None = None  # assets that follow this one
    limit: int | None = None


@dataclass(frozen=True)
class PlacedAsset:
    """An asset and what it is part of."""

    asset: str
    name: str
    level: Level
    parent: str | None
    asset_type: str | None
    model: str | None
    status: str | None
    plant: str | None  # what people call the plant it stands in
    line: str | None
    path: tuple[str, ...]  # the assets it is part of, the plant first

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return vars(self) | {"path": list(self.path)}


@dataclass(frozen=True)
class AssetPage:
    """Some of the assets that were asked for, sorted by identifier."""

    assets: tuple[PlacedAsset, ...]
    total: int  # how many there are altogether
    following: str | None  # the last asset of the page if others follow


class AssetGraph:
    """Nodes in a database in memory."""

    def __init__(self, nodes: Mapping[str, GraphNode]) -> None:
        self.faults = graph_faults(nodes)
        # Serialised by the lock below.
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._lock = threading.Lock()
        self._connection.executescript(_CREATE)
        marks = ", ".join("?" * len(_COLUMNS))
        rows = map(attrgetter(*_COLUMNS), nodes.values())
        self._connection.executemany(f"INSERT INTO node VALUES ({marks})", rows)  # noqa: S608 - question marks

    def find(self, query: AssetQuery) -> AssetPage:
        """Return the assets of a query; `UnknownPlaceError` if it names a plant, line or type that there is not."""
        with self._lock:
            return self._find(query)

    def _find(self, query: AssetQuery) -> AssetPage:
        roots = self._roots(query)
        if query.asset_type is not None:
            self._check_type(query.asset_type)
        conditions = ["level = :level"] if query.level is not None else []
        conditions += ["asset_type = :asset_type"] if query.asset_type is not None else []
        conditions += ["asset IN within"] if roots is not None else []
        first = "" if roots is None else _WITHIN
        values = {**vars(query), "roots": _json(roots or ())}
        counted = f"{first} SELECT count(*) FROM node{_where(conditions)}"  # noqa: S608 - our words alone
        total = self._all(counted, values)[0][0]
        conditions += ["asset > :after"] if query.after is not None else []
        limit = "" if query.limit is None else f" LIMIT {int(query.limit) + 1}"
        columns = ", ".join(_COLUMNS)
        chosen = f"{first} SELECT {columns} FROM node{_where(conditions)} ORDER BY asset{limit}"  # noqa: S608 - our words alone
        rows = self._all(chosen, values)
        more = query.limit is not None and len(rows) > query.limit
        assets = self._placed(rows[: query.limit])
        return AssetPage(assets, int(total), assets[-1].asset if more else None)

    def _roots(self, query: AssetQuery) -> list[str] | None:
        """Return the nodes under which a query looks; None for everywhere."""
        plants = None if query.plant is None else self._named("plant", query.plant, None)
        if query.line is None:
            return plants
        return self._named("line", query.line, plants, within=query.plant)

    def _named(self, level: Level, name: str, roots: list[str] | None, within: str | None = None) -> list[str]:
        first, condition = ("", "") if roots is None else (_WITHIN, " AND asset IN within")
        of_level = f"{first} SELECT asset, coalesce(name, asset) FROM node WHERE level = :level{condition}"  # noqa: S608
        values = {"level": level, "roots": _json(roots or ()), "name": name}
        found = self._all(f"{of_level} AND (asset = :name OR name = :name) ORDER BY asset", values)
        if not found:
            of = "" if within is None else f" in plant {within!r}"
            known = self._all(f"{of_level} ORDER BY 2", values)
            raise _unknown(level, f"no {level} {name!r}{of}", name, [label for _, label in known])
        return [asset for asset, _ in found]

    def _check_type(self, name: str) -> None:
        rows = self._all("SELECT DISTINCT asset_type FROM node WHERE asset_type IS NOT NULL ORDER BY 1", {})
        known = [str(row[0]) for row in rows]
        if name not in known:
            raise _unknown("asset_type", f"no asset of type {name!r}", name, known)

    def _placed(self, rows: Iterable[tuple[Any, ...]]) -> tuple[PlacedAsset, ...]:
        chosen = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        above: dict[str, list[tuple[str, str, str]]] = {}
        values = {"assets": _json([row["asset"] for row in chosen]), "deepest": _DEEPEST}
        for asset, ancestor, level, label in self._all(_ABOVE, values):
            above.setdefault(asset, []).append((ancestor, level, label))
        return tuple(_placed(row, above.get(row["asset"], [])) for row in chosen)

    def _all(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()


def _placed(row: Mapping[str, Any], above: list[tuple[str, str, str]]) -> PlacedAsset:
    label = row["name"] or row["asset"]
    places = {level: name for _, level, name in above} | {row["level"]: label}
    path = tuple(dict.fromkeys(asset for asset, _, _ in above))
    return PlacedAsset(**{**row, "name": label, "plant": places.get("plant"), "line": places.get("line"), "path": path})


def _unknown(field: str, found: str, name: str, known: Iterable[str]) -> UnknownPlaceError:
    names = list(dict.fromkeys(known))
    hint = did_you_mean(name, names) or ("Correct it" if names else "Import twins, or ingest records of assets, first")
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return UnknownPlaceError(field, found, f"one of {shown}" if names else "assets with a recorded place", hint)


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _json(values: Iterable[str]) -> str:
    return json.dumps(list(values))
