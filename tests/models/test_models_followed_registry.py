"""The registry for who follows its aliases: every change is seen, and nothing is asked while there is none."""

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
    made = init_workspace(tmp_path / "workspace")
    shutil.copy(_mlflow_template, made.root / "mlflow.db")
    client = MlflowClient(made.mlflow_uri, made.mlflow_uri)
    client.create_registered_model(NAME)
    for _ in range(3):
        client.create_model_version(NAME, str(tmp_path))
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names that MLflow was asked about so far."""
    names: list[str] = []
    ask = FollowedRegistry._ask

    def count(self: FollowedRegistry, name: str) -> object:
        names.append(name)
        return ask(self, name)

    monkeypatch.setattr(FollowedRegistry, "_ask", count)
    return names


def test_every_change_is_seen_and_nothing_is_asked_without_one(workspace: Workspace, asked: list[str]) -> None:
    """An alias set, moved or removed by anybody is there at the next look; a look without a change asks nothing."""
    followed, other = FollowedRegistry(workspace), Registry(workspace)
    assert followed.alias_map(NAME) == {}
    for version in (1, 2, 3, 2, 1):
        other.set_alias(NAME, CHAMPION, version)
        before = len(asked)
        assert [followed.alias_map(NAME) for _ in range(5)] == [{CHAMPION: version}] * 5
        assert len(asked) == before + 1
    other.set_alias(NAME, "shadow-3", 3)
    assert followed.alias_map(NAME) == {CHAMPION: 1, "shadow-3": 3}
    other.delete_alias(NAME, CHAMPION)
    assert followed.alias_map(NAME) == {"shadow-3": 3}
    assert followed.alias_map("unknown") == {}


def test_a_version_that_has_changed_is_asked_for_again(workspace: Workspace) -> None:
    """Its tags are those of now, however often it was asked for before."""
    followed, client = FollowedRegistry(workspace), MlflowClient(workspace.mlflow_uri, workspace.mlflow_uri)
    for text in ("a", "b"):
        client.set_model_version_tag(NAME, "1", "word", text)
        assert [followed.tags(NAME, 1)["word"] for _ in range(2)] == [text] * 2
    assert followed.tags(NAME, 2) == {}


def test_a_file_in_the_place_of_another_is_asked(workspace: Workspace, tmp_path: Path, asked: list[str]) -> None:
    """A store that was restored from a backup is another store, whatever number of changes both have seen."""
    followed, file = FollowedRegistry(workspace), workspace.root / "mlflow.db"
    followed.alias_map(NAME)
    shutil.copy(file, tmp_path / "backup.db")
    (tmp_path / "backup.db").replace(file)
    before = len(asked)
    followed.alias_map(NAME)
    assert len(asked) == before + 1


def test_a_store_that_somebody_writes_to_is_asked_the_long_way(workspace: Workspace, asked: list[str]) -> None:
    """A stamp that cannot be read counts for nothing, and what changed meanwhile is not missed."""
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
    before = len(asked)
    assert followed.alias_map(NAME) == {CHAMPION: 2}
    assert len(asked) == before + 1


def test_a_store_that_is_away_is_told(tmp_path: Path) -> None:
    """What is no database is a storage error, as of the registry itself."""
    made = init_workspace(tmp_path / "workspace")
    (made.root / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StorageError):
        FollowedRegistry(made).alias_map(NAME)
