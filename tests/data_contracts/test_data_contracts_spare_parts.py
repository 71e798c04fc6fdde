"""Spare parts and their stock: rows about parts, not assets, are ingested, corrected and replayed like the others."""

from pathlib import Path

import pandas as pd
import pytest

from data_contracts.contract.contract import CONTRACTS, load_contract
from data_contracts.errors import UsageError
from data_contracts.ingestion.ingest import KNOWN_TIME_ASSUMED, ingest
from data_contracts.ingestion.quarantine import list_rows, replay
from data_contracts.ingestion.stored_before import corrected_since
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace

NOW = pd.Timestamp("2026-03-01T12:00Z")
DAY = pd.Timedelta(days=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path)


def stock(*counts: tuple[str, str, float, int, float]) -> pd.DataFrame:
    """Return counts of (part, plant, day, on hand, day known), days before now."""
    rows = pd.DataFrame(counts, columns=["part", "plant", "event_time", "on_hand", "known_time"])
    times = {name: pd.Series(NOW - rows[name] * DAY).dt.as_unit("us") for name in ("event_time", "known_time")}
    return rows.assign(**times)


def test_bad_counts_are_quarantined_and_come_back(workspace: Workspace) -> None:
    """A count without a plant, one of the future and one that repeats a key stay out; repaired rows are stored once."""
    contract = load_contract("spare_stock")
    batch = stock(("b1", "east", 2, 3, 2), ("b1", None, 2, 1, 2), ("b2", "east", -3, 1, -3), ("b3", "east", 1, 0, 1))
    result = ingest(workspace, batch, contract, now=NOW)
    assert (result.accepted, result.quarantined) == (2, 2)
    assert ingest(workspace, batch, contract, now=NOW).already
    held = list_rows(workspace, "spare_stock")
    repaired = pd.DataFrame({"entry": held["entry"], **stock(("b1", "west", 2, 1, 2), ("b1", "east", 2, 9, 2))})
    tried = replay(workspace, contract, now=NOW, repaired=repaired)
    # The second has the key of a stored row, which is compared by its part.
    assert (tried.accepted, tried.refused) == (1, 1)
    stored = tables.read(workspace, "spare_stock", assets=["b1"], subject="part")
    assert list(zip(stored["plant"], stored["on_hand"], strict=True)) == [("east", 3), ("west", 1)]


def test_corrections_are_those_of_the_part(workspace: Workspace) -> None:
    """A count of the same time corrects that of its part; terms without a known time count since their event time."""
    contract = load_contract("spare_stock")
    first = stock(("b1", "east", 5, 3, 5), ("b2", "east", 5, 7, 5))
    ingest(workspace, first, contract, now=NOW)
    ingest(workspace, stock(("b1", "east", 5, 2, 4)), contract, now=NOW)
    assert corrected_since(workspace, first, contract) == 1
    parts = pd.DataFrame({"part": ["b1"], "modes": ["bearing"], "lead_days": [21.0], "event_time": [NOW - 9 * DAY]})
    parts["known_time"] = NOW - 9 * DAY
    parts.attrs[KNOWN_TIME_ASSUMED] = True
    ingest(workspace, parts, load_contract("spare_parts"), now=NOW)
    assert tables.read(workspace, "spare_parts", as_of=NOW - 10 * DAY).empty


def test_a_contract_of_parts_has_the_columns_that_they_are_read_by(tmp_path: Path) -> None:
    text = (CONTRACTS / "spare_stock.odcs.yaml").read_text()
    file = tmp_path / "own.odcs.yaml"
    file.write_text(text.replace("- name: part\n", "- name: number\n"))
    with pytest.raises(UsageError, match="no column part"):
        load_contract(file)
