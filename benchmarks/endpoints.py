"""Three endpoints that serve one model, each in processes of its own, and callers beside them.

Ours takes raw windows, computes the features and stores every answer. `mlflow models serve` and a bare BentoML service
take features that are ready-made, and store nothing.
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
_PATIENCE = 180.0
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
    """An endpoint that runs, and requests for it."""

    name: str
    port: int
    path: str
    bodies: Sequence[bytes]


@dataclass(frozen=True)
class Load:
    """What callers saw: seconds a request, and requests a second."""

    seconds: npt.NDArray[np.float64]
    per_second: float
    failed: int


def make_windows(count: int) -> list[pd.DataFrame]:
    """Make windows of eight channels like a machine's."""
    values = telemetry_like(count, len(CHANNELS), SAMPLES, seed=3)
    times = pd.DatetimeIndex([END - STEP * (SAMPLES - 1 - step) for step in range(SAMPLES)]).as_unit("us")
    return [
        pd.DataFrame({"asset": f"mill-{number:03d}", "event_time": times, "known_time": times, "source": "physical"})
        .assign(**dict(zip(CHANNELS, values[number], strict=True)))
        .astype({"asset": "str", "source": "str"})
        for number in range(count)
    ]


def make_model(workspace: Workspace, windows: Sequence[pd.DataFrame]) -> tuple[Artifact, pd.DataFrame]:
    """Register a model of all features of the Efficient set; return it with the windows' features."""
    telemetry = pd.concat(windows, ignore_index=True)
    empty = {name: empty_table(name) for name in ("assets", "failures", "work_orders", "events")}
    history = History(asset_type=ASSET_TYPE, channels=CHANNELS, telemetry=telemetry, **empty)
    recipe = fit_recipe(history, windows=[WINDOW], feature_set="efficient", events=False, ages=False)
    cut_offs = pd.DataFrame({"asset": [frame["asset"].iloc[0] for frame in windows], "as_of": END})
    features = extract(history, cut_offs, recipe)
    finite = np.isfinite(features.to_numpy()).all(axis=0)
    # The same features of every channel, as a person would choose them.
    left_out = {column.split("__", 1)[1] for column in features.columns[~finite]}
    features = features[[column for column in features.columns if column.split("__", 1)[1] not in left_out]]
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
    described = {"asset_type": ASSET_TYPE, "model": "m1", "plant": "p1", "line": "l1"}
    assets = pd.DataFrame({"asset": cut_offs["asset"], "event_time": END, "known_time": END, **described})
    tables.append(workspace, "assets", assets, "assets")
    _register(workspace, artifact)
    return artifact, features


def raw_bodies(windows: Sequence[pd.DataFrame]) -> list[bytes]:
    """Write a request a window, as ours takes it: channel by channel, times in microseconds."""
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
    """Serve with forewarn; one request asks about the whole fleet, from what a scoring run has stored of it."""
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
    """Ask from several threads, each over its own connection, for so many seconds.

    A connection that breaks off is a failure, and the end of its thread.
    """
    over, lock = time.perf_counter() + seconds, threading.Lock()
    taken: list[float] = []
    failed = [0]

    def call(number: int) -> None:
        mine: list[float] = []
        broken = 0
        try:
            for answered, status in _answers(endpoint, number, callers, over):
                mine.append(answered)
                broken += status != 200
        except (OSError, http.client.HTTPException):
            broken += 1
        with lock:
            taken.extend(mine)
            failed[0] += broken

    threads = [threading.Thread(target=call, args=(number,)) for number in range(callers)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(np.array(taken), len(taken) / (time.perf_counter() - begun), failed[0])


def _answers(endpoint: Endpoint, first: int, step: int, over: float) -> Iterator[tuple[float, int]]:
    """Ask one thing after the other over one connection; yield how long each answer took (s), and its status.

    The caller shares the cores with the endpoint, so it does no more than a caller must.
    """
    head = f"POST {endpoint.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in endpoint.bodies]
    with ExitStack() as held:
        connection = held.enter_context(_connect(endpoint.port))
        for asked in itertools.count(first, step):
            if (begun := time.perf_counter()) >= over:
                return
            connection.sendall(requests[asked % len(requests)])
            answer = _read_head(connection)
            yield time.perf_counter() - begun, int(answer[9:12])
            if b"connection: close" in answer:
                connection = held.enter_context(_connect(endpoint.port))


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _read_head(connection: socket.socket) -> bytes:
    """Read a whole answer; return its head in lower case."""
    answer, whole = b"", -1
    while whole < 0 or len(answer) < whole:
        if not (more := connection.recv(1 << 20)):
            raise http.client.IncompleteRead(answer)
        answer += more
        end = answer.find(b"\r\n\r\n")
        if whole < 0 <= end:
            whole = end + 4 + int(answer[:end].lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    return answer[: answer.find(b"\r\n\r\n")].lower()


def _rows(features: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for number in range(len(features)):
        yield features.iloc[[number]]


def _register(workspace: Workspace, artifact: Artifact) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(workspace.mlflow_uri, workspace.mlflow_uri)
    folder = artifact.save(Path(workspace.artifacts_url) / artifact.digest)
    client.create_registered_model(MODEL)
    made = client.create_model_version(MODEL, str(folder), tags={"model_digest": artifact.digest})
    Registry(workspace).set_alias(MODEL, CHAMPION, int(made.version))


@contextmanager
def _running(arguments: Sequence[str], port: int, health: str, log: Path) -> Iterator[None]:
    environ: Mapping[str, str] = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=written, stderr=written, env=environ, start_new_session=True
        )
    try:
        ends = time.monotonic() + _PATIENCE
        while not _healthy(port, health):
            assert process.poll() is None, log.read_text()[-3_000:]
            assert time.monotonic() < ends, log.read_text()[-3_000:]
            time.sleep(0.2)
        yield
    finally:
        # Servers that start workers of their own leave them behind when only they are told to end.
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
