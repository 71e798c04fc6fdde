"""Where MLflow's files are in a workspace that was moved or copied: MLflow stores absolute paths.

They are rewritten when the store is opened to be written, and looked up in this workspace when it is read, so that a
copy neither needs nor touches its original, and a folder that is mounted at two paths can be read at both.
"""

import logging
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from data_contracts.configuration.sqlite_urls import sqlite_file
from data_contracts.workspace import ARTIFACTS_FOLDER, SETTINGS_FILE, Workspace

_LOGGER = logging.getLogger("forewarn.registry")
_BUSY_SECONDS = 10.0
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


@dataclass(frozen=True)
class Moved:
    """Folders of experiments whose stored paths are those of another workspace."""

    old: str  # the other workspace
    folders: tuple[tuple[str, str], ...]  # as they are stored, and as they are here


def local_path(uri: str) -> Path | None:
    """Return the path of a URI on this machine; None for one elsewhere."""
    parsed = urlparse(uri)
    if parsed.scheme == "":
        return Path(uri)  # not its parsed path, which ends at a question or number sign
    return Path(unquote(parsed.path)) if parsed.scheme == "file" else None


def own_path(workspace: Workspace, uri: str) -> Path | None:
    """Return the path of a URI here, in this workspace if another one stored it; None if not on this machine."""
    path = local_path(uri)
    if path is None or not _is_embedded(workspace):
        return path
    artifacts = Path(workspace.artifacts_url)
    if path.is_relative_to(artifacts):
        return path
    parts = path.parts
    tails = (parts[place + 1 :] for place, part in enumerate(parts) if part == ARTIFACTS_FOLDER)
    return next((here for tail in tails if tail and (here := artifacts.joinpath(*tail)).exists()), path)


def find_moved(workspace: Workspace) -> tuple[Moved, ...]:
    """Return what MLflow's store says of files that came into this workspace with it, from others."""
    database = sqlite_file(workspace.mlflow_uri)
    if database is None or not database.is_file() or not _is_embedded(workspace):
        return ()
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "experiments" not in tables:
            return ()
        stored = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
    folders = [(name, location) for name, location in stored if location]
    homes = sorted(
        {home for name, location in folders if (home := _home(name, location)) not in (None, workspace.root)}
    )
    return tuple(
        moved for home in homes if home is not None and (moved := _moved(workspace, home, folders)) is not None
    )


def rewrite_moved(workspace: Workspace) -> tuple[Moved, ...]:
    """Rewrite in MLflow's store the paths of files that came into this workspace with it; return which."""
    moved, database = find_moved(workspace), sqlite_file(workspace.mlflow_uri)
    if not moved or database is None:
        return ()
    with closing(sqlite3.connect(database, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for old, new in (folder for each in moved for folder in each.folders):
            for table, column in _COLUMNS:
                _rewrite(connection, table, column, old, new)
        connection.execute("COMMIT")
    for each in moved:
        _LOGGER.warning(
            "This workspace was at %s before: the paths of its models are now those of %s.", each.old, workspace.root
        )
    return moved


def rewrite_moved_if_writable(workspace: Workspace) -> None:
    """Rewrite paths as `rewrite_moved` does, unless the store is read-only or damaged, which its next user says."""
    try:
        rewrite_moved(workspace)
    except sqlite3.Error as error:
        _LOGGER.info("the paths in MLflow's store were not looked at: %s", error)


def _rewrite(connection: sqlite3.Connection, table: str, column: str, old: str, new: str) -> None:
    inside = f"substr({column}, 1, ?) = ?"
    connection.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR {inside}",  # noqa: S608
        (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
    )


def _is_embedded(workspace: Workspace) -> bool:
    database, artifacts = sqlite_file(workspace.mlflow_uri), local_path(workspace.artifacts_url)
    return database is not None and artifacts is not None and artifacts.is_relative_to(workspace.root)


def _home(experiment: str, location: str) -> Path | None:
    """Return the workspace that an experiment's folder is in by its path; None if it is in none."""
    path = local_path(location)
    if path is None or not path.is_absolute() or path.parts[-2:] != (ARTIFACTS_FOLDER, experiment):
        return None
    return path.parents[1]


def _moved(workspace: Workspace, home: Path, folders: Iterable[tuple[str, str]]) -> Moved | None:
    """Return the experiments of another home, if their files came along; a folder of artifacts may also be set."""
    artifacts = Path(workspace.artifacts_url)
    inside = [(name, location) for name, location in folders if _home(name, location) == home]
    came = any((artifacts / name).is_dir() for name, _ in inside)
    elsewhere = any((home / ARTIFACTS_FOLDER / name).is_dir() for name, _ in inside)
    if not came and elsewhere and not (home / SETTINGS_FILE).exists():
        return None
    return Moved(str(home), tuple((location.rstrip("/"), str(artifacts / name)) for name, location in inside))


def rewrite_prefix(database: Path, old: str, new: str) -> None:
    """Rewrite the paths under a folder in a database of MLflow's that nobody has open."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for table, column in _COLUMNS:
            _rewrite(connection, table, column, old, new)
            _rewrite(connection, table, column, Path(old).as_uri(), new)
        connection.execute("COMMIT")


def end_running(database: Path) -> None:
    """Mark runs that are under way in a copy of MLflow's database as killed: nobody goes on with them there."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE runs SET status = 'KILLED' WHERE status IN ('RUNNING', 'SCHEDULED')")


def version_folders(database: Path, workspace: Workspace) -> tuple[tuple[str, int, Path | None], ...]:
    """Return the registered versions by a copy of a workspace's database of MLflow, with the folders of their files."""
    columns = "name, version, coalesce(storage_location, source)"
    query = f"SELECT {columns} FROM model_versions WHERE current_stage != ? ORDER BY 1, 2"  # noqa: S608
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(query, ("Deleted_Internal",)).fetchall()
    return tuple((name, int(version), own_path(workspace, location)) for name, version, location in rows)
