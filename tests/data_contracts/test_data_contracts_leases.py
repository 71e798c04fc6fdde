"""Leases: one holder at a time, for as long as it lives; one that has lost its lease writes nothing."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.errors import LeaseLostError, ModelError
from data_contracts.records.leases import (
    acquire_lease,
    hold_lease,
    is_held,
    lease_table,
    release_lease,
    renew_lease,
    wall_clock,
)
from data_contracts.records.leases.fencing import fenced
from data_contracts.records.leases.lease_table import read_lease
from data_contracts.records.records import Decision, add_decision, decisions, open_records
from data_contracts.workspace import Workspace

AT = pd.Timestamp("2026-03-05T06:00:00.123456Z")
LEASE = ("retrain/pump", "retraining of pump")
DECISION = Decision(AT, "pump", None, "hold", ["why not"], {})
NUMBERS = itertools.count()


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


@pytest.fixture(params=["sqlite", "postgresql"])
def records(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[str]:
    """Yield the URL of new records, in a file or on a server."""
    if request.param == "sqlite":
        yield workspace.records_url
    else:
        yield request.getfixturevalue("postgres").make_database("leases")


STEP = st.tuples(st.sampled_from(["acquire", "renew", "release", "write"]), st.integers(0, 2), st.integers(0, 7))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=4, max_size=16))
def test_tokens_rise_and_only_the_current_holder_writes(records: str, steps: list[tuple[str, int, int]]) -> None:
    """Whatever is taken, renewed, given back or expires in between, and however often: there is one holder at most."""
    engine, name, ttl = open_records(records), f"lease {next(NUMBERS)}", pd.Timedelta(seconds=5)
    now, holder, until, tokens = AT, None, AT, dict[str, int]()
    for number, (step, process, seconds) in enumerate(steps):
        now += pd.Timedelta(seconds=seconds)
        me = f"{process}"
        if step == "acquire":
            token = acquire_lease(engine, name, me, now, ttl)
            assert (token is not None) == (holder in (None, me) or now >= until)
            if token is not None:
                assert token == tokens[me] if holder == me else token > max(tokens.values(), default=0)
                holder, until, tokens[me] = me, now + ttl, token
        elif step == "renew":
            assert renew_lease(engine, name, me, now, ttl) == (holder == me)
            until = now + ttl if holder == me else until
        elif step == "release":
            release_lease(engine, name, me)
            holder = None if holder == me else holder
        elif me in tokens:
            own = fenced(engine, name, me, tokens[me], "test")
            with nullcontext() if holder == me else pytest.raises(LeaseLostError):
                add_decision(own, replace(DECISION, model_name=f"{name} {number}"))
            assert len(decisions(engine, model_name=f"{name} {number}")) == (holder == me)


@pytest.mark.parametrize("ended", [False, True])
def test_a_process_that_was_stopped_past_its_lease_writes_nothing(records: str, ended: bool) -> None:
    """Another takes over and finishes; what the first was about to write when it was stopped is refused."""
    script = """
import sys
import pandas as pd
from data_contracts.errors import LeaseLostError
from data_contracts.records.leases import hold_lease
from data_contracts.records.records import Decision, add_decision, open_records
from tests.data_contracts.test_data_contracts_leases import DECISION, LEASE
with hold_lease(open_records(sys.argv[1]), *LEASE, ttl=pd.Timedelta(seconds=1)) as lease:
    print("holds", flush=True)
    sys.stdin.readline()
    try:
        lease.check()
    except LeaseLostError as error:
        print(lease.lost.is_set(), error.exit_status, error.found, flush=True)
    try:
        add_decision(lease.records, DECISION)
    except LeaseLostError as error:
        sys.exit(error.exit_status)
"""
    engine = open_records(records)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, "-c", script, records]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "holds\n"
        first.send_signal(signal.SIGSTOP)
        ends = time.monotonic() + 60
        while acquire_lease(engine, LEASE[0], "process 42 on mill, 8d3f", None, pd.Timedelta(minutes=1)) is None:
            assert time.monotonic() < ends
            time.sleep(0.1)
        add_decision(engine, replace(DECISION, model_name="other"))
        if ended:
            release_lease(engine, LEASE[0], "process 42 on mill, 8d3f")
        first.send_signal(signal.SIGCONT)
        said, _ = first.communicate("\n", timeout=120)
    other = "another process, which has ended since" if ended else "process 42 on mill"
    assert said == f"True 1 this retraining of pump has lost its lease: it was taken over by {other}\n"
    assert first.returncode == 1
    assert decisions(engine)["model_name"].tolist() == ["other"]
    assert (read_lease(engine, LEASE[0]) is None) == ended


def test_fences_add_up_and_inner_leases_are_given_back(engine: Any) -> None:
    """Within a lease that was lost no other one is taken, and one that was taken before is given back all the same."""
    with hold_lease(engine, *LEASE) as outer:
        with hold_lease(outer.records, "promotion/pump", "promotion of pump") as inner:
            add_decision(inner.records, DECISION)
            release_lease(engine, LEASE[0], outer.holder)
            with pytest.raises(LeaseLostError, match="retraining"):
                add_decision(inner.records, DECISION)
            with pytest.raises(LeaseLostError, match="retraining"):
                inner.check()
        assert not is_held(engine, "promotion/pump")
        assert len(decisions(engine)) == 1
        with pytest.raises(LeaseLostError), hold_lease(outer.records, "promotion/pump", "promotion of pump"):
            pass


def test_on_a_server_its_own_clock_counts(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose clock is an hour ahead takes no lease from those whose clocks are right, nor keeps it longer."""
    engine = open_records(postgres.make_database("clocks"))
    with hold_lease(engine, *LEASE):
        ahead = wall_clock() + pd.Timedelta(hours=1)
        monkeypatch.setattr(lease_table, "wall_clock", lambda: ahead)
        assert acquire_lease(engine, LEASE[0], "ahead", None, pd.Timedelta(minutes=2)) is None
        assert is_held(engine, LEASE[0])
    assert acquire_lease(engine, LEASE[0], "ahead", None, pd.Timedelta(minutes=2))
    row = read_lease(engine, LEASE[0])
    assert row is not None
    assert row.expires_at < ahead
