"""A registry for frequent polling: MLflow is queried only when the store's SQLite file has changed.

An MLflow query costs some 5 ms of Python, which delays every request of the polling process. Reading SQLite's change
counters takes 20 us, and shows changes made by any process.
"""

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from data_contracts.configuration.sqlite_urls import sqlite_file
from data_contracts.workspace import Workspace
from models.registry.mlflow_store import is_missing, storage_errors
from models.registry.registry import Registry

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

Stamp = tuple[int, int]


class FollowedRegistry(Registry):
    """A `Registry` that caches aliases, and the last version read, for as long as the store has not changed."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._stamps = _SqliteStamps.of(workspace.mlflow_uri)
        self._cached_aliases: dict[str, tuple[Stamp, Mapping[str, int]]] = {}
        self._cached_version: tuple[str, int | str, Stamp, ModelVersion] | None = None

    def alias_map(self, name: str) -> Mapping[str, int]:
        """Return all aliases of a model, each with the version it names; empty if there is no such model."""
        # The stamp is taken first: a change after it is noticed the next time.
        stamp = self._stamps.read() if self._stamps else None
        cached = self._cached_aliases.get(name)
        if stamp is not None and cached is not None and cached[0] == stamp:
            return cached[1]
        aliases = self._read_aliases(name)
        if stamp is not None:
            self._cached_aliases[name] = (stamp, aliases)
        return aliases

    def _version(self, name: str, version: int | str) -> "ModelVersion":
        # Loading a version and reading its golden inputs looks it up three times in a row.
        stamp, cached = self._stamps.read() if self._stamps else None, self._cached_version
        if stamp is not None and cached is not None and cached[:3] == (name, version, stamp):
            return cached[3]
        entry = super()._version(name, version)
        if stamp is not None:
            self._cached_version = name, version, stamp, entry
        return entry

    def _read_aliases(self, name: str) -> Mapping[str, int]:
        from mlflow.exceptions import MlflowException

        with storage_errors(self.workspace):
            try:
                aliases = self._client.get_registered_model(name).aliases
            except MlflowException as error:
                if is_missing(error):
                    return {}
                raise
        return {alias: int(version) for alias, version in aliases.items()}


class _SqliteStamps:
    """Identify states of an SQLite file: the count of connections made to it, and SQLite's own count of changes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._opened: tuple[tuple[int, int], sqlite3.Connection] | None = None
        self._connections = 0

    @classmethod
    def of(cls, uri: str) -> "_SqliteStamps | None":
        """Return the stamps of a store; None if it is not an SQLite file."""
        file = sqlite_file(uri)
        return None if file is None else cls(file)

    def read(self) -> Stamp | None:
        """Return the present stamp; None if it cannot be read, as during a write."""
        try:
            status = self._file.stat()
            connection = self._connect((status.st_dev, status.st_ino))
            (changes,) = connection.execute("PRAGMA data_version").fetchone()
        except (OSError, sqlite3.Error):
            self._close()
            return None
        # SQLite counts changes anew for every connection.
        return self._connections, int(changes)

    def _connect(self, file: tuple[int, int]) -> sqlite3.Connection:
        # The opened file may have been replaced by a backup.
        if self._opened is None or self._opened[0] != file:
            self._close()
            uri = f"{self._file.absolute().as_uri()}?mode=ro"
            self._opened = file, sqlite3.connect(uri, uri=True, timeout=0.0, check_same_thread=False)
            self._connections += 1
        return self._opened[1]

    def _close(self) -> None:
        if self._opened is not None:
            with contextlib.suppress(sqlite3.Error):
                self._opened[1].close()
        self._opened = None
