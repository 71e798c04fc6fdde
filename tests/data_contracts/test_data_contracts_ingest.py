"""Every row that arrives is in the table or in quarantine, once, whatever happens in between."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import Contract, load_contract
from data_contracts.errors import StorageError, UsageError
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.ingest import batch_digest, ingest
from data_contracts.tables import tables
from data_contracts.tables.telemetry import reconcile
from data_contracts.validation.report import ContractError
from data_contracts.workspace import Workspace, init_workspace


def _dirty(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.copy()
    frame.loc[3, "spindle_power"] = -5.0
    frame.loc[4, "source"] = "guess"
    frame.loc[5, "known_time"] = frame.loc[5, "event_time"] - pd.Timedelta(hours=1)
    return pd.concat([frame, frame.iloc[[10]]], ignore_index=True)


def test_good_rows_are_stored_and_bad_ones_held_with_their_reasons(workspace, cnc, make_telemetry, now):
    """The rows of a batch are divided between the table and the quarantine, and none is lost."""
    batch = _dirty(make_telemetry())
    intake = ingest(workspace, batch, cnc, now=now)
    held = quarantine.list_rows(workspace, cnc.name)
    assert (intake.rows, intake.accepted, intake.quarantined) == (73, 69, 4)
    assert len(tables.read(workspace, cnc.table)) == 69
    assert sorted(reason.split(":")[0] for reasons in held["reasons"] for reason in reasons) == [
        "allowed source",
        "range spindle_power",
        "time_order",
        "unique",
    ]


def test_stored_rows_are_those_that_came(workspace, cnc, make_telemetry, now):
    """What is read back equals what was ingested, value by value and type by type, with the version that stored it."""
    batch = make_telemetry()
    ingest(workspace, batch, cnc, now=now)
    pd.testing.assert_frame_equal(tables.read(workspace, cnc.table), batch.assign(stored_version=1))


def test_the_same_batch_twice_is_the_same_as_once(workspace, cnc, make_telemetry, now):
    """Replay does not matter: neither table grows when a batch comes again, in whatever order of its rows."""
    batch = _dirty(make_telemetry())
    ingest(workspace, batch, cnc, now=now)
    versions = tables.versions(workspace)
    again = ingest(workspace, batch.sample(frac=1, random_state=1), cnc, now=now + pd.Timedelta(days=9))
    assert again.already
    assert tables.versions(workspace) == versions


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, 2), min_size=3, max_size=6), seed=st.integers(0, 99))
def test_replaying_and_shuffling_batches_changes_nothing(tmp_path_factory, cnc, make_telemetry, now, order, seed):
    """However often batches come, and in whatever order of batches and rows, the table ends the same."""
    workspace = init_workspace(tmp_path_factory.mktemp("ws"))
    for day in [*order, 0, 1, 2]:
        ingest(workspace, make_telemetry(day, assets=1).sample(frac=1, random_state=seed), cnc, now=now)
    expected = pd.concat([make_telemetry(day, assets=1) for day in range(3)], ignore_index=True)
    pd.testing.assert_frame_equal(tables.read(workspace, cnc.table).drop(columns="stored_version"), expected)


def test_batch_id_depends_on_values_only(cnc, make_telemetry):
    """Row order leaves the digest as it is, any value changes it."""
    batch = make_telemetry()
    changed = batch.assign(tool_load=batch["tool_load"].where(batch.index != 7, 2.0))
    assert batch_digest(batch, cnc) == batch_digest(batch.sample(frac=1, random_state=3), cnc)
    assert batch_digest(batch, cnc) != batch_digest(changed, cnc)


def test_a_batch_id_is_not_used_for_other_rows(workspace, cnc, make_telemetry, now):
    """Rows that come under the id of other rows are refused aloud, not taken for already stored."""
    ingest(workspace, make_telemetry(0), cnc, now=now, batch_id="monday")
    with pytest.raises(UsageError, match="used for other rows"):
        ingest(workspace, make_telemetry(1), cnc, now=now, batch_id="monday")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda frame: frame.drop(columns="tool_load"), "tool_load is missing"),
        (lambda frame: frame.assign(tool_load="high"), "type tool_load: holds 'high' in row 1"),
        (lambda frame: frame.assign(tool_load=np.nan), "null_share tool_load: 100.0%"),
        (
            lambda frame: frame.rename(columns={"spindle_vibration": "spindle_vibration [in/s]"}),
            "the contract demands mm/s",
        ),
        (lambda frame: frame.assign(event_time=frame["event_time"].dt.tz_localize(None)), "without a time zone"),
    ],
)
def test_a_batch_that_breaks_its_contract_is_held_whole(workspace, cnc, make_telemetry, now, spoil, message):
    """A breach of the whole batch names itself, stores nothing, and keeps every row in quarantine, once."""
    batch = spoil(make_telemetry())
    for _ in range(2):
        with pytest.raises(ContractError, match="breaks the contract") as caught:
            ingest(workspace, batch, cnc, now=now)
        assert message in str(caught.value)
        assert caught.value.report is not None
    assert tables.read(workspace, cnc.table).empty
    assert len(quarantine.list_rows(workspace)) == len(batch)


def test_a_refused_batch_leaves_quarantine_when_it_is_accepted(workspace, cnc, make_telemetry, now):
    """A row is in one place: the batch that is repaired and ingested under its id leaves quarantine."""
    with pytest.raises(ContractError):
        ingest(workspace, make_telemetry().assign(tool_load=np.nan), cnc, now=now, batch_id="monday")
    ingest(workspace, make_telemetry(), cnc, now=now, batch_id="monday")
    assert quarantine.list_rows(workspace).empty
    assert len(tables.read(workspace, cnc.table)) == 72


def test_every_refused_batch_is_held_whatever_its_id(workspace, cnc, make_telemetry, now):
    """Nothing that arrived is lost: two batches refused under one id are both in quarantine, each once."""
    for day in (0, 1, 1):
        with pytest.raises(ContractError):
            ingest(workspace, make_telemetry(day).assign(tool_load=np.nan), cnc, now=now, batch_id="monday")
    held = quarantine.list_rows(workspace)
    assert (len(held), held["entry"].nunique(), held["row"].nunique()) == (144, 144, 144)


def _begin(workspace: Workspace, batch: pd.DataFrame, contract: Contract, now: pd.Timestamp, name: str) -> None:
    """Ingest a batch, killed after its bad rows were quarantined and before the good ones were stored."""
    append = tables.append

    def killed(workspace: Workspace, table: str, *rest: object, **more: object) -> bool:
        if table != quarantine.TABLE:
            raise KeyboardInterrupt
        return append(workspace, table, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            ingest(workspace, batch, contract, now=now, batch_id=name)


def test_a_batch_begun_is_not_finished_with_other_rows(workspace, cnc, make_telemetry, now):
    """A batch killed half-way is finished by itself alone: others under its id would lose their bad rows."""
    _begin(workspace, _dirty(make_telemetry(0)), cnc, now, "monday")
    with pytest.raises(UsageError, match="used for other rows"):
        ingest(workspace, _dirty(make_telemetry(1)), cnc, now=now, batch_id="monday")
    assert ingest(workspace, _dirty(make_telemetry(0)), cnc, now=now, batch_id="monday").accepted == 69


def test_a_row_held_as_too_early_stays_held_when_its_batch_is_finished_later(workspace, cnc, make_telemetry, now):
    """Every row is in one place, also when the clock has passed its known time since the kill."""
    batch = make_telemetry()
    batch.loc[5, "known_time"] = now + pd.Timedelta(days=2)
    _begin(workspace, batch, cnc, now, "monday")
    ingest(workspace, batch, cnc, now=now + pd.Timedelta(days=9), batch_id="monday")
    assert (len(tables.read(workspace, cnc.table)), len(quarantine.list_rows(workspace))) == (71, 1)


def test_an_empty_batch_is_refused(workspace, cnc, make_telemetry, now):
    """Nothing passes vacuously: a batch without rows breaks its contract."""
    with pytest.raises(ContractError, match="at least 1"):
        ingest(workspace, make_telemetry().iloc[:0], cnc, now=now)


def test_a_batch_of_bad_rows_only_is_refused(workspace, cnc, make_telemetry, now):
    """A batch without one good row is an answer of no, and all of it is held once."""
    batch = make_telemetry().assign(spindle_power=-1.0)
    with pytest.raises(ContractError, match="range spindle_power"):
        ingest(workspace, batch, cnc, now=now)
    assert len(quarantine.list_rows(workspace)) == len(batch)


def test_a_late_correction_is_a_row_of_its_own(workspace, make_telemetry, cnc, now):
    """The same key with a later known time is stored beside the first and wins when read reconciled."""
    batch = make_telemetry()
    ingest(workspace, batch, cnc, now=now)
    correction = batch.iloc[[0]].assign(tool_load=9.0, known_time=batch["known_time"].iloc[0] + pd.Timedelta(days=2))
    ingest(workspace, correction, cnc, now=now)
    stored = tables.read(workspace, cnc.table)
    assert len(stored) == len(batch) + 1
    assert reconcile(stored, cnc.channels)["tool_load"].iloc[0] == 9.0


_ZYGOTE = """
import os, signal, sys
import pandas as pd
from pathlib import Path
from data_contracts.validation.checks import check
from data_contracts.contract.contract import telemetry_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.workspace import open_workspace
now = pd.Timestamp("2024-06-01T00:00Z")
contract = telemetry_contract("cnc_machine")
frame = pd.read_parquet(sys.argv[1])
check(frame, contract, now=now)  # Great Expectations is imported once, not once a kill
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        root = Path(line.strip())
        for day, batch in frame.groupby(frame["event_time"].dt.date):
            ingest(open_workspace(root, {}), batch, contract, now=now)
        (root / f"done-{os.getpid()}").touch()
        os._exit(0)
    print(pid, flush=True)
"""


class _Zygote:
    """A process that starts ingests of one file, each in a process of its own that can be killed."""

    def __init__(self, repository: Path, file: Path) -> None:
        environ = {**os.environ, "PYTHONPATH": str(repository)}
        command = [sys.executable, "-c", _ZYGOTE, str(file)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ, cwd=repository
        )
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def start(self, workspace: Workspace) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{workspace.root}\n")
        self._process.stdin.flush()
        return int(self._answer())

    def wait(self, workspace: Workspace, pid: int) -> bool:
        """Wait until a process is gone, and say whether it had finished."""
        while Path(f"/proc/{pid}").exists() if Path("/proc").is_dir() else _is_alive(pid):
            time.sleep(0.02)
        return (workspace.root / f"done-{pid}").exists()

    def close(self) -> None:
        self._process.communicate(timeout=30)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def week(make_telemetry) -> pd.DataFrame:
    """Return dirty telemetry of a few days."""
    return pd.concat([_dirty(make_telemetry(day)) for day in range(3)], ignore_index=True)


@pytest.fixture(scope="module")
def zygote(repository, week, tmp_path_factory):
    """Return what starts ingests of that telemetry."""
    file = tmp_path_factory.mktemp("week") / "week.parquet"
    week.to_parquet(file)
    zygote = _Zygote(repository, file)
    yield zygote
    zygote.close()


def _contents(workspace: Workspace, contract: Contract) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    held = quarantine.list_rows(workspace)
    return tables.read(workspace, contract.table), sorted(zip(held["row"], held["reasons"].map(str), strict=True))


@pytest.mark.slow
def test_ten_kills_leave_the_table_as_no_kill_does(zygote, week, tmp_path, cnc):
    """Kill -9 of an ingest at ten random moments, then the same ingest: the same table and quarantine as without."""
    calm, killed = init_workspace(tmp_path / "calm"), init_workspace(tmp_path / "killed")
    started = time.monotonic()
    assert zygote.wait(calm, zygote.start(calm))
    whole = time.monotonic() - started
    kills = 0
    for moment in np.random.default_rng(5).uniform(0.01, 0.15, 10):
        pid = zygote.start(killed)
        time.sleep(moment * whole)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        kills += not zygote.wait(killed, pid)
    assert kills
    assert zygote.wait(killed, zygote.start(killed))
    table, held = _contents(killed, cnc)
    expected_table, expected_held = _contents(calm, cnc)
    pd.testing.assert_frame_equal(table, expected_table)
    assert held == expected_held
    assert len(table) + len(held) == len(week)


def test_a_kill_between_quarantine_and_table_is_made_good(workspace, cnc, make_telemetry, now, monkeypatch):
    """An ingest that died after holding the bad rows goes on when it runs again, even if its batch is stale by then."""
    batch = _dirty(make_telemetry())
    append = tables.append

    def die(workspace, table, *rest, **more):
        if table == cnc.table:
            raise StorageError("killed", "no kill", "Run it again")
        return append(workspace, table, *rest, **more)

    monkeypatch.setattr(tables, "append", die)
    with pytest.raises(StorageError):
        ingest(workspace, batch, cnc, now=now)
    monkeypatch.undo()
    assert tables.read(workspace, cnc.table).empty
    stale = replace(cnc, max_age=pd.Timedelta(days=60))
    ingest(workspace, batch, stale, now=now + pd.Timedelta(days=900))
    assert len(tables.read(workspace, cnc.table)) == 69
    assert len(quarantine.list_rows(workspace)) == 4


@pytest.mark.slow
def test_processes_that_take_the_same_batches_in_at_once(zygote, tmp_path, cnc):
    """Processes that ingest the same batches at the same time have the same result as one."""
    for attempt in range(2):
        workspace = init_workspace(tmp_path / f"ws{attempt}")
        pids = [zygote.start(workspace) for _ in range(2)]
        assert all(zygote.wait(workspace, pid) for pid in pids)
        assert len(tables.read(workspace, cnc.table)) == 3 * 69
        assert len(quarantine.list_rows(workspace)) == 3 * 4


def test_every_shipped_table_takes_a_row(workspace, now):
    """Each contract of records accepts a row with its required values and nothing else."""
    time_ = pd.Timestamp("2024-05-01T00:00Z")
    beside = {"asset": "m1", "event_time": time_, "known_time": time_}
    for name, row in {
        "assets": {"asset_type": "cnc_machine"},
        "failures": {"failure_id": "f1", "mode": "bearing"},
        "work_orders": {"work_order_id": "w1", "kind": "routine"},
        "events": {"event_id": "e1", "code": "error1"},
    }.items():
        contract = load_contract(name)
        assert ingest(workspace, pd.DataFrame([{**beside, **row}]), contract, now=now).accepted == 1
        names = [*(column.name for column in contract.columns), "stored_version"]
        assert list(tables.read(workspace, name).columns) == names
