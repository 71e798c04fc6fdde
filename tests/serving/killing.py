"""The endpoint's processes killed at random under load, and what was answered all the same."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from data_contracts.records.records import open_records, predictions
from data_contracts.workspace import Workspace
from serving.deployment.worker_status import WorkerStatus, open_worker_status
from tests.serving.callers import Answer, Callers, EndpointRequest, ask_once
from tests.serving.conftest import REPOSITORY, free_port

# Counted in looks and not in time: while a busy machine holds these processes, it holds those they wait for too.
PATIENCE, PAUSE = 2_400, 0.05


@dataclass
class Service:
    """The endpoint, started again whenever it is gone, as a machine's own supervisor would."""

    workspace: Workspace
    model: str
    workers: int
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def worker_status(self) -> WorkerStatus:
        """What the workers serve."""
        return open_worker_status(self.workspace, self.port)

    def start(self) -> None:
        """Start it; until the port is free again it ends at once, and is started anew."""
        command = [sys.executable, "-m", "serving", "--workspace", str(self.workspace.root), "--model", self.model]
        command += ["--port", str(self.port), "--workers", str(self.workers)]
        environ = {**os.environ, "PYTHONPATH": REPOSITORY, **self.environ}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environ, cwd=self.folder)

    def await_workers(self, count: int | None = None) -> float:
        """Wait until so many workers serve a champion, all if no number is given; return after how many seconds."""
        begun = time.monotonic()
        for _ in range(PATIENCE):
            if self.process is None or self.process.poll() is not None:
                self.start()
            served = [state for state in self.worker_status.states() if state.version is not None]
            if len(served) >= (count or self.workers) and self._is_ready():
                return time.monotonic() - begun
            time.sleep(PAUSE)
        raise AssertionError(f"the endpoint did not come up: {self.worker_status.states()}\n{self._logged_problems()}")

    def kill(self) -> None:
        """Kill the process that holds the workers, and wait until they have followed."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        while self.worker_status.states():
            time.sleep(0.02)

    def stop(self) -> None:
        """End it in good order."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()

    def _logged_problems(self) -> str:
        """Return the end of what it logged, but for the requests."""
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if '"event": "request"' not in line)[-4000:]

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5.0).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def service(workspace: Workspace, model: str, folder: Path, **more: Any) -> Iterator[Service]:
    """Run the endpoint with two workers."""
    running = Service(workspace, model, 2, folder, **more)
    try:
        running.await_workers()
        yield running
    finally:
        running.stop()


@dataclass(frozen=True)
class Killed:
    """What was seen while processes were killed."""

    answers: Sequence[Answer]
    workers: int
    services: int
    back_after: Sequence[float]
    """Seconds from each kill until enough workers served again."""

    @property
    def answered(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status == 200]

    @property
    def statuses(self) -> Counter[int]:
        """Return how often each status came; 0 is a connection that was lost."""
        return Counter(answer.status for answer in self.answers)


def kill_under_load(
    running: Service,
    ask: Callable[[int], EndpointRequest],
    kills: int,
    *,
    callers: int,
    seed: int,
    left: int | None = None,
) -> Killed:
    """Kill workers, and now and then the whole service, while callers ask.

    Before the next kill, wait until so many workers serve; all of them if no number is given, as at the end.
    """
    rng, back_after, services = random.Random(seed), [], 0
    with Callers(running.url, ask, callers, rest=0.1) as asking:
        for number in range(kills):
            time.sleep(rng.uniform(0.2, 1.0))
            if number % 4 == 3:
                running.kill()
                services += 1
            else:
                kill_worker(running, rng.choice(running.worker_status.states()).pid)
            back_after.append(running.await_workers(left))
        running.await_workers()
        time.sleep(0.5)
    return Killed(asking.answers, kills - services, services, back_after)


def kill_worker(running: Service, pid: int) -> None:
    """Kill a worker, and wait until it is dead."""
    os.kill(pid, signal.SIGKILL)
    while any(state.pid == pid for state in running.worker_status.states()):
        time.sleep(0.01)


def lost(workspace: Workspace, answers: Sequence[Answer]) -> int:
    """Count answered predictions that are not in the records, or not there as answered."""
    stored = predictions(open_records(workspace.records_url)).set_index("prediction_id")["probability"].to_dict()
    rows = [row for answer in answers for row in answer.stored]
    return sum(stored.get(row["prediction_id"]) != row["probability"] for row in rows)


def twice(answers: Sequence[Answer]) -> int:
    """Count identifiers that were answered to more than one question."""
    owners: dict[str, set[int]] = {}
    for answer in answers:
        for row in answer.predictions:
            owners.setdefault(row["prediction_id"], set()).add(id(answer.question))
    return sum(len(questions) > 1 for questions in owners.values())


def answered_differently(url: str, answers: Sequence[Answer]) -> int:
    """Ask again with the same keys; count those that get another answer than the first time."""
    with ThreadPoolExecutor(4) as pool:
        again = pool.map(lambda answer: ask_once(url, answer.question).text, answers)
        return sum(text != answer.text for text, answer in zip(again, answers, strict=True))


def stored_rows(workspace: Workspace) -> int:
    """Count the predictions in the records."""
    return len(predictions(open_records(workspace.records_url)))
