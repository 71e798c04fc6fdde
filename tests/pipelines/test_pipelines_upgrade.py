"""Workspaces of other versions: earlier ones are upgraded, later or unreadable ones refused with the reason."""

import json
import os
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.configuration.workspace_version import VERSION_FILE
from data_contracts.errors import StorageError
from data_contracts.records.database.connections import connect
from data_contracts.records.migrations.revisions import head
from data_contracts.records.records import open_records, predictions, records_revision
from data_contracts.records.tokens import tokens
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, open_workspace
from models.registry.registry import Registry
from pipelines.cli.app import main
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.score import score_fleet
from pipelines.settings.settings import read_settings
from pipelines.workspaces.upgrade import upgrade
from serving.deployment.champion import choose_model

NOW = pd.Timestamp("2026-05-01T00:00Z").as_unit("us")
SCORED = pd.Timestamp("2026-03-02T00:00Z").as_unit("us")
_KEPT = Path(__file__).parent / "workspaces"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return the workspace that version 0.1 wrote, before versions were noted, in a folder of its own."""
    with tarfile.open(_KEPT / "v0.1.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    return tmp_path / "workspace"


def _run(root: Path, *words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--workspace", str(root)])
    return int(ended.value.code or 0)


def _answers(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = _run(root, *words, "--json")
    return status, json.loads(capsys.readouterr().out)


def _use(workspace: Workspace) -> None:
    """Score, monitor and choose what to serve as the version that wrote the workspace did."""
    records, registry = open_records(workspace.records_url), Registry(workspace)
    before = predictions(records, model_name="kept")
    assert len(before) == 24
    assert score_fleet(workspace, "kept", as_of=SCORED).stored == 0  # the same predictions as before
    score_fleet(workspace, "kept", as_of=SCORED - pd.Timedelta("12h"))
    assert len(predictions(records, model_name="kept")) == 30
    golden = registry.golden_inputs("kept", 1)
    assert golden is not None
    assert np.array_equal(registry.load("kept", "champion").artifact.predict(golden.features), golden.scores)
    assert choose_model(registry.names(), registry.champion) == "kept"
    assert tokens(records)["name"].tolist() == ["scheduler"]
    assert monitor_champion(workspace, "kept", now=SCORED, settings=read_settings(workspace, {}))


def test_a_workspace_of_version_0_1_is_used_as_it_is(kept: Path) -> None:
    """Without an upgrade everything works: its layout is today's."""
    _use(open_workspace(kept, {}))


def test_a_workspace_of_version_0_1_is_upgraded(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run says what would be done and does nothing; then it is done once, after a backup that can be restored."""
    files = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    status, said = _answers(kept, capsys, "upgrade", "--dry-run")
    assert (status, [step["part"] for step in said["steps"]]) == (0, ["records", "registry", "workspace"])
    assert {path: path.read_bytes() for path in files} == files
    status, done = _answers(kept, capsys, "upgrade", "--backup", str(tmp_path / "backup"))
    assert (status, done["steps"]) == (0, said["steps"])
    assert done["backup"] == str(tmp_path / "backup")
    assert _answers(kept, capsys, "upgrade")[1]["steps"] == []
    assert {path.stat().st_mode & 0o777 for path in kept.rglob("*") if path.is_file()} == {0o600}
    workspace = open_workspace(kept, {})
    assert records_revision(workspace.records_url) == head()
    _use(workspace)
    assert _run(kept, "restore", str(tmp_path / "backup"), str(tmp_path / "restored")) == 0
    _use(open_workspace(tmp_path / "restored", {}))


def test_a_store_of_an_earlier_mlflow_is_migrated(kept: Path) -> None:
    """MLflow's own error names a command that does not know the workspace; ours names `forewarn upgrade`."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    workspace = open_workspace(kept, {})
    command.downgrade(_get_alembic_config(workspace.mlflow_uri), "-1")
    with pytest.raises(StorageError, match=r"MLflow's store.*forewarn upgrade"):
        Registry(workspace).names()
    result = upgrade(workspace, now=NOW)
    assert "MLflow's own migrations" in [step.what for step in result.steps]
    _use(workspace)


def _later_workspace(root: Path) -> str:
    (root / VERSION_FILE).write_text('{"version": 7, "forewarn": "9.1"}')
    return r"version 7, written by forewarn 9\.1"


def _damaged_version(root: Path) -> str:
    (root / VERSION_FILE).write_text("{")
    return f"{VERSION_FILE} cannot be read"


def _later_records(root: Path) -> str:
    with closing(sqlite3.connect(root / "records.db")) as connection, connection:
        connection.execute("CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, forewarn TEXT NOT NULL)")
        connection.execute("INSERT INTO schema_versions VALUES (9, '9.1')")
    return r"records at .* have revision 9, written by forewarn 9\.1"


def _unknown_revision(root: Path) -> str:
    with closing(sqlite3.connect(root / "records.db")) as connection, connection:
        connection.execute("CREATE TABLE forewarn_records_version (version_num TEXT PRIMARY KEY, forewarn TEXT)")
        connection.execute("INSERT INTO forewarn_records_version VALUES ('0999', '9.1')")
    return r"records at .* have revision 0999, written by forewarn 9\.1.*a later one, or restore a backup"


def _later_store(root: Path) -> str:
    with closing(sqlite3.connect(root / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'fedcba987654'")
    return r"version fedcba987654.*A later MLflow"


def _emptied(root: Path) -> str:
    (root / "records.db").write_bytes(b"")
    os.utime(root / "records.db", (0, 0))
    return "records at .* are empty: the file has 0 bytes"


def _emptied_store(root: Path) -> str:
    (root / "mlflow.db").write_bytes(b"")
    os.utime(root / "mlflow.db", (0, 0))
    return "MLflow's store at .* are empty: the file has 0 bytes"


def _half(root: Path) -> str:
    content = (root / "records.db").read_bytes()
    (root / "records.db").write_bytes(content[:8192] + b"\x07" * (len(content) - 8192))
    return "records at .* malformed.*damaged.*backup"


def _no_database(root: Path) -> str:
    (root / "records.db").write_bytes(b"no database" * 1000)
    return "records at .* not a database.*damaged.*backup"


@pytest.mark.parametrize(
    "change",
    [
        _later_workspace,
        _damaged_version,
        _later_records,
        _unknown_revision,
        _later_store,
        _emptied,
        _emptied_store,
        _half,
        _no_database,
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(
    change: Any, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands, upgrade among them, say what was found, what is expected and what to do: exit 1, and no traceback."""
    reason = change(kept)
    for words in (["score", "--as-of", "2026-03-01"], ["monitor"], ["upgrade"]):
        status, error = _answers(kept, capsys, *words)
        assert (status, error["error"]) == (1, "StorageError"), words
        with pytest.raises(StorageError, match=reason):
            raise StorageError(error["found"], error["expected"], error["remedy"])


def test_a_database_that_another_program_holds_is_named(
    kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked records are not damaged ones."""
    monkeypatch.setattr("data_contracts.records.records.connect", lambda url, _: connect(url, 0.1))
    with closing(sqlite3.connect(kept / "records.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        status, error = _answers(kept, capsys, "score", "--as-of", "2026-03-01")
    assert (status, error["error"]) == (1, "StorageError")
    assert "locked" in error["found"]
    assert "Another program holds it" in error["remedy"]


@pytest.mark.ml_test("Data 5")
def test_what_is_new_is_private(tmp_path: Path) -> None:
    """Only the owner reads a new workspace and its databases."""
    assert _run(tmp_path / "plant", "init") == 0
    workspace = open_workspace(tmp_path / "plant", {})
    open_records(workspace.records_url)
    Registry(workspace).create_store()
    assert workspace.root.stat().st_mode & 0o777 == 0o700
    assert {(workspace.root / name).stat().st_mode & 0o777 for name in ("records.db", "mlflow.db")} == {0o600}
    assert tables.versions(workspace) == {}
