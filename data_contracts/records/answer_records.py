"""What the endpoint answered: every answer under its prediction's id, and every reply that was asked for under a key.

Rows are written inside a transaction of the caller's, so that a prediction, its answer and the key they were asked
under are in the records together, or none of them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from data_contracts.records.group_commit import GroupCommit
from data_contracts.records.record_tables import METADATA, PREDICTIONS, Instant
from data_contracts.records.record_types import Prediction
from data_contracts.records.records import record_values, storage_errors

ANSWERS = sa.Table(
    "answers",
    METADATA,
    sa.Column("prediction_id", sa.String(64), primary_key=True),
    sa.Column("asset", sa.String(255), nullable=False, index=True),
    sa.Column("as_of", Instant),
    sa.Column("made_at", Instant, nullable=False, index=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("model_name", sa.String(255), nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("model_digest", sa.String(64), nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
)
IDEMPOTENCY_KEYS = sa.Table(
    "idempotency_keys",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("request", sa.String(64), nullable=False),
    sa.Column("reply", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False, index=True),
)


@dataclass(frozen=True)
class Answer:
    """What was answered about one asset.

    Parameters
    ----------
    prediction_id
        Tells this answer from every other; a row of ``predictions`` has the same id if there was a number.
    asset
        The asset.
    as_of
        The cut-off; None where there was nothing to take one from.
    made_at
        When it was made.
    status
        ``"ok"``, ``"stale"`` or ``"abstained"``.
    reason
        Why it is not ``"ok"``; None if it is.
    model_name, model_version, model_digest
        The model that answered.
    answer
        The JSON as it was answered.
    """

    prediction_id: str
    asset: str
    as_of: pd.Timestamp | None
    made_at: pd.Timestamp
    status: str
    reason: str | None
    model_name: str
    model_version: int
    model_digest: str
    answer: str

    @property
    def content(self) -> dict[str, Any]:
        """Return the answer, read from its JSON."""
        content: dict[str, Any] = json.loads(self.answer)
        return content


@dataclass(frozen=True)
class Reply:
    """A reply that was asked for under a key.

    Parameters
    ----------
    key
        SHA-256 of who asked, what route and what key, in hexadecimal digits.
    request
        SHA-256 of the request's body.
    reply
        The body that was answered.
    at
        When.
    """

    key: str
    request: str
    reply: str
    at: pd.Timestamp


def add_predictions(engine: sa.Engine, predictions: Sequence[Prediction], answers: Sequence[Answer] = ()) -> None:
    """Store predictions, all or none.

    Parameters
    ----------
    engine
        The records.
    predictions
        The predictions.
    answers
        What there is to keep beside them, under their ids.

    Raises
    ------
    StorageError
        If they could not be stored.
    """
    with storage_errors(engine), engine.begin() as connection:
        add_answers(connection, predictions, answers)


def add_answers(connection: sa.Connection, predictions: Sequence[Prediction], answers: Sequence[Answer]) -> None:
    """Write answers, and the predictions among them.

    Parameters
    ----------
    connection
        In a transaction of the caller's.
    predictions
        Those with a number.
    answers
        All.
    """
    for table, rows in ((PREDICTIONS, predictions), (ANSWERS, answers)):
        if rows:
            connection.execute(sa.insert(table), [record_values(row) for row in rows])


def claim_reply(connection: sa.Connection, reply: Reply, *, expired: pd.Timestamp) -> Reply | None:
    """Write a reply under its key, unless there is one already.

    Of several who do so at once, in whatever processes, one succeeds: the others wait for him and get his reply.

    Parameters
    ----------
    connection
        In a transaction of the caller's.
    reply
        The reply.
    expired
        A reply from before this instant counts as none.

    Returns
    -------
    Reply or None
        The reply that was there before; None if this one is now written.
    """
    keys = IDEMPOTENCY_KEYS.c
    connection.execute(sa.delete(IDEMPOTENCY_KEYS).where(keys.key == reply.key, keys.at < expired))
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(IDEMPOTENCY_KEYS).values(record_values(reply)).on_conflict_do_nothing().returning(keys.key)
    if connection.execute(insert).first() is not None:
        return None
    return _reply(connection, reply.key)


def find_reply(engine: sa.Engine, key: str, *, expired: pd.Timestamp) -> Reply | None:
    """Find the reply that was given under a key.

    Parameters
    ----------
    engine
        The records.
    key
        The key.
    expired
        A reply from before this instant counts as none.

    Returns
    -------
    Reply or None

    Raises
    ------
    StorageError
        If it could not be read.
    """
    with storage_errors(engine), engine.connect() as connection:
        found = _reply(connection, key)
    return None if found is None or found.at < expired else found


def purge_replies(commit: GroupCommit, *, expired: pd.Timestamp, most: int) -> int:
    """Delete replies from before an instant, those aside that another process is just deleting.

    Parameters
    ----------
    commit
        Writes into the records.
    expired
        The instant.
    most
        So many at most.

    Returns
    -------
    int
        How many.

    Raises
    ------
    StorageError
        If the records are out of reach, locked or damaged.
    """
    keys = IDEMPOTENCY_KEYS.c
    old = sa.select(keys.key).where(keys.at < expired).order_by(keys.at).limit(most).with_for_update(skip_locked=True)
    purge = sa.delete(IDEMPOTENCY_KEYS).where(keys.key.in_(old))
    return commit.run(lambda connection: connection.execute(purge).rowcount)


def store_answers(
    commit: GroupCommit,
    predictions: Sequence[Prediction],
    answers: Sequence[Answer],
    reply: Reply | None = None,
    *,
    valid_for: pd.Timedelta,
) -> Reply | None:
    """Store answers, the predictions among them, and the reply they are in under its key: all of it, or none.

    Parameters
    ----------
    commit
        Writes into the records.
    predictions
        Those with a number.
    answers
        All.
    reply
        The reply; None if it was asked for without a key.
    valid_for
        How long a reply stands.

    Returns
    -------
    Reply or None
        The reply that someone else has given under this key: then nothing was stored. None if all was.

    Raises
    ------
    StorageError
        If the records are out of reach, locked or damaged.
    """

    def write(connection: sa.Connection) -> Reply | None:
        before = None if reply is None else claim_reply(connection, reply, expired=reply.at - valid_for)
        if before is None:
            add_answers(connection, predictions, answers)
        return before

    return commit.run(write, order="" if reply is None else reply.key)


def find_answers(
    engine: sa.Engine,
    *,
    prediction_id: str | None = None,
    asset: str | None = None,
    since: pd.Timestamp | None = None,
    most: int | None = None,
) -> list[Answer]:
    """Read what was answered.

    Parameters
    ----------
    engine
        The records.
    prediction_id
        Only this one.
    asset
        Only about this asset.
    since
        Only what was answered later.
    most
        So many at most.

    Returns
    -------
    list of Answer
        The latest first.

    Raises
    ------
    StorageError
        If they could not be read.
    """
    table = ANSWERS.c
    query = sa.select(ANSWERS).order_by(table.made_at.desc(), table.prediction_id).limit(most)
    if prediction_id is not None:
        query = query.where(table.prediction_id == prediction_id)
    if asset is not None:
        query = query.where(table.asset == asset)
    if since is not None:
        query = query.where(table.made_at > since)
    with storage_errors(engine), engine.connect() as connection:
        return [Answer(**row) for row in connection.execute(query).mappings()]


def _reply(connection: sa.Connection, key: str) -> Reply | None:
    row = connection.execute(sa.select(IDEMPOTENCY_KEYS).where(IDEMPOTENCY_KEYS.c.key == key)).mappings().first()
    return None if row is None else Reply(**row)
