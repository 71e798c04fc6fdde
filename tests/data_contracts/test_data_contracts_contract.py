"""Contracts, twins, workspaces and errors: what is read from files, and what wrong files get."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import data_contracts
from data_contracts.contract.contract import CONTRACTS, Column, contract_names, load_contract, telemetry_contract
from data_contracts.contract.contract_changes import contract_changes
from data_contracts.contract.contract_json import from_plain, to_plain
from data_contracts.contract.twins import INTERFACES, load_twin, twin_names
from data_contracts.errors import ForewarnError, NotFoundError, UsageError
from data_contracts.workspace import init_workspace, open_workspace

WRITABLE = {"@type": ["Property", "Power"], "name": "limit", "schema": "double", "unit": "watt", "writable": True}


@pytest.mark.parametrize("asset_type", ["azure_machine", "cnc_machine", "cnc_signals", "turbofan"])
def test_twin_and_contract_cannot_disagree(asset_type):
    """The channels of a telemetry contract are the twin's, with its names, order, types and units."""
    twin, contract = load_twin(asset_type), telemetry_contract(asset_type)
    assert contract.channels == tuple(channel.name for channel in twin.channels)
    for channel in twin.channels:
        column = contract.column(channel.name)
        assert column is not None
        assert (column.type, column.unit) == ("number", channel.unit)
        assert column.needed


def test_every_shipped_contract_can_be_read():
    """All kinds of data that come in have a contract, with a key and a table."""
    assert set(contract_names()) >= {"assets", "events", "failures", "predictions", "work_orders"}
    for name in contract_names():
        contract = load_contract(name)
        assert contract.name == name
        assert all(contract.column(key) is not None for key in contract.key)
        assert contract.table in {name, f"telemetry/{contract.asset_type}"}
    assert len({load_contract(name).digest for name in contract_names()}) == len(contract_names())


def test_relationships_lead_to_shipped_interfaces():
    """Every relationship of a twin leads to an interface that is there."""
    identifiers = {load_twin(name).identifier for name in twin_names()}
    targets = {target for name in twin_names() for _, target in load_twin(name).relationships}
    assert targets <= identifiers
    assert dict(load_twin("cnc_machine").relationships).keys() == {"part_of_line", "located_in_plant"}


def test_the_case_s_rule_is_in_the_contract():
    """A bearing's temperature may not jump by more than 100 degrees Celsius in a second."""
    column = telemetry_contract("cnc_machine").column("bearing_temperature")
    assert column is not None
    assert (column.unit, column.max_rate_per_second) == ("degC", 100.0)


def _own_contract(folder: Path, old: str, new: str, name: str = "telemetry_cnc_machine") -> Path:
    text = (CONTRACTS / f"{name}.odcs.yaml").read_text(encoding="utf-8")
    assert old in text
    path = folder / "own.odcs.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: tool_load", "name: tool_lod", "Did you mean 'tool_load'"),
        ("{minimum: 0, maximum: 50}", "{minimum: 0, maxLength: 3}", "maxLength"),
        ("kind: DataContract", "kind: DataContract\nowner: me", "the unknown key owner"),
        ("logicalType: timestamp", "logicalType: array", "the type 'array'"),
        ("metric: nullValues", "metric: missingValus", "Did you mean 'missingValues'"),
        ("metric: rowCount", "metric: freshness", "freshness"),
        ("schema:", "schema: [", "is not YAML"),
        ("{property: assetType, value: cnc_machine}", "{property: assetTyp, value: x}", "Did you mean 'assetType'"),
        ("  - {property: assetType, value: cnc_machine}\n", "", "has no asset type"),
    ],
)
def test_a_contract_with_an_unsupported_rule_is_refused(tmp_path, old, new, message):
    """Every rule of a contract is checked, or reading it fails: none is ignored silently."""
    with pytest.raises(UsageError) as caught:
        load_contract(_own_contract(tmp_path, old, new))
    assert message in str(caught.value)


def test_freshness_and_row_count_come_from_the_contract(tmp_path):
    """The latency is the largest age, and the row count rule the fewest rows."""
    path = _own_contract(tmp_path, "value: 1, unit: d", "value: 2, unit: d")
    path.write_text(path.read_text(encoding="utf-8").replace("OrEqualTo: 1}", "OrEqualTo: 24}", 1), encoding="utf-8")
    contract = load_contract(path)
    assert (contract.max_age, contract.min_rows) == (pd.Timedelta(days=2), 24)


def test_a_contract_may_list_its_columns_itself(tmp_path):
    """A user's telemetry contract without a twin names types and units of its channels."""
    text = (CONTRACTS / "telemetry_cnc_machine.odcs.yaml").read_text(encoding="utf-8")
    text = text.replace("  - {property: twinInterface, value: cnc_machine}\n", "").replace("cnc_machine", "press")
    channel = "      - {name: force, logicalType: number, customProperties: [{property: unit, value: kN}]}\n"
    path = tmp_path / "press.odcs.yaml"
    path.write_text(text[: text.index("      - name: spindle_vibration")] + channel, encoding="utf-8")
    contract = load_contract(path)
    column = contract.column("force")
    assert (contract.table, contract.channels) == ("telemetry/press", ("force",))
    assert column is not None
    assert column.unit == "kN"
    assert column.needed


def test_unknown_names_get_a_suggestion():
    """An unknown contract or twin is an error that suggests the one meant."""
    with pytest.raises(NotFoundError, match="Did you mean 'failures'"):
        load_contract("failure")
    with pytest.raises(NotFoundError, match="Did you mean 'turbofan'"):
        load_twin("turbofann")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"@context": "dtmi:dtdl:context;2"}, "not a DTDL v3 interface"),
        ({"contents": [{"@type": "Telemetry", "name": "a", "schema": "string"}]}, "the schema 'string'"),
        ({"contents": [{"@type": "Telemetry", "name": "a", "schema": "double", "unit": "vol"}]}, "Did you mean 'volt'"),
        ({"contents": [WRITABLE | {"minimum": "low"}]}, "the minimum 'low'"),
    ],
)
def test_a_wrong_interface_is_refused(tmp_path, change, message):
    """An interface of another language, schema or unit is refused with what was expected."""
    content = json.loads((INTERFACES / "azure_machine.json").read_text(encoding="utf-8")) | change
    (tmp_path / "own.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_twin(tmp_path / "own.json")
    assert message in str(caught.value)


def test_a_workspace_is_made_once_and_found_again(tmp_path):
    """Making a workspace twice is as once, and its stores lie under it unless the environment says otherwise."""
    first = init_workspace(tmp_path / "ws")
    assert init_workspace(tmp_path / "ws") == first == open_workspace(tmp_path / "ws", {})
    assert Path(first.tables_url).parent == first.root == first.prefect_home.parent == first.reports.parent
    other = open_workspace(tmp_path / "ws", {"FOREWARN_RECORDS_URL": "sqlite:////tmp/x.db", "FOREWARN_MLFLOW_URI": ""})
    assert (other.records_url, other.mlflow_uri) == ("sqlite:////tmp/x.db", first.mlflow_uri)


def test_wrong_workspaces_say_what_to_do(tmp_path):
    """A missing workspace and a broken or unknown setting are named, with the remedy."""
    with pytest.raises(NotFoundError, match="forewarn init"):
        open_workspace(tmp_path, {})
    workspace = init_workspace(tmp_path / "ws")
    settings = workspace.root / "forewarn.toml"
    for text, message in (
        ("[storage\n", "is not TOML"),
        ("[storage]\ntabels = 'x'\n", "Did you mean 'tables'"),
        ("[storage]\ntables = 3\n", "storage.tables is the number 3"),
    ):
        settings.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=message):
            open_workspace(workspace.root, {})
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be created"):
        init_workspace(tmp_path / "file" / "ws")


def test_errors_say_what_was_found_expected_and_to_do():
    """Every error is one text of three sentences."""
    assert str(ForewarnError("a is b.", "c", "Do d.")) == "a is b. Expected c. Do d."
    assert (ForewarnError("", "", "").exit_status, UsageError("", "", "").exit_status) == (1, 2)


def test_the_package_gives_what_it_names():
    """`__all__` is sorted, true, and complete for what loads lazily."""
    names = data_contracts.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert all(getattr(data_contracts, name) is not None for name in names)


def test_importing_the_package_loads_no_platform(repository):
    """Neither the package nor reading stored data imports Great Expectations."""
    code = (
        "import sys, data_contracts, data_contracts.errors\n"
        "assert 'pandas' not in sys.modules\n"
        "import data_contracts.tables.history, data_contracts.records.records\n"
        "import data_contracts.ingestion.ingest, data_contracts.ingestion.quarantine\n"
        "assert 'great_expectations' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=repository)


def test_that_a_channel_is_no_counter_changes_no_digest() -> None:
    """Everybody had assumed it before it could be said; that one counts is another contract."""
    column = Column("vibration", "number")
    digests = {
        counter: replace(load_contract("failures"), columns=(replace(column, counter=counter),)).digest
        for counter in (None, False, True)
    }
    assert digests[None] == digests[False] != digests[True]


def test_what_may_be_commanded_is_no_part_of_what_a_batch_looks_like(tmp_path: Path) -> None:
    """Writable properties of an interface are settable, without a column and with the digest as it was."""
    content = json.loads((INTERFACES / "azure_machine.json").read_text(encoding="utf-8"))
    content["contents"] += [
        WRITABLE | {"minimum": 0, "maximum": 7500},
        {"@type": "Property", "name": "mode", "schema": "string", "writable": True, "unitSymbol": "-"},
        {"@type": "Property", "name": "note", "schema": "string"},
        {"@type": "Property", "name": "since", "schema": "dateTime", "writable": True},
    ]
    (tmp_path / "own.json").write_text(json.dumps(content), encoding="utf-8")
    text = (CONTRACTS / "telemetry_azure_machine.odcs.yaml").read_text(encoding="utf-8")
    (tmp_path / "own.odcs.yaml").write_text(
        text.replace("value: azure_machine}", "value: own.json}", 2).replace(
            "assetType, value: own.json", "assetType, value: azure_machine"
        ),
        encoding="utf-8",
    )
    contract, shipped = load_contract(str(tmp_path / "own.odcs.yaml")), load_contract("telemetry_azure_machine")
    assert contract.settable == (
        Column("limit", "number", unit="W", minimum=0.0, maximum=7500.0),
        Column("mode", "string", unit="-"),
    )
    assert (contract.channels, contract.digest) == (shipped.channels, shipped.digest)
    assert from_plain(to_plain(contract)) == contract
    assert contract_changes(shipped, contract) == ("may be commanded: nothing, now limit, mode",)
