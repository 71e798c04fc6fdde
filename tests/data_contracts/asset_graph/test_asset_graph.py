"""The graph of assets: what is within what, as known at a time."""

from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.asset_graph.graph_nodes import LEVELS, GraphNode, find_circle, nodes_at
from data_contracts.asset_graph.graph_query import AssetGraph, AssetQuery, UnknownPlaceError
from data_contracts.asset_graph.stored_graph import StoredGraph, read_graph
from data_contracts.contract.contract import empty_table, load_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.workspace import Workspace

T = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
DAY = pd.Timedelta("1D")


def rows(table: str, *given: dict[str, Any]) -> pd.DataFrame:
    filled = [{"event_time": T, "known_time": T} | row for row in given]
    types = empty_table(table).dtypes.items()
    return pd.DataFrame({name: pd.Series([row.get(name) for row in filled], dtype=dtype) for name, dtype in types})


def found(graph: AssetGraph, **query: Any) -> list[str]:
    return [asset.asset for asset in graph.find(AssetQuery(**query)).assets]


@st.composite
def forests(draw: st.DrawFn) -> dict[str, GraphNode]:
    """Plants, lines, machines and components, each part of something of a higher level or of nothing."""
    levels = draw(st.lists(st.sampled_from(LEVELS), max_size=30))
    ordered = [(f"n{number}", level) for number, level in enumerate(sorted(levels, key=LEVELS.index))]
    nodes = {}
    for number, (name, level) in enumerate(ordered):
        above = [other for other, its in ordered[:number] if LEVELS.index(its) < LEVELS.index(level)]
        parent = draw(st.sampled_from([None, *above]))
        label = draw(st.sampled_from([None, "alike", "other"]))
        nodes[name] = GraphNode(name, level, parent, label)
    return nodes


def within(nodes: dict[str, GraphNode], name: str, places: set[str]) -> bool:
    """Return the slow, obvious answer: whether a node is one of some places, or part of one."""
    node: GraphNode | None = nodes[name]
    while node is not None:
        if node.asset in places:
            return True
        node = None if node.parent is None else nodes[node.parent]
    return False


@given(nodes=forests(), level=st.sampled_from([None, *LEVELS]), data=st.data())
def test_sql_finds_what_walking_up_finds(nodes: dict[str, GraphNode], level: Any, data: st.DataObject) -> None:
    """Recursive SQL agrees with following parents one by one, for a plant, and for a line within it."""
    graph = AssetGraph(nodes)
    labels = {kind: sorted({n.label for n in nodes.values() if n.level == kind}) for kind in ("plant", "line")}
    plant = data.draw(st.sampled_from([None, *labels["plant"]]))
    line = data.draw(st.sampled_from([None, *labels["line"]]))
    everywhere = set(nodes)
    plants = {n.asset for n in nodes.values() if n.level == "plant" and n.label == plant} if plant else everywhere
    lines = {
        n.asset for n in nodes.values() if n.level == "line" and n.label == line and within(nodes, n.asset, plants)
    }
    places = lines if line else plants
    if line and not lines:
        with pytest.raises(UnknownPlaceError, match=line) as error:
            found(graph, plant=plant, line=line, level=level)
        assert error.value.field == "line"
        return
    expected = [n for n in sorted(nodes) if within(nodes, n, places) and level in (None, nodes[n].level)]
    assert found(graph, plant=plant, line=line, level=level) == expected


@given(nodes=forests(), limit=st.integers(1, 7))
def test_pages_are_the_whole(nodes: dict[str, GraphNode], limit: int) -> None:
    """Pages hold every asset once, in order; each says how many there are."""
    graph = AssetGraph(nodes)
    pages, after = [], None
    while True:
        page = graph.find(AssetQuery(level=None, after=after, limit=limit))
        assert page.total == len(nodes)
        pages += [asset.asset for asset in page.assets]
        after = page.following
        if after is None:
            break
    assert pages == sorted(nodes)


@given(nodes=forests())
def test_the_path_of_an_asset_leads_to_it(nodes: dict[str, GraphNode]) -> None:
    """It begins with what is part of nothing, and each is the parent of the next."""
    for asset in AssetGraph(nodes).find(AssetQuery(level=None)).assets:
        chain = [*asset.path, asset.asset]
        assert nodes[chain[0]].parent is None
        assert [nodes[name].parent for name in chain[1:]] == chain[:-1]
        plants = [nodes[name].label for name in chain if nodes[name].level == "plant"]
        assert asset.plant == (plants[-1] if plants else None)


def test_a_circle_of_stored_rows_ends_and_is_named() -> None:
    """Rows that somebody wrote by hand may go in circles: nobody waits for ever, and it is said."""
    nodes = {name: GraphNode(name, "component", parent) for name, parent in (("a", "b"), ("b", "c"), ("c", "b"))}
    graph = AssetGraph(nodes | {"m": GraphNode("m", "machine", "nowhere")})
    assert found(graph, level=None) == ["a", "b", "c", "m"]
    assert graph.faults == ("nowhere is not recorded, and is the parent of 1", "each is part of the next: b, c, b")


@given(parents=st.dictionaries(st.integers(0, 9), st.none() | st.integers(0, 12), max_size=10))
def test_a_circle_is_found_where_there_is_one(parents: dict[int, int | None]) -> None:
    """As walking up from everywhere tells."""
    by_name = {str(child): None if parent is None else str(parent) for child, parent in parents.items()}
    circle = find_circle(by_name)

    def returns(start: str) -> bool:
        at: str | None = start
        for _ in range(len(by_name) + 1):
            at = by_name.get(at) if at is not None else None
            if at == start:
                return True
        return False

    assert bool(circle) == any(map(returns, by_name))
    if circle:
        assert circle[0] == circle[-1]
        assert all(by_name[child] == parent for child, parent in pairwise(circle))


def test_records_of_machines_imply_plants_and_lines() -> None:
    """A line is its plant's: lines of one name in two plants are two."""
    records = rows(
        "assets",
        {"asset": "m1", "asset_type": "mill", "plant": "north", "line": "l1"},
        {"asset": "m2", "asset_type": "mill", "plant": "south", "line": "l1"},
        {"asset": "m3", "asset_type": "mill", "line": "l1"},
        {"asset": "m4", "asset_type": "mill"},
    )
    nodes = nodes_at(empty_table("asset_graph"), records, T)
    assert {name: (node.level, node.parent) for name, node in nodes.items()} == {
        "north": ("plant", None),
        "north/l1": ("line", "north"),
        "south": ("plant", None),
        "south/l1": ("line", "south"),
        "l1": ("line", None),
        "m1": ("machine", "north/l1"),
        "m2": ("machine", "south/l1"),
        "m3": ("machine", "l1"),
        "m4": ("machine", None),
    }
    assert found(AssetGraph(nodes), line="l1") == ["m1", "m2", "m3"]
    assert found(AssetGraph(nodes), plant="south", line="l1") == ["m2"]


def test_a_record_finds_the_recorded_line_by_its_name() -> None:
    """A record names places as people do; a plant or line that is recorded under that name is the one."""
    graph = rows(
        "asset_graph",
        {"asset": "p", "level": "plant", "name": "North works"},
        {"asset": "x", "level": "line", "parent": "p", "name": "Housings"},
    )
    records = rows(
        "assets",
        {"asset": "m1", "asset_type": "mill", "plant": "North works", "line": "Housings"},
        {"asset": "m2", "asset_type": "mill", "plant": "North works", "line": "Shafts"},
        {"asset": "m3", "asset_type": "mill", "plant": "p"},
    )
    nodes = nodes_at(graph, records, T)
    assert [nodes[name].parent for name in ("m1", "m2", "m3")] == ["x", "p/Shafts", "p"]
    assert nodes["p/Shafts"].parent == "p"


@pytest.mark.parametrize(("record_days", "expected"), [(1, "south/l2"), (-1, "north/l1")])
def test_the_statement_about_the_later_time_counts(record_days: int, expected: str) -> None:
    """Between a row of the graph and a machine's record with a place."""
    graph = rows(
        "asset_graph",
        {"asset": "north", "level": "plant"},
        {"asset": "north/l1", "level": "line", "parent": "north"},
        {"asset": "m", "level": "machine", "parent": "north/l1", "asset_type": "mill"},
    )
    at = T + record_days * DAY
    record = {"asset": "m", "asset_type": "mill", "plant": "south", "line": "l2", "event_time": at, "known_time": at}
    nodes = nodes_at(graph, rows("assets", record), T + 2 * DAY)
    assert nodes["m"].parent == expected
    unplaced = record | {"plant": None, "line": None, "status": "retired"}
    later = nodes_at(graph, rows("assets", unplaced), T + 2 * DAY)["m"]
    assert (later.parent, later.status) == ("north/l1", "retired")


def test_what_became_known_later_does_not_count(workspace: Workspace) -> None:
    """Corrections count by known time, and the graph is read again when a table or the time has moved on."""
    contract, now = load_contract("asset_graph"), T + 10 * DAY
    stored = StoredGraph(workspace)
    assert found(stored.at(T), level=None) == []
    first = rows("asset_graph", {"asset": "p", "level": "plant"}, {"asset": "m", "level": "machine", "parent": "p"})
    ingest(workspace, first, contract, now=now)
    assert found(stored.at(T), plant="p") == ["m"]
    # Known three days later: it had never stood there.
    late = rows(
        "asset_graph",
        {"asset": "q", "level": "plant"},
        {"asset": "m", "level": "machine", "parent": "q", "known_time": T + 3 * DAY},
    )
    ingest(workspace, late, contract, now=now)
    assert found(stored.at(T + 2 * DAY), plant="p") == ["m"]
    assert found(stored.at(T + 3 * DAY), plant="q") == ["m"]
    assert found(stored.at(T + 2 * DAY), plant="q") == []
    assert found(read_graph(workspace, T - DAY), level=None) == []


def test_fifty_thousand_machines_are_found_by_plant() -> None:
    """No statement grows with the fleet."""
    nodes = {f"p{number}": GraphNode(f"p{number}", "plant") for number in range(50)}
    nodes |= {f"m{number:05}": GraphNode(f"m{number:05}", "machine", f"p{number % 50}") for number in range(50_000)}
    page = AssetGraph(nodes).find(AssetQuery(plant="p7", limit=10))
    assert (page.total, [asset.asset for asset in page.assets][:2]) == (1000, ["m00007", "m00057"])
