"""Work whose lease another process has taken over stops before it writes, and leaves nothing half-way."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.contract.contract import load_contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import LeaseLostError
from data_contracts.records.leases import acquire_lease, release_lease
from data_contracts.records.records import open_records
from data_contracts.sql_source.source_query import SourceQuery
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from pipelines.importers.sql import import_sql as importing
from pipelines.importers.sql.import_sql import SqlSource, import_sql
from pipelines.settings.sections import UpkeepSettings
from pipelines.upkeep.upkeep import run_upkeep
from pipelines.workspaces.backup import back_up
from tests.live_presses import PRESS, press_workspace

OTHER = "process 42 on mill, 8d3f"
HOUR = pd.Timedelta(hours=1)
BEGIN = pd.Timestamp("2026-03-05T06:00Z").as_unit("us")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace with a table of files that upkeep rewrites."""
    made = press_workspace(tmp_path / "ws")
    for number in range(10):
        at = BEGIN + number * pd.Timedelta(minutes=1)
        row = {"asset": ["m1"], "event_time": [at], "known_time": [at], "source": ["physical"], "force": [1.0]}
        tables.append(made, PRESS.table, pd.DataFrame(row), f"batch {number}")
    return made


def taker(workspace: Workspace, name: str) -> Callable[..., None]:
    """Return what takes a lease over, as if its holder had been stopped until it expired."""

    def take_over(*_: Any) -> None:
        records = open_records(workspace.records_url)
        with records.begin() as connection:
            connection.execute(sa.text("UPDATE leases SET expires_at = 0 WHERE holder <> :other"), {"other": OTHER})
        assert acquire_lease(records, name, OTHER, None, HOUR)

    return take_over


def test_upkeep_rewrites_nothing_more(workspace: Workspace) -> None:
    """It was about to: once the other has ended, upkeep does it."""
    now = BEGIN + 12 * HOUR
    with pytest.raises(LeaseLostError, match="this upkeep or backup of this workspace has lost its lease"):
        run_upkeep(workspace, UpkeepSettings(), now=now, progress=taker(workspace, "upkeep"))
    assert tables.latest_version(workspace, PRESS.table) == 10
    release_lease(open_records(workspace.records_url), "upkeep", OTHER)
    assert run_upkeep(workspace, UpkeepSettings(), now=now).tables[0].compaction.files == 10


def test_a_backup_is_none(workspace: Workspace, tmp_path: Path) -> None:
    """Upkeep may have removed what was still to be copied."""
    with pytest.raises(LeaseLostError):
        back_up(workspace, tmp_path / "backup", now=BEGIN, progress=taker(workspace, "upkeep"))
    assert not (tmp_path / "backup").exists()


def test_an_import_goes_on_where_the_other_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was being stored is the batch that the other stores, and no more is read."""
    workspace, read = init_workspace(tmp_path / "ws"), importing.read_rows
    with sqlite3.connect(tmp_path / "historian.db") as database:
        database.execute("CREATE TABLE readings (asset TEXT, event_time TEXT, volt, rotate, pressure, vibration)")
        rows = [("m-1", (BEGIN + n * HOUR).isoformat(sep=" "), 170.5, 450, 100.25, 40) for n in range(9)]
        database.executemany("INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?)", rows)
    source = SqlSource(f"sqlite:///{tmp_path / 'historian.db'}", SourceQuery("SELECT * FROM readings", "event_time"))
    arguments = (workspace, source, load_contract("telemetry_azure_machine"), FileLayout())

    def read_and_lose(*given: Any) -> Any:
        taker(workspace, "import/it")()
        return read(*given)

    monkeypatch.setattr(importing, "read_rows", read_and_lose)
    with pytest.raises(LeaseLostError, match="this import it has lost its lease"):
        import_sql(*arguments, now=BEGIN + 100 * HOUR, name="it", chunk_rows=3)
    monkeypatch.setattr(importing, "read_rows", read)
    release_lease(open_records(workspace.records_url), "import/it", OTHER)
    again = import_sql(*arguments, now=BEGIN + 100 * HOUR, name="it", chunk_rows=3)
    assert (again.already, again.rows) == (1, 9)
    assert len(tables.read(workspace, "telemetry/azure_machine")) == 9
