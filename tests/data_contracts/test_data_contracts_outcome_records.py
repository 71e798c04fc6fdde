"""The ledger of outcomes: only added to, once, and read as of any known time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd
import pytest

from data_contracts.errors import StorageError
from data_contracts.records.outcome_records import (
    Audit,
    OutcomeRow,
    add_audits,
    append_outcome_rows,
    audits,
    outcome_rows,
)
from data_contracts.records.records import open_records

AT = pd.Timestamp("2026-05-01T00:00:00.000123Z")
DAY = pd.Timedelta(days=1)
EPISODE = OutcomeRow("episode", "m1", AT, "pending", AT + 3 * DAY, [])
FAILURE = OutcomeRow("failure", "m1", AT + DAY, "missed", AT + 4 * DAY, ["failure:f1"])
AUDIT = Audit("cnc", 1, "m1", AT, "north", 40, 0.1)


@pytest.fixture
def engine(workspace):
    """Return open records."""
    engine = open_records(workspace.records_url)
    yield engine
    engine.dispose()


def append(engine, *rows, day: float = 5, **more) -> int:
    return append_outcome_rows(engine, rows, model_name="cnc", model_version=1, known_at=AT + day * DAY, **more)


def test_rows_read_back_as_written(engine):
    """Every field of an outcome comes back, times to the microsecond, with the model and the known time."""
    assert append(engine, EPISODE, FAILURE) == 2
    rows = outcome_rows(engine, model_name="cnc").set_index("unit")
    assert rows.loc["failure", ["asset", "at", "state", "matured_at", "evidence", "known_at", "revision"]].tolist() == [
        "m1",
        AT + DAY,
        "missed",
        AT + 4 * DAY,
        ["failure:f1"],
        AT + 5 * DAY,
        0,
    ]
    assert outcome_rows(engine, model_name="cnc", model_version=2).empty


def test_the_same_again_adds_nothing(engine):
    """Outcomes appended a second time, at once or later, leave the ledger as it is."""
    append(engine, EPISODE, FAILURE)
    assert append(engine, EPISODE, FAILURE) == 0
    assert append(engine, FAILURE, EPISODE, day=6) == 0
    assert len(outcome_rows(engine, model_name="cnc")) == 2


def test_a_correction_is_a_row_of_its_own(engine):
    """Earlier states can still be read as of then; what a correction removes is withdrawn."""
    append(engine, EPISODE, FAILURE)
    before = outcome_rows(engine, model_name="cnc")
    assert append(engine, replace(EPISODE, state="fp"), day=8) == 2
    assert append(engine, replace(EPISODE, state="tp_prevented"), day=9) == 1
    pd.testing.assert_frame_equal(outcome_rows(engine, model_name="cnc", known=AT + 5 * DAY), before)
    rows = outcome_rows(engine, model_name="cnc", known=AT + 9 * DAY)
    assert rows.loc[rows["unit"] == "episode", "state"].tolist() == ["pending", "fp", "tp_prevented"]
    assert rows.loc[rows["unit"] == "failure", "state"].tolist() == ["missed", "withdrawn"]
    assert append(engine, replace(EPISODE, state="tp_prevented"), FAILURE, day=10) == 1


def test_nothing_is_written_in_hindsight(engine):
    """An append with an earlier known time than the ledger's last adds nothing: what was read would change."""
    append(engine, EPISODE)
    assert append(engine, replace(EPISODE, state="fp"), FAILURE, day=4) == 0


def test_what_cannot_be_judged_is_left_alone(engine):
    """Units up to `since` are neither changed nor withdrawn."""
    append(engine, EPISODE, FAILURE)
    assert append(engine, replace(EPISODE, state="fp"), day=6, since=AT) == 1
    assert outcome_rows(engine, model_name="cnc")["state"].tolist() == ["pending", "missed", "withdrawn"]


def test_many_who_append_at_once_append_once(workspace, engine):
    """Each change is one row whichever writer is first, and each writer gets the number of rows it added."""
    append(engine, EPISODE, FAILURE)
    rows = [replace(EPISODE, asset=f"m{number}") for number in range(20)] + [replace(FAILURE, state="caught")]
    start = threading.Barrier(6)

    def append_with_the_others() -> int:
        own = open_records(workspace.records_url)
        start.wait()
        added = append(own, *rows)
        own.dispose()
        return added

    with ThreadPoolExecutor(6) as pool:
        added = [each.result() for each in [pool.submit(append_with_the_others) for _ in range(6)]]
    assert sorted(added) == [0] * 5 + [20]
    assert len(outcome_rows(engine, model_name="cnc")) == 22


def test_audits_are_drawn_once(engine):
    """A drawing is stored once and read back; another one for the same time is refused."""
    drawn = [AUDIT, replace(AUDIT, asset="m2")]
    assert add_audits(engine, drawn) == 2
    assert add_audits(engine, drawn) == 0
    assert audits(engine, model_name="cnc")[["asset", "silent", "probability"]].to_numpy().tolist() == [
        ["m1", 40, 0.1],
        ["m2", 40, 0.1],
    ]
    with pytest.raises(StorageError, match="were drawn"):
        add_audits(engine, [replace(AUDIT, asset="m3")])
    assert add_audits(engine, []) == 0
