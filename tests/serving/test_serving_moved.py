"""The endpoint of a copied workspace, at a path of awkward characters."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data_contracts.records.records import open_records, predictions
from data_contracts.workspace import Workspace, open_workspace
from models.registry.registry import CHAMPION, Registry
from tests.serving.conftest import MODEL, Fleet


def test_a_copy_serves_from_its_own_files(
    workspace: Workspace, registry: Registry, fleet: Fleet, run_endpoint: Callable[..., Any], tmp_path: Path
) -> None:
    """It loads its own model, reads its own telemetry and stores the answer in its own records."""
    assert MODEL in registry.names()
    root = tmp_path / "Werk 1?#ü 100%" / "workspace"
    shutil.copytree(workspace.root, root, ignore=shutil.ignore_patterns("serving"))
    copy = open_workspace(root, {})
    Registry(copy).set_alias(MODEL, CHAMPION, 2)
    before = len(predictions(open_records(workspace.records_url)))
    with run_endpoint(copy, tmp_path / "endpoint.log", "--model", MODEL) as endpoint:
        answer = endpoint.predict({"assets": [fleet.assets[0]], "as_of": fleet.end.isoformat()})
    assert answer.status_code == 200, answer.text
    # By its identifier: the copy also has the answers that were stored before, at later cut-offs among them.
    stored = predictions(open_records(copy.records_url)).set_index("prediction_id")["model_version"]
    assert stored[[each["prediction_id"] for each in answer.json()["predictions"]]].tolist() == [2]
    assert len(predictions(open_records(workspace.records_url))) == before
