"""Three endpoints that serve one model, each in processes of its own, and a load generator.

Ours takes raw windows, computes the features and stores every answer. `mlflow models serve` and a bare BentoML service
take computed features and store nothing.
"""

import http.client
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.telemetry_like import windows as telemetry_like
from data_contracts.contract.contract import empty_table
from data_contracts.tables import tables
from data_contracts.tables.history import History
from data_contracts.tables.stored_features import StoredFeatures, store_features
from data_contracts.workspace import Workspace
from features.extraction.extract import extract
from features.recipe.fitting import fit_recipe
from models.artifact.artifact import Artifact, ContractReference
from models.estimators import estimators
from models.estimators.stored_estimators import store_estimator
from models.registry.registry import CHAMPION, Registry

MODEL = "side-by-side"
ASSET_TYPE = "mill"
CHANNELS = tuple(f"c{number}" for number in range(8))
SAMPLES = 1_024
STEP = pd.Timedelta("10ms")
WINDOW = SAMPLES * STEP
END = pd.Timestamp("2026-01-05T06:00Z").as_unit("us")
WORKERS = 2
_START_TIMEOUT = 180.0
_BENTO = """
import bentoml
import numpy as np
import pandas as pd
from pathlib import Path
from models.artifact.artifact import Artifact


@bentoml.service(workers={workers})
class Bare:
    def __init__(self) -> None:
        self.artifact = Artifact.load(Path({folder!r}))

    @bentoml.api(route="/predict")
    def predict(self, features: np.ndarray) -> np.ndarray:
        return self.artifact.predict(pd.DataFrame(features, columns=list(self.artifact.columns)))
"""


@dataclass(frozen=True)
class Endpoint:
    """A running endpoint, and requests for it."""

    name: str
    port: int
    path: str
    bodies: Sequence[bytes]


@dataclass(frozen=True)
class Load:
    """What the callers measured."""

    seconds: npt.NDArray[np.float64]  # of each request
    per_second: float
    failed: int


def make_windows(count: int) -> list[pd.DataFrame]:
    """Return windows of telemetry, an asset each."""
    values = telemetry_like(count, len(CHANNELS), SAMPLES, seed=3)
    times = pd.DatetimeIndex([END - STEP * (SAMPLES - 1 - step) for step in range(SAMPLES)]).as_unit("us")
    return [
        pd.DataFrame({"asset": f"mill-{number:03d}", "event_time": times, "known_time": times, "source": "physical"})
        .assign(**dict(zip(CHANNELS, values[number], strict=True)))
        .astype({"asset": "str", "source": "str"})
        for number in range(count)
    ]


def make_model(workspace: Workspace, windows: Sequence[pd.DataFrame]) -> tuple[Artifact, pd.DataFrame]:
    """Register a model with all finite features of the Efficient set; return it with the windows' features."""
    telemetry = pd.concat(windows, ignore_index=True)
    empty = {name: empty_table(name) for name in ("assets", "failures", "work_orders", "events")}
    history = History(asset_type=ASSET_TYPE, channels=CHANNELS, telemetry=telemetry, **empty)
    recipe = fit_recipe(history, windows=[WINDOW], feature_set="efficient", events=False, ages=False)
    cut_offs = pd.DataFrame({"asset": [frame["asset"].iloc[0] for frame in windows], "as_of": END})
    features = extract(history, cut_offs, recipe)
    finite = np.isfinite(features.to_numpy()).all(axis=0)
    # The same features of every channel.
    dropped = {column.split("__", 1)[1] for column in features.columns[~finite]}
    features = features[[column for column in features.columns if column.split("__", 1)[1] not in dropped]]
    labels = np.random.default_rng(7).integers(0, 2, len(features)).astype(np.float64)
    learner = estimators.make("lightgbm", "failure", {"n_estimators": 100, "min_child_samples": 5}, 7)
    artifact = Artifact(
        target="failure",
        estimator="lightgbm",
        recipe=replace(recipe, columns=tuple(features.columns)),
        lead=pd.Timedelta(0),
        horizon=pd.Timedelta("72h"),
        cap=None,
        threshold=0.5,
        calibration=None,
        contract=ContractReference("none", "", ""),
        stored=store_estimator("lightgbm", learner.fit(features.to_numpy(), labels)),
    )
    attributes = {"asset_type": ASSET_TYPE, "model": "m1", "plant": "p1", "line": "l1"}
    assets = pd.DataFrame({"asset": cut_offs["asset"], "event_time": END, "known_time": END, **attributes})
    tables.append(workspace, "assets", assets, "assets")
    _register(workspace, artifact)
    return artifact, features


def raw_bodies(windows: Sequence[pd.DataFrame]) -> list[bytes]:
    """Return a request for each window: readings by channel, times in microseconds."""
    bodies = []
    for frame in windows:
        telemetry = {
            "event_time": frame["event_time"].astype("int64").tolist(),
            "channels": {channel: frame[channel].tolist() for channel in CHANNELS},
        }
        window = {"asset": frame["asset"].iloc[0], "as_of": END.isoformat(), "telemetry": telemetry}
        bodies.append(json.dumps({"windows": [window], "explain": False}).encode())
    return bodies


@contextmanager
def ours(workspace: Workspace, windows: Sequence[pd.DataFrame]) -> Iterator[Endpoint]:
    """Serve with forewarn."""
    port = _free_port()
    command = ["-m", "serving", "--workspace", str(workspace.root), "--model", MODEL, "--port", str(port)]
    with _running([*command, "--workers", str(WORKERS)], port, "/livez", workspace.root / "ours.log"):
        yield Endpoint("forewarn, raw windows", port, "/predict", raw_bodies(windows))


@contextmanager
def ours_of_stored(workspace: Workspace, artifact: Artifact, features: pd.DataFrame) -> Iterator[Endpoint]:
    """Serve with forewarn; one request is for all assets, from the features that a scoring run has stored."""
    assets = features.index.get_level_values("asset").tolist()
    n = len(assets)
    run = StoredFeatures(END, assets, [END] * n, [None] * n, features.to_numpy(dtype=np.float64))
    store_features(workspace, MODEL, artifact.recipe.digest, run, now=END)
    body = json.dumps({"assets": assets, "features": "stored", "explain": False}).encode()
    with ours(workspace, ()) as endpoint:
        yield replace(endpoint, name=f"forewarn, {n} assets from stored features", bodies=[body])


@contextmanager
def mlflow(workspace: Workspace, artifact: Artifact, features: pd.DataFrame) -> Iterator[Endpoint]:
    """Serve with `mlflow models serve`."""
    import mlflow.pyfunc

    port, place = _free_port(), workspace.root / "pyfunc"
    mlflow.pyfunc.save_model(
        str(place), loader_module="models.artifact", data_path=str(artifact.save(workspace.root / "model"))
    )
    command = ["-m", "mlflow", "models", "serve", "-m", str(place), "--env-manager", "local", "--host", "127.0.0.1"]
    with _running([*command, "-p", str(port), "-w", str(WORKERS)], port, "/ping", workspace.root / "mlflow.log"):
        bodies = [
            json.dumps({"dataframe_split": {"columns": list(row.columns), "data": row.to_numpy().tolist()}}).encode()
            for row in _rows(features)
        ]
        yield Endpoint("mlflow models serve, features", port, "/invocations", bodies)


@contextmanager
def bare_bento(workspace: Workspace, artifact: Artifact, features: pd.DataFrame) -> Iterator[Endpoint]:
    """Serve with BentoML and nothing else."""
    port, place = _free_port(), workspace.root / "bare"
    place.mkdir()
    folder = str(artifact.save(place / "model").resolve())
    (place / "service.py").write_text(_BENTO.format(workers=WORKERS, folder=folder))
    command = ["-m", "bentoml", "serve", "service:Bare", "--working-dir", str(place), "--host", "127.0.0.1"]
    with _running([*command, "--port", str(port)], port, "/livez", workspace.root / "bare.log"):
        bodies = [json.dumps({"features": row.to_numpy().tolist()}).encode() for row in _rows(features)]
        yield Endpoint("bare BentoML, features", port, "/predict", bodies)


def load(endpoint: Endpoint, callers: int, seconds: float) -> Load:
    """Send requests from several threads, each over its own connection, for so many seconds.

    A broken connection counts as a failure and ends its thread.
    """
    end, lock = time.perf_counter() + seconds, threading.Lock()
    latencies: list[float] = []
    failed = [0]

    def call(number: int) -> None:
        own: list[float] = []
        failures = 0
        try:
            for latency, status in _request_until(end, endpoint, number, callers):
                own.append(latency)
                failures += status != 200
        except (OSError, http.client.HTTPException):
            failures += 1
        with lock:
            latencies.extend(own)
            failed[0] += failures

    threads = [threading.Thread(target=call, args=(number,)) for number in range(callers)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(np.array(latencies), len(latencies) / (time.perf_counter() - begun), failed[0])


def _request_until(end: float, endpoint: Endpoint, first: int, step: int) -> Iterator[tuple[float, int]]:
    """Send one request after the other over one connection; yield the latency (s) and status of each response.

    The caller shares the cores with the endpoint, so it does as little as possible.
    """
    head = f"POST {endpoint.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in endpoint.bodies]
    with ExitStack() as connections:
        connection = connections.enter_context(_connect(endpoint.port))
        for number in itertools.count(first, step):
            if (begun := time.perf_counter()) >= end:
                return
            connection.sendall(requests[number % len(requests)])
            response_head = _read_response(connection)
            yield time.perf_counter() - begun, int(response_head[9:12])
            if b"connection: close" in response_head:
                connection = connections.enter_context(_connect(endpoint.port))


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _read_response(connection: socket.socket) -> bytes:
    """Read a whole response; return its head in lower case."""
    received, length = b"", -1
    while length < 0 or len(received) < length:
        if not (more := connection.recv(1 << 20)):
            raise http.client.IncompleteRead(received)
        received += more
        end = received.find(b"\r\n\r\n")
        if length < 0 <= end:
            length = end + 4 + int(received[:end].lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    return received[: received.find(b"\r\n\r\n")].lower()


def _rows(features: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for number in range(len(features)):
        yield features.iloc[[number]]


def _register(workspace: Workspace, artifact: Artifact) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(workspace.mlflow_uri, workspace.mlflow_uri)
    folder = artifact.save(Path(workspace.artifacts_url) / artifact.digest)
    client.create_registered_model(MODEL)
    version = client.create_model_version(MODEL, str(folder), tags={"model_digest": artifact.digest})
    Registry(workspace).set_alias(MODEL, CHAMPION, int(version.version))


@contextmanager
def _running(arguments: Sequence[str], port: int, health: str, log: Path) -> Iterator[None]:
    environ: Mapping[str, str] = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=output, stderr=output, env=environ, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_TIMEOUT
        while not _healthy(port, health):
            assert process.poll() is None, log.read_text()[-3_000:]
            assert time.monotonic() < deadline, log.read_text()[-3_000:]
            time.sleep(0.2)
        yield
    finally:
        # Servers that start workers leave them behind when only they are signalled.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _healthy(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
