"""What matches nothing, one's own contract, ids and dates that come again, and files that are still being copied."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.contract.contract import load_contract
from data_contracts.contract.registered import find_contract, register
from data_contracts.ingestion.quarantine import list_rows
from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.tables.telemetry import reconcile
from data_contracts.workspace import init_workspace, open_workspace
from features.extraction.extract import extract
from models.artifact.explanations.drivers import drivers
from models.artifact.staleness import contract_of
from models.registry.registry import Registry
from pipelines.jobs.ingest import ingest_inbox
from tests.cases.conftest import Case, Ran

pytestmark = pytest.mark.slow  # every import checks its batches with Great Expectations

VIBRATION = "{name: vibration, logicalType: number, customProperties: [{property: unit, value: mm/s}]}"


def imported(case: Case, *arguments: str, contract: str = "pump.odcs.yaml", telemetry: str = "telemetry.csv") -> Ran:
    """Import a case's files into its workspace."""
    files = ["--contract", contract, "--telemetry", telemetry, *arguments]
    return case.forewarn("import", "files", *files, "-w", "w", "--json")


def stored(case: Case, table: str) -> pd.DataFrame:
    return tables.read(open_workspace(case.folder / "w", {}), table)


def test_a_file_that_is_still_being_copied_waits(case: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left for the next run and said so; once it rests it is taken, and the whole file corrects a cut line."""
    copying = case("02")
    monkeypatch.setenv("FOREWARN_INGEST_INBOX", str(copying.folder / "inbox"))
    assert copying.forewarn("init", "-w", "w").status == 0
    day = copying.folder / "inbox" / "pumps" / "day.csv"

    def run(source: str, age: int) -> Ran:
        day.write_bytes((copying.folder / source).read_bytes())
        os.utime(day, (time.time() - age, time.time() - age))
        (day.parent / "tomorrow.csv.part").write_bytes(b"asset,event")
        return copying.forewarn("run", "ingest", "-w", "w", "--json")

    first = run("while_copying.csv", 5)
    assert first.status == 0, first.err
    assert first.json["result"]["files"] == []
    assert [name.rpartition("/")[2] for name in first.json["result"]["waiting"]] == ["day.csv", "tomorrow.csv.part"]
    assert stored(copying, "telemetry/pump").empty
    assert run("while_copying.csv", 120).json["result"]["files"][0]["accepted"] == 72
    assert run("whole.csv", 120).json["result"]["files"][0]["accepted"] == 72
    seen = reconcile(stored(copying, "telemetry/pump"), ["vibration", "temperature"])
    last = seen[seen["asset"] == "pump-3"]["vibration"].iloc[-1]
    # Of rows known at one time the one stored later counts, where the tables note the order.
    assert last == (-12.3456 if "stored_version" in stored(copying, "telemetry/pump") else -12.0)


def test_failures_of_nearly_the_same_ids_are_named(case: Callable[[str], Case]) -> None:
    """How many, which, what was meant and in what it differs; with --strict the exit status says so."""
    ids = case("06")
    result = imported(ids, "--failures", "failures.csv")
    assert result.status == 0, result.err
    failures = result.json["unmatched"]["tables"]["failures"]
    assert (failures["rows"], failures["unknown"], failures["outside"]) == (14, 11, 0)
    named = {(each["rows"], each["did_you_mean"], each["differs_in"]) for each in failures["assets"]}
    assert named == {
        (4, "Fräse-01", "the Unicode form"),
        (4, "Fräse-02", "blanks at the ends"),
        (3, "Fräse-03", "capitals"),
    }
    assert imported(ids, "--failures", "failures.csv", "--strict").status == 1


def test_in_service_since_follows_the_earliest_reading(case: Callable[[str], Case]) -> None:
    """After older days were imported too, each asset has one record, of its first reading."""
    backfilled = case("13")
    assert imported(backfilled, "--failures", "failures.csv", telemetry="new.csv").status == 0
    assert imported(backfilled, telemetry="older.csv").status == 0
    records = stored(backfilled, "assets")
    assert sorted(records["asset"]) == ["pump-1", "pump-2", "pump-3"]
    assert set(records["event_time"]) == {pd.Timestamp("2026-03-01", tz="UTC")}


def test_ids_used_again_are_a_conflict(case: Callable[[str], Case]) -> None:
    """None of them counts as a correction of another; all are in quarantine, and training says so."""
    again = case("14")
    result = imported(again, "--failures", "failures.csv")
    assert result.status == 1
    assert "reused_id failure_id: id '1' is used for 3 events of pump-1" in result.json["found"]
    held = again.forewarn("quarantine", "list", "-w", "w", "--json").json
    assert held["rows"] == 14
    trained = again.forewarn("train", "pump.toml", "-w", "w", "--json")
    assert trained.status == 1
    assert "14 failures are in quarantine" in trained.json["found"]


def test_what_import_takes_the_other_commands_take(case: Callable[[str], Case]) -> None:
    """What a file leaves out is filled in the same way, and the same rows again are already there."""
    same = case("16")
    assert imported(same, "--failures", "failures.csv").status == 0
    validated = same.forewarn("validate", "telemetry.csv", "--contract", "pump.odcs.yaml", "--json")
    assert validated.status == 0, validated.out
    for file, contract in {"telemetry.csv": "pump.odcs.yaml", "failures.csv": "failures"}.items():
        result = same.forewarn("ingest", file, "--contract", contract, "-w", "w", "--json")
        assert result.status == 0, result.err
        assert result.json["already"]
    assert same.forewarn("quarantine", "list", "-w", "w", "--json").json["rows"] == 0


def test_an_own_contract_is_known_by_its_name(case: Callable[[str], Case]) -> None:
    """After the import its name or asset type suffices, for every command, without its file."""
    own = case("17")
    first = imported(own, "--failures", "failures.csv").json["contract"]
    assert (first["name"], first["new"]) == ("telemetry_pump", True)
    (own.folder / "pump.odcs.yaml").unlink()
    ingested = own.forewarn("ingest", "next_day.csv", "--contract", "telemetry_pump", "-w", "w", "--json")
    assert (ingested.status, ingested.json["accepted"]) == (0, 72)
    again = imported(own, contract="pump", telemetry="next_day.csv")
    assert again.json["tables"]["telemetry/pump"]["already"]
    assert not again.json["contract"]["new"]
    assert own.forewarn("validate", "next_day.csv", "--contract", "telemetry_pump", "-w", "w").status == 0
    assert own.forewarn("quarantine", "list", "--contract", "pump", "-w", "w", "--json").json["rows"] == 0


def test_failures_of_unknown_machines_are_the_cause(case: Callable[[str], Case]) -> None:
    """The import names them, and training names them as the reason why nothing fails."""
    unknown = case("28")
    result = imported(unknown, "--failures", "failures.csv")
    (sentence,) = result.json["unmatched"]["sentences"]
    assert sentence == "14 of 14 failures are of assets without telemetry: 'P-77' (7), 'compressor-9' (7)"
    trained = unknown.forewarn("train", "pump.toml", "-w", "w", "--json")
    assert trained.status == 1
    assert trained.json["found"] == f"of 216 training samples none fails within the horizon: {sentence}"
    assert "test" not in trained.json["remedy"]


def test_an_own_contract_is_on_the_model_and_decides_staleness(case: Callable[[str], Case]) -> None:
    """Its name, version and digest are the model's; its units and latency count without its file."""
    own = case("00")
    contract = own.folder / "pump.odcs.yaml"
    text = contract.read_text().replace("{name: vibration, logicalType: number}", VIBRATION)
    contract.write_text(f"{text}slaProperties:\n  - {{property: latency, value: 3, unit: h}}\n")
    digest = load_contract(contract).digest
    assert imported(own, "--failures", "failures.csv").status == 0
    contract.unlink()
    trained = own.forewarn("train", "pump.toml", "-w", "w", "--json", "--promote")
    assert trained.status == 0, trained.out
    workspace = open_workspace(own.folder / "w", {})
    model = Registry(workspace).load("pump-failure", "champion")
    assert model.tags["contract"] == f"telemetry_pump 1.0.0 {digest}"
    assert model.artifact.contract.digest == digest
    assert model.artifact.units == {"vibration": "mm/s"}
    assert contract_of(workspace, "pump") == find_contract(workspace.contracts, "telemetry_pump")
    assert contract_of(workspace, "pump").max_age == pd.Timedelta(hours=3)
    history = read_history(workspace, "pump")
    cut_offs = pd.DataFrame({"asset": ["pump-1"], "as_of": [pd.Timestamp("2026-03-08T05:00Z")]})
    features = extract(history, cut_offs, model.artifact.recipe)
    assert any("mm/s" in driver.words for driver in drivers(model.artifact, features)[0])


@pytest.mark.parametrize(
    ("start", "said"), [("26", "give it counter: true and rollover: 65536"), ("29", "'pump-2' from")]
)
def test_what_nobody_declared_is_said(case: Callable[[str], Case], start: str, said: str) -> None:
    """By import and ingest alike, in words and in JSON, and an error for who is strict; declared, it is not."""
    mistake = case(start)
    assert imported(mistake).json["undeclared"]["sentences"][0].find(said) >= 0
    arguments = ("ingest", "telemetry.csv", "--contract", "pump.odcs.yaml", "-w", "w")
    assert mistake.forewarn(*arguments).status == 0
    strict = mistake.forewarn(*arguments, "--strict")
    assert strict.status == 1
    assert said in " ".join(strict.out.split())
    if start == "29":
        assert imported(mistake, "--assets", "assets.csv", "--strict").status == 0
    else:
        contract = mistake.folder / "pump.odcs.yaml"
        counter = "customProperties: [{property: counter, value: true}, {property: rollover, value: 65536}]"
        contract.write_text(
            contract.read_text().replace(
                "{name: starts, logicalType: number", f"{{name: starts, logicalType: number, {counter}"
            )
        )
        assert "rollover" in contract.read_text()
        assert imported(mistake, "--strict").status == 0


def test_a_file_with_extra_columns_in_the_inbox_is_held(case: Callable[[str], Case], tmp_path: Path) -> None:
    """Nobody may read the run's error: its rows wait in quarantine as a batch that failed, until it is accepted."""
    extra = case("23")
    workspace, now = init_workspace(tmp_path / "w"), pd.Timestamp.now("UTC")
    folder = tmp_path / "inbox" / "pump"
    folder.mkdir(parents=True)
    for name in ("telemetry.csv", "pump.odcs.yaml"):
        (folder / name).write_bytes((extra.folder / name).read_bytes())
    for _ in range(2):
        (refused,) = ingest_inbox(workspace, tmp_path / "inbox", now=now, settle=pd.Timedelta(0)).refused
        assert "--ignore-extra" in refused.error
        assert len(list_rows(workspace)) == 72
    contract = load_contract(folder / "pump.odcs.yaml")
    (folder / "pump.odcs.yaml").unlink()
    register(workspace.contracts, replace(contract, extra_columns="ignore"), now=now)
    assert not ingest_inbox(workspace, tmp_path / "inbox", now=now, settle=pd.Timedelta(0)).refused
    assert list_rows(workspace).empty
