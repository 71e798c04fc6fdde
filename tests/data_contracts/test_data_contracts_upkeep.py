"""Upkeep changes files, never what is read, but for the stretch that was declared to be kept no longer."""

import multiprocessing
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.errors import StorageError
from data_contracts.streams import stream_table
from data_contracts.streams.stream_table import StreamTable
from data_contracts.tables import tables, watermarks
from data_contracts.tables.arrow_frames import to_arrow
from data_contracts.tables.history import read_history
from data_contracts.tables.table_access import open_to_read
from data_contracts.tables.watermarks import read_watermarks
from data_contracts.upkeep.compaction import compact
from data_contracts.upkeep.deletion import Expired, delete_expired
from data_contracts.upkeep.table_files import table_files
from data_contracts.upkeep.unused_files import remove_unused
from data_contracts.workspace import Workspace, init_workspace

TABLE = "telemetry/cnc_signals"
BEGIN = pd.Timestamp("2026-05-01T00:00Z").as_unit("us")
LATER = pd.Timestamp("2100-01-01T00:00Z")
ZERO = pd.Timedelta(0)
ASSETS = ("cnc-001", "cnc-002", "cnc-003")


def second(number: int, *, late: int = 0, rows: int = 5) -> pd.DataFrame:
    """Make a second of every asset's telemetry, known `late` seconds after it; values are unlike any other second's."""
    begin = BEGIN + pd.Timedelta(seconds=number)
    times = np.tile(pd.date_range(begin, periods=rows, freq="200ms").as_unit("us"), len(ASSETS))
    frame = pd.DataFrame({"asset": np.repeat(list(ASSETS), rows), "event_time": times})
    frame["known_time"] = begin + pd.Timedelta(seconds=2 + late)
    frame["source"] = "physical"
    values = np.random.default_rng(number).normal(size=(len(frame), 2))
    values[0] = np.nan, -0.0
    return frame.assign(vibration_x=values[:, 0], spindle_speed=values[:, 1])


def store(workspace: Workspace, frame: pd.DataFrame, stream: StreamTable | None = None) -> int:
    """Store a frame as a listener does; return the version that it made."""
    stream = stream or StreamTable(workspace, TABLE)
    last = stream.transaction("cnc/1")
    return stream.append(to_arrow(frame), {"cnc/1": 0 if last is None else last + 1})


def settled(workspace: Workspace, target: int = 2**26) -> int:
    return compact(workspace, TABLE, settled_until=LATER, target=target).made


def equal(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Compare bit for bit: NaN is NaN, and -0.0 is not 0.0."""
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    for name in one.select_dtypes("float"):
        assert np.array_equal(np.signbit(one[name]), np.signbit(other[name]))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 40), st.integers(0, 3)),
        st.tuples(st.just("compact"), st.sampled_from([2_000, 20_000, 2**26]), st.integers(0, 40)),
        st.tuples(st.just("delete"), st.integers(0, 40), st.integers(-1, 30)),
        st.tuples(st.just("remove"), st.just(0), st.just(0)),
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_any_upkeep_leaves_every_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple]) -> None:
    """Also at earlier versions and times, in any order, beside late rows; only expired rows are gone."""
    workspace = init_workspace(tmp_path_factory.mktemp("ws") / "Werk Süd")
    stream, deleted_by, deleted_from = StreamTable(workspace, TABLE), 0, 10**9
    for number in range(10):
        store(workspace, second(number), stream)
    rows, versions = tables.read(workspace, TABLE), [10]
    for step, one, other in steps:
        if step == "append":
            for repeat in range(other + 1):
                versions.append(store(workspace, second(one + repeat, late=100 * other), stream))
                new = tables.read(workspace, TABLE)
                rows = pd.concat([rows, new[new["stored_version"] == versions[-1]]])
        elif step == "compact":
            compact(workspace, TABLE, settled_until=BEGIN + pd.Timedelta(seconds=other), target=one)
        elif step == "delete":
            tails = {"cnc-002": BEGIN + pd.Timedelta(seconds=one - 3)}
            until = BEGIN + pd.Timedelta(seconds=one)
            expired = Expired(until, read_upto=versions[-1] - 1, kept_upto=other, tails=tails)
            promised = delete_expired(workspace, TABLE, expired, dry_run=True).rows
            assert delete_expired(workspace, TABLE, expired).rows == promised
            gone = (rows["event_time"] <= until) & (rows["stored_version"] < versions[-1])
            gone &= rows["stored_version"] > other
            gone &= ~((rows["asset"] == "cnc-002") & (rows["event_time"] > tails["cnc-002"]))
            assert gone.sum() == promised
            if promised:
                deleted_by, deleted_from = versions[-1], min(deleted_from, rows.loc[gone, "stored_version"].min())
            rows = rows[~gone]
        else:
            remove_unused(workspace, TABLE, now=LATER, grace=ZERO, log_kept=ZERO)
            stream.refresh()  # as it does by itself, well within the time that the log is kept
    order = ["asset", "event_time", "known_time", "source", "stored_version"]
    rows = rows.sort_values(order, ignore_index=True)
    equal(tables.read(workspace, TABLE), rows)
    known = BEGIN + pd.Timedelta(seconds=30)
    then = read_history(workspace, "cnc_signals", as_of=known).telemetry
    equal(then, rows[rows["known_time"] <= known].reset_index(drop=True))
    for version in (5, *versions[-3:]):
        expected = rows[rows["stored_version"] <= version].reset_index(drop=True)
        if version > deleted_by or version < deleted_from:
            equal(tables.read(workspace, TABLE, version=version), expected)
        else:
            with pytest.raises(StorageError, match=f"rows of its version {version} were deleted"):
                tables.read(workspace, TABLE, version=version)
    part = tables.read(workspace, TABLE, assets=["cnc-003"], start=BEGIN + pd.Timedelta(seconds=4), end=known)
    inside = (rows["asset"] == "cnc-003") & (rows["event_time"] > BEGIN + pd.Timedelta(seconds=4))
    equal(part, rows[inside & (rows["event_time"] <= known)].reset_index(drop=True))


def _append_seconds(root: Path, until: int, enough: Any, appended: Any) -> None:
    workspace = init_workspace(root)
    stream = StreamTable(workspace, TABLE)
    while appended.value < until or not enough.is_set():
        store(workspace, second(appended.value), stream)
        appended.value += 1


def test_a_listener_goes_on_beside_upkeep(tmp_path: Path) -> None:
    """What another process appends meanwhile is stored once, with the version that stored it."""
    workspace, context = init_workspace(tmp_path / "ws"), multiprocessing.get_context("spawn")
    enough, appended = context.Event(), context.Value("i", 0)
    listener = context.Process(target=_append_seconds, args=(workspace.root, 60, enough, appended))
    listener.start()
    rewritten = 0
    while listener.is_alive():
        rewritten += settled(workspace, target=40_000)
        remove_unused(workspace, TABLE, now=LATER)
        if rewritten >= 2:
            enough.set()
        time.sleep(0.05)
    listener.join()
    seconds = appended.value
    assert listener.exitcode == 0
    rows = tables.read(workspace, TABLE)
    expected = pd.concat([second(number) for number in range(seconds)]).sort_values(["asset", "event_time"])
    equal(rows.drop(columns="stored_version"), expected.reset_index(drop=True)[rows.columns.drop("stored_version")])
    assert rewritten >= 2
    assert rows.groupby("stored_version").size().tolist() == [15] * seconds


def _keep_up(root: Path) -> None:
    workspace = init_workspace(root)
    for number in range(100, 10_000):
        store(workspace, second(number))
        if number % 9 == 0:
            settled(workspace, target=30_000)
            until = BEGIN + pd.Timedelta(seconds=number - 40)
            delete_expired(workspace, TABLE, Expired(until, read_upto=10**9))
            remove_unused(workspace, TABLE, now=LATER)


def _version_meanwhile(workspace: Workspace) -> int:
    """Return the version of a table whose log is being removed without the grace that readers have elsewhere."""
    while True:
        with suppress(StorageError):
            return tables.latest_version(workspace, TABLE) or 0


def test_upkeep_that_is_killed_anywhere_is_run_again(tmp_path: Path) -> None:
    """No kill loses a row that is kept, nor leaves a table that cannot be used; what it left behind is removed."""
    workspace = init_workspace(tmp_path / "ws")
    context = multiprocessing.get_context("spawn")
    random = np.random.default_rng(0)
    for _ in range(4):
        process = context.Process(target=_keep_up, args=(workspace.root,))
        process.start()
        before = _version_meanwhile(workspace)
        while _version_meanwhile(workspace) < before + 10:
            time.sleep(0.02)
        time.sleep(float(random.uniform(0, 0.6)))
        os.kill(int(process.pid or 0), signal.SIGKILL)
        process.join()
        rows = tables.read(workspace, TABLE)
        assert set(rows.groupby("stored_version").size()) == {15}
    settled(workspace)
    remove_unused(workspace, TABLE, now=LATER, grace=ZERO, log_kept=ZERO)
    equal(tables.read(workspace, TABLE), rows)
    delta = open_to_read(workspace, TABLE)
    assert delta is not None
    on_disk = {path.name for path in Path(workspace.tables_url, TABLE).glob("*.parquet")}
    assert on_disk == {file.path for file in table_files(delta)}


def test_a_read_of_one_asset_skips_the_others(tmp_path: Path) -> None:
    """Files are sorted by asset and event time; statistics of the log and of row groups are those of their rows."""
    workspace = init_workspace(tmp_path / "ws")
    for number in range(40):
        store(workspace, second(number, rows=500))
    before = tables.read(workspace, TABLE)
    assert compact(workspace, TABLE, settled_until=LATER, dry_run=True).files == 40
    assert settled(workspace) == 1
    assert settled(workspace) == 0
    delta = open_to_read(workspace, TABLE)
    assert delta is not None
    (file,) = table_files(delta)
    assert (file.rows, file.first_stored, file.last_stored) == (60_000, 1, 40)
    assert (file.first, file.last) == (before["event_time"].min(), before["event_time"].max())
    stored = pq.ParquetFile(Path(workspace.tables_url, TABLE, file.path))
    rows = stored.read()
    order = [("asset", "ascending"), ("event_time", "ascending")]
    assert rows.equals(rows.take(pa.compute.sort_indices(rows, sort_keys=order)))
    groups = [stored.metadata.row_group(place).column(0).statistics for place in range(stored.num_row_groups)]
    assert sum(group.min <= "cnc-003" <= group.max for group in groups) == 2
    equal(tables.read(workspace, TABLE), before)


def test_a_version_is_read_as_it_was_when_columns_came_later(tmp_path: Path) -> None:
    """A registered version's log is kept; of others the columns are the contract's and those that have values."""
    workspace = init_workspace(tmp_path / "ws")
    store(workspace, second(0))
    first = tables.read(workspace, TABLE)
    store(workspace, second(1).assign(new_sensor=1.0))
    for number in range(2, 60):
        store(workspace, second(number))
    for kept in ((1,), ()):
        settled(workspace)
        remove_unused(workspace, TABLE, now=LATER, grace=ZERO, log_kept=ZERO, kept_versions=kept)
        equal(tables.read(workspace, TABLE, version=1), first)
        log = [path.name for path in Path(workspace.tables_url, TABLE, "_delta_log").glob(f"{1:020}.*")]
        assert bool(log) == bool(kept)
    assert len(list(Path(workspace.tables_url, TABLE, "_delta_log").iterdir())) < 40
    with pytest.raises(StorageError, match="no version 1000"):
        tables.read(workspace, TABLE, version=1000)


def test_watermarks_are_not_read_again_from_rewritten_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rewriting makes no request wait: its rows were read when they were stored."""
    workspace = init_workspace(tmp_path / "ws")
    for number in range(10):
        store(workspace, second(number))
    before = read_watermarks(workspace, TABLE)
    store(workspace, second(10))
    compact(workspace, TABLE, settled_until=BEGIN + pd.Timedelta(seconds=8.9))
    read: list[int] = []
    original = watermarks._times_of_files
    monkeypatch.setattr(watermarks, "_times_of_files", lambda *given: read.append(len(given[1])) or original(*given))
    after = read_watermarks(workspace, TABLE, before)
    assert read == [1]
    assert dict(after.event_times) == tables.asset_watermarks(workspace, TABLE, column="event_time")[0]


def test_a_listener_that_slept_does_not_write_a_version_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log after the version it knows may be gone; it opens the table again, long before that."""
    workspace = init_workspace(tmp_path / "ws")
    stream, clock = StreamTable(workspace, TABLE), [0.0]
    monkeypatch.setattr(stream_table.time, "monotonic", lambda: clock[0])
    store(workspace, second(0), stream)
    for number in range(1, 40):
        store(workspace, second(number))
    remove_unused(workspace, TABLE, now=LATER, grace=ZERO, log_kept=ZERO)
    clock[0] = 301.0
    store(workspace, second(40), stream)
    assert len(tables.read(workspace, TABLE)) == 41 * 15
