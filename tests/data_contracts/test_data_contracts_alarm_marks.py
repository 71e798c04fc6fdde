"""Alarms are acknowledged and silenced: each mark is stored with its event, once, and refused where it is none."""

import uuid
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.errors import NotFoundError, UsageError
from data_contracts.records.alarm_marks.marks import acknowledge, active_silences, marks_of, silence, withdraw
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.records import Prediction, list_records, open_records
from tests.postgres_server import PostgresServer

T = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
HOUR = pd.Timedelta(hours=1)
ALARM: dict[str, Any] = {"model_name": "cnc", "asset": "m1", "began": T}


@pytest.fixture(params=["sqlite", "postgresql"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> sa.Engine:
    if request.param == "sqlite":
        engine = open_records(f"sqlite:///{tmp_path}/records.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        engine = open_records(server.make_database(f"marks_{uuid.uuid4().hex}"))
    alert = ("m1", T, T, 86400.0, 0.0, 0.9, None, 0.5, True, "cnc", 1, "batch")
    add_predictions(engine, [Prediction("p1", *alert)])
    return engine


def kinds(engine: sa.Engine) -> list[str]:
    return list_records(engine, OutboxEvent)["kind"].tolist()


def test_an_alarm_is_acknowledged_once(records: sa.Engine) -> None:
    """The second one gets the first one's mark, and nobody hears of it twice; withdrawn, it can be set again."""
    first = acknowledge(records, **ALARM, actor="ada", reason=" looked ", at=T + HOUR)
    assert acknowledge(records, **ALARM, actor="bob", at=T + 2 * HOUR) == first
    assert first.reason == "looked"
    gone = withdraw(records, first.mark_id, actor="bob", at=T + 3 * HOUR)
    assert withdraw(records, first.mark_id, actor="eve", at=T + 4 * HOUR) == gone
    assert (first.holds(T + 2 * HOUR), gone.holds(T + 2 * HOUR), gone.holds(T + 3 * HOUR)) == (True, True, False)
    again = acknowledge(records, **ALARM, actor="bob", at=T + 5 * HOUR)
    assert marks_of(records, ["m0", "m1", "m2"]) == [gone, again]
    assert marks_of(records, []) == marks_of(records, ["m2"]) == []
    assert kinds(records) == ["alarm.acknowledged", "alarm.mark_withdrawn", "alarm.acknowledged"]
    event = list_records(records, OutboxEvent).iloc[1]
    assert (event["subject"], event["data"]["mark"], event["data"]["withdrawn_by"]) == ("m1", "acknowledge", "bob")


def test_a_silence_holds_until_it_expires_or_is_withdrawn(records: sa.Engine) -> None:
    mark = {"actor": "ada", "reason": "spindle is ordered", "at": T + HOUR, "expires_at": T + 5 * HOUR}
    first = silence(records, **ALARM, **mark)
    assert silence(records, **ALARM, **mark) == first, "pressed twice"
    assert active_silences(records, T) == active_silences(records, T + 5 * HOUR) == []
    assert active_silences(records, T + HOUR) == [first]
    withdraw(records, first.mark_id, actor="ada", at=T + 2 * HOUR)
    assert active_silences(records, T + 2 * HOUR) == []
    assert [each.mark_id for each in active_silences(records, T + HOUR)] == [first.mark_id]
    assert kinds(records) == ["alarm.silenced", "alarm.mark_withdrawn"]


def test_what_is_no_mark_is_refused(records: sa.Engine) -> None:
    """No silence without a reason or an end, no mark by nobody or on no alarm; nothing is stored, nobody told."""
    until: dict[str, Any] = {"actor": "ada", "at": T, "expires_at": T + HOUR}
    for wrong, found in (
        ({"reason": " "}, "without a reason"),
        ({"reason": "r", "expires_at": None}, "without an end"),
        ({"reason": "r", "expires_at": T}, "until 2026-03-01T06"),
        ({"reason": "r" * 2001}, "2,001 characters"),
        ({"reason": "r", "actor": " "}, "no actor"),
    ):
        with pytest.raises(UsageError, match=found):
            silence(records, **ALARM, **{**until, **wrong})
    for wrong in ({"began": T + HOUR}, {"asset": "m2"}, {"model_name": "other"}):
        with pytest.raises(NotFoundError, match="no alert"):
            acknowledge(records, **{**ALARM, **wrong}, actor="ada", at=T)
    with pytest.raises(NotFoundError, match="no mark 'x'"):
        withdraw(records, "x", actor="ada", at=T)
    assert kinds(records) == []
    assert marks_of(records, ["m1"]) == []
