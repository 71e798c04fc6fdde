"""What was answered stays answered: processes killed under load, and a database that goes away and comes back."""

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_contracts.workspace import Workspace
from models.registry.registry import CHAMPION, Registry
from tests.postgres_server import PostgresServer
from tests.serving.callers import Answer, Callers, EndpointRequest, ask_once
from tests.serving.killing import answered_differently, kill_under_load, lost, service, stored_rows, twice

AS_OF = "2015-01-06T00:00:00Z"


@pytest.fixture
def model(registry: Registry, fleet: Any) -> str:
    registry.set_alias(fleet.model, CHAMPION, 1)
    return str(fleet.model)


@pytest.mark.verify
def test_what_was_answered_survives_kills(workspace: Workspace, model: str, fleet: Any, tmp_path: Path) -> None:
    """Killed workers come back; each answered prediction is stored once; the same keys get the same answers."""
    own = replace(workspace, records_url=f"sqlite:///{tmp_path / 'records.db'}")
    environ = {"FOREWARN_RECORDS_URL": own.records_url}

    def ask(number: int) -> EndpointRequest:
        assets = [fleet.assets[(number + step) % len(fleet.assets)] for step in range(3)]
        return EndpointRequest({"assets": assets, "as_of": AS_OF}, key=f"kill-{number}")

    with service(own, model, tmp_path, environ=environ) as running:
        seen = kill_under_load(running, ask, 4, callers=4, seed=1, left=1)
        assert set(seen.statuses) <= {0, 200, 503}
        assert (lost(own, seen.answered), twice(seen.answered)) == (0, 0)
        assert answered_differently(running.url, seen.answered) == 0
        # A request that was cut off may have been stored or not; sent again, it is stored once.
        again = [ask_once(running.url, answer.question) for answer in seen.answers if answer.status != 200]
        assert {answer.status for answer in again} <= {200}
        assert stored_rows(own) == sum(len(answer.stored) for answer in [*seen.answered, *again])
    assert seen.answered


@pytest.mark.verify
def test_a_database_that_goes_away_costs_answers_and_loses_none(
    workspace: Workspace, model: str, fleet: Any, tmp_path: Path, postgres: PostgresServer
) -> None:
    """While PostgreSQL is down there is 503 with Retry-After; then all goes on, and what was answered is there."""
    own = replace(workspace, records_url=postgres.url)
    body = {"assets": list(fleet.assets[:3]), "as_of": AS_OF}
    with service(own, model, tmp_path, environ={"FOREWARN_RECORDS_URL": own.records_url}) as running:
        with Callers(running.url, lambda number: EndpointRequest(body, key=f"away-{number}"), 4) as asking:
            time.sleep(1.0)
            for _ in range(2):
                postgres.stop()
                answers = await_answers(asking, time.monotonic(), 8)
                assert {answer.status for answer in answers} == {503}
                assert all(answer.retry_after is not None for answer in answers)
                postgres.start()
                back = time.monotonic()
                while ask_once(running.url, EndpointRequest(body)).status != 200:
                    assert time.monotonic() < back + 30
                assert {answer.status for answer in await_answers(asking, time.monotonic(), 8)} == {200}
        answered = [answer for answer in asking.answers if answer.status == 200]
        assert Counter(answer.status for answer in asking.answers).keys() == {200, 503}
        assert (lost(own, answered), twice(answered)) == (0, 0)
        assert answered_differently(running.url, answered) == 0


def await_answers(asking: Callers, since: float, count: int) -> list[Answer]:
    """Wait for so many answers to requests sent since then."""
    ends, answers = time.monotonic() + 60, list[Answer]()
    while time.monotonic() < ends:
        answers = [answer for answer in list(asking.answers) if answer.begun > since]
        if len(answers) >= count:
            return answers
        time.sleep(0.05)
    raise AssertionError(f"{len(answers)} answers in a minute")
