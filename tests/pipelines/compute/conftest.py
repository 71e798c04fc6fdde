"""Worker processes of Dask that the tests share."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipelines.compute.dask_engine import DaskEngine, local_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[DaskEngine]:
    with local_engine(2) as started:
        yield started


@dataclass
class LosingEngine:
    """An engine that loses one of its workers, killed while tasks are computed."""

    engine: DaskEngine
    tasks: int = 0
    killed: list[int] = field(default_factory=list)

    @property
    def workers(self) -> int:
        return self.engine.workers

    def map(self, compute: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        for result in self.engine.map(compute, tasks):
            self.tasks += 1
            client = self.engine.client
            if not self.killed:
                busy = [address for address, own in client.processing().items() if own]
                chosen = [*busy, *client.nthreads()][:1]  # one that computes, or else that may hold a result
                self.killed.append(client.run(os.getpid, workers=chosen)[chosen[0]])
                os.kill(self.killed[0], signal.SIGKILL)
            yield result


@pytest.fixture
def losing(engine: DaskEngine) -> Iterator[LosingEngine]:
    """Return the engine, of which a worker is killed; there are two again afterwards."""
    losing = LosingEngine(engine)
    yield losing
    engine.client.wait_for_workers(2, timeout=120)
