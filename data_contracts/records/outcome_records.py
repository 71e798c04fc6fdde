"""The ledger of outcomes: the state of each alarm episode and failure by known time; and the audits drawn.

Rows are only ever added. A changed state is a new row with the next revision, so the ledger can be read as of any known
time, and always reads the same for one.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa

from data_contracts.errors import StorageError
from data_contracts.records.database.database_url import shown_url
from data_contracts.records.record_types import Audit as Audit
from data_contracts.records.record_types import OutcomeRow as OutcomeRow
from data_contracts.records.records import insert_records, list_records, read_frame, storage_errors

WITHDRAWN = "withdrawn"  # the state of an episode or failure that a correction removed
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
    """Append the states that differ from the ledger's, all or none, and return how many.

    `rows` are all the model's episodes and failures as known at `known_at`, at most one a unit, asset and time. One
    that is in the ledger but no longer in `rows` is withdrawn; those up to `since` are left as they are. Nothing is
    appended if the ledger has later known times: it is never changed in hindsight.
    """
    model = {"model_name": model_name, "model_version": model_version}
    for attempt in range(_ATTEMPTS):
        # If another process appends the same between our read and our write, the revisions collide and we read again.
        before = _latest(engine, model_name, model_version)
        if len(before) and before["known_at"].max() > known_at:
            return 0
        changes = [model | {"known_at": known_at} | change for change in _changes(rows, before, since)]
        if not changes:
            return 0
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(OutcomeRow.table), changes)
        except sa.exc.IntegrityError as error:
            if attempt == _ATTEMPTS - 1:
                raise _too_many_conflicts(engine) from error
        except sa.exc.DBAPIError:
            with storage_errors(engine):
                raise
        else:
            return len(changes)
    return 0


def outcome_rows(
    engine: sa.Engine,
    *,
    model_name: str,
    model_version: int | None = None,
    known: pd.Timestamp | None = None,
    since: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Read the ledger of outcomes up to the known time `known`, of what was at `since` or later, as it was written."""
    table = OutcomeRow.table.c
    query = sa.select(OutcomeRow.table).where(table.model_name == model_name).order_by(table.id)
    if model_version is not None:
        query = query.where(table.model_version == model_version)
    if known is not None:
        query = query.where(table.known_at <= known)
    if since is not None:
        query = query.where(table.at >= since)
    return read_frame(engine, query)


def add_audits(engine: sa.Engine, drawn: Sequence[Audit]) -> int:
    """Store the audits of one drawing, once, and return how many; another drawing for the same time is an error."""
    for _ in range(_ATTEMPTS if drawn else 0):
        stored = audits(engine, model_name=drawn[0].model_name)
        stored = stored[stored["drawn_at"] == drawn[0].drawn_at]
        if len(stored):
            _check_same_drawing(stored, drawn)
            return 0
        try:
            with engine.begin() as connection:
                insert_records(connection, drawn)
        except sa.exc.IntegrityError:
            continue  # another process was quicker
        except sa.exc.DBAPIError:
            with storage_errors(engine):
                raise
        return len(drawn)
    return 0


def audits(engine: sa.Engine, *, model_name: str) -> pd.DataFrame:
    """Read the audits drawn for a model, in the order they were written."""
    return list_records(engine, Audit, model_name=model_name)


def _latest(engine: sa.Engine, model_name: str, model_version: int) -> pd.DataFrame:
    rows = outcome_rows(engine, model_name=model_name, model_version=model_version)
    return rows.sort_values("revision", kind="stable").drop_duplicates(list(_UNIT), keep="last")


def _changes(rows: Sequence[OutcomeRow], before: pd.DataFrame, since: pd.Timestamp | None) -> list[dict[str, Any]]:
    remaining = {(row["unit"], row["asset"], row["at"]): row for row in before.to_dict("records")}
    changes = []
    for row in rows:
        last = remaining.pop((row.unit, row.asset, row.at), None)
        if last is None or last["state"] != row.state:
            changes.append(row.values() | {"revision": 0 if last is None else last["revision"] + 1})
    for last in remaining.values():
        if last["state"] != WITHDRAWN:
            kept = {name: last[name] for name in (*_UNIT, "matured_at")}
            changes.append(kept | {"state": WITHDRAWN, "evidence": [], "revision": last["revision"] + 1})
    return [change for change in changes if since is None or change["at"] > since]


def _check_same_drawing(stored: pd.DataFrame, drawn: Sequence[Audit]) -> None:
    if set(stored["asset"]) != {audit.asset for audit in drawn}:
        raise StorageError(
            f"other assets of {drawn[0].model_name} were drawn for {drawn[0].drawn_at:%Y-%m-%d %H:%M} before",
            "one drawing for one time",
            "Audit those that were drawn first; drawing again until the list pleases makes its probabilities wrong",
        )


def _too_many_conflicts(engine: sa.Engine) -> StorageError:
    return StorageError(
        f"the outcomes at {shown_url(engine)} changed during each of {_ATTEMPTS} attempts to append to them",
        "few processes that monitor one model at a time",
        "Try again. Nothing of this call was stored",
    )
