"""Group commit: concurrent writes share one transaction, and each returns once it is on disk.

A commit costs one flush to the disk, however much is in it. So the first thread to arrive commits for all that are
waiting, and those that arrive meanwhile wait for the next commit.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from data_contracts.errors import StorageError
from data_contracts.records.records import storage_errors
from data_contracts.records.records_handle import RecordsHandle
from data_contracts.tracing.spans import current_span, shared_span

if TYPE_CHECKING:
    from data_contracts.tracing.spans import Span

T = TypeVar("T")

BUSY_SECONDS = 2.0  # a caller of the endpoint would rather retry than wait
_LOCK_RETRY_SECONDS = 0.0005


@dataclass(frozen=True)
class _Entry:
    """A write that waits for its commit, and its result."""

    order: str
    write: Callable[[sa.Connection], Any]
    written: "Future[Any]" = field(default_factory=Future)
    waits_in: "Span | None" = field(default_factory=current_span)


class GroupCommit:
    """Write into the records for many threads at once; `busy_seconds` is the wait for another process that writes.

    The database is opened on first use, and again after it was out of reach.
    """

    def __init__(self, url: str, busy_seconds: float = BUSY_SECONDS) -> None:
        self._busy_seconds = busy_seconds
        self._records = RecordsHandle(url, busy_seconds)
        self._waiting: deque[_Entry] = deque()
        self._turn = threading.Lock()

    def run(self, write: Callable[[sa.Connection], T], *, order: str = "") -> T:
        """Execute statements in a shared transaction and return their result once it is durable.

        `write` may be called again if the transaction failed, and must not end it. Writes of one transaction run in the
        order of `order`, so that processes do not deadlock. A `StorageError` means that nothing of it was stored.
        """
        entry = _Entry(order, write)
        self._waiting.append(entry)
        with self._turn:
            if not entry.written.done():
                # Iterating over a deque that others append to may fail; popping one by one does not.
                batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
                self._commit_all(sorted(batch, key=lambda waiting: waiting.order))
        result: T = entry.written.result(timeout=0.0)
        return result

    def engine(self) -> sa.Engine:
        """Return the engine to read from; raise a `StorageError` if the database is out of reach."""
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
                # One of them cannot be written: that must not fail the others.
                for entry in batch:
                    self._commit_all([entry])

    def _commit(self, batch: list[_Entry]) -> None:
        """Write a batch; raise a StorageError if the database failed, or the only entry did."""
        engine = self.engine()
        try:
            with (
                shared_span("commit records", [entry.waits_in for entry in batch]),
                engine.connect() as connection,
            ):
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
            # Locked for too long, or another error: let SQLAlchemy raise it, as the callers expect its exceptions.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def _lock(self, connection: Any) -> bool:
        """Begin as a writer: a transaction that begins as a reader may be unable to become one.

        SQLite's own waiting sleeps ever longer, up to a tenth of a second, while other processes hold the lock for a
        millisecond or two. And this uses the driver directly: SQLAlchemy's errors keep the frames they went through
        alive, and with them the whole request, until the garbage collector runs.
        """
        deadline = time.monotonic() + self._busy_seconds
        connection.execute("PRAGMA busy_timeout=0")
        try:
            while True:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.Error as error:
                    if not _is_busy(error) or time.monotonic() > deadline:
                        return False
                else:
                    return True
                time.sleep(_LOCK_RETRY_SECONDS)
        finally:
            connection.execute(f"PRAGMA busy_timeout={int(1000 * self._busy_seconds)}")


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
