"""Checksums of data files: whatever writes one names it by its content, and no flipped bit reaches a model unseen."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.bulk.staged_rows import StagedRows
from data_contracts.errors import StorageError
from data_contracts.streams.stream_table import StreamTable
from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import to_arrow
from data_contracts.tables.files.checksums import named_checksum
from data_contracts.tables.files.verification import check_files, data_files, refuse_damaged
from data_contracts.tables.history import History, open_history
from data_contracts.tables.table_access import location
from data_contracts.upkeep.compaction import compact
from data_contracts.upkeep.deletion import Expired, delete_expired
from data_contracts.workspace import Workspace, init_workspace

START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
HOUR = pd.Timedelta(hours=1)
TABLE = "telemetry/pump"


def rows(first: int, count: int = 24, **columns: float) -> pd.DataFrame:
    """Return hourly readings of three pumps."""
    times = [START + (first + hour) * HOUR for hour in range(count)]
    frames = [
        pd.DataFrame({"asset": f"p{number}", "event_time": times, "known_time": times, "source": "physical"})
        for number in range(3)
    ]
    made = pd.concat(frames, ignore_index=True)
    return made.assign(flow=np.random.default_rng(first).normal(size=len(made)), **columns)


def delta(workspace: Workspace, table: str = TABLE) -> DeltaTable:
    return DeltaTable(location(workspace, table))


def files(workspace: Workspace, table: str = TABLE) -> list[Path]:
    return [Path(location(workspace, table), file.path) for file in data_files(delta(workspace, table))]


def read(workspace: Workspace) -> pd.DataFrame:
    history: History = open_history(workspace, "pump", checked=True)
    return pd.concat([block.telemetry for block in history.blocks()], ignore_index=True)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a workspace with a table of telemetry in three files, and one of failures."""
    workspace = init_workspace(tmp_path_factory.mktemp("checksums") / "workspace")
    for number in range(3):
        tables.append(workspace, TABLE, rows(24 * number), f"batch {number}")
    failed = pd.DataFrame({"failure_id": ["f"], "asset": ["p1"], "event_time": [START], "known_time": [START]})
    tables.append(workspace, "failures", failed.assign(mode="seal"), "failures")
    return workspace


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_no_flipped_bit_is_read_as_another_value(filled: Workspace, data: st.DataObject) -> None:
    """Wherever it is, in pages, headers or the footer, what a model learns from is refused, and the file is named."""
    table = data.draw(st.sampled_from([TABLE, "failures"]))
    file = data.draw(st.sampled_from(files(filled, table)))
    whole = file.read_bytes()
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    flipped = bytearray(whole)
    flipped[place] ^= 1 << bit
    file.write_bytes(flipped)
    try:
        with pytest.raises(
            StorageError, match=rf"{file.name} of table {table} .* is damaged.* rows from 2026"
        ) as found:
            read(filled)
    finally:
        file.write_bytes(whole)
    assert "Copy that file back from a backup" in found.value.remedy
    assert len(read(filled)) == 3 * 72


def test_a_lost_or_shortened_file_is_named(filled: Workspace) -> None:
    """So are files that are not there, or are not as long as they were."""
    [earliest] = [file for file in data_files(delta(filled)) if file.first == START]
    file = Path(location(filled, TABLE), earliest.path)
    whole = file.read_bytes()
    try:
        for content, fault in ((whole[:-1], "bytes instead of"), (None, "it is missing")):
            file.unlink()
            if content is not None:
                file.write_bytes(content)
            with pytest.raises(StorageError, match=fault):
                read(filled)
        # What is read of later times only does not need it.
        refuse_damaged(delta(filled), TABLE, start=START + 30 * HOUR)
    finally:
        file.write_bytes(whole)


def test_every_writer_names_its_files_by_their_content(tmp_path: Path) -> None:
    """Batches, new columns, merged small files, streams, bulk, upkeep and deletion; and rows stay as they are."""
    workspace = init_workspace(tmp_path / "workspace")
    expected = []

    def check(made: pd.DataFrame | None = None) -> None:
        if made is not None:
            expected.append(made)
        found = list(check_files(delta(workspace), data_files(delta(workspace))))
        assert found
        assert all(named_checksum(each.file.path) is not None and not each.fault for each in found)
        stored = tables.read(workspace, TABLE).drop(columns="stored_version")
        wanted = pd.concat(expected).sort_values(["asset", "event_time"], ignore_index=True)
        pd.testing.assert_frame_equal(stored[wanted.columns], wanted, check_dtype=False)

    for number in range(20):
        # A column that the table does not have yet, in the middle of it.
        made = rows(24 * number, heat=float(number)) if number == 5 else rows(24 * number)
        assert tables.append(workspace, TABLE, made, f"batch {number}")
        assert not tables.append(workspace, TABLE, made, f"batch {number}")
        expected.append(made)
    check()
    assert len(files(workspace)) < 10  # small files were merged
    made = rows(24 * 20)
    stream = StreamTable(workspace, TABLE)
    stream.append(to_arrow(made), {"s": 1})
    check(made)
    made = rows(24 * 21, pressure=1.0)
    stream.append(to_arrow(made), {"s": 2})
    check(made)
    made = rows(24 * 22)
    staged = StagedRows(workspace, TABLE)
    staged.add(to_arrow(made))
    assert staged.commit({"bulk": 1})
    check(made)
    for number in range(23, 33):
        made = rows(24 * number)
        stream.append(to_arrow(made), {"s": number})
        expected.append(made)
    assert compact(workspace, TABLE, settled_until=START + 1000 * 24 * HOUR).made
    check()
    until = START + 30 * HOUR
    assert delete_expired(workspace, TABLE, Expired(until, 10**6)).rows
    expected[:] = [each[each["event_time"] > until] for each in expected]
    check()


def test_damage_is_not_written_anew(tmp_path: Path) -> None:
    """Upkeep refuses a damaged file: what it writes has a checksum, which would vouch for the damage."""
    workspace = init_workspace(tmp_path / "workspace")
    for number in range(10):
        tables.append(workspace, TABLE, rows(24 * number), f"batch {number}")
    file = files(workspace)[3]
    flipped = bytearray(file.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    file.write_bytes(flipped)
    before = files(workspace)
    with pytest.raises(StorageError, match=file.name):
        compact(workspace, TABLE, settled_until=START + 1000 * 24 * HOUR)
    with pytest.raises(StorageError, match=file.name):
        delete_expired(workspace, TABLE, Expired(START + 23.5 * 10 * HOUR, 10**6, tails={"p0": START}))
    assert files(workspace) == before


def test_tables_of_before_are_read_as_they_are(tmp_path: Path) -> None:
    """Files without a checksum are read, only their length is known; once rewritten they have one."""
    workspace = init_workspace(tmp_path / "workspace")
    for number in range(9):
        made: pa.Table = to_arrow(rows(24 * number).assign(stored_version=number))
        write_deltalake(location(workspace, TABLE), made, mode="append")
    assert len(read(workspace)) == 9 * 72
    assert not any(checked.has_checksum for checked in check_files(delta(workspace), data_files(delta(workspace))))
    assert compact(workspace, TABLE, settled_until=START + 1000 * 24 * HOUR).made
    assert all(checked.has_checksum for checked in check_files(delta(workspace), data_files(delta(workspace))))
    assert len(read(workspace)) == 9 * 72
