"""A contract says how its files are laid out, strictly."""

from pathlib import Path
from typing import Any

import pytest

from data_contracts.contract.contract import load_contract
from data_contracts.contract.contract_schema import contract_schema, layout_schema
from data_contracts.contract.file_layout import PLAIN, FileLayout, layout_fields, override_layout, read_layout
from data_contracts.contract.unit_symbols import is_unit
from data_contracts.errors import UsageError

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: telemetry_fan
name: telemetry_fan
version: 1.0.0
status: active
customProperties:
  - {property: assetType, value: fan}
LAYOUT
schema:
  - name: telemetry
    properties:
      - {name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: source, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 3}
      - {name: known_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 4}
      - {name: flow, logicalType: number}
"""
LAYOUT = """
  - property: fileLayout
    value:
      separator: ";"
      decimal: ","
      timeFormat: dd.mm.yyyy HH:MM
      start: 2020-01-01T00:00:00Z
      missing: [NaN, -999]
      quality: {192: good}
      tags: tags.csv
"""


def test_a_contract_carries_its_layout_and_keeps_its_digest(tmp_path: Path) -> None:
    """The layout is read with YAML's own types; it is no rule about the data, so that the digest stays."""
    (tmp_path / "plain.odcs.yaml").write_text(CONTRACT.replace("LAYOUT", ""))
    (tmp_path / "fan.odcs.yaml").write_text(CONTRACT.replace("LAYOUT", LAYOUT))
    plain, contract = (load_contract(tmp_path / name) for name in ("plain.odcs.yaml", "fan.odcs.yaml"))
    assert plain.file_layout is None
    assert contract.file_layout == FileLayout(
        separator=";",
        decimal=",",
        time_format="dd.mm.yyyy HH:MM",
        start="2020-01-01T00:00:00+00:00",
        missing=("NaN", "-999"),
        quality={"192": "good"},
        tags=str(tmp_path / "tags.csv"),
    )
    assert contract.digest == plain.digest
    assert hash(contract) == hash(plain)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("csv", "fileLayout is 'csv'"),
        ({"seperator": ";"}, "fileLayout.seperator is not known.*Did you mean 'separator'"),
        ({"time_format": "cycle"}, "Did you mean 'timeFormat'"),
        ({"separator": "/"}, "fileLayout.separator is '/'"),
        ({"timeFormat": "HH:MM"}, "fileLayout.timeFormat is 'HH:MM'.*day, month and year"),
        ({"timeFormat": "epoch"}, "Did you mean 'epoch_"),
        ({"timeZone": "Mars"}, "There is no time zone 'Mars'"),
        ({"encoding": "utf9"}, "fileLayout.encoding is 'utf9'"),
        ({"cycle": "3 fortnights"}, "fileLayout.cycle is '3 fortnights'"),
        ({"start": "noon"}, "fileLayout.start is 'noon'"),
        ({"thousands": ".", "decimal": "."}, "as is the decimal mark"),
        ({"quality": {192: "great"}}, "'192' is 'great'"),
        ({"skipLines": -1}, "fileLayout.skipLines is the number -1"),
        ({"join": "sometimes"}, "fileLayout.join"),
    ],
)
def test_a_layout_is_read_strictly(content: Any, message: str) -> None:
    """Whatever is unknown or contradictory is refused with its place in the contract."""
    with pytest.raises(UsageError, match=message):
        read_layout(Path("fan.odcs.yaml"), content)


def test_the_command_line_adds_to_collections_and_replaces_the_rest() -> None:
    """What is given wins; names and words are added, and an error names the option."""
    layout = FileLayout(separator=";", rename={"a": "b"}, missing=("NaN",))
    changed = override_layout(layout, {"separator": ",", "rename": {"c": "d"}, "missing": ("-",)}, {})
    assert (changed.separator, changed.rename, changed.missing) == (",", {"a": "b", "c": "d"}, ("NaN", "-"))
    assert override_layout(layout, {}, {}) == layout
    with pytest.raises(UsageError, match=r"^--time-zone: There is no time zone 'Mars'"):
        override_layout(PLAIN, {"time_zone": "Mars"}, {"time_zone": "--time-zone"})


def test_every_key_is_in_the_schema_with_a_meaning() -> None:
    """An editor completes and checks the keys of a layout, and the schema is the same each time."""
    properties = layout_schema()["properties"]
    assert list(properties) == list(layout_fields())
    assert all(entry["description"] for entry in properties.values())
    assert contract_schema() == contract_schema()
    assert "FileLayout" in contract_schema()["$defs"]


def test_units_are_told_from_other_texts() -> None:
    """Symbols of units, composed ones too; no numbers, words or names of machines."""
    units = ("mm/s", "[degC]", "°C", "m³/h", "m/s^2", "kPa", "1/min", "rpm", "%", "kW h", "l/min", "-", "N·m", "(bar)")
    assert [text for text in units if not is_unit(text.replace("kW h", "kWh"))] == []
    assert [text for text in ("OFF", "AUTO", "2.0", "pump-1", "2026-01-01", "n/a", "Bad Input") if is_unit(text)] == []
