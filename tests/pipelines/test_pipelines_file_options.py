"""The options that say how files are laid out, and public data sets read as they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_contracts.contract.contract import Column, Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import UsageError
from pipelines.cli import main
from pipelines.cli.file_options import FileOptions

CONTRACT = Contract(
    "t", "1", "telemetry", (Column("asset", "string"),), ("asset",), file_layout=FileLayout(rename={"a": "b"})
)
KEYS = """      - {name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: known_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 4}
      - {name: source, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 3}
"""


def test_options_change_the_layout_of_the_contract() -> None:
    """Options of their own, and any key by --layout, as a contract writes it or with hyphens."""
    options = FileOptions(
        separator="tab",
        units_row=False,
        rename=("Volume Flow=flow", "x=y=z"),
        layout=(
            "long",
            "cycle=10s",
            "skip-lines=3",
            "join=true",
            "quality.192=good",
            "constants.plant=north",
            "thousands=.",
        ),
        decimal=",",
    )
    assert options.of(CONTRACT) == FileLayout(
        shape="long",
        separator="tab",
        decimal=",",
        thousands=".",
        units_row=False,
        skip_lines=3,
        cycle="10s",
        join=True,
        rename={"a": "b", "Volume Flow": "flow", "x=y": "z"},
        quality={"192": "good"},
        constants={"plant": "north"},
    )
    assert FileOptions().of(CONTRACT) == CONTRACT.file_layout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (FileOptions(layout=("cycel=1h",)), "--layout cycel=1h.*Did you mean 'cycle'"),
        (FileOptions(layout=("lnog",)), "Did you mean 'long'"),
        (FileOptions(rename=("datetime",)), "--rename datetime.*THEIRS=OURS"),
        (FileOptions(separator="/"), "--separator is '/'"),
        (FileOptions(time_zone="Mars"), "--time-zone: There is no time zone 'Mars'"),
        (FileOptions(layout=("cycle=soon",)), "--layout cycle is 'soon'"),
    ],
)
def test_a_wrong_option_is_named(options: FileOptions, message: str) -> None:
    """The error names the option as it was given."""
    with pytest.raises(UsageError, match=message):
        options.of(CONTRACT)


def import_files(folder: Path, capsys: pytest.CaptureFixture[str], contract: str, *words: str) -> dict[str, Any]:
    (folder / "own.odcs.yaml").write_text(contract)
    capsys.readouterr()
    command = ["import", "files", "--contract", str(folder / "own.odcs.yaml"), "-w", str(folder / "w"), "--json"]
    with pytest.raises(SystemExit) as ended:
        main([*command, *words])
    printed = capsys.readouterr()
    assert not ended.value.code, printed.out + printed.err
    return dict(json.loads(printed.out))


def contract_of(asset_type: str, layout: str, channels: list[str]) -> str:
    head = "apiVersion: v3.1.0\nkind: DataContract\nid: own\nversion: 1.0.0\nstatus: active\n"
    head += f"name: telemetry_{asset_type}\ncustomProperties:\n  - {{property: assetType, value: {asset_type}}}\n"
    head += f"  - {{property: fileLayout, value: {layout}}}\nschema:\n  - name: telemetry\n    properties:\n"
    return head + KEYS + "".join(f"      - {{name: {name}, logicalType: number}}\n" for name in channels)


@pytest.mark.slow
def test_a_benchmark_of_35_files_is_one_command(
    datasets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Semicolons, seconds without a zone, folders of experiments with like names: each file as it was published."""
    names = {
        "datetime": "event_time",
        "Accelerometer1RMS": "accelerometer_1",
        "Accelerometer2RMS": "accelerometer_2",
        **{name: name.lower() for name in ("Current", "Pressure", "Temperature", "Thermocouple", "Voltage")},
        "Volume Flow RateRMS": "volume_flow_rms",
    }
    renames = ", ".join(f"{theirs}: {ours}" for theirs, ours in names.items())
    layout = f"{{assetFrom: '{{asset}}/{{asset}}.csv', ignore: [anomaly, changepoint], rename: {{{renames}}}}}"
    contract = contract_of("testbed", layout, list(names.values())[1:])
    files = ("--telemetry", str(datasets / "skab"), "--time-zone", "Europe/Moscow")
    result = import_files(tmp_path, capsys, contract, *files)
    assert result["assets"] == 35
    assert (
        result["tables"]["telemetry/testbed"]
        == {
            "rows": 46_806,
            "accepted": 46_806,
            "quarantined": 0,
            "already": False,
        }
        | result["tables"]["telemetry/testbed"]
    )
    reading = result["reading"]["telemetry/testbed"]
    assert (len(reading["files"]), reading["separator"], reading["decimal"]) == (35, ";", ".")
    assert reading["ignored"] == ["anomaly", "changepoint"]


@pytest.mark.slow
def test_tools_without_times_are_read_by_their_segments(
    datasets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The clock is the number of the tool's row, a second each, and that is said."""
    file = datasets / "turning_wear" / "Dataset_Machine_tool_wear.csv"
    channels = [name for name in file.open().readline().strip().split(",") if name != "tool"]
    contract = contract_of("tool", "{timeFormat: row, cycle: 1s, rename: {tool: asset}}", channels)
    result = import_files(tmp_path, capsys, contract, "--telemetry", str(file))
    assert (result["assets"], result["tables"]["telemetry/tool"]["accepted"]) == (13, 2054)
    assert result["reading"]["telemetry/tool"]["clock"].startswith("row n of an asset counts as n x 1s")
