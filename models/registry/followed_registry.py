"""The registry for who follows its aliases many times a minute: its store is asked only when it has changed.

MLflow's answer costs some 5 ms of Python, which every request of the asking process waits for. An SQLite file tells of
any change by any process in 20 us.
"""

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from data_contracts.workspace import Workspace
from models.registry.mlflow_store import is_missing, told_as_storage_error
from models.registry.registry import Registry

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

_SQLITE = "sqlite:///"
Stamp = tuple[int, int]


class FollowedRegistry(Registry):
    """Find, load and follow models.

    Parameters
    ----------
    workspace
        Where MLflow's data lies.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._stamps = _SqliteStamps.of(workspace.mlflow_uri)
        self._held: dict[str, tuple[Stamp, Mapping[str, int]]] = {}
        self._found: tuple[str, int | str, Stamp, ModelVersion] | None = None

    def alias_map(self, name: str) -> Mapping[str, int]:
        """Return all aliases of a model, each with the version that it names.

        Parameters
        ----------
        name
            The model's name.

        Returns
        -------
        mapping of str to int
            Empty if there is no such model.

        Raises
        ------
        StorageError
            If MLflow's store cannot be used.
        """
        # The stamp is taken first: a change after it is noticed the next time.
        stamp = self._stamps.read() if self._stamps else None
        held = self._held.get(name)
        if stamp is not None and held is not None and held[0] == stamp:
            return held[1]
        found = self._ask(name)
        if stamp is not None:
            self._held[name] = (stamp, found)
        return found

    def _version(self, name: str, version: int | str) -> "ModelVersion":
        # Loading a version and reading its golden inputs ask for it three times in a row.
        stamp, found = self._stamps.read() if self._stamps else None, self._found
        if stamp is not None and found is not None and found[:3] == (name, version, stamp):
            return found[3]
        asked = super()._version(name, version)
        if stamp is not None:
            self._found = name, version, stamp, asked
        return asked

    def _ask(self, name: str) -> Mapping[str, int]:
        from mlflow.exceptions import MlflowException

        with told_as_storage_error(self.workspace):
            try:
                aliases = self._client.get_registered_model(name).aliases
            except MlflowException as error:
                if is_missing(error):
                    return {}
                raise
        return {alias: int(version) for alias, version in aliases.items()}


class _SqliteStamps:
    """Tell states of an SQLite file apart: the count of connections made to it, and SQLite's own count of changes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._opened: tuple[tuple[int, int], sqlite3.Connection] | None = None
        self._connections = 0

    @classmethod
    def of(cls, uri: str) -> "_SqliteStamps | None":
        """Read the stamps of a store; None if it is no SQLite file."""
        return cls(Path(uri.removeprefix(_SQLITE))) if uri.startswith(_SQLITE) else None

    def read(self) -> Stamp | None:
        """Return the present stamp; None if it cannot be told, as while somebody writes."""
        try:
            about = self._file.stat()
            connection = self._connect((about.st_dev, about.st_ino))
            (changes,) = connection.execute("PRAGMA data_version").fetchone()
        except (OSError, sqlite3.Error):
            self._close()
            return None
        # The changes are counted anew for every connection.
        return self._connections, int(changes)

    def _connect(self, file: tuple[int, int]) -> sqlite3.Connection:
        # A backup may have been put in the place of the file that was opened.
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
