"""Watermarks updated from new files alone equal those of the whole table."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import StorageError
from data_contracts.tables import tables
from data_contracts.tables import watermarks as module
from data_contracts.tables.table_access import open_to_read, query
from data_contracts.tables.watermarks import NO_WATERMARKS, Watermarks, read_watermarks
from data_contracts.workspace import Workspace, init_workspace

TABLE, BEGIN = "telemetry/cnc_machine", pd.Timestamp("2024-05-01T00:00Z").as_unit("us")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    # A folder's name as people give it: the table tells its files in the words of an address.
    return init_workspace(tmp_path / "Werk Süd")


def batch(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Make rows of any asset and time, some of which became known long before others that are there."""
    happened = BEGIN + pd.to_timedelta(rng.integers(0, 10_000, n), unit="min")
    known = happened + pd.to_timedelta(rng.integers(0, 5_000, n), unit="min")
    assets = pd.array(rng.choice(["m1", "m2", "m3", f"m{rng.integers(9)}"], n), dtype="str")
    return pd.DataFrame(
        {"asset": assets, "event_time": happened, "known_time": known, "load": rng.normal(size=n)}
    ).assign(load=lambda rows: rows["load"].where(rng.random(n) < 0.5))


def latest(workspace: Workspace, column: str) -> dict[str, pd.Timestamp]:
    return tables.asset_watermarks(workspace, TABLE, column=column)[0]


def check(workspace: Workspace, watermarks: Watermarks) -> None:
    assert dict(watermarks.known_times) == latest(workspace, "known_time")
    assert dict(watermarks.event_times) == latest(workspace, "event_time")
    valued = tables.read(workspace, TABLE).dropna(subset=["load"]).groupby("asset")["event_time"].max()
    assert dict(watermarks.reading_times) == valued.to_dict()
    assert watermarks.version == tables.latest_version(workspace, TABLE)


def test_new_files_alone_tell_what_all_would(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with late batches, several since the last read, and after small files were compacted."""
    rng = np.random.default_rng(0)
    queries: list[str] = []
    monkeypatch.setattr(module, "query", lambda delta, text: queries.append(text) or query(delta, text))
    watermarks = read_watermarks(workspace, TABLE)
    assert watermarks is NO_WATERMARKS
    for number in range(40):
        tables.append(workspace, TABLE, batch(rng, 30), f"b{number}")
        if number % 3 == 0:
            watermarks = read_watermarks(workspace, TABLE, watermarks)
            check(workspace, watermarks)
            assert read_watermarks(workspace, TABLE, watermarks) is watermarks
    # All of it is read first of all, and when every file has been replaced by others.
    assert 1 <= len(queries) <= 3


def test_a_batch_without_rows_tells_nothing_new(workspace: Workspace) -> None:
    """A commit that adds no file changes only the version."""
    rng = np.random.default_rng(3)
    tables.append(workspace, TABLE, batch(rng, 30), "a")
    before = read_watermarks(workspace, TABLE)
    tables.append(workspace, TABLE, batch(rng, 30).head(0), "b")
    assert tables.latest_version(workspace, TABLE) != before.version
    check(workspace, read_watermarks(workspace, TABLE, before))


def test_another_table_in_its_place_is_read_anew(workspace: Workspace) -> None:
    """The watermarks of a deleted table are not used for the next one of its name."""
    rng = np.random.default_rng(1)
    tables.append(workspace, TABLE, batch(rng, 30), "a")
    before = read_watermarks(workspace, TABLE)
    shutil.rmtree(Path(workspace.tables_url, TABLE))
    assert read_watermarks(workspace, TABLE, before) is NO_WATERMARKS
    for name in ("c", "d"):
        tables.append(workspace, TABLE, batch(rng, 2), name)
    check(workspace, read_watermarks(workspace, TABLE, before))


def test_a_lost_file_is_latest(workspace: Workspace) -> None:
    """A missing file is an error, not fewer assets."""
    rng = np.random.default_rng(2)
    tables.append(workspace, TABLE, batch(rng, 30), "a")
    before = read_watermarks(workspace, TABLE)
    tables.append(workspace, TABLE, batch(rng, 30), "b")
    delta = open_to_read(workspace, TABLE)
    assert delta is not None
    names = {uri.rpartition("/")[2] for uri in delta.file_uris()} - before.files
    for name in names:
        Path(workspace.tables_url, TABLE, name).unlink()
    with pytest.raises(StorageError):
        read_watermarks(workspace, TABLE, before)
