"""Deletion of rows of the records that are older than they are kept, and that nothing rests on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

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


@dataclass(frozen=True)
class KeptUntil:
    """Rows up to these times are kept no longer; None where all are."""

    predictions: pd.Timestamp | None = None  # by cut-off
    answers: pd.Timestamp | None = None  # by when they were made
    shadow: pd.Timestamp | None = None  # by cut-off
    idempotency_keys: pd.Timestamp | None = None


def expired_rows(engine: sa.Engine, until: KeptUntil, kept: Collection[tuple[str, int]]) -> dict[str, int]:
    """Count what `delete_expired_rows` would delete, by table."""
    with storage_errors(engine), engine.connect() as connection:
        return {
            table.name: int(connection.execute(sa.select(sa.func.count()).select_from(table).where(old)).scalar_one())
            for table, old in _conditions(until, kept).items()
        }


def delete_expired_rows(engine: sa.Engine, until: KeptUntil, kept: Collection[tuple[str, int]]) -> dict[str, int]:
    """Delete old rows, some at a time, and count them by table; `kept` are versions whose rows are all kept.

    Besides, a prediction is kept while an outcome of its version and asset is open, and if an alarm was drawn for it:
    the effect of acting is estimated from all draws. Answers are kept as their predictions are.
    """
    deleted = dict[str, int]()
    for table, old in _conditions(until, kept).items():
        key = list(table.primary_key.columns)
        some = sa.select(*key).where(old).limit(_AT_ONCE)
        chosen = sa.tuple_(*key).in_(some) if len(key) > 1 else key[0].in_(some)
        deleted[table.name] = 0
        while True:
            with storage_errors(engine), engine.begin() as connection:
                count = connection.execute(sa.delete(table).where(chosen)).rowcount
            deleted[table.name] += count
            if count < _AT_ONCE:
                break
    return deleted


def _conditions(until: KeptUntil, kept: Collection[tuple[str, int]]) -> Mapping[sa.Table, sa.ColumnElement[bool]]:
    """Return which rows are deleted by table; answers first, as their predictions say which are needed."""
    conditions = dict[sa.Table, sa.ColumnElement[bool]]()
    answer, prediction, shadow = Answer.table.c, Prediction.table.c, ShadowPrediction.table.c
    if until.answers is not None:
        abstained = answer.status == "abstained"
        free = sa.or_(abstained, sa.and_(_of_no(kept, answer), _is_settled(answer)))
        conditions[Answer.table] = sa.and_(answer.made_at <= until.answers, free)
    if until.predictions is not None:
        free = sa.and_(_of_no(kept, prediction), _is_settled(prediction))
        conditions[Prediction.table] = sa.and_(prediction.as_of <= until.predictions, free)
    if until.shadow is not None:
        conditions[ShadowPrediction.table] = sa.and_(shadow.as_of <= until.shadow, _of_no(kept, shadow))
    if until.idempotency_keys is not None:
        conditions[Reply.table] = Reply.table.c.at <= until.idempotency_keys
    return conditions


def _of_no(kept: Collection[tuple[str, int]], columns: Any) -> sa.ColumnElement[bool]:
    return sa.and_(
        sa.true(),
        *(sa.not_(sa.and_(columns.model_name == name, columns.model_version == number)) for name, number in kept),
    )


def _is_settled(columns: Any) -> sa.ColumnElement[bool]:
    """Return whether no outcome of a row's version and asset is open, and nothing was drawn for it."""
    outcome, later = OutcomeRow.table.alias("outcome"), OutcomeRow.table.alias("later")
    unit = ("model_name", "model_version", "unit", "asset", "at")
    newer = sa.exists().where(
        *(later.c[name] == outcome.c[name] for name in unit), later.c.revision > outcome.c.revision
    )
    is_open = sa.exists().where(
        outcome.c.model_name == columns.model_name,
        outcome.c.model_version == columns.model_version,
        outcome.c.asset == columns.asset,
        outcome.c.state == _PENDING,
        ~newer,
    )
    draw = AlarmDraw.table.c
    return sa.and_(~is_open, ~sa.exists().where(draw.prediction_id == columns.prediction_id))
