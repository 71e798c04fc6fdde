"""Ids of reports that come again for something else."""

from pathlib import Path

import pandas as pd
import pytest

from data_contracts.contract.contract import load_contract
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.ingest import ingest
from data_contracts.ingestion.reused_ids import as_before, shared_ids
from data_contracts.ingestion.row_serialization import to_texts
from data_contracts.tables import tables
from data_contracts.validation.report import ContractError
from data_contracts.workspace import Workspace, init_workspace

NOW = pd.Timestamp("2026-11-01", tz="UTC")
FAILURES = load_contract("failures")
Row = tuple[str, str, str] | tuple[str, str, str, str]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "w")


def failures(*rows: Row) -> pd.DataFrame:
    """Return failures: id, asset, when they happened and when that was known, by default at once."""
    frame = pd.DataFrame([(*row, row[2])[:4] for row in rows], columns=["failure_id", "asset", "event_time", "known"])
    times = {
        "event_time": pd.to_datetime(frame["event_time"], utc=True, format="ISO8601").dt.as_unit("us"),
        "known_time": pd.to_datetime(frame["known"], utc=True, format="ISO8601").dt.as_unit("us"),
    }
    return frame.drop(columns="known").assign(**times, mode="seal")


def stored(workspace: Workspace) -> list[tuple[str, str]]:
    rows = tables.read(workspace, "failures")
    return sorted(zip(rows["failure_id"], rows["asset"], strict=True))


def test_an_id_used_twice_in_a_file_goes_to_quarantine_with_both_rows(workspace: Workspace) -> None:
    """Neither of two breakdowns is preferred, none is lost, and the others are stored."""
    batch = failures(("12", "mixer", "2026-01-03"), ("12", "mixer", "2026-05-09"), ("13", "mixer", "2026-06-01"))
    result = ingest(workspace, batch, FAILURES, now=NOW)
    assert (result.accepted, result.quarantined) == (1, 2)
    reasons = quarantine.list_rows(workspace)["reasons"].explode()
    assert reasons.str.contains("id '12' is used for 2 events of mixer in one batch").all()
    assert stored(workspace) == [("13", "mixer")]


def test_machines_that_share_an_id_are_told_apart(workspace: Workspace) -> None:
    """Numbers of their own for each machine lose nothing, and it is said."""
    batch = failures(("1", "mixer", "2026-01-03"), ("1", "press", "2026-05-09"))
    assert ingest(workspace, batch, FAILURES, now=NOW).accepted == 2
    (note,) = shared_ids("failures", batch)
    assert "1 ids are those of several assets ('1')" in note
    assert list(shared_ids("failures", batch.head(1))) == []


def test_a_correction_with_a_later_report_is_stored(workspace: Workspace) -> None:
    """In one file, and in a later one: the event moved by hours, and was known when it was first reported."""
    moved = failures(
        ("7", "mixer", "2026-01-03T06:00Z", "2026-01-04T06:00Z"), ("7", "mixer", "2026-01-03T02:00Z", "2026-02-01")
    )
    assert ingest(workspace, moved, FAILURES, now=NOW).accepted == 2
    again = failures(("7", "mixer", "2026-01-04T01:00Z", "2026-03-01"))
    assert ingest(workspace, again, FAILURES, now=NOW).accepted == 1


def test_a_correction_without_times_of_reporting_may_move_by_hours(workspace: Workspace) -> None:
    """An export that is corrected and imported again has no known time; the event moved by half a day."""
    ingest(workspace, failures(("7", "mixer", "2026-01-03T06:00Z")), FAILURES, now=NOW)
    assert ingest(workspace, failures(("7", "mixer", "2026-01-03T18:00Z")), FAILURES, now=NOW).accepted == 1


@pytest.mark.parametrize(("first", "second"), [("2025-03-01", "2026-03-01"), ("2026-03-01", "2025-03-01")])
def test_an_id_of_another_year_in_a_later_file_is_refused(workspace: Workspace, first: str, second: str) -> None:
    """Numbers that start again every year, whichever year is imported first: the stored row stays as it is."""
    ingest(workspace, failures(("1", "mixer", first)), FAILURES, now=NOW)
    batch = failures(("1", "mixer", second), ("2", "mixer", second))
    result = ingest(workspace, batch, FAILURES, now=NOW)
    assert (result.accepted, result.quarantined) == (1, 1)
    assert stored(workspace) == [("1", "mixer"), ("2", "mixer")]
    (reason,) = quarantine.list_rows(workspace)["reasons"].explode()
    assert f"at {first}" in reason


def test_a_file_of_nothing_but_conflicts_is_refused_with_the_remedy(workspace: Workspace) -> None:
    batch = failures(("1", "mixer", "2026-01-03"), ("1", "mixer", "2026-05-09"))
    with pytest.raises(ContractError, match="every event needs an id of its own"):
        ingest(workspace, batch, FAILURES, now=NOW)
    assert len(quarantine.list_rows(workspace)) == 2


def test_a_replay_takes_rows_with_ids_of_their_own_only(workspace: Workspace) -> None:
    batch = failures(("1", "mixer", "2026-01-03"), ("1", "mixer", "2026-05-09"), ("2", "mixer", "2026-06-01"))
    ingest(workspace, batch, FAILURES, now=NOW)
    unchanged = quarantine.replay(workspace, FAILURES, now=NOW)
    assert (unchanged.accepted, unchanged.refused) == (0, 2)
    held = quarantine.list_rows(workspace)
    repaired = failures(("2026-1", "mixer", "2026-01-03"), ("2026-2", "mixer", "2026-05-09"))
    repaired = repaired.assign(entry=held["entry"])
    assert quarantine.replay(workspace, FAILURES, now=NOW, repaired=repaired).accepted == 2
    assert stored(workspace) == [("2", "mixer"), ("2026-1", "mixer"), ("2026-2", "mixer")]


def test_a_batch_killed_between_its_commits_keeps_each_row_in_one_place(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored in between, which another call would refuse, changes nothing about what was refused."""
    ingest(workspace, failures(("1", "mixer", "2025-03-01")), FAILURES, now=NOW)
    batch = failures(("1", "mixer", "2026-03-01"), ("2", "mixer", "2026-04-01"), ("3", "mixer", "2026-05-01"))
    append = tables.append

    def killed(space: Workspace, table: str, *arguments: object, **named: object) -> bool:
        if table == "failures":
            raise KeyboardInterrupt
        return append(space, table, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(tables, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        ingest(workspace, batch, FAILURES, now=NOW)
    monkeypatch.undo()
    ingest(workspace, failures(("2", "mixer", "2025-04-01")), FAILURES, now=NOW)
    result = ingest(workspace, batch, FAILURES, now=NOW)
    assert (result.accepted, result.quarantined) == (2, 1)
    assert len(quarantine.list_rows(workspace)) == 1


def test_only_rows_in_quarantine_are_refused_again() -> None:
    rows = failures(("1", "a", "2026-01-01"), ("2", "a", "2026-01-01"), ("3", "a", "2026-01-01"))
    texts = to_texts(rows)
    assert as_before({0: "new", 1: "known"}, {}, rows, [texts[1]]) == {1: "known"}
    assert list(as_before({}, {}, rows, [texts[2]])) == [2]
    assert as_before({}, {2: ("range",)}, rows, [texts[2]]) == {}
