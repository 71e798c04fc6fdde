"""Reading everything that a workspace keeps, and comparing it with its checksums: `forewarn doctor --deep`."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_contracts.configuration.database import without_password
from data_contracts.configuration.sqlite_faults import find_faults
from data_contracts.configuration.sqlite_urls import sqlite_file, sqlite_url
from data_contracts.errors import ForewarnError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.files.checksums import named_checksum, read_checksum
from data_contracts.tables.files.data_files import local_folder
from data_contracts.tables.files.verification import CheckedFile, check_files, data_files
from data_contracts.tables.table_access import open_to_read, storage, table_names
from data_contracts.workspace import Workspace
from models.registry.registry import Registry
from pipelines.workspaces.manifest import CONTENT, MANIFEST, read_manifest

if TYPE_CHECKING:
    from rich.console import Group

_FROM_BACKUP = "Stop what uses the workspace, and copy the file back from a backup, which has it under the same name"
_MODEL = "Restore its folder from a backup, or delete the version with `forewarn models delete` and train it again"
_DATABASE = "Stop what uses the workspace, move the file away, and copy it back from the last backup made before"


@dataclass(frozen=True)
class Damage:
    """Something that is not as it was stored."""

    part: str  # table, model or database
    name: str
    file: str
    fault: str
    holds: str  # in words
    remedy: str
    whole_in: tuple[str, ...] = ()  # copies of the file in backups that are whole


@dataclass(frozen=True)
class CheckedPart:
    """A part of the workspace that was read."""

    part: str
    name: str
    files: int = 1
    size: int = 0  # bytes
    without_checksum: int = 0  # files from before there were any, of which only the length is known
    note: str = ""  # why it was not checked


@dataclass(frozen=True)
class DeepCheck:
    """What was read, and what of it is damaged."""

    parts: tuple[CheckedPart, ...]
    damaged: tuple[Damage, ...] = field(default=())

    @property
    def exit_status(self) -> int:
        """Return 1 if anything is damaged."""
        return int(bool(self.damaged))

    def to_dict(self) -> Mapping[str, Any]:
        """Return it as JSON values."""
        return {
            "checked": [asdict(part) for part in self.parts],
            "damaged": [{**asdict(damage), "whole_in": list(damage.whole_in)} for damage in self.damaged],
        }

    def __rich__(self) -> "Group":
        """Render a table of what was read, and a paragraph for each damage."""
        from rich.console import Group
        from rich.text import Text

        from pipelines.terminal.tables import records_table

        lines = [Text(_paragraph(damage), style="red") for damage in self.damaged]
        return Group(records_table([asdict(part) for part in self.parts]), *(lines or [Text("Nothing is damaged.")]))


def check_deeply(
    workspace: Workspace, *, backups: Path | None = None, progress: ProgressCallback = silent
) -> DeepCheck:
    """Compare all files of all tables and all registered versions with their checksums, and check the databases.

    Of a damaged file of a table the copies that are whole are looked for in the backups in a folder.
    """
    parts, damaged = list[CheckedPart](), list[Damage]()
    for part, found in (*_tables(workspace, backups, progress), *_models(workspace, progress), *_databases(workspace)):
        parts.append(part)
        damaged += found
    return DeepCheck(tuple(parts), tuple(damaged))


def _tables(
    workspace: Workspace, backups: Path | None, progress: ProgressCallback
) -> Iterator[tuple[CheckedPart, list[Damage]]]:
    for table in table_names(workspace):
        try:
            with storage(workspace, table):
                delta = open_to_read(workspace, table)
                files = () if delta is None else data_files(delta)
                checked = [] if delta is None else list(check_files(delta, files, progress=progress, what=table))
        except ForewarnError as error:
            yield CheckedPart("table", table), [Damage("table", table, "", error.found, "", error.remedy)]
            continue
        size, bare = sum(file.size for file in files), sum(not each.has_checksum for each in checked)
        found = [_damaged_file(table, each, backups) for each in checked if each.fault]
        yield CheckedPart("table", table, len(files), size, bare), found


def _damaged_file(table: str, checked: CheckedFile, backups: Path | None) -> Damage:
    path = checked.file.path
    copies = () if backups is None else tuple(_whole_copies(backups, table, path))
    remedy = f"Copy {copies[-1]} over it, while nothing writes" if copies else _FROM_BACKUP
    return Damage("table", table, path, checked.fault, checked.file.content, remedy, copies)


def _whole_copies(backups: Path, table: str, path: str) -> Iterator[str]:
    """Yield the copies of a table's file in backups that have the checksum of its name, in order of the backups."""
    for manifest in sorted((*backups.glob(MANIFEST), *backups.glob(f"*/{MANIFEST}"))):
        try:
            files = read_manifest(manifest.parent).files
        except ForewarnError:
            continue
        name = f"{CONTENT}/tables/{table}/{path}"
        copy = manifest.parent / name
        if name in files and copy.is_file():
            checksum, size = read_checksum(local_folder(copy.parent), copy.name)
            if named_checksum(path) in (None, checksum) and size == files[name].size:
                yield str(copy)


def _models(workspace: Workspace, progress: ProgressCallback) -> Iterator[tuple[CheckedPart, list[Damage]]]:
    registry = Registry(workspace)
    try:
        versions = [(name, int(entry["version"])) for name in registry.names() for entry in registry.versions(name)]
    except ForewarnError as error:
        yield CheckedPart("registry", without_password(workspace.mlflow_uri)), [_of("registry", "", error)]
        return
    for number, (name, version) in enumerate(versions):
        progress("models", number, len(versions))
        called = f"{name} {version}"
        try:
            files, size = registry.check_version(name, version)
        except ForewarnError as error:
            yield CheckedPart("model", called), [_of("model", called, error, _MODEL)]
            continue
        yield CheckedPart("model", called, files, size), []
    progress("models", len(versions), len(versions))


def _databases(workspace: Workspace) -> Iterator[tuple[CheckedPart, list[Damage]]]:
    prefect = sqlite_url(workspace.prefect_home / "prefect.db")
    for name, url in (("records", workspace.records_url), ("registry", workspace.mlflow_uri), ("flow runs", prefect)):
        file = sqlite_file(url)
        if file is None:
            yield CheckedPart("database", name, 0, note="on a server, which checks itself"), []
        elif file.exists():
            found = [Damage("database", name, str(file), fault, name, _DATABASE) for fault in find_faults(file)]
            yield CheckedPart("database", name, 1, file.stat().st_size), found


def _of(part: str, name: str, error: ForewarnError, remedy: str = "") -> Damage:
    return Damage(part, name, "", error.found, "", remedy or error.remedy)


def _paragraph(damage: Damage) -> str:
    what = " ".join(word for word in (damage.part, damage.name, damage.file) if word)
    holds = f"; it holds {damage.holds}" if damage.holds else ""
    return f"{what}: {damage.fault}{holds}. {damage.remedy}."
