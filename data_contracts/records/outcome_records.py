"""The ledger of outcomes: what was believed of each alarm episode and failure, and since when.

Rows are only ever added. What is believed anew is a new row with the next revision, so the ledger can be read as of any
known time, and what was read once is read the same for ever.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa

from data_contracts.errors import StorageError
from data_contracts.records.record_tables import AUDITS, OUTCOMES
from data_contracts.records.record_types import Audit as Audit
from data_contracts.records.record_types import OutcomeRow as OutcomeRow
from data_contracts.records.records import read_frame, record_values, storage_errors

WITHDRAWN = "withdrawn"
"""The state of what a correction has taken away."""
_UNIT = ("unit", "asset", "at")
_ATTEMPTS = 10


def append_outcome_rows(
    engine: sa.Engine,
    rows: Sequence[OutcomeRow],
    *,
    model_name: str,
    model_version: int,
    known_at: pd.Timestamp,
    since: pd.Timestamp | None = None,
) -> int:
    """Append what is believed otherwise than before, all or nothing.

    Parameters
    ----------
    engine
        The records.
    rows
        All that is believed of the model's episodes and failures now, at most one row a unit, asset and time.
    model_name, model_version
        The model.
    known_at
        When it is believed.
    since
        What happened up to then is left as it stands.

    Returns
    -------
    int
        Rows appended. A unit whose state has not changed gets none; one that is in the ledger but no longer in `rows`
        is withdrawn. None at all if the ledger holds what was believed later: it is never written in hindsight.

    Raises
    ------
    StorageError
        If they could not be stored.
    """
    model = {"model_name": model_name, "model_version": model_version}
    for attempt in range(_ATTEMPTS):
        # Another process may append the same between our look and our write: its revision and ours then collide, and
        # we look again.
        before = _latest(engine, model_name, model_version)
        if len(before) and before["known_at"].max() > known_at:
            return 0
        changes = [model | {"known_at": known_at} | change for change in _changes(rows, before, since)]
        if not changes:
            return 0
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(OUTCOMES), changes)
        except sa.exc.IntegrityError as error:
            if attempt == _ATTEMPTS - 1:
                raise _overtaken(engine) from error
        except sa.exc.DBAPIError:
            with storage_errors(engine):
                raise
        else:
            return len(changes)
    return 0


def outcome_rows(
    engine: sa.Engine, *, model_name: str, model_version: int | None = None, known: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Read the ledger of outcomes.

    Parameters
    ----------
    engine
        The records.
    model_name, model_version
        Of this model; of all its versions if None.
    known
        Leave out what was believed only later.

    Returns
    -------
    pandas.DataFrame
        One row a change, in the order they were written, with unit, asset, at, revision, state, known_at, matured_at
        and evidence.

    Raises
    ------
    StorageError
        If it could not be read.
    """
    query = sa.select(OUTCOMES).where(OUTCOMES.c.model_name == model_name).order_by(OUTCOMES.c.id)
    if model_version is not None:
        query = query.where(OUTCOMES.c.model_version == model_version)
    if known is not None:
        query = query.where(OUTCOMES.c.known_at <= known)
    return read_frame(engine, query)


def add_audits(engine: sa.Engine, drawn: Sequence[Audit]) -> int:
    """Store which assets were drawn for inspection, once.

    Parameters
    ----------
    engine
        The records.
    drawn
        The audits of one drawing.

    Returns
    -------
    int
        How many were stored; none if they have been before.

    Raises
    ------
    StorageError
        If they could not be stored, or another drawing was stored for the same time.
    """
    for _ in range(_ATTEMPTS if drawn else 0):
        held = audits(engine, model_name=drawn[0].model_name)
        held = held[held["drawn_at"] == drawn[0].drawn_at]
        if len(held):
            _refuse_other_drawing(held, drawn)
            return 0
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(AUDITS), [record_values(audit) for audit in drawn])
        except sa.exc.IntegrityError:
            continue  # someone else was quicker
        except sa.exc.DBAPIError:
            with storage_errors(engine):
                raise
        return len(drawn)
    return 0


def audits(engine: sa.Engine, *, model_name: str) -> pd.DataFrame:
    """Read which assets were drawn for inspection.

    Parameters
    ----------
    engine
        The records.
    model_name
        Because this model said nothing of them.

    Returns
    -------
    pandas.DataFrame
        One row an asset drawn, in the order they were written.

    Raises
    ------
    StorageError
        If they could not be read.
    """
    return read_frame(engine, sa.select(AUDITS).where(AUDITS.c.model_name == model_name).order_by(AUDITS.c.id))


def _latest(engine: sa.Engine, model_name: str, model_version: int) -> pd.DataFrame:
    rows = outcome_rows(engine, model_name=model_name, model_version=model_version)
    return rows.sort_values("revision", kind="stable").drop_duplicates(list(_UNIT), keep="last")


def _changes(rows: Sequence[OutcomeRow], before: pd.DataFrame, since: pd.Timestamp | None) -> list[dict[str, Any]]:
    held = {(row["unit"], row["asset"], row["at"]): row for row in before.to_dict("records")}
    changes = []
    for row in rows:
        last = held.pop((row.unit, row.asset, row.at), None)
        if last is None or last["state"] != row.state:
            changes.append(record_values(row) | {"revision": 0 if last is None else last["revision"] + 1})
    for last in held.values():
        if last["state"] != WITHDRAWN:
            kept = {name: last[name] for name in (*_UNIT, "matured_at")}
            changes.append(kept | {"state": WITHDRAWN, "evidence": [], "revision": last["revision"] + 1})
    return [change for change in changes if since is None or change["at"] > since]


def _refuse_other_drawing(held: pd.DataFrame, drawn: Sequence[Audit]) -> None:
    if set(held["asset"]) != {audit.asset for audit in drawn}:
        raise StorageError(
            f"other assets of {drawn[0].model_name} were drawn for {drawn[0].drawn_at:%Y-%m-%d %H:%M} before",
            "one drawing for one time",
            "Audit those that were drawn first; drawing until one likes the list makes its probabilities wrong",
        )


def _overtaken(engine: sa.Engine) -> StorageError:
    return StorageError(
        f"the outcomes at {engine.url} changed each time they were to be appended",
        "few processes that watch one model",
        "Try again. Nothing of this call was stored",
    )
