"""Rules of contracts, bad cells, qualities and early times: what the commands make of them."""

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from deltalake import DeltaTable

from tests.cases.conftest import Case, Ran

pytestmark = pytest.mark.slow  # the checks import Great Expectations
Copy = Callable[[str], Case]


def _imported(case: Case, *more: str, telemetry: str = "telemetry.csv", workspace: str = "w") -> Ran:
    files = ["--contract", "pump.odcs.yaml", "--telemetry", telemetry, "-w", workspace]
    return case.forewarn("import", "files", *files, *more, "--json")


def _stored(case: Case, workspace: str = "w") -> pd.DataFrame:
    table = DeltaTable(str(case.folder / workspace / "tables" / "telemetry" / "pump"))
    return table.to_pandas().sort_values(["asset", "event_time"], ignore_index=True)


def _held(case: Case, workspace: str = "w") -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = case.forewarn("quarantine", "list", "-w", workspace, "--json").json["refused"]
    return [entry for entry in listed if entry["contract"] == "telemetry_pump"]


@pytest.mark.parametrize("start", ["03", "04"])
def test_one_early_reading_waits_in_quarantine(case: Copy, start: str) -> None:
    """720 readings are stored, and the one of a clock that was never set is not among them."""
    early = case(start)
    ran = _imported(early, "--failures", "failures.csv")
    assert ran.status == 0, ran.err
    assert ran.json["tables"]["telemetry/pump"]["accepted"] == 720
    (held,) = _held(early)
    assert held["reasons"][0].startswith("earliest_time event_time")
    assert _stored(early)["event_time"].min() > pd.Timestamp("2026-01-01", tz="UTC")


def test_ids_of_a_parquet_file_keep_their_digits(case: Copy) -> None:
    """The CSV file gives the identifiers; of the Parquet file none becomes another."""
    ids = case("07")
    pd.read_csv(ids.folder / "telemetry.csv").assign(
        event_time=lambda rows: pd.to_datetime(rows["event_time"], utc=True)
    ).to_parquet(ids.folder / "telemetry.parquet")
    assert _imported(ids, workspace="w_csv").status == 0
    assert sorted(_stored(ids, "w_csv")["asset"].unique()) == ["7", "9007199254740993"]
    ran = _imported(ids, telemetry="telemetry.parquet", workspace="w_parquet")
    if ran.status:
        assert "Write it as text" in ran.out
    else:
        assert set(_stored(ids, "w_parquet")["asset"]) == {"7"}


def test_a_text_channel_is_refused_when_the_contract_is_read(case: Copy) -> None:
    """Nothing is stored, and the message has three ways out."""
    text = case("09")
    ran = _imported(text, "--failures", "failures.csv")
    assert ran.status == 2
    for words in ("the channel mode of the type string", "a column of 0 and 1", "extraColumns: ignore", "qualityOf"):
        assert words in ran.out


def test_no_contract_has_a_rule_that_nobody_checks(case: Copy) -> None:
    """Of ten contracts whose rules the rows break, none is kept: they are enforced, or refused by name."""
    rules = case("10")
    contracts = sorted(path.name for path in rules.folder.glob("*.odcs.yaml"))
    assert len(contracts) == 10
    for contract in contracts:
        assert rules.forewarn("validate", "rows.csv", "--contract", contract).status in (1, 2), contract
        # The same without the text channel, which predictors cannot use: the rule itself has to be enforced or refused.
        text = (rules.folder / contract).read_text(encoding="utf-8")
        if "serial, logicalType: string}" in text:
            lines = [line for line in text.splitlines() if "name: serial" not in line]
            (rules.folder / "own.odcs.yaml").write_text("\n".join(lines), encoding="utf-8")
            rows = pd.read_csv(rules.folder / "rows.csv", dtype=str).drop(columns="serial")
            rows.to_csv(rules.folder / "own.csv", index=False)
            ran = rules.forewarn("validate", "own.csv", "--contract", "own.odcs.yaml")
            assert ran.status == (2 if contract.startswith(("quality_sql", "rate_misspelt")) else 1), contract


@pytest.mark.parametrize(
    ("start", "words"), [("11", "Write it in quotes"), ("12", "minimum 10 of vibration above maximum 1")]
)
def test_a_contract_that_no_data_can_keep_is_refused(case: Copy, start: str, words: str) -> None:
    """The contract is to blame, not the data, and there is no traceback."""
    ran = case(start).forewarn("validate", "rows.csv", "--contract", "pump.odcs.yaml")
    assert ran.status == 2
    assert words in " ".join(ran.err.split())


def test_integers_beyond_what_a_float_holds_are_refused_by_row(case: Copy) -> None:
    """What is stored is what was written; the others wait, with all their digits."""
    energy = case("15")
    assert _imported(energy).json["tables"]["telemetry/pump"]["quarantined"] == 5
    assert [int(value) for value in _stored(energy)["energy_wh"]] == [2**53]
    held = [json.loads(entry["row"])["energy_wh"] for entry in _held(energy)]
    assert sorted(int(value) for value in held) == [2**53 + further for further in range(1, 6)]
    assert all("2**53" in entry["reasons"][0] for entry in _held(energy))


@pytest.mark.parametrize(
    ("file", "cell"),
    [("bad_off", "OFF"), ("bad_dash", "-"), ("bad_na", "n/a"), ("bad_nan", "NaN"), ("bad_bad_input", "Bad Input")],
)
def test_one_bad_cell_is_one_row_in_quarantine(case: Copy, file: str, cell: str) -> None:
    """71 of 72 rows are stored by either command, and the list shows the value with the reason."""
    cells = case("19")
    assert _imported(cells, telemetry=f"{file}.csv").json["tables"]["telemetry/pump"]["accepted"] == 71
    (held,) = _held(cells)
    assert json.loads(held["row"])["vibration"] == cell
    assert held["reasons"] == [f"type vibration: holds {cell!r}; a number is demanded"]
    assert cells.forewarn("init", "-w", "w_i").status == 0
    ingested = cells.forewarn("ingest", f"{file}.csv", "--contract", "pump.odcs.yaml", "-w", "w_i", "--json")
    assert (ingested.status, ingested.json["accepted"], ingested.json["quarantined"]) == (0, 71, 1)


def test_extra_columns_are_named_once_before_anything_is_stored(case: Copy) -> None:
    """No row is in quarantine for them, and each way out works."""
    extra = case("23")
    ran = _imported(extra, "--failures", "failures.csv")
    assert ran.status == 1
    assert "operator_note" in ran.out
    assert "humidity" in ran.out
    assert "--ignore-extra" in ran.out
    assert _held(extra) == []
    assert _imported(extra, "--ignore-extra").json["tables"]["telemetry/pump"]["accepted"] == 72
    contract = extra.folder / "pump.odcs.yaml"
    own = "  - {property: extraColumns, value: ignore}\nschema:"
    contract.write_text(contract.read_text(encoding="utf-8").replace("schema:", own), encoding="utf-8")
    assert _imported(extra, workspace="w_own").json["tables"]["telemetry/pump"]["accepted"] == 72


def test_a_quality_column_says_which_readings_count(case: Copy) -> None:
    """As a channel it is refused; as the quality of one its bad readings are none, and training works."""
    flags = case("25")
    assert _imported(flags).status == 2
    contract = flags.folder / "pump.odcs.yaml"
    text, plain = contract.read_text(encoding="utf-8"), "name: vibration_quality, logicalType: string"
    own = f"{plain}, customProperties: [{{property: qualityOf, value: vibration}}]"
    contract.write_text(text.replace(plain, own), encoding="utf-8")
    ran = _imported(flags, "--failures", "failures.csv")
    assert ran.json["tables"]["telemetry/pump"]["accepted"] == 720
    written = pd.read_csv(flags.folder / "telemetry.csv").sort_values(["asset", "event_time"], ignore_index=True)
    stored = _stored(flags)
    assert "vibration_quality" not in stored.columns
    assert (stored["vibration"].isna() == (written["vibration_quality"] == "Bad")).all()
    assert flags.forewarn("train", "pump.toml", "-w", "w", "--json").json["n_train"] == 208
