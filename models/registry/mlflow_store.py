"""MLflow's store: its global state for a while, and its errors in our words."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from data_contracts.errors import StorageError
from data_contracts.workspace import Workspace


@contextlib.contextmanager
def using(uri: str) -> Iterator[None]:
    """Point MLflow's global state at a store for as long as what only knows that state needs it, then put it back.

    Parameters
    ----------
    uri
        The store.
    """
    import mlflow

    before, registry_before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    noise = logging.getLogger("mlflow")
    level = noise.level
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    # It warns of what is meant so: an explicit signature in place of an input example, which it would run.
    noise.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*input example was not provided", category=UserWarning)
            yield
    finally:
        noise.setLevel(level)
        mlflow.set_tracking_uri(before)
        mlflow.set_registry_uri(registry_before)


@contextlib.contextmanager
def told_as_storage_error(workspace: Workspace) -> Iterator[None]:
    """Tell of a store that is locked, corrupt or away in our own words.

    Parameters
    ----------
    workspace
        Whose store it is.

    Raises
    ------
    StorageError
        In place of what MLflow or the operating system raises.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_store(error):
            raise
        where = workspace.mlflow_uri
        # MLflow wraps what the database says, which is what tells a person what to do.
        cause = error.__cause__ if type(error).__name__ == "MlflowException" and error.__cause__ else error
        cause = getattr(cause, "orig", None) or cause
        reason = (str(cause).splitlines() or [""])[0][:200]
        raise StorageError(
            f"MLflow's store at {where} cannot be used ({type(cause).__name__}: {reason})",
            "a database that can be opened, and a folder for its files",
            _remedy(reason),
        ) from error


def _remedy(reason: str) -> str:
    if "not a database" in reason or "malformed" in reason:
        return "The file is damaged: move it away, and restore it from a backup"
    if "readonly" in reason:
        return "Let the file and its folder be written to, or name another workspace with --workspace"
    if "locked" in reason:
        return "Another program holds it: end that one, or try again"
    return "See `forewarn doctor`; perhaps its folder may not be written to, or FOREWARN_MLFLOW_URI names another place"


def _is_of_store(error: Exception) -> bool:
    # By the name of its module: only data_contracts may import SQLAlchemy, whose errors MLflow lets through.
    home = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or home in ("mlflow", "sqlalchemy", "sqlite3", "alembic")


def is_missing(error: Any) -> bool:
    """Tell whether MLflow means that a model, version or alias is not there."""
    # An alias that is not there is an invalid parameter to MLflow, a model that is not there is a missing resource.
    return error.error_code == "RESOURCE_DOES_NOT_EXIST" or "not found" in str(error)
