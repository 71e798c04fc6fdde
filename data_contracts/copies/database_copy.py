"""Copies of SQLite databases while other processes write to them."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from data_contracts.errors import StorageError

_BUSY_SECONDS = 30.0
_PAGES = 4096  # a step of a copy; between two others may work


@contextmanager
def writers_held(files: Sequence[Path]) -> Iterator[None]:
    """Keep every process from writing to some databases; they wait, and readers go on. For moments only."""
    with ExitStack() as stack:
        for file in files:
            with _errors(file):
                connection = stack.enter_context(closing(_connect(file)))
                connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def snapshot(file: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that reads the state of now, whatever is written meanwhile (in WAL mode)."""
    with _errors(file), closing(_connect(file)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Copy the state that a connection reads into a new file of its own, and check that it is whole."""
    target.touch(mode=0o600)
    with _errors(target), closing(_connect(target)) as copy:
        source.backup(copy, pages=_PAGES)
        # Else the copy would leave files beside it when it is opened to be looked at.
        copy.execute("PRAGMA journal_mode=DELETE")
        answers = [row[0] for row in copy.execute("PRAGMA quick_check(3)")]
    if answers != ["ok"]:
        raise StorageError(
            f"{target.name} is damaged ({'; '.join(answers)[:200]})",
            "a database whose pages are whole",
            "Restore the last backup that was made before, or ask SQLite's `.recover`",
        )


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)


@contextmanager
def _errors(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(
            f"{file} cannot be copied ({error})",
            "a database that can be opened and read, and a disk with room",
            "End the program that holds it, restore it if it is damaged, or free disk space",
        ) from error


def end_leases(records: Path) -> None:
    """Delete the leases in a copy of the records: nobody holds them there, not even the one of the backup."""
    with _errors(records), closing(_connect(records)) as connection:
        connection.execute("DELETE FROM leases")
