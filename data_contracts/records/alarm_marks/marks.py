"""Set and withdraw marks, each with its event in the same transaction, and read them."""

import uuid
from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from data_contracts.errors import NotFoundError, UsageError
from data_contracts.records.alarm_marks.mark_events import mark_event
from data_contracts.records.alarm_marks.mark_records import ACKNOWLEDGE, SILENCE, AlarmMark
from data_contracts.records.database.storage_errors import storage_errors
from data_contracts.records.database.value_lists import of_few_lengths
from data_contracts.records.outbox.outbox import add_events
from data_contracts.records.record_types import Prediction

LONGEST_REASON = 2_000
_LONGEST_NAME = 255
_ASSETS_AT_ONCE = 1_000
_MARKS = AlarmMark.table
_NAMESPACE = uuid.UUID("0a1a3e0b-6d0d-5f5e-8a52-6f4d3c1b7e90")


def acknowledge(
    engine: sa.Engine,
    *,
    model_name: str,
    asset: str,
    began: pd.Timestamp,
    actor: str,
    at: pd.Timestamp,
    reason: str | None = None,
) -> AlarmMark:
    """Note that somebody has seen an alarm; one that is acknowledged already keeps the mark it has, which is returned.

    `began` is the cut-off of the alert that opened the alarm; `NotFoundError` if there is none.
    """
    mark = _mark(ACKNOWLEDGE, model_name, asset, began, actor, reason, at, None)
    same = [getattr(_MARKS.c, name) == getattr(mark, name) for name in ("model_name", "asset", "began", "kind")]
    with storage_errors(engine), engine.begin() as connection:
        before = connection.execute(sa.select(_MARKS).where(*same, _MARKS.c.withdrawn_at.is_(None))).mappings().first()
        return _add(connection, mark) if before is None else AlarmMark(**before)


def silence(
    engine: sa.Engine,
    *,
    model_name: str,
    asset: str,
    began: pd.Timestamp,
    actor: str,
    reason: str,
    at: pd.Timestamp,
    expires_at: pd.Timestamp,
) -> AlarmMark:
    """Have an asset's alarms by a model be sent to nobody, nor to SAP, until a time, for a reason.

    It begins with the alarm of `began`, as `acknowledge` has it, and holds for those that are opened until it expires.
    """
    mark = _mark(SILENCE, model_name, asset, began, actor, reason, at, expires_at)
    if mark.reason is None:
        raise UsageError("a silence without a reason", "why nobody is to hear of the alarm", "Give a reason")
    if expires_at is None or expires_at <= at:
        found = "a silence without an end" if expires_at is None else f"a silence until {expires_at.isoformat()}"
        raise UsageError(found, f"an end after {at.isoformat()}", "Give the time at which it expires")
    with storage_errors(engine), engine.begin() as connection:
        return _add(connection, mark)


def withdraw(engine: sa.Engine, mark_id: str, *, actor: str, at: pd.Timestamp) -> AlarmMark:
    """Withdraw a mark; one that is withdrawn already stays as it is. `NotFoundError` if there is none of that id."""
    _check_actor(actor)
    change = sa.update(_MARKS).where(_MARKS.c.mark_id == mark_id, _MARKS.c.withdrawn_at.is_(None))
    with storage_errors(engine), engine.begin() as connection:
        changed = connection.execute(change.values(withdrawn_at=at, withdrawn_by=actor)).rowcount
        row = connection.execute(sa.select(_MARKS).where(_MARKS.c.mark_id == mark_id)).mappings().first()
        if row is None:
            raise NotFoundError(f"no mark {mark_id!r}", "the id of a mark on an alarm", "Read the alarm's marks again")
        mark = AlarmMark(**row)
        if changed:
            add_events(connection, [mark_event(mark)])
    return mark


def marks_of(engine: sa.Engine, assets: Sequence[str]) -> list[AlarmMark]:
    """Return all marks on alarms of some assets, also withdrawn and expired ones, in the order they were set."""
    marks = []
    with storage_errors(engine), engine.connect() as connection:
        for begin in range(0, len(assets), _ASSETS_AT_ONCE):
            names = of_few_lengths(assets[begin : begin + _ASSETS_AT_ONCE])
            rows = connection.execute(sa.select(_MARKS).where(_MARKS.c.asset.in_(names))).mappings()
            marks += [AlarmMark(**row) for row in rows]
    return sorted(marks, key=lambda mark: (mark.at, mark.mark_id))


def active_silences(engine: sa.Engine, at: pd.Timestamp) -> list[AlarmMark]:
    """Return the silences that hold at a time."""
    # By the index; what holds is for the mark to say.
    query = sa.select(_MARKS).where(_MARKS.c.kind == SILENCE, _MARKS.c.expires_at > at)
    with storage_errors(engine), engine.connect() as connection:
        found = [
            AlarmMark(**row) for row in connection.execute(query.order_by(_MARKS.c.at, _MARKS.c.mark_id)).mappings()
        ]
    return [mark for mark in found if mark.holds(at)]


def _mark(
    kind: str,
    model_name: str,
    asset: str,
    began: pd.Timestamp,
    actor: str,
    reason: str | None,
    at: pd.Timestamp,
    expires_at: pd.Timestamp | None,
) -> AlarmMark:
    """Return a checked mark; the same one, pressed again at the same time, has the same id."""
    _check_actor(actor)
    words = (reason or "").strip() or None
    if words is not None and len(words) > LONGEST_REASON:
        raise UsageError(f"a reason of {len(words):,} characters", f"{LONGEST_REASON:,} at most", "Shorten it")
    began, at = began.as_unit("us"), at.as_unit("us")
    until = None if expires_at is None else expires_at.as_unit("us")
    key = (kind, model_name, asset, began.isoformat(), actor, at.isoformat(), words or "", str(until))
    identifier = str(uuid.uuid5(_NAMESPACE, "\n".join(key)))
    return AlarmMark(identifier, model_name, asset, began, kind, actor, words, at, until)


def _check_actor(actor: str) -> None:
    if not actor.strip() or len(actor) > _LONGEST_NAME:
        found = f"an actor of {len(actor)} characters" if actor.strip() else "no actor"
        raise UsageError(found, f"who does it, in {_LONGEST_NAME} characters at most", "Name the person")


def _add(connection: sa.Connection, mark: AlarmMark) -> AlarmMark:
    alert = Prediction.table.c
    opened = sa.select(alert.prediction_id).where(
        alert.asset == mark.asset, alert.as_of == mark.began, alert.model_name == mark.model_name, alert.alert
    )
    if connection.execute(opened.limit(1)).first() is None:
        raise NotFoundError(
            f"no alert of {mark.asset} by {mark.model_name} at {mark.began.isoformat()}",
            "the time at which an alarm was opened",
            "Read the asset's alarms again",
        )
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(_MARKS).values(mark.values()).on_conflict_do_nothing())
    add_events(connection, [mark_event(mark)])
    return mark
