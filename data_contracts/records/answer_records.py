"""The endpoint's answers by prediction id, and its responses by idempotency key.

Rows are written within the caller's transaction, so that a prediction, its answer and the response they were sent in
are stored together or not at all.
"""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from data_contracts.records.group_commit import GroupCommit
from data_contracts.records.outbox.alarm_events import AlarmTerms, add_alarm_events
from data_contracts.records.record_types import AlarmDraw, Prediction
from data_contracts.records.record_types import Answer as Answer
from data_contracts.records.record_types import Reply as Reply
from data_contracts.records.records import insert_records, storage_errors


def add_predictions(
    engine: sa.Engine,
    predictions: Sequence[Prediction],
    answers: Sequence[Answer] = (),
    draws: Sequence[AlarmDraw] = (),
    *,
    announce: AlarmTerms | None = None,
) -> None:
    """Store predictions, answers and what was drawn under their ids, and the events of alarms opened, all or none."""
    with storage_errors(engine), engine.begin() as connection:
        _insert(connection, predictions, answers, draws, announce)


def _insert(
    connection: sa.Connection,
    predictions: Sequence[Prediction],
    answers: Sequence[Answer],
    draws: Sequence[AlarmDraw],
    announce: AlarmTerms | None,
) -> None:
    insert_records(connection, predictions)
    insert_records(connection, answers)
    insert_records(connection, draws)
    if announce is not None:
        held_back = {draw.prediction_id for draw in draws if draw.held_back}
        add_alarm_events(connection, predictions, announce, held_back=held_back)


def claim_reply(connection: sa.Connection, reply: Reply, *, expired: pd.Timestamp) -> Reply | None:
    """Write a reply under its key, or return the one that has the key already; replies before `expired` do not count.

    Of several processes that do so at once one succeeds; the others wait for its commit and get its reply.
    """
    table, keys = Reply.table, Reply.table.c
    connection.execute(sa.delete(table).where(keys.key == reply.key, keys.at < expired))
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(table).values(reply.values()).on_conflict_do_nothing().returning(keys.key)
    if connection.execute(insert).first() is not None:
        return None
    return _read_reply(connection, reply.key)


def find_reply(engine: sa.Engine, key: str, *, expired: pd.Timestamp) -> Reply | None:
    """Return the reply under a key, unless it is from before `expired`."""
    with storage_errors(engine), engine.connect() as connection:
        reply = _read_reply(connection, key)
    return None if reply is None or reply.at < expired else reply


def purge_replies(commit: GroupCommit, *, expired: pd.Timestamp, limit: int) -> int:
    """Delete at most `limit` replies from before `expired`, except those another process is deleting; count them."""
    table, keys = Reply.table, Reply.table.c
    old = sa.select(keys.key).where(keys.at < expired).order_by(keys.at).limit(limit).with_for_update(skip_locked=True)
    purge = sa.delete(table).where(keys.key.in_(old))
    return commit.run(lambda connection: connection.execute(purge).rowcount)


def store_answers(
    commit: GroupCommit,
    predictions: Sequence[Prediction],
    answers: Sequence[Answer],
    reply: Reply | None = None,
    *,
    draws: Sequence[AlarmDraw] = (),
    announce: AlarmTerms | None = None,
    valid_for: pd.Timedelta,
) -> Reply | None:
    """Store answers, their predictions, what was drawn for alerts and the reply they were sent in, all or none.

    With them go the events of the alarms that they open, by the terms `announce`; without these nobody hears of them.
    `reply` is None if the request had no idempotency key. If another request has stored a reply under the key within
    `valid_for`, that reply is returned and nothing is stored.
    """

    def write(connection: sa.Connection) -> Reply | None:
        before = None if reply is None else claim_reply(connection, reply, expired=reply.at - valid_for)
        if before is None:
            _insert(connection, predictions, answers, draws, announce)
        return before

    return commit.run(write, order="" if reply is None else reply.key)


def find_answers(
    engine: sa.Engine,
    *,
    prediction_id: str | None = None,
    asset: str | None = None,
    since: pd.Timestamp | None = None,
    limit: int | None = None,
) -> list[Answer]:
    """Read answers with ``made_at > since``, the latest first."""
    table = Answer.table.c
    query = sa.select(Answer.table).order_by(table.made_at.desc(), table.prediction_id).limit(limit)
    if prediction_id is not None:
        query = query.where(table.prediction_id == prediction_id)
    if asset is not None:
        query = query.where(table.asset == asset)
    if since is not None:
        query = query.where(table.made_at > since)
    with storage_errors(engine), engine.connect() as connection:
        return [Answer(**row) for row in connection.execute(query).mappings()]


def _read_reply(connection: sa.Connection, key: str) -> Reply | None:
    row = connection.execute(sa.select(Reply.table).where(Reply.table.c.key == key)).mappings().first()
    return None if row is None else Reply(**row)


def count_reasons(engine: sa.Engine, *, model_name: str, since: pd.Timestamp) -> dict[str, int]:
    """Count the answers without a usable number that were made since a time, by their reason's words."""
    answers = Answer.table.c
    chosen = sa.and_(answers.model_name == model_name, answers.made_at > since, answers.reason.is_not(None))
    query = sa.select(answers.reason, sa.func.count()).where(chosen).group_by(answers.reason)
    with storage_errors(engine), engine.connect() as connection:
        return {str(words): int(count) for words, count in connection.execute(query)}
