"""Import of C-MAPSS from its original text files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import ForewarnError, NotFoundError, UsageError
from pipelines.importers.cmapss import CHANNELS, SERVICE, read_cmapss

HOUR = pd.Timedelta(hours=1)


def lines(cycles: dict[int, int]) -> list[str]:
    """Write units of so many cycles as the originals do; sensor s1 holds the cycle, blanks close the line."""
    rows = []
    for unit, last in cycles.items():
        for cycle in range(1, last + 1):
            values = ["0.0007", "-0.0004", "100.0", str(cycle), *(f"{number}.5" for number in range(2, 22))]
            rows.append(" ".join([str(unit), str(cycle), *values]) + "  ")
    return rows


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    write(tmp_path / "train_FD001.txt", lines({1: 4, 2: 3}))
    write(tmp_path / "test_FD001.txt", lines({1: 2, 2: 3}))
    write(tmp_path / "RUL_FD001.txt", ["5 ", "7 "])
    return tmp_path


def write(path: Path, rows: list[str]) -> None:
    path.write_text("\n".join(rows) + "\n")


def test_cycles_are_hours_of_event_time(originals: Path) -> None:
    """Cycle n of every unit ends n hours after it was put into service, and is known then."""
    batch = read_cmapss(originals, "FD001")
    telemetry = batch.telemetry
    assert list(telemetry.columns) == ["asset", "event_time", "known_time", "source", *CHANNELS]
    assert ((telemetry["event_time"] - SERVICE) / HOUR == telemetry["s1"]).all()
    assert (telemetry["known_time"] == telemetry["event_time"]).all()
    assert (batch.assets["event_time"] == SERVICE).all()
    assert list(batch.assets["asset"]) == ["FD001-train-001", "FD001-train-002", "FD001-test-001", "FD001-test-002"]
    assert set(batch.assets["plant"]) == {"FD001"}
    assert batch.work_orders.empty
    assert batch.events.empty


def test_training_units_fail_at_their_last_cycle_and_test_units_later(originals: Path) -> None:
    """A test unit fails as many hours after its last cycle as its true remaining life, and that is known only then."""
    failures = read_cmapss(originals, "FD001").failures.set_index("asset")
    hours = (failures["event_time"] - SERVICE) / HOUR
    assert hours.to_dict() == {
        "FD001-train-001": 4,
        "FD001-train-002": 3,
        "FD001-test-001": 2 + 5,
        "FD001-test-002": 3 + 7,
    }
    assert (failures["known_time"] == failures["event_time"]).all()
    assert failures["failure_id"].is_unique


def test_every_subset_of_the_family_is_read(originals: Path) -> None:
    """FD004 is read like FD001 as soon as its files are there."""
    for path in list(originals.iterdir()):
        path.rename(originals / path.name.replace("FD001", "FD004"))
    assert set(read_cmapss(originals, "FD004").assets["plant"]) == {"FD004"}


@pytest.mark.parametrize(
    ("file", "rows", "message"),
    [
        ("train_FD001.txt", ["1 1 0.5"], "line 1: 3 columns"),
        ("train_FD001.txt", [*lines({1: 3}), lines({1: 4})[3][:60]], "line 4: "),
        ("train_FD001.txt", [lines({1: 1})[0] + " 9"], "line 1: 27 columns"),
        ("train_FD001.txt", [lines({1: 1})[0].replace("100.0", "1O0")], "line 1: could not convert"),
        ("train_FD001.txt", [], "is empty"),
        ("test_FD001.txt", [lines({1: 3})[0], lines({1: 3})[2]], "cycle 3. Expected cycle 2"),
        ("RUL_FD001.txt", ["5"], "1 remaining lives for 2 test units"),
        ("RUL_FD001.txt", ["5", "7", "x"], "line 3: could not convert"),
    ],
)
def test_an_error_names_the_damaged_line(originals: Path, file: str, rows: list[str], message: str) -> None:
    """Damage is refused with the file and the line, never read as something else."""
    write(originals / file, rows)
    with pytest.raises(ForewarnError, match=message) as refused:
        read_cmapss(originals, "FD001")
    assert file in str(refused.value)
    assert refused.value.exit_status == 1


def test_an_error_names_the_subsets_and_files_that_are_missing(originals: Path) -> None:
    """An unknown subset is wrong usage, and the error lists the subsets there are; a missing file is named."""
    for subset in ("FD002", "FD01", "fd001"):
        with pytest.raises(UsageError, match="FD001") as refused:
            read_cmapss(originals, subset)
        assert refused.value.exit_status == 2
    (originals / "RUL_FD001.txt").unlink()
    with pytest.raises(NotFoundError, match=r"RUL_FD001\.txt"):
        read_cmapss(originals, "FD001")
    with pytest.raises(NotFoundError, match="no folder"):
        read_cmapss(originals / "nowhere", "FD001")


@pytest.mark.parametrize(("subset", "rows"), [("FD001", 20_631 + 13_096), ("FD003", 24_720 + 16_596)])
def test_the_real_files_are_read_whole(datasets: Path, subset: str, rows: int) -> None:
    """All rows of the published subset arrive, and the first and the last hold the published values."""
    batch = read_cmapss(datasets / "cmapss", subset)
    assert len(batch.telemetry) == rows
    assert len(batch.assets) == len(batch.failures) == 200
    originals = (datasets / "cmapss" / f"test_{subset}.txt").read_text().splitlines()
    last = np.array(originals[-1].split(), dtype=float)
    np.testing.assert_array_equal(batch.telemetry[list(CHANNELS)].iloc[-1], last[2:])
    assert batch.telemetry["event_time"].iloc[-1] == SERVICE + last[1] * HOUR
