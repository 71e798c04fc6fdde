"""Access to MLflow's store: its global URIs set temporarily, and its errors raised as `StorageError`."""

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_contracts.configuration.sqlite_faults import sqlite_remedy, with_disk_state
from data_contracts.configuration.sqlite_urls import sqlite_file
from data_contracts.errors import StorageError
from data_contracts.workspace import Workspace
from models.registry.store.moved_store import own_path
from models.registry.store.store_schema import other_schema

_OTHER_SCHEMA = "out-of-date database schema"  # what MLflow says of an earlier one and of a later one

_S3_PACKAGE = "boto3"
_PROGRESS_BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


@contextlib.contextmanager
def active_store(uri: str) -> Iterator[None]:
    """Point MLflow's global state at a store, for the parts of its API that take no client; restore it afterwards."""
    import mlflow

    tracking_before, registry_before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    logger = logging.getLogger("mlflow")
    level = logger.level
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    # It warns about what is intended: an explicit signature in place of an input example, which it would run.
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*input example was not provided", category=UserWarning)
            yield
    finally:
        logger.setLevel(level)
        mlflow.set_tracking_uri(tracking_before)
        mlflow.set_registry_uri(registry_before)


@contextlib.contextmanager
def storage_errors(workspace: Workspace) -> Iterator[None]:
    """Raise `StorageError` in place of what MLflow, the database or the operating system raises about the store."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != _S3_PACKAGE:
            raise
        raise StorageError(
            f"{workspace.artifacts_url} without the package {_S3_PACKAGE}", "forewarn[s3]", "pip install 'forewarn[s3]'"
        ) from error
    except Exception as error:
        if not _is_from_store(error):
            raise
        # MLflow wraps the database's error, which is the one that says what to do.
        cause = error.__cause__ if type(error).__name__ == "MlflowException" and error.__cause__ else error
        cause = getattr(cause, "orig", None) or cause
        reason = with_disk_state((str(cause).splitlines() or [""])[0][:200], sqlite_file(workspace.mlflow_uri))
        if _OTHER_SCHEMA in str(error):
            raise other_schema(workspace) from error
        raise StorageError(
            f"MLflow's store at {workspace.mlflow_uri} cannot be used ({type(cause).__name__}: {reason})",
            "a database that can be opened, and a folder for its files",
            _remedy(reason),
        ) from error


@contextlib.contextmanager
def local_copy(workspace: Workspace, uri: str) -> Iterator[Path]:
    """Yield the folder of an artifact: in place when it lies on this machine, otherwise downloaded."""
    local = own_path(workspace, uri)
    if local is not None:
        yield local
        return
    from mlflow.artifacts import download_artifacts

    os.environ.setdefault(_PROGRESS_BAR, "false")  # a bar of MLflow's would tear ours, and logs
    with tempfile.TemporaryDirectory() as scratch, active_store(workspace.mlflow_uri):
        yield Path(download_artifacts(artifact_uri=uri, dst_path=scratch, tracking_uri=workspace.mlflow_uri))


def is_uncreated(uri: str) -> bool:
    """Return whether a store is certainly empty: a file that is not there yet, and takes MLflow seconds to create."""
    scheme, _, path = uri.partition(":///")
    # A query, or a name such as :memory:, says more than where the file is.
    if scheme != "sqlite" or "?" in path or path.startswith(":"):
        return False
    return Path(path).parent.is_dir() and not Path(path).exists()


def _remedy(reason: str) -> str:
    usual = "See `forewarn doctor`; its folder may not be writable, or FOREWARN_MLFLOW_URI may name another place"
    return sqlite_remedy(reason) or usual


def _is_from_store(error: Exception) -> bool:
    # By the name of its module: only data_contracts may import SQLAlchemy, whose errors MLflow lets through.
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or package in ("mlflow", "sqlalchemy", "sqlite3", "alembic", "boto3", "botocore")


def is_missing(error: Any) -> bool:
    """Return whether an MlflowException means that a model, version or alias does not exist."""
    # MLflow calls a missing alias an invalid parameter, and a missing model a missing resource.
    return error.error_code == "RESOURCE_DOES_NOT_EXIST" or "not found" in str(error)
