"""A user's own files: types, time zones and error messages."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.contract.contract import DTYPES, Column, Contract, load_contract
from data_contracts.errors import ForewarnError, NotFoundError, UsageError
from pipelines.importers.files import read_files, read_table

PUMP = Contract(
    name="telemetry_pump",
    version="1.0.0",
    kind="telemetry",
    columns=(
        Column("asset", "string", required=True),
        Column("event_time", "timestamp", required=True),
        Column("known_time", "timestamp", required=True),
        Column("source", "string", required=True),
        Column("flow", "number", unit="l/min", max_null_share=0.5),
        Column("starts", "integer"),
        Column("primed", "boolean"),
    ),
    key=("asset", "event_time", "source"),
    asset_type="pump",
)
HEADER = "asset,event_time,known_time,source,flow,starts,primed"
GOOD = "a,2026-01-31T05:00:00Z,2026-01-31T05:00:00Z,physical,1,1,true"


def csv(folder: Path, *rows: str, header: str = HEADER, name: str = "pump.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_columns_get_the_types_of_the_contract(tmp_path: Path) -> None:
    """An identifier of digits stays text, a missing value stays missing, and times are UTC to the microsecond."""
    table = read_table(
        csv(
            tmp_path,
            "007,2026-01-31T06:00:00Z,2026-01-31T08:00:00.25+01:00,physical,1.5,3,true",
            "008,2026-01-31 07:00:00+00:00,2026-01-31T07:00:00Z,physical,,,",
        ),
        PUMP,
    )
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        column.name: str(pd.api.types.pandas_dtype(DTYPES[column.type])) for column in PUMP.columns
    }
    assert list(table["asset"]) == ["007", "008"]
    assert table["known_time"].iloc[0] == pd.Timestamp("2026-01-31T07:00:00.25Z")
    assert table[["flow", "starts", "primed"]].iloc[1].isna().all()


def test_parquet_and_csv_give_the_same_table(tmp_path: Path) -> None:
    """The same rows give the same table in either format."""
    rows = [f"p{n},2026-01-31T0{n}:00:00Z,2026-01-31T0{n}:00:00Z,physical,{n}.5,{n},false" for n in range(5)]
    table = read_table(csv(tmp_path, *rows), PUMP)
    table.to_parquet(tmp_path / "pump.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "pump.parquet", PUMP), table)


def test_a_time_without_a_zone_needs_one_named(tmp_path: Path) -> None:
    """No zone is ever assumed; the one that is named is applied, summer time included."""
    path = csv(
        tmp_path,
        "a,2026-01-31T06:00:00,2026-01-31T06:00:00Z,physical,1,1,true",
        "a,2026-07-31T06:00:00,2026-07-31T06:00:00Z,physical,1,1,true",
    )
    with pytest.raises(UsageError, match=r"row 1: event_time .* without a time zone"):
        read_table(path, PUMP)
    table = read_table(path, PUMP, time_zone="Europe/Berlin")
    assert list(table["event_time"]) == [pd.Timestamp("2026-01-31T05:00Z"), pd.Timestamp("2026-07-31T04:00Z")]
    assert table["known_time"].iloc[0] == pd.Timestamp("2026-01-31T06:00Z")
    with pytest.raises(UsageError, match="no time zone 'Mars/Olympus'"):
        read_table(path, PUMP, time_zone="Mars/Olympus")


def test_naive_times_of_a_parquet_file_need_a_zone_too(tmp_path: Path) -> None:
    """A Parquet file's own timestamps without a zone are treated like text without one."""
    rows = ["a,2026-01-31T06:00:00Z,2026-01-31T06:00:00Z,physical,1,1,true"]
    table = read_table(csv(tmp_path, *rows), PUMP)
    table["event_time"] = table["event_time"].dt.tz_localize(None)
    path = tmp_path / "naive.parquet"
    table.to_parquet(path)
    with pytest.raises(UsageError, match="without a time zone"):
        read_table(path, PUMP)
    assert read_table(path, PUMP, time_zone="UTC")["event_time"].iloc[0] == pd.Timestamp("2026-01-31T06:00Z")


@pytest.mark.parametrize("time", ["2026-10-25T02:30:00", "2026-03-29T02:30:00"])
def test_a_local_time_that_exists_twice_or_never_is_no_time(tmp_path: Path, time: str) -> None:
    """When the clocks change, an hour is ambiguous or missing: not guessed, but left for the checks to refuse."""
    rows = [f"a,{each},2026-01-31T06:00:00Z,physical,1,1,true" for each in (time, "2026-03-29T05:30:00")]
    table = read_table(csv(tmp_path, *rows), PUMP, time_zone="Europe/Berlin")
    assert list(table["event_time"]) == [time, pd.Timestamp("2026-03-29T03:30Z")]


@pytest.mark.parametrize(
    ("column", "value"),
    [("event_time", "31.01.2026 06:00"), ("flow", "'1"), ("starts", "1.5"), ("primed", "yes")],
)
def test_a_cell_that_cannot_be_read_stays_as_its_text(tmp_path: Path, column: str, value: str) -> None:
    """One bad cell is no reason to refuse a file: it stays for the checks, the others are read."""
    bad = GOOD.split(",")
    bad[HEADER.split(",").index(column)] = value
    table = read_table(csv(tmp_path, GOOD, ",".join(bad)), PUMP)
    good = read_table(csv(tmp_path, GOOD), PUMP)
    assert table[column].iloc[1] == value
    assert table[column].iloc[0] == good[column].iloc[0]


def test_a_similar_name_is_suggested_for_a_missing_column(tmp_path: Path) -> None:
    """A column under a slightly other name is suggested."""
    path = csv(tmp_path, "a,2026-01-31T05:00:00Z,1", header="asset,eventtime,flow")
    with pytest.raises(ForewarnError, match=r"no column event_time; .*Did you mean 'eventtime' for event_time"):
        read_table(path, PUMP)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    """Missing, empty, broken and foreign files, and a header without rows, each get their own message."""
    with pytest.raises(NotFoundError, match=r"Did you mean 'pump.csv'"):
        read_table(csv(tmp_path).with_name("pumps.csv"), PUMP)
    with pytest.raises(ForewarnError, match="holds no rows"):
        read_table(csv(tmp_path), PUMP)
    (tmp_path / "empty.csv").touch()
    with pytest.raises(ForewarnError, match="is empty"):
        read_table(tmp_path / "empty.csv", PUMP)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ForewarnError, match="cannot be read"):
        read_table(tmp_path / "broken.parquet", PUMP)
    for name, row in {"long": f"{GOOD},9", "short": GOOD.removesuffix(",true")}.items():
        with pytest.raises(ForewarnError, match=r"line 3: [68] values"):
            read_table(csv(tmp_path, GOOD, row, name=f"{name}.csv"), PUMP)
    (tmp_path / "pump.xlsx").write_bytes(b"PK")
    with pytest.raises(ForewarnError, match="xlsx cannot be read"):
        read_table(tmp_path / "pump.xlsx", PUMP)
    (tmp_path / "pump.docx").write_bytes(b"PK")
    with pytest.raises(UsageError, match="docx"):
        read_table(tmp_path / "pump.docx", PUMP)


def test_an_export_without_known_times_counts_as_known_at_once(tmp_path: Path) -> None:
    """What a plant's export seldom holds, when a row was known and from which source, is filled in as documented."""
    rows = [f"a,2026-01-31T0{n}:00:00Z,{n}" for n in range(3)]
    failures = csv(tmp_path, "f1,a,2026-01-31T03:00:00Z,seal", header="failure_id,asset,event_time,mode", name="f.csv")
    batch = read_files(PUMP, telemetry=csv(tmp_path, *rows, header="asset,event_time,flow"), failures=failures)
    assert batch.asset_type == "pump"
    assert (batch.telemetry["known_time"] == batch.telemetry["event_time"]).all()
    assert set(batch.telemetry["source"]) == {"physical"}
    assert (batch.failures["known_time"] == batch.failures["event_time"]).all()
    assert batch.work_orders.empty
    np.testing.assert_array_equal(batch.telemetry["flow"], [0.0, 1.0, 2.0])


def test_a_contract_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Telemetry is not read under a contract for failures."""
    with pytest.raises(UsageError, match="about failures"):
        read_files(load_contract("failures"), telemetry=csv(tmp_path))
