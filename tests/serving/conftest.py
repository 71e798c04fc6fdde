"""A small fleet in a workspace, two tiny models in its registry, and the real endpoint in a process of its own."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from data_contracts.tables import tables
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace, init_workspace
from features.extraction.extract import extract
from features.recipe.fitting import fit_recipe
from features.recipe.recipe import Recipe
from models.artifact.artifact import Artifact, contract_reference
from models.estimators import estimators
from models.estimators.stored_estimators import store_estimator
from models.registry.registry import CHAMPION, Registry

MODEL = "tiny"
CHANNELS = ("volt", "rotate", "pressure", "vibration")
ASSETS = tuple(f"azure-{number:02d}" for number in range(1, 61))
BEGIN = pd.Timestamp("2015-01-01T00:00Z").as_unit("us")
HOURS = 24 * 8
END = BEGIN + pd.Timedelta(hours=HOURS - 1)
PATIENCE = 120.0
REPOSITORY = str(Path(__file__).parents[2])


@dataclass
class Endpoint:
    """The endpoint in a process of its own."""

    url: str
    client: httpx.Client
    process: "subprocess.Popen[bytes]"
    log: Path

    def predict(self, body: Any) -> httpx.Response:
        return self.client.post("/predict", json=body)


@dataclass(frozen=True)
class Fleet:
    """What the fleet is made of."""

    assets: tuple[str, ...] = ASSETS
    channels: tuple[str, ...] = CHANNELS
    begin: pd.Timestamp = BEGIN
    end: pd.Timestamp = END
    model: str = MODEL


@dataclass
class Traffic:
    """Requests sent without a pause, and their answers."""

    answers: list[httpx.Response] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)


def make_fleet(workspace: Workspace) -> None:
    """Store telemetry, records, events and work orders of 60 machines over eight days."""
    rng = np.random.default_rng(7)
    times = pd.date_range(BEGIN, periods=HOURS, freq="h", unit="us")
    parts = [
        pd.DataFrame(
            {"asset": asset, "event_time": times, "known_time": times, "source": "physical"}
            | {channel: rng.normal(100.0, 10.0, HOURS) for channel in CHANNELS}
        )
        for asset in ASSETS
    ]
    telemetry = pd.concat(parts, ignore_index=True)
    telemetry.loc[::17, "rotate"] = np.nan
    overridden = telemetry[(telemetry["asset"] == ASSETS[1]) & (np.arange(len(telemetry)) % 5 == 0)]
    overridden = overridden.assign(source="manual_override", volt=100.0, pressure=np.nan)
    everything = pd.concat([telemetry, overridden], ignore_index=True)
    tables.append(workspace, "telemetry/azure_machine", everything, "telemetry")
    known = {"event_time": BEGIN, "known_time": BEGIN}
    described = {"asset_type": "azure_machine", "model": "model1", "plant": "azure", "line": "line1"}
    tables.append(workspace, "assets", pd.DataFrame({"asset": ASSETS} | known | described), "assets")
    happened = {"asset": ASSETS, "event_time": BEGIN + pd.Timedelta("30h"), "known_time": BEGIN + pd.Timedelta("30h")}
    events = pd.DataFrame({"event_id": [f"event/{asset}" for asset in ASSETS]} | happened | {"code": "error1"})
    tables.append(workspace, "events", events, "events")
    done = {"kind": "routine", "component": "comp1", "finding": None, "prompted_by": "schedule"}
    orders = pd.DataFrame({"work_order_id": [f"order/{asset}" for asset in ASSETS]} | happened | done)
    tables.append(workspace, "work_orders", orders, "work_orders")


def make_artifact(history: History, recipe: Recipe, seed: int) -> Artifact:
    """Train a few trees on random labels: these tests are not about a model's quality."""
    at = pd.date_range(BEGIN + pd.Timedelta("2D"), END, freq="6h", unit="us")
    grid = pd.MultiIndex.from_product([ASSETS[:10], at], names=["asset", "as_of"]).to_frame(index=False)
    features = extract(history, grid, recipe)
    labels = np.random.default_rng(seed).integers(0, 2, len(features)).astype(np.float64)
    learner = estimators.make("lightgbm", "failure", {"n_estimators": 8, "num_leaves": 7}, seed)
    return Artifact(
        target="failure",
        estimator="lightgbm",
        recipe=replace(recipe, columns=tuple(features.columns)),
        lead=pd.Timedelta(0),
        horizon=pd.Timedelta("24h"),
        cap=None,
        threshold=0.5,
        calibration=None,
        contract=contract_reference("azure_machine", None),
        stored=store_estimator("lightgbm", learner.fit(features.to_numpy(), labels)),
    )


def register(workspace: Workspace, artifact: Artifact) -> int:
    """Register an artifact as the registry would, without the training that made it."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(workspace.mlflow_uri, workspace.mlflow_uri)
    folder = artifact.save(Path(workspace.artifacts_url) / artifact.digest)
    with suppress(MlflowException):  # it is there already
        client.create_registered_model(MODEL)
    tags = {"model_digest": artifact.digest}
    return int(client.create_model_version(MODEL, str(folder), tags=tags).version)


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = init_workspace(tmp_path_factory.mktemp("serving") / "workspace")
    make_fleet(workspace)
    return workspace


@pytest.fixture(scope="session")
def history(workspace: Workspace) -> History:
    return read_history(workspace, "azure_machine")


@pytest.fixture(scope="session")
def artifacts(history: History) -> tuple[Artifact, Artifact]:
    """Two models that answer differently."""
    windows = [pd.Timedelta("3h"), pd.Timedelta("24h")]
    recipe = fit_recipe(history, windows=windows, feature_set="minimal", event_spans=[pd.Timedelta("7D")])
    return make_artifact(history, recipe, 1), make_artifact(history, recipe, 2)


@pytest.fixture(scope="session")
def registry(workspace: Workspace, artifacts: tuple[Artifact, Artifact]) -> Registry:
    """Versions 1 and 2 of one model; neither is champion."""
    for artifact in artifacts:
        register(workspace, artifact)
    return Registry(workspace)


@pytest.fixture(scope="session")
def endpoint(workspace: Workspace, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Serve with version 1 as the champion."""
    registry.set_alias(MODEL, CHAMPION, 1)
    log = tmp_path_factory.mktemp("endpoint") / "endpoint.log"
    yield from running(workspace, log, "--model", MODEL)


@pytest.fixture
def first_champion(registry: Registry, endpoint: Endpoint) -> None:
    """Begin with version 1, whatever was before."""
    registry.set_alias(MODEL, CHAMPION, 1)
    for _ in range(600):
        answer = endpoint.client.get("/model")
        if answer.status_code == 200 and answer.json()["version"] == 1:
            return
        time.sleep(0.1)
    raise AssertionError(f"version 1 does not answer: {answer.text}")


@pytest.fixture(scope="session")
def run_endpoint(registry: Registry) -> Callable[..., Any]:  # noqa: ARG001 - its tables have to be there
    """Return what runs the endpoint for as long as a `with` block."""
    return contextmanager(running)


@pytest.fixture(scope="session")
def send() -> Callable[..., Traffic]:
    """Return what sends requests without a pause."""
    return send_without_pause


def running(workspace: Workspace, log: Path, *arguments: str, code: str = REPOSITORY) -> Iterator[Endpoint]:
    """Run the endpoint on a free port, from code that lies elsewhere if need be; end it by its process id."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "serving", "--workspace", str(workspace.root), "--port", str(port), *arguments]
    environment = {"FOREWARN_SERVE_POLL_SECONDS": "0.2", **os.environ, "PYTHONPATH": code}
    with log.open("wb") as written:
        # Python looks for modules in the working directory first.
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT, env=environment, cwd=log.parent)
    try:
        with httpx.Client(base_url=url, timeout=60.0) as client:
            await_true(lambda: answers(client), process, log)
            yield Endpoint(url, client, process, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").status_code == 200
    except httpx.TransportError:
        return False


def await_true(condition: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > ends:
            pytest.fail(f"the endpoint did not come up:\n{log.read_text()[-4000:]}")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send_without_pause(endpoint: Endpoint, body: Any, over: threading.Event, callers: int) -> Traffic:
    """Send requests from several threads until the event is set."""
    seen = Traffic()

    def call() -> None:
        with httpx.Client(base_url=endpoint.url, timeout=60.0) as client:
            while not over.is_set():
                try:
                    seen.answers.append(client.post("/predict", json=body))
                except httpx.HTTPError as error:
                    seen.failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen
