"""Which worker asks its callers to reconnect."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response

from serving.http.load_balancing import WorkerLoad, single_worker
from serving.http.middleware import RequestMiddleware
from serving.settings import Settings


def test_one_at_two_more_than_another_is_busier(tmp_path: Path) -> None:
    """One request more is what an odd number of callers comes to; two are one too many."""
    mine, other = WorkerLoad(tmp_path / "busy", 1), WorkerLoad(tmp_path / "busy", 2)
    seen = []
    for _ in range(3):
        mine.enter()
        seen.append(mine.is_busier())
    assert seen == [False, True, True]
    other.enter()
    other.enter()
    assert [mine.is_busier(), other.is_busier()] == [False, False]


def test_the_least_busy_of_all_counts(tmp_path: Path) -> None:
    """Among several, one idle worker is enough to send callers on, and one that has ended is none."""
    workers = [WorkerLoad(tmp_path / "busy", number) for number in range(3)]
    for worker, requests in zip(workers, (3, 3, 0), strict=True):
        for _ in range(requests):
            worker.enter()
    assert [worker.is_busier() for worker in workers] == [True, True, False]
    workers[2].close()
    assert not any(worker.is_busier() for worker in workers)


def test_a_worker_that_comes_back_begins_at_nothing(tmp_path: Path) -> None:
    """What one that was killed was at is no longer counted once another has its number."""
    mine, killed = WorkerLoad(tmp_path / "busy", 1), WorkerLoad(tmp_path / "busy", 2)
    for _ in range(4):
        mine.enter()
        killed.enter()
    assert not mine.is_busier()
    WorkerLoad(tmp_path / "busy", 2)
    assert mine.is_busier()


@pytest.mark.parametrize("requests", [0, 1, 5])
def test_a_single_worker_is_never_busier(requests: int) -> None:
    """Where there is one worker, callers keep their connections."""
    load = single_worker()
    for _ in range(requests):
        load.enter()
    assert not load.is_busier()


@pytest.mark.parametrize(("more", "header"), [(0, None), (1, "close")])
def test_a_busier_worker_asks_to_reconnect(tmp_path: Path, more: int, header: str | None) -> None:
    """The answer is given all the same; a request counts from its beginning to its end."""
    mine = WorkerLoad(tmp_path / "busy", 1)
    WorkerLoad(tmp_path / "busy", 2)
    for _ in range(more):
        mine.enter()
    middleware = RequestMiddleware(Response("{}", media_type="application/json"), Settings(), None, lambda: mine)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=middleware), base_url="http://localhost"
        ) as client:
            return await client.get("/model")

    for _ in range(2):
        answer = asyncio.run(ask())
        assert answer.status_code == 200
        assert answer.headers.get("connection") == header
