"""The workspace: the folder that holds all embedded state; delete it and nothing is left."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import Field

from data_contracts.configuration.database import DatabaseSettings, given_settings, with_database_settings
from data_contracts.configuration.places import Source, read_toml
from data_contracts.configuration.signing import SigningSettings, read_signing
from data_contracts.configuration.sqlite_urls import sqlite_file, sqlite_url
from data_contracts.configuration.values import build, configuration
from data_contracts.configuration.workspace_version import read_workspace_version, write_workspace_version
from data_contracts.errors import NotFoundError, UsageError

SETTINGS_FILE = "forewarn.toml"
RECORDS_FILE, REGISTRY_FILE = "records.db", "mlflow.db"
ARTIFACTS_FOLDER = "artifacts"
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_SCHEME = re.compile(r"[A-Za-z][\w+.-]+:")
_INITIAL = """\
# The settings of this workspace. All are optional.

[storage]
# Where the stores are, if not in this folder. Environment variables override this file.
# tables = "..."      # Delta tables: a folder                         FOREWARN_TABLES_URL
# records = "..."     # predictions, ledger: an SQLAlchemy URL         FOREWARN_RECORDS_URL
# mlflow = "..."      # experiments, models: an MLflow tracking URI    FOREWARN_MLFLOW_URI
# artifacts = "..."   # model files: a folder or an MLflow artifact location

# [database]           # how PostgreSQL is used for the records, if they are there
# pool_size = 5        # connections a process keeps open              FOREWARN_DATABASE_POOL_SIZE
"""


@configuration
class StorageSettings:
    """Where the stores are; read when the workspace is opened. A relative path is one within the workspace."""

    tables: Annotated[str | None, Field(min_length=1)] = None
    """Delta tables: a folder or s3://; `tables` in the workspace by default. FOREWARN_TABLES_URL wins."""
    records: Annotated[str | None, Field(min_length=1)] = None
    """Predictions and the ledger: an SQLAlchemy URL; SQLite in the workspace by default. FOREWARN_RECORDS_URL wins."""
    mlflow: Annotated[str | None, Field(min_length=1)] = None
    """Experiments and models: an MLflow tracking URI; SQLite in the workspace by default. FOREWARN_MLFLOW_URI wins."""
    artifacts: Annotated[str | None, Field(min_length=1)] = None
    """Model files: a folder or an MLflow artifact location; `artifacts` in the workspace by default."""


@configuration
class _File:
    storage: StorageSettings = StorageSettings()
    database: DatabaseSettings = DatabaseSettings()


@dataclass(frozen=True)
class Workspace:
    """Where a workspace keeps its data.

    Parameters
    ----------
    root
        The workspace's folder.
    tables_url
        The folder of the Delta tables.
    records_url
        The SQLAlchemy URL of the records.
    mlflow_uri
        MLflow's tracking and registry URI.
    artifacts_url
        Where MLflow keeps the files of its models: a folder or an artifact location.
    signing
        Whose signatures of registered versions count.
    """

    root: Path
    tables_url: str
    records_url: str
    mlflow_uri: str
    artifacts_url: str
    signing: SigningSettings = field(default_factory=SigningSettings)

    @property
    def prefect_home(self) -> Path:
        """Return the folder of Prefect's own database and settings."""
        return self.root / "prefect"

    @property
    def contracts(self) -> Path:
        """Return the folder of the contracts that the workspace's data were checked by."""
        return self.root / "contracts"

    @property
    def reports(self) -> Path:
        """Return the folder that reports are written to."""
        return self.root / "reports"


def init_workspace(root: Path) -> Workspace:
    """Create a workspace, or complete an existing one.

    Parameters
    ----------
    root
        The folder; it is created with its parents.

    Returns
    -------
    Workspace
        The workspace by its settings file; environment variables are ignored.

    Raises
    ------
    UsageError
        If a folder cannot be created, or an existing settings file is invalid.
    """
    _refuse_escapes(str(root.resolve()))
    for folder in (root, root / "tables", root / ARTIFACTS_FOLDER, root / "prefect", root / "reports"):
        _make_folder(folder)
    settings = root / SETTINGS_FILE
    if not settings.exists():
        write_workspace_version(root)
        settings.write_text(_INITIAL, encoding="utf-8")
    return open_workspace(root, {})


def open_workspace(root: Path, environ: Mapping[str, str]) -> Workspace:
    """Open an existing workspace.

    Parameters
    ----------
    root
        The workspace's folder.
    environ
        Environment variables; ``FOREWARN_TABLES_URL``, ``FOREWARN_RECORDS_URL`` and ``FOREWARN_MLFLOW_URI`` override
        the settings file, and so do FOREWARN_DATABASE_* and FOREWARN_SIGNING_*.

    Returns
    -------
    Workspace
        Where its data is.

    Raises
    ------
    NotFoundError
        If there is no workspace at `root`.
    UsageError
        If its settings file is invalid.
    StorageError
        If it was written by a later version.
    """
    settings = root / SETTINGS_FILE
    if not settings.is_file():
        raise NotFoundError(
            f"no workspace at {root}",
            f"a folder with a {SETTINGS_FILE}",
            "Create one with `forewarn init`, or name another with --workspace",
        )
    read_workspace_version(root)
    content, source = read_toml(settings)
    (storage, database), home = _read_stores(content, source, environ), root.resolve()

    def store(name: str, variable: str, usual: str) -> str:
        written = getattr(storage, name)
        return environ.get(variable) or (usual if written is None else _from_home(name, written, home))

    tables = store("tables", "FOREWARN_TABLES_URL", str(home / "tables"))
    _refuse_escapes(str(home), tables)
    records = store("records", "FOREWARN_RECORDS_URL", sqlite_url(home / RECORDS_FILE))
    artifacts = storage.artifacts
    return Workspace(
        root=home,
        tables_url=tables,
        records_url=with_database_settings(records, database),
        mlflow_uri=store("mlflow", "FOREWARN_MLFLOW_URI", sqlite_url(home / REGISTRY_FILE)),
        artifacts_url=str(home / ARTIFACTS_FOLDER) if artifacts is None else _from_home("artifacts", artifacts, home),
        signing=read_signing(content, source, environ),
    )


def _from_home(name: str, written: str, home: Path) -> str:
    """Return what the settings file says of a store, a relative path being one within the workspace."""
    is_folder = name in ("tables", "artifacts") and not _SCHEME.match(written)
    file = Path(written) if is_folder else sqlite_file(written)
    if file is None or file.is_absolute() or (not is_folder and "?" in written):
        return written
    here, former = home / file, Path.cwd() / file
    if former.exists() and not here.exists():
        raise UsageError(
            f"storage.{name} is {written}, which is in the folder that this program was started in, {Path.cwd()}",
            f"a path within the workspace, {here}, or an absolute one",
            f"Write {former} if that is meant",
        )
    return str(here) if is_folder else sqlite_url(here)


def _refuse_escapes(*folders: str) -> None:
    """Refuse a path such as ``a%20b``: Delta and MLflow decode it, and would use what is in ``a b`` instead."""
    for folder in folders:
        if "://" not in folder and (escape := _ESCAPE.search(folder)):
            raise UsageError(
                f"the path {folder} has {escape[0]}, which the stores read as {unquote(escape[0])!r}",
                "a folder whose path has no per cent sign before two hexadecimal digits",
                "Rename that folder, or choose another",
            )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is in it has names of people
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be created ({error.strerror})",
            "a writable folder",
            "Choose another with --workspace",
        ) from error


def _read_stores(
    content: Mapping[str, Any], source: Source, environ: Mapping[str, str]
) -> tuple[StorageSettings, dict[str, Any]]:
    """Read where the stores are, and what is set of the database; the other sections are the flows' own."""
    own = {name: table for name, table in content.items() if name in ("storage", "database")}
    file = build(_File, own, source)
    database, places = given_settings(own.get("database", {}), environ)
    build(_File, {"database": database}, replace(source, places=places))
    return file.storage, database
