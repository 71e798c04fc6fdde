"""The real endpoint, started for the demonstration, and requests to it."""

import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from data_contracts.errors import NotFoundError, StorageError

TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Endpoint:
    """A running prediction endpoint, and an open connection to it."""

    url: str
    client: httpx.Client

    def predict(self, assets: Sequence[str], as_of: pd.Timestamp) -> list[dict[str, Any]]:
        """Request a prediction for each asset from what was known at `as_of`; any status but 200 is a StorageError."""
        response = self.client.post("/predict", json={"assets": list(assets), "as_of": as_of.isoformat()})
        if response.status_code != httpx.codes.OK:
            raise StorageError(
                f"the endpoint answered {response.status_code}: {response.text}", "200", "See the demo's endpoint.log"
            )
        predictions: list[dict[str, Any]] = response.json()["predictions"]
        return predictions

    def version(self) -> int:
        """Return the version of the model that is served."""
        return int(self.client.get("/model").json()["version"])

    def await_version(self, version: int) -> float:
        """Wait until a version is served; return the seconds waited."""
        begin = time.perf_counter()
        while self.version() != version:
            if time.perf_counter() - begin > TIMEOUT_SECONDS:
                raise NotFoundError(
                    f"the endpoint still serves version {self.version()}",
                    f"version {version}",
                    "See the demo's endpoint.log",
                )
            time.sleep(0.05)
        return time.perf_counter() - begin


@contextmanager
def endpoint(workspace: Path, model: str, log: Path) -> Iterator[Endpoint]:
    """Start the endpoint on a free port of the loopback interface, wait until it is ready, and stop it at the end.

    `log` is the file for its output.
    """
    port = _free_port()
    command = [sys.executable, "-m", "serving", "--workspace", str(workspace), "--model", model, "--port", str(port)]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=60.0) as client:
                _await_ready(client, process, log)
                yield Endpoint(url, client)
        finally:
            _end(process)


@dataclass
class Traffic:
    """Counts of the requests sent by `traffic`."""

    answered: Counter[int] = field(default_factory=Counter)  # by model version
    failed: int = 0
    mixed: int = 0  # answers with predictions of two versions


@contextmanager
def traffic(to: Endpoint, assets: Sequence[str], as_of: pd.Timestamp) -> Iterator[Traffic]:
    """Send requests without a pause while the body runs; the counts are complete when it has ended."""
    counts, over = Traffic(), threading.Event()

    def send() -> None:
        with httpx.Client(base_url=to.url, timeout=60.0) as client:
            while not over.is_set():
                _request(counts, client, assets, as_of)
                over.wait(0.02)

    sender = threading.Thread(target=send, name="traffic")
    sender.start()
    try:
        yield counts
    finally:
        over.set()
        sender.join()


def _request(counts: Traffic, client: httpx.Client, assets: Sequence[str], as_of: pd.Timestamp) -> None:
    try:
        predictions = Endpoint(str(client.base_url), client).predict(assets, as_of)
    except (StorageError, httpx.HTTPError):
        counts.failed += 1
        return
    versions = {int(prediction["model_version"]) for prediction in predictions}
    counts.mixed += len(versions) > 1
    counts.answered.update(versions)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(client: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    begin = time.perf_counter()
    while time.perf_counter() - begin < TIMEOUT_SECONDS:
        if process.poll() is not None:
            break
        try:
            if client.get("/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise NotFoundError(f"the endpoint did not become ready; it wrote to {log}", "a ready endpoint", "Read that file")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
