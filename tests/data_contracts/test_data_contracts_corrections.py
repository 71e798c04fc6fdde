"""The later correction wins: of rows with one key and known time the one stored last counts, whatever its values."""

import pandas as pd
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import load_contract
from data_contracts.errors import UsageError
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.ingest import ingest
from data_contracts.ingestion.reported_work import latest_work
from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import to_arrow
from data_contracts.tables.corrections import last_corrections, latest_records, stored_versions
from data_contracts.tables.history import read_history
from data_contracts.tables.table_access import location
from data_contracts.tables.telemetry import channels_among, reconcile

TABLE = "telemetry/pump"
HOUR = pd.Timestamp("2026-03-01T03:00Z").as_unit("us")
VALUES = st.sampled_from([None, -12.0, 0.0, 1.1, 99.0, float("inf")])


def reading(value: float | None, *, asset: str = "p1", source: str = "physical", known: int = 0) -> pd.DataFrame:
    known_time = HOUR + pd.Timedelta(hours=known)
    frame = pd.DataFrame({"asset": [asset], "event_time": HOUR, "known_time": known_time, "source": source})
    return frame.assign(flow=pd.Series([value], dtype="float64"), heat=1.0)


@pytest.mark.parametrize(("first", "second"), [(99.0, 1.1), (1.1, 99.0), (None, 2.3), (2.3, None), (0.2, 2.2)])
def test_the_batch_stored_later_counts_whatever_its_values(workspace, first, second):
    """Smaller, larger, filled in or taken back: the second export is what is read."""
    tables.append(workspace, TABLE, reading(first), "first")
    tables.append(workspace, TABLE, reading(second), "second")
    rows = tables.read(workspace, TABLE)
    assert rows["stored_version"].tolist() == [1, 2]
    merged = reconcile(rows, ["flow", "heat"])["flow"]
    pd.testing.assert_series_equal(merged, pd.Series([second], dtype="float64"), check_names=False)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(["p1", "p2"]), st.integers(0, 1), VALUES, VALUES),
        min_size=1,
        max_size=10,
        unique_by=lambda row: row[:3],
    ),
    seed=st.integers(0, 9),
)
def test_per_key_the_last_known_and_then_the_last_stored_row_counts(rows, seed):
    """Values never decide between batches, and the order of rows has no effect."""
    frame = pd.DataFrame(rows, columns=["stored_version", "asset", "known_time", "flow", "heat"])
    frame = frame.astype({"flow": "float64", "heat": "float64"}).assign(event_time=HOUR, source="physical")
    frame["known_time"] = HOUR + pd.to_timedelta(frame["known_time"], unit="h")
    frame = frame.sample(frac=1, random_state=seed)
    expected = {
        asset: max(own.to_dict("records"), key=lambda row: (row["known_time"], row["stored_version"]))
        for asset, own in frame.groupby("asset")
    }
    for merged in (reconcile(frame, ["flow", "heat"]), last_corrections(frame, ["asset", "event_time"])):
        oracle = pd.DataFrame([expected[asset] for asset in sorted(expected)])
        for channel in ("flow", "heat"):
            pd.testing.assert_series_equal(merged[channel].reset_index(drop=True), oracle[channel].astype("float64"))


def test_rows_that_were_never_stored_are_told_apart_by_values():
    """A user's own frame, and rows added to stored ones, count as stored before all others."""
    own = pd.concat([reading(1.0), reading(2.0)], ignore_index=True)
    assert stored_versions(own).tolist() == [0, 0]
    assert reconcile(own, ["flow"])["flow"].tolist() == [2.0]
    mixed = pd.concat([own, reading(-1.0).assign(stored_version=4)], ignore_index=True)
    assert stored_versions(mixed).tolist() == [0, 0, 4]
    assert reconcile(mixed, ["flow"])["flow"].tolist() == [-1.0]
    assert last_corrections(mixed, ["asset", "event_time"])["flow"].tolist() == [-1.0]


def test_a_table_from_before_takes_corrections(workspace):
    """Rows stored without a version read as 0 and are corrected by the next batch, and channels stay channels."""
    old = to_arrow(reading(99.0))
    write_deltalake(location(workspace, TABLE), old)
    assert read_history(workspace, "pump").channels == ("flow", "heat")
    tables.append(workspace, TABLE, reading(1.1), "corrected")
    rows = tables.read(workspace, TABLE)
    assert rows["stored_version"].dtype == "int64"
    # The column came with a version of its own.
    assert rows["stored_version"].tolist() == [0, 2]
    assert reconcile(rows, ["flow"])["flow"].tolist() == [1.1]
    assert "stored_version" not in tables.read(workspace, TABLE, version=0).columns
    assert read_history(workspace, "pump").channels == ("flow", "heat")
    tables.append(workspace, TABLE, reading(1.0).assign(oil=2.0), "a new channel")
    assert channels_among(tables.read(workspace, TABLE).columns) == ("flow", "heat", "oil")


def test_compaction_keeps_the_order_of_storing(workspace):
    """Of many corrections, whose small files are put together meanwhile, the last counts."""
    for number in range(40):
        tables.append(workspace, TABLE, reading(float((number * 7) % 40)), f"batch {number}")
    rows = tables.read(workspace, TABLE)
    assert len(DeltaTable(location(workspace, TABLE)).file_uris()) < 40
    assert rows["stored_version"].is_monotonic_increasing
    assert rows["stored_version"].is_unique
    assert reconcile(rows, ["flow"])["flow"].tolist() == [float((39 * 7) % 40)]


def test_rows_that_are_stored_again_get_the_new_version(workspace):
    """What was read from a table and appended to one is of the append, not of the table that it came from."""
    tables.append(workspace, TABLE, reading(99.0), "first")
    tables.append(workspace, TABLE, reading(1.1), "second")
    first = tables.read(workspace, TABLE).query("stored_version == 1")
    tables.append(workspace, TABLE, first, "back to the first")
    assert reconcile(tables.read(workspace, TABLE), ["flow"])["flow"].tolist() == [99.0]


def test_a_replay_from_quarantine_is_stored_later(workspace, cnc, make_telemetry, now):
    """A repaired row counts before one of the same key that was stored while it was in quarantine."""
    batch = make_telemetry(assets=1)
    held = batch.assign(spindle_power=batch["spindle_power"].where(batch.index != 5, -5.0))
    ingest(workspace, held, cnc, now=now)
    entries = quarantine.list_rows(workspace)
    repaired = pd.DataFrame([batch.iloc[5]]).assign(spindle_power=3.5, entry=entries["entry"].to_numpy())
    assert quarantine.replay(workspace, cnc, now=now, repaired=repaired).accepted == 1
    rows = tables.read(workspace, cnc.table)
    assert rows.loc[rows["spindle_power"] == 3.5, "stored_version"].item() == rows["stored_version"].max() == 2


def test_records_are_corrected_by_the_batch_stored_later(workspace):
    """A failure moved earlier, a work order whose finding is taken back, an asset of another plant."""
    known = {"asset": "p1", "known_time": HOUR}
    for number, (time, finding, plant) in enumerate([(3, "defect_confirmed", "south"), (-7, None, "north")]):
        at = HOUR + pd.Timedelta(hours=time)
        order = {"work_order_id": "w1", "event_time": HOUR, "kind": "inspection", "component": None}
        orders = pd.DataFrame([order | known | {"finding": finding, "prompted_by": "alarm"}])
        tables.append(workspace, "work_orders", orders.astype({"finding": "str", "component": "str"}), str(number))
        failures = pd.DataFrame([known | {"failure_id": "f1", "event_time": at, "mode": "seal"}])
        tables.append(workspace, "failures", failures, str(number))
        assets = pd.DataFrame([known | {"event_time": HOUR, "asset_type": "pump", "plant": plant, "model": plant}])
        tables.append(workspace, "assets", assets, str(number))
    history = read_history(workspace, "pump")
    assert last_corrections(history.failures, ["asset", "failure_id"])["event_time"].tolist() == [
        HOUR - pd.Timedelta(hours=7)
    ]
    assert latest_work(history.work_orders)["finding"].isna().tolist() == [True]
    assert latest_records(history.assets)["plant"].tolist() == ["north"]
    assert set(read_history(workspace, "pump", plant="north").assets["asset"]) == {"p1"}


def test_a_contract_has_no_column_of_that_name(tmp_path):
    """A channel named like the tables' own column is refused when the contract is read."""
    path = tmp_path / "pump.odcs.yaml"
    path.write_text(_CONTRACT, encoding="utf-8")
    with pytest.raises(UsageError, match="stored_version"):
        load_contract(path)
    path.write_text(_CONTRACT.replace("stored_version", "stored"), encoding="utf-8")
    assert load_contract(path).channels == ("stored",)


_CONTRACT = """
apiVersion: v3.0.2
kind: DataContract
id: pump
name: telemetry_pump
version: 1.0.0
status: active
customProperties: [{property: assetType, value: pump}]
schema:
  - name: telemetry
    properties:
      - {name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: known_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 3}
      - {name: source, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 4}
      - {name: stored_version, logicalType: number}
"""


def test_a_correction_without_known_time_is_known_no_earlier_than_what_it_corrects(workspace):
    """A failure moved earlier, whose known time is only assumed, replaces the first report; the same again does not."""
    contract = load_contract("failures")

    def report(hour: int, *, assumed: bool = True, asset: str = "p1") -> pd.DataFrame:
        at = HOUR + pd.Timedelta(hours=hour)
        frame = pd.DataFrame({"failure_id": ["f1"], "asset": asset, "event_time": at, "known_time": at, "mode": "seal"})
        frame.attrs["known_time_assumed"] = assumed
        return frame

    def counts() -> pd.DataFrame:
        rows = last_corrections(tables.read(workspace, "failures"), ["asset", "failure_id"]).set_index("asset")
        return (rows[["event_time", "known_time"]] - HOUR) // pd.Timedelta(hours=1)

    now = HOUR + pd.Timedelta(days=30)
    for hour, expected in [(5, (5, 5)), (-7, (-7, 5)), (9, (9, 9)), (-7, (9, 9)), (5, (9, 9)), (2, (2, 9))]:
        ingest(workspace, report(hour), contract, now=now)
        assert tuple(counts().loc["p1"]) == expected
    ingest(workspace, report(3, asset="p2"), contract, now=now)
    assert tuple(counts().loc["p2"]) == (3, 3)
    ingest(workspace, report(1, assumed=False), contract, now=now)
    assert tuple(counts().loc["p1"]) == (2, 9), "a known time that was given is kept: this is an older report"
