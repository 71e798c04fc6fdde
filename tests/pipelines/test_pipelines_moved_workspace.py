"""A workspace that is copied or moved, whatever its path is made of, works by itself; its original stays as it is."""

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_contracts.errors import UsageError
from data_contracts.records.records import open_records, predictions
from data_contracts.workspace import Workspace, init_workspace, open_workspace
from models.experiment.experiment import Experiment
from models.registry.promotion import promote
from models.registry.registry import CHAMPION, Registry
from models.registry.store.moved_store import own_path
from pipelines.flows.environment import prefect_environment, remember_server
from pipelines.jobs.train import train_experiment

_AWKWARD = "Werk 1?#ü 100% &c"


def _digests(folder: Path) -> dict[str, tuple[str, int]]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files}


def _stored_paths(workspace: Workspace) -> list[str]:
    queries = (
        "SELECT artifact_location FROM experiments WHERE experiment_id != 0",
        "SELECT artifact_uri FROM runs",
        "SELECT storage_location FROM model_versions",
        "SELECT artifact_location FROM logged_models",
    )
    with closing(sqlite3.connect(workspace.root / "mlflow.db")) as connection:
        return [row[0] for query in queries for row in connection.execute(query)]


def _golden_scores(workspace: Workspace, version: int) -> "np.ndarray[Any, Any]":
    registry = Registry(workspace)
    golden = registry.golden_inputs("plant", version)
    assert golden is not None
    return np.asarray(registry.load("plant", version).artifact.predict(golden.features))


def test_a_copy_neither_needs_nor_touches_its_original(plant: Any, experiment: Experiment, tmp_path: Path) -> None:
    """Training, promoting and scoring in a copy leave every byte of the original; without it the copy goes on."""
    original = plant.workspace
    Registry(original).names()  # the template's own paths are rewritten here
    before, expected = _digests(original.root), _golden_scores(original, 1)
    root = tmp_path / _AWKWARD / "plant"
    shutil.copytree(original.root, root)
    copy = open_workspace(root, {})
    train_experiment(copy, experiment, now=plant.at(70))
    assert _digests(original.root) == before
    shutil.rmtree(original.root)
    assert all(Path(path).is_relative_to(root) for path in _stored_paths(copy))
    assert _golden_scores(copy, 1).tobytes() == expected.tobytes()
    records, move = open_records(copy.records_url), {"actor": "test", "reason": "newer", "evidence": {}}
    promote(Registry(copy), records, "plant", expected_champion=1, to_version=2, now=plant.at(70), **move)
    assert Registry(copy).champion("plant") == 2
    with Registry(copy).run_file("plant", CHAMPION, "model_card.md") as card:
        assert card.is_relative_to(root)


def test_a_store_that_cannot_be_written_is_read_where_it_is(plant: Any, tmp_path: Path) -> None:
    """A copy whose database keeps the paths of its original, as a read-only one would, loads its own files."""
    root = tmp_path / "elsewhere"
    shutil.copytree(plant.workspace.root, root)
    copy = open_workspace(root, {})
    for stored in _stored_paths(copy):
        here = own_path(copy, stored)
        assert here is not None
        assert here.is_relative_to(root)


def test_artifacts_that_were_set_elsewhere_stay_there(plant: Any) -> None:
    """Only what came along is looked for in the workspace: not the files of a folder that the settings once named."""
    workspace = plant.workspace
    Registry(workspace).names()
    with closing(sqlite3.connect(workspace.root / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = '/mnt/models/plant' WHERE experiment_id != 0")
    Registry(workspace).names()
    assert "/mnt/models/plant" in _stored_paths(workspace)


def test_a_copy_sends_no_runs_to_the_server_of_its_original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server that a workspace remembers is that of this folder only."""
    monkeypatch.setattr("pipelines.flows.environment.is_healthy", lambda _: True)
    original = init_workspace(tmp_path / "original")
    remember_server(original, "http://127.0.0.1:9/api")
    shutil.copytree(original.root, tmp_path / "copy")
    found: list[dict[str, str]] = [{}, {}]
    prefect_environment(original, found[0])
    prefect_environment(open_workspace(tmp_path / "copy", {}), found[1])
    assert ["PREFECT_API_URL" in environ for environ in found] == [True, False]


@pytest.mark.parametrize("name", ["sp ace", "what?", "no#1", "100%", "Größe", "a&b=c"])
def test_records_and_registry_are_in_the_workspace(name: str, tmp_path: Path) -> None:
    """No part of a path is taken for an option, a fragment or an escape."""
    workspace = init_workspace(tmp_path / name)
    assert predictions(open_records(workspace.records_url)).empty
    assert (workspace.root / "records.db").stat().st_size
    assert {path.name for path in tmp_path.iterdir()} == {name}


def test_escapes_are_refused(tmp_path: Path) -> None:
    """Delta and MLflow decode a%20b twice, and would use what is in a b: no workspace is made there, nor opened."""
    with pytest.raises(UsageError, match=r"a%20b.*Rename"):
        init_workspace(tmp_path / "a%20b")
    assert not (tmp_path / "a%20b").exists()
    moved = init_workspace(tmp_path / "plain").root.rename(tmp_path / "a%2Fb")
    with pytest.raises(UsageError, match="which the stores read as '/'"):
        open_workspace(moved, {})
