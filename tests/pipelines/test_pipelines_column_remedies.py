"""What `validate` says to do about columns that are not those of the contract."""

from pathlib import Path

import pandas as pd
import pytest

from data_contracts.contract.contract import load_contract
from data_contracts.contract.file_layout import PLAIN, FileLayout
from data_contracts.errors import ForewarnError
from pipelines.file_reading.read import read_table
from pipelines.jobs.ingest import check_files

NOW = pd.Timestamp("2026-03-02", tz="UTC")
HEADER = "asset,event_time,volt,rotate,pressure,vibration"


@pytest.mark.parametrize(
    ("header", "layout", "remedies"),
    [
        (HEADER, PLAIN, ()),
        (
            HEADER.replace("rotate", "Rotat"),
            PLAIN,
            ("rotate missing: Did you mean 'Rotat'", "Rotat not in the contract"),
        ),
        (HEADER.replace("asset", "day"), PLAIN, ("asset missing: Name it with --asset", "day not in the contract")),
        (f"{HEADER},colour [a]", PLAIN, ("colour not in the contract: leave them out with --ignore-extra",)),
        (f"{HEADER},colour", FileLayout(ignore_extra=True), ()),
        (f"{HEADER},volt__quality", PLAIN, ()),
    ],
)
def test_each_column_that_is_wrong_has_its_remedy(
    tmp_path: Path, header: str, layout: FileLayout, remedies: tuple[str, ...]
) -> None:
    """Missing ones and those that the contract does not have; nothing where all are as they should be."""
    cells = ["m1", "2026-03-01T00:00:00Z", "170", "450", "100", "40", "Good"][: header.count(",") + 1]
    file = tmp_path / "rows.csv"
    file.write_text(f"{header}\n{','.join(cells)}\n")
    checked = check_files([file], load_contract("telemetry_azure_machine"), layout, now=NOW)
    assert len(checked.remedies) == len(remedies)
    assert all(remedy.startswith(start) for remedy, start in zip(checked.remedies, remedies, strict=True))
    assert checked.exit_status == (1 if remedies else 0)
    assert checked.to_dict()["remedies"] == list(checked.remedies)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "id,machine,date,failure",
            "--rename id=failure_id --rename machine=asset --rename date=event_time --rename failure=mode",
        ),
        ("failure,asset,event_time", "--rename failure=mode; and add failure_id, or name the file's own column"),
    ],
)
def test_a_list_of_failures_with_names_of_its_own_has_an_option_for_each(
    tmp_path: Path, header: str, words: str
) -> None:
    """What people call such columns is suggested, each once, and what has no likely name is not left out."""
    file = tmp_path / "failures.csv"
    file.write_text(f"{header}\n{','.join(['1'] * (header.count(',') + 1))}\n")
    with pytest.raises(ForewarnError) as error:
        read_table(file, load_contract("failures"))
    assert words in error.value.remedy
