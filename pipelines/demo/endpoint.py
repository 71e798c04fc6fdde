"""The real endpoint, started for the demonstration and asked over HTTP."""

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

PATIENCE = 120.0


@dataclass(frozen=True)
class Endpoint:
    """A running prediction endpoint.

    Parameters
    ----------
    url : str
        Where it listens.
    client : httpx.Client
        An open connection to it.
    """

    url: str
    client: httpx.Client

    def predict(self, assets: Sequence[str], as_of: pd.Timestamp) -> list[dict[str, Any]]:
        """Ask for predictions of stored telemetry.

        Parameters
        ----------
        assets : Sequence[str]
            The assets.
        as_of : pd.Timestamp
            Nothing known later is used.

        Returns
        -------
        list of dict
            A prediction an asset, as the endpoint answered it.

        Raises
        ------
        StorageError
            If the endpoint answers with anything but 200.
        """
        answer = self.client.post("/predict", json={"assets": list(assets), "as_of": as_of.isoformat()})
        if answer.status_code != httpx.codes.OK:
            raise StorageError(
                f"the endpoint answered {answer.status_code}: {answer.text}", "200", "Look into the demo's endpoint.log"
            )
        predictions: list[dict[str, Any]] = answer.json()["predictions"]
        return predictions

    def version(self) -> int:
        """Return the version of the model that answers."""
        return int(self.client.get("/model").json()["version"])

    def await_version(self, version: int) -> float:
        """Wait until a version answers.

        Parameters
        ----------
        version : int
            The version to wait for.

        Returns
        -------
        float
            Seconds waited.
        """
        begin = time.perf_counter()
        while self.version() != version:
            if time.perf_counter() - begin > PATIENCE:
                raise NotFoundError(
                    f"the endpoint still serves version {self.version()}",
                    f"version {version}",
                    "Look into endpoint.log",
                )
            time.sleep(0.05)
        return time.perf_counter() - begin


@contextmanager
def endpoint(workspace: Path, model: str, log: Path) -> Iterator[Endpoint]:
    """Start the endpoint on a free port of the loopback interface; end it by its process id.

    Parameters
    ----------
    workspace : Path
        The workspace it serves from.
    model : str
        The registered model's name.
    log : Path
        The file for what it prints.

    Yields
    ------
    Endpoint
        The endpoint, ready.
    """
    port = _free_port()
    command = [sys.executable, "-m", "serving", "--workspace", str(workspace), "--model", model, "--port", str(port)]
    with log.open("w", encoding="utf-8") as written:
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=60.0) as client:
                _await_ready(client, process, log)
                yield Endpoint(url, client)
        finally:
            _end(process)


@dataclass
class Traffic:
    """Requests sent without a pause, and what came of them.

    Parameters
    ----------
    answered : Counter
        Answers by the version that gave them.
    failed : int
        Requests that got no answer.
    mixed : int
        Answers in which two versions spoke.
    """

    answered: Counter[int] = field(default_factory=Counter)
    failed: int = 0
    mixed: int = 0


@contextmanager
def traffic(asked: Endpoint, assets: Sequence[str], as_of: pd.Timestamp) -> Iterator[Traffic]:
    """Keep asking the endpoint while the body runs.

    Parameters
    ----------
    asked : Endpoint
        The endpoint.
    assets : Sequence[str]
        The assets asked about in each request.
    as_of : pd.Timestamp
        Nothing known later is used.

    Yields
    ------
    Traffic
        What came of the requests, complete when the body has ended.
    """
    seen, over = Traffic(), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=asked.url, timeout=60.0) as client:
            while not over.is_set():
                _count(seen, client, assets, as_of)
                over.wait(0.02)

    asking = threading.Thread(target=ask, name="traffic")
    asking.start()
    try:
        yield seen
    finally:
        over.set()
        asking.join()


def _count(seen: Traffic, client: httpx.Client, assets: Sequence[str], as_of: pd.Timestamp) -> None:
    try:
        predictions = Endpoint(str(client.base_url), client).predict(assets, as_of)
    except (StorageError, httpx.HTTPError):
        seen.failed += 1
        return
    versions = {int(prediction["model_version"]) for prediction in predictions}
    seen.mixed += len(versions) > 1
    seen.answered.update(versions)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(client: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    begin = time.perf_counter()
    while time.perf_counter() - begin < PATIENCE:
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
