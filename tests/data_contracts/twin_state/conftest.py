"""A workspace with one CNC machine, and its records."""

from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.twin_state.state_types import Twin
from data_contracts.twin_state.twins import find_twin
from data_contracts.workspace import Workspace

NOW = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
ASSET = "cnc-01"


@pytest.fixture
def plant(workspace: Workspace) -> Workspace:
    """Return a workspace with a record of one machine."""
    known = {"event_time": NOW - pd.Timedelta("365D"), "known_time": NOW - pd.Timedelta("365D")}
    described = {"asset_type": "cnc_machine", "model": "m", "plant": "plant-01", "line": "line-1"}
    tables.append(workspace, "assets", pd.DataFrame([{"asset": ASSET} | known | described]), "assets")
    return workspace


@pytest.fixture
def engine(plant: Workspace) -> sa.Engine:
    """Return its records."""
    return open_records(plant.records_url)


@pytest.fixture
def twin(plant: Workspace) -> Twin:
    """Return its twin."""
    return find_twin(plant, ASSET)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the address of a database that is not there yet."""
    return f"sqlite:///{tmp_path / 'records.db'}"
