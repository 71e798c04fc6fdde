"""Names of people are removed from the records; what was decided, and that names were removed, stays."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.errors import UsageError
from data_contracts.records.access.access_records import PageAction
from data_contracts.records.access.page_sessions import open_session
from data_contracts.records.alarm_marks.mark_records import AlarmMark
from data_contracts.records.outbox.outbox import outbox_frame
from data_contracts.records.outbox.outbox_records import Delivery, OutboxEvent
from data_contracts.records.privacy.forget import FORGOTTEN, forget_asset, forget_person
from data_contracts.records.record_types import ForgottenNames
from data_contracts.records.records import (
    Decision,
    Promotion,
    TwinEntry,
    add_decision,
    add_promotion,
    add_records,
    decisions,
    list_records,
    open_records,
    promotions,
)
from data_contracts.records.tokens import create_token, revoke_token, tokens

NOW = pd.Timestamp("2026-05-01T00:00Z").as_unit("us")
NAME = "Jürgen Müller"


def _entry(asset: str, number: int, actor: str, reason: str) -> TwinEntry:
    values: dict[str, Any] = dict.fromkeys(("expires_at", "epoch", "sequence", "restores", "rejection"))
    times = {"event_time": NOW, "known_time": NOW}
    what = {"revision": number, "property": "power", "kind": "set", "source": "manual_override", "value": 1.0}
    return TwinEntry(asset=asset, number=number, actor=actor, reason=reason, **values, **times, **what)


@pytest.fixture
def records(tmp_path: Path) -> sa.Engine:
    engine = open_records(f"sqlite:///{tmp_path / 'records.db'}")
    evidence = {"by": NAME, "seen": [f"asked by {NAME}", 3, None], "rate": 0.5}
    add_promotion(engine, Promotion(NOW, "m", None, 1, NAME, f"as {NAME} said", evidence, {}))
    add_promotion(engine, Promotion(NOW, "m", 1, 2, "Jürgen Müllers", "better", {}, {}))
    add_records(engine, [Delivery("mail", 1, "dead", 1, NOW, None, f"400: no mailbox of {NAME}")])
    mark = AlarmMark("k", "m", "b", NOW, "silence", "B. Low", f"{NAME} waits", NOW, NOW, NOW, NAME)
    add_records(engine, [mark])
    add_records(engine, [PageAction(NOW, NAME, "sign-in", None, "done", 303, "r1")])
    add_decision(engine, Decision(NOW, "m", 1, "hold", [f"held by {NAME.upper()}"], {"n": 3}))
    add_records(engine, [_entry("a", 1, NAME, "sensor"), _entry("a", 2, "B. Low", f"{NAME} was away")])
    add_records(engine, [_entry("b", 1, "B. Low", "hot")])
    return engine


@pytest.mark.ml_test("Data 5")
def test_a_person_is_forgotten(records: sa.Engine, tmp_path: Path) -> None:
    """The name is in no row and no byte of the database afterwards; other names, numbers and times are as before."""
    others = {"outbox_events": 1, "outbox_deliveries": 1, "page_actions": 1, "alarm_marks": 1}
    expected = {"promotions": 1, "decisions": 1, "twin_entries": 2, **others}
    assert forget_person(records, NAME, at=NOW, actor="dpo", dry_run=True).changed == expected
    assert promotions(records)["actor"].tolist() == [NAME, "Jürgen Müllers"]
    assert forget_person(records, NAME, at=NOW, actor="dpo").changed == expected
    first = promotions(records).iloc[0]
    assert (first["actor"], first["reason"]) == (FORGOTTEN, f"as {FORGOTTEN} said")
    assert first["evidence"] == {"by": FORGOTTEN, "seen": [f"asked by {FORGOTTEN}", 3, None], "rate": 0.5}
    assert promotions(records)["actor"].tolist() == [FORGOTTEN, "Jürgen Müllers"]
    assert decisions(records)["reasons"].tolist() == [[f"held by {FORGOTTEN}"]]
    assert list_records(records, TwinEntry)["actor"].tolist() == [FORGOTTEN, "B. Low", "B. Low"]
    event = list_records(records, OutboxEvent).iloc[0]["data"]
    assert (event["actor"], event["reason"], event["to_version"]) == (FORGOTTEN, f"as {FORGOTTEN} said", 1)
    assert outbox_frame(records, "mail", state="dead")["problem"].tolist() == [f"400: no mailbox of {FORGOTTEN}"]
    trace = list_records(records, ForgottenNames).iloc[0]
    assert (trace["subject"], trace["names"], trace["changed"], trace["actor"]) == ("person", 1, expected, "dpo")
    records.dispose()
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("records.db*"))
    assert f"as {NAME} said".encode() not in stored
    assert f"{NAME} was away".encode() not in stored
    assert not forget_person(records, NAME, at=NOW, actor="dpo").rows
    assert len(list_records(records, ForgottenNames)) == 1


def test_a_token_of_a_person_is_renamed_once_it_is_revoked(records: sa.Engine, tmp_path: Path) -> None:
    """With the sessions that it had; while it is valid, nothing is changed."""
    create_token(records, "maria.huber", ["report"], at=NOW)
    create_token(records, "maria", ["report"], at=NOW)
    add_records(records, [PageAction(NOW, "maria.huber", "sign-in", "maria.huber", "done", 303, "r2")])
    open_session(records, "maria.huber", at=NOW, idle=pd.Timedelta("8h"), longest=pd.Timedelta("7D"))
    with pytest.raises(UsageError, match="is valid"):
        forget_person(records, "Maria.Huber", at=NOW, actor="dpo")
    assert "maria.huber" in set(list_records(records, PageAction)["actor"])
    revoke_token(records, "maria.huber", at=NOW)
    assert forget_person(records, "maria.huber", at=NOW, actor="dpo").changed == {"page_actions": 1, "tokens": 1}
    assert tokens(records)["name"].tolist() == ["forgotten-1", "maria"]
    records.dispose()
    assert b"maria.huber" not in b"".join(file.read_bytes() for file in tmp_path.glob("records.db*"))


def test_whoever_changed_an_asset_is_forgotten(records: sa.Engine) -> None:
    """The log of that asset names nobody; those of others, and the ledger, are as before."""
    assert forget_asset(records, "a", at=NOW, actor="dpo").changed == {"twin_entries": 2}
    log = list_records(records, TwinEntry)
    assert log["actor"].tolist() == [FORGOTTEN, FORGOTTEN, "B. Low"]
    assert log["reason"].tolist() == ["sensor", f"{FORGOTTEN} was away", "hot"]
    assert promotions(records)["actor"].tolist()[0] == NAME
    assert not forget_asset(records, "a", at=NOW, actor="dpo").rows
    assert not forget_asset(records, "no asset", at=NOW, actor="dpo").rows
