"""Deletion of rows of the records that are older than they are kept, and that nothing rests on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.access.access_records import PageAction
from data_contracts.records.alarm_marks.mark_records import AlarmMark
from data_contracts.records.record_types import (
    AlarmDraw,
    Answer,
    OutcomeRow,
    Prediction,
    Reply,
    ShadowPrediction,
)
from data_contracts.records.records import storage_errors

_AT_ONCE = 5_000  # rows of a transaction: the endpoint writes between two
_PENDING = "pending"
_TIMES = {
    Answer.table.name: "made_at",
    Prediction.table.name: "as_of",
    ShadowPrediction.table.name: "as_of",
    Reply.table.name: "at",
    AlarmMark.table.name: "began",
    PageAction.table.name: "at",
}


@dataclass(frozen=True)
class KeptUntil:
    """Rows up to these times are kept no longer; None where all are."""

    predictions: pd.Timestamp | None = None  # by cut-off
    answers: pd.Timestamp | None = None  # by when they were made
    shadow: pd.Timestamp | None = None  # by cut-off
    idempotency_keys: pd.Timestamp | None = None
    actions: pd.Timestamp | None = None


def expired_rows(engine: sa.Engine, until: KeptUntil, kept: Collection[tuple[str, int]]) -> dict[str, int]:
    """Count what `delete_expired_rows` would delete, by table."""
    with storage_errors(engine), engine.connect() as connection:
        return {
            table.name: int(connection.execute(sa.select(sa.func.count()).select_from(table).where(old)).scalar_one())
            for table, old in _conditions(until, kept).items()
        }


def delete_expired_rows(engine: sa.Engine, until: KeptUntil, kept: Collection[tuple[str, int]]) -> dict[str, int]:
    """Delete old rows, some at a time, and count them by table; `kept` are versions whose rows are all kept.

    Besides, a prediction is kept while an outcome of its version and asset is open, if an alarm was drawn for it (the
    effect of acting is estimated from all draws), and if such a version was its shadow. Answers are kept as their
    predictions are, and so are marks on alarms.
    """
    return {table.name: _delete(engine, table, old) for table, old in _conditions(until, kept).items()}


def _delete(engine: sa.Engine, table: sa.Table, old: sa.ColumnElement[bool]) -> int:
    """Delete rows from the oldest on, each time going on where it was: what stays is not looked at again."""
    time, key, deleted, since = table.c[_TIMES[table.name]], list(table.primary_key.columns), 0, None
    while True:
        further = old if since is None else sa.and_(old, time >= since)
        with storage_errors(engine), engine.begin() as connection:
            rows = connection.execute(sa.select(*key, time).where(further).order_by(time).limit(_AT_ONCE)).all()
            if rows:
                chosen = sa.and_(*(column == sa.bindparam(f"key_{place}") for place, column in enumerate(key)))
                values = [{f"key_{place}": row[place] for place in range(len(key))} for row in rows]
                connection.execute(sa.delete(table).where(chosen), values)
        deleted += len(rows)
        if len(rows) < _AT_ONCE:
            return deleted
        since = rows[-1][-1]


def _conditions(until: KeptUntil, kept: Collection[tuple[str, int]]) -> Mapping[sa.Table, sa.ColumnElement[bool]]:
    """Return which rows are deleted by table; answers first, as their predictions say which are needed."""
    conditions = dict[sa.Table, sa.ColumnElement[bool]]()
    answer, prediction, shadow = Answer.table.c, Prediction.table.c, ShadowPrediction.table.c
    if until.answers is not None:
        abstained = answer.status == "abstained"
        free = sa.or_(abstained, sa.and_(_of_no(kept, answer), _is_settled(answer, kept)))
        conditions[Answer.table] = sa.and_(answer.made_at <= until.answers, free)
    if until.predictions is not None:
        free = sa.and_(_of_no(kept, prediction), _is_settled(prediction, kept))
        conditions[AlarmMark.table] = _is_of_nothing(until.predictions, free)
        conditions[Prediction.table] = sa.and_(prediction.as_of <= until.predictions, free)
    if until.shadow is not None:
        conditions[ShadowPrediction.table] = sa.and_(shadow.as_of <= until.shadow, _of_no(kept, shadow))
    if until.idempotency_keys is not None:
        conditions[Reply.table] = Reply.table.c.at <= until.idempotency_keys
    if until.actions is not None:
        conditions[PageAction.table] = PageAction.table.c.at <= until.actions
    return conditions


def _is_of_nothing(until: pd.Timestamp, free: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return whether a mark is of an alarm whose alerts are deleted, by the condition `free`, and has expired."""
    mark, alert = AlarmMark.table.c, Prediction.table.c
    same = [getattr(alert, name) == getattr(mark, name) for name in ("asset", "model_name")]
    stays = sa.exists().where(alert.as_of == mark.began, *same, sa.not_(free)).correlate(AlarmMark.table)
    return sa.and_(mark.began <= until, sa.or_(mark.expires_at.is_(None), mark.expires_at <= until), ~stays)


def _of_no(kept: Collection[tuple[str, int]], columns: Any) -> sa.ColumnElement[bool]:
    return sa.and_(
        sa.true(),
        *(sa.not_(sa.and_(columns.model_name == name, columns.model_version == number)) for name, number in kept),
    )


def _is_settled(columns: Any, kept: Collection[tuple[str, int]]) -> sa.ColumnElement[bool]:
    """Return whether no outcome of a row's version and asset is open, nothing was drawn, and no shadow is kept."""
    outcome, later = OutcomeRow.table.alias("outcome"), OutcomeRow.table.alias("later")
    unit = ("model_name", "model_version", "unit", "asset", "at")
    newer = sa.exists().where(
        *(later.c[name] == outcome.c[name] for name in unit), later.c.revision > outcome.c.revision
    )
    # Not a subquery for each row: the few that are open are looked up once.
    opened = sa.select(outcome.c.model_name, outcome.c.model_version, outcome.c.asset)
    opened = opened.where(outcome.c.state == _PENDING, ~newer)
    is_open = sa.tuple_(columns.model_name, columns.model_version, columns.asset).in_(opened)
    draw, shadow = AlarmDraw.table.c, ShadowPrediction.table.c
    is_drawn = sa.exists().where(draw.prediction_id == columns.prediction_id)
    is_compared = sa.exists().where(shadow.prediction_id == columns.prediction_id, sa.not_(_of_no(kept, shadow)))
    return sa.and_(~is_open, ~is_drawn, ~is_compared)
