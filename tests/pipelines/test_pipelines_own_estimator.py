"""A learner of one's own, as docs/how-to/own-estimator.md has it: registered by an entry point, in every process."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from data_contracts.errors import UsageError
from data_contracts.tables.history import read_history
from features.extraction.extract import extract
from models.estimators import estimators
from models.registry.registry import Registry
from pipelines.cli import main

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "how-to" / "own-estimator.md"
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in _BLOCK.findall(PAGE.read_text()) if name == language]


def install(folder: Path, module: str, code: str, points: str) -> Path:
    """Install a module with entry points as pip does: its file, and its metadata beside it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(code)
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[forewarn.estimators]\n{points}\n")
    return folder


@contextmanager
def importable(folder: Path, kind: str, module: str) -> Iterator[None]:
    """Let this process find an installed folder, and forget it afterwards."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(module, None)
        estimators._KINDS.pop(kind, None)


def test_a_package_that_offers_a_kind_and_fails_is_named(tmp_path: Path) -> None:
    """A module that cannot be imported, or registers nothing, is a usage error; its kind is offered all the same."""
    install(tmp_path, "broken_learner", "raise ImportError('no such thing')", "broken = broken_learner")
    with importable(tmp_path, "broken", "broken_learner"), pytest.raises(UsageError, match="no such thing"):
        estimators.make("broken", "failure", {}, 0)
    install(tmp_path, "idle_learner", "", "idle = idle_learner")
    with importable(tmp_path, "idle", "idle_learner"):
        assert "idle" in estimators.kinds()
        with pytest.raises(UsageError, match="register_estimator"):
            estimators.make("idle", "failure", {}, 0)
        with pytest.raises(UsageError, match="idle"):
            estimators.make("idl", "failure", {}, 0)
    assert "idle" not in estimators.kinds()


@pytest.mark.slow
def test_the_pages_learner_is_trained_registered_and_served(
    plant: Any, experiment_text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its module is found by training here and by another process that opens the model from the registry."""
    (code,), (project, setting) = blocks("python"), blocks("toml")
    ((kind, module),) = tomllib.loads(project)["project"]["entry-points"]["forewarn.estimators"].items()
    folder = install(tmp_path / "site", module, code, f"{kind} = {module}")
    file = tmp_path / "own.toml"
    file.write_text(experiment_text.replace('name = "plant"', 'name = "own"'))
    overrides = [f"estimator.{line.replace(' = ', '=', 1)}" for line in setting.strip().splitlines()[1:]]
    arguments = [word for override in overrides for word in ("--set", override)]
    root = str(plant.workspace.root)
    with importable(folder, "naive_bayes", "plant_learners"):
        with pytest.raises(SystemExit) as ended:
            main(["train", str(file), *arguments, "--workspace", root, "--promote", "--json"])
        assert ended.value.code == 0
        trained = json.loads(capsys.readouterr().out)
        assert trained["version"] == 1
    at = plant.at(100)
    with endpoint(root, [str(folder)], tmp_path / "endpoint.log") as client:
        served = client.get("/model").json()
        assert (served["name"], served["version"]) == ("own", 1)
        answer = client.post("/predict", json={"assets": ["machine-00", "machine-01"], "as_of": at.isoformat()}).json()
        here = Registry(plant.workspace)
        with importable(folder, "naive_bayes", "plant_learners"):
            artifact = here.load("own", "champion").artifact
            history = read_history(plant.workspace, "azure_machine")
            grid = pd.DataFrame({"asset": ["machine-00", "machine-01"], "as_of": at})
            expected = artifact.predict(extract(history, grid, artifact.recipe))
    assert [each["status"] for each in answer["predictions"]] == ["ok", "ok"]
    assert [each["probability"] for each in answer["predictions"]] == expected.tolist()
    assert "unknown estimator 'naive_bayes'" in opened_without_the_package(root)


@contextmanager
def endpoint(root: str, folders: Sequence[str], log: Path) -> Iterator[httpx.Client]:
    """Run the endpoint with folders to import from, until it serves; end it by its process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, str(REPOSITORY)])}
    command = [sys.executable, "-m", "serving", "--workspace", root, "--port", str(port), "--model", "own"]
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT, env=environment, cwd=log.parent)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60.0) as client:
            for _ in range(2400):
                with suppress(httpx.TransportError):
                    if client.get("/model").status_code == 200:
                        break
                assert process.poll() is None, log.read_text()[-4000:]
                time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


SCRIPT = """
import os, sys
from pathlib import Path
from data_contracts.errors import ModelError, UsageError
from data_contracts.workspace import open_workspace
from models.registry.registry import Registry
try:
    Registry(open_workspace(Path(sys.argv[1]), os.environ)).load("own", "champion")
except (ModelError, UsageError) as error:
    print(error)
"""


def opened_without_the_package(root: str) -> str:
    """Open the champion in a process that does not find the package, and return what it says."""
    command = [sys.executable, "-c", SCRIPT, root]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300).stdout
