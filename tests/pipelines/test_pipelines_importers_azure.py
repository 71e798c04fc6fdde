"""Import of Microsoft's predictive-maintenance sample, and its booking delays."""

from pathlib import Path

import pandas as pd
import pytest

from data_contracts.errors import ForewarnError, NotFoundError
from pipelines.importers.azure_pdm import CHANNELS, read_azure_pdm

ORIGINALS = {
    "PdM_telemetry.csv": [
        "datetime,machineID,volt,rotate,pressure,vibration",
        "2015-01-01 06:00:00,1,176.2,418.5,113.1,45.1",
        "2015-01-01 07:00:00,2,162.9,402.7,95.5,43.4",
    ],
    "PdM_errors.csv": ["datetime,machineID,errorID", "2015-01-03 07:00:00,1,error1"],
    "PdM_failures.csv": ["datetime,machineID,failure", "2015-01-05 06:00:00,1,comp4"],
    "PdM_maint.csv": [
        "datetime,machineID,comp",
        "2014-06-01 06:00:00,1,comp2",
        "2015-01-05 06:00:00,1,comp1",
        "2015-01-05 06:00:00,1,comp4",
        "2015-01-05 06:00:00,2,comp4",
    ],
    "PdM_machines.csv": ["machineID,model,age", "1,model3,18", "2,model4,0"],
}


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    for name, rows in ORIGINALS.items():
        (tmp_path / name).write_text("\n".join(rows) + "\n")
    return tmp_path


def test_what_is_booked_under_an_hour_is_known_when_it_is_over(originals: Path) -> None:
    """Bookings are known an hour after the hour they are booked under; readings at once."""
    batch = read_azure_pdm(originals)
    for booked in (batch.failures, batch.work_orders, batch.events):
        assert (booked["known_time"] == booked["event_time"] + pd.Timedelta(hours=1)).all()
    for table in (batch.telemetry, batch.assets):
        assert (table["known_time"] == table["event_time"]).all()


def test_a_replacement_is_corrective_where_its_component_failed(originals: Path) -> None:
    """Only the failed component's replacement, of the same machine in the same hour, was prompted by the failure."""
    orders = read_azure_pdm(originals).work_orders
    assert list(orders["kind"]) == ["routine", "routine", "corrective", "routine"]
    assert list(orders["prompted_by"]) == ["schedule", "schedule", "failure", "schedule"]
    assert orders["finding"].isna().all()
    assert orders["work_order_id"].is_unique


def test_a_machine_was_put_into_service_as_many_years_before_as_it_is_old(originals: Path) -> None:
    """Age counts in years, back from the start of 2015."""
    assets = read_azure_pdm(originals).assets.set_index("asset")
    assert assets["event_time"].to_dict() == {
        "azure-01": pd.Timestamp("1997-01-01", tz="UTC"),
        "azure-02": pd.Timestamp("2015-01-01", tz="UTC"),
    }
    assert list(assets["model"]) == ["model3", "model4"]


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("PdM_telemetry.csv", "2015-01-01 08:00:00,2,162.9,40", "line 4: .* with 4 values"),
        ("PdM_telemetry.csv", "2015-01-01 08:00:00,2,162.9,,95.5,43.4", "line 4: .* with 5 values"),
        ("PdM_telemetry.csv", "2015-01-01 08:00:00,2,162.9,4o,95.5,43.4", "row 3: rotate is '4o'"),
        ("PdM_errors.csv", "03/01/2015,1,error2", "row 2: datetime is '03/01/2015'"),
        ("PdM_failures.csv", "2015-01-05 06:00:00,3,comp4", "has rows of azure-03"),
        ("PdM_machines.csv", "3,model1,4,5", "line 4: .* with 4 values"),
    ],
)
def test_an_error_names_the_damaged_line(originals: Path, file: str, line: str, message: str) -> None:
    """Damage is refused with the file and the line, never read as something else."""
    path = originals / file
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ForewarnError, match=message) as refused:
        read_azure_pdm(originals)
    assert file in str(refused.value)


def test_missing_empty_and_foreign_files_are_named(originals: Path) -> None:
    """Each of the five files has to be there, with its own columns and some rows."""
    path = originals / "PdM_maint.csv"
    path.write_text("datetime,machine,comp\n2014-06-01 06:00:00,1,comp2\n")
    with pytest.raises(ForewarnError, match=r"columns datetime, machine, comp"):
        read_azure_pdm(originals)
    path.write_text("datetime,machineID,comp\n")
    with pytest.raises(ForewarnError, match="no rows"):
        read_azure_pdm(originals)
    path.write_text("")
    with pytest.raises(ForewarnError, match="empty"):
        read_azure_pdm(originals)
    path.rename(originals / "maint.csv")
    with pytest.raises(NotFoundError, match=r"no PdM_maint\.csv .* holds .* maint\.csv"):
        read_azure_pdm(originals)


def test_the_real_files_are_read_whole(datasets: Path) -> None:
    """All rows of the published cut arrive, and the failures that were repaired in their hour are 39 of 42."""
    batch = read_azure_pdm(datasets / "azure_pdm")
    sizes = {name: len(getattr(batch, name)) for name in ("telemetry", "assets", "failures", "work_orders", "events")}
    assert sizes == {"telemetry": 43_200, "assets": 20, "failures": 42, "work_orders": 208, "events": 211}
    assert batch.work_orders["kind"].value_counts().to_dict() == {"routine": 169, "corrective": 39}
    assert batch.telemetry[list(CHANNELS)].notna().all(axis=None)
    assert batch.failures["failure_id"].is_unique
    assert batch.events["event_id"].is_unique
