"""The endpoint beside others that serve the same model, and the cost of storing every answer before it is sent."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from benchmarks import endpoints
from benchmarks.endpoints import Endpoint
from data_contracts.records.records import Prediction
from data_contracts.workspace import init_workspace
from serving.prediction.prediction_log import PredictionLog

CALLERS = (1, 8, 64)
ROUNDS, SECONDS = 5, 6.0
WINDOWS, FLEET = 32, 200
STORED_BY_EACH = 200


@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
@pytest.mark.timeout(1800)
def test_beside_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ours is sent raw windows, the others features: requests a second and latencies, round by round."""
    workspace = init_workspace(tmp_path / "workspace")
    windows = endpoints.make_windows(WINDOWS)
    artifact, features = endpoints.make_model(workspace, windows)
    table = Table("endpoint", "callers", "requests/s", "p50 ms", "p99 ms", "failed", box=None)
    with ExitStack() as running:
        compared = [
            running.enter_context(endpoints.ours(workspace, windows)),
            running.enter_context(endpoints.mlflow(workspace, artifact, features)),
            running.enter_context(endpoints.bare_bento(workspace, artifact, features)),
        ]
        for endpoint in compared:
            _warm_up(endpoint)
        for callers in CALLERS:
            loads = {endpoint.name: [] for endpoint in compared}
            for _ in range(ROUNDS):
                for endpoint in compared:
                    loads[endpoint.name].append(endpoints.load(endpoint, callers, SECONDS))
            for name, runs in loads.items():
                middle = [np.median([np.percentile(load.seconds, share) for load in runs]) * 1e3 for share in (50, 99)]
                per_second = np.median([load.per_second for load in runs])
                failed = sum(load.failed for load in runs)
                table.add_row(name, str(callers), f"{per_second:.0f}", *(f"{ms:.1f}" for ms in middle), str(failed))
                assert not failed
    with capsys.disabled():
        title = (
            f"{len(endpoints.CHANNELS)} channels x {endpoints.SAMPLES} samples, {features.shape[1]:,} features of the "
            f"Efficient set, {endpoints.WORKERS} workers each; medians of {ROUNDS} rounds of {SECONDS:g} s"
        )
        Console(width=120).print("", title, table, sep="\n")


@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
def test_a_whole_fleet_in_one_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """200 assets from the features that the last scoring run stored, without explanations."""
    workspace = init_workspace(tmp_path / "workspace")
    artifact, features = endpoints.make_model(workspace, endpoints.make_windows(FLEET))
    with endpoints.ours_of_stored(workspace, artifact, features) as endpoint:
        _warm_up(endpoint)
        loads = [endpoints.load(endpoint, 1, SECONDS) for _ in range(ROUNDS)]
    assert not sum(load.failed for load in loads)
    middle = [np.median([np.percentile(load.seconds, share) for load in loads]) * 1e3 for share in (50, 99)]
    with capsys.disabled():
        Console(width=120).print("", f"{endpoint.name}: p50 {middle[0]:.0f} ms, p99 {middle[1]:.0f} ms", sep="\n")


@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
def test_cost_of_durability(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How long an answer waits for the disk, alone and with others that share the transaction."""
    log = PredictionLog(init_workspace(tmp_path / "workspace"))
    table = Table("callers", "answers/s", "p50 ms", "p99 ms", box=None)
    for callers in CALLERS:
        begun = time.perf_counter()
        with ThreadPoolExecutor(callers) as pool:
            stored = pool.map(_store, [log] * callers, [threading.Barrier(callers)] * callers)
            latencies = [seconds for own in stored for seconds in own]
        per_second = len(latencies) / (time.perf_counter() - begun)
        middle = [f"{np.percentile(latencies, share) * 1e3:.2f}" for share in (50, 99)]
        table.add_row(str(callers), f"{per_second:.0f}", *middle)
    with capsys.disabled():
        Console(width=120).print("", "Stored before it is sent: SQLite, WAL, synchronous=FULL", table, sep="\n")


def _warm_up(endpoint: Endpoint) -> None:
    for _ in range(3):
        assert not endpoints.load(endpoint, 8, 2.0).failed


def _store(log: PredictionLog, start: threading.Barrier) -> list[float]:
    start.wait()
    latencies = []
    for _ in range(STORED_BY_EACH):
        begun = time.perf_counter()
        log.store([_prediction()])
        latencies.append(time.perf_counter() - begun)
    return latencies


def _prediction() -> Prediction:
    now = pd.Timestamp.now("UTC").as_unit("us")
    return Prediction(
        prediction_id=uuid.uuid4().hex,
        asset="m1",
        as_of=now,
        made_at=now,
        horizon_s=86_400.0,
        lead_s=0.0,
        probability=0.5,
        remaining_life_h=None,
        threshold=0.5,
        alert=True,
        model_name="m",
        model_version=1,
        origin="endpoint",
    )
