"""A bento of the endpoint: complete, and the same answers without the workspace it came from."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from data_contracts.configuration.signing import SigningSettings
from data_contracts.errors import ModelError, NotFoundError, UsageError
from data_contracts.workspace import Workspace
from models.artifact.artifact import Artifact
from models.registry.registry import CHAMPION, Registry
from models.registry.signatures.keys import make_key
from models.registry.signatures.version_signature import SIGNATURE
from serving.bento import _is_of_extra, build
from serving.deployment.bundled_model import FOLDER, bundle_model, find_bundled_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bento(workspace: Workspace, registry: Registry, fleet: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1, packed by the command's own process."""
    registry.set_alias(fleet.model, CHAMPION, 1)
    out = tmp_path_factory.mktemp("bento") / "bento"
    command = [sys.executable, "-m", "serving.bento", "--workspace", str(workspace.root), "--out", str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    built = json.loads(ended.stdout)
    assert (built["model"], built["version"]) == (fleet.model, 1)
    assert not list(out.rglob("__pycache__"))
    return out


def windows(history: Any) -> dict[str, Any]:
    """Ask about three machines by what their sensors read."""
    sent = []
    for asset in ("azure-01", "azure-03", "azure-04"):
        rows = history.telemetry[history.telemetry["asset"] == asset].head(60)
        readings = [
            {"event_time": row.event_time.isoformat(), **{c: _value(getattr(row, c)) for c in history.channels}}
            for row in rows.itertuples()
        ]
        sent.append({"asset": asset, "as_of": readings[-1]["event_time"], "telemetry": readings})
    return {"windows": sent}


def _value(number: float) -> float | None:
    return None if number != number else number  # NaN is no JSON


def numbers(answer: Any) -> list[tuple[str, float, bool]]:
    return [(p["asset"], p["probability"], p["alert"]) for p in answer.json()["predictions"]]


def test_it_answers_as_the_endpoint_it_was_built_from(
    bento: Path, endpoint: Any, history: Any, run_endpoint: Callable[..., Any], tmp_path: Path
) -> None:
    """In an empty folder, with no workspace, no registry and no MLflow: the same answers, bit for bit."""
    body = windows(history)
    expected = endpoint.predict(body)
    assert expected.status_code == 200, expected.text
    # Importing MLflow fails here.
    (tmp_path / "mlflow.py").write_text("raise ImportError('there is no MLflow here')\n")
    place = Workspace(tmp_path / "empty", "", "", "", "")
    with run_endpoint(place, tmp_path / "log", code=f"{tmp_path}{os.pathsep}{bento / 'src'}") as bundled:
        assert bundled.client.get("/model").json()["version"] == 1
        answer = bundled.predict(body)
        assert answer.status_code == 200, answer.text
        assert numbers(answer) == numbers(expected)
        assert all(probability is not None for _, probability, _ in numbers(answer))


def test_its_metadata_names_the_model(bento: Path, artifacts: tuple[Artifact, Artifact], fleet: Any) -> None:
    """Name, version and digest stand in BentoML's own metadata."""
    labels = yaml.safe_load((bento / "bento.yaml").read_text())["labels"]
    assert labels == {"model": fleet.model, "model_version": "1", "model_digest": artifacts[0].digest}


def test_its_container_is_not_root_and_holds_what_it_needs(bento: Path) -> None:
    """Its last stage runs as a user of its own; every requirement is pinned; no registry, flow or compiler is in it."""
    last = (bento / "Containerfile").read_text().split("\nFROM ")[-1]
    after = last[last.index("\nUSER ") :]
    assert "USER forewarn" in after
    assert "USER root" not in after
    assert "build-essential" not in last
    pinned = (bento / "src" / "requirements.txt").read_text().split()
    assert all("==" in line for line in pinned)
    names = {line.split("==")[0] for line in pinned}
    assert {"bentoml", "lightgbm", "numba", "sqlalchemy", "psycopg-binary"} <= names
    assert not names & {"mlflow", "prefect", "forewarn", "matplotlib", "pytest"}
    assert not (bento / "src" / "pipelines").exists()


def test_a_folder_that_is_there_is_left_alone(workspace: Workspace, tmp_path: Path) -> None:
    """Nothing is written over."""
    with pytest.raises(UsageError, match="already"):
        build(workspace, tmp_path)


@pytest.mark.usefixtures("registry")
def test_a_model_that_is_not_there(workspace: Workspace, tmp_path: Path) -> None:
    """A mistyped model is refused, and no folder is left behind."""
    with pytest.raises(NotFoundError, match="tiny"):
        build(workspace, tmp_path / "bento", model="tinny", version=1)
    assert not (tmp_path / "bento").exists()


def test_a_bundled_model_that_was_changed_is_refused(artifacts: tuple[Artifact, Artifact], tmp_path: Path) -> None:
    """The model that answers is the one that was bundled."""
    bundle_model(tmp_path, "tiny", 1, artifacts[0], None)
    artifacts[1].save(tmp_path / "model")
    bundle = find_bundled_model(tmp_path)
    assert bundle is not None
    with pytest.raises(ModelError, match="digest"):
        bundle.load("tiny", 1)


@pytest.mark.usefixtures("workspace")
def test_a_bundled_model_is_signed_as_its_version_was(
    registry: Registry, artifacts: tuple[Artifact, Artifact], tmp_path: Path
) -> None:
    """What the registry's version was signed with is checked without the registry, and is of that model alone."""
    key = make_key(tmp_path / "key").public
    registry.sign("tiny", 1, key=str(tmp_path / "key"))
    signature = registry.packed_signature("tiny", 1)
    registry._client.delete_model_version_tag("tiny", "1", SIGNATURE)
    demanded = SigningSettings(signers=(f"{key.text} release",), required=True)
    for bundled, number, refused in ((signature, 1, ""), (None, 1, "not signed"), (signature, 2, "damaged")):
        folder = tmp_path / f"{number}-{bundled is None}"
        bundle_model(folder, "tiny", number, artifacts[0], None, bundled)
        bundle = find_bundled_model(folder, demanded)
        assert bundle is not None
        if refused:
            with pytest.raises(ModelError, match=refused):
                bundle.load("tiny", number)
        else:
            assert bundle.load("tiny", number).artifact == artifacts[0]
    # The other artifact with its own digest in the manifest.
    other = bundle_model(tmp_path / "other", "tiny", 1, artifacts[1], None, signature)
    with pytest.raises(ModelError, match="damaged"):
        other.load("tiny", 1)


def test_a_bento_has_what_checks_signatures() -> None:
    """MLflow brings the package elsewhere, and a bento goes without MLflow."""
    assert _is_of_extra(Requirement('cryptography>=43; extra == "signing"'))
    assert not _is_of_extra(Requirement('boto3; extra == "s3"'))


def test_a_checkout_has_no_bundled_model() -> None:
    """Code under development answers from the registry."""
    assert find_bundled_model() is None
    assert not FOLDER.exists()
