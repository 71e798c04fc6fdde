"""Group commit: whatever waits to be written goes into one transaction, and nobody goes on before it is on disk.

A commit costs one write-through to the disk, however much is in it. So the first to come commits for all who are
waiting, and whoever comes meanwhile waits for the next turn.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from data_contracts.errors import StorageError
from data_contracts.records.records import storage_errors
from data_contracts.records.records_handle import RecordsHandle

T = TypeVar("T")

# Whoever asks would rather hear "try again" than wait.
BUSY_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.0005


@dataclass(frozen=True)
class _Entry:
    """Something to write, and what becomes of it."""

    order: str
    write: Callable[[sa.Connection], Any]
    written: "Future[Any]" = field(default_factory=Future)


class GroupCommit:
    """Write into the records for many threads at once.

    The records are opened at the first use, and anew after they were out of reach.

    Parameters
    ----------
    url
        The SQLAlchemy URL of the records.
    busy_seconds
        How long to wait for another process that writes, in seconds.
    """

    def __init__(self, url: str, busy_seconds: float = BUSY_SECONDS) -> None:
        self._busy_seconds = busy_seconds
        self._records = RecordsHandle(url, busy_seconds)
        self._waiting: deque[_Entry] = deque()
        self._turn = threading.Lock()

    def run(self, write: Callable[[sa.Connection], T], *, order: str = "") -> T:
        """Write, and return once it is durable.

        Parameters
        ----------
        write
            Executes statements in a transaction that may be shared with others. It may be called again if the
            transaction failed, and must not end it.
        order
            Writes of one transaction run in this order, so that processes do not wait for each other in a circle.

        Returns
        -------
        object
            What `write` returned.

        Raises
        ------
        StorageError
            If the records are out of reach, locked or damaged, or refuse what is written; nothing of it is stored.
        """
        entry = _Entry(order, write)
        self._waiting.append(entry)
        with self._turn:
            if not entry.written.done():
                # A list of a deque that others append to may fail; taking one by one does not.
                batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
                self._commit_all(sorted(batch, key=lambda waiting: waiting.order))
        result: T = entry.written.result(timeout=0.0)
        return result

    def engine(self) -> sa.Engine:
        """Return the records to read from.

        Returns
        -------
        sqlalchemy.Engine

        Raises
        ------
        StorageError
            If they are out of reach.
        """
        return self._records.engine()

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        self._records.close()

    def _commit_all(self, batch: list[_Entry]) -> None:
        try:
            self._commit(batch)
        except StorageError as error:
            for entry in batch:
                entry.written.set_exception(error)
        except Exception as error:
            if len(batch) == 1:
                batch[0].written.set_exception(error)
            else:
                # One of them cannot be written: the others shall not suffer for it.
                for entry in batch:
                    self._commit_all([entry])

    def _commit(self, batch: list[_Entry]) -> None:
        """Write a batch; raise a StorageError where no entry of several is to blame."""
        engine = self.engine()
        try:
            with engine.connect() as connection:
                self._begin(connection)
                results = [entry.write(connection) for entry in batch]
                connection.commit()
        except sa.exc.DBAPIError as error:
            down = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
            if down:
                self.close()
            if down or len(batch) == 1:
                with storage_errors(engine):
                    raise
            raise
        for entry, result in zip(batch, results, strict=True):
            entry.written.set_result(result)

    def _begin(self, connection: sa.Connection) -> None:
        if connection.dialect.name != "sqlite":
            return
        connection.begin()
        if not self._lock(connection.connection.dbapi_connection):
            # It is not locked, or for too long: SQLAlchemy says why, in the words that are listened for.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def _lock(self, connection: Any) -> bool:
        """Begin as a writer, for a transaction that begins as a reader may be unable to become one.

        SQLite's own waiting sleeps ever longer, up to a tenth of a second, where other processes hold the lock for a
        millisecond or two. And it is the driver that is asked: SQLAlchemy's errors hold on to whatever the frames that
        they went through know, which is the whole request, until somebody collects garbage.
        """
        ends = time.monotonic() + self._busy_seconds
        connection.execute("PRAGMA busy_timeout=0")
        try:
            while True:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.Error as error:
                    if not _is_busy(error) or time.monotonic() > ends:
                        return False
                else:
                    return True
                time.sleep(_LOOK_AGAIN_SECONDS)
        finally:
            connection.execute(f"PRAGMA busy_timeout={int(1000 * self._busy_seconds)}")


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
