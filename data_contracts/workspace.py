"""The workspace: the folder that holds all embedded state; delete it and nothing is left."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_contracts.errors import NotFoundError, UsageError, did_you_mean

SETTINGS_FILE = "forewarn.toml"
_ENVIRONMENT = {
    "tables": "FOREWARN_TABLES_URL",
    "records": "FOREWARN_RECORDS_URL",
    "mlflow": "FOREWARN_MLFLOW_URI",
}
_STORES = (*_ENVIRONMENT, "artifacts")
_INITIAL = """\
# The settings of this workspace. All are optional.

[storage]
# Where the stores are, if not in this folder. Environment variables override this file.
# tables = "..."      # Delta tables: a folder                         FOREWARN_TABLES_URL
# records = "..."     # predictions, ledger: an SQLAlchemy URL         FOREWARN_RECORDS_URL
# mlflow = "..."      # experiments, models: an MLflow tracking URI    FOREWARN_MLFLOW_URI
# artifacts = "..."   # model files: a folder or an MLflow artifact location
"""


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
    """

    root: Path
    tables_url: str
    records_url: str
    mlflow_uri: str
    artifacts_url: str

    @property
    def prefect_home(self) -> Path:
        """Return the folder of Prefect's own database and settings."""
        return self.root / "prefect"

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
    for folder in (root, root / "tables", root / "artifacts", root / "prefect", root / "reports"):
        _make_folder(folder)
    settings = root / SETTINGS_FILE
    if not settings.exists():
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
        the settings file.

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
    """
    settings = root / SETTINGS_FILE
    if not settings.is_file():
        raise NotFoundError(
            f"no workspace at {root}",
            f"a folder with a {SETTINGS_FILE}",
            "Create one with `forewarn init`, or name another with --workspace",
        )
    stores = _read_storage(settings)
    stores |= {store: environ[name] for store, name in _ENVIRONMENT.items() if environ.get(name)}
    home = root.resolve()
    return Workspace(
        root=home,
        tables_url=stores.get("tables", str(home / "tables")),
        records_url=stores.get("records", f"sqlite:///{home / 'records.db'}"),
        mlflow_uri=stores.get("mlflow", f"sqlite:///{home / 'mlflow.db'}"),
        artifacts_url=stores.get("artifacts", str(home / "artifacts")),
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be created ({error.strerror})",
            "a writable folder",
            "Choose another with --workspace",
        ) from error


def _read_storage(settings: Path) -> dict[str, str]:
    try:
        content: dict[str, Any] = tomllib.loads(settings.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{settings} is not TOML ({error})", "a valid TOML file", "Fix that line") from error
    storage = content.get("storage", {})
    if not isinstance(storage, dict):
        raise UsageError(f"{settings}: storage is {storage!r}", "a table [storage]", "Write [storage] on its own line")
    for name, value in storage.items():
        if name not in _STORES:
            hint = did_you_mean(name, _STORES) or "Remove it"
            raise UsageError(f"{settings}: unknown key storage.{name}", f"one of {', '.join(_STORES)}", hint)
        if not isinstance(value, str) or not value:
            raise UsageError(f"{settings}: storage.{name} is {value!r}", "a string", "Put it in quotes, or remove it")
    return dict(storage)
