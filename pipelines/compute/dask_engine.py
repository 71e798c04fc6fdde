"""Features computed by Dask: worker processes of this machine, or those of a scheduler elsewhere."""

import logging
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, Security
from distributed.client import ClosedClientError
from distributed.utils import CancelledError

from data_contracts.workspace import Workspace
from features import kernels_compiled
from pipelines.compute.worker import ComputeError, Failed, check_environment, compute_task, environment, inspect

Task = TypeVar("Task")
Result = TypeVar("Result")
_PATIENCE_S: Final = 15
# A worker that ends is Dask's own matter; this is for errors such as a store that is out of reach for a moment.
_RETRIES: Final = 3
# As many tasks again wait for a worker: their results, too, until they are asked for.
_TASKS_A_WORKER: Final = 2
# Dask's own HTTP servers are neither encrypted nor protected.
_NO_PAGES: Final[dict[str, Any]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
_REMEDY: Final = "See the logs of the scheduler and the workers, and start what is missing"


@dataclass(frozen=True)
class DaskEngine:
    """Runs tasks through a client of Dask."""

    client: Client
    where: str  # as a reader knows it

    @property
    def workers(self) -> int:
        """How many tasks run at the same time."""
        with self._lost():
            return max(1, sum(map(int, self.client.nthreads().values())))

    def map(self, compute: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the results in the order of the tasks; those of a worker that ends are computed by another."""
        expected, most = environment(), _TASKS_A_WORKER * self.workers
        waiting = deque[Future]()
        try:
            for task in tasks:
                waiting.append(self._submit(compute, task, expected))
                if len(waiting) >= most:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            if waiting and self.client.status == "running":
                self.client.cancel(list(waiting))

    def check_workers(self, workspace: Workspace) -> None:
        """Raise `ComputeError` unless there are workers, with the versions of this process, that see the workspace."""
        with self._lost():
            try:
                self.client.wait_for_workers(1, timeout=_PATIENCE_S)
            except TimeoutError as error:
                found = f"{self.where} has no worker after {_PATIENCE_S} s"
                raise ComputeError(found, "one worker at least", _REMEDY) from error
            found_at = self.client.run(inspect, str(workspace.root), on_error="return")
        for address, answer in found_at.items():
            if isinstance(answer, BaseException):
                raise ComputeError(
                    f"the worker {address} cannot run forewarn ({type(answer).__name__}: {answer})",
                    "forewarn installed for every worker, as in this process",
                    "Install the same environment for the workers and restart them",
                )
            check_environment(environment(), answer.environment, f"the worker {address}")
            if not answer.sees_workspace:
                raise ComputeError(
                    f"the worker {address} sees no folder {workspace.root}",
                    "the workspace at the same path for every worker, as each reads its telemetry itself",
                    "Mount it there, or leave compute.address empty for workers on this machine",
                )
            if not answer.kernels_compiled:
                # Code that the process compiled itself gave other last bits of skewness and kurtosis than loaded code.
                raise ComputeError(
                    f"the worker {address} has not compiled the feature kernels",
                    "workers that load compiled ones, for the same features",
                    "Run `python -m features` in its environment and restart it",
                )

    def _submit(self, compute: Callable[[Task], Result], task: Task, expected: dict[str, str]) -> Future:
        with self._lost():
            return self.client.submit(compute_task, compute, task, expected, pure=False, retries=_RETRIES)

    def _result(self, future: Future) -> Any:
        with self._lost():
            error = future.exception()
            result = None if error is not None else future.result()
        if isinstance(error, KilledWorker):
            raise ComputeError(
                f"worker after worker ended while computing the same part ({error.last_worker.address} last)",
                "workers that live as long as their work takes",
                "See whether their memory suffices: the logs of the system name processes that it killed",
            ) from error
        if error is not None:
            # Its own, which may be of the very kinds by which a connection is lost.
            raise error
        if isinstance(result, Failed):
            raise result.error
        return result

    @contextmanager
    def _lost(self) -> Iterator[None]:
        try:
            yield
        except (OSError, CancelledError, ClosedClientError) as error:
            raise ComputeError(f"{self.where} was lost ({error})", "it to run until the end", _REMEDY) from error


@contextmanager
def local_engine(workers: int | None) -> Iterator[DaskEngine]:
    """Start worker processes on this machine, one a core if None, and end them afterwards."""
    count = workers or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if not kernels_compiled():
        # In a process apart, for the workers to load what it compiled.
        subprocess.run([sys.executable, "-m", "features"], check=True)
    # Certificates of its own: who reaches a scheduler can run code with our rights, and others may use this machine.
    security = Security.temporary()
    with (
        dask.config.set(_NO_PAGES),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls://",
            security=security,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            # A part bounds its memory itself; Dask's limit would pause or end workers that others leave less.
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, security=security, set_as_default=False) as client,
    ):
        yield DaskEngine(client, "Dask on this machine")


@contextmanager
def remote_engine(address: str) -> Iterator[DaskEngine]:
    """Connect to a scheduler, whose certificates, if any, are those of Dask's own configuration."""
    try:
        client = Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ComputeError(
            f"no Dask scheduler answers at {address} ({error})",
            "the address of a running scheduler in compute.address, such as tls://10.1.0.5:8786",
            'Start one with `dask scheduler`, or set compute.engine = "threads"',
        ) from error
    with client:
        yield DaskEngine(client, f"Dask at {address}")
