"""Rows in quarantine can be listed, exported, repaired and replayed; none is lost and none comes twice."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.errors import NotFoundError, StorageError, UsageError
from data_contracts.ingestion import quarantine, stored_neighbours
from data_contracts.ingestion.ingest import ingest
from data_contracts.ingestion.quarantine_entries import held_page
from data_contracts.ingestion.repaired_files import read_repaired
from data_contracts.tables import tables
from data_contracts.validation.report import ContractError


@pytest.fixture
def spoiled(workspace, cnc, make_telemetry, now):
    """Ingest telemetry with three bad rows, and return it as it was before it was spoiled."""
    good = make_telemetry()
    bad = good.copy()
    bad.loc[3, "spindle_power"] = -5.0
    bad.loc[30, "coolant_flow"] = np.inf
    bad.loc[60, "source"] = "guess"
    ingest(workspace, bad, cnc, now=now)
    return good


def _repair(frame: pd.DataFrame) -> pd.DataFrame:
    repaired = frame.copy()
    repaired["spindle_power"] = pd.to_numeric(repaired["spindle_power"]).abs()
    repaired["coolant_flow"] = pd.to_numeric(repaired["coolant_flow"]).replace(np.inf, 8.0)
    repaired["source"] = "physical"
    return repaired


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_repaired_rows_go_into_the_table_once(workspace, cnc, spoiled, now, tmp_path, suffix):
    """Exported, repaired and replayed, every row is in the table; replayed twice is as once."""
    file = tmp_path / f"held.{suffix}"
    assert quarantine.export(workspace, cnc, file) == 3
    repaired = _repair(read_repaired(file))
    first = quarantine.replay(workspace, cnc, now=now, repaired=repaired)
    second = quarantine.replay(workspace, cnc, now=now, repaired=repaired)
    assert (first.accepted, first.refused, second.accepted, second.already) == (3, 0, 0, 3)
    assert quarantine.list_rows(workspace).empty
    stored = tables.read(workspace, cnc.table)
    assert len(stored) == len(spoiled)
    untouched = [name for name in spoiled.columns if name not in ("spindle_power", "coolant_flow")]
    pd.testing.assert_frame_equal(stored[untouched], spoiled[untouched])


@pytest.mark.usefixtures("spoiled")
def test_rows_that_are_still_bad_stay(workspace, cnc, now):
    """A replay without repairs releases nothing and says why."""
    result = quarantine.replay(workspace, cnc, now=now)
    assert (result.rows, result.accepted, result.refused) == (3, 0, 3)
    assert len(result.reasons) == len(quarantine.list_rows(workspace)) == 3
    assert result.to_dict()["refused"] == 3


def test_rows_can_be_repaired_one_by_one(workspace, cnc, spoiled, now, tmp_path):
    """Of a file repaired in part, the good rows are released and the others stay."""
    quarantine.export(workspace, cnc, tmp_path / "held.csv")
    rows = read_repaired(tmp_path / "held.csv")
    assert quarantine.replay(workspace, cnc, now=now, repaired=_repair(rows.iloc[[0]])).accepted == 1
    assert quarantine.replay(workspace, cnc, now=now, repaired=_repair(rows)).accepted == 2
    assert len(tables.read(workspace, cnc.table)) == len(spoiled)


def test_a_replay_killed_half_way_is_made_good(workspace, cnc, spoiled, now, monkeypatch):
    """A replay that died between its two commits leaves its rows held, and the next one stores them once."""
    repaired = _repair(_expanded(workspace, cnc))

    def die(workspace, table, *rest, **more):
        if table == cnc.table:
            raise StorageError("killed", "no kill", "Run it again")
        return append(workspace, table, *rest, **more)

    append = tables.append
    monkeypatch.setattr(tables, "append", die)
    with pytest.raises(StorageError):
        quarantine.replay(workspace, cnc, now=now, repaired=repaired)
    monkeypatch.undo()
    assert len(quarantine.list_rows(workspace)) == 3
    assert quarantine.replay(workspace, cnc, now=now, repaired=repaired.iloc[[0]]).already == 1
    assert quarantine.list_rows(workspace).empty
    assert len(tables.read(workspace, cnc.table)) == len(spoiled)


def _expanded(workspace, cnc) -> pd.DataFrame:
    from data_contracts.ingestion.row_serialization import from_texts

    held = quarantine.list_rows(workspace)
    rows = from_texts(held["row"], cnc)
    return rows.assign(entry=held["entry"])


def test_a_copy_of_a_stored_row_is_not_released(workspace, cnc, make_telemetry, now):
    """A duplicate stays out when it is replayed alone, since its twin is in the table."""
    good = make_telemetry()
    ingest(workspace, pd.concat([good, good.iloc[[5]]]), cnc, now=now)
    assert quarantine.replay(workspace, cnc, now=now).accepted == 0
    assert len(tables.read(workspace, cnc.table)) == len(good)


def test_a_spike_is_not_released_unrepaired(workspace, cnc, make_telemetry, now):
    """A row that jumps too fast is checked together with the stored rows, not alone."""
    rows = make_telemetry(assets=1, hours=5)
    rows["event_time"] = rows["event_time"].iloc[0] + pd.to_timedelta(range(5), unit="s")
    rows["known_time"] = rows["event_time"]
    rows["bearing_temperature"] = [20.0, 20.0, 150.0, 20.0, 20.0]
    assert ingest(workspace, rows, cnc, now=now).quarantined == 1
    assert quarantine.replay(workspace, cnc, now=now).refused == 1


def test_a_replay_reads_what_is_about_its_rows(workspace, cnc, make_telemetry, now, monkeypatch):
    """Not the whole history of their assets; rows months apart are read one by one."""
    for day in range(20):
        rows = make_telemetry(day)
        if day in (2, 15):
            rows.loc[5, "spindle_power"] = -5.0
        ingest(workspace, rows, cnc, now=now)
    lengths, read = [], tables.read

    def counting(*given, **more):
        rows = read(*given, **more)
        lengths.append(len(rows))
        return rows

    monkeypatch.setattr(tables, "read", counting)
    assert quarantine.replay(workspace, cnc, now=now).refused == 2
    assert len(lengths) == 2
    assert max(lengths) <= 2


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 400), st.floats(15, 25)), min_size=1, max_size=30, unique_by=lambda row: row[0]),
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from([15.0, 19.0, 60.0, 150.0])), min_size=1, max_size=8),
)
def test_what_is_about_a_row_says_as_much_as_the_whole_history(workspace, cnc, make_telemetry, now, stored, held):
    """The same rows are refused, for the same reasons."""

    def rows(values, known):
        frame = make_telemetry(assets=1, hours=1).iloc[[0] * len(values)].reset_index(drop=True)
        frame["event_time"] += pd.to_timedelta([second for second, _ in values], unit="s")
        frame["known_time"] = frame["event_time"] + pd.Timedelta(known)
        return frame.assign(bearing_temperature=[value for _, value in values])

    history = rows(stored, "5min").sort_values("event_time")
    reads = []

    def read(*_, start=None, end=None, **__):
        chosen = history if start is None else history[history["event_time"].between(start, end, inclusive="right")]
        reads.append(start)
        return chosen.reset_index(drop=True)

    tried = pd.concat([rows(held, "6min"), history.iloc[:1]], ignore_index=True).assign(entry="e", reasons="r")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tables, "read", read)
        near = quarantine._examine_with_stored(workspace, tried, cnc, now)
        patched.setattr(stored_neighbours, "_reach", lambda _: None)
        whole = quarantine._examine_with_stored(workspace, tried, cnc, now)
    assert near.reasons == whole.reasons
    assert reads[0] is not None
    assert reads[-1] is None


@pytest.mark.usefixtures("spoiled")
def test_listing_narrows_to_contract_and_batch(workspace, cnc):
    """Listing by contract and batch shows those rows and no others."""
    batch = quarantine.list_rows(workspace)["batch_id"].iloc[0]
    assert len(quarantine.list_rows(workspace, cnc.name, batch)) == 3
    assert quarantine.list_rows(workspace, "failures").empty
    assert quarantine.list_rows(workspace, batch="another").empty


def test_misshapen_rows_stay_until_they_are_repaired(workspace, cnc, make_telemetry, now):
    """A batch refused for its shape keeps its rows, with the units they came with, and is refused again."""
    batch = make_telemetry().rename(columns={"spindle_vibration": "spindle_vibration [in/s]"})
    with pytest.raises(ContractError):
        ingest(workspace, batch, cnc, now=now)
    with pytest.raises(ContractError, match="in/s"):
        quarantine.replay(workspace, cnc, now=now)
    assert len(quarantine.list_rows(workspace)) == len(batch)
    rows = _expanded(workspace, cnc).rename(columns={"spindle_vibration [in/s]": "spindle_vibration"})
    rows["spindle_vibration"] = rows["spindle_vibration"].astype(float)
    assert quarantine.replay(workspace, cnc, now=now, repaired=rows).accepted == len(batch)


def test_repaired_rows_have_to_name_their_entries(workspace, cnc, spoiled, now):
    """Rows without an entry, or with an unknown one, are refused aloud."""
    with pytest.raises(UsageError, match="no column entry"):
        quarantine.replay(workspace, cnc, now=now, repaired=spoiled)
    with pytest.raises(NotFoundError, match="unknown entries"):
        quarantine.replay(workspace, cnc, now=now, repaired=spoiled.assign(entry="x"))


def test_a_page_of_the_quarantine_is_that_of_all_its_rows(workspace, cnc, make_telemetry, now):
    """Counted and read by the table alone, also once some were released: as `list_rows` has them."""
    assert held_page(workspace, None, limit=3).counts.empty
    for number in range(2):
        rows, whole = make_telemetry(number, assets=2, hours=4), number > 0
        reasons = [["late"], ["late", "odd"]] * 4
        quarantine.hold(workspace, cnc, f"b{number}", rows, reasons, whole_batch=whole, mark=1, now=now)
    for released in (False, True, None):
        if released is None:
            quarantine.replay(workspace, cnc, now=now)
        elif released:
            tables.append(workspace, cnc.table, make_telemetry(1), "b1")
        listed = quarantine.list_rows(workspace)
        pages = [held_page(workspace, None, limit=3, offset=3 * n) for n in range(len(listed) // 3 + 1)]
        assert pages[0].counts["rows"].sum() == len(listed)
        assert [e for page in pages for e in page.rows["entry"]] == listed["entry"].tolist()[::-1]
        assert [len(listed) > 8, bool(len(listed))] == {False: [True, True], True: [False, True]}.get(
            released, [False, False]
        )
        assert held_page(workspace, "nothing", limit=3).rows.empty
