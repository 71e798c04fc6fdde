"""Removal of people's names from the records, with a trace that it was done which does not name them."""

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import sqlalchemy as sa

from data_contracts.configuration.sqlite_urls import sqlite_file
from data_contracts.errors import UsageError
from data_contracts.records.access.access_records import PageAction, PageSession
from data_contracts.records.alarm_marks.mark_records import AlarmMark
from data_contracts.records.outbox.outbox_records import Delivery, OutboxEvent
from data_contracts.records.record_types import Decision, ForgottenNames, MonitorRun, Promotion, TokenRow
from data_contracts.records.records import insert_records, storage_errors
from data_contracts.records.twin_records import TwinEntry

FORGOTTEN: Final = "[forgotten]"
_RENAMED: Final = "forgotten-"
_COLUMNS: Final = (
    (Promotion.table, ("actor", "reason", "evidence")),
    (Decision.table, ("reasons", "evidence")),
    (MonitorRun.table, ("rates",)),
    (TwinEntry.table, ("actor", "reason", "rejection")),
    (AlarmMark.table, ("actor", "reason", "withdrawn_by")),
    (OutboxEvent.table, ("data",)),
    (Delivery.table, ("problem",)),
    (PageAction.table, ("actor", "subject")),
)
"""The columns that people write, or that tell of what they did."""


@dataclass(frozen=True)
class Forgetting:
    """What was changed, or would be."""

    subject: str  # "person" or "asset"
    names: int  # of people that were removed
    changed: Mapping[str, int]  # rows by table

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return sum(self.changed.values())


def forget_person(engine: sa.Engine, name: str, *, at: pd.Timestamp, actor: str, dry_run: bool = False) -> Forgetting:
    """Replace a name, where it is a word of its own, in all that people write or are named in.

    A token of that name is renamed; `UsageError` if it is still valid.
    """
    return _forget(engine, "person", [name], None, at=at, actor=actor, dry_run=dry_run)


def forget_asset(engine: sa.Engine, asset: str, *, at: pd.Timestamp, actor: str, dry_run: bool = False) -> Forgetting:
    """Replace the names of everybody who changed the twin of an asset, in the entries of its log."""
    table = TwinEntry.table.c
    with storage_errors(engine), engine.connect() as connection:
        names = list(connection.execute(sa.select(table.actor).where(table.asset == asset).distinct()).scalars())
    return _forget(
        engine, "asset", [name for name in names if name != FORGOTTEN], asset, at=at, actor=actor, dry_run=dry_run
    )


def _forget(
    engine: sa.Engine,
    subject: str,
    names: Sequence[str],
    asset: str | None,
    *,
    at: pd.Timestamp,
    actor: str,
    dry_run: bool,
) -> Forgetting:
    replace, changed = _replacement(names), dict[str, int]()
    with storage_errors(engine), engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete=ON")  # else the names stay in pages that are free
        for table, columns in _COLUMNS if names else ():
            if asset is None or "asset" in table.c:
                rows = _replace_in(connection, table, columns, asset, replace, dry_run=dry_run)
                changed |= {table.name: rows} if rows else {}
        if asset is None:
            changed |= _rename_tokens(connection, names, at, dry_run=dry_run)
        done = Forgetting(subject, len(names), changed)
        if done.rows and not dry_run:
            insert_records(connection, [ForgottenNames(at, subject, asset, len(names), changed, actor)])
    if done.rows and not dry_run:
        _empty_log(engine)
    return done


def _replace_in(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    asset: str | None,
    replace: Callable[[Any], Any],
    *,
    dry_run: bool,
) -> int:
    key = list(table.primary_key.columns)
    query = sa.select(*key, *(table.c[name] for name in columns))
    if asset is not None:
        query = query.where(table.c.asset == asset)
    count = 0
    for row in connection.execute(query).mappings().all():
        new = {name: replace(row[name]) for name in columns}
        if any(new[name] != row[name] for name in columns):
            count += 1
            if not dry_run:
                own = sa.and_(*(column == row[column.name] for column in key))
                connection.execute(sa.update(table).where(own).values(new))
    return count


def _rename_tokens(
    connection: sa.Connection, names: Sequence[str], at: pd.Timestamp, *, dry_run: bool
) -> Mapping[str, int]:
    """Rename tokens of a person that are over, and end their sessions; UsageError if one is still good."""
    token, lowered = TokenRow.table, [name.lower() for name in names]
    query = sa.select(token.c.id, token.c.name, token.c.revoked_at, token.c.expires_at)
    rows = [row for row in connection.execute(query) if row.name.lower() in lowered]
    for row in rows:
        if row.revoked_at is None and (row.expires_at is None or row.expires_at > at):
            remedy = f"Run `forewarn tokens revoke {row.name}`, then this again"
            raise UsageError(f"a token named {row.name!r} that is valid", "only such that are revoked", remedy)
        if not dry_run:
            connection.execute(sa.delete(PageSession.table).where(PageSession.table.c.token == row.name))
            renamed = f"{_RENAMED}{row.id}"  # names of tokens are unique
            connection.execute(sa.update(token).where(token.c.id == row.id).values(name=renamed))
    return {token.name: len(rows)} if rows else {}


def _replacement(names: Sequence[str]) -> Callable[[Any], Any]:
    """Return what replaces names that are words of their own in a text, or in the texts of a JSON value."""
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def replace(value: Any) -> Any:
        if isinstance(value, str):
            return pattern.sub(FORGOTTEN, value)
        if isinstance(value, Mapping):
            return {replace(key): replace(item) for key, item in value.items()}
        return [replace(item) for item in value] if isinstance(value, list) else value

    return replace


def _empty_log(engine: sa.Engine) -> None:
    """Take the rows as they were out of SQLite's write-ahead log, as far as nobody is reading them."""
    file = sqlite_file(engine.url.render_as_string(hide_password=False))
    if file is not None:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
