"""The latest times of each asset, kept up from new files alone, are those that all of the table would tell."""

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
    return pd.DataFrame({"asset": assets, "event_time": happened, "known_time": known, "load": rng.normal(size=n)})


def told(workspace: Workspace, column: str) -> dict[str, pd.Timestamp]:
    return tables.latest_times(workspace, TABLE, column=column)[0]


def check(workspace: Workspace, found: Watermarks) -> None:
    assert dict(found.known_times) == told(workspace, "known_time")
    assert dict(found.event_times) == told(workspace, "event_time")
    assert found.version == tables.latest_version(workspace, TABLE)


def test_new_files_alone_tell_what_all_would(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where batches come late, several since the last look, and after small files were gathered into one."""
    rng = np.random.default_rng(0)
    asked: list[str] = []
    monkeypatch.setattr(module, "query", lambda delta, text: asked.append(text) or query(delta, text))
    found = read_watermarks(workspace, TABLE)
    assert found is NO_WATERMARKS
    for number in range(40):
        tables.append(workspace, TABLE, batch(rng, 30), f"b{number}")
        if number % 3 == 0:
            found = read_watermarks(workspace, TABLE, found)
            check(workspace, found)
            assert read_watermarks(workspace, TABLE, found) is found
    # All of it is read first of all, and when every file has been replaced by others.
    assert 1 <= len(asked) <= 3


def test_a_batch_without_rows_tells_nothing_new(workspace: Workspace) -> None:
    """It is a commit all the same, but one that adds no file."""
    rng = np.random.default_rng(3)
    tables.append(workspace, TABLE, batch(rng, 30), "a")
    before = read_watermarks(workspace, TABLE)
    tables.append(workspace, TABLE, batch(rng, 30).head(0), "b")
    assert tables.latest_version(workspace, TABLE) != before.version
    check(workspace, read_watermarks(workspace, TABLE, before))


def test_another_table_in_its_place_is_read_anew(workspace: Workspace) -> None:
    """What was known of a table that was deleted is not known of the next one."""
    rng = np.random.default_rng(1)
    tables.append(workspace, TABLE, batch(rng, 30), "a")
    before = read_watermarks(workspace, TABLE)
    shutil.rmtree(Path(workspace.tables_url, TABLE))
    assert read_watermarks(workspace, TABLE, before) is NO_WATERMARKS
    for name in ("c", "d"):
        tables.append(workspace, TABLE, batch(rng, 2), name)
    check(workspace, read_watermarks(workspace, TABLE, before))


def test_a_lost_file_is_told(workspace: Workspace) -> None:
    """A file that is gone is no reason to tell less."""
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
