"""A long-running process's connection to the records: opened on first use, reopened if the database was replaced."""

import threading
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from data_contracts.configuration.sqlite_urls import sqlite_file
from data_contracts.errors import StorageError
from data_contracts.records.records import open_records


class RecordsHandle:
    """An engine for the records that survives a server's restart and a file's replacement by its backup."""

    def __init__(self, url: str, busy_seconds: float) -> None:
        self._url = url
        self._busy_seconds = busy_seconds
        self._opening = threading.Lock()
        self._engine: sa.Engine | None = None
        self._file: _File | None = None

    def engine(self) -> sa.Engine:
        """Return the engine, opened if need be; raise a `StorageError` if the database is out of reach."""
        with self._opening:
            if self._file is not None and not self._file.exists():
                raise StorageError(f"the records at {self._file.path} are gone", "the file they were in", "Put it back")
            if self._file is not None and self._file.was_replaced():
                self._close()
            if self._engine is None:
                self._engine = open_records(self._url, busy_seconds=self._busy_seconds)
                self._file = _File.of(self._engine)
            return self._engine

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        with self._opening:
            self._close()

    def _close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        self._engine = None


@dataclass(frozen=True)
class _File:
    """An SQLite file, identified by its inode: rows written into one that was moved away would be lost."""

    path: Path
    inode: int

    @classmethod
    def of(cls, engine: sa.Engine) -> "_File | None":
        path = sqlite_file(engine.url.render_as_string(hide_password=False))
        return None if path is None else cls(path, path.stat().st_ino)

    def exists(self) -> bool:
        return self.path.exists()

    def was_replaced(self) -> bool:
        return self.path.stat().st_ino != self.inode
