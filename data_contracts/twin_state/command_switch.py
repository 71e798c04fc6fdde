"""Whether commands to machines are published, and from which workspace: there may be copies of it."""

import pandas as pd
import sqlalchemy as sa

from data_contracts.configuration.sqlite_urls import sqlite_file
from data_contracts.records.database.connections import connect
from data_contracts.records.records import BUSY_SECONDS, open_to_copy, storage_errors
from data_contracts.records.twin_records import CommandSwitch, TwinCommand
from data_contracts.twin_state.command_states import OPEN, WITHDRAWN
from data_contracts.workspace import Workspace

_COMMANDS, _SWITCH = TwinCommand.table, CommandSwitch.table


def commands_home(workspace: Workspace) -> str:
    """Return what a copy of the workspace does not share; records on a server are one, whoever uses them."""
    return "server" if sqlite_file(workspace.records_url) is None else str(workspace.root)


def switch_commands(engine: sa.Engine, *, on: bool, now: pd.Timestamp, home: str | None = None) -> bool:
    """Say whether commands are published from now on, and return it; what is open when that ends is withdrawn.

    A workspace that was copied from its `home`, or restored, publishes none, whatever is asked for, until it
    `take_over_commands`: the machines may be commanded from the original.
    """
    with storage_errors(engine), engine.begin() as connection:
        row = connection.execute(sa.select(_SWITCH)).first()
        if row is not None and home is not None and row.home not in (None, home):
            withdraw_commands(connection, now)
            return False
        if row is None or row.on != on or row.home != home:
            if not on:
                _withdraw_open(connection)
            _note_switch(connection, on=on, changed_at=now, home=home)
        return on


def withdraw_commands(connection: sa.Connection, now: pd.Timestamp) -> tuple[int, bool]:
    """Withdraw what is open, and publish nothing until somebody takes over; return how many, and whether that is new.

    Where commands were never published, nothing is noted.
    """
    withdrawn, row = _withdraw_open(connection), connection.execute(sa.select(_SWITCH)).first()
    if row is None or (row.home == "" and not row.on):
        return withdrawn, False
    _note_switch(connection, on=False, changed_at=now, home="")
    return withdrawn, True


def take_over_commands(engine: sa.Engine, home: str, now: pd.Timestamp) -> int:
    """Make a workspace the one that commands the machines; what its original had left open is withdrawn, and counted.

    A listener whose settings say so publishes from its next start on.
    """
    with storage_errors(engine), engine.begin() as connection:
        withdrawn = _withdraw_open(connection)
        _note_switch(connection, on=False, changed_at=now, home=home)
        return withdrawn


def _withdraw_open(connection: sa.Connection) -> int:
    change = sa.update(_COMMANDS).where(_COMMANDS.c.state.in_(OPEN)).values(state=WITHDRAWN)
    return connection.execute(change).rowcount


def _note_switch(connection: sa.Connection, **values: object) -> None:
    if not connection.execute(sa.update(_SWITCH).values(**values)).rowcount:
        connection.execute(sa.insert(_SWITCH).values(name="commands", **values))


def are_published(connection: sa.Connection) -> bool:
    """Return whether a listener of this workspace publishes commands."""
    return bool(connection.execute(sa.select(_SWITCH.c.on)).scalar())


def withdraw_restored(url: str, now: pd.Timestamp) -> tuple[int, bool]:
    """Withdraw commands in records that were restored, as `withdraw_commands` does; other records stay untouched."""
    engine = connect(url, BUSY_SECONDS)
    with storage_errors(engine):
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table(_SWITCH.name):
                return 0, False
            if connection.execute(sa.select(_SWITCH.c.name)).first() is None:
                return 0, False
        open_to_copy(url)
        with engine.begin() as connection:
            done = withdraw_commands(connection, now)
    engine.dispose()  # the file is about to be moved
    return done
