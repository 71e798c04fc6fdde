"""Leases: one holder at a time, for as long as it lives."""

import time
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import ModelError
from data_contracts.records.leases import acquire_lease, hold_lease, release_lease, wall_clock
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace

AT = pd.Timestamp("2026-03-05T06:00:00.123456Z")


@pytest.fixture
def engine(workspace: Workspace) -> Iterator[Any]:
    records = open_records(workspace.records_url)
    yield records
    records.dispose()


def test_a_lease_has_one_holder_until_it_ends(engine: Any) -> None:
    """A lease keeps others out until it ends or is given back; its holder prolongs it."""
    ttl = pd.Timedelta(minutes=5)
    assert acquire_lease(engine, "retrain", "a", AT, ttl)
    assert not acquire_lease(engine, "retrain", "b", AT + pd.Timedelta(minutes=4), ttl)
    assert acquire_lease(engine, "retrain", "a", AT + pd.Timedelta(minutes=4), ttl)
    assert not acquire_lease(engine, "retrain", "b", AT + pd.Timedelta(minutes=8), ttl)
    assert acquire_lease(engine, "retrain", "b", AT + pd.Timedelta(minutes=9), ttl)
    release_lease(engine, "retrain", "a")
    assert not acquire_lease(engine, "retrain", "a", AT + pd.Timedelta(minutes=10), ttl)
    release_lease(engine, "retrain", "b")
    assert acquire_lease(engine, "retrain", "a", AT + pd.Timedelta(minutes=10), ttl)


def test_work_longer_than_the_lease_stays_alone(engine: Any) -> None:
    """A holder that lives keeps its lease however long the work takes, and gives it back, also when the work fails."""
    ttl = pd.Timedelta(seconds=4)

    def work_and_fail() -> None:
        with hold_lease(engine, "retrain/pump", "retraining of pump", ttl=ttl):
            time.sleep(4.5)
            assert not acquire_lease(engine, "retrain/pump", "someone else", wall_clock(), ttl)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work_and_fail()
    assert acquire_lease(engine, "retrain/pump", "someone else", wall_clock(), ttl)


def test_the_error_names_the_holder_and_the_end(engine: Any) -> None:
    """The error says who holds the lease, and when it expires if the holder has died."""
    ends = wall_clock() + pd.Timedelta(minutes=2)
    acquire_lease(engine, "retrain/pump", "process 4242 on mill, 8d3f", wall_clock(), pd.Timedelta(minutes=2))
    with pytest.raises(ModelError) as refused, hold_lease(engine, "retrain/pump", "retraining of pump"):
        pass
    assert "another retraining of pump is under way, by process 4242 on mill" in refused.value.found
    assert f"can be run again after {ends:%Y-%m-%d %H:%M}" in refused.value.remedy
