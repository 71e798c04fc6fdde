"""What tracing costs a request: the endpoint without a collector, with one, and with one that is away."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from benchmarks import endpoints
from data_contracts.workspace import Workspace, init_workspace

ROUNDS, SECONDS, CALLERS, WINDOWS = 7, 4.0, 1, 32
NOBODY = "http://127.0.0.1:9"
_COLLECTOR = """
import time
from tests.otlp_collector import running_collector
with running_collector() as collector:
    print(collector.url, flush=True)
    time.sleep(3600)
"""


@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
@pytest.mark.timeout(1800)
def test_tracing_beside_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One caller, raw windows: rounds in turn, and of each the ratio of its median to that without a collector."""
    workspace = init_workspace(tmp_path / "workspace")
    windows = endpoints.make_windows(WINDOWS)
    endpoints.make_model(workspace, windows)
    with ExitStack() as running:
        collector = running.enter_context(_collector())
        compared = {
            name: running.enter_context(_endpoint(workspace, windows, url))
            for name, url in (("off", ""), ("collector", collector), ("collector away", NOBODY))
        }
        for endpoint in compared.values():
            endpoints.load(endpoint, CALLERS, SECONDS)
        p50: dict[str, list[float]] = {name: [] for name in compared}
        for _ in range(ROUNDS):
            for name, endpoint in compared.items():
                load = endpoints.load(endpoint, CALLERS, SECONDS)
                assert not load.failed
                p50[name].append(float(np.median(load.seconds)) * 1e3)
    table = Table("tracing", "p50 ms", "beside off", box=None)
    for name, seen in p50.items():
        ratios = np.array(seen) / np.array(p50["off"])
        spread = f"{np.median(ratios):.3f} ({ratios.min():.3f} to {ratios.max():.3f})"
        table.add_row(name, f"{np.median(seen):.2f}", spread)
    with capsys.disabled():
        Console(width=100).print("", f"medians of {ROUNDS} rounds of {SECONDS:g} s", table, sep="\n")


@contextmanager
def _endpoint(workspace: Workspace, windows: list[object], url: str) -> Iterator[endpoints.Endpoint]:
    with pytest.MonkeyPatch.context() as environ, ExitStack() as running:
        environ.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        endpoint = running.enter_context(endpoints.ours(workspace, windows))
        yield replace(endpoint, name=url or "off")


@contextmanager
def _collector() -> Iterator[str]:
    """Run a collector in a process of its own, so that it takes no turn of the callers' interpreter."""
    process = subprocess.Popen([sys.executable, "-c", _COLLECTOR], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(20)
