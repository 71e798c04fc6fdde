"""`GET /assets`: filters that compose, pages, and what is unknown; over HTTP, in one process."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data_contracts.contract.contract import load_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.workspace import Workspace, init_workspace
from serving.http.callers.authentication import scopes_for
from serving.routes.planning_routes import routes
from serving.settings import Settings
from tests.serving.conftest import ASSETS, BEGIN

NOW = pd.Timestamp("2015-01-09T00:00Z").as_unit("us")
GRAPH = (
    ("north", "plant", None, "North works"),
    ("north/l1", "line", "north", "line1"),
    ("mill-1", "machine", "north/l1", None),
    ("mill-1/spindle", "component", "mill-1", "spindle"),
)


def store_graph(workspace: Workspace, rows: Any = GRAPH, *, at: pd.Timestamp = BEGIN) -> None:
    frame = pd.DataFrame(rows, columns=["asset", "level", "parent", "name"]).assign(event_time=at, known_time=at)
    frame["asset_type"] = ["mill" if level == "machine" else None for level in frame["level"]]
    ingest(workspace, frame, load_contract("asset_graph"), now=NOW)


@pytest.fixture
def plant(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Copy the workspace, whose 60 machines have records and no row of the graph; these tests write."""
    made = init_workspace(tmp_path / "workspace")
    shutil.copytree(workspace.tables_url, made.tables_url, dirs_exist_ok=True)
    return made


@pytest.fixture
def client(plant: Workspace) -> Iterator[httpx.Client]:
    worker: Any = SimpleNamespace(workspace=plant, settings=Settings(), predictor=SimpleNamespace(clock=lambda: NOW))
    with TestClient(Starlette(routes=routes(lambda: worker))) as made:
        yield made


def names(client: httpx.Client, **query: Any) -> list[str]:
    content = client.get("/assets", params=query).json()
    assert content["next"] is None
    assert content["total"] == len(content["assets"])
    return [asset["asset"] for asset in content["assets"]]


def test_machines_of_a_workspace_without_a_graph_stand_where_their_records_say(client: httpx.Client) -> None:
    """Workspaces made before need no import: plant and line follow from the records of assets."""
    content = client.get("/assets", params={"plant": "azure", "line": "line1", "limit": 2}).json()
    assert {name: content[name] for name in ("as_of", "level", "total", "limit", "next")} == {
        "as_of": "2015-01-09T00:00:00Z",
        "level": "machine",
        "total": len(ASSETS),
        "limit": 2,
        "next": "azure-02",
    }
    assert content["assets"][0] == {
        "asset": "azure-01",
        "name": "azure-01",
        "level": "machine",
        "parent": "azure/line1",
        "plant": "azure",
        "line": "line1",
        "path": ["azure", "azure/line1"],
        "asset_type": "azure_machine",
        "model": "model1",
        "status": None,
    }


def test_filters_compose(client: httpx.Client, plant: Workspace) -> None:
    """All that is given has to hold; plants and lines go by identifier or name."""
    store_graph(plant)
    assert names(client, plant="north") == names(client, plant="North works") == ["mill-1"]
    assert names(client, plant="north", line="line1") == names(client, line="north/l1") == ["mill-1"]
    # Lines of one name in two plants.
    assert len(names(client, line="line1")) == len(ASSETS) + 1
    assert names(client, line="line1", asset_type="mill") == ["mill-1"]
    assert names(client, plant="north", level="any") == sorted(row[0] for row in GRAPH)
    assert names(client, plant="north", level="component") == ["mill-1/spindle"]
    assert names(client, level="plant") == ["azure", "north"]
    assert names(client, plant="north", asset_type="azure_machine") == []


def test_pages_hold_every_asset_once(client: httpx.Client, plant: Workspace) -> None:
    """Page by page one gets what a single page would hold."""
    store_graph(plant)
    found, after = [], None
    for _ in range(20):
        query = {"level": "any", "limit": 7} | ({"after": after} if after else {})
        content = client.get("/assets", params=query).json()
        found += [asset["asset"] for asset in content["assets"]]
        assert len(content["assets"]) <= 7
        after = content["next"]
        if after is None:
            break
    assert found == names(client, level="any", limit=1000)
    assert len(found) == len(ASSETS) + 2 + len(GRAPH)


def test_an_earlier_time_has_what_was_known_then(client: httpx.Client, plant: Workspace) -> None:
    """A machine that moved is where it was known to be, and a request sees what was stored since the one before."""
    store_graph(plant)
    assert names(client, line="north/l1") == ["mill-1"]
    moved = NOW - pd.Timedelta("1D")
    store_graph(plant, [("north/l2", "line", "north", None), ("mill-1", "machine", "north/l2", None)], at=moved)
    assert (names(client, line="north/l1"), names(client, line="north/l2")) == ([], ["mill-1"])
    before = (moved - pd.Timedelta("1s")).isoformat()
    assert names(client, line="north/l1", as_of=before) == ["mill-1"]
    assert client.get("/assets", params={"line": "north/l2", "as_of": before}).status_code == 404


@pytest.mark.parametrize(
    ("query", "status", "field", "words"),
    [
        ({"plant": "azur"}, 404, "plant", "Did you mean 'azure'?"),
        ({"plant": "azure", "line": "line9"}, 404, "line", "Did you mean 'line1'?"),
        ({"asset_type": "pump"}, 404, "asset_type", "one of azure_machine"),
        ({"level": "cell"}, 422, "level", "plant, line, machine, component, any"),
        ({"limit": "0"}, 422, "limit", "1 to 1000"),
        ({"limit": "1001"}, 422, "limit", "1 to 1000"),
        ({"as_of": "yesterday"}, 422, "as_of", "with its offset from UTC"),
        ({"plant": ""}, 422, "plant", "1 to 255"),
        ({"line": "a\0"}, 422, "line", "1 to 255"),
        ({"site": "azure"}, 422, "site", "only plant"),
    ],
)
def test_what_is_unknown_or_wrong_is_named(
    client: httpx.Client, query: dict[str, str], status: int, field: str, words: str
) -> None:
    """404 for a place or type that there is not, 422 for a wrong parameter, with its name."""
    response = client.get("/assets", params=query)
    content = response.json()
    assert (response.status_code, content["field"]) == (status, field)
    assert words in " ".join(map(str, content.values()))


def test_reading_assets_needs_a_scope() -> None:
    """Whoever may ask for predictions or report work may know which assets there are."""
    assert scopes_for("/assets") == ("predict", "report")
