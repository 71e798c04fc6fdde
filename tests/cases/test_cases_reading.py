"""Files as people have them are taken in by an option each, and a refusal names the option."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable

from tests.cases.conftest import Case

IMPORT = ("import", "files", "--contract", "pump.odcs.yaml", "--telemetry")
FAILURES = ("--failures", "failures.csv")


def stored(case: Case, workspace: str = "w") -> pd.DataFrame:
    frame: pd.DataFrame = DeltaTable(str(case.folder / workspace / "tables" / "telemetry" / "pump")).to_pandas()
    return frame.sort_values(["asset", "event_time"], ignore_index=True)


@pytest.mark.slow
def test_identifiers_keep_their_digits_in_either_format(case: Callable[[str], Case]) -> None:
    """Integer ids give the same texts from CSV and Parquet; ids that a float has changed are refused by name."""
    ids = case("07")
    assert ids.forewarn(*IMPORT, "telemetry.csv", "-w", "w").status == 0
    table = pd.read_csv("telemetry.csv")
    table["event_time"] = pd.to_datetime(table["event_time"], utc=True)
    table.to_parquet("changed.parquet")
    refused = ids.forewarn(*IMPORT, "changed.parquet", "-w", "w_changed")
    assert refused.status == 1
    assert "asset holds the number 9007199254740992.0" in refused.err
    assert "Write it as text" in refused.err
    table["asset"] = pd.read_csv("telemetry.csv", dtype={"asset": "Int64"})["asset"]
    table.to_parquet("whole.parquet")
    assert ids.forewarn(*IMPORT, "whole.parquet", "-w", "w_whole").status == 0
    assert set(stored(ids)["asset"]) == set(stored(ids, "w_whole")["asset"]) == {"7", "9007199254740993"}


@pytest.mark.slow
def test_a_european_dialect_is_read_once_the_times_are_named(case: Callable[[str], Case]) -> None:
    """Separator and decimal comma are recognised and said; the order of day and month is never guessed."""
    european = case("20")
    zone = ("--time-zone", "Europe/Berlin", "-w", "w")
    refused = european.forewarn(*IMPORT, "telemetry.csv", *FAILURES, *zone)
    assert refused.status == 1
    assert all(option in refused.err for option in ("--time-format", "--separator", "--decimal"))
    assert not (european.folder / "w").exists()
    taken = european.forewarn(*IMPORT, "telemetry.csv", *FAILURES, *zone, "--time-format", "dd.mm.yyyy HH:MM", "--json")
    assert taken.json["tables"]["telemetry/pump"]["accepted"] == 72
    reading = taken.json["reading"]["telemetry/pump"]
    assert (reading["separator"], reading["decimal"], reading["recognised"]) == (";", ",", ["separator", "decimal"])
    first = stored(european).iloc[0]
    assert (first["event_time"], first["vibration"]) == (pd.Timestamp("2026-02-28T23:00Z"), 2.03)


@pytest.mark.slow
def test_a_dialect_is_kept_with_the_contract(case: Callable[[str], Case]) -> None:
    """What the options say can stand in the contract instead, for every command that reads its files."""
    european = case("20")
    contract = european.folder / "pump.odcs.yaml"
    layout = "{property: fileLayout, value: {timeFormat: dd.mm.yyyy HH:MM, timeZone: Europe/Berlin}}"
    asset_type = "  - {property: assetType, value: pump}\n"
    contract.write_text(contract.read_text().replace(asset_type, f"{asset_type}  - {layout}\n"))
    taken = european.forewarn(*IMPORT, "telemetry.csv", *FAILURES, "-w", "w", "--json")
    assert taken.json["tables"]["telemetry/pump"]["accepted"] == 72
    assert european.forewarn("validate", "telemetry.csv", "--contract", "pump.odcs.yaml").status == 0


@pytest.mark.slow
def test_a_historians_table_becomes_rows(case: Callable[[str], Case]) -> None:
    """The refusal says how to bring a long table in; then each instant is a row, and a bad value is no value."""
    historian = case("21")
    refused = historian.forewarn(*IMPORT, "telemetry.csv", *FAILURES, "-w", "w")
    assert refused.status == 1
    assert "--layout long" in refused.err
    assert "--tags" in refused.err
    taken = historian.forewarn(
        *IMPORT, "telemetry.csv", *FAILURES, "-w", "w", "--layout", "long", "--tags", "{asset}.{channel}", "--json"
    )
    assert taken.json["tables"]["telemetry/pump"]["accepted"] == 72
    assert taken.json["reading"]["telemetry/pump"]["long"]["bad"] == {"Bad": 1}
    assert taken.json["reading"]["telemetry/pump"]["long"]["uncertain"] == 1
    frame = stored(historian)
    assert frame[["vibration", "temperature"]].isna().sum().tolist() == [1, 0]
    assert pd.isna(frame.set_index(["asset", "event_time"])["vibration"]["pump-1", pd.Timestamp("2026-03-01T04:00Z")])


@pytest.mark.slow
def test_a_folder_of_machines_is_one_import(case: Callable[[str], Case]) -> None:
    """The asset comes from each file's name, or from an option."""
    machines = case("22")
    refused = machines.forewarn(*IMPORT, "machines", *FAILURES, "-w", "w")
    assert refused.status == 1
    assert "--asset-from" in refused.err
    taken = machines.forewarn(*IMPORT, "machines", *FAILURES, "-w", "w", "--asset-from", "{asset}.csv", "--json")
    assert (taken.json["assets"], taken.json["tables"]["telemetry/pump"]["accepted"]) == (3, 72)
    assert len(taken.json["reading"]["telemetry/pump"]["files"]) == 3
    one = machines.forewarn(*IMPORT, "machines/pump-1.csv", "--asset", "pump-1", "-w", "w_one", "--json")
    assert one.json["tables"]["telemetry/pump"]["accepted"] == 24


@pytest.mark.slow
def test_a_row_of_units_is_recognised_and_compared(case: Callable[[str], Case]) -> None:
    """The row is left out and said; a unit that is not the contract's is refused as one in the header is."""
    units = case("24")
    taken = units.forewarn(*IMPORT, "telemetry.csv", *FAILURES, "-w", "w", "--json")
    assert taken.json["tables"]["telemetry/pump"]["accepted"] == 72
    assert taken.json["reading"]["telemetry/pump"]["units"] == {"vibration": "mm/s", "temperature": "degC"}
    contract = units.folder / "pump.odcs.yaml"
    plain = "{name: vibration, logicalType: number"
    unit = f"{plain}, customProperties: [{{property: unit, value: in/s}}]"
    contract.write_text(contract.read_text().replace(plain, unit))
    refused = units.forewarn(*IMPORT, "telemetry.csv", *FAILURES, "-w", "w_other")
    assert refused.status == 1
    assert "is in mm/s; the contract demands in/s" in " ".join(refused.err.split())


@pytest.mark.slow
def test_milliseconds_since_1970_need_a_name(case: Callable[[str], Case]) -> None:
    """The refusal names the option for what the numbers seem to be; no zone makes times of them."""
    epoch = case("27")
    for zone in ((), ("--time-zone", "UTC")):
        refused = epoch.forewarn(*IMPORT, "telemetry.csv", *FAILURES, "-w", "w", *zone)
        assert refused.status == 1
        assert "--time-format epoch_ms" in refused.err
    taken = epoch.forewarn(*IMPORT, "telemetry.csv", *FAILURES, "-w", "w", "--time-format", "epoch_ms", "--json")
    assert taken.json["tables"]["telemetry/pump"]["accepted"] == 72
    assert stored(epoch)["event_time"].min() == pd.Timestamp("2026-03-01T00:00Z")


@pytest.mark.slow
def test_cycles_count_as_hours_once_they_are_named(case: Callable[[str], Case]) -> None:
    """A bare number is no time; as a cycle it is an hour from a given start, in failures too, and that is said."""
    cycles = case("30")
    refused = cycles.forewarn(*IMPORT, "telemetry.csv", *FAILURES, "-w", "w", "--time-zone", "UTC")
    assert refused.status == 1
    assert "--time-format cycle" in refused.err
    taken = cycles.forewarn(*IMPORT, "telemetry.csv", *FAILURES, "-w", "w", "--time-format", "cycle", "--json")
    assert taken.json["tables"]["telemetry/pump"]["accepted"] == 120
    assert "cycle n counts as n x 1h after 2000-01-01" in taken.json["reading"]["failures"]["clock"]
    assert stored(cycles)["event_time"].min() == pd.Timestamp("2000-01-01T01:00Z")
    failures = DeltaTable(str(cycles.folder / "w" / "tables" / "failures")).to_pandas()
    assert list(failures["event_time"]) == [pd.Timestamp("2000-01-02T17:00Z")]


def test_no_file_is_read_in_part(case: Callable[[str], Case]) -> None:
    """A file cut in the middle of a row is refused by name before a workspace is made."""
    cut = case("00")
    path = cut.folder / "telemetry.csv"
    lines = path.read_text().splitlines()
    Path(path).write_text("\n".join([*lines[:50], lines[50][:25]]))
    refused = cut.forewarn(*IMPORT, "telemetry.csv", "-w", "w")
    assert refused.status == 1
    assert "telemetry.csv, line 51: 2 values" in refused.err
    assert "Write the file again if it ends there" in refused.err
    assert not (cut.folder / "w").exists()
