"""A batch that comes again is not stored again, and what has become of its rows since is said."""

from dataclasses import replace

import pandas as pd
import pytest

from data_contracts.ingestion.ingest import ingest
from data_contracts.ingestion.stored_before import corrected_since
from data_contracts.tables import tables


def test_rows_that_another_batch_corrected_since_are_counted(workspace, cnc, make_telemetry, now):
    """Of A, then B, then A again under one known time, the rows that B changed count as corrected, and no others."""
    first = make_telemetry()
    second = first.assign(spindle_power=first["spindle_power"].where(first.index % 3 > 0, 1.25))
    changed = int((second["spindle_power"] != first["spindle_power"]).sum())
    ingest(workspace, first.assign(source=first["source"].where(first.index != 7, "guess")), cnc, now=now)
    assert corrected_since(workspace, first, cnc) == 0
    ingest(workspace, second, cnc, now=now)
    version = tables.versions(workspace)
    assert corrected_since(workspace, first, cnc) == changed
    assert corrected_since(workspace, second, cnc) == 0
    assert tables.versions(workspace) == version
    # A row of its own known time later corrects as well.
    later = first.iloc[[1]].assign(spindle_power=2.5, known_time=first["known_time"].max() + pd.Timedelta("1min"))
    ingest(workspace, later, cnc, now=now)
    assert corrected_since(workspace, second, cnc) == 1


def test_a_corrected_failure_is_counted(workspace, now):
    """A failure is the same by asset and id, whatever its time."""
    from data_contracts.contract.contract import load_contract

    contract = load_contract("failures")
    at = now - pd.Timedelta("2D")
    row = {"failure_id": "f1", "asset": "p1", "event_time": at, "known_time": at, "mode": "bearing"}
    first = pd.DataFrame([row])
    ingest(workspace, first, contract, now=now)
    moved = first.assign(event_time=at - pd.Timedelta("1h"), known_time=at + pd.Timedelta("1h"))
    assert corrected_since(workspace, first, contract) == 0
    ingest(workspace, moved, contract, now=now)
    assert (corrected_since(workspace, first, contract), corrected_since(workspace, moved, contract)) == (1, 0)


@pytest.mark.parametrize("several_before", [False, True])
def test_a_batch_under_a_changed_contract_is_said_to_be_of_another_revision(
    workspace, cnc, make_telemetry, now, several_before
):
    """It is neither stored nor checked again; under the revision that stored it nothing is said."""
    own = replace(cnc, name="own", version="1.0.0")
    changed = replace(own, min_rows=5)
    frame = make_telemetry()
    if several_before:
        ingest(workspace, frame.iloc[:20], changed, now=now)
    ingest(workspace, frame, own, now=now)
    version = tables.versions(workspace)
    again = ingest(workspace, frame, own, now=now)
    assert (again.already, again.other_revision, again.sentences) == (True, False, ())
    other = ingest(workspace, frame, changed, now=now)
    assert (other.already, other.other_revision) == (True, True)
    assert "quarantine replay --contract own" in other.sentences[0]
    assert other.to_dict()["other_revision"] is True
    assert tables.versions(workspace) == version
    # A new batch under the changed contract is one of its own.
    ingest(workspace, frame.iloc[:30], changed, now=now)
    assert not ingest(workspace, frame.iloc[:30], changed, now=now).other_revision
    assert ingest(workspace, frame.iloc[:30], own, now=now).other_revision
