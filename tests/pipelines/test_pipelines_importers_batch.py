"""Import of batches into the workspace."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.contract.contract import empty_table
from data_contracts.tables import tables
from data_contracts.validation.report import ContractError
from data_contracts.workspace import Workspace, init_workspace
from pipelines.importers.batch import Batch, import_batch

NOW = pd.Timestamp("2026-02-01", tz="UTC")
_FIRST = {"already": False, "corrected": 0, "other_revision": False}
HOURS = pd.date_range("2026-01-31", periods=4, freq="h", tz="UTC").as_unit("us")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "workspace")


@pytest.fixture
def batch() -> Batch:
    readings = pd.DataFrame({"asset": "azure-01", "event_time": HOURS, "known_time": HOURS, "source": "physical"})
    assets = empty_table("assets").assign(asset=["azure-01"], event_time=HOURS[0], known_time=HOURS[0])
    return Batch(
        asset_type="azure_machine",
        telemetry=readings.assign(volt=170.0 + readings.index, rotate=440.0, pressure=100.0, vibration=40.0),
        assets=assets.assign(asset_type="azure_machine", plant="azure"),
        failures=empty_table("failures"),
        work_orders=empty_table("work_orders"),
        events=empty_table("events"),
    )


def test_a_batch_twice_leaves_the_tables_as_once(workspace: Workspace, batch: Batch) -> None:
    """Every table with rows is stored once, and progress counts them; one without rows is not created."""
    reports: list[tuple[str, int, int]] = []
    first = import_batch(
        workspace, batch, now=NOW, progress=lambda what, done, total: reports.append((what, done, total))
    )
    said = first.to_dict()
    assert (said["asset_type"], said["assets"], said["notes"]) == ("azure_machine", 1, [])
    assert said["tables"] == {
        "assets": {"rows": 1, "accepted": 1, "quarantined": 0, **_FIRST},
        "telemetry/azure_machine": {"rows": 4, "accepted": 4, "quarantined": 0, **_FIRST},
    }
    assert not first.unmatched
    assert not first.contract.new  # it is shipped
    assert reports == [("import", done, 2) for done in (0, 1, 2)]
    versions = tables.versions(workspace)
    again = import_batch(workspace, batch, now=NOW)
    assert all(table.already for table in again.tables.values())
    assert tables.versions(workspace) == versions


def test_a_batch_that_was_corrected_comes_again(workspace: Workspace, batch: Batch) -> None:
    """A, B and A again: nothing is stored, and the corrected row is said, with what would make A's count."""
    other = replace(batch, telemetry=batch.telemetry.assign(volt=batch.telemetry["volt"].replace(171.0, 180.0)))
    import_batch(workspace, batch, now=NOW)
    import_batch(workspace, other, now=NOW)
    again = import_batch(workspace, batch, now=NOW)
    assert again.to_dict()["tables"]["telemetry/azure_machine"]["corrected"] == 1
    assert any("1 of these rows were corrected since" in note and "known_time later" in note for note in again.notes)
    assert 180.0 in set(tables.read(workspace, "telemetry/azure_machine")["volt"])
    assert import_batch(workspace, other, now=NOW).notes == ()


def test_a_row_out_of_range_goes_to_quarantine_and_the_rest_is_stored(workspace: Workspace, batch: Batch) -> None:
    """One bad reading costs that row, not the batch."""
    batch.telemetry.loc[2, "volt"] = -5.0
    counts = import_batch(workspace, batch, now=NOW).tables["telemetry/azure_machine"]
    assert (counts.accepted, counts.quarantined) == (3, 1)


def test_a_missing_channel_is_refused_whole(workspace: Workspace, batch: Batch) -> None:
    """A batch that lacks a channel breaks its contract, and none of its readings is stored."""
    with pytest.raises(ContractError, match="volt"):
        import_batch(workspace, replace(batch, telemetry=batch.telemetry.drop(columns="volt")), now=NOW)
    assert tables.read(workspace, "telemetry/azure_machine").empty


def test_an_asset_without_a_row_counts_from_its_first_reading(workspace: Workspace, batch: Batch) -> None:
    """Without an asset table new assets are put into service at their first reading; known ones are left alone."""
    import_batch(workspace, batch, now=NOW)
    other = batch.telemetry.assign(asset="azure-02")
    both = pd.concat([batch.telemetry.assign(volt=171.0), other], ignore_index=True).tail(6)
    import_batch(workspace, replace(batch, telemetry=both, assets=empty_table("assets")), now=NOW)
    assets = tables.read(workspace, "assets").set_index("asset")
    assert assets["event_time"].to_dict() == {"azure-01": HOURS[0], "azure-02": HOURS[0]}
    assert assets.loc["azure-01", "plant"] == "azure"
    assert pd.isna(assets.loc["azure-02", "plant"])
