"""Contracts that a workspace keeps."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.contract.contract import Column, Contract, contract_names, load_contract
from data_contracts.contract.contract_changes import contract_changes
from data_contracts.contract.contract_json import from_plain, to_plain
from data_contracts.contract.registered import (
    empty_table,
    find_contract,
    find_revision,
    find_telemetry_contract,
    register,
    registered,
)
from data_contracts.errors import NotFoundError, StorageError

NOW = pd.Timestamp("2026-03-01", tz="UTC")
KILN = """
apiVersion: v3.1.0
kind: DataContract
id: kiln
version: 2.1.0
status: active
name: kiln_readings
customProperties:
  - {property: assetType, value: rotary_kiln}
  - {property: twinInterface, value: twins/kiln.json}
slaProperties:
  - {property: latency, value: 90, unit: m}
schema:
  - name: telemetry
    properties:
      - {name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: known_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 3}
      - {name: source, logicalType: string, required: true}
"""
TWIN = {
    "@context": ["dtmi:dtdl:context;3", "dtmi:dtdl:extension:quantitativeTypes;1"],
    "@id": "dtmi:plant:kiln;1",
    "@type": "Interface",
    "contents": [
        {"@type": "Telemetry", "name": "shell_temperature", "schema": "double", "unit": "degreeCelsius"},
        {"@type": "Telemetry", "name": "draught", "schema": "double", "unitSymbol": "mbar"},
    ],
}


@pytest.fixture
def kiln(tmp_path: Path) -> Contract:
    """Load a contract whose twin is beside it, and remove both files."""
    folder = tmp_path / "mine"
    (folder / "twins").mkdir(parents=True)
    (folder / "twins" / "kiln.json").write_text(json.dumps(TWIN))
    (folder / "kiln.odcs.yaml").write_text(KILN)
    contract = load_contract(folder / "kiln.odcs.yaml")
    (folder / "kiln.odcs.yaml").unlink()
    (folder / "twins" / "kiln.json").unlink()
    return contract


def test_a_contract_is_found_when_its_files_are_gone(tmp_path: Path, kiln: Contract) -> None:
    """Name, asset type and digest all lead to it, with the channels and units of its twin."""
    folder = tmp_path / "w" / "contracts"
    registration = register(folder, kiln, now=NOW)
    assert registration.new
    assert "--contract kiln_readings" in registration.sentence
    assert find_contract(folder, "kiln_readings") == find_contract(folder, "rotary_kiln") == kiln
    assert find_telemetry_contract(folder, "rotary_kiln") == find_revision(folder, kiln.digest) == kiln
    assert [column.unit for column in kiln.columns[-2:]] == ["degC", "mbar"]
    assert list(empty_table(folder, "telemetry/rotary_kiln").columns)[-2:] == ["shell_temperature", "draught"]


def test_the_same_contract_again_is_no_revision(tmp_path: Path, kiln: Contract) -> None:
    """Registering is idempotent, so an inbox may do it with every file."""
    first, again = register(tmp_path / "c", kiln, now=NOW), register(tmp_path / "c", kiln, now=NOW)
    assert (first.new, again.new, again.sentence, len(registered(tmp_path / "c"))) == (True, False, "", 1)


def test_a_changed_contract_of_the_same_version_is_a_further_revision(tmp_path: Path, kiln: Contract) -> None:
    """What changed is said, the last one counts, and the first stays for the models that were trained by it."""
    hot = replace(kiln.columns[-2], maximum=450.0)
    changed = replace(kiln, columns=(*kiln.columns[:-2], hot, kiln.columns[-1], Column("torque", "number")))
    register(tmp_path, kiln, now=NOW)
    registration = register(tmp_path, changed, now=NOW)
    assert registration.changes == ("column torque added", "shell_temperature: maximum none, now 450")
    assert find_contract(tmp_path, "kiln_readings") == changed
    assert find_revision(tmp_path, kiln.digest) == kiln
    assert register(tmp_path, kiln, now=NOW).new  # and back again
    assert find_contract(tmp_path, "rotary_kiln") == kiln
    assert [entry.revision for entry in registered(tmp_path)] == [1, 2, 3]


def test_the_workspaces_contract_of_a_shipped_name_wins(tmp_path: Path) -> None:
    """It is said; without it, the shipped one is neither kept nor shadowed."""
    shipped = load_contract("telemetry_turbofan")
    assert not register(tmp_path, shipped, now=NOW).new
    assert registered(tmp_path) == ()
    own = replace(shipped, min_rows=50)
    registration = register(tmp_path, own, now=NOW)
    assert registration.replaces_shipped
    assert "in place of the shipped" in registration.sentence
    assert find_contract(tmp_path, "turbofan") == find_contract(tmp_path, "telemetry_turbofan") == own
    assert find_contract(None, "telemetry_turbofan") == shipped
    assert register(tmp_path, shipped, now=NOW).new
    assert find_contract(tmp_path, "turbofan") == shipped


def test_of_two_names_for_an_asset_type_the_last_registered_counts(tmp_path: Path, kiln: Contract) -> None:
    other = replace(kiln, name="kiln_two")
    register(tmp_path, kiln, now=NOW)
    register(tmp_path, other, now=NOW - pd.Timedelta(days=9))  # whatever the clocks say
    assert find_contract(tmp_path, "rotary_kiln") == other
    assert find_contract(tmp_path, "kiln_readings") == kiln


def test_a_mistyped_name_gets_the_workspaces_names(tmp_path: Path, kiln: Contract) -> None:
    register(tmp_path, kiln, now=NOW)
    with pytest.raises(NotFoundError, match="Did you mean 'kiln_readings'"):
        find_contract(tmp_path, "kiln_reading")


def test_names_that_no_path_could_have_are_kept(tmp_path: Path, kiln: Contract) -> None:
    """A name is a person's text; it must neither leave the folder nor clash with another."""
    for name in ("../../etc", "a/b", ".", "Öfen 1", "x%2Fy"):
        own = replace(kiln, name=name, version="1/ß")
        register(tmp_path / "c", own, now=NOW)
        assert find_contract(tmp_path / "c", name) == own
    assert {item.name for item in tmp_path.iterdir()} == {"c", "mine"}
    assert len(registered(tmp_path / "c")) == 5


def test_a_damaged_file_is_named(tmp_path: Path, kiln: Contract) -> None:
    register(tmp_path, kiln, now=NOW)
    (kept,) = tmp_path.glob("*.json")
    file = kept.with_name(kept.name.replace("000001", "000002"))
    file.write_text(kept.read_text()[:-40])
    with pytest.raises(StorageError, match=file.name):
        find_contract(tmp_path, "kiln_readings")


@pytest.mark.parametrize("name", contract_names())
def test_every_shipped_contract_survives_being_written(name: str) -> None:
    contract = load_contract(name)
    again = from_plain(json.loads(json.dumps(to_plain(contract))))
    assert again == contract
    assert again.digest == contract.digest


limits = st.none() | st.floats(allow_nan=False, allow_infinity=False)
columns = st.builds(
    Column,
    name=st.text(min_size=1),
    type=st.sampled_from(["string", "number", "integer", "timestamp", "boolean"]),
    unit=st.none() | st.text(),
    required=st.booleans(),
    minimum=limits,
    maximum=limits,
    allowed=st.none() | st.lists(st.text()).map(tuple),
    max_null_share=st.floats(0, 1),
    max_rate_per_second=limits,
    description=st.text(),
)
contracts = st.builds(
    Contract,
    name=st.text(),
    version=st.text(),
    kind=st.text(),
    columns=st.lists(columns, max_size=3).map(tuple),
    key=st.lists(st.text()).map(tuple),
    min_rows=st.integers(1),
    max_age=st.none() | st.integers(0, 10**15).map(lambda us: pd.Timedelta(us, "us")),
    asset_type=st.none() | st.text(),
)


@given(contract=contracts)
def test_any_contract_survives_being_written(contract: Contract) -> None:
    """Law: a contract read back is the same, and so is its digest, which models record."""
    again = from_plain(json.loads(json.dumps(to_plain(contract))))
    assert again == contract
    assert again.digest == contract.digest


@given(contract=contracts)
def test_nothing_changed_is_no_change(contract: Contract) -> None:
    assert contract_changes(contract, contract) == ()


def test_a_field_added_later_does_not_change_what_is_written() -> None:
    """Fields that have their default are left out, so that older files and newer software agree."""
    written = to_plain(load_contract("failures"))
    assert set(written) <= {field.name for field in dataclasses.fields(Contract)}
    assert "max_age" not in written
    assert "minimum" not in written["columns"][0]
