"""Taking twins over: files that work, a graph that is stored once, records of machines that keep their past."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.asset_graph.graph_query import AssetQuery, UnknownPlaceError
from data_contracts.asset_graph.stored_graph import read_graph
from data_contracts.contract.contract import empty_table, load_contract
from data_contracts.contract.twins import load_twin
from data_contracts.errors import UsageError
from data_contracts.ingestion.ingest import ingest
from data_contracts.tables import tables
from data_contracts.tables.corrections import latest_records
from data_contracts.workspace import Workspace, init_workspace
from features.telemetry.machines import Machines, replacements
from pipelines.cli import main
from pipelines.fleet.live.machines.live_plant import make_live_plant
from pipelines.fleet.live.mtconnect.data_items import data_items
from pipelines.fleet.live.mtconnect.documents import devices_document
from pipelines.fleet.live.mtconnect.observations import Observations
from pipelines.importers.twins.described import Places
from pipelines.importers.twins.import_twins import TwinImport, import_twins
from pipelines.importers.twins.read_twins import read_twins

FILES = Path(__file__).parent / "files"
DTDL, PROBE, AAS = FILES / "mill_dtdl.json", FILES / "mill_probe.xml", FILES / "mill_aas.xml"
NOW = pd.Timestamp("2026-03-10T00:00Z").as_unit("us")
SINCE = pd.Timestamp("2026-03-01T00:00Z").as_unit("us")
BEFORE = pd.Timestamp("2025-06-01T00:00Z").as_unit("us")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "ws")


def take_over(workspace: Workspace, path: Path, out: Path, *, now: pd.Timestamp = NOW, **options: Any) -> TwinImport:
    places = options.pop("places", None)
    return import_twins(workspace, read_twins([path], places), out, **{"since": SINCE, "now": now} | options)


def store_records(workspace: Workspace, *rows: dict[str, Any]) -> None:
    filled = [{"event_time": BEFORE, "known_time": BEFORE, "asset_type": "mc500"} | row for row in rows]
    types = empty_table("assets").dtypes.items()
    frame = pd.DataFrame({name: pd.Series([row.get(name) for row in filled], dtype=dtype) for name, dtype in types})
    ingest(workspace, frame, load_contract("assets"), now=NOW)


def store_readings(workspace: Workspace, out: Path) -> None:
    """Store a reading of mill-7, which so far nobody recorded."""
    contract = load_contract(out / "telemetry_mc500.odcs.yaml")
    row = {"asset": "mill-7", "event_time": BEFORE, "known_time": BEFORE, "source": "physical"}
    frame = pd.DataFrame([row | dict.fromkeys(contract.channels, 1.0)])
    ingest(workspace, frame, contract, now=NOW)


def records(workspace: Workspace) -> list[dict[str, Any]]:
    frame = tables.read(workspace, "assets").drop(columns=["stored_version", "since_first_reading"], errors="ignore")
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def test_files_are_written_that_everybody_reads(workspace: Workspace, tmp_path: Path) -> None:
    """The contract takes its channels from the interface beside it; the graph is read as what it was written from."""
    result = take_over(workspace, DTDL, tmp_path / "out")
    assert [file.name for file in result.files] == ["mc500.json", "telemetry_mc500.odcs.yaml", "twins.json"]
    contract = load_contract(tmp_path / "out" / "telemetry_mc500.odcs.yaml")
    twin = load_twin(tmp_path / "out" / "mc500.json")
    described = result.description.types[0].channels
    assert contract.asset_type == "mc500"
    assert contract.channels == tuple(each.name for each in twin.channels) == tuple(each.name for each in described)
    assert [contract.column(each.name).unit for each in described] == [each.unit for each in described]  # type: ignore[union-attr]
    assert read_twins([tmp_path / "out" / "twins.json"]).content == result.description.content


def test_limits_of_the_description_are_those_of_the_contract(workspace: Workspace, tmp_path: Path) -> None:
    """An agent that knows the range of a data item need not be asked again."""
    take_over(workspace, PROBE, tmp_path)
    column = load_contract(tmp_path / "telemetry_mc500.odcs.yaml").column("coolant_temperature")
    assert column is not None
    assert (column.minimum, column.maximum) == (0.0, 90.0)


def test_files_with_the_names_of_the_description_are_read_by_the_draft(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The draft renames the channels that the description calls otherwise."""
    take_over(workspace, DTDL, tmp_path / "out")
    names = [
        each["name"]
        for model in json.loads(DTDL.read_text())["digitalTwinsModels"]
        for each in model["contents"]
        if "Telemetry" in each["@type"]
    ]
    rows = pd.DataFrame(
        [{"asset": "mill-7", "event_time": "2026-03-01T00:00:00Z", "source": "physical"} | dict.fromkeys(names, 1.5)]
    )
    rows.to_csv(tmp_path / "readings.csv", index=False)
    contract = tmp_path / "out" / "telemetry_mc500.odcs.yaml"
    with pytest.raises(SystemExit) as end:
        main(
            [
                "validate",
                str(tmp_path / "readings.csv"),
                "--contract",
                str(contract),
                "--workspace",
                str(workspace.root),
            ]
        )
    assert end.value.code == 0, capsys.readouterr()


def test_a_channel_of_a_component_is_telemetry_of_its_machine(workspace: Workspace, tmp_path: Path) -> None:
    """The spindle is an asset of the graph; its speed is a column of the machine's telemetry."""
    take_over(workspace, AAS, tmp_path)
    store_readings(workspace, tmp_path)
    stored = tables.read(workspace, "telemetry/mc500")
    assert stored["asset"].tolist() == ["mill-7"]
    assert "spindle_speed" in stored
    components = read_graph(workspace, NOW).find(AssetQuery(level="component")).assets
    assert [(each.asset, each.parent) for each in components] == [
        ("mill-7/coolant", "mill-7"),
        ("mill-7/spindle", "mill-7"),
    ]


def test_the_same_again_changes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    """Whenever it is imported, and from whichever standard that says no more."""
    first = take_over(workspace, DTDL, tmp_path)
    assert (first.graph_rows, first.records) == (5, 1)
    again = take_over(workspace, DTDL, tmp_path, now=NOW + pd.Timedelta("1D"), since=NOW)
    assert (again.graph_rows, again.records) == (0, 0)
    versions = tables.versions(workspace)
    # The agent knows of a controller, and of no place: what it does not say stays.
    probe = take_over(workspace, PROBE, tmp_path / "probe")
    assert (probe.graph_rows, probe.records) == (1, 0)
    assert tables.versions(workspace)["assets"] == versions["assets"]
    (machine,) = read_graph(workspace, NOW).find(AssetQuery(plant="North works", line="Housings")).assets
    assert machine.asset == "mill-7"


def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    """It says what would come, without a workspace too."""
    result = import_twins(None, read_twins([DTDL]), tmp_path / "out", since=SINCE, now=NOW, dry_run=True)
    assert (result.graph_rows, result.records, len(result.files)) == (5, 1, 3)
    assert list(tmp_path.iterdir()) == []


def test_a_draft_that_somebody_edited_is_not_overwritten(workspace: Workspace, tmp_path: Path) -> None:
    """Unless it is asked for; nothing is stored either."""
    take_over(workspace, DTDL, tmp_path)
    draft = tmp_path / "telemetry_mc500.odcs.yaml"
    draft.write_text(draft.read_text() + "# limits are known now\n")
    with pytest.raises(UsageError, match="exist, with another content"):
        take_over(workspace, AAS, tmp_path)
    assert "limits are known" in draft.read_text()
    assert "housings" not in set(tables.read(workspace, "asset_graph")["asset"])
    take_over(workspace, AAS, tmp_path, overwrite=True)
    assert "limits are known" not in draft.read_text()


def test_a_record_without_a_place_is_corrected(workspace: Workspace, tmp_path: Path) -> None:
    """The machine stays the one it was, put into service when it was; its place is known from now on."""
    store_records(workspace, {"asset": "mill-7", "model": "MC500"})
    assert take_over(workspace, DTDL, tmp_path).records == 1
    frame = tables.read(workspace, "assets")
    (latest,) = latest_records(frame).to_dict("records")
    assert (latest["plant"], latest["line"], latest["model"]) == ("North works", "Housings", "MC500")
    assert (latest["event_time"], latest["known_time"]) == (BEFORE, NOW)
    assert replacements(frame, now=NOW).empty


def test_a_record_of_another_place_moves(workspace: Workspace, tmp_path: Path) -> None:
    """A move is no exchange: the machine's age goes on."""
    store_records(workspace, {"asset": "mill-7", "model": "MC500", "plant": "South works", "line": "Shafts"})
    take_over(workspace, DTDL, tmp_path)
    frame = tables.read(workspace, "assets")
    (latest,) = latest_records(frame).to_dict("records")
    assert (latest["plant"], latest["line"], latest["event_time"]) == ("North works", "Housings", SINCE)
    assert replacements(frame, now=NOW).empty
    graph = read_graph(workspace, NOW)
    assert [each.asset for each in graph.find(AssetQuery(plant="North works")).assets] == ["mill-7"]
    with pytest.raises(UnknownPlaceError, match="no plant 'South works'"):
        graph.find(AssetQuery(plant="South works"))


def test_what_follows_from_readings_stays_known(workspace: Workspace, tmp_path: Path) -> None:
    """A machine in service since its first reading was that at past cut-offs too, import or not."""
    take_over(init_workspace(tmp_path / "elsewhere"), PROBE, tmp_path / "out")
    store_readings(workspace, tmp_path / "out")
    assets, as_of = pd.Index(["mill-7"]), [int((NOW - pd.Timedelta("1D")).value // 1000)]

    def begins() -> list[int]:
        frame = tables.read(workspace, "assets")
        return Machines.from_frame(frame, assets).begins(np.array([0]), np.array(as_of)).tolist()

    before = begins()
    assert before == [BEFORE.value // 1000]
    result = take_over(workspace, PROBE, tmp_path / "placed", places=Places("North works"))
    assert result.records == 2
    assert begins() == before
    assert [(row["known_time"], row["plant"]) for row in records(workspace)] == [(BEFORE, None), (NOW, "North works")]


def test_a_recorded_type_or_model_is_not_changed(workspace: Workspace, tmp_path: Path) -> None:
    """That would make another machine of it; it is said instead."""
    store_records(workspace, {"asset": "mill-7", "model": "MC400", "asset_type": "cnc_machine"})
    result = take_over(workspace, DTDL, tmp_path)
    assert any("the type cnc_machine, not mc500" in each for each in result.doubts)
    assert any("the model MC400, not MC500" in each for each in result.doubts)
    (latest,) = latest_records(tables.read(workspace, "assets")).to_dict("records")
    assert (latest["asset_type"], latest["model"]) == ("cnc_machine", "MC400")


def test_a_circle_with_what_is_stored_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    """Each half is a hierarchy, both are not; nothing is written."""
    row = {"asset": "north", "level": "line", "parent": "mill-7", "event_time": BEFORE, "known_time": BEFORE}
    frame = pd.DataFrame([row])
    ingest(workspace, frame, load_contract("asset_graph"), now=NOW)
    graph = json.loads(DTDL.read_text())
    graph["digitalTwinsGraph"]["digitalTwins"] = [
        {"$dtId": name, "$metadata": {"$model": f"dtmi:com:example:{model};1"}}
        for name, model in (("mill-7", "MC500"), ("north/housings", "ProductionLine"))
    ]
    graph["digitalTwinsGraph"]["relationships"] = [
        {"$sourceId": "mill-7", "$targetId": "north/housings", "$relationshipName": "isPartOf"}
    ]
    path = tmp_path / "half.json"
    path.write_text(json.dumps(graph))
    take_over(workspace, path, tmp_path / "out")
    frame = pd.DataFrame([row | {"asset": "north/housings", "parent": "north", "event_time": NOW, "known_time": NOW}])
    ingest(workspace, frame, load_contract("asset_graph"), now=NOW)
    with pytest.raises(UsageError, match="together with what the workspace has"):
        take_over(workspace, path, tmp_path / "other", now=NOW + pd.Timedelta("1D"))
    assert not (tmp_path / "other").exists()


def test_places_of_the_future_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    """What nobody can know yet."""
    with pytest.raises(UsageError, match="not in the future"):
        take_over(workspace, DTDL, tmp_path, since=NOW + pd.Timedelta("1D"))


def test_the_simulated_plant_describes_what_it_sends(tmp_path: Path) -> None:
    """The agent's own document has the channels and units that forewarn ships for such machines."""
    plant = make_live_plant(7, 3)
    observations = Observations(plant.assets, data_items(scalars=True), 100)
    document = devices_document(plant, observations, range(3), now=0)
    path = tmp_path / "probe.xml"
    path.write_bytes(document)
    description = read_twins([path])
    units = {each.name: each.unit for kind in description.types for each in kind.channels}
    shipped = {each.name: each.unit for each in load_twin("cnc_signals").channels}
    assert {name: units.get(name) for name in shipped} == shipped
    assert sorted(each.asset for each in description.assets if each.level == "machine") == sorted(plant.assets)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as end:
        main([*words, "--json"])
    return int(end.value.code or 0), json.loads(capsys.readouterr().out)


def test_the_commands_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Import, compare and list on the command line, with their exit statuses."""
    where = ("--workspace", str(tmp_path / "ws"))
    status, content = run(capsys, "twins", "import", str(DTDL), "--out", str(tmp_path / "out"), *where)
    assert (status, content["standard"], content["graph_rows"], content["dry_run"]) == (0, "dtdl", 5, False)
    assert content["counts"] == {"plant": 1, "line": 1, "machine": 1, "component": 2}
    assert content["doubts"] == ["dtmi:com:example:MC500;1: its commands are left out: stop"]
    status, content = run(capsys, "assets", "list", "--plant", "North works", "--line", "Housings", *where)
    assert (status, [each["asset"] for each in content["assets"]]) == (0, ["mill-7"])
    status, content = run(capsys, "assets", "list", "--level", "any", "--as-of", "2020-01-01", *where)
    assert (status, content["assets"]) == (0, [])
    status, content = run(capsys, "assets", "list", "--plant", "North work", *where)
    assert (status, content["remedy"]) == (1, "Did you mean 'North works'?")
    status, content = run(capsys, "twins", "compare", str(DTDL), str(PROBE), *where)
    assert (status, content["same"], content["common_channels"], len(content["differences"])) == (1, False, 7, 7)
    status, content = run(capsys, "twins", "compare", str(AAS), str(AAS), *where)
    assert (status, content["same"]) == (0, True)
    for words in (
        ("twins", "import", str(DTDL), "--dry-run"),
        ("twins", "compare", str(DTDL), str(AAS)),
        ("assets", "list"),
    ):
        with pytest.raises(SystemExit):
            main([*words, *where])
    shown = capsys.readouterr().out
    assert "would be written" in shown
    assert "4 differences" in shown
    assert "Housings" in shown
