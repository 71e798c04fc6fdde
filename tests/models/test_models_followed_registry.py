"""The polled registry: every change is seen, and MLflow is not queried while there is none."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from data_contracts.errors import StorageError
from data_contracts.workspace import Workspace, init_workspace
from models.registry.followed_registry import FollowedRegistry
from models.registry.registry import CHAMPION, Registry

NAME = "m"


@pytest.fixture
def workspace(_mlflow_template: Path, tmp_path: Path) -> Workspace:
    place = init_workspace(tmp_path / "workspace")
    shutil.copy(_mlflow_template, place.root / "mlflow.db")
    client = MlflowClient(place.mlflow_uri, place.mlflow_uri)
    client.create_registered_model(NAME)
    for _ in range(3):
        client.create_model_version(NAME, str(tmp_path))
    return place


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names for which MLflow has been queried so far."""
    names: list[str] = []
    read = FollowedRegistry._read_aliases

    def count(self: FollowedRegistry, name: str) -> object:
        names.append(name)
        return read(self, name)

    monkeypatch.setattr(FollowedRegistry, "_read_aliases", count)
    return names


def test_every_change_is_seen_and_nothing_is_queried_without_one(workspace: Workspace, queries: list[str]) -> None:
    """An alias set, moved or removed by any process is seen at the next look; without a change nothing is queried."""
    followed, other = FollowedRegistry(workspace), Registry(workspace)
    assert followed.alias_map(NAME) == {}
    for version in (1, 2, 3, 2, 1):
        other.set_alias(NAME, CHAMPION, version)
        before = len(queries)
        assert [followed.alias_map(NAME) for _ in range(5)] == [{CHAMPION: version}] * 5
        assert len(queries) == before + 1
    other.set_alias(NAME, "shadow-3", 3)
    assert followed.alias_map(NAME) == {CHAMPION: 1, "shadow-3": 3}
    other.delete_alias(NAME, CHAMPION)
    assert followed.alias_map(NAME) == {"shadow-3": 3}
    assert followed.alias_map("unknown") == {}


def test_a_version_that_has_changed_is_read_again(workspace: Workspace) -> None:
    """Its tags are the current ones, however often it was read before."""
    followed, client = FollowedRegistry(workspace), MlflowClient(workspace.mlflow_uri, workspace.mlflow_uri)
    for text in ("a", "b"):
        client.set_model_version_tag(NAME, "1", "word", text)
        assert [followed.tags(NAME, 1)["word"] for _ in range(2)] == [text] * 2
    assert followed.tags(NAME, 2) == {}


def test_a_file_in_the_place_of_another_is_queried(workspace: Workspace, tmp_path: Path, queries: list[str]) -> None:
    """A store that was restored from a backup is another store, whatever number of changes both have seen."""
    followed, file = FollowedRegistry(workspace), workspace.root / "mlflow.db"
    followed.alias_map(NAME)
    shutil.copy(file, tmp_path / "backup.db")
    (tmp_path / "backup.db").replace(file)
    before = len(queries)
    followed.alias_map(NAME)
    assert len(queries) == before + 1


def test_a_store_that_is_being_written_to_is_queried(workspace: Workspace, queries: list[str]) -> None:
    """A stamp that cannot be read is not trusted, so that no change is missed."""
    followed, other = FollowedRegistry(workspace), Registry(workspace)
    other.set_alias(NAME, CHAMPION, 1)
    followed.alias_map(NAME)
    assert followed._stamps is not None
    writer = sqlite3.connect(workspace.root / "mlflow.db", isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    assert followed._stamps.read() is None
    writer.execute("ROLLBACK")
    writer.close()
    other.set_alias(NAME, CHAMPION, 2)
    before = len(queries)
    assert followed.alias_map(NAME) == {CHAMPION: 2}
    assert len(queries) == before + 1


def test_a_damaged_store_is_a_storage_error(tmp_path: Path) -> None:
    """A file that is not a database is a storage error, as in the registry itself."""
    place = init_workspace(tmp_path / "workspace")
    (place.root / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StorageError):
        FollowedRegistry(place).alias_map(NAME)
