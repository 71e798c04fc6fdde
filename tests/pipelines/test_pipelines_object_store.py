"""Tables and models in an object store: the same results as in a folder, and appends of two processes at once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from data_contracts.errors import StorageError
from data_contracts.tables import tables
from data_contracts.tables.stored_features import table_of
from data_contracts.workspace import SETTINGS_FILE, Workspace, init_workspace, open_workspace
from models.experiment.experiment import Experiment
from models.registry.mlflow_store import storage_errors
from models.registry.registry import CHAMPION, Registry
from pipelines.jobs.score import score_fleet
from pipelines.jobs.train import train_experiment
from tests.object_store import BUCKET, object_store

pytestmark = pytest.mark.slow

TABLES = ("assets", "failures", "telemetry/azure_machine")
APPENDS = 6
APPEND = """
import sys
import pandas as pd
from data_contracts.tables import tables
from data_contracts.tables.stored_features import table_of
from data_contracts.workspace import open_workspace
from pathlib import Path
root, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
workspace = open_workspace(root, {})
time = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
for number in range(count):
    row = {"failure_id": f"{name}-{number}", "asset": "m1", "event_time": time, "known_time": time}
    assert tables.append(workspace, "failures", pd.DataFrame([row]), f"{name}-{number}")
    assert not tables.append(workspace, "failures", pd.DataFrame([row]), f"{name}-{number}")
"""


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    pytest.importorskip("moto")
    pytest.importorskip("boto3")
    with object_store() as variables:
        yield variables


@pytest.fixture
def remote(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return a workspace whose tables and models are in the store, under a prefix of its own."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    root, place = tmp_path / "workspace", f"s3://{BUCKET}/{tmp_path.name}"
    init_workspace(root)
    (root / SETTINGS_FILE).write_text(f'[storage]\ntables = "{place}/tables"\nartifacts = "{place}/models"\n')
    return open_workspace(root, {})


def test_a_model_is_trained_and_scores_as_in_a_folder(remote: Workspace, plant: object, experiment: Experiment) -> None:
    """Bit for bit: the same digest and the same probabilities; nothing but records is on this machine."""
    local, now = plant.workspace, plant.at(55)  # type: ignore[attr-defined]
    for name in TABLES:
        assert tables.append(remote, name, tables.read(local, name), "all")
    trained = train_experiment(remote, experiment, now=now)
    assert trained.exit_status == 0
    there, here = Registry(remote).load("plant", CHAMPION), Registry(local).load("plant", CHAMPION)
    assert there.artifact.digest == here.artifact.digest
    far, near = (score_fleet(each, "plant", as_of=plant.at(60)) for each in (remote, local))  # type: ignore[attr-defined]
    assert far.risks == near.risks
    assert set(tables.versions(remote)) >= set(TABLES)
    assert tables.latest_version(remote, table_of("plant")) is not None
    left = [path for folder in ("tables", "artifacts") for path in (remote.root / folder).rglob("*") if path.is_file()]
    assert left == []


def test_two_processes_append_at_once(remote: Workspace, repository: Path) -> None:
    """Each commit is put only if nobody else has put that version: none is lost, none is stored twice."""
    command = [sys.executable, "-c", APPEND, str(remote.root)]
    both = [subprocess.Popen([*command, name, str(APPENDS)], cwd=repository) for name in ("a", "b")]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    stored = tables.read(remote, "failures")["failure_id"]
    assert sorted(stored) == sorted(f"{name}-{number}" for name in ("a", "b") for number in range(APPENDS))


def test_what_is_missing_is_said(remote: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that asks the store, of those who installed forewarn without it."""
    # MLflow keeps a client that an earlier test made, for a few minutes.
    monkeypatch.setattr("mlflow.store.artifact.s3_artifact_repo._MAX_CACHE_SECONDS", 1e-6)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StorageError, match=r"pip install 'forewarn\[s3\]'"), storage_errors(remote):
        S3ArtifactRepository(remote.artifacts_url).list_artifacts()


def test_a_store_that_is_not_there_is_said(remote: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong address is no empty table."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError):
        tables.read(remote, "failures")
